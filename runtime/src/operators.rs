//! The operators that a program can load and run. A program that names them links no others.

use mote_format::{READERS, Reader};
use mote_kernels::table::{Columns, NEEDS, Needs};
use mote_kernels::ways;

/// Operators, made by [`operators!`](crate::operators).
pub struct Operators {
    pub(crate) readers: &'static [Reader],
    pub(crate) needs: &'static [Needs],
    pub(crate) columns: &'static Columns,
    /// The ways of computing that the kernels have code for.
    pub(crate) ways: u32,
}

impl Operators {
    /// All that this version knows.
    pub fn all() -> Self {
        Self { readers: READERS, needs: NEEDS, columns: Columns::all(), ways: ways::ALL }
    }

    /// Of the same operators each; see [`operators!`](crate::operators).
    pub const fn new(
        readers: &'static [Reader],
        needs: &'static [Needs],
        columns: &'static Columns,
        ways: u32,
    ) -> Self {
        Self { readers, needs, columns, ways }
    }
}

/// The named operators and no other, as [`Operators`]: a program that loads its models with these links neither
/// their kernels nor their checks. `mote inspect` prints the line that a model needs.
///
/// Convolutions, dense layers and sums have several ways of computing. The code of the usual ones
/// ([`ways::USUAL`](mote_kernels::ways::USUAL)) is there; others are named behind a semicolon, all of them as `ALL`. A model
/// that needs another one is refused with [`Reason::MissingWay`](crate::Reason::MissingWay).
///
/// ```
/// use mote_runtime::{Model, Operators, operators};
/// static OPERATORS: Operators = operators![Conv2d, FullyConnected, Softmax];
/// static MORE: Operators = operators![Conv2d, FullyConnected, Softmax; LONG, GROUPS];
/// # let bytes: &[u8] = &[];
/// let model = Model::with_operators(bytes, &OPERATORS);
/// ```
#[macro_export]
macro_rules! operators {
    ($($op:ident),* $(,)? $(; $($way:ident),*)?) => {{
        use $crate::linked::{Columns, Computed, Operator, format, ways};
        const WAYS: u32 = ways::USUAL $($( | ways::$way )*)?;
        static COLUMNS: Columns = Columns::new(&[
            $( <format::$op as Computed<{ ways::linked(format::$op::CODE, WAYS) }>>::ROW ),*
        ]);
        $crate::Operators::new(
            &[ $( <format::$op as Operator>::READER ),* ],
            &[ $( <format::$op as Computed>::NEEDS ),* ],
            &COLUMNS,
            WAYS,
        )
    }};
}
