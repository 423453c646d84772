//! Every way in which a frame is refused, each with its own error, from both sides of the limit.

use crate::frame::{self, FrameError, FrameHeader, HEADER_BYTES, MessageKind};
use crate::serializer;

/// A frame with any header, rightly checksummed.
fn frame_of(version: u8, kind: u8, flags: u8, length: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes = b"ISOC".to_vec();
    bytes.extend_from_slice(&[version, kind, flags]);
    bytes.extend_from_slice(&length.to_be_bytes());
    let checksum = crc32c::crc32c_append(crc32c::crc32c(&bytes), body);
    bytes.extend_from_slice(&checksum.to_be_bytes());
    bytes.extend_from_slice(body);
    bytes
}

fn batch_frame(flags: u8, body: &[u8]) -> Vec<u8> {
    frame_of(frame::PROTOCOL_VERSION, 2, flags, body.len() as u32, body)
}

fn header(bytes: &[u8]) -> Result<FrameHeader, FrameError> {
    FrameHeader::parse(bytes.first_chunk::<HEADER_BYTES>().expect("a whole header"))
}

#[test]
fn frame_made_by_hand_is_read() {
    let bytes = batch_frame(0, b"body");
    assert_eq!(
        frame::read(&bytes),
        Ok((MessageKind::Batch, b"body".to_vec(), bytes.len()))
    );
}

#[test]
fn other_protocol_is_refused_as_magic() {
    for at in 0..4 {
        let mut bytes = batch_frame(0, b"body");
        bytes[at] ^= 0x20;
        let found = [bytes[0], bytes[1], bytes[2], bytes[3]];
        assert_eq!(frame::read(&bytes), Err(FrameError::Magic { found }));
    }
}

#[test]
fn every_other_version_is_refused() {
    for found in (0..=u8::MAX).filter(|version| *version != frame::PROTOCOL_VERSION) {
        let bytes = frame_of(found, 2, 0, 4, b"body");
        assert_eq!(frame::read(&bytes), Err(FrameError::Version { found }));
    }
}

#[test]
fn unknown_kind_is_refused() {
    for found in [0, 8, 255] {
        let bytes = frame_of(frame::PROTOCOL_VERSION, found, 0, 4, b"body");
        assert_eq!(frame::read(&bytes), Err(FrameError::Kind { found }));
    }
}

#[test]
fn unknown_flags_are_refused() {
    for found in (0..=u8::MAX).filter(|flags| flags & !1 != 0) {
        let bytes = batch_frame(found, b"body");
        assert_eq!(frame::read(&bytes), Err(FrameError::Flags { found }));
    }
}

#[test]
fn length_is_refused_above_the_kinds_maximum_before_a_body_is_there() {
    for (kind, code) in MessageKind::ALL.into_iter().zip(1..) {
        let max = kind.payload_max();
        let at_limit =
            header(&frame_of(frame::PROTOCOL_VERSION, code, 0, max as u32, b"")).expect("at the maximum");
        assert_eq!((at_limit.kind(), at_limit.length()), (kind, max));
        for length in [max + 1, u32::MAX as usize] {
            let above = header(&frame_of(frame::PROTOCOL_VERSION, code, 0, length as u32, b""));
            assert_eq!(above, Err(FrameError::TooLong { length, max }));
        }
    }
}

#[test]
fn payload_is_sealed_up_to_the_kinds_maximum() {
    for kind in MessageKind::ALL {
        let max = kind.payload_max();
        let payload = vec![0xa5; max];
        let sealed = frame::seal(kind, &payload).expect("at the maximum");
        assert_eq!(frame::read(&sealed), Ok((kind, payload, sealed.len())));
        let above = frame::seal(kind, &vec![0xa5; max + 1]);
        assert_eq!(above, Err(FrameError::TooLong { length: max + 1, max }));
    }
}

#[test]
fn frame_that_is_cut_off_is_short_at_every_place() {
    let bytes = batch_frame(0, b"body");
    for found in 0..bytes.len() {
        assert_eq!(frame::read(&bytes[..found]), Err(FrameError::Short { found }));
    }
}

#[test]
fn bytes_after_a_frame_are_the_next_ones() {
    let mut bytes = batch_frame(0, b"body");
    let end = bytes.len();
    bytes.extend_from_slice(b"next");
    assert_eq!(
        frame::read(&bytes),
        Ok((MessageKind::Batch, b"body".to_vec(), end))
    );
}

#[test]
fn body_of_another_length_is_refused() {
    let header = header(&batch_frame(0, b"body")).expect("a right header");
    for body in [&b""[..], b"bod", b"body!"] {
        let expected = FrameError::Length {
            announced: 4,
            found: body.len(),
        };
        assert_eq!(header.open(body.to_vec()), Err(expected));
    }
}

#[test]
fn changed_body_is_refused_by_its_checksum() {
    let mut bytes = batch_frame(0, b"body");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    assert_eq!(frame::read(&bytes), Err(FrameError::Checksum));
}

#[test]
fn frame_relabelled_as_another_kind_is_refused_by_its_checksum() {
    let mut bytes = batch_frame(0, b"body");
    bytes[5] = 3;
    assert_eq!(frame::read(&bytes), Err(FrameError::Checksum));
}

#[test]
fn body_that_is_no_zstd_is_refused() {
    let compressed = serializer::compress(&[7; 1_000]).expect("smaller");
    let mut cut = compressed.clone();
    cut.pop();
    let mut twice = compressed.clone();
    twice.extend_from_slice(&compressed);
    let mut tail = compressed;
    tail.push(0);
    for body in [b"body".to_vec(), Vec::new(), cut, twice, tail] {
        let found = frame::read(&batch_frame(1, &body));
        assert_eq!(found, Err(FrameError::Compression), "{body:02x?}");
    }
}

#[test]
fn decompression_bomb_is_refused_and_the_largest_payload_is_not() {
    for (kind, code) in MessageKind::ALL.into_iter().zip(1..) {
        let max = kind.payload_max();
        // 64 zeros (the maximum of a StreamHello) are not worth compressing to the codec; then there is no bomb.
        let Some(whole) = serializer::compress(&vec![0; max]) else {
            assert_eq!(kind, MessageKind::StreamHello);
            let bomb = serializer::compress(&vec![0; 1 << 20]).expect("smaller");
            let bytes = frame_of(frame::PROTOCOL_VERSION, code, 1, bomb.len() as u32, &bomb);
            assert_eq!(frame::read(&bytes), Err(FrameError::Bomb { max }));
            continue;
        };
        let bytes = frame_of(frame::PROTOCOL_VERSION, code, 1, whole.len() as u32, &whole);
        assert_eq!(frame::read(&bytes), Ok((kind, vec![0; max], bytes.len())));
        for above in [max + 1, 64 << 20] {
            let bomb = serializer::compress(&vec![0; above]).expect("smaller");
            let bytes = frame_of(frame::PROTOCOL_VERSION, code, 1, bomb.len() as u32, &bomb);
            assert!(bytes.len() < above / 20, "it is a bomb: {} bytes", bytes.len());
            assert_eq!(
                frame::read(&bytes),
                Err(FrameError::Bomb { max }),
                "{kind:?} {above}"
            );
        }
    }
}

#[test]
fn frame_that_asks_for_a_large_window_is_refused_before_it_is_reserved() {
    // A Zstandard frame by hand: no size, a window of 2^log bytes, and one stored block of one byte.
    let of_window = |log: u8| {
        let window = (log - 10) << 3;
        batch_frame(1, &[0x28, 0xb5, 0x2f, 0xfd, 0, window, 9, 0, 0, b'x'])
    };
    let largest = of_window(20);
    assert_eq!(
        frame::read(&largest),
        Ok((MessageKind::Batch, b"x".to_vec(), largest.len()))
    );
    for log in [21, 26, 27, 31] {
        assert_eq!(
            frame::read(&of_window(log)),
            Err(FrameError::Compression),
            "{log}"
        );
    }
}
