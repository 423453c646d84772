//! Files as the platforms give them, made up: addresses, hosts and numbers of documentation.

use std::io::{self, Read};

use isochrone_proto::units::UnixMillis;

use crate::Targets;

/// 2026-11-29T12:00:00Z, when all of it is read.
pub const NOW: UnixMillis = UnixMillis(1_795_953_600_000);

/// The host that was measured; it is called `berlin` here.
pub const HOST: &str = "node.example.org";

/// The target that files of this module are about.
#[must_use]
pub fn targets() -> Targets {
    Targets::new([(HOST, "berlin"), ("2001:db8::1", "berlin")])
}

/// A list of `count` probes, numbered from 1, all over the world.
#[must_use]
pub fn atlas_probes(count: u32) -> String {
    let probes: Vec<String> = (1..=count)
        .map(|id| {
            let (latitude, longitude) = (f64::from(id % 140) - 69.5, f64::from(id * 7 % 360) - 179.5);
            let tags = match id % 3 {
                0 => r#"{"name":"Datacentre","slug":"datacentre"}"#,
                _ => r#"{"name":"Home","slug":"home"},{"name":"NAT","slug":"nat"}"#,
            };
            format!(
                r#"{{"asn_v4":{},"asn_v6":null,"country_code":"DE","geometry":{{"type":"Point","coordinates":[{longitude},{latitude}]}},"id":{id},"is_anchor":false,"is_public":true,"status":{{"id":1,"name":"Connected"}},"tags":[{tags}],"type":"Probe"}}"#,
                64_500 + id % 12
            )
        })
        .collect();
    format!(
        r#"{{"count":{count},"next":null,"results":[{}]}}"#,
        probes.join(",")
    )
}

/// The result of one ping, as the API gives it: the `number`th, by one of `probes` probes.
#[must_use]
pub fn atlas_ping(number: u64, probes: u32) -> String {
    let probe = 1 + number % u64::from(probes);
    let rtt = 5.0 + (number * 7_919 % 200_000) as f64 / 1_000.0 + 0.123_456;
    let at = NOW.0 / 1_000 - 86_400 + number % 86_000;
    let (second, third) = (rtt + 0.412_377, rtt + 1.905_114);
    format!(
        r#"{{"fw":5080,"mver":"2.6.4","lts":{},"dst_name":"{HOST}","ttr":2.481337,"af":4,"dst_addr":"192.0.2.1","src_addr":"198.51.100.{}","proto":"ICMP","ttl":53,"size":48,"result":[{{"rtt":{second:.6}}},{{"rtt":{rtt:.6}}},{{"rtt":{third:.6}}}],"dup":0,"rcvd":3,"sent":3,"min":{rtt:.6},"max":{third:.6},"avg":{:.10},"msm_id":90000001,"prb_id":{probe},"timestamp":{at},"msm_name":"Ping","from":"198.51.100.{}","type":"ping","group_id":90000001,"step":null,"stored_timestamp":{}}}"#,
        number % 60,
        number % 250,
        (rtt + second + third) / 3.0,
        number % 250,
        at + 3,
    )
}

/// The result of a handshake of TLS, certificate included.
#[must_use]
pub fn atlas_tls(number: u64, probes: u32) -> String {
    let probe = 1 + number % u64::from(probes);
    let connect = 5.0 + (number * 7_919 % 200_000) as f64 / 1_000.0;
    let at = NOW.0 / 1_000 - 86_400 + number % 86_000;
    let lines = "MIIBszCCAVmgAwIBAgIUXm5vdCBhIGNlcnRpZmljYXRlIGF0IGFsbDAKBggqhkjO\\n".repeat(20);
    let certificate = format!("-----BEGIN CERTIFICATE-----\\n{lines}-----END CERTIFICATE-----");
    format!(
        r#"{{"fw":5080,"mver":"2.6.4","lts":17,"dst_name":"{HOST}","ttr":3.1,"af":6,"dst_addr":"2001:db8::1","src_addr":"2001:db8:7::{}","dst_port":"443","method":"TLS","ver":"1.2","ttc":{connect:.6},"rt":{:.6},"server_cipher":"0xc02f","cert":["{certificate}","{certificate}"],"msm_id":90000002,"prb_id":{probe},"timestamp":{at},"msm_name":"SSLCert","from":"2001:db8:7::{}","type":"sslcert","group_id":90000002,"stored_timestamp":{}}}"#,
        number % 250,
        connect * 2.1,
        number % 250,
        at + 1,
    )
}

/// The result of a request of HTTP.
#[must_use]
pub fn atlas_http(number: u64, probes: u32) -> String {
    let probe = 1 + number % u64::from(probes);
    let connect = 5.0 + (number * 7_919 % 200_000) as f64 / 1_000.0;
    let at = NOW.0 / 1_000 - 86_400 + number % 86_000;
    format!(
        r#"{{"fw":5080,"mver":"2.6.4","lts":8,"uri":"https://{HOST}:443/distributor/api/v1/status","result":[{{"ttr":2.5,"ttc":{connect:.6},"ttfb":{:.6},"af":4,"dst_addr":"192.0.2.1","src_addr":"198.51.100.9","method":"GET","rt":{:.6},"res":200,"ver":"1.1","hsize":297,"bsize":512}}],"msm_id":90000003,"prb_id":{probe},"timestamp":{at},"msm_name":"HTTPGet","from":"198.51.100.9","type":"http","group_id":90000003,"stored_timestamp":{}}}"#,
        connect * 2.0,
        connect * 3.0,
        at + 1,
    )
}

/// A file of results that is written while it is read: lines, or one array.
pub struct Rows<F> {
    row: F,
    next: u64,
    count: u64,
    is_array: bool,
    ready: Vec<u8>,
    given: usize,
}

impl<F: FnMut(u64) -> String> Rows<F> {
    /// `count` rows, each as `row` writes it.
    pub fn new(count: u64, is_array: bool, row: F) -> Self {
        Self {
            row,
            next: 0,
            count,
            is_array,
            ready: Vec::new(),
            given: 0,
        }
    }
}

impl<F: FnMut(u64) -> String> Read for Rows<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.given == self.ready.len() {
            self.ready.clear();
            self.given = 0;
            if self.next < self.count {
                let before = match (self.is_array, self.next) {
                    (true, 0) => "[",
                    (true, _) => ",",
                    (false, _) => "",
                };
                let row = (self.row)(self.next);
                self.next += 1;
                let after = match (self.is_array, self.next == self.count) {
                    (true, true) => "]",
                    (true, false) => "",
                    (false, _) => "\n",
                };
                self.ready.extend([before, &row, after].concat().into_bytes());
            }
        }
        let count = buffer.len().min(self.ready.len() - self.given);
        buffer[..count].copy_from_slice(&self.ready[self.given..self.given + count]);
        self.given += count;
        Ok(count)
    }
}
