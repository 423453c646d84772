//! Reads a file of weights.

use std::collections::HashMap;

use super::{Basis, NamedSite, Point};
use crate::cities;
use crate::country::Country;
use crate::files::table::{Row, Table};
use crate::files::{FileError, FileText, MOST_SITES, country_of};
use crate::geo::Position;
use crate::subdivision::Subdivision;

/// So near to a city a place lies in its subdivision.
const NEAR_CITY_KM: f64 = 25.0;

pub(super) fn read(file: &FileText) -> Result<Basis, FileError> {
    let mut table = Table::open(file)?;
    let weight = table.column("weight")?;
    let basis = match (
        table.find("latitude"),
        table.find("longitude"),
        table.find("site"),
        table.find("country"),
    ) {
        (Some(latitude), Some(longitude), _, country) => {
            let mut points = Vec::new();
            each(&mut table, |row| {
                let position = row.position(latitude, longitude)?;
                let given = country.map(|column| row.text(column)).unwrap_or_default();
                let country = country_of(given, position).country;
                points.push(Point {
                    position,
                    country,
                    subdivision: subdivision_at(position, country),
                    weight: row.amount(weight, "weight")?,
                });
                Ok(())
            })?;
            Basis::Points(points)
        }
        (_, _, Some(site), _) => {
            let mut sites: Vec<NamedSite> = Vec::new();
            let mut lines = HashMap::new();
            each(&mut table, |row| {
                let name = row.name(site, "site")?;
                row.once(&mut lines, name.to_owned(), "site", name)?;
                sites.push(NamedSite {
                    site: name.to_owned(),
                    weight: row.amount(weight, "weight")?,
                    file: row.file().to_owned(),
                    line: row.line(),
                });
                Ok(())
            })?;
            Basis::NamedSites(sites)
        }
        (_, _, _, Some(country)) => Basis::Countries(countries(&mut table, country, weight)?),
        _ => {
            return Err(FileError::MissingColumn {
                file: file.name().to_owned(),
                column: "country, or latitude and longitude, or site".to_owned(),
                hint: "add it to the header line",
            });
        }
    };
    Ok(basis)
}

/// That of the nearest city, where one of the country is near.
fn subdivision_at(position: Position, country: Option<Country>) -> Option<Subdivision> {
    let (city, km) = cities::table().nearest(position)?;
    city.subdivision
        .filter(|_| km <= NEAR_CITY_KM && country == Some(city.country))
}

fn countries(table: &mut Table<'_>, country: usize, weight: usize) -> Result<Vec<(Country, f64)>, FileError> {
    let mut countries: Vec<(Country, f64)> = Vec::new();
    let mut lines = HashMap::new();
    each(table, |row| {
        let text = row.name(country, "country")?;
        let has_city = |country: &Country| cities::table().of(*country).next().is_some();
        let found = Country::find(text)
            .filter(has_city)
            .ok_or_else(|| FileError::UnknownCountry {
                file: row.file().to_owned(),
                line: row.line(),
                value: text.to_owned(),
            })?;
        row.once(&mut lines, found, "country", found.as_str())?;
        countries.push((found, row.amount(weight, "weight")?));
        Ok(())
    })?;
    Ok(countries)
}

fn each(
    table: &mut Table<'_>,
    mut take: impl FnMut(&Row<'_>) -> Result<(), FileError>,
) -> Result<(), FileError> {
    let mut rows = 0;
    // No row at all is no weight at all: the report says so.
    while let Some(row) = table.next_row()? {
        rows += 1;
        if rows > MOST_SITES {
            return Err(row.too_many(MOST_SITES));
        }
        take(&row)?;
    }
    Ok(())
}
