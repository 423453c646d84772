//! Databases of addresses (MMDB files that the user has): one more witness of where a site stands, never the truth.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use isochrone_coverage::country::Country;
use isochrone_coverage::geo::Position;
use isochrone_report::locate::DatabaseWord;
use maxminddb::{MaxMindDbError, Reader};
use serde::Deserialize;

/// Why a database does not speak.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// It cannot be opened.
    #[error(
        "--mmdb {}: no database of addresses that can be read (the collector opens it, if one runs)",
        file.display()
    )]
    Unreadable {
        /// Its path.
        file: PathBuf,
        /// Why.
        #[source]
        source: Box<MaxMindDbError>,
    },
    /// What it holds of an address is not what databases of places hold.
    #[error(
        "--mmdb {}: what it says of {address} is no place: a city or country database in MaxMind's layout is needed",
        file.display()
    )]
    NoPlaces {
        /// Its path.
        file: PathBuf,
        /// Whose entry.
        address: IpAddr,
        /// Why.
        #[source]
        source: Box<MaxMindDbError>,
    },
}

/// What a database of cities or countries says of an address; everything else in it is passed over.
#[derive(Deserialize)]
struct Entry {
    country: Option<EntryCountry>,
    location: Option<EntryLocation>,
}

#[derive(Deserialize)]
struct EntryCountry {
    iso_code: Option<String>,
}

#[derive(Deserialize)]
struct EntryLocation {
    latitude: Option<f64>,
    longitude: Option<f64>,
}

/// What each file says of each site's addresses, by site; an address that it does not know says nothing.
///
/// # Errors
/// When a file cannot be read, or does not hold places.
pub(in crate::commands) fn ask(
    files: &[PathBuf],
    addresses: &[BTreeSet<IpAddr>],
) -> Result<Vec<DatabaseWord>, DatabaseError> {
    let mut words = Vec::new();
    for file in files {
        let reader = Reader::open_readfile(file).map_err(|source| DatabaseError::Unreadable {
            file: file.clone(),
            source: Box::new(source),
        })?;
        for (site, addresses) in addresses.iter().enumerate() {
            for &address in addresses {
                words.extend(word(&reader, file, site, address)?);
            }
        }
    }
    words.dedup(); // several addresses in one place
    Ok(words)
}

fn word(
    reader: &Reader<Vec<u8>>,
    file: &Path,
    site: usize,
    address: IpAddr,
) -> Result<Option<DatabaseWord>, DatabaseError> {
    let entry = match reader.lookup(address).and_then(|found| found.decode::<Entry>()) {
        Ok(entry) => entry,
        Err(MaxMindDbError::InvalidInput { .. }) => None, // IPv6, and the file holds IPv4 only
        Err(source) => {
            return Err(DatabaseError::NoPlaces {
                file: file.to_owned(),
                address,
                source: Box::new(source),
            });
        }
    };
    let position = |at: EntryLocation| Position::new(at.latitude?, at.longitude?);
    let word = entry.map(|entry| DatabaseWord {
        database: file
            .file_name()
            .unwrap_or(file.as_os_str())
            .to_string_lossy()
            .into_owned(),
        site,
        position: entry.location.and_then(position),
        country: entry
            .country
            .and_then(|country| Country::code(&country.iso_code?)),
    });
    Ok(word.filter(|word| word.position.is_some() || word.country.is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field of MaxMind's format: its type and length, then its bytes.
    fn field(kind: u8, length: usize, bytes: &[u8]) -> Vec<u8> {
        let length = u8::try_from(length).unwrap();
        let head = if kind > 7 {
            vec![length, kind - 7]
        } else {
            vec![kind << 5 | length]
        };
        [&head, bytes].concat()
    }

    fn text(text: &str) -> Vec<u8> {
        field(2, text.len(), text.as_bytes())
    }

    fn map(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let pairs = entries.iter().flat_map(|(key, value)| [text(key), value.clone()]);
        field(7, entries.len(), &pairs.flatten().collect::<Vec<u8>>())
    }

    /// A database of one node: everything from 128.0.0.0 on is `entry`.
    fn database(entry: &[u8]) -> Vec<u8> {
        let tree = [0, 0, 1, 0, 0, 17]; // nothing on the left; on the right the first entry
        let metadata = map(&[
            ("binary_format_major_version", field(5, 2, &[0, 2])),
            ("binary_format_minor_version", field(5, 2, &[0, 0])),
            ("build_epoch", field(9, 1, &[1])),
            ("database_type", text("Test")),
            ("description", map(&[])),
            ("ip_version", field(5, 2, &[0, 4])),
            ("languages", field(11, 0, &[])),
            ("node_count", field(6, 1, &[1])),
            ("record_size", field(5, 2, &[0, 24])),
        ]);
        [
            &tree,
            [0; 16].as_slice(),
            entry,
            b"\xab\xcd\xefMaxMind.com",
            &metadata,
        ]
        .concat()
    }

    fn said(entry: &[u8], addresses: &[&str]) -> Result<Vec<DatabaseWord>, DatabaseError> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("cities.mmdb");
        std::fs::write(&file, database(entry)).unwrap();
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        ask(&[file], &[BTreeSet::new(), addresses])
    }

    fn berlin() -> Vec<u8> {
        let degrees = |value: f64| field(3, 8, &value.to_be_bytes());
        map(&[
            ("country", map(&[("iso_code", text("DE"))])),
            (
                "location",
                map(&[("latitude", degrees(52.5)), ("longitude", degrees(13.4))]),
            ),
        ])
    }

    #[test]
    fn place_and_country_of_an_address_are_read() {
        let words = said(&berlin(), &["192.0.2.1", "192.0.2.2"]).unwrap();
        let expected = DatabaseWord {
            database: "cities.mmdb".to_owned(),
            site: 1,
            position: Position::new(52.5, 13.4),
            country: Country::code("DE"),
        };
        assert_eq!(words, [expected], "both addresses say the same");
    }

    #[test]
    fn unknown_address_and_one_of_the_other_family_say_nothing() {
        assert_eq!(said(&berlin(), &["10.0.0.1", "2001:db8::1"]).unwrap(), []);
    }

    #[test]
    fn file_that_is_no_database_of_places_is_told_by_name() {
        let error = said(&text("AS64500"), &["192.0.2.1"]).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("what it says of 192.0.2.1 is no place"),
            "{error}"
        );
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("notes.txt");
        std::fs::write(&file, "hello").unwrap();
        let error = ask(&[file], &[]).unwrap_err();
        assert!(
            error.to_string().contains("notes.txt: no database of addresses"),
            "{error}"
        );
    }
}
