//! The share of people who use the internet, by country, from a file.

use std::collections::{BTreeMap, HashMap};

use super::Point;
use crate::cities;
use crate::country::Country;
use crate::files::table::Table;
use crate::files::{FileError, FileText};

/// By country the share of its people who use the internet.
#[derive(Clone, Debug)]
pub struct InternetShares {
    name: String,
    shares: BTreeMap<Country, f64>,
}

/// How such shares were applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InternetSummary {
    /// The file.
    pub name: String,
    /// Countries it names.
    pub countries: usize,
    /// Countries with people that it does not name: counted whole.
    pub missing: usize,
    /// Whether the weights are people; others count use already, and were not multiplied.
    pub applied: bool,
}

impl InternetShares {
    /// Reads a CSV file with the columns `country` and `internet_share`, 0 to 1.
    ///
    /// # Errors
    /// The first bad row, with its line.
    pub fn from_file(file: &FileText) -> Result<Self, FileError> {
        let mut table = Table::open(file)?;
        let (country, share) = (table.column("country")?, table.column("internet_share")?);
        let (mut shares, mut lines) = (BTreeMap::new(), HashMap::new());
        while let Some(row) = table.next_row()? {
            let text = row.name(country, "country")?;
            let found = Country::find(text).ok_or_else(|| FileError::UnknownCountry {
                file: row.file().to_owned(),
                line: row.line(),
                value: text.to_owned(),
            })?;
            row.once(&mut lines, found, "country", found.as_str())?;
            let value = row.amount(share, "internet_share")?;
            if value > 1.0 {
                return Err(FileError::Number {
                    file: row.file().to_owned(),
                    line: row.line(),
                    column: "internet_share".to_owned(),
                    value: row.text(share).to_owned(),
                    expected: "a share from 0 to 1 is needed, such as 0.87",
                });
            }
            shares.insert(found, value);
        }
        if shares.is_empty() {
            return Err(table.no_rows());
        }
        Ok(Self {
            name: file.name().to_owned(),
            shares,
        })
    }

    pub(super) fn apply(&self, points: &mut [Point]) {
        for point in points {
            let share = point.country.and_then(|country| self.shares.get(&country));
            point.weight *= share.copied().unwrap_or(1.0);
        }
    }

    pub(super) fn summary(&self, applied: bool) -> InternetSummary {
        let populated = cities::table()
            .countries()
            .iter()
            .filter(|facts| facts.people > 0);
        let missing = populated.filter(|facts| !self.shares.contains_key(&facts.country));
        InternetSummary {
            name: self.name.clone(),
            countries: self.shares.len(),
            missing: missing.count(),
            applied,
        }
    }
}
