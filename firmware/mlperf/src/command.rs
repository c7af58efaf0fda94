//! A command, gathered byte by byte, and its words.

/// The longest command, without its end.
const LONGEST: usize = 80;

/// What ends a command.
const END: u8 = b'%';

/// The command that is arriving.
pub(crate) struct Line {
    bytes: [u8; LONGEST],
    /// Bytes that arrived, also those that found no room.
    len: usize,
}

impl Line {
    pub(crate) const fn new() -> Self {
        Self { bytes: [0; LONGEST], len: 0 }
    }

    /// Takes a byte; true when the command is complete. Line ends, which people send, are no part of it.
    pub(crate) fn take(&mut self, byte: u8) -> bool {
        if byte != END && byte != b'\r' && byte != b'\n' {
            if let Some(place) = self.bytes.get_mut(self.len) {
                *place = byte;
            }
            self.len += 1;
        }
        byte == END
    }

    /// The command, or nothing when it was too long; the next one starts.
    pub(crate) fn finish(&mut self) -> Option<Words<'_>> {
        let len = core::mem::take(&mut self.len);
        self.bytes.get(..len).map(|rest| Words { rest })
    }
}

/// Words with spaces between.
#[derive(Clone)]
pub(crate) struct Words<'a> {
    rest: &'a [u8],
}

impl<'a> Words<'a> {
    /// The next word.
    pub(crate) fn word(&mut self) -> Option<&'a [u8]> {
        let start = self.rest.iter().position(|&byte| byte != b' ')?;
        let rest = self.rest.get(start..)?;
        let len = rest.iter().position(|&byte| byte == b' ').unwrap_or(rest.len());
        let (word, rest) = rest.split_at_checked(len)?;
        self.rest = rest;
        Some(word)
    }

    /// The next word as a number; `None` in it when it is none.
    pub(crate) fn number(&mut self) -> Option<Option<u32>> {
        let digits = self.word()?;
        let number = digits.iter().try_fold(0u32, |sum, byte| {
            let digit = char::from(*byte).to_digit(10)?;
            sum.checked_mul(10)?.checked_add(digit)
        });
        Some(number)
    }
}

/// The bytes that pairs of hexadecimal digits mean; `None` in place of a pair that means none.
pub(crate) fn hex(digits: &[u8]) -> impl Iterator<Item = Option<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    digits.chunks_exact(2).map(move |pair| Some((digit(pair[0])? << 4 | digit(pair[1])?) as u8))
}
