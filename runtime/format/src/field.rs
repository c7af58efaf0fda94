//! The kinds of value that an operator's parameters are made of, and how each is stored. Not the operators.

use crate::bytes::{f32_at, i32_at, u8_at, u16_at, u32_at};
use crate::tensor::DType;

/// A parameter that has a fixed number of bytes in a step record.
pub(crate) trait Field: Sized {
    /// Bytes it takes.
    const SIZE: usize;
    /// Reads it; `None` when the bytes end early or mean nothing.
    fn get(bytes: &[u8], at: usize) -> Option<Self>;
    /// Appends it.
    #[cfg(feature = "alloc")]
    fn put(&self, out: &mut alloc::vec::Vec<u8>);
    /// Shows every run of constants in it to `f`, which may replace it.
    #[cfg(feature = "alloc")]
    fn each_const(&mut self, f: &mut dyn FnMut(&mut Const)) {
        let _ = f;
    }
}

macro_rules! scalar_field {
    ($($ty:ty, $size:literal, $read:expr;)*) => {$(
        impl Field for $ty {
            const SIZE: usize = $size;
            #[inline(always)]
            fn get(bytes: &[u8], at: usize) -> Option<Self> {
                $read(bytes, at)
            }
            #[cfg(feature = "alloc")]
            fn put(&self, out: &mut alloc::vec::Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
        }
    )*};
}

scalar_field! {
    u8, 1, u8_at;
    i8, 1, |b, at| u8_at(b, at).map(|v| v as i8);
    i16, 2, |b, at| u16_at(b, at).map(|v| v as i16);
    u16, 2, u16_at;
    u32, 4, u32_at;
    u64, 8, |b, at| Some(u64::from(u32_at(b, at)?) | u64::from(u32_at(b, at + 4)?) << 32);
    i32, 4, i32_at;
    f32, 4, f32_at;
}

impl<T: Field + Copy + Default, const N: usize> Field for [T; N] {
    const SIZE: usize = N * T::SIZE;
    #[inline(always)]
    fn get(bytes: &[u8], at: usize) -> Option<Self> {
        let mut all = [T::default(); N];
        for (i, v) in all.iter_mut().enumerate() {
            *v = T::get(bytes, at + i * T::SIZE)?;
        }
        Some(all)
    }
    #[cfg(feature = "alloc")]
    fn put(&self, out: &mut alloc::vec::Vec<u8>) {
        self.iter().for_each(|v| v.put(out));
    }
}

/// A struct whose fields are stored one after the other.
macro_rules! record {
    ($(#[$doc:meta])* $name:ident { $($(#[$fdoc:meta])* $field:ident: $ty:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        pub struct $name { $($(#[$fdoc])* pub $field: $ty),* }

        impl $crate::field::Field for $name {
            const SIZE: usize = 0 $(+ <$ty as $crate::field::Field>::SIZE)*;
            #[allow(unused_assignments, unused_mut, unused_variables)]
            #[inline(always)]
            fn get(bytes: &[u8], at: usize) -> Option<Self> {
                let mut at = at;
                $(
                    let $field = <$ty as $crate::field::Field>::get(bytes, at)?;
                    at += <$ty as $crate::field::Field>::SIZE;
                )*
                Some(Self { $($field),* })
            }
            #[cfg(feature = "alloc")]
            #[allow(unused_variables)]
            fn put(&self, out: &mut alloc::vec::Vec<u8>) {
                $($crate::field::Field::put(&self.$field, out);)*
            }
            #[cfg(feature = "alloc")]
            #[allow(unused_variables)]
            fn each_const(&mut self, f: &mut dyn FnMut(&mut $crate::field::Const)) {
                $($crate::field::Field::each_const(&mut self.$field, f);)*
            }
        }
    };
}
pub(crate) use record;

/// How an exact sum becomes an int8 value; see `mote-kernels`, `quant`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Rounding {
    /// gemmlowp: a doubling high multiply, then a rounding shift, half away from zero.
    Double,
    /// One 64-bit product, shifted once, half up.
    Single,
    /// A float product, half to even.
    Float,
}

impl Field for Rounding {
    const SIZE: usize = 1;
    #[inline(always)]
    fn get(bytes: &[u8], at: usize) -> Option<Self> {
        [Self::Double, Self::Single, Self::Float].get(usize::from(u8_at(bytes, at)?)).copied()
    }
    #[cfg(feature = "alloc")]
    fn put(&self, out: &mut alloc::vec::Vec<u8>) {
        out.push(*self as u8);
    }
}

impl Field for DType {
    const SIZE: usize = 1;
    #[inline(always)]
    fn get(bytes: &[u8], at: usize) -> Option<Self> {
        Self::from_code(u8_at(bytes, at)?)
    }
    #[cfg(feature = "alloc")]
    fn put(&self, out: &mut alloc::vec::Vec<u8>) {
        out.push(*self as u8);
    }
}

/// A run of constant bytes in the file, 16-byte aligned.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Const {
    /// Offset from the start of the constant section.
    pub at: u32,
    /// Length in bytes.
    pub len: u32,
}

impl Field for Const {
    const SIZE: usize = 8;
    #[inline(always)]
    fn get(bytes: &[u8], at: usize) -> Option<Self> {
        Some(Self { at: u32_at(bytes, at)?, len: u32_at(bytes, at + 4)? })
    }
    #[cfg(feature = "alloc")]
    fn put(&self, out: &mut alloc::vec::Vec<u8>) {
        [self.at, self.len].put(out);
    }
    #[cfg(feature = "alloc")]
    fn each_const(&mut self, f: &mut dyn FnMut(&mut Const)) {
        f(self);
    }
}

record! {
    /// One multiplier: real = `mult` · 2^(`shift` − 31) in the integer profiles; the bits of an `f32` in `mult`
    /// in the float profile.
    Scale {
        /// Mantissa, or float bits.
        mult: i32,
        /// Exponent, −31..=30; 0 in the float profile.
        shift: i8,
    }
}

record! {
    /// Requantization of exact sums with a multiplier per output channel, then a clamp.
    Requant {
        /// The rounding profile.
        round: Rounding,
        /// `i32` (or `f32`) per channel.
        mult: Const,
        /// `i8` per channel; empty in the float profile.
        shift: Const,
        /// Lower bound of the output, a fused activation included.
        min: i8,
        /// Upper bound of the output.
        max: i8,
    }
}

record! {
    /// Requantization of exact 64-bit sums to int16, then a clamp. In the single profile a multiplier has 15 bits, so
    /// that its product with a sum fits 64; in the float profile it is an `f64`, and halves go away from zero.
    Requant16 {
        /// The rounding profile; in *double* the sums are taken as 32-bit ones.
        round: Rounding,
        /// `i32`, `i16` (single: real = `mult` · 2^(`shift` − 15)) or `f64` per channel.
        mult: Const,
        /// `i8` per channel; empty in the float profile.
        shift: Const,
        /// Lower bound of the output, a fused activation included.
        min: i16,
        /// Upper bound of the output.
        max: i16,
    }
}

record! {
    /// Rows and columns from one output to the next.
    Stride {
        /// Vertical.
        h: u8,
        /// Horizontal.
        w: u8,
    }
}

record! {
    /// Rows and columns added around the input; they hold the zero point.
    Pads {
        /// Above.
        top: u16,
        /// Left.
        left: u16,
        /// Below.
        bottom: u16,
        /// Right.
        right: u16,
    }
}
