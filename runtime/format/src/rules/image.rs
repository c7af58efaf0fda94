//! Rules of the operators that change the size of an image.

use super::{Check, Operands, require};
use crate::error::Reason;
use crate::field::{Const, Rounding};
use crate::ops::Resize;

impl Resize {
    pub(crate) fn check(&self, io: &Operands<'_>) -> Check {
        let (x, y) = io.int8()?;
        require(x.shape.rank() == 4 && y.shape.rank() == 4, Reason::Shape)?;
        let x = x.shape.nhwc().ok_or(Reason::Shape)?;
        let y = y.shape.nhwc().ok_or(Reason::Shape)?;
        require(x[0] == y[0] && x[3] == y[3], Reason::Shape)?;
        self.table(io, self.rows, x[1], y[1])?;
        self.table(io, self.cols, x[2], y[2])
    }

    /// Every row or column that is named lies inside the image, and no share leaves 0..=1; the shares of the float
    /// profile also reach outside, where edges are extrapolated.
    fn table(&self, io: &Operands<'_>, table: Const, x: usize, y: usize) -> Check {
        io.constant(table, y, 8)?;
        let good = |entry: &[u8]| {
            let [near, far] = [0, 2].map(|at| usize::from(u16::from_le_bytes([entry[at], entry[at + 1]])));
            let share = [entry[4], entry[5], entry[6], entry[7]];
            let share = match self.round {
                Rounding::Float => f32::from_le_bytes(share).abs() <= 1.0,
                Rounding::Double | Rounding::Single => (0..=1024).contains(&i32::from_le_bytes(share)),
            };
            near < x && far < x && share
        };
        require(io.model.bytes_of(table).chunks_exact(8).all(good), Reason::Parameter)
    }
}
