//! The columns of a segment, by layout. Names carry their unit; they only ever get company, never another meaning.
//!
//! Of every kind:
//!
//! | column | |
//! |---|---|
//! | `probe`, `probe_id` | who measured: name, and id as 16 hexadecimal digits |
//! | `epoch` | the probe's epoch, 32 hexadecimal digits |
//! | `kind` | `echo4`, `asset-head6` and the like |
//! | `target`, `target_id` | what was measured: name, and id as 16 hexadecimal digits |
//! | `slot` | when it was planned: UTC, in milliseconds |
//! | `commit` | the commit number of its batch |
//! | `check_index` | its place in the probe's plan |
//! | `lateness_us` | how late it began, in microseconds |
//! | `outcome` | `replied`, `timed-out` or `unsent` of an echo; else `ok`, `failed` or `unsent` |
//! | `cause` | why it failed or was not sent; null where it did not |
//!
//! What was not measured is null: a failure has no time.

use std::sync::Arc;

use isochrone_proto::kind::Layout;
use parquet::basic::{Compression, Encoding, LogicalType, Repetition, TimeUnit, Type as Physical, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::{ColumnPath, Type};

/// What a column holds, and so how it is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Few different texts: a dictionary.
    Word,
    /// UTC milliseconds, rising within a series: differences.
    Instant,
    /// A 64-bit number that rises within a series: differences.
    Rising,
    /// A duration in microseconds: its bytes apart, so that the high ones are alike.
    Micros,
    /// Few different numbers: a dictionary.
    Small,
    /// Few different 64-bit numbers: a dictionary.
    Large,
    /// Yes or no.
    Flag,
    /// Bytes that are seldom alike.
    Bytes,
}

/// A column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) form: Form,
    /// Null where it does not apply.
    pub(super) is_optional: bool,
}

pub(super) const fn always(name: &'static str, form: Form) -> Column {
    Column {
        name,
        form,
        is_optional: false,
    }
}

pub(super) const fn maybe(name: &'static str, form: Form) -> Column {
    Column {
        name,
        form,
        is_optional: true,
    }
}

/// The ids of a row and what else every kind has.
pub(super) const COMMON: [Column; 12] = [
    always("probe", Form::Word),
    always("probe_id", Form::Word),
    always("epoch", Form::Word),
    always("kind", Form::Word),
    always("target", Form::Word),
    always("target_id", Form::Word),
    always("slot", Form::Instant),
    always("commit", Form::Rising),
    always("check_index", Form::Small),
    always("lateness_us", Form::Micros),
    always("outcome", Form::Word),
    maybe("cause", Form::Word),
];

/// `stamp` says who stamped the arrival (`kernel`, `user`); `suspect` that the probe itself was starved;
/// `claimed_delay_us` what the responder says that it took.
const ECHO: [Column; 4] = [
    maybe("rtt_us", Form::Micros),
    maybe("claimed_delay_us", Form::Micros),
    maybe("stamp", Form::Word),
    maybe("suspect", Form::Flag),
];

/// `phase` says how far a failed run came, `text` its error; `certificate_expires_s` is in Unix seconds.
const CONNECT: [Column; 8] = [
    maybe("address", Form::Word),
    maybe("certificate_expires_s", Form::Large),
    maybe("phase", Form::Word),
    maybe("text", Form::Word),
    maybe("resolve_us", Form::Micros),
    maybe("connect_us", Form::Micros),
    maybe("tls_us", Form::Micros),
    maybe("unattributed_us", Form::Micros),
];

/// As of a connection; `cache` is the answer's `x-cache` (`absent`, `hit`, `pending`, `miss`).
const ENDPOINT: [Column; 15] = [
    maybe("address", Form::Word),
    maybe("certificate_expires_s", Form::Large),
    maybe("phase", Form::Word),
    maybe("text", Form::Word),
    maybe("resolve_us", Form::Micros),
    maybe("connect_us", Form::Micros),
    maybe("tls_us", Form::Micros),
    maybe("unattributed_us", Form::Micros),
    maybe("first_byte_us", Form::Micros),
    maybe("transfer_us", Form::Micros),
    always("cache", Form::Word),
    maybe("http_status", Form::Small),
    maybe("body_bytes", Form::Small),
    maybe("node_uptime_s", Form::Large),
    maybe("node_version", Form::Word),
];

/// Every column of a layout, in the file's order.
pub(super) fn columns(layout: Layout) -> impl Iterator<Item = &'static Column> {
    let own: &[Column] = match layout {
        Layout::Echo => &ECHO,
        Layout::Connect => &CONNECT,
        Layout::Endpoint => &ENDPOINT,
    };
    COMMON.iter().chain(own)
}

/// The name of a layout's schema, with the version of its form.
pub(super) const fn name(layout: Layout) -> &'static str {
    match layout {
        Layout::Echo => "isochrone.segment.echo/1",
        Layout::Connect => "isochrone.segment.connect/1",
        Layout::Endpoint => "isochrone.segment.http/1",
    }
}

/// The schema as Parquet has it.
pub(super) fn of(layout: Layout) -> Result<Arc<Type>, ParquetError> {
    of_columns("measurement", columns(layout))
}

/// The schema of columns whose rows are called `name`.
pub(super) fn of_columns<'c>(
    name: &str,
    columns: impl Iterator<Item = &'c Column>,
) -> Result<Arc<Type>, ParquetError> {
    let fields: Result<Vec<_>, _> = columns.map(|column| column.field().map(Arc::new)).collect();
    let schema = Type::group_type_builder(name).with_fields(fields?);
    schema.build().map(Arc::new)
}

impl Column {
    fn field(&self) -> Result<Type, ParquetError> {
        let repetition = match self.is_optional {
            true => Repetition::OPTIONAL,
            false => Repetition::REQUIRED,
        };
        let unsigned = |bits| LogicalType::integer(bits, false);
        let (physical, logical) = match self.form {
            Form::Word => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            Form::Instant => (
                Physical::INT64,
                Some(LogicalType::timestamp(true, TimeUnit::MILLIS)),
            ),
            Form::Rising => (Physical::INT64, None),
            Form::Micros => (Physical::INT32, None),
            Form::Small => (Physical::INT32, Some(unsigned(32))),
            Form::Large => (Physical::INT64, Some(unsigned(64))),
            Form::Flag => (Physical::BOOLEAN, None),
            Form::Bytes => (Physical::BYTE_ARRAY, None),
        };
        Type::primitive_type_builder(self.name, physical)
            .with_logical_type(logical)
            .with_repetition(repetition)
            .build()
    }

    /// Rows are sorted by it, or nearly so: readers pass over the groups that do not hold what they look for.
    pub(super) fn is_sought(&self) -> bool {
        ["probe", "target", "slot", "commit", "start"].contains(&self.name)
    }

    fn encode(&self, properties: WriterPropertiesBuilder) -> WriterPropertiesBuilder {
        let path = ColumnPath::from(self.name);
        let properties = match self.is_sought() {
            true => properties,
            false => properties.set_column_statistics_enabled(path.clone(), EnabledStatistics::None),
        };
        let encoding = match self.form {
            Form::Word | Form::Small | Form::Large | Form::Flag => return properties,
            Form::Instant | Form::Rising => Encoding::DELTA_BINARY_PACKED,
            Form::Micros => Encoding::BYTE_STREAM_SPLIT,
            Form::Bytes => Encoding::PLAIN,
        };
        properties
            .set_column_dictionary_enabled(path.clone(), false)
            .set_column_encoding(path, encoding)
    }
}

/// Rows of a page: whoever asks for one target of many reads about so many too much.
const PAGE_ROWS: usize = 4_096;

/// How a segment is written.
pub(super) fn properties(layout: Layout) -> Result<WriterPropertiesBuilder, ParquetError> {
    Ok(properties_of(columns(layout))?.set_data_page_row_count_limit(PAGE_ROWS))
}

/// How a file of such columns is written.
pub(super) fn properties_of<'c>(
    columns: impl Iterator<Item = &'c Column>,
) -> Result<WriterPropertiesBuilder, ParquetError> {
    let level = ZstdLevel::try_new(1)?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_created_by("isochrone".to_owned());
    Ok(columns.fold(properties, |properties, column| column.encode(properties)))
}
