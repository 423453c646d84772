//! What of a file is in memory: a window that slides over it, and knows where it stands.

use std::io::{self, ErrorKind, Read};

use crate::refusals::Where;

/// A window over a file.
pub(crate) struct Window<R> {
    source: R,
    buffer: Vec<u8>,
    /// Bytes of `buffer` that are still to be looked at.
    start: usize,
    end: usize,
    end_of: End,
    /// Where `start` stands.
    at: Where,
}

/// What a [`Window::fill`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Filled {
    /// There is more to look at.
    More,
    /// The file is over.
    Over,
    /// No more fits in: [`LONGEST`] bytes are there.
    Full,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Ahead,
    Reached,
    /// In the middle of what it was packed into.
    TornOff,
}

impl<R: Read> Window<R> {
    pub(crate) fn new(source: R) -> Self {
        Self {
            source,
            buffer: vec![0; SIZE],
            start: 0,
            end: 0,
            end_of: End::Ahead,
            at: Where { line: 1, byte: 0 },
        }
    }

    /// What is there to be looked at.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Where that begins.
    pub(crate) const fn at(&self) -> Where {
        self.at
    }

    /// Whether the file ended in the middle of what it was packed into.
    pub(crate) fn is_torn_off(&self) -> bool {
        self.end_of == End::TornOff
    }

    /// The next byte; `None`: the file is over.
    pub(crate) fn peek(&mut self) -> io::Result<Option<u8>> {
        if self.start == self.end {
            self.fill()?;
        }
        Ok(self.bytes().first().copied())
    }

    /// Passes over `count` bytes of those that are there.
    pub(crate) fn pass(&mut self, count: usize) {
        let until = self.end.min(self.start + count);
        let passed = &self.buffer[self.start..until];
        self.at.line += line_ends(passed);
        self.at.byte += passed.len() as u64;
        self.start = until;
    }

    /// Reads on, so that there is more to look at.
    pub(crate) fn fill(&mut self) -> io::Result<Filled> {
        if self.end_of != End::Ahead {
            return Ok(Filled::Over);
        }
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.buffer.len() {
            if self.end >= LONGEST {
                return Ok(Filled::Full);
            }
            self.buffer.resize(LONGEST.min(self.end * 2), 0);
        }
        let before = self.end;
        let enough = self.buffer.len().min(self.end + ENOUGH); // so that little pieces of a long object are not looked at one by one
        while self.end < enough {
            match self.source.read(&mut self.buffer[self.end..]) {
                Ok(0) => {
                    self.end_of = End::Reached;
                    break;
                }
                Ok(count) => self.end += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                    self.end_of = End::TornOff;
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(match self.end > before {
            true => Filled::More,
            false => Filled::Over,
        })
    }
}

/// In pieces whose count a byte holds, so that many are compared at once.
fn line_ends(bytes: &[u8]) -> u64 {
    let of_piece = |piece: &[u8]| piece.iter().map(|byte| u8::from(*byte == b'\n')).sum::<u8>();
    bytes.chunks(255).map(|piece| u64::from(of_piece(piece))).sum()
}

/// No result is longer: an object that does not end is not read into memory.
pub(crate) const LONGEST: usize = 1 << 20;
/// Read at once.
const SIZE: usize = 256 << 10;
/// Waited for before what is there is looked at again.
const ENOUGH: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn window_slides_grows_to_its_bound_and_says_where_it_stands() {
        let file = b"ab\ncd\n".repeat(LONGEST);
        let mut window = Window::new(&file[..]);
        assert_eq!(window.peek().unwrap(), Some(b'a'));
        window.pass(4);
        assert_eq!(window.at(), Where { line: 2, byte: 4 });
        while window.fill().unwrap() == Filled::More {}
        assert_eq!(window.bytes().len(), LONGEST);
        assert_eq!(window.fill().unwrap(), Filled::Full);
        assert_eq!(window.bytes(), &file[4..4 + LONGEST]);
        let mut passed = 4;
        while window.peek().unwrap().is_some() {
            let count = window.bytes().len().min(100_001);
            assert_eq!(window.bytes()[..count], file[passed..passed + count]);
            window.pass(count);
            passed += count;
        }
        assert_eq!(passed, file.len());
        let lines = 2 * LONGEST as u64;
        assert_eq!(
            window.at(),
            Where {
                line: 1 + lines,
                byte: file.len() as u64
            }
        );
        assert!(window.buffer.len() <= LONGEST && !window.is_torn_off());
    }
}
