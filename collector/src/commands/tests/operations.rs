//! Every command that docs/operations.md shows is carried out, on a kept state folder.

use super::kept::{opened, present};
use super::*;

const TEXT: &str = include_str!("../../../../docs/operations.md");

/// The lines of a collector's commands in blocks, without what the shell does with their output.
fn lines() -> Vec<String> {
    let shown = TEXT.lines().map(str::trim);
    let ours = shown.filter_map(|line| line.strip_prefix("isochrone-collector "));
    ours.map(|line| {
        line.split(['>', '|'])
            .next()
            .unwrap_or_default()
            .trim()
            .to_owned()
    })
    .collect()
}

#[test]
fn every_command_of_the_operations_guide_is_carried_out() {
    let (folder, context) = opened(&present());
    let lines = lines();
    assert!(lines.len() > 10, "{lines:?}");
    for line in &lines {
        let line = line.replace("/srv/copy", &folder.path().join("copy").display().to_string());
        let (code, text) = said(&context, &line);
        // a collector that does not run is what `status` says
        let expected = if line.starts_with("status") { 3 } else { 0 };
        assert_eq!(code, expected, "{line}: {text}");
    }
}

#[test]
fn keys_of_the_operations_guide_are_read() {
    let block = TEXT
        .split("```toml\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    let config = crate::config::Config::parse(block.unwrap(), std::path::Path::new("collector.toml"));
    assert_eq!(config.unwrap().retention, isochrone_store::Retention::default());
}
