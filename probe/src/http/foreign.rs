//! What a port speaks that does not speak HTTP/1.1, by its first bytes.

/// What an answer that begins so is, for a person; `None` without a byte.
pub(super) fn words(beginning: &[u8]) -> Option<String> {
    match beginning {
        [] => None,
        // A frame's header: three bytes of length, its type (4: SETTINGS), flags, four bytes of stream 0.
        [_, _, _, 4, _, 0, 0, 0, 0, ..] => {
            Some("the server speaks only HTTP/2 here; a probe speaks HTTP/1.1".to_owned())
        }
        [0x14..=0x17, 3, ..] => Some("the port speaks TLS; write https:// in the URL".to_owned()),
        _ => {
            let line = beginning.split(|byte| matches!(byte, b'\r' | b'\n')).next();
            let said = line.unwrap_or_default().escape_ascii();
            Some(format!("no HTTP/1.1; the answer begins with {said}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spoken_is_told_by_its_first_bytes() {
        let told = |bytes: &[u8]| words(bytes).unwrap();
        assert!(told(&[0, 0, 18, 4, 0, 0, 0, 0, 0, 0, 3]).contains("only HTTP/2"));
        assert!(told(&[0x15, 3, 3, 0, 2, 2, 80]).contains("https://"));
        assert_eq!(
            told(b"SSH-2.0-OpenSSH_9.2\r\nmore"),
            "no HTTP/1.1; the answer begins with SSH-2.0-OpenSSH_9.2"
        );
        assert_eq!(told(b"\x1b[2J"), r"no HTTP/1.1; the answer begins with \x1b[2J");
        assert_eq!(words(b""), None);
    }
}
