//! From vectors of sums to int8, once for all families: the ways of rounding of [`Profile`], and element-wise sums.
//!
//! [`Profile`]: crate::packed::Profile

/// The ways of rounding as constant parameters.
pub(super) const DOUBLE: u8 = 0;
pub(super) const AWAY: u8 = 1;
pub(super) const UP: u8 = 2;
pub(super) const SINGLE: u8 = 3;
pub(super) const FLOAT: u8 = 4;
pub(super) const FUSED: u8 = 5;
pub(super) const FUSED_SIGNED: u8 = 6;

/// Whether lanes come arranged: those of 64-bit products do.
pub(super) const fn is_arranged(round: u8) -> bool {
    matches!(round, AWAY | UP | SINGLE)
}

macro_rules! finish {
    ($features:literal) => {
        use super::finish::{AWAY, DOUBLE, FLOAT, FUSED, FUSED_SIGNED, SINGLE, UP, is_arranged};

        /// The sums of some pixels to int8.
        ///
        /// # Safety
        /// The family's instructions; constants for N vectors, and outputs for the pixels.
        #[inline]
        #[target_feature(enable = $features)]
        unsafe fn requantize<const N: usize>(sums: &[[V; N]], places: &[Place], out: &Out<'_>, y: &mut [i8]) {
            // SAFETY: the caller's promises.
            unsafe {
                match out.profile {
                    Profile::Fused => pixels::<N, FUSED>(sums, places, out, y),
                    Profile::FusedSigned => pixels::<N, FUSED_SIGNED>(sums, places, out, y),
                    Profile::Double => pixels::<N, DOUBLE>(sums, places, out, y),
                    Profile::Away => pixels::<N, AWAY>(sums, places, out, y),
                    Profile::Up => pixels::<N, UP>(sums, places, out, y),
                    Profile::Single => pixels::<N, SINGLE>(sums, places, out, y),
                    Profile::Float => pixels::<N, FLOAT>(sums, places, out, y),
                }
            }
        }

        /// Not inlined: the ways of rounding are there once for all tiles of N vectors.
        ///
        /// # Safety
        /// As [`requantize`].
        #[inline(never)]
        #[target_feature(enable = $features)]
        unsafe fn pixels<const N: usize, const ROUND: u8>(
            sums: &[[V; N]],
            places: &[Place],
            out: &Out<'_>,
            y: &mut [i8],
        ) {
            let of = |n: usize| {
                // SAFETY: the constants are there for whole vectors.
                unsafe { Scales::at::<ROUND>(out, n * LANES) }
            };
            let scales: [Scales; N] = core::array::from_fn(of);
            let range = Range::of(out.zero, out.min, out.max);
            let lane = |sums: &[V; N], n: usize| scaled::<ROUND>(sums[n % N], &scales[n % N], &range);
            // Where pixels lie side by side, four vectors are those of several.
            let (mut sums, mut places) = (sums, places);
            while let Some((group, rest)) = places.split_at_checked(if N < 4 { 4 / N } else { usize::MAX })
                && let Some(y) = y[group[0].to as usize..].first_chunk_mut::<{ 4 * LANES }>()
                && group
                    .iter()
                    .enumerate()
                    .all(|(i, place)| place.to as usize == group[0].to as usize + i * N * LANES)
            {
                let v = bytes::<ROUND>(core::array::from_fn(|n| lane(&sums[n / N], n)), &range);
                // SAFETY: there is room for four vectors of bytes.
                unsafe { store_bytes::<4>(y.as_mut_ptr(), v) };
                (sums, places) = (&sums[group.len()..], rest);
            }
            for (sums, place) in sums.iter().zip(places) {
                let v = bytes::<ROUND>(core::array::from_fn(|n| lane(sums, n)), &range);
                let y = &mut y[place.to as usize..];
                // SAFETY: the slice or the array has room for N vectors of bytes.
                unsafe {
                    if N * LANES <= y.len() {
                        store_bytes::<N>(y.as_mut_ptr(), v);
                    } else {
                        let mut all = [0i8; 4 * LANES];
                        store_bytes::<N>(all.as_mut_ptr(), v);
                        y[..out.channels].copy_from_slice(&all[..out.channels]);
                    }
                }
            }
        }

        /// The scales of a vector of channels, as in [`Out`]; `add` and `right` in the order in which products come.
        struct Scales {
            mult: V,
            left: V,
            add: V,
            right: V,
        }

        impl Scales {
            /// Those of the channels from `c` on.
            ///
            /// # Safety
            /// They are there.
            #[inline]
            #[target_feature(enable = $features)]
            unsafe fn at<const ROUND: u8>(out: &Out<'_>, c: usize) -> Self {
                // SAFETY: the caller's promise.
                let of = |of: &[i32]| unsafe { load(of.as_ptr().add(c)) };
                let behind = |v: V| if is_arranged(ROUND) { arranged(v) } else { v };
                Self {
                    mult: of(out.mult),
                    left: of(out.left),
                    add: behind(of(out.add)),
                    right: behind(of(out.right)),
                }
            }

            /// One scale in all lanes.
            #[inline]
            #[target_feature(enable = $features)]
            fn splat(of: &Rescale) -> Self {
                Self {
                    mult: splat(of.mult),
                    left: splat(of.left),
                    add: splat(of.add),
                    right: splat(of.right),
                }
            }
        }

        /// The output's zero point and bounds: as 16 bits and bytes, as 32 bits, and as floats before the zero point is
        /// added.
        struct Range {
            zero: V,
            min: V,
            max: V,
            wide: [V; 3],
            low: V,
            high: V,
        }

        impl Range {
            #[inline]
            #[target_feature(enable = $features)]
            fn of(zero: i32, min: i8, max: i8) -> Self {
                let real = |bound: i8| splat(((i32::from(bound) - zero) as f32).to_bits() as i32);
                Self {
                    zero: splat16(zero as i16),
                    min: splat8(min),
                    max: splat8(max),
                    wide: [zero, min.into(), max.into()].map(|v| splat(v)),
                    low: real(min),
                    high: real(max),
                }
            }

            /// Lanes that may be anything, so held that adding the zero point gives what it does in 32 bits.
            #[inline]
            #[target_feature(enable = $features)]
            fn hold(&self, x: V) -> V {
                let [zero, least, most] = self.wide;
                subtract(max(min(add(x, zero), most), least), zero)
            }
        }

        /// Four vectors of lanes, as they come in a way of rounding, to bytes in order, with the zero point added and held inside the range.
        #[inline]
        #[target_feature(enable = $features)]
        fn bytes<const ROUND: u8>(lanes: [V; 4], range: &Range) -> V {
            let v = packed(lanes, range.zero, range.min, range.max);
            ordered(if is_arranged(ROUND) { tidied(v) } else { v })
        }

        /// Lanes times their scales in one of the ways of rounding; the zero point is not added yet.
        #[inline]
        #[target_feature(enable = $features)]
        fn scaled<const ROUND: u8>(x: V, by: &Scales, range: &Range) -> V {
            match ROUND {
                FUSED => nearest(fma(floats(x), by.mult, by.add)),
                FUSED_SIGNED => nearest(fma(floats(x), by.mult, by_sign(x, by.left, by.add))),
                DOUBLE => {
                    range.hold(rounding_shift(doubling_high(shift_left(x, by.left), by.mult), by.right))
                }
                AWAY => {
                    let (even, odd) = products64(add(x, x), by.mult);
                    let half = splat64(1 << 31);
                    let x = high(add64(even, half), add64(odd, half));
                    shift_right(add(add(x, sign(x)), by.add), by.right)
                }
                UP => {
                    let (even, odd) = products64(x, by.mult);
                    let half = splat64(1 << 30);
                    shift_right(add(high(add64(even, half), add64(odd, half)), by.add), by.right)
                }
                SINGLE => {
                    let (even, odd) = products64(x, by.mult);
                    shift_right(add(high(even, odd), by.add), by.right)
                }
                _ => float_product(x, by.mult, range.low, range.high),
            }
        }

        /// `x / 2^right`, half away from zero.
        #[inline]
        #[target_feature(enable = $features)]
        fn rounding_shift(x: V, right: V) -> V {
            let mask = subtract(shift_left(splat(1), right), splat(1));
            // A mask of 31 bits: the subtraction wraps to it.
            let threshold = subtract(halve(mask), sign(x));
            add(shift_right(x, right), larger(and(x, mask), threshold))
        }

        /// # Safety
        /// The family's instructions.
        #[target_feature(enable = $features)]
        unsafe fn add_exact<const ROUND: u8>(a: &[i8], b: &[i8], sum: &ExactSum, y: &mut [i8]) {
            let scales = [Scales::splat(&sum.a), Scales::splat(&sum.b), Scales::splat(&sum.y)];
            let range = Range::of(sum.zeros[2], sum.min, sum.max);
            // Operands are not held inside the range of the output.
            let (left, zeros) = (splat(sum.left), [splat(-sum.zeros[0]), splat(-sum.zeros[1])]);
            let operand =
                |x: V, i: usize| scaled_sum::<ROUND>(shift_left(add(x, zeros[i]), left), &scales[i]);
            elements(a, b, &range, y, |a, b| {
                range.hold(scaled_sum::<ROUND>(add(operand(a, 0), operand(b, 1)), &scales[2]))
            });
        }

        /// As [`scaled`], for lanes in their own order that may be anything afterwards.
        #[inline]
        #[target_feature(enable = $features)]
        fn scaled_sum<const ROUND: u8>(x: V, by: &Scales) -> V {
            match ROUND {
                SINGLE => {
                    let (even, odd) = products64(x, by.mult);
                    shift_right(add(arranged(high(even, odd)), by.add), by.right)
                }
                _ => rounding_shift(doubling_high(shift_left(x, by.left), by.mult), by.right),
            }
        }

        /// # Safety
        /// The family's instructions.
        #[target_feature(enable = $features)]
        unsafe fn add_floats(a: &[i8], b: &[i8], scales: [f32; 2], offset: f32, range: &Range, y: &mut [i8]) {
            let [one, two, offset] = [scales[0], scales[1], offset].map(|v| splat(v.to_bits() as i32));
            elements(a, b, range, y, |a, b| nearest(fma(floats(b), two, fma(floats(a), one, offset))));
        }

        /// Element-wise results of lanes in their own order, a block of vectors at a time; what is left goes through a
        /// block of its own.
        #[inline]
        #[target_feature(enable = $features)]
        fn elements(a: &[i8], b: &[i8], range: &Range, y: &mut [i8], f: impl Fn(V, V) -> V) {
            const BYTES: usize = 4 * LANES;
            let block = |a: &[i8; BYTES], b: &[i8; BYTES], y: &mut [i8; BYTES]| {
                // SAFETY: the arrays hold four vectors of bytes.
                unsafe {
                    let lanes = |n: usize| {
                        f(load_bytes(a.as_ptr().add(n * LANES)), load_bytes(b.as_ptr().add(n * LANES)))
                    };
                    let v = bytes::<FLOAT>([lanes(0), lanes(1), lanes(2), lanes(3)], range);
                    store_bytes::<4>(y.as_mut_ptr(), v);
                }
            };
            let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<BYTES>(), b.as_chunks::<BYTES>());
            let (y, y_rest) = y.as_chunks_mut::<BYTES>();
            for ((a, b), y) in a.iter().zip(b).zip(y) {
                block(a, b, y);
            }
            if !y_rest.is_empty() {
                let (mut a, mut b, mut y) = ([0; BYTES], [0; BYTES], [0; BYTES]);
                a[..a_rest.len()].copy_from_slice(a_rest);
                b[..b_rest.len()].copy_from_slice(b_rest);
                block(&a, &b, &mut y);
                y_rest.copy_from_slice(&y[..a_rest.len()]);
            }
        }
    };
}
