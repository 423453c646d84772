//! Where a platform has vantages to lend, by network: what a list of its probes adds up to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::atlas::Probes;
use crate::vantage::Access;

/// Vantages of one network that stand within a degree of each other and are not known to be in data centres.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lent {
    /// ISO 3166 code of their country.
    pub country: String,
    /// Degrees north, whole.
    pub latitude: i16,
    /// Degrees east, whole.
    pub longitude: i16,
    /// Their AS number over IPv4.
    pub network: u32,
    /// How many there are.
    pub vantages: u32,
}

/// What a list of probes lends, in order of country, place and network. Probes without a network or a country are left out.
#[must_use]
pub fn lent(probes: &Probes) -> Vec<Lent> {
    let mut counted: BTreeMap<(&str, i16, i16, u32), u32> = BTreeMap::new();
    for vantage in probes
        .used()
        .filter(|vantage| vantage.access != Access::DataCentre)
    {
        if let (Some(country), Some(network)) = (&vantage.place.country, vantage.network_v4) {
            // within ±180, whoever read it
            let (latitude, longitude) = (vantage.place.latitude.round(), vantage.place.longitude.round());
            let key = (&**country, latitude as i16, longitude as i16, network);
            *counted.entry(key).or_default() += 1;
        }
    }
    let lent = |((country, latitude, longitude, network), vantages): ((&str, _, _, _), _)| Lent {
        country: country.to_owned(),
        latitude,
        longitude,
        network,
        vantages,
    };
    counted.into_iter().map(lent).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refusals::Refusals;

    #[test]
    fn probes_are_counted_by_country_degree_and_network_and_servers_are_not() {
        let probe = |id: u32, asn: &str, longitude: f64, tag: &str| {
            format!(
                r#"{{"id":{id},"is_public":true,"is_anchor":false,"asn_v4":{asn},"country_code":"KE","status":{{"id":1,"name":"Connected"}},"tags":[{{"slug":"{tag}"}}],"geometry":{{"type":"Point","coordinates":[{longitude},-1.3]}}}}"#
            )
        };
        let list = [
            probe(1, "64500", 36.8, "home"),
            probe(2, "64500", 37.2, "home"),
            probe(3, "64501", 36.8, "office"),
            probe(4, "64500", 39.7, "home"),
            probe(5, "64502", 36.8, "datacentre"),
            probe(6, "null", 36.8, "home"),
        ];
        let list = format!(r#"{{"results":[{}]}}"#, list.join(","));
        let (mut probes, mut refusals) = (Probes::default(), Refusals::default());
        probes.read(list.as_bytes(), &mut refusals).unwrap();
        let found: Vec<_> = lent(&probes)
            .into_iter()
            .map(|lent| (lent.country, lent.longitude, lent.network, lent.vantages))
            .collect();
        let ke = |longitude, network, vantages| ("KE".to_owned(), longitude, network, vantages);
        assert_eq!(found, [ke(37, 64_500, 2), ke(37, 64_501, 1), ke(40, 64_500, 1)]);
    }
}
