//! Compact binary rows: variable-length integers and fixed bytes, behind a version byte.

/// How a row differs from the form that this build writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    /// A part with a coding of its own that does not decode.
    #[error("its {what} does not decode")]
    Content {
        /// The part.
        what: &'static str,
    },
    /// Text that is not what it should be.
    #[error("its text has another form")]
    Text,
    /// It ends too early.
    #[error("it ends before {field}")]
    Short {
        /// The field that is missing.
        field: &'static str,
    },
    /// Bytes after its last field.
    #[error("{bytes} bytes stand after its end")]
    Trailing {
        /// How many.
        bytes: usize,
    },
    /// A version or code that this build does not know.
    #[error("{field} is {found}, which this build does not know")]
    Unknown {
        field: &'static str,
        /// Its value.
        found: u64,
    },
}

/// Writes a row.
#[derive(Default)]
pub(crate) struct RowWriter(pub(crate) Vec<u8>);

impl RowWriter {
    pub(crate) fn version(version: u8) -> Self {
        Self(vec![version])
    }

    pub(crate) fn number(&mut self, mut value: u64) -> &mut Self {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
        self
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }
}

/// Reads a row.
pub(crate) struct RowReader<'a>(&'a [u8]);

impl<'a> RowReader<'a> {
    /// Checks the version byte.
    pub(crate) fn new(row: &'a [u8], version: u8) -> Result<Self, Malformed> {
        match row.split_first() {
            Some((found, rest)) if *found == version => Ok(Self(rest)),
            Some((found, _)) => Err(Malformed::Unknown {
                field: "version",
                found: u64::from(*found),
            }),
            None => Err(Malformed::Short { field: "version" }),
        }
    }

    pub(crate) fn number(&mut self, field: &'static str) -> Result<u64, Malformed> {
        let (mut value, mut shift) = (0_u64, 0);
        loop {
            let (byte, rest) = self.0.split_first().ok_or(Malformed::Short { field })?;
            self.0 = rest;
            if shift > 63 {
                return Err(Malformed::Unknown { field, found: value });
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
            shift += 7;
        }
    }

    pub(crate) fn narrow<T: TryFrom<u64>>(&mut self, field: &'static str) -> Result<T, Malformed> {
        let found = self.number(field)?;
        T::try_from(found).map_err(|_| Malformed::Unknown { field, found })
    }

    pub(crate) fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], Malformed> {
        let (array, rest) = self
            .0
            .split_first_chunk::<N>()
            .ok_or(Malformed::Short { field })?;
        self.0 = rest;
        Ok(*array)
    }

    pub(crate) fn bytes(&mut self, length: usize, field: &'static str) -> Result<&'a [u8], Malformed> {
        let (bytes, rest) = self
            .0
            .split_at_checked(length)
            .ok_or(Malformed::Short { field })?;
        self.0 = rest;
        Ok(bytes)
    }

    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }

    pub(crate) fn end(self) -> Result<(), Malformed> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Malformed::Trailing { bytes: self.0.len() })
        }
    }
}
