//! Steps that run in lockstep, a few rows of each in turn, so that the images between them need only be kept as long as
//! someone reads their rows. Which rows an operator reads is `rows`'; that nothing is missing or overwritten, `check`'s.
//!
//! The schedule lies behind the outputs and states and lists the groups in the order of their steps:
//!
//! ```text
//!   0 first u16  the first step of the group
//!   2 calls u16  how many calls of kernels it takes
//!   4 steps u8   how many steps it has, at most 32
//!   5 zero  u8
//!   6 a byte per call: the step, counted from the first, in the low 5 bits, its rows less 1 in the high 3;
//!     then a zero where that makes an even number
//! ```
//!
//! A tensor that keeps `k` rows holds the newest `k` of those that were made, in order from its offset on:
//!
//! ```text
//!   made 2       rows 0 1 .
//!   made 3       rows 0 1 2
//!   made 4       rows 1 2 3      the rows were moved up by one before row 3 was written
//! ```

use core::ops::Range;

use crate::bytes::{slice, u8_at, u16_at};
use crate::rows::RowWindow;
use crate::tensor::TensorInfo;

/// A group has at most this many steps.
pub const MAX_GROUP: usize = 32;
/// A call makes at most this many rows.
pub const MAX_CALL_ROWS: usize = 8;

/// The groups of a schedule.
#[derive(Debug, Clone, Default)]
pub struct Groups<'a>(&'a [u8]);

impl<'a> Groups<'a> {
    /// The groups in these bytes.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next one, which stays.
    pub fn peek(&self) -> Option<Group<'a>> {
        self.clone().next()
    }

    /// The bytes.
    pub fn bytes(&self) -> &'a [u8] {
        self.0
    }
}

impl<'a> Iterator for Groups<'a> {
    type Item = Group<'a>;

    fn next(&mut self) -> Option<Group<'a>> {
        let calls = usize::from(u16_at(self.0, 2)?);
        let group = Group {
            first: u16_at(self.0, 0)?,
            steps: u8_at(self.0, 4)?,
            calls: Calls(slice(self.0, 6, calls)?),
        };
        self.0 = self.0.get((6 + calls).next_multiple_of(2)..)?;
        Some(group)
    }
}

/// Steps that run in lockstep.
#[derive(Debug, Clone)]
pub struct Group<'a> {
    /// The first of them.
    pub first: u16,
    /// How many they are.
    pub steps: u8,
    /// What is called.
    pub calls: Calls<'a>,
}

/// Calls in the order in which they are made.
#[derive(Debug, Clone, Default)]
pub struct Calls<'a>(&'a [u8]);

/// Some more rows of one step's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// The step, counted from the group's first.
    pub step: usize,
    /// How many rows.
    pub rows: usize,
}

impl Call {
    /// As it is stored.
    pub fn byte(self) -> u8 {
        (self.step % MAX_GROUP) as u8 | ((self.rows.clamp(1, MAX_CALL_ROWS) - 1) as u8) << 5
    }
}

impl Calls<'_> {
    /// How many are left.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next one, which stays.
    pub fn peek(&self) -> Option<Call> {
        let &byte = self.0.first()?;
        Some(Call { step: usize::from(byte & 31), rows: usize::from(byte >> 5) + 1 })
    }
}

impl Iterator for Calls<'_> {
    type Item = Call;

    fn next(&mut self) -> Option<Call> {
        let call = self.peek()?;
        self.0 = &self.0[1..];
        Some(call)
    }
}

/// Where the next rows of a tensor go.
#[derive(Debug, Clone, PartialEq)]
pub struct Growth {
    /// The new rows as a tensor of their own.
    pub part: TensorInfo,
    /// Bytes of the arena that move first, those of the rows that are kept; may be empty.
    pub moved: Range<usize>,
    /// Where they move to.
    pub to: usize,
}

impl TensorInfo {
    /// Makes room for `rows` rows behind the first `made`; `None` when the image has no more, or does not hold as many.
    pub fn grow(&self, made: usize, rows: usize) -> Option<Growth> {
        let image = self.image()?;
        let kept = self.kept_rows(&image);
        if rows > kept || made + rows > image.height {
            return None;
        }
        let (old, new) = (made.saturating_sub(kept), (made + rows).saturating_sub(kept));
        let at = |row: usize| self.offset as usize + row * image.row;
        let part = TensorInfo { kept: 0, ..*self }.rows(&(made - new..made - new + rows));
        let kept = if new > old { (made - old).max(new - old) } else { 0 };
        Some(Growth { part, moved: at(new - old)..at(kept), to: at(0) })
    }

    /// Some rows as a tensor of their own, when the first `made` have been made; `None` unless they are all there.
    pub fn part(&self, rows: &Range<usize>, made: usize) -> Option<TensorInfo> {
        let oldest = made.saturating_sub(self.kept_rows(&self.image()?));
        let there = oldest <= rows.start && rows.end <= made;
        there.then(|| TensorInfo { kept: 0, ..*self }.rows(&(rows.start - oldest..rows.end - oldest)))
    }
}

/// How far each tensor of a running group is.
#[derive(Debug, Clone)]
pub struct Progress {
    /// The tensor that the group's first step writes.
    output: u16,
    /// Rows of the tensor that each step writes.
    made: [u16; MAX_GROUP],
    /// Rows of the model's input, where that is fed by rows.
    pub fed: u16,
}

impl Progress {
    /// At the start of a group whose first step writes tensor `output`, `fed` rows of the model's input being there.
    pub fn new(output: u16, fed: u16) -> Self {
        Self { output, made: [0; MAX_GROUP], fed }
    }

    /// Rows that there are of the tensor which a step of the group writes.
    pub fn made(&self, step: usize) -> usize {
        self.made[step % MAX_GROUP].into()
    }

    /// Notes that a step made some more rows.
    pub fn advance(&mut self, call: Call) {
        self.made[call.step % MAX_GROUP] += call.rows as u16;
    }

    /// Rows of an input fed by rows that must have come before output rows `rows` can be made; `None` for other inputs.
    pub fn wants(&self, id: u16, x: &TensorInfo, window: &RowWindow, rows: &Range<usize>) -> Option<u16> {
        let fed = x.kept > 0 && id < self.output;
        fed.then_some(window.reads(rows, x.image()?.height).end as u16)
    }

    /// The part of input `id` that output rows `rows` read; `None` unless it is there.
    pub fn input(
        &self,
        id: u16,
        x: &TensorInfo,
        window: &RowWindow,
        rows: &Range<usize>,
    ) -> Option<TensorInfo> {
        let height = x.image()?.height;
        let made = match id.checked_sub(self.output) {
            Some(step) if usize::from(step) < MAX_GROUP && !x.constant => self.made(step.into()),
            _ if x.kept > 0 => self.fed.into(),
            _ => height,
        };
        x.part(&window.reads(rows, height), made)
    }
}
