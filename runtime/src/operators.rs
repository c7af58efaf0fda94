//! The operators that a program can load and run. A program that names them links no others.

use mote_format::{READERS, Reader};
use mote_kernels::table::{Columns, SCRATCHES, Scratch};

/// Operators, made by [`operators!`](crate::operators).
pub struct Operators {
    pub(crate) readers: &'static [Reader],
    pub(crate) scratches: &'static [Scratch],
    pub(crate) columns: &'static Columns,
}

impl Operators {
    /// All that this version knows.
    pub fn all() -> Self {
        Self { readers: READERS, scratches: SCRATCHES, columns: Columns::all() }
    }

    /// Of the same operators each; see [`operators!`](crate::operators).
    pub const fn new(
        readers: &'static [Reader],
        scratches: &'static [Scratch],
        columns: &'static Columns,
    ) -> Self {
        Self { readers, scratches, columns }
    }
}

/// The named operators and no other, as [`Operators`]: a program that loads its models with these links neither
/// their kernels nor their checks. `mote inspect` says which operators a model needs.
///
/// ```
/// use mote_runtime::{Model, Operators, operators};
/// static OPERATORS: Operators = operators![Conv2d, FullyConnected, Softmax];
/// # let bytes: &[u8] = &[];
/// let model = Model::with_operators(bytes, &OPERATORS);
/// ```
#[macro_export]
macro_rules! operators {
    ($($op:ident),* $(,)?) => {{
        use $crate::linked::{Columns, Computed, Operator, format};
        static COLUMNS: Columns = Columns::new(&[ $( <format::$op as Computed>::ROW ),* ]);
        $crate::Operators::new(
            &[ $( <format::$op as Operator>::READER ),* ],
            &[ $( <format::$op as Computed>::SCRATCH ),* ],
            &COLUMNS,
        )
    }};
}
