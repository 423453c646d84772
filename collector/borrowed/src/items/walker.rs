//! Where one JSON value ends.

/// Finds the end of one JSON value, byte by byte.
pub(super) struct Walker {
    is_broken: bool,
    depth: usize,
    state: State,
    /// The last byte ended a line.
    is_new_line: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Begin,
    Between,
    Text,
    Escape,
    Literal,
    Over,
}

impl Walker {
    pub(super) const fn new(is_broken: bool) -> Self {
        Self {
            is_broken,
            depth: 0,
            state: State::Begin,
            is_new_line: false,
        }
    }

    /// Whether the value ended before `byte`.
    pub(super) fn is_over_before(&mut self, byte: u8) -> bool {
        let is_new_line = std::mem::replace(&mut self.is_new_line, byte == b'\n');
        if self.state == State::Over || (self.is_broken && is_new_line && matches!(byte, b'{' | b'[')) {
            return true;
        }
        self.state = match (self.state, byte) {
            (State::Text, b'"') => self.after(),
            (State::Text, b'\\') => State::Escape,
            (State::Text, b'\n') if self.is_broken => State::Between, // no text of JSON holds one: it was cut
            (State::Text | State::Escape, _) => State::Text,
            (State::Literal, b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n') => return true,
            (_, b'"') => State::Text,
            (_, b'{' | b'[') => {
                self.depth += 1;
                State::Between
            }
            (State::Between, b'}' | b']') => {
                self.depth = self.depth.saturating_sub(1);
                self.after()
            }
            (State::Begin, b',' | b'}' | b']') => return true, // a value is missing
            (State::Begin, _) => State::Literal,
            (state, _) => state,
        };
        false
    }

    const fn after(&self) -> State {
        match self.depth {
            0 => State::Over,
            _ => State::Between,
        }
    }
}
