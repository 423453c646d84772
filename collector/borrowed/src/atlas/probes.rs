//! Lists of probes: pages of `/api/v2/probes/`, single probes, and the daily archive's `objects`.

use std::collections::HashMap;
use std::io::{self, Read};

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny};

use super::access::{COUNTRY_ONLY, access, broken};
use crate::items::{Attempt, Depth, Items, Taker};
use crate::refusals::{Refusals, Where};
use crate::unfit::{Unfit, excerpt};
use crate::values::{Flag, Number, Present, Text};
use crate::vantage::{LeftOut, Place, Platform, Vantage, country};

/// Probes by their number: those that are used, and why others are not.
#[derive(Clone, Debug, Default)]
pub struct Probes {
    of: HashMap<u32, Result<Vantage, LeftOut>>,
}

impl Probes {
    /// Adds the probes of a list. A probe that is known already is as the later list says.
    ///
    /// # Errors
    /// When it cannot be read any further; what was read of it stays.
    pub fn read(&mut self, list: impl Read, refusals: &mut Refusals) -> io::Result<()> {
        let mut taker = ListTaker {
            probes: self,
            refusals,
        };
        let mut items = Items::new(list, &["results", "objects"]);
        while items.read(usize::MAX, &mut taker)? {}
        Ok(())
    }

    /// Adds a probe that is known from elsewhere. What a list that is read afterwards says of it counts instead.
    pub fn know(&mut self, vantage: Vantage) {
        if let (Platform::Atlas, Ok(id)) = (vantage.platform, vantage.id.parse()) {
            self.of.insert(id, Ok(vantage));
        }
    }

    /// The probe of this number; `None`: no list has it.
    #[must_use]
    pub fn get(&self, id: u32) -> Option<Result<&Vantage, &LeftOut>> {
        self.of.get(&id).map(Result::as_ref)
    }

    /// Those that are used, in no order.
    pub fn used(&self) -> impl Iterator<Item = &Vantage> {
        self.of.values().filter_map(|probe| probe.as_ref().ok())
    }

    /// Those that are not, by number and in no order.
    pub fn left_out(&self) -> impl Iterator<Item = (u32, &LeftOut)> {
        self.of
            .iter()
            .filter_map(|(id, probe)| Some((*id, probe.as_ref().err()?)))
    }
}

/// A probe as it is written, by the API or in the archive.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawProbe<'a> {
    id: Number,
    is_anchor: Flag,
    is_public: Flag,
    asn_v4: Number,
    asn_v6: Number,
    #[serde(borrow)]
    country_code: Text<'a>,
    geometry: Option<Geometry>,
    latitude: Number,
    longitude: Number,
    status: Status,
    #[serde(borrow)]
    tags: Tags<'a>,
    /// Of a page of a listing.
    results: Present,
    /// Of the archive.
    objects: Present,
    /// Of a result.
    prb_id: Present,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Geometry {
    coordinates: Option<(Number, Number)>,
}

/// 0 never connected, 1 connected, 2 disconnected, 3 abandoned, 4 written off: a number, or an object with it.
#[derive(Debug, Default, Deserialize)]
#[serde(untagged)]
enum Status {
    Number(u64),
    Object {
        id: u64,
    },
    Other(IgnoredAny),
    #[default]
    Absent,
}

/// Names of tags: texts, or objects with a `slug`.
#[derive(Debug, Default)]
struct Tags<'a>(Vec<Tag<'a>>);

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Tag<'a> {
    Object {
        #[serde(borrow)]
        slug: Text<'a>,
    },
    Name(#[serde(borrow)] Text<'a>),
}

impl<'de: 'a, 'a> Deserialize<'de> for Tags<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::<Vec<Tag<'a>>>::deserialize(deserializer).map(|tags| Self(tags.unwrap_or_default()))
    }
}

impl Tags<'_> {
    fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.0.iter().map(|tag| match tag {
            Tag::Object { slug } | Tag::Name(slug) => slug.get(),
        })
    }
}

struct ListTaker<'t> {
    probes: &'t mut Probes,
    refusals: &'t mut Refusals,
}

impl Taker for ListTaker<'_> {
    fn object(&mut self, at: Where, depth: Depth, bytes: &[u8]) -> Attempt {
        let mut values = serde_json::Deserializer::from_slice(bytes).into_iter::<RawProbe<'_>>();
        let probe = match values.next() {
            Some(Ok(probe)) => probe,
            Some(Err(error)) if error.is_eof() => {
                let is_page = depth == Depth::Top && bytes.len() >= PAGE_BEGINS;
                return if is_page { Attempt::Enter } else { Attempt::Short };
            }
            Some(Err(error)) => return Attempt::Broken(error.to_string()),
            None => return Attempt::Short,
        };
        if depth == Depth::Top && (probe.results.0 || probe.objects.0) {
            return Attempt::Enter;
        }
        if let Err(unfit) = self.take(&probe) {
            self.refusals.add(at, &unfit);
        }
        Attempt::Done(values.byte_offset())
    }

    fn pair(&mut self, _: &str, _: &[u8]) {}

    fn close(&mut self) {}

    fn refuse(&mut self, at: Where, unfit: &Unfit<'_>) {
        self.refusals.add(at, unfit);
    }

    fn is_wanted(&self, _: &str) -> bool {
        false
    }
}

impl ListTaker<'_> {
    fn take(&mut self, probe: &RawProbe<'_>) -> Result<(), Unfit<'static>> {
        if probe.prb_id.0 {
            return Err(Unfit::WrongFile(
                "a measurement's result, where a list of probes is wanted",
            ));
        }
        let id = probe.id.whole().and_then(|id| u32::try_from(id).ok());
        let Some(id) = id else {
            return Err(match probe.id {
                Number::Absent => Unfit::Missing("id"),
                _ => Unfit::Field {
                    field: "id",
                    wanted: "a probe's number is wanted",
                },
            });
        };
        if probe.is_public == Flag::Absent {
            return Err(Unfit::Missing("is_public")); // a list of chosen fields: nobody knows who is private
        }
        if self.probes.of.len() >= PROBES_MAX && !self.probes.of.contains_key(&id) {
            return Err(Unfit::TooMany("probes"));
        }
        self.probes.of.insert(id, vantage(id, probe));
        Ok(())
    }
}

fn vantage(id: u32, probe: &RawProbe<'_>) -> Result<Vantage, LeftOut> {
    if probe.is_public == Flag::Is(false) {
        return Err(LeftOut::Private);
    }
    if let Some(tag) = broken(probe.tags.names()) {
        return Err(LeftOut::Broken { tag: excerpt(tag) });
    }
    if let Status::Number(3 | 4) | Status::Object { id: 3 | 4 } = probe.status {
        return Err(LeftOut::Abandoned);
    }
    let place = place(probe).filter(|_| probe.tags.names().all(|tag| tag != COUNTRY_ONLY));
    let network = |number: Number| {
        number
            .whole()
            .and_then(|asn| u32::try_from(asn).ok())
            .filter(|asn| *asn > 0)
    };
    Ok(Vantage {
        platform: Platform::Atlas,
        id: id.to_string(),
        place: place.ok_or(LeftOut::NoPlace)?,
        network_v4: network(probe.asn_v4),
        network_v6: network(probe.asn_v6),
        access: access(probe.tags.names(), probe.is_anchor == Flag::Is(true)),
    })
}

fn place(probe: &RawProbe<'_>) -> Option<Place> {
    let point = probe.geometry.as_ref().and_then(|geometry| geometry.coordinates);
    let (longitude, latitude) = point.unwrap_or((probe.longitude, probe.latitude)); // GeoJSON: east first
    let place = Place::at(latitude.some()?, longitude.some()?)?;
    Some(Place {
        country: country(probe.country_code.get()),
        ..place
    })
}

/// So much of an object that does not end is no single probe.
const PAGE_BEGINS: usize = 64 << 10;
/// Atlas has had some 60,000.
const PROBES_MAX: usize = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(list: &str) -> (Probes, Refusals) {
        let (mut probes, mut refusals) = (Probes::default(), Refusals::default());
        probes.read(list.as_bytes(), &mut refusals).unwrap();
        (probes, refusals)
    }

    const OF_API: &str = r#"{"address_v4":"192.0.2.7","address_v6":null,"asn_v4":64500,"asn_v6":null,"country_code":"KE",
        "description":"a \"quoted\" one","firmware_version":5080,"first_connected":1624119179,
        "geometry":{"type":"Point","coordinates":[36.8225,-1.2925]},"id":60001,"is_anchor":false,"is_public":true,
        "last_connected":1747250774,"prefix_v4":"192.0.2.0/24","prefix_v6":null,
        "status":{"id":1,"name":"Connected","since":"2026-05-14T19:26:14Z"},"status_since":1747250774,
        "tags":[{"name":"system: IPv4 Works","slug":"system-ipv4-works"},{"name":"Home","slug":"home"}],
        "total_uptime":60,"type":"Probe"}"#;
    const OF_ARCHIVE: &str = r#"{"id":7001,"address_v4":null,"asn_v4":64501,"asn_v6":64502,"prefix_v4":null,"is_anchor":true,
        "is_public":true,"status":1,"status_since":1,"first_connected":1,"country_code":"de","latitude":52.5,
        "longitude":13.4,"day":"20261128","total_uptime":1,"tags":["system-anchor","system-ipv6-works"],
        "status_name":"Connected"}"#;

    #[test]
    fn probe_that_is_known_from_elsewhere_is_used_until_a_list_says_otherwise() {
        let (listed, _) = read(OF_API);
        let vantage = listed.get(60_001).unwrap().unwrap().clone();
        let mut probes = Probes::default();
        probes.know(vantage.clone());
        assert_eq!(probes.get(60_001), Some(Ok(&vantage)));
        probes.know(Vantage {
            platform: Platform::Globalping,
            id: "7".to_owned(),
            ..vantage
        });
        assert_eq!(probes.get(7), None);
        let private = OF_API.replace("\"is_public\":true", "\"is_public\":false");
        probes.read(private.as_bytes(), &mut Refusals::default()).unwrap();
        assert_eq!(probes.get(60_001), Some(Err(&LeftOut::Private)));
    }

    #[test]
    fn probes_are_read_from_pages_archive_lines_and_arrays_alike() {
        let page =
            format!("{{\"count\":2,\"next\":null,\"previous\":null,\"results\":[{OF_API},{OF_ARCHIVE}]}}");
        let archive = format!("{{\"meta\":{{\"total_count\":2}},\"objects\":[{OF_API},{OF_ARCHIVE}]}}");
        for list in [
            page,
            archive,
            format!("{OF_API}\n{OF_ARCHIVE}"),
            format!("[{OF_API},{OF_ARCHIVE}]"),
        ] {
            let (probes, refusals) = read(&list);
            assert_eq!(refusals.total(), 0, "{:?}", refusals.listed());
            let home = probes.get(60_001).unwrap().unwrap();
            assert_eq!((home.place.latitude, home.place.longitude), (-1.2925, 36.8225));
            assert_eq!(home.place.country.as_deref(), Some("KE"));
            assert_eq!((home.network_v4, home.network_v6), (Some(64_500), None));
            assert_eq!(home.access.word(), "eyeball");
            let anchor = probes.get(7_001).unwrap().unwrap();
            assert_eq!(
                (anchor.place.latitude, anchor.access.word()),
                (52.5, "data-centre")
            );
            assert_eq!(anchor.place.country.as_deref(), Some("DE"));
            assert_eq!((probes.used().count(), probes.left_out().count()), (2, 0));
        }
    }

    #[test]
    fn archive_that_is_longer_than_any_object_is_read_one_probe_at_a_time() {
        let many: Vec<String> = (1..=5_000)
            .map(|id| OF_ARCHIVE.replace("7001", &id.to_string()))
            .collect();
        let (probes, refusals) = read(&format!("{{\"objects\":[{}],\"meta\":{{}}}}", many.join(",\n")));
        assert_eq!((probes.used().count(), refusals.total()), (5_000, 0));
    }

    #[test]
    fn probe_that_is_private_broken_abandoned_or_nowhere_is_left_out_and_said() {
        for (given, instead, why) in [
            ("\"is_public\":true", "\"is_public\":false", "private"),
            (
                "\"slug\":\"home\"",
                "\"slug\":\"system-firewall-problem-suspected\"",
                "tagged as broken (system-firewall-problem-suspected)",
            ),
            ("\"status\":{\"id\":1", "\"status\":{\"id\":3", "abandoned"),
            ("[36.8225,-1.2925]", "[0.0,0.0]", "without a place"),
            ("[36.8225,-1.2925]", "[36.8225,null]", "without a place"),
            ("[36.8225,-1.2925]", "[36.8225,-91]", "without a place"),
            (
                "{\"type\":\"Point\",\"coordinates\":[36.8225,-1.2925]}",
                "null",
                "without a place",
            ),
            (
                "\"slug\":\"home\"",
                "\"slug\":\"system-auto-geoip-country\"",
                "without a place",
            ),
        ] {
            assert!(OF_API.contains(given), "{given}");
            let (probes, refusals) = read(&OF_API.replace(given, instead));
            assert_eq!(refusals.total(), 0);
            assert_eq!(
                probes.get(60_001).unwrap().unwrap_err().to_string(),
                why,
                "{instead}"
            );
            assert_eq!((probes.used().count(), probes.left_out().count()), (0, 1));
        }
    }

    #[test]
    fn what_is_no_probe_is_named_and_the_rest_is_read() {
        let list =
            format!("[{{\"id\":\"x\"}},{{}},{{\"prb_id\":1}},{{\"id\":-4}},{{\"id\":5000000000}},{OF_API}]");
        let (probes, refusals) = read(&list);
        assert_eq!((probes.used().count(), refusals.total()), (1, 5));
        let words: Vec<_> = refusals.listed().iter().map(|refused| &*refused.why).collect();
        assert_eq!(words[0], "id: a probe's number is wanted");
        assert_eq!(words[1], "it has no id");
        assert_eq!(
            words[2],
            "from another kind of file: a measurement's result, where a list of probes is wanted"
        );
    }

    #[test]
    fn list_that_does_not_say_who_is_private_gives_no_probe() {
        let (probes, refusals) = read(&OF_API.replace("\"is_public\":true,", ""));
        assert_eq!((probes.get(60_001), refusals.total()), (None, 1));
        assert_eq!(refusals.listed()[0].why, "it has no is_public");
    }

    #[test]
    fn later_list_is_believed() {
        let (mut probes, mut refusals) = read(OF_API);
        probes
            .read(
                OF_API
                    .replace("\"is_public\":true", "\"is_public\":false")
                    .as_bytes(),
                &mut refusals,
            )
            .unwrap();
        assert_eq!(probes.get(60_001), Some(Err(&LeftOut::Private)));
    }
}
