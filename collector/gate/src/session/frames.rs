//! Frames off a QUIC stream and onto one.

use bytes::BytesMut;
use isochrone_proto::codec;
use isochrone_proto::control::CollectorMessage;
use isochrone_proto::frame::{self, FrameError, FrameHeader, HEADER_BYTES, MessageKind};
use quinn::{RecvStream, SendStream, WriteError};

/// Bytes asked of the stream at a time: several small frames come with one read.
const READ_BYTES: usize = 16 * 1024;

/// Reads whole frames. Keeps what it has when its future is dropped.
pub(crate) struct FrameReader {
    stream: RecvStream,
    buffer: BytesMut,
    /// The header of the frame whose body is being read.
    header: Option<FrameHeader>,
}

/// A frame that was opened.
pub(crate) struct OpenedFrame {
    pub(crate) kind: MessageKind,
    pub(crate) payload: Vec<u8>,
    /// Bytes it took on the wire.
    pub(crate) wire_bytes: usize,
}

impl FrameReader {
    pub(crate) fn new(stream: RecvStream) -> Self {
        Self {
            stream,
            buffer: BytesMut::new(),
            header: None,
        }
    }

    /// The next frame; `None` when the stream was finished after a whole one. A header is judged, its length
    /// included, before any room is made for its body.
    ///
    /// # Errors
    /// When the frame is malformed, the stream is cut off within one, or the connection is gone.
    ///
    /// # Cancel safety
    /// Cancel-safe: bytes already read are kept for the next call.
    pub(crate) async fn next(&mut self, expected: &[MessageKind]) -> Result<Option<OpenedFrame>, ReadError> {
        loop {
            if let Some(frame) = self.take(expected)? {
                return Ok(Some(frame));
            }
            let wanted = self.header.map_or(HEADER_BYTES, |header| header.length());
            let missing = wanted.saturating_sub(self.buffer.len());
            let chunk = self.stream.read_chunk(missing.max(READ_BYTES), true);
            match chunk.await.map_err(ReadError::Stream)? {
                Some(chunk) => self.buffer.extend_from_slice(&chunk.bytes),
                None if self.buffer.is_empty() && self.header.is_none() => return Ok(None),
                None => return Err(ReadError::CutOff),
            }
        }
    }

    /// Tells the peer that nothing more will be read.
    pub(crate) fn stop(&mut self, code: u32) {
        if self.stream.stop(code.into()).is_err() {
            tracing::trace!("the stream was closed already");
        }
    }

    fn take(&mut self, expected: &[MessageKind]) -> Result<Option<OpenedFrame>, ReadError> {
        let header = match self.header {
            Some(header) => header,
            None => {
                let Some(bytes) = self.buffer.first_chunk::<HEADER_BYTES>() else {
                    return Ok(None);
                };
                let header = FrameHeader::parse(bytes).map_err(ReadError::Frame)?;
                if !expected.contains(&header.kind()) {
                    return Err(ReadError::Unexpected { found: header.kind() });
                }
                drop(self.buffer.split_to(HEADER_BYTES));
                *self.header.insert(header)
            }
        };
        if self.buffer.len() < header.length() {
            return Ok(None);
        }
        self.header = None;
        let body = self.buffer.split_to(header.length());
        let payload = header.open(body.to_vec()).map_err(ReadError::Frame)?;
        Ok(Some(OpenedFrame {
            kind: header.kind(),
            payload,
            wire_bytes: HEADER_BYTES + header.length(),
        }))
    }
}

/// Writes one control message.
pub(super) async fn write(stream: &mut SendStream, message: &CollectorMessage) -> Result<(), SendError> {
    let payload = codec::encode_from_collector(message);
    let frame = frame::seal(MessageKind::FromCollector, &payload).map_err(SendError::Frame)?;
    stream.write_all(&frame).await.map_err(SendError::Stream)
}

/// Why no frame came.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// The peer does not keep to the protocol.
    #[error("malformed frame: {0}")]
    Frame(FrameError),
    /// A frame that has no place here.
    #[error("a frame of kind {found:?} has no place on this stream")]
    Unexpected { found: MessageKind },
    /// The stream ended inside a frame.
    #[error("the stream was finished inside a frame")]
    CutOff,
    /// The peer reset the stream, or the connection is gone.
    #[error("the stream broke")]
    Stream(#[source] quinn::ReadError),
}

/// Why a message could not be sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    /// It is larger than a frame may be.
    #[error("a message of ours does not fit a frame: {0}")]
    Frame(FrameError),
    /// The peer stopped the stream, or the connection is gone.
    #[error("the control stream broke")]
    Stream(#[source] WriteError),
}
