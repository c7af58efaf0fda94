//! The one error type of the converter: what failed, where, why, and what to do about it.
//!
//! Every refusal a user can provoke ends here as a value. Nothing in this file decides what is
//! refused; that belongs to the code that found out.

use std::fmt;

/// The result of everything in this crate that user input can make fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure, told so that the reader can act on it.
///
/// ```
/// use mote_converter::error::Error;
/// let e = Error::new("cannot import the model")
///     .at_node("conv1", "Conv")
///     .cause("the weights are not constant")
///     .remedy("export the model with its weights as initializers");
/// assert!(e.to_string().contains("node \"conv1\" (Conv)"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// What could not be done, in one sentence.
    pub what: String,
    /// The place: a node, a tensor, a file, a sample.
    pub at: Option<String>,
    /// Why. May be several lines.
    pub cause: String,
    /// What the user can do about it. May be several lines.
    pub remedy: String,
}

impl Error {
    /// Starts an error with what could not be done.
    pub fn new(what: impl Into<String>) -> Self {
        Error { what: what.into(), at: None, cause: String::new(), remedy: String::new() }
    }

    /// Names the place.
    pub fn at(mut self, at: impl Into<String>) -> Self {
        self.at = Some(at.into());
        self
    }

    /// Names a node of the graph as the place.
    pub fn at_node(self, name: &str, op: &str) -> Self {
        self.at(format!("node \"{name}\" ({op})"))
    }

    /// Says why.
    pub fn cause(mut self, cause: impl Into<String>) -> Self {
        self.cause = cause.into();
        self
    }

    /// Says what the user can do.
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = remedy.into();
        self
    }

    /// A contradiction inside the converter itself; not the user's fault, yet no reason to panic.
    pub fn internal(cause: impl Into<String>) -> Self {
        Error::new("the converter contradicts itself")
            .cause(cause)
            .remedy("this is a defect of mote: please report it together with the model")
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = [
            (" error", Some(&self.what)),
            ("    at", self.at.as_ref()),
            (" cause", Some(&self.cause)),
            ("remedy", Some(&self.remedy)),
        ];
        let mut first = true;
        for (label, text) in lines {
            let Some(text) = text.filter(|t| !t.is_empty()) else { continue };
            if !first {
                writeln!(f)?;
            }
            first = false;
            write!(f, "{label}: {}", text.replace('\n', "\n        "))?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_line_up_and_empty_parts_are_left_out() {
        let e = Error::new("no").cause("one\ntwo").remedy("do");
        assert_eq!(e.to_string(), " error: no\n cause: one\n        two\nremedy: do");
    }
}
