use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use super::*;

const NOW: UnixMillis = UnixMillis(1_790_000_000_000);
const FIRST: u64 = 1_700_654_400_000;

fn document(at: u64) -> Value {
    json!({
        "time": at, "source": "prober-eu", "nodeEndpoint": "https://node.example.org/distributor/", "pingStatus": "ok",
        "assetDownloadResult": { "status": 200, "ttfb": 100 },
    })
}

fn file(content: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(content).unwrap();
    file
}

fn lines(file: &tempfile::NamedTempFile) -> Lines {
    Lines::open(file.path(), ImportedIndex::OperatorsPing, NOW).unwrap()
}

/// The lines that were taken, and those that were not.
fn all(content: &[u8]) -> (Vec<u64>, Vec<(u64, String)>) {
    let file = file(content);
    let mut lines = lines(&file);
    let (mut taken, mut refused) = (Vec::new(), Vec::new());
    let line = |origin: Origin| match origin {
        Origin::Line(line) => line,
        Origin::Id(id) => panic!("{id}"),
    };
    while let Some(piece) = lines.next_piece().unwrap() {
        taken.extend(piece.runs.into_iter().map(|(origin, _)| line(origin)));
        refused.extend(
            piece
                .refused
                .into_iter()
                .map(|of| (line(of.origin), of.unfit.to_string())),
        );
    }
    (taken, refused)
}

#[test]
fn files_of_real_people_are_taken_as_they_are() {
    let one = document(FIRST).to_string();
    let dumped =
        json!({ "_index": "operators-ping", "_id": "x", "_source": document(FIRST + 1) }).to_string();
    let action = json!({ "index": { "_index": "operators-ping" } }).to_string();
    let text = format!("\u{feff}{one}\r\n\r\n{dumped}\n{action}\n{one}");
    assert_eq!(all(text.as_bytes()), (vec![1, 3, 5], vec![]));
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(text.as_bytes()).unwrap();
    assert_eq!(all(&packed.finish().unwrap()).0, [1, 3, 5]);
    assert_eq!(all(b""), (vec![], vec![]));
}

#[test]
fn bad_line_is_named_and_the_rest_goes_on() {
    let one = document(FIRST).to_string();
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(2 * LINE_MAX));
    let mut bytes = format!("{one}\n{{\"time\":\nnull\n{long}\n{one}\n").into_bytes();
    bytes.extend_from_slice(b"\xff\xfe\n");
    bytes.extend_from_slice(&one.as_bytes()[..40]); // the file was cut
    let (taken, refused) = all(&bytes);
    assert_eq!(taken, [1, 5]);
    let places: Vec<_> = refused.iter().map(|(line, _)| *line).collect();
    assert_eq!(places, [2, 3, 4, 6, 7]);
    assert!(refused[0].1.contains("no JSON"), "{refused:?}");
    assert!(refused[1].1.contains("a JSON object is wanted"), "{refused:?}");
    assert!(refused[2].1.contains("longer than 1048576 bytes"), "{refused:?}");
}

#[test]
fn file_that_cannot_be_read_and_one_array_are_said_with_what_to_do() {
    let words = match Lines::open(Path::new("/nowhere/x.ndjson"), ImportedIndex::OperatorsPing, NOW) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("it is not there"),
    };
    assert!(words.contains("/nowhere/x.ndjson"), "{words}");
    let file = file(b"[{\"time\": 1}]");
    let words = lines(&file).next_piece().unwrap_err().to_string();
    assert!(words.contains("jq -c"), "{words}");
}

/// A hundred thousand documents: no more than one piece of them is held.
#[test]
fn hundred_thousand_documents_are_read_in_pieces() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let mut out = std::io::BufWriter::new(&mut file);
    for number in 0..100_000 {
        writeln!(out, "{}", document(FIRST + number)).unwrap();
    }
    out.flush().unwrap();
    drop(out);
    let mut lines = lines(&file);
    let (mut count, mut read) = (0, 0);
    while let Some(piece) = lines.next_piece().unwrap() {
        assert!(piece.runs.len() <= PIECE);
        let (done, total) = piece.progress;
        assert!(
            done >= read && done - read <= 2 << 20,
            "one piece further: {done} of {total}"
        );
        assert!(done <= total);
        read = done;
        count += piece.runs.len();
    }
    assert_eq!(count, 100_000);
}

proptest::proptest! {
    /// Bytes of any kind are lines of some kind; nothing panics, and each line is accounted for at most once.
    #[test]
    fn any_bytes_are_read_to_their_end(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..400)) {
        let file = file(&bytes);
        if let Ok(mut lines) = Lines::open(file.path(), ImportedIndex::DistributorsStatus, NOW) {
            let mut last = 0;
            while let Ok(Some(piece)) = lines.next_piece() {
                for refused in piece.refused {
                    let Origin::Line(line) = refused.origin else { panic!("a file has lines") };
                    proptest::prop_assert!(line > last);
                    last = line;
                }
            }
        }
    }
}
