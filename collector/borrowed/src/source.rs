//! A file as it lies there: packed by gzip or not.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

/// A file's content, unpacked as it is read.
pub struct Source<R> {
    inner: Inner<R>,
}

enum Inner<R> {
    Plain(BufReader<R>),
    Packed(Box<MultiGzDecoder<BufReader<R>>>),
}

/// What `file` holds: unpacked where it is packed by gzip, whatever its name.
///
/// # Errors
/// When it cannot be read.
pub fn open<R: Read>(file: R) -> io::Result<Source<R>> {
    let mut file = BufReader::with_capacity(SIZE, file);
    let is_packed = file.fill_buf()?.starts_with(&GZIP);
    let inner = match is_packed {
        true => Inner::Packed(Box::new(MultiGzDecoder::new(file))),
        false => Inner::Plain(file),
    };
    Ok(Source { inner })
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.inner {
            Inner::Plain(file) => file.read(buffer),
            Inner::Packed(file) => file.read(buffer),
        }
    }
}

const GZIP: [u8; 2] = [0x1f, 0x8b];
const SIZE: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn packed(text: &[u8]) -> Vec<u8> {
        let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
        packer.write_all(text).unwrap();
        packer.finish().unwrap()
    }

    #[test]
    fn file_is_unpacked_whatever_its_name_and_a_plain_one_is_left_as_it_is() {
        for file in [
            packed(b"[{}]"),
            [packed(b"[{"), packed(b"}]")].concat(),
            b"[{}]".to_vec(),
        ] {
            let mut text = String::new();
            open(&file[..]).unwrap().read_to_string(&mut text).unwrap();
            assert_eq!(text, "[{}]");
        }
        assert_eq!(open(&b""[..]).unwrap().read(&mut [0; 8]).unwrap(), 0);
    }
}
