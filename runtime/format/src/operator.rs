//! What a row of the operator table becomes: the macro that expands it, and the types of what it makes for all operators
//! alike. The rows themselves are in `ops.rs`.

use crate::ops::Op;
use crate::rules::{Check, Operands};

/// One row of [`OPERATOR_TABLE`](crate::OPERATOR_TABLE).
#[derive(Debug, Clone, Copy)]
pub struct OperatorRow {
    /// The byte that names it in a file.
    pub code: u8,
    /// Its name.
    pub name: &'static str,
    /// The module of `mote-kernels` that computes it.
    pub module: &'static str,
    /// The fewest and the most tensors that it reads.
    pub arity: (usize, usize),
    /// Name and type of each parameter, in the order in which they are stored.
    pub parameters: &'static [(&'static str, &'static str)],
    /// What it computes.
    pub doc: &'static str,
}

/// How one operator is read from a file and checked. A reader of models takes a list of these; the linker drops the
/// code of operators that are not on it.
#[derive(Clone, Copy)]
pub struct Reader {
    pub(crate) code: u8,
    /// The fewest and the most tensors that it reads.
    pub(crate) arity: (u8, u8),
    /// Bytes of its parameters.
    pub(crate) size: u16,
    /// Reads the parameters from just these bytes.
    pub(crate) get: fn(&[u8]) -> Option<Op>,
    /// Proves that the operands fit.
    pub(crate) check: fn(&Op, &Operands<'_>) -> Check,
}

/// The parameters of an operator.
pub trait Operator {
    /// How it is read.
    const READER: Reader;
}

macro_rules! operators {
    ($d:tt $( $(#[doc = $doc:literal])* $code:literal $name:ident $module:ident [$few:literal, $most:literal]
        { $( $(#[$fdoc:meta])* $field:ident: $ty:ty ),* $(,)? } )*) => {
        $(record! { $(#[doc = $doc])* $name { $( $(#[$fdoc])* $field: $ty ),* } })*

        /// An operator with its parameters.
        #[derive(Debug, Clone, Copy, PartialEq)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        #[non_exhaustive]
        pub enum Op { $( $(#[doc = $doc])* $name($name) ),* }

        impl Op {
            /// The byte that names it in a file.
            pub const fn code(&self) -> u8 {
                match self { $( Self::$name(_) => $code ),* }
            }

            /// Its name, as in this table.
            pub const fn name(&self) -> &'static str {
                match self { $( Self::$name(_) => stringify!($name) ),* }
            }

            /// Its name in kernel names: lower case with underscores.
            pub const fn module(&self) -> &'static str {
                match self { $( Self::$name(_) => stringify!($module) ),* }
            }

            /// The fewest and the most tensors that it reads.
            pub const fn arity(&self) -> (usize, usize) {
                match self { $( Self::$name(_) => ($few, $most) ),* }
            }

            /// Appends the parameters.
            #[cfg(feature = "alloc")]
            pub(crate) fn put(&self, out: &mut alloc::vec::Vec<u8>) {
                match self { $( Self::$name(p) => p.put(out) ),* }
            }

            /// Shows every run of constants among the parameters to `f`, which may replace it.
            #[cfg(feature = "alloc")]
            pub fn each_const(&mut self, f: &mut dyn FnMut(&mut Const)) {
                match self { $( Self::$name(p) => p.each_const(f) ),* }
            }
        }

        $( impl $name {
            /// The byte that names it in a file.
            pub const CODE: u8 = $code;
        } )*

        $( impl Operator for $name {
            const READER: Reader = Reader {
                code: $code,
                arity: ($few, $most),
                size: $name::SIZE as u16,
                get: |bytes| {
                    // The length is looked at once: all reads lie at known places in an array.
                    let bytes: &[u8; $name::SIZE] = bytes.try_into().ok()?;
                    Some(Op::$name($name::get(bytes, 0)?))
                },
                check: |op, io| match op {
                    Op::$name(p) => p.check(io),
                    _ => Err(Reason::Step),
                },
            };
        } )*

        /// The readers of all operators.
        pub static READERS: &[Reader] = &[ $( $name::READER ),* ];

        /// The names of all operators, in the order of their codes.
        pub const OPERATORS: &[&str] = &[ $( stringify!($name) ),* ];

        /// This table as data, for tools and documentation.
        pub const OPERATOR_TABLE: &[OperatorRow] = &[ $( OperatorRow {
            code: $code,
            name: stringify!($name),
            module: stringify!($module),
            arity: ($few, $most),
            parameters: &[ $( (stringify!($field), stringify!($ty)) ),* ],
            doc: concat!($($doc),*),
        } ),* ];

        /// Whether some operator has this code.
        pub(crate) fn known(code: u8) -> bool {
            matches!(code, $( $code )|*)
        }

        /// Calls `callback!` with `Name module;` for every operator, behind the tokens that follow the callback's
        /// name, if any.
        #[macro_export]
        macro_rules! for_each_op {
            ($d callback:ident $d($d first:tt)*) => { $d callback! { $d($d first)* $( $name $module; )* } };
        }
    };
}

pub(crate) use operators;
