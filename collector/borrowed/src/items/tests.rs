use proptest::prelude::*;
use serde::Deserialize;
use serde_json::Value;

use super::*;

/// Keeps the number of each object `{"n": …}`, and what else it was told.
#[derive(Default)]
struct Keeper {
    numbers: Vec<u64>,
    pairs: Vec<(String, String)>,
    closed: usize,
    refused: Vec<(Where, String)>,
    enters: bool,
}

#[derive(Deserialize)]
struct Numbered {
    n: u64,
}

impl Taker for Keeper {
    fn object(&mut self, _: Where, depth: Depth, bytes: &[u8]) -> Attempt {
        if self.enters && depth == Depth::Top {
            return Attempt::Enter;
        }
        let mut values = serde_json::Deserializer::from_slice(bytes).into_iter::<Numbered>();
        match values.next() {
            Some(Ok(Numbered { n })) => {
                self.numbers.push(n);
                Attempt::Done(values.byte_offset())
            }
            Some(Err(error)) if error.is_eof() => Attempt::Short,
            Some(Err(error)) => Attempt::Broken(error.to_string()),
            None => Attempt::Short,
        }
    }

    fn pair(&mut self, key: &str, value: &[u8]) {
        self.pairs
            .push((key.to_owned(), String::from_utf8_lossy(value).into_owned()));
    }

    fn close(&mut self) {
        self.closed += 1;
    }

    fn refuse(&mut self, at: Where, unfit: &Unfit<'_>) {
        self.refused.push((at, unfit.to_string()));
    }

    fn is_wanted(&self, message: &str) -> bool {
        message == "atlas_result"
    }
}

fn read_as(file: &[u8], enters: bool) -> Keeper {
    let mut keeper = Keeper {
        enters,
        ..Keeper::default()
    };
    let mut items = Items::new(file, &["results"]);
    while items.read(3, &mut keeper).unwrap() {}
    keeper
}

fn read(file: impl AsRef<[u8]>) -> Keeper {
    read_as(file.as_ref(), false)
}

#[test]
fn objects_come_out_of_whatever_they_are_wrapped_in() {
    for file in [
        r#"[{"n":1},{"n":2},{"n":3}]"#,
        "[\n  {\n    \"n\": 1\n  },\n  {\n    \"n\": 2\n  },\n{\"n\":3}\n]\n",
        "{\"n\":1}\n{\"n\":2}\r\n\n{\"n\":3}",
        "\u{feff}{\"n\":1}{\"n\":2}{\"n\":3}",
        "[{\"n\":1}][{\"n\":2}]\n[{\"n\":3}]",
        "[\"atlas_subscribed\",{\"n\":9}]\n[\"atlas_result\",{\"n\":1}]\n[\"atlas_result\",{\"n\":2}]\n42[\"atlas_result\",{\"n\":3}]\n",
    ] {
        let keeper = read(file);
        assert_eq!(keeper.numbers, [1, 2, 3], "{file}");
        assert_eq!(keeper.refused, [], "{file}");
    }
    assert!(read("").refused.is_empty() && read(" \n[]").refused.is_empty());
}

#[test]
fn broken_object_costs_itself_alone() {
    for (file, line) in [
        ("[{\"n\":1},{\"n\":,\"m\":{}},{\"n\":2}]", 1),
        ("[{\"n\":1},{\"n\":\"}]\\\"\"},{\"n\":2}]", 1),
        ("{\"n\":1}\n{\"n\":\n{\"n\":2}\n", 2),
        ("{\"n\":1}\n{\"a\":{\"b\":[1,\n{\"n\":2}\n", 2),
        ("{\"n\":1}\n{\"a\":\"cut\n{\"n\":2}\n", 2),
        ("{\"n\":1}\n{\"a\":\"\u{1}\"}\n{\"n\":2}\n", 2),
        (
            "[{\"n\":1},\n  {\n   \"n\": tru\n  },\n  {\n   \"n\": 2\n }\n]",
            2,
        ),
        ("{\"n\":1}\nnot json {\"n\":7}\n{\"n\":2}\n", 2),
        ("[{\"n\":1},null,{\"n\":2}]", 1),
        ("{\"n\":1}\n<html><body>502</body></html>\n{\"n\":2}", 2),
    ] {
        let keeper = read(file);
        assert_eq!(keeper.numbers, [1, 2], "{file}");
        let first = &keeper.refused[0];
        assert_eq!(first.0.line, line, "{file}");
        assert!(keeper.refused.len() <= 3, "{file}: {:?}", keeper.refused);
    }
}

#[test]
fn object_that_does_not_end_is_named_bounded_and_the_rest_goes_on() {
    let long = format!(
        "{{\"n\":1}}\n{{\"a\":\"{}\"}}\n{{\"n\":2}}\n",
        "x".repeat(3 * LONGEST)
    );
    let keeper = read(&long);
    assert_eq!(keeper.numbers, [1, 2]);
    assert_eq!(keeper.refused.len(), 1);
    assert_eq!(
        keeper.refused[0].1,
        "longer than any result: 1048576 bytes are the most"
    );
    assert_eq!(keeper.refused[0].0, Where { line: 2, byte: 8 });
    let deep = format!("[{{\"n\":1}},{{\"a\":{}", "[".repeat(3 * LONGEST));
    let keeper = read(&deep);
    assert_eq!(keeper.numbers, [1]);
    assert_eq!(keeper.refused.len(), 1, "{:?}", keeper.refused);
}

#[test]
fn objects_of_a_list_are_taken_and_what_stands_beside_it_is_handed_on() {
    let file = r#"{"id":"a","results":[{"n":1},{"n":2}],"meta":{"x":["]}"]},"n":7} [{"results":[]},{"results":[{"n":3}],"z":null}]"#;
    let keeper = read_as(file.as_bytes(), true);
    assert_eq!(keeper.numbers, [1, 2, 3]);
    let pairs: Vec<_> = keeper
        .pairs
        .iter()
        .map(|(key, value)| (&**key, &**value))
        .collect();
    let expected = [
        ("id", "\"a\""),
        ("meta", "{\"x\":[\"]}\"]}"),
        ("n", "7"),
        ("z", "null"),
    ];
    assert_eq!(pairs, expected);
    assert_eq!((keeper.closed, keeper.refused.len()), (3, 0));
}

#[test]
fn list_that_is_cut_gives_what_it_held_and_says_so() {
    for cut in [
        r#"{"id":"a","results":[{"n":1},{"n"#,
        r#"{"results":[{"n":1}"#,
        r#"{"results":[{"n":1}],"x"#,
    ] {
        let keeper = read_as(cut.as_bytes(), true);
        assert_eq!(keeper.numbers, [1], "{cut}");
        assert_eq!(keeper.closed, 1, "{cut}");
        assert!(
            keeper.refused.iter().any(|(_, why)| why.starts_with("cut off")),
            "{cut}"
        );
    }
}

#[test]
fn value_beside_a_list_is_not_kept_when_it_is_long() {
    let file = format!(
        "{{\"raw\":\"{}\",\"results\":[{{\"n\":1}}]}}",
        "x".repeat(5 * LONGEST)
    );
    let keeper = read_as(file.as_bytes(), true);
    assert_eq!(keeper.numbers, [1]);
    assert!(keeper.pairs.is_empty() && keeper.refused.is_empty());
}

#[test]
fn file_that_ends_between_two_objects_of_an_array_is_cut_off_too() {
    let cut = |file: &str| {
        let refused = read(file).refused;
        refused
            .into_iter()
            .filter(|(_, why)| why.contains("cut off"))
            .count()
    };
    for file in [r#"[{"n":1},{"n":2}"#, r#"[{"n":1},"#, "[", r#"[{"n":1},{"n"#] {
        assert_eq!(cut(file), 1, "{file}");
    }
    for whole in [
        r#"[{"n":1}]"#,
        "[]",
        "",
        "{\"n\":1}\n{\"n\":2}",
        r#"["atlas_result",{"n":1}]"#,
        "[{\"n\":1}, x]",
    ] {
        assert_eq!(cut(whole), 0, "{whole}");
    }
}

proptest! {
    #[test]
    fn file_cut_anywhere_gives_what_stands_whole_before_the_cut(count in 1_usize..8, cut in 0.0..1.0_f64, layout in 0..3) {
        let objects: Vec<String> = (1..=count).map(|n| format!("{{\"a\":[{{\"b\":\"x{n}\"}}],\"n\":{n}}}")).collect();
        let file = match layout {
            0 => format!("[{}]", objects.join(",")),
            1 => objects.join("\n"),
            _ => format!("[\n {}\n]", objects.join(",\n ")),
        };
        let cut = (file.len() as f64 * cut) as usize;
        let keeper = read(&file[..cut]);
        let whole = objects.iter().scan(0, |from, object| {
            let start = file[*from..].find(object.as_str())? + *from;
            *from = start + object.len();
            Some(*from)
        });
        let whole = whole.filter(|end| *end <= cut).count();
        prop_assert_eq!(keeper.numbers, (1..=whole as u64).collect::<Vec<_>>());
    }

    #[test]
    fn any_bytes_end(bytes in proptest::collection::vec(any::<u8>(), 0..400), enters: bool) {
        read_as(&bytes, enters);
    }

    #[test]
    fn any_pieces_of_json_end(pieces in proptest::collection::vec(
        proptest::sample::select(vec!["{", "}", "[", "]", ",", ":", "\"n\"", "\"results\"", "1", "\n", "\\", "\"", "null", " "]), 0..60
    ), enters: bool) {
        let file = pieces.concat();
        let keeper = read_as(file.as_bytes(), enters);
        let is_json = serde_json::from_str::<Value>(&file).is_ok();
        if is_json && !enters && file.starts_with("[{") {
            prop_assert!(keeper.refused.len() + keeper.numbers.len() > 0);
        }
    }
}
