//! Operators × instruction sets. One row per set below makes a column of entry points, each compiled for its
//! instructions; a column in hand is the proof that the machine has them. No globals, no test per call.

#![allow(unsafe_code)]

use crate::format::*;
use crate::isa;
use crate::ops;
use crate::view::Io;

macro_rules! kernels {
    ($($name:ident $module:ident;)*) => {
        /// The entry points of one instruction set.
        pub struct Kernels {
            name: &'static str,
            present: fn() -> bool,
            $( $module: unsafe fn(&$name, Io<'_>), )*
        }

        impl Kernels {
            /// Runs an operator. The operands must be those that the format's check has accepted for it.
            pub fn run(&self, op: &Op, io: Io<'_>) {
                match op {
                    // SAFETY: a reference to a column is only given out when its instructions are present.
                    $( Op::$name(p) => unsafe { (self.$module)(p, io) }, )*
                    _ => {}
                }
            }
        }

        /// Bytes of scratch that an operator needs, on any instruction set.
        pub fn scratch(op: &Op, x: &Shape, y: &Shape) -> usize {
            match op {
                $( Op::$name(p) => ops::$module::scratch(p, x, y), )*
                _ => 0,
            }
        }
    };
}
for_each_op!(kernels);

/// One column: a module of entry points and the table that points at them.
macro_rules! column {
    ({ $static:ident $module:ident $name:literal $attr:tt $token:expr, $present:expr } $($op:ident $op_module:ident;)*) => {
        mod $module {
            use super::*;
            $(
                # $attr
                pub(super) unsafe fn $op_module(p: &$op, io: Io<'_>) {
                    ops::$op_module::run($token, p, io);
                }
            )*
        }

        static $static: Kernels = Kernels {
            name: $name,
            present: $present,
            $( $op_module: $module::$op_module, )*
        };
    };
}

#[cfg(not(mote_arm_dsp))]
for_each_op!(column { SCALAR scalar "scalar" [inline] isa::scalar::Scalar, || true });

#[cfg(target_arch = "x86_64")]
for_each_op!(column {
    // SAFETY: the column is only given out when `present` says so.
    AVX2 avx2 "avx2" [target_feature(enable = "avx2")] unsafe { isa::avx2::Avx2::assume() },
    has_avx2
});

#[cfg(mote_arm_dsp)]
for_each_op!(column {
    // SAFETY: the build script has seen that the target has the extension.
    ARM_DSP arm_dsp "arm-dsp" [inline] unsafe { isa::arm_dsp::ArmDsp::assume() },
    || true
});

/// The naive loops: what every other column must equal. Not a set to run models on.
macro_rules! naive_column {
    ($($name:ident $module:ident;)*) => {
        static NAIVE: Kernels = Kernels {
            name: "naive",
            present: || true,
            $( $module: ops::$module::naive, )*
        };
    };
}
for_each_op!(naive_column);

#[cfg(target_arch = "x86_64")]
fn has_avx2() -> bool {
    #[cfg(feature = "std")]
    return std::is_x86_feature_detected!("avx2");
    #[cfg(not(feature = "std"))]
    cfg!(target_feature = "avx2")
}

/// The columns of this build, slowest first. A microcontroller's build has just one.
static COLUMNS: &[&Kernels] = &[
    #[cfg(not(mote_arm_dsp))]
    &SCALAR,
    #[cfg(mote_arm_dsp)]
    &ARM_DSP,
    #[cfg(target_arch = "x86_64")]
    &AVX2,
];

impl Kernels {
    /// Name of the instruction set.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The sets that this machine has, slowest first.
    pub fn available() -> impl DoubleEndedIterator<Item = &'static Self> {
        COLUMNS.iter().copied().filter(|k| (k.present)())
    }

    /// The fastest set that this machine has and that `mask`, asked by name, lets through.
    pub fn detect(mask: impl Fn(&str) -> bool) -> Option<&'static Self> {
        Self::available().rfind(|k| mask(k.name))
    }

    /// The fastest set that this machine has.
    pub fn best() -> &'static Self {
        Self::detect(|_| true).unwrap_or(COLUMNS[0])
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
        f.write_str(self.name)
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Kernels {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "{=str}", self.name);
    }
}
