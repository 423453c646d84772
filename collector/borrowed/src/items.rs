//! The objects of a file, one after another, in whatever they are wrapped: an array, lines, messages of a stream, pages of a
//! listing.
//!
//! What is no JSON costs as little as can be: from a broken object the reading goes on behind its last bracket, or at the
//! next line that begins an object. What does not end is passed over without being kept.

mod walker;

use std::io::{self, Read};

use self::walker::Walker;
use crate::refusals::Where;
use crate::unfit::Unfit;
use crate::window::{Filled, LONGEST, Window};

/// The objects of a file.
pub(crate) struct Items<R> {
    window: Window<R>,
    inside: Inside,
    /// Arrays of an object that was entered whose objects are wanted.
    lists: &'static [&'static str],
    /// Arrays of the file itself that began and are not over: it ends in the middle of them.
    open_arrays: u64,
    /// The last thing that was read began an array: a text would be a message's name.
    is_array_begun: bool,
    /// Objects of the message that was begun are not wanted.
    is_other_message: bool,
}

/// Takes the objects of a file.
pub(crate) trait Taker {
    /// Takes the object that `bytes` begins with.
    fn object(&mut self, at: Where, depth: Depth, bytes: &[u8]) -> Attempt;

    /// A pair of the object that was entered; `value` is JSON.
    fn pair(&mut self, key: &str, value: &[u8]);

    /// The object that was entered is over, or broken off.
    fn close(&mut self);

    /// Something cannot be taken.
    fn refuse(&mut self, at: Where, unfit: &Unfit<'_>);

    /// Whether objects of the stream's messages of this name are wanted.
    fn is_wanted(&self, message: &str) -> bool;
}

/// How deep an object stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// In the file itself, or in an array of it.
    Top,
    /// In a wanted array of an object that was entered.
    Listed,
}

/// What became of taking an object.
pub(crate) enum Attempt {
    /// Taken or refused: so many bytes are done with.
    Done(usize),
    /// The object does not end in these bytes.
    Short,
    /// It is not JSON.
    Broken(String),
    /// Not taken: what is wanted stands inside.
    Enter,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Inside {
    File,
    Object,
    List,
}

impl<R: Read> Items<R> {
    /// The objects of `source`, and of the arrays called `lists` in objects that are entered.
    pub(crate) fn new(source: R, lists: &'static [&'static str]) -> Self {
        Self {
            window: Window::new(source),
            inside: Inside::File,
            lists,
            open_arrays: 0,
            is_array_begun: false,
            is_other_message: false,
        }
    }

    /// Gives up to `most` objects to `taker`; whether there may be more.
    pub(crate) fn read(&mut self, most: usize, taker: &mut impl Taker) -> io::Result<bool> {
        if self.window.at().byte == 0 && self.window.peek()?.is_some() && self.window.bytes().starts_with(BOM)
        {
            self.window.pass(BOM.len());
        }
        let mut objects = 0;
        while objects < most {
            let Some(byte) = self.window.peek()? else {
                self.end(taker);
                return Ok(false);
            };
            let is_array_begun = self.is_array_begun && is_between(byte);
            let is_named = std::mem::replace(&mut self.is_array_begun, is_array_begun) && byte == b'"';
            match (self.inside, byte) {
                (_, b' ' | b'\t' | b'\r' | b'\n' | b',') => self.pass_while(is_between),
                (Inside::File | Inside::List, b'{') => {
                    objects += 1;
                    self.object(taker)?;
                }
                (Inside::File, b'[' | b']') => {
                    self.is_array_begun = byte == b'[';
                    self.open_arrays = match byte {
                        b'[' => self.open_arrays + 1,
                        _ => self.open_arrays.saturating_sub(1),
                    };
                    self.is_other_message = false;
                    self.window.pass(1);
                }
                (Inside::File, b'"') if is_named => self.message(taker)?,
                (Inside::List, b']') => {
                    self.inside = Inside::Object;
                    self.window.pass(1);
                }
                (Inside::Object, b'"') => self.pair(taker)?,
                (Inside::Object, b'}') => {
                    self.window.pass(1);
                    self.leave(taker);
                }
                (Inside::Object, _) => {
                    taker.refuse(self.window.at(), &Unfit::NotJson("a key is wanted"));
                    self.leave(taker);
                    self.skip(true)?;
                }
                (Inside::File | Inside::List, _) => self.garbage(taker)?,
            }
        }
        Ok(true)
    }

    /// The file is over: as it should be, or in the middle of something.
    fn end(&mut self, taker: &mut impl Taker) {
        let is_open = self.inside != Inside::File;
        if is_open || self.open_arrays > 0 || self.window.is_torn_off() {
            taker.refuse(self.window.at(), &Unfit::Cut);
        }
        if is_open {
            self.leave(taker);
        }
    }

    fn leave(&mut self, taker: &mut impl Taker) {
        self.inside = Inside::File;
        taker.close();
    }

    fn object(&mut self, taker: &mut impl Taker) -> io::Result<()> {
        if self.is_other_message {
            return self.skip(true);
        }
        let at = self.window.at();
        let depth = match self.inside {
            Inside::List => Depth::Listed,
            Inside::File | Inside::Object => Depth::Top,
        };
        loop {
            match taker.object(at, depth, self.window.bytes()) {
                Attempt::Done(length) => {
                    self.window.pass(length);
                    return Ok(());
                }
                Attempt::Enter => {
                    self.window.pass(1);
                    self.inside = Inside::Object;
                    return Ok(());
                }
                Attempt::Broken(why) => {
                    taker.refuse(at, &Unfit::NotJson(&why));
                    self.skip(true)?;
                    if self.window.peek()?.is_none() {
                        self.open_arrays = 0; // it broke where the file ends, and was named
                    }
                    return Ok(());
                }
                Attempt::Short => match self.window.fill()? {
                    Filled::More => {}
                    Filled::Over => {
                        taker.refuse(at, &Unfit::Cut);
                        self.open_arrays = 0; // said already
                        return self.skip(true);
                    }
                    Filled::Full => {
                        taker.refuse(at, &Unfit::TooLong(LONGEST));
                        self.open_arrays = 0; // it may hold their ends
                        return self.skip(true);
                    }
                },
            }
        }
    }

    /// `"atlas_result"` of `["atlas_result", {…}]`.
    fn message(&mut self, taker: &mut impl Taker) -> io::Result<()> {
        let name = self.captured(NAME_MAX)?;
        self.is_other_message = match serde_json::from_slice::<String>(&name) {
            Ok(name) => !taker.is_wanted(&name),
            Err(_) => true,
        };
        Ok(())
    }

    /// `"key": value` of an object that was entered, up to the value of a wanted list.
    fn pair(&mut self, taker: &mut impl Taker) -> io::Result<()> {
        let at = self.window.at();
        let key = self.captured(NAME_MAX)?;
        self.pass_while(|byte| byte.is_ascii_whitespace());
        if self.window.peek()? != Some(b':') {
            return Ok(()); // what stands there is named by whoever reads on
        }
        self.window.pass(1);
        loop {
            self.pass_while(|byte| byte.is_ascii_whitespace());
            let more = self.window.peek()?;
            if !more.is_some_and(|byte| byte.is_ascii_whitespace()) {
                break;
            }
        }
        let Ok(key) = serde_json::from_slice::<String>(&key) else {
            taker.refuse(at, &Unfit::NotJson("a key is no text, or too long"));
            return self.skip(false);
        };
        if self.lists.contains(&&*key) && self.window.peek()? == Some(b'[') {
            self.window.pass(1);
            self.inside = Inside::List;
            return Ok(());
        }
        let value = self.captured(VALUE_MAX)?;
        if value.len() <= VALUE_MAX {
            taker.pair(&key, &value);
        }
        Ok(())
    }

    /// Neither an object nor what stands between two.
    fn garbage(&mut self, taker: &mut impl Taker) -> io::Result<()> {
        let at = self.window.at();
        let literal = self
            .window
            .bytes()
            .iter()
            .take_while(|byte| is_of_literal(**byte))
            .count();
        if literal > 0 && self.window.bytes().get(literal) == Some(&b'[') {
            self.window.pass(literal); // `42["atlas_result",{…}]`: the stream's older frames
            return Ok(());
        }
        let begins = String::from_utf8_lossy(&self.window.bytes()[..self.window.bytes().len().min(SHOWN)])
            .into_owned();
        let begins = begins.lines().next().unwrap_or_default();
        taker.refuse(at, &Unfit::NotAnObject(begins));
        let (first, next) = (self.window.bytes().first(), self.window.bytes().get(literal));
        match (literal, first) {
            (0, Some(b'"' | b'[')) => return self.skip(true),
            (0, Some(b':' | b'}')) => self.window.pass(1),
            // `null` where an object could stand
            (1.., _) if matches!(next, None | Some(b',' | b']' | b'\r' | b'\n')) => self.window.pass(literal),
            _ => return self.skip_line(),
        }
        Ok(())
    }

    fn skip_line(&mut self) -> io::Result<()> {
        self.open_arrays = 0; // their ends may stand in what is passed over
        self.window.pass(1);
        while self.window.peek()?.is_some() {
            match self.window.bytes().iter().position(|byte| *byte == b'\n') {
                Some(place) => {
                    self.window.pass(place);
                    return Ok(());
                }
                None => self.window.pass(self.window.bytes().len()),
            }
        }
        Ok(())
    }

    /// The JSON that begins here, and `most` + 1 bytes of it at most.
    fn captured(&mut self, most: usize) -> io::Result<Vec<u8>> {
        let mut kept = Vec::new();
        self.walk(false, |bytes| {
            let room = (most + 1).saturating_sub(kept.len());
            kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
        })?;
        Ok(kept)
    }

    /// Passes over the JSON that begins here; where it `is_broken`, at most up to the next line that begins an object.
    fn skip(&mut self, is_broken: bool) -> io::Result<()> {
        self.walk(is_broken, |_| {})
    }

    fn walk(&mut self, is_broken: bool, mut each: impl FnMut(&[u8])) -> io::Result<()> {
        let mut walker = Walker::new(is_broken);
        while self.window.peek()?.is_some() {
            let bytes = self.window.bytes();
            let end = bytes.iter().position(|byte| walker.is_over_before(*byte));
            let passed = end.unwrap_or(bytes.len());
            each(&bytes[..passed]);
            self.window.pass(passed);
            if end.is_some() {
                break;
            }
        }
        Ok(())
    }

    fn pass_while(&mut self, is_passed: impl Fn(u8) -> bool) {
        let bytes = self.window.bytes();
        let count = bytes.iter().take_while(|byte| is_passed(**byte)).count();
        self.window.pass(count);
    }
}

const fn is_between(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b',')
}

const fn is_of_literal(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')
}

/// No key and no message's name is longer.
const NAME_MAX: usize = 256;
/// A value beside a list that is handed on.
const VALUE_MAX: usize = 4 << 10;
/// Bytes of garbage that are shown.
const SHOWN: usize = 240;
const BOM: &[u8] = b"\xef\xbb\xbf";

#[cfg(test)]
mod tests;
