//! Files as the API of RIPE Atlas gives them.

use isochrone_borrowed::Access;
use isochrone_proto::units::UnixMillis;
use serde_json::{Value, json};

use super::{Eye, Mark, Target, echoes, position};

/// Results as one array.
pub(super) fn array(eyes: &[&Eye], targets: &[Target], at: UnixMillis) -> anyhow::Result<String> {
    Ok(Value::from(results(eyes, targets, at)).to_string())
}

/// The same, a line each.
pub(super) fn lines(eyes: &[&Eye], targets: &[Target], at: UnixMillis) -> anyhow::Result<String> {
    let results = results(eyes, targets, at).into_iter();
    Ok(results.map(|result| format!("{result}\n")).collect())
}

fn results(eyes: &[&Eye], targets: &[Target], at: UnixMillis) -> Vec<Value> {
    let mut results = Vec::new();
    for target in targets {
        for eye in eyes {
            if let Some(number) = eye.number {
                results.push(ping((number, eye), target, at));
            }
        }
    }
    results
}

fn ping((number, eye): (u32, &Eye), target: &Target, at: UnixMillis) -> Value {
    let echoes = echoes(eye, target);
    let second = at.0 / 1_000 + u64::from(number % 60);
    let max = echoes.iter().copied().fold(0.0, f64::max);
    json!({
        "fw": 5080, "mver": "2.6.4", "lts": 12, "type": "ping", "msm_name": "Ping", "msm_id": target.measurement,
        "group_id": target.measurement, "prb_id": number, "timestamp": second, "stored_timestamp": second + 3,
        "dst_name": target.host, "dst_addr": "192.0.2.1", "src_addr": "198.51.100.7", "from": "198.51.100.7", "af": 4,
        "proto": "ICMP", "ttl": 53, "size": 48, "ttr": 1.9, "step": null, "dup": 0, "sent": 3, "rcvd": 3,
        "min": echoes[1], "avg": echoes.iter().sum::<f64>() / 3.0, "max": max,
        "result": echoes.map(|rtt| json!({ "rtt": rtt })),
    })
}

/// The list of probes, as a page of its API.
pub(super) fn probes(eyes: &[Eye]) -> anyhow::Result<String> {
    let mut probes = Vec::new();
    for eye in eyes {
        if let Some(number) = eye.number {
            probes.push(probe(number, eye)?);
        }
    }
    Ok(json!({ "count": probes.len(), "next": null, "previous": null, "results": probes }).to_string())
}

fn probe(number: u32, eye: &Eye) -> anyhow::Result<Value> {
    let at = position(eye.claims)?;
    let country = eye.claims.rsplit_once(", ").map_or("", |(_, country)| country);
    let mut tags = vec![match eye.access {
        Access::Eyeball => "home",
        Access::DataCentre | Access::Unknown => "datacentre",
    }];
    if eye.mark == Mark::Broken {
        tags.push("system-firewall-problem-suspected");
    }
    let tags = tags.into_iter().map(|slug| json!({ "name": slug, "slug": slug }));
    Ok(json!({
        "id": number, "type": "Probe", "is_anchor": false, "is_public": eye.mark != Mark::Private,
        "asn_v4": eye.network, "asn_v6": null, "country_code": country, "status": { "id": 1, "name": "Connected" },
        "geometry": { "type": "Point", "coordinates": [at.longitude(), at.latitude()] },
        "tags": tags.collect::<Vec<_>>(),
    }))
}
