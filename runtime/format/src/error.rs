//! Why a byte string is not a model: small `Copy` values with the offset of the offending bytes.

use core::fmt;

/// A refused model: where, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Error {
    /// Offset in bytes from the start of the file.
    pub at: u32,
    /// What is wrong there.
    pub reason: Reason,
}

/// What is wrong with a byte string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Reason {
    /// The bytes end early; this many are needed.
    Truncated(u32),
    /// The slice does not start at a multiple of this many bytes in memory.
    Misaligned(u32),
    /// The first four bytes are not `MOTE`.
    NotAModel,
    /// Written by a version of the format that this reader does not know.
    Version(u16),
    /// The checksum does not match: the file was damaged.
    Checksum,
    /// A header field has an impossible value.
    Header,
    /// A section does not lie inside the file or is not aligned.
    Section,
    /// A tensor record has an impossible value.
    Tensor,
    /// A tensor or scratch buffer lies outside the arena, or in two of its regions.
    OutsideArena,
    /// Constant bytes lie outside the constant section, are not aligned, or have the wrong length.
    Constant,
    /// A step has an operator code that this reader does not know.
    UnknownOperator(u8),
    /// A step needs an operator that this program was built without; its code.
    MissingOperator(u8),
    /// A step record is malformed.
    Step,
    /// A step has the wrong number of inputs or outputs.
    Arity,
    /// A step names a tensor that does not exist, is not yet written, or is dead.
    NotLive(u16),
    /// Two buffers that are needed at the same time share bytes; the tensor already there.
    Overlap(u16),
    /// An element type that the operator does not take.
    DType,
    /// Shapes that do not agree with the operator's rule.
    Shape,
    /// A parameter outside its range.
    Parameter,
    /// Steps that run in lockstep read rows that are not there, make more rows than there are, or leave some out.
    Schedule,
    /// A metadata record is malformed.
    Metadata,
    /// A state's value for the next inference does not lie on its bytes to the end, its initial value is no constant
    /// of its size, or a step changes a tensor in place that is no state.
    State,
    /// The scratch buffer is smaller than the kernel needs: this many bytes.
    Scratch(u32),
    /// A step is computed in a way that this program was built without; its number in [`WAYS`].
    MissingWay(u8),
}

/// The ways of computing that a program may be built without; `mote-kernels` says what each is. A way's number is its place.
pub const WAYS: [&str; 15] = [
    "LONG",
    "POINTWISE",
    "PATCHES",
    "GROUPS",
    "NARROW",
    "BLOCKS",
    "WHOLE",
    "PARTS",
    "SLIDE",
    "PIXELS",
    "TABLES",
    "ELEMENTS",
    "SHORT",
    "UNEVEN",
    "SMALL",
];

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at byte {}: {}", self.at, self.reason)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated(needed) => write!(f, "the file is truncated, {needed} bytes are needed"),
            Self::Misaligned(to) => write!(f, "the model must start at a multiple of {to} bytes in memory"),
            Self::NotAModel => f.write_str("not a mote model (the magic bytes `MOTE` are missing)"),
            Self::Version(v) => write!(f, "format version {v} is unknown to this reader"),
            Self::Checksum => f.write_str("the checksum does not match, the file is damaged"),
            Self::Header => f.write_str("a header field has an impossible value"),
            Self::Section => f.write_str("a section lies outside the file or is misaligned"),
            Self::Tensor => f.write_str("a tensor record has an impossible value"),
            Self::OutsideArena => f.write_str("a buffer lies outside the arena, or in two of its regions"),
            Self::Constant => f.write_str("a constant lies outside its section or has the wrong length"),
            Self::UnknownOperator(code) => write!(f, "operator code {code} is unknown to this reader"),
            Self::MissingOperator(code) => {
                let row = crate::OPERATOR_TABLE.iter().find(|row| row.code == *code);
                let name = row.map_or("?", |row| row.name);
                write!(f, "operator {name} is needed, and this program was built without it")
            }
            Self::Step => f.write_str("a step record is malformed"),
            Self::Arity => f.write_str("a step has the wrong number of inputs or outputs"),
            Self::NotLive(t) => write!(f, "a step uses tensor {t}, which is not live there"),
            Self::Overlap(t) => write!(f, "a buffer overlaps tensor {t}, which is still needed"),
            Self::DType => f.write_str("an element type that the operator does not take"),
            Self::Shape => f.write_str("shapes do not agree with the operator"),
            Self::Parameter => f.write_str("an operator parameter is out of range"),
            Self::Schedule => f.write_str("the schedule of steps in lockstep does not fit their rows"),
            Self::Metadata => f.write_str("a metadata record is malformed"),
            Self::State => f.write_str("a state does not keep its value on its bytes"),
            Self::Scratch(needed) => write!(f, "a scratch buffer is too small, {needed} bytes are needed"),
            Self::MissingWay(way) => {
                let name = WAYS.get(usize::from(*way)).unwrap_or(&"?");
                write!(
                    f,
                    "the way {name} is needed, and this program was built without it: operators![…; {name}]"
                )
            }
        }
    }
}

impl core::error::Error for Error {}
