//! Operators × instruction sets: a row of entry points per operator, a column per set, each compiled for the set's
//! instructions. A column in hand is the proof that the machine has them. No globals, no test per call.
//!
//! A program that names its rows ([`kernels!`](crate::kernels)) links those only.

#![allow(unsafe_code)]

use crate::format::*;
use crate::isa;
use crate::ops;
use crate::view::Io;
use crate::ways;

/// Runs an operator; does nothing when it is another one.
type Entry = unsafe fn(&Op, Io<'_>);

/// How one operator is computed, on every instruction set of this build.
#[derive(Clone, Copy)]
pub struct Row {
    code: u8,
    entries: [Entry; SETS],
}

/// What one operator needs: bytes of scratch, and ways of computing.
#[derive(Clone, Copy)]
pub struct Needs {
    code: u8,
    scratch: fn(&Op, &Shape, &Shape) -> usize,
    ways: fn(&Op, &[Shape], &Shape, usize, &[u8]) -> u32,
}

/// The parameters of an operator that can be computed, in some of its ways; see [`ways`].
pub trait Computed<const WAYS: u32 = { ways::ALL }> {
    /// Its entry points.
    const ROW: Row;
    /// What it needs.
    const NEEDS: Needs;
}

/// One instruction set: its name, and whether this machine has it.
#[derive(Clone, Copy)]
struct Set {
    name: &'static str,
    present: fn() -> bool,
}

/// A module of entry points, and what they need of a machine.
macro_rules! set {
    ({ $module:ident $name:literal $attr:tt $token:expr, $present:expr } $($op:ident $op_module:ident;)*) => {
        mod $module {
            use super::*;
            pub(super) const SET: Set = Set { name: $name, present: $present };
            $(
                # $attr
                pub(super) unsafe fn $op_module<const WAYS: u32>(op: &Op, io: Io<'_>) {
                    if let Op::$op(p) = op {
                        ops::$op_module::run($token, p, io);
                    }
                }
            )*
        }
    };
}

#[cfg(not(mote_arm_dsp))]
for_each_op!(set { scalar "scalar" [inline] isa::scalar::Scalar::<WAYS>, || true });

#[cfg(target_arch = "x86_64")]
for_each_op!(set {
    // SAFETY: the column is only given out when `present` says so.
    avx2 "avx2" [target_feature(enable = "avx2")] unsafe { isa::avx2::Avx2::assume() },
    has_avx2
});

/// Sets that run what they have no faster way for on AVX2's kernels; they differ in their packed layers.
#[cfg(all(feature = "std", target_arch = "x86_64"))]
macro_rules! beyond_avx2 {
    ($($module:ident $family:path;)*) => {$(
        mod $module {
            pub(super) use super::avx2::*;
            pub(super) const SET: super::Set =
                super::Set { name: <$family>::NAME, present: || <$family>::detect().is_some() };
        }
    )*};
}
#[cfg(all(feature = "std", target_arch = "x86_64"))]
beyond_avx2! {
    avx_vnni crate::isa::x86::avx_vnni::Family;
    avx512_vnni_256 crate::isa::x86::avx512_vnni_256::Family;
    avx512_vnni crate::isa::x86::avx512_vnni::Family;
}

/// Families of AArch64: they differ in their packed layers, and have the plain loops besides, which the compiler makes
/// NEON of.
#[cfg(all(feature = "std", target_arch = "aarch64", target_endian = "little"))]
macro_rules! aarch64 {
    ($($module:ident $name:literal;)*) => {$(
        mod $module {
            pub(super) use super::scalar::*;
            pub(super) const SET: super::Set =
                super::Set { name: $name, present: || crate::isa::aarch64::present().any(|f| f.name() == $name) };
        }
    )*};
}
#[cfg(all(feature = "std", target_arch = "aarch64", target_endian = "little"))]
aarch64! {
    neon "neon";
    dotprod "dotprod";
}

#[cfg(mote_arm_dsp)]
for_each_op!(set {
    // SAFETY: the build script has seen that the target has the extension.
    arm_dsp "arm-dsp" [inline] unsafe { isa::arm_dsp::ArmDsp::<WAYS>::assume() },
    || true
});

/// The naive loops: what every set must equal. Not a set to run models on.
macro_rules! naive {
    ($($op:ident $op_module:ident;)*) => {
        static NAIVE: Kernels = Kernels {
            set: Set { name: "naive", present: || true },
            column: 0,
            rows: &[ $( Row {
                code: $op::CODE,
                entries: [|op, io| if let Op::$op(p) = op { ops::$op_module::naive(p, io) }; SETS],
            } ),* ],
        };
    };
}
for_each_op!(naive);

/// `item` of every set of this build, slowest first. A microcontroller has just one.
macro_rules! columns {
    ($($item:tt)*) => {
        [
            #[cfg(not(mote_arm_dsp))]
            scalar::$($item)*,
            #[cfg(mote_arm_dsp)]
            arm_dsp::$($item)*,
            #[cfg(target_arch = "x86_64")]
            avx2::$($item)*,
            #[cfg(all(feature = "std", target_arch = "x86_64"))]
            avx_vnni::$($item)*,
            #[cfg(all(feature = "std", target_arch = "x86_64"))]
            avx512_vnni_256::$($item)*,
            #[cfg(all(feature = "std", target_arch = "x86_64"))]
            avx512_vnni::$($item)*,
            #[cfg(all(feature = "std", target_arch = "aarch64", target_endian = "little"))]
            neon::$($item)*,
            #[cfg(all(feature = "std", target_arch = "aarch64", target_endian = "little"))]
            dotprod::$($item)*,
        ]
    };
}

const SETS: usize = columns!(SET).len();

macro_rules! rows {
    ($($op:ident $op_module:ident;)*) => {
        $(
            impl<const WAYS: u32> Computed<WAYS> for $op {
                const ROW: Row = Row { code: $op::CODE, entries: columns!($op_module::<WAYS>) };
                const NEEDS: Needs = Needs {
                    code: $op::CODE,
                    scratch: |op, x, y| match op {
                        Op::$op(p) => ops::$op_module::scratch(p, x, y),
                        _ => 0,
                    },
                    ways: |op, x, y, scratch, constants| match op {
                        Op::$op(_) => ways::of(op, x, y, scratch, constants),
                        _ => 0,
                    },
                };
            }
        )*

        /// What all operators need.
        pub static NEEDS: &[Needs] = &[ $( <$op as Computed>::NEEDS ),* ];

        static ALL: Columns = Columns::new(&[ $( <$op as Computed>::ROW ),* ]);
    };
}
for_each_op!(rows);

/// Bytes of scratch that an operator needs, on any instruction set.
pub fn scratch(op: &Op, x: &Shape, y: &Shape) -> usize {
    Needs::among(NEEDS, op).map_or(0, |needs| needs.scratch(op, x, y))
}

impl Needs {
    /// Those of an operator.
    pub fn among<'a>(all: &'a [Self], op: &Op) -> Option<&'a Self> {
        all.iter().find(|needs| needs.code == op.code())
    }

    /// Bytes of scratch for the shapes of the first input and the output, on any instruction set.
    pub fn scratch(&self, op: &Op, x: &Shape, y: &Shape) -> usize {
        (self.scratch)(op, x, y)
    }

    /// Ways of computing; see [`ways::of`].
    pub fn ways(&self, op: &Op, x: &[Shape], y: &Shape, scratch: usize, constants: &[u8]) -> u32 {
        (self.ways)(op, x, y, scratch, constants)
    }
}

/// Some operators on one instruction set.
#[derive(Clone, Copy)]
pub struct Kernels {
    set: Set,
    column: usize,
    rows: &'static [Row],
}

impl Kernels {
    /// Runs an operator. The operands must be those that the format's check has accepted for it.
    pub fn run(&self, op: &Op, io: Io<'_>) {
        if let Some(row) = self.rows.iter().find(|row| row.code == op.code()) {
            // SAFETY: a column is only given out when the machine has its instructions.
            unsafe { (row.entries[self.column])(op, io) }
        }
    }

    /// Whether it computes this operator.
    pub fn has(&self, op: &Op) -> bool {
        self.rows.iter().any(|row| row.code == op.code())
    }

    /// Name of the instruction set.
    pub fn name(&self) -> &'static str {
        self.set.name
    }

    /// The sets that this machine has, slowest first.
    pub fn available() -> impl DoubleEndedIterator<Item = &'static Self> {
        ALL.available()
    }

    /// The fastest set that this machine has and that `mask`, asked by name, lets through.
    pub fn detect(mask: impl Fn(&str) -> bool) -> Option<&'static Self> {
        Self::available().rfind(|k| mask(k.name()))
    }

    /// The fastest set that this machine has.
    pub fn best() -> &'static Self {
        ALL.best()
    }

    /// The set of this name, when this machine has it.
    pub fn named(name: &str) -> Option<&'static Self> {
        Self::detect(|n| n == name)
    }

    /// The naive loops, the oracle of the test suites.
    pub fn naive() -> &'static Self {
        &NAIVE
    }
}

impl core::fmt::Debug for Kernels {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Kernels {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "{=str}", self.name());
    }
}

/// Some operators on every instruction set of this build.
pub struct Columns([Kernels; SETS]);

impl Columns {
    /// Of these operators; see [`kernels!`](crate::kernels).
    pub const fn new(rows: &'static [Row]) -> Self {
        let sets = columns!(SET);
        let mut all = [Kernels { set: sets[0], column: 0, rows }; SETS];
        let mut column = 1;
        while column < SETS {
            all[column] = Kernels { set: sets[column], column, rows };
            column += 1;
        }
        Self(all)
    }

    /// All operators.
    pub fn all() -> &'static Self {
        &ALL
    }

    /// On the sets that this machine has, slowest first.
    pub fn available(&self) -> impl DoubleEndedIterator<Item = &Kernels> {
        self.0.iter().filter(|k| (k.set.present)())
    }

    /// On the fastest set that this machine has.
    pub fn best(&self) -> &Kernels {
        self.available().next_back().unwrap_or(&self.0[0])
    }
}

#[cfg(target_arch = "x86_64")]
fn has_avx2() -> bool {
    #[cfg(feature = "std")]
    return std::is_x86_feature_detected!("avx2");
    #[cfg(not(feature = "std"))]
    cfg!(target_feature = "avx2")
}

/// The named operators and no other, as [`Columns`]: a program that uses these links no other kernel.
///
/// ```
/// use mote_kernels::{kernels, table::Columns};
/// static DENSE: Columns = kernels![FullyConnected, Softmax];
/// println!("{:?}", DENSE.best());
/// ```
#[macro_export]
macro_rules! kernels {
    ($($op:ident),* $(,)?) => {
        $crate::table::Columns::new(&[ $( <$crate::format::$op as $crate::table::Computed>::ROW ),* ])
    };
}
