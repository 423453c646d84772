//! Unpacks the table that `data/make_cities.py` made; its layout is described there.

use super::{CityTable, CountryFacts, Row, fold};
use crate::country::{Continent, Country};
use crate::geo::Position;

const MAGIC: &[u8] = b"ISOCITY1";
/// The unpacked table is about 1 MB; more is damage.
const LARGEST: usize = 8 << 20;

/// Why the packed table cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum TableError {
    #[error("the city table cannot be decompressed")]
    Compression(#[source] std::io::Error),
    #[error("the city table does not start with its mark")]
    Mark,
    #[error("the city table ends too early or holds an impossible value")]
    Damaged,
}

pub(super) fn unpack(packed: &[u8]) -> Result<CityTable, TableError> {
    let bytes = zstd::bulk::decompress(packed, LARGEST).map_err(TableError::Compression)?;
    let body = bytes.strip_prefix(MAGIC).ok_or(TableError::Mark)?;
    parse(&mut Reader(body)).ok_or(TableError::Damaged)
}

fn parse(reader: &mut Reader<'_>) -> Option<CityTable> {
    let countries = countries(reader)?;
    let mut columns = Columns {
        names: reader.text()?.to_owned(),
        latitudes: Reader(reader.slice()?),
        longitudes: Reader(reader.slice()?),
        people: Reader(reader.slice()?),
    };
    let mut others = Reader(reader.slice()?);
    let cities = columns.rows(&countries)?;
    let (mut other_names, mut city) = (Vec::new(), 0);
    while !others.0.is_empty() {
        city += u32::try_from(others.varint()?).ok()?;
        let text = others.text()?;
        other_names.extend(text.split('\n').map(|name| (city, fold(name))));
    }
    let whole = reader.0.is_empty() && (city as usize) < cities.len();
    whole.then_some(CityTable {
        countries,
        names: columns.names,
        cities,
        other_names,
    })
}

fn countries(reader: &mut Reader<'_>) -> Option<Vec<CountryFacts>> {
    let (count, mut next) = (reader.varint()?, 0);
    (0..count)
        .map(|_| {
            let country = Country::code(reader.fixed(2)?)?;
            let iso3 = reader.fixed(3)?.to_owned();
            let continent = Continent::find(reader.fixed(2)?)?;
            let people = reader.varint()?;
            let cities = next..next + usize::try_from(reader.varint()?).ok()?;
            next = cities.end;
            let name = reader.text()?.to_owned();
            let folded = fold(&name);
            Some(CountryFacts {
                country,
                continent,
                name,
                people,
                iso3,
                folded,
                cities,
            })
        })
        .collect()
}

struct Columns<'a> {
    names: String,
    latitudes: Reader<'a>,
    longitudes: Reader<'a>,
    people: Reader<'a>,
}

impl Columns<'_> {
    fn rows(&mut self, countries: &[CountryFacts]) -> Option<Vec<Row>> {
        let (mut rows, mut latitude, mut start) = (Vec::new(), 0, 0);
        let mut names = self.names.split('\n');
        for (country, facts) in countries.iter().enumerate() {
            for _ in facts.cities.clone() {
                latitude += self.latitudes.zigzag()?;
                let longitude = self.longitudes.zigzag()?;
                let position = Position::new(latitude as f64 / 1e3, longitude as f64 / 1e3)?;
                let end = start + u32::try_from(names.next()?.len()).ok()?;
                rows.push(Row {
                    name: (start, end),
                    country: u16::try_from(country).ok()?,
                    position,
                    unit: position.unit(),
                    people: u32::try_from(self.people.varint()?).ok()?,
                });
                start = end + 1;
            }
        }
        let rest = self.latitudes.0.len() + self.longitudes.0.len() + self.people.0.len();
        (rest == 0 && names.next().is_none()).then_some(rows)
    }
}

/// Reads integers and texts from the front of a slice; `None` where it ends too early.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (front, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(front)
    }

    fn fixed(&mut self, count: usize) -> Option<&'a str> {
        std::str::from_utf8(self.bytes(count)?).ok()
    }

    fn slice(&mut self) -> Option<&'a [u8]> {
        let count = usize::try_from(self.varint()?).ok()?;
        self.bytes(count)
    }

    fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.slice()?).ok()
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..63).step_by(7) {
            let byte = self.bytes(1)?[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn zigzag(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }
}
