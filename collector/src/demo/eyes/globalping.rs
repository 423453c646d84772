//! Measurements as the API of Globalping gives them.

use isochrone_base::words::rfc3339;
use isochrone_borrowed::Access;
use isochrone_proto::units::UnixMillis;
use serde_json::{Value, json};

use super::{Eye, Target, echoes, position};

/// A measurement a line: one target, measured by all eyes of this platform.
pub(super) fn lines(eyes: &[Eye], targets: &[Target], at: UnixMillis) -> anyhow::Result<String> {
    let ours = || eyes.iter().filter(|eye| eye.number.is_none());
    let mut lines = String::new();
    for target in targets {
        let results = ours()
            .map(|eye| result(eye, target))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let measurement = json!({
            "id": format!("demo{}", target.measurement), "type": "ping", "target": target.host, "status": "finished",
            "createdAt": rfc3339(at), "updatedAt": rfc3339(at), "probesCount": results.len(),
            "measurementOptions": { "packets": 3 }, "results": results,
        });
        lines += &format!("{measurement}\n");
    }
    Ok(lines)
}

fn result(eye: &Eye, target: &Target) -> anyhow::Result<Value> {
    let (at, echoes) = (position(eye.claims)?, echoes(eye, target));
    let (city, country) = eye.claims.rsplit_once(", ").unwrap_or((eye.claims, ""));
    let tag = match eye.access {
        Access::Eyeball => "eyeball-network",
        Access::DataCentre | Access::Unknown => "datacenter-network",
    };
    let sum: f64 = echoes.iter().sum();
    Ok(json!({
        "probe": {
            "continent": "", "region": "", "country": country, "state": null, "city": city, "asn": eye.network,
            "network": "Example", "latitude": at.latitude(), "longitude": at.longitude(), "tags": [tag],
            "resolvers": ["private"],
        },
        "result": {
            "status": "finished", "rawOutput": "", "resolvedAddress": "192.0.2.1", "resolvedHostname": target.host,
            "timings": echoes.map(|rtt| json!({ "rtt": rtt, "ttl": 50 })),
            "stats": {
                "min": echoes[1], "avg": sum / 3.0, "max": echoes.iter().copied().fold(0.0, f64::max), "total": 3,
                "rcv": 3, "loss": 0, "drop": 0,
            },
        },
    }))
}
