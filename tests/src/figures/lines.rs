//! How many lines of Rust each crate has, with its tests and without.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::workspace::{Member, members};
use super::{Figure, Measured};

/// This module's figures.
pub const FIGURES: &[Figure] = &[Figure::quick(&["lines.…"], lines)];

/// What marks the item after it as for tests only.
const MARKS: [&str; 2] = ["#[cfg(test)]", "#[cfg(any(test, feature = \"testing\"))]"];

fn lines() -> Result<Vec<Measured>> {
    let mut figures = Vec::new();
    let (mut all, mut product) = (0, 0);
    for member in members()? {
        let counted = Counted::of(&member)?;
        all += counted.all;
        product += counted.product;
        figures.extend(counted.figures(&member.short()));
    }
    let total = Counted { all, product };
    figures.extend(total.figures("total"));
    Ok(figures)
}

/// Lines of a crate.
#[derive(Debug, PartialEq, Eq)]
struct Counted {
    all: usize,
    product: usize,
}

impl Counted {
    fn of(member: &Member) -> Result<Self> {
        let texts: Vec<(PathBuf, String)> = member
            .files()?
            .into_iter()
            .map(|path| Ok((path.clone(), fs::read_to_string(path)?)))
            .collect::<Result<_>>()?;
        let for_tests: BTreeSet<PathBuf> = texts
            .iter()
            .flat_map(|(path, text)| test_modules(path, text))
            .collect();
        let apart = ["tests", "benches", "examples"].map(|part| member.folder.join(part));
        let is_for_tests = |path: &Path| {
            apart.iter().any(|folder| path.starts_with(folder))
                || for_tests
                    .iter()
                    .any(|module| path == module.with_extension("rs") || path.starts_with(module))
        };
        let all = texts.iter().map(|(_, text)| text.lines().count()).sum();
        let product = texts
            .iter()
            .filter(|(path, _)| !is_for_tests(path))
            .map(|(_, text)| product_lines(text))
            .sum();
        Ok(Self { all, product })
    }

    fn figures(&self, name: &str) -> [Measured; 2] {
        let figure = |name: String, lines: usize, what: &str| Measured {
            name: name.into(),
            value: lines as f64,
            unit: "lines",
            how: format!("Rust, comments and blank lines included, {what}"),
            bound: None,
        };
        [
            figure(format!("lines.{name}"), self.product, "without tests"),
            figure(format!("lines.{name}_with_tests"), self.all, "tests included"),
        ]
    }
}

/// Modules that `text` declares for tests only, as paths without ending: each is a file, perhaps with a folder.
fn test_modules(path: &Path, text: &str) -> Vec<PathBuf> {
    let is_root = path.ends_with("lib.rs") || path.ends_with("main.rs");
    let folder = if is_root {
        path.parent().map(Path::to_owned)
    } else {
        Some(path.with_extension(""))
    };
    let lines = text.lines().zip(text.lines().skip(1));
    let marked = lines
        .filter(|(mark, _)| MARKS.contains(mark))
        .map(|(_, line)| line);
    let names = marked.filter_map(|line| {
        let (_, name) = line.strip_suffix(';')?.rsplit_once("mod ")?;
        Some(folder.as_ref()?.join(name))
    });
    names.collect()
}

/// Lines but those of modules for tests that stand in the file itself.
fn product_lines(text: &str) -> usize {
    let mut lines = text.lines().peekable();
    let mut count = 0;
    while let Some(line) = lines.next() {
        let begins_tests = MARKS.contains(&line)
            && lines
                .peek()
                .is_some_and(|next| next.starts_with("mod ") && next.ends_with('{'));
        if begins_tests {
            lines.by_ref().find(|line| *line == "}");
        } else {
            count += 1;
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn module_for_tests_in_the_file_is_not_counted_and_what_follows_is() {
        let text = "fn a() {}\n\n#[cfg(test)]\nmod tests {\n    fn b() {\n    }\n}\n\nfn c() {}\n#[cfg(test)]\nfn d() {}\n";
        assert_eq!(product_lines(text), 6);
    }

    #[test]
    fn modules_declared_for_tests_are_found_beside_their_parent() {
        let text = "#[cfg(test)]\nmod tests;\nmod other;\n#[cfg(test)]\npub(crate) mod fixture;\n#[cfg(test)]\nmod inline {\n}\n";
        let at = |path: &str| test_modules(Path::new(path), text);
        assert_eq!(
            at("c/src/a.rs"),
            [Path::new("c/src/a/tests"), Path::new("c/src/a/fixture")]
        );
        assert_eq!(
            at("c/src/lib.rs"),
            [Path::new("c/src/tests"), Path::new("c/src/fixture")]
        );
    }

    #[test]
    fn every_crate_and_the_total_have_both_counts() {
        let figures = lines().unwrap();
        let of = |name: &str| figures.iter().find(|figure| figure.name == name).unwrap().value;
        let sum: f64 = members()
            .unwrap()
            .iter()
            .map(|member| of(&format!("lines.{}_with_tests", member.short())))
            .sum();
        assert_eq!(of("lines.total_with_tests"), sum);
        assert!(of("lines.proto") > 1_000.0 && of("lines.proto") < of("lines.proto_with_tests"));
    }
}
