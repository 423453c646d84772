//! Circles between the modules of one folder: two that need each other need a third below them.
//!
//! A module that lies deeper speaks for the one of the folder that it belongs to. What a module takes from its parent
//! (`super::Type`) and a parent from its children is not counted, nor are tests.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// The files of one crate below `src`, each with its text.
type Files = BTreeMap<PathBuf, String>;
/// A module's names from the crate's root down.
type Module = Vec<String>;

/// The modules of a crate without its tests, and which paths each of them writes.
#[derive(Default)]
struct Crate {
    written: BTreeMap<Module, Vec<Module>>,
}

impl Crate {
    fn read(files: &Files) -> Self {
        let mut found = Self::default();
        let root = ["lib.rs", "main.rs"].map(Path::new);
        let root = root.into_iter().find(|root| files.contains_key(*root)).unwrap();
        found.file(files, root, &Module::new());
        found
    }

    fn file(&mut self, files: &Files, file: &Path, module: &Module) {
        let tokens: TokenStream = files[file].parse().unwrap();
        self.tokens(files, &tokens.into_iter().collect::<Vec<_>>(), module);
    }

    fn tokens(&mut self, files: &Files, tokens: &[TokenTree], module: &Module) {
        self.written.entry(module.clone()).or_default();
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            at += 1;
            match token {
                TokenTree::Punct(mark) if mark.as_char() == '#' && is_for_tests(tokens.get(at)) => {
                    at = end_of_item(tokens, at);
                }
                TokenTree::Group(group) => {
                    self.tokens(files, &group.stream().into_iter().collect::<Vec<_>>(), module);
                }
                TokenTree::Ident(word) if word == "mod" => self.module(files, &tokens[at..], module),
                TokenTree::Ident(word)
                    if ["crate", "self", "super"].iter().any(|start| word == start)
                        && is_way_down(&tokens[at..]) =>
                {
                    let (paths, after) = paths(tokens, at - 1);
                    at = after;
                    let absolute = paths.iter().map(|path| from_root(path, module));
                    self.written.entry(module.clone()).or_default().extend(absolute);
                }
                _ => {}
            }
        }
    }

    /// `mod name;`: reads its file.
    fn module(&mut self, files: &Files, tokens: &[TokenTree], module: &Module) {
        let [TokenTree::Ident(name), TokenTree::Punct(end), ..] = tokens else {
            return;
        };
        let child: Module = module.iter().cloned().chain([name.to_string()]).collect();
        let file = child.iter().collect::<PathBuf>().with_extension("rs");
        if end.as_char() == ';' && files.contains_key(&file) {
            self.file(files, &file, &child);
        }
    }

    /// Which module of a folder needs which other of the same.
    fn needs(&self) -> BTreeMap<Module, BTreeSet<(String, String)>> {
        let mut needs: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for (module, paths) in &self.written {
            for path in paths {
                let common = module
                    .iter()
                    .zip(path)
                    .take_while(|(one, other)| one == other)
                    .count();
                let is_module = |path: &[String]| self.written.contains_key(path);
                if common < module.len() && common < path.len() && is_module(&path[..=common]) {
                    let arrow = (module[common].clone(), path[common].clone());
                    needs.entry(module[..common].to_vec()).or_default().insert(arrow);
                }
            }
        }
        needs
    }

    /// The circles of each folder: those of its modules that reach each other.
    fn circles(&self) -> Vec<String> {
        let mut circles = BTreeSet::new();
        for (folder, arrows) in self.needs() {
            for (from, _) in &arrows {
                let circle = reached(&arrows, from);
                let circle = circle
                    .iter()
                    .filter(|other| reached(&arrows, other).contains(from));
                let names = circle.map(|name| name.as_str()).collect::<Vec<_>>();
                if !names.is_empty() {
                    let folder: Vec<_> = ["src"]
                        .into_iter()
                        .chain(folder.iter().map(String::as_str))
                        .collect();
                    circles.insert(format!("{}: {}", folder.join("/"), names.join(", ")));
                }
            }
        }
        circles.into_iter().collect()
    }
}

fn reached<'a>(arrows: &'a BTreeSet<(String, String)>, start: &str) -> BTreeSet<&'a String> {
    let (mut reached, mut open) = (BTreeSet::new(), vec![start]);
    while let Some(from) = open.pop() {
        for (_, to) in arrows.iter().filter(|(one, _)| one == from) {
            if reached.insert(to) {
                open.push(to);
            }
        }
    }
    reached
}

/// `[cfg(test)]`, also with the feature for tests of other crates.
fn is_for_tests(attribute: Option<&TokenTree>) -> bool {
    attribute.is_some_and(|attribute| {
        let text = attribute.to_string().replace(' ', "");
        text == "[cfg(test)]" || text.starts_with("[cfg(any(test,") || text.contains("feature=\"testing\"")
    })
}

/// Behind the item that begins at `at`: its semicolon, or its braces.
fn end_of_item(tokens: &[TokenTree], at: usize) -> usize {
    let is_end = |token: &TokenTree| match token {
        TokenTree::Punct(mark) => mark.as_char() == ';',
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        _ => false,
    };
    let length = tokens[at..].iter().position(is_end);
    length.map_or(tokens.len(), |length| at + length + 1)
}

/// `::` and not `::<`.
fn is_way_down(tokens: &[TokenTree]) -> bool {
    let is = |at: usize, mark: char| matches!(tokens.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == mark);
    is(0, ':') && is(1, ':') && !is(2, '<')
}

/// The path that begins at `at`; of a list in braces, each. And where it ends.
fn paths(tokens: &[TokenTree], mut at: usize) -> (Vec<Module>, usize) {
    let mut path = Module::new();
    loop {
        match tokens.get(at) {
            Some(TokenTree::Ident(word)) => path.push(word.to_string()),
            Some(TokenTree::Group(list)) if list.delimiter() == Delimiter::Brace => {
                let listed: Vec<_> = list.stream().into_iter().collect();
                let is_comma = |token: &TokenTree| token.to_string() == ",";
                let each = listed.split(is_comma).flat_map(|tokens| paths(tokens, 0).0);
                let whole = each.map(|end| path.iter().cloned().chain(end).collect());
                return (whole.collect(), at + 1);
            }
            _ => return (vec![path], at),
        }
        at += 1;
        if !is_way_down(&tokens[at..]) {
            return (vec![path], at);
        }
        at += 2;
    }
}

fn from_root(path: &[String], module: &Module) -> Module {
    let mut base = module.clone();
    for (at, word) in path.iter().enumerate() {
        match word.as_str() {
            "crate" => base.clear(),
            "super" => drop(base.pop()),
            "self" => {}
            _ => return base.into_iter().chain(path[at..].iter().cloned()).collect(),
        }
    }
    base
}

/// The folders of the workspace's crates.
fn crates() -> Vec<String> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
    let manifest: toml::Table = fs::read_to_string(manifest).unwrap().parse().unwrap();
    let members = manifest["workspace"]["members"].as_array().unwrap();
    members
        .iter()
        .map(|member| member.as_str().unwrap().to_owned())
        .collect()
}

fn files(source: &Path, folder: &Path, found: &mut Files) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(source, &path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            let place = path.strip_prefix(source).unwrap().to_path_buf();
            found.insert(place, fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn modules_of_one_folder_need_each_other_one_way_only() {
    let (mut circles, mut modules) = (Vec::new(), 0);
    for name in crates() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("..")
            .join(&name)
            .join("src");
        let mut found = Files::new();
        files(&source, &source, &mut found);
        let read = Crate::read(&found);
        modules += read.written.len();
        circles.extend(
            read.circles()
                .into_iter()
                .map(|circle| format!("{name}/{circle}")),
        );
    }
    assert!(modules > 300, "only {modules} modules were found");
    assert_eq!(circles, [""; 0], "move what both need into a third");
}

fn made_up(files: &[(&str, &str)]) -> Vec<String> {
    let files = files.iter().map(|&(file, text)| (file.into(), text.to_owned()));
    Crate::read(&files.collect()).circles()
}

#[test]
fn circle_is_found_however_it_is_written() {
    let ways = [
        ("use super::a::A;", "use super::b::B;"),
        ("use crate::a;", "fn f() { crate::b::g(vec![super::b::h()]) }"),
        ("use crate::{c::C, a::{A, D}};", "html! { (super::b::B) }"),
        ("fn f(a: super::a::A) {}", "use super::{c::C, b};"),
    ];
    for (b, a) in ways {
        let files = [
            ("lib.rs", "mod a; mod b; mod c;"),
            ("a.rs", a),
            ("b.rs", b),
            ("c.rs", ""),
        ];
        assert_eq!(made_up(&files), ["src: a, b"], "{b} {a}");
    }
}

#[test]
fn circle_of_three_and_one_by_way_of_deeper_files_are_found() {
    let files = [
        ("lib.rs", "mod x;"),
        ("x.rs", "mod a; mod b; mod c; mod alone;"),
        ("x/a.rs", "mod deep; use super::alone::X;"),
        ("x/a/deep.rs", "use super::super::b::B;"),
        ("x/b.rs", "use crate::x::c::C;"),
        ("x/c.rs", "use super::a::A;"),
        ("x/alone.rs", ""),
    ];
    assert_eq!(made_up(&files), ["src/x: a, b, c"]);
}

#[test]
fn way_down_parents_children_comments_and_tests_are_no_circle() {
    let files = [
        (
            "lib.rs",
            "mod a; mod b; #[cfg(test)] mod fixture; pub struct Shared;",
        ),
        (
            "a.rs",
            "mod deep; use crate::Shared; use self::deep::D; pub struct A;",
        ),
        ("a/deep.rs", "use super::A; use crate::b::B;"),
        (
            "b.rs",
            "//! [`crate::a::A`]\n const T: &str = \"crate::a::A\"; #[cfg(test)] mod tests { use crate::a::A; }",
        ),
        ("fixture.rs", "use crate::a::A; use crate::b::B;"),
    ];
    assert_eq!(made_up(&files), [""; 0]);
}
