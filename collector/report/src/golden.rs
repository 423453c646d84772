//! What reports say of fixed worlds, byte for byte. `GOLDEN=write` writes the files anew.

use std::path::Path;

use crate::Printed;

/// Compares all that others' programs and eyes read; a page may change its looks.
pub(crate) fn check(name: &str, report: &impl Printed) {
    let json = serde_json::to_string_pretty(&report.json()).unwrap() + "\n";
    check_text(&format!("{name}.json"), &json);
    check_text(&format!("{name}.csv"), &report.csv());
    check_text(&format!("{name}.txt"), &report.text(100));
    check_text(&format!("{name}.md"), &report.markdown());
}

/// Compares one text with the file of that name.
pub(crate) fn check_text(name: &str, said: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(name);
    if std::env::var_os("GOLDEN").is_some() {
        std::fs::write(&path, said).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    assert!(said == expected, "{name} differs; it says now:\n{said}");
}
