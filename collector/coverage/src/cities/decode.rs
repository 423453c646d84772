//! Unpacks the table that `data/make_cities.py` made; its layout is described there.

use crate::subdivision::Subdivision;

use super::{CityTable, CountryFacts, Row, fold};
use crate::country::{Continent, Country};
use crate::geo::Position;

const MAGIC: &[u8] = b"ISOCITY2";
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
    let mut cities = columns.rows(&countries)?;
    let (mut other_names, mut city) = (Vec::new(), 0);
    while !others.0.is_empty() {
        city += u32::try_from(others.varint()?).ok()?;
        let text = others.text()?;
        other_names.extend(text.split('\n').map(|name| (city, fold(name))));
    }
    let (mut named, mut numbers) = (Reader(reader.slice()?), Reader(reader.slice()?));
    let subdivisions = subdivisions((&mut named, &mut numbers), &countries, &mut cities)?;
    let whole = reader.0.is_empty() && (city as usize) < cities.len();
    whole.then_some(CityTable {
        countries,
        names: columns.names,
        cities,
        subdivisions,
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

/// All subdivisions, ascending; tells each city its own.
fn subdivisions(
    (named, numbers): (&mut Reader<'_>, &mut Reader<'_>),
    countries: &[CountryFacts],
    cities: &mut [Row],
) -> Option<Vec<(Subdivision, String)>> {
    let mut all = Vec::new();
    for facts in countries {
        let first = all.len();
        for _ in 0..named.varint()? {
            let code = Subdivision::new(facts.country, named.line()?)?;
            all.push((code, named.line()?.to_owned()));
        }
        for city in cities.get_mut(facts.cities.clone())? {
            let number = usize::try_from(numbers.varint()?).ok()?;
            if let Some(number) = number.checked_sub(1) {
                city.subdivision = Some(all.get(first + number)?.0);
            }
        }
    }
    let is_whole = named.0.is_empty() && numbers.0.is_empty() && all.is_sorted_by(|a, b| a.0 < b.0);
    is_whole.then_some(all)
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
                    subdivision: None,
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

    /// Up to the next newline, which is taken too.
    fn line(&mut self) -> Option<&'a str> {
        let end = self.0.iter().position(|byte| *byte == b'\n')?;
        let line = self.bytes(end)?;
        self.bytes(1)?;
        std::str::from_utf8(line).ok()
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
