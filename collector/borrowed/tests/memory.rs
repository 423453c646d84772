//! Four gigabytes of a platform's results in the memory of a few: by themselves in a process, so that its memory is theirs.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::io::{self, Read};

use isochrone_borrowed::{AtlasResults, Measured, Probes, Refusals, Targets, Where};
use isochrone_proto::units::UnixMillis;

const NOW: UnixMillis = UnixMillis(1_795_953_600_000); // 2026-11-29T12:00:00Z
const PROBES: &str = r#"[{"id":1,"is_public":true,"is_anchor":false,"asn_v4":64500,"country_code":"KE","status":{"id":1},
    "geometry":{"type":"Point","coordinates":[36.8,-1.3]},"tags":[{"name":"Home","slug":"home"}]}]"#;
/// Bytes of rows, and of one object that does not end before: more than 4 GiB together.
const EACH: u64 = 2_200_000_000;

fn row(host: &str) -> String {
    format!(
        r#"{{"fw":5080,"mver":"2.6.4","lts":12,"dst_name":"{host}","ttr":2.48,"af":4,"dst_addr":"192.0.2.1","src_addr":"198.51.100.1","proto":"ICMP","ttl":53,"size":48,"result":[{{"rtt":80.512345}},{{"rtt":81.1}},{{"rtt":82.0}}],"dup":0,"rcvd":3,"sent":3,"min":80.512345,"max":82.0,"avg":81.2,"msm_id":90000001,"prb_id":1,"timestamp":1795900000,"msm_name":"Ping","from":"198.51.100.1","type":"ping","group_id":90000001,"step":null,"stored_timestamp":1795900003}}"#
    )
}

/// The same bytes again and again, so many in all and then to the end of one.
struct Repeated {
    piece: Vec<u8>,
    given: u64,
    until: u64,
}

impl Repeated {
    fn new(piece: String, until: u64) -> Self {
        Self {
            until: until.div_ceil(piece.len() as u64) * piece.len() as u64,
            piece: piece.into_bytes(),
            given: 0,
        }
    }
}

impl Read for Repeated {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let at = (self.given % self.piece.len() as u64) as usize;
        let left = usize::try_from(self.until - self.given).unwrap_or(usize::MAX);
        let count = buffer.len().min(self.piece.len() - at).min(left);
        buffer[..count].copy_from_slice(&self.piece[at..at + count]);
        self.given += count as u64;
        Ok(count)
    }
}

/// The most memory that this process ever had, in bytes.
fn most_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib * 1024
}

#[test]
fn four_gigabytes_are_read_in_the_memory_of_a_few_rows_and_what_is_broken_among_them_is_named() {
    let (ours, others) = (row("node.example.org"), row("elsewhere.example"));
    let lines: String = (0..1_000)
        .map(|number| format!("{}\n", if number % 2 == 0 { &ours } else { &others }))
        .collect();
    let rows = Repeated::new(lines, EACH);
    let count = rows.until / (ours.len() + others.len() + 2) as u64;
    let endless = Repeated::new("a".repeat(1 << 16), EACH);
    let total = rows.until + endless.until;
    let file = rows
        .chain(&br#"{"type":"ping","junk":""#[..])
        .chain(endless)
        .chain(&b"\"}\n"[..])
        .chain(ours.as_bytes());
    let mut probes = Probes::default();
    probes.read(PROBES.as_bytes(), &mut Refusals::default()).unwrap();
    let targets = Targets::new([("node.example.org", "berlin")]);
    let before = most_memory();
    let mut results = AtlasResults::new(file, &probes, &targets, NOW);
    let mut taken = 0_u64;
    let mut each = |_: Where, _: &Measured<'_>| taken += 1;
    while results.read(5_000, &mut each).unwrap() {}
    let grown = most_memory().saturating_sub(before);
    assert!(total > 4 << 30, "{total}");
    assert_eq!(taken, count + 1, "the row behind what does not end is taken");
    let refused: Vec<_> = results.refusals().counts().collect();
    let of = |words: &str| {
        let mut found = refused
            .iter()
            .filter(|(rule, _)| rule.to_string().contains(words));
        found.next().map(|(_, count)| *count)
    };
    assert_eq!(of("another target"), Some(count), "{refused:?}");
    assert_eq!(of("longer"), Some(1), "{refused:?}");
    assert_eq!(refused.len(), 2, "{refused:?}");
    assert!(grown < 16 << 20, "{grown} bytes of memory for {total} of file");
}
