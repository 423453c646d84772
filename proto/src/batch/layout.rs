//! How a batch is laid out: its header, then a section for each kind of columns that it has.

use super::{Batch, BatchHeader};
use crate::kind::Layout;
use crate::limits::BATCH_BYTES_MAX;
use crate::section::{Section, SectionError, SectionRef, Sections};
use crate::serializer::encode;

const KNOWN: &[&str] = &[
    Layout::Echo.section(),
    Layout::Endpoint.section(),
    Layout::Connect.section(),
];

impl Batch {
    /// Its columns: whoever reads the batch must know them, for its account counts their rows.
    pub(crate) fn sections(&self) -> Vec<Section> {
        let needed = |layout: Layout, body| Section::needed(layout.section(), body);
        let echo = self.echo.as_ref().map(encode);
        let endpoint = self.endpoint.as_ref().map(encode);
        let connect = self.connect.as_ref().map(encode);
        let echo = echo.map(|body| needed(Layout::Echo, body));
        let endpoint = endpoint.map(|body| needed(Layout::Endpoint, body));
        let connect = connect.map(|body| needed(Layout::Connect, body));
        [echo, endpoint, connect].into_iter().flatten().collect()
    }

    /// The batch of a header and its sections; nothing but their form is checked.
    pub(crate) fn of_sections(
        header: BatchHeader,
        sections: Vec<SectionRef<'_>>,
    ) -> Result<Self, SectionError> {
        let sections = Sections::checked(sections, KNOWN)?;
        Ok(Self {
            header,
            echo: sections.read::<_, BATCH_BYTES_MAX>(Layout::Echo.section())?,
            endpoint: sections.read::<_, BATCH_BYTES_MAX>(Layout::Endpoint.section())?,
            connect: sections.read::<_, BATCH_BYTES_MAX>(Layout::Connect.section())?,
        })
    }
}
