//! Names on the wire. The bytes themselves are held by the golden files of proto/.

use isochrone_proto::frame::PROTOCOL_VERSION;
use isochrone_proto::join::{ALPN, ALPN_JOIN};
use isochrone_proto::known::Known;

use crate::book;
use crate::gathered::MESH;

fn listed(name: &str) -> String {
    let rows = book::table("The wire");
    let row = rows.into_iter().find(|row| row[0] == name);
    row.unwrap_or_else(|| panic!("the wire has no row {name:?}"))
        .swap_remove(1)
}

#[test]
fn protocols_and_their_version_are_the_listed_ones() {
    assert_eq!(listed("ALPN of probes").as_bytes(), ALPN);
    assert_eq!(listed("ALPN of joining").as_bytes(), ALPN_JOIN);
    assert_eq!(listed("version of the envelope"), PROTOCOL_VERSION.to_string());
}

#[test]
fn sections_are_the_listed_ones() {
    let listed = listed("sections of batches and plans");
    let listed: Vec<&str> = listed.split_whitespace().collect();
    assert_eq!(listed, Known::of_this_build().sections);
}

#[test]
fn certificates_of_the_small_mesh_carry_the_listed_names() {
    let holds = |side: &str, name: &str| {
        let name = listed(name);
        let prefix = name.trim_end_matches("ID").as_bytes();
        let certificate = &MESH.certificates[side];
        certificate.windows(prefix.len()).any(|window| window == prefix)
    };
    assert!(holds("probe", "identity of a probe"));
    assert!(holds("collector", "identity of a collector"));
    assert!(!holds("probe", "identity of a collector"));
    assert!(!holds("collector", "identity of a probe"));
}

#[test]
fn ports_are_those_of_the_default_configuration() {
    let collector = isochrone_collector::config::Config::parse("", "collector.toml".as_ref()).unwrap();
    let probe = isochrone_probe::config::Config::parse("", "probe.toml".as_ref()).unwrap();
    assert_eq!(listed("QUIC, UDP"), collector.listen[0].port().to_string());
    assert_eq!(listed("page, TCP"), collector.web.port().to_string());
    assert_eq!(listed("echo, UDP"), probe.echo_listen[0].port().to_string());
}
