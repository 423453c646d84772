//! A CSV table with a header, read row by row with the line of each.

use std::collections::HashMap;
use std::hash::Hash;

use super::{FileError, FileText};
use crate::geo::Position;

/// No round trip takes longer, in milliseconds; microseconds by mistake stay below.
const LONGEST_MS: f64 = 3_600_000.0;
/// A larger number is refused.
const LARGEST: f64 = 1e15;

/// A table whose header was read.
pub(crate) struct Table<'a> {
    file: &'a str,
    bytes: &'a [u8],
    header: Vec<String>,
    reader: csv::Reader<&'a [u8]>,
    record: csv::StringRecord,
}

pub(crate) struct Row<'a> {
    file: &'a str,
    line: u64,
    record: &'a csv::StringRecord,
}

/// What a row says of its place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Coordinates {
    /// Where it is.
    Given(Position),
    /// Neither latitude nor longitude.
    Missing,
    /// The latitude can be none, but both are good the other way round.
    OtherWayRound,
}

impl<'a> Table<'a> {
    pub(crate) fn open(text: &'a FileText) -> Result<Self, FileError> {
        let file = text.name();
        let bytes = text.bytes().strip_prefix(b"\xef\xbb\xbf").unwrap_or(text.bytes());
        if let Err(error) = std::str::from_utf8(bytes) {
            let before = &bytes[..error.valid_up_to()];
            let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count() as u64;
            return Err(FileError::NotUtf8 {
                file: file.to_owned(),
                line,
            });
        }
        let mut reader = csv::ReaderBuilder::new()
            .flexible(true)
            .trim(csv::Trim::All)
            .from_reader(bytes);
        let found = reader.headers().map_err(|_| FileError::Csv {
            file: file.to_owned(),
            line: 1,
        })?;
        let header: Vec<String> = found.iter().map(str::to_ascii_lowercase).collect();
        if header.iter().all(String::is_empty) {
            return Err(FileError::Empty {
                file: file.to_owned(),
            });
        }
        Ok(Self {
            file,
            bytes,
            header,
            reader,
            record: csv::StringRecord::new(),
        })
    }

    /// The column of a name, if there is one.
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.header.iter().position(|column| column == name)
    }

    /// A column that must be there, once.
    pub(crate) fn column(&self, name: &str) -> Result<usize, FileError> {
        let missing = || FileError::MissingColumn {
            file: self.file.to_owned(),
            column: name.to_owned(),
            hint: self.hint(name),
        };
        let at = self.find(name).ok_or_else(missing)?;
        self.only_once(name)?;
        Ok(at)
    }

    /// What a header without `column` looks like.
    fn hint(&self, column: &str) -> &'static str {
        let has = |wanted: &str| self.find(wanted).is_some();
        if let [only] = &self.header[..]
            && (only.contains(';') || only.contains('\t'))
        {
            "the columns are not parted by commas: save the file as comma-separated values"
        } else if column == "site" && has("source") && has("destination") {
            "this is a file of round-trip times; are --sites and --rtt swapped?"
        } else if column == "source" && has("site") && has("latitude") {
            "this is a file of sites; are --sites and --rtt swapped?"
        } else {
            "add it to the header line"
        }
    }

    /// # Errors
    /// The column is named more than once.
    pub(crate) fn only_once(&self, name: &str) -> Result<(), FileError> {
        match self.header.iter().filter(|column| *column == name).count() {
            0 | 1 => Ok(()),
            _ => Err(FileError::ColumnTwice {
                file: self.file.to_owned(),
                column: name.to_owned(),
            }),
        }
    }

    pub(crate) fn next_row(&mut self) -> Result<Option<Row<'_>>, FileError> {
        let before = self.reader.position().line();
        let more = self.reader.read_record(&mut self.record);
        let line = self
            .record
            .position()
            .map_or(before, |position| self.line_of(position));
        if !more.map_err(|_| FileError::Csv {
            file: self.file.to_owned(),
            line,
        })? {
            return Ok(None);
        }
        if self.record.len() != self.header.len() {
            let (found, expected) = (self.record.len(), self.header.len());
            return Err(FileError::Fields {
                file: self.file.to_owned(),
                line,
                found,
                expected,
            });
        }
        Ok(Some(Row {
            file: self.file,
            line,
            record: &self.record,
        }))
    }

    /// The line of a record: its position is where the one before it ended, above any blank lines.
    fn line_of(&self, position: &csv::Position) -> u64 {
        let from = usize::try_from(position.byte())
            .unwrap_or(usize::MAX)
            .min(self.bytes.len());
        let blank = self.bytes[from..]
            .iter()
            .take_while(|byte| byte.is_ascii_whitespace());
        position.line() + blank.filter(|&&byte| byte == b'\n').count() as u64
    }

    pub(crate) fn no_rows(&self) -> FileError {
        FileError::Empty {
            file: self.file.to_owned(),
        }
    }
}

impl Row<'_> {
    pub(crate) fn file(&self) -> &str {
        self.file
    }

    pub(crate) fn line(&self) -> u64 {
        self.line
    }

    pub(crate) fn text(&self, column: usize) -> &str {
        &self.record[column]
    }

    /// A name that must not be empty.
    pub(crate) fn name(&self, column: usize, called: &str) -> Result<&str, FileError> {
        let name = self.text(column);
        let empty = || FileError::NoName {
            file: self.file.to_owned(),
            line: self.line,
            column: called.to_owned(),
        };
        if name.is_empty() { Err(empty()) } else { Ok(name) }
    }

    /// Whether a value is missing, as programs write one that they do not have.
    pub(crate) fn lacks(&self, column: usize) -> bool {
        let text = self.text(column);
        ["", "-", "nan", "na", "n/a", "null", "none"]
            .iter()
            .any(|none| text.eq_ignore_ascii_case(none))
    }

    /// A time in milliseconds, at most [`LONGEST_MS`].
    pub(crate) fn milliseconds(&self, column: usize, called: &'static str) -> Result<f64, FileError> {
        let expected = "milliseconds are needed here, an hour of them at most";
        self.up_to(LONGEST_MS, (column, called), expected)
    }

    /// A number that is not negative, and not so large that sums of such numbers lose the others.
    pub(crate) fn amount(&self, column: usize, called: &'static str) -> Result<f64, FileError> {
        self.up_to(
            LARGEST,
            (column, called),
            "a number of at most 1e15 is needed here",
        )
    }

    /// A number that is not negative; `expected` tells of one that is larger than `most`.
    fn up_to(
        &self,
        most: f64,
        (column, called): (usize, &'static str),
        expected: &'static str,
    ) -> Result<f64, FileError> {
        match self.number(column) {
            // Adding nothing turns −0 into 0.
            Some(value) if (0.0..=most).contains(&value) => Ok(value + 0.0),
            Some(value) if value > most => Err(self.bad_number(column, called, expected)),
            _ => Err(self.bad_number(column, called, "a number that is 0 or more is needed here")),
        }
    }

    /// A place, if the row gives one.
    pub(crate) fn coordinates(&self, latitude: usize, longitude: usize) -> Result<Coordinates, FileError> {
        if self.text(latitude).is_empty() && self.text(longitude).is_empty() {
            return Ok(Coordinates::Missing);
        }
        let swapped = || {
            let (north, east) = (self.number(longitude)?, self.number(latitude)?);
            (east.abs() > 90.0).then(|| Position::new(north, east)).flatten()
        };
        match self.position(latitude, longitude) {
            Ok(position) => Ok(Coordinates::Given(position)),
            Err(_) if swapped().is_some() => Ok(Coordinates::OtherWayRound),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn position(&self, latitude: usize, longitude: usize) -> Result<Position, FileError> {
        let between = |column, called, limit: f64, expected| {
            let value = self
                .number(column)
                .filter(|value| (-limit..=limit).contains(value));
            value.ok_or_else(|| self.bad_number(column, called, expected))
        };
        let north = between(
            latitude,
            "latitude",
            90.0,
            "degrees between -90 and 90 are needed here",
        )?;
        let east = between(
            longitude,
            "longitude",
            180.0,
            "degrees between -180 and 180 are needed here",
        )?;
        Position::new(north, east).ok_or_else(|| {
            self.bad_number(latitude, "latitude", "degrees between -90 and 90 are needed here")
        })
    }

    /// Notes where something first stood.
    ///
    /// # Errors
    /// It was there before.
    pub(crate) fn once<K: Hash + Eq>(
        &self,
        lines: &mut HashMap<K, u64>,
        key: K,
        what: &'static str,
        value: &str,
    ) -> Result<(), FileError> {
        match lines.insert(key, self.line) {
            None => Ok(()),
            Some(first) => Err(FileError::Twice {
                file: self.file.to_owned(),
                line: self.line,
                what,
                value: value.to_owned(),
                first,
            }),
        }
    }

    pub(crate) fn too_many(&self, limit: usize) -> FileError {
        FileError::TooMany {
            file: self.file.to_owned(),
            line: self.line,
            limit,
        }
    }

    pub(crate) fn bad_number(&self, column: usize, called: &str, expected: &'static str) -> FileError {
        FileError::Number {
            file: self.file.to_owned(),
            line: self.line,
            column: called.to_owned(),
            value: self.text(column).to_owned(),
            expected,
        }
    }

    fn number(&self, column: usize) -> Option<f64> {
        self.text(column)
            .parse()
            .ok()
            .filter(|value: &f64| value.is_finite())
    }
}
