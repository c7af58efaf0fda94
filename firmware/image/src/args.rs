//! The command line that the emulator hands over: `--name FILE` pairs in any order, after anything else.
//!
//! Semihosting gives one string, words joined by spaces, so a value goes on to the next ` --`: file names may
//! hold spaces.

use core::ffi::CStr;
use core::fmt;

/// The files to work on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Args<'a> {
    pub(crate) model: Option<&'a CStr>,
    pub(crate) input: Option<&'a CStr>,
    pub(crate) output: Option<&'a CStr>,
    pub(crate) report: Option<&'a CStr>,
    /// Without a model: a failure to provoke, which tests what is said of it.
    pub(crate) provoke: Option<&'a CStr>,
}

/// What is wrong with a command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ArgError {
    /// Something that starts with `--` and is no option.
    Unknown,
    /// An option without a value.
    NoValue,
    /// A model without an input or an output, or the reverse.
    Incomplete,
    /// Longer than the image's buffer.
    TooLong,
}

impl fmt::Display for ArgError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self {
            Self::Unknown => "unknown argument",
            Self::NoValue => "argument without a value",
            Self::Incomplete => "--model, --input and --output go together",
            Self::TooLong => "command line too long",
        };
        write!(f, "{what} (usage: --model FILE --input FILE --output FILE [--report FILE])")
    }
}

impl<'a> Args<'a> {
    /// Reads `line`, which must have room for one more byte at its end: values become C strings in place.
    pub(crate) fn parse(line: &'a mut [u8], len: usize) -> Result<Self, ArgError> {
        let line = line.get_mut(..=len).ok_or(ArgError::TooLong)?;
        line[len] = 0;
        for at in 0..len {
            if line[at..].starts_with(b" --") {
                line[at] = 0;
            }
        }
        let mut args = Self::default();
        for word in line.split_inclusive(|&byte| byte == 0).skip(1) {
            args.set(word)?;
        }
        let files = [args.model, args.input, args.output];
        let complete = files.iter().all(Option::is_some) || files.iter().all(Option::is_none);
        if complete { Ok(args) } else { Err(ArgError::Incomplete) }
    }

    /// Takes one `--name value`, with its closing zero.
    fn set(&mut self, word: &'a [u8]) -> Result<(), ArgError> {
        let space = word.iter().position(|&byte| byte == b' ').unwrap_or(word.len() - 1);
        let (name, value) = word.split_at(space);
        let place = match name {
            b"--model" => &mut self.model,
            b"--input" => &mut self.input,
            b"--output" => &mut self.output,
            b"--report" => &mut self.report,
            b"--provoke" => &mut self.provoke,
            _ => return Err(ArgError::Unknown),
        };
        let value = value.get(1..).and_then(|value| CStr::from_bytes_until_nul(value).ok());
        *place = Some(value.filter(|value| !value.is_empty()).ok_or(ArgError::NoValue)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse<T>(line: &str, check: impl FnOnce(Result<Args<'_>, ArgError>) -> T) -> T {
        let mut bytes = [line.as_bytes(), &[b'x'; 4]].concat();
        check(Args::parse(&mut bytes, line.len()))
    }

    #[test]
    fn options_come_in_any_order_and_values_keep_their_spaces() {
        parse("fw --output o --model /my files/a -- b.mote --input in.bin --report r", |args| {
            let args = args.expect_err("` --` ends a value");
            assert_eq!(args, ArgError::Unknown);
        });
        parse("fw --output o --model /my files/a-b.mote --input in.bin --report r", |args| {
            let args = args.unwrap();
            assert_eq!(args.model, Some(c"/my files/a-b.mote"));
            assert_eq!(args.input, Some(c"in.bin"));
            assert_eq!(args.output, Some(c"o"));
            assert_eq!(args.report, Some(c"r"));
        });
    }

    #[test]
    fn no_option_is_fine_and_half_a_set_is_not() {
        for line in ["", "fw", "target/qemu-m4"] {
            parse(line, |args| assert_eq!(args, Ok(Args::default())));
        }
        parse("fw --report r", |args| assert_eq!(args.unwrap().report, Some(c"r")));
        for line in ["fw --model m", "fw --model m --input i", "fw --output o --report r"] {
            parse(line, |args| assert_eq!(args, Err(ArgError::Incomplete)));
        }
    }

    #[test]
    fn strange_options_are_refused() {
        for (line, error) in [
            ("fw --modell m", ArgError::Unknown),
            ("fw --model", ArgError::NoValue),
            ("fw --model ", ArgError::NoValue),
            ("fw --model --input i", ArgError::NoValue),
        ] {
            parse(line, |args| assert_eq!(args, Err(error), "{line}"));
        }
    }

    #[test]
    fn a_line_that_fills_its_buffer_is_too_long() {
        assert_eq!(Args::parse(&mut [b'x'; 4], 4), Err(ArgError::TooLong));
        assert_eq!(Args::parse(&mut [b'x'; 4], 9), Err(ArgError::TooLong));
        assert_eq!(Args::parse(&mut [b'x'; 4], 3), Ok(Args::default()));
    }
}
