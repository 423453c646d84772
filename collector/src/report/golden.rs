//! What the reports say of fixed worlds, byte for byte. `GOLDEN=write` writes the files anew.

use std::path::Path;

pub(super) fn check(name: &str, said: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/report/golden")
        .join(name);
    if std::env::var_os("GOLDEN").is_some() {
        std::fs::write(&path, said).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    assert!(said == expected, "{name} differs; it says now:\n{said}");
}
