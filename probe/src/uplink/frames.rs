//! Frames on QUIC streams.

use isochrone_proto::codec;
use isochrone_proto::control::{CollectorMessage, ProbeMessage};
use isochrone_proto::frame::{self, FrameHeader, HEADER_BYTES, MessageKind};
use quinn::{ReadExactError, RecvStream, SendStream, WriteError};

use super::LinkEnd;

/// Reads the collector's next message.
pub(super) async fn read_message(stream: &mut RecvStream) -> Result<CollectorMessage, LinkEnd> {
    let mut header = [0; HEADER_BYTES];
    read_exact(stream, &mut header).await?;
    let header = FrameHeader::parse(&header)?;
    if header.kind() != MessageKind::FromCollector {
        return Err(LinkEnd::Protocol {
            what: format!("a frame of kind {:?} on the control stream", header.kind()),
        });
    }
    let mut body = vec![0; header.length()]; // at most the kind's maximum: parse checks it
    read_exact(stream, &mut body).await?;
    let payload = header.open(body)?;
    codec::decode_from_collector(&payload).map_err(|error| LinkEnd::Protocol {
        what: crate::error_text::chain(&error),
    })
}

async fn read_exact(stream: &mut RecvStream, bytes: &mut [u8]) -> Result<(), LinkEnd> {
    stream.read_exact(bytes).await.map_err(|error| match error {
        ReadExactError::ReadError(quinn::ReadError::ConnectionLost(error)) => error.into(),
        ReadExactError::ReadError(error) => LinkEnd::Protocol {
            what: error.to_string(),
        },
        ReadExactError::FinishedEarly(_) => LinkEnd::Closed {
            code: Some(isochrone_proto::control::CloseCode::Done),
            reason: String::new(),
        },
    })
}

/// Sends a control message.
pub(super) async fn write_message(stream: &mut SendStream, message: &ProbeMessage) -> Result<(), LinkEnd> {
    let sealed = frame::seal(MessageKind::FromProbe, &codec::encode_from_probe(message))?;
    stream.write_all(&sealed).await.map_err(write_end)
}

/// What a failed write means.
pub(super) fn write_end(error: WriteError) -> LinkEnd {
    match error {
        WriteError::ConnectionLost(error) => error.into(),
        error => LinkEnd::Protocol {
            what: error.to_string(),
        },
    }
}
