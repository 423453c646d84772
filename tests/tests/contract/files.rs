//! Names of files in the state folders.

use std::collections::BTreeSet;

use crate::book;
use crate::gathered::MESH;

#[test]
fn files_of_both_state_folders_are_the_listed_ones() {
    for (side, heading) in [
        ("collector", "State of the collector"),
        ("probe", "State of a probe"),
    ] {
        let listed = book::names(heading);
        let fits = |name: &str, pattern: &str| match pattern.split_once('…') {
            Some((head, tail)) => {
                name.len() >= head.len() + tail.len() && name.starts_with(head) && name.ends_with(tail)
            }
            None => name == pattern,
        };
        let found = &MESH.files[side];
        let unlisted: BTreeSet<&String> = found
            .iter()
            .filter(|name| !listed.iter().any(|pattern| fits(name, pattern)))
            .collect();
        let gone: Vec<&String> = listed
            .iter()
            .filter(|pattern| !found.iter().any(|name| fits(name, pattern)))
            .collect();
        assert!(
            unlisted.is_empty() && gone.is_empty(),
            "{side}: not listed {unlisted:?}, listed and not there {gone:?}"
        );
    }
}
