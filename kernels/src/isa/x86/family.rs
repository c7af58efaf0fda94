//! What every family computes, once: the tile, the depthwise sums, requantization, and the copies that bring an image
//! into the form that they read. `family!` expands in a module that has vectors (`V`, …) and the family's products.

macro_rules! family {
    (
        $name:literal, $features:literal, $present:expr,
        half: $half:expr,
        values: $values:literal,
        tiles: [$(($n:literal, $m:literal)),*],
        weights: |$at:ident| $weights:expr,
        dot: |$acc:ident, $x:ident, $w:ident| $dot:expr,
        dot16: |$acc16:ident, $x16:ident, $w16:ident| $dot16:expr $(,)?
    ) => {
        use crate::packed::engine::{Depthwise, Engine, Out, Patches, Rescale, Sum};
        use super::{DOUBLE, FLOAT, SINGLE};
        use mote_format::Rounding;

        /// Values in a word of 32 bits.
        const VALUES: usize = $values;

        /// Proof that the machine has the family's instructions.
        #[derive(Debug)]
        pub(crate) struct Family(());

        impl Family {
            /// Its name, as in `--isa`.
            pub(crate) const NAME: &'static str = $name;

            /// The family, when this machine has it.
            pub(crate) fn detect() -> Option<&'static dyn Engine> {
                static FAMILY: Family = Family(());
                ($present).then_some(&FAMILY as &dyn Engine)
            }
        }

        type Tile = unsafe fn(&Patches<'_>, &[i8], &Out<'_>, &mut [i8]);

        impl Engine for Family {
            fn name(&self) -> &'static str {
                Self::NAME
            }

            fn half(&self) -> Option<&'static str> {
                $half
            }

            fn lanes(&self) -> usize {
                LANES
            }

            fn values(&self) -> usize {
                VALUES
            }

            fn most_vectors(&self) -> usize {
                [$($n),*].len()
            }

            fn most_pixels(&self, vectors: usize) -> usize {
                match vectors {
                    $( $n => $m, )*
                    _ => unreachable!("no tile of {vectors} vectors"),
                }
            }

            fn words(&self, x: &[i8], words: &mut [u32]) {
                assert!(x.len() == words.len() * VALUES);
                // SAFETY: `self` proves the instructions.
                unsafe { words_of(x, words) }
            }

            fn widen(&self, x: &[i8], y: &mut [i16]) {
                assert!(x.len() == y.len());
                // SAFETY: `self` proves the instructions.
                unsafe { widen_all(x, y) }
            }

            fn tile(&self, x: &Patches<'_>, w: &[i8], vectors: usize, out: &Out<'_>, y: &mut [i8]) {
                assert!(x.end() <= x.words.len() && w.len() >= x.length() * vectors * LANES * VALUES);
                assert!(out.fits(vectors * LANES, LANES) && out.end(x.pixels) <= y.len());
                let tile: Tile = match (vectors, x.pixels) {
                    $( ($n, 1) => tile::<1, $n>, )*
                    $( ($n, 2) => tile::<2, $n>, )*
                    $( ($n, 3) => tile::<3, $n>, )*
                    $( ($n, 4) => tile::<4, $n>, )*
                    $( ($n, 5) if $m >= 5 => tile::<{ if $m >= 5 { 5 } else { 1 } }, $n>, )*
                    $( ($n, 6) if $m >= 6 => tile::<{ if $m >= 6 { 6 } else { 1 } }, $n>, )*
                    $( ($n, 7) if $m >= 7 => tile::<{ if $m >= 7 { 7 } else { 1 } }, $n>, )*
                    $( ($n, 8) if $m >= 8 => tile::<{ if $m >= 8 { 8 } else { 1 } }, $n>, )*
                    _ => unreachable!("no tile of {vectors} vectors and {} pixels", x.pixels),
                };
                // SAFETY: `self` proves the instructions; the patches, the weights, the channels and the outputs lie
                // in their slices.
                unsafe { tile(x, w, out, y) }
            }

            fn depthwise(&self, d: &Depthwise<'_>, out: &Out<'_>, y: &mut [i8]) {
                assert!(d.end(2 * LANES) <= d.x.len() && d.w.len() >= d.taps.len() * 2 * LANES);
                assert!(d.taps.len() % 2 == 0 && out.fits(2 * LANES, LANES) && out.end(d.pixels) <= y.len());
                // SAFETY: `self` proves the instructions; taps, weights, channels and outputs lie in their slices.
                unsafe {
                    match out.round {
                        Rounding::Double => depthwise::<DOUBLE>(d, out, y),
                        Rounding::Single => depthwise::<SINGLE>(d, out, y),
                        Rounding::Float => depthwise::<FLOAT>(d, out, y),
                    }
                }
            }

            fn add(&self, a: &[i8], b: &[i8], sum: &Sum, y: &mut [i8]) {
                assert!(a.len() == y.len() && b.len() == y.len());
                // SAFETY: `self` proves the instructions; the slices are equally long.
                unsafe {
                    match sum.round {
                        Rounding::Single => add_all::<SINGLE>(a, b, sum, y),
                        _ => add_all::<DOUBLE>(a, b, sum, y),
                    }
                }
            }
        }

        /// The weights of a vector of channels, for a word of each.
        ///
        /// # Safety
        /// The family's instructions; LANES · VALUES bytes must be there.
        #[inline]
        #[target_feature(enable = $features)]
        unsafe fn weights($at: *const i8) -> V {
            // SAFETY: the caller's promise.
            unsafe { $weights }
        }

        /// Sums plus the products of words.
        #[inline]
        #[target_feature(enable = $features)]
        fn dot($acc: V, $x: V, $w: V) -> V {
            $dot
        }

        /// Sums plus the products of pairs of 16-bit values.
        #[inline]
        #[target_feature(enable = $features)]
        fn dot16($acc16: V, $x16: V, $w16: V) -> V {
            $dot16
        }

        /// The sums of a tile, requantized.
        ///
        /// # Safety
        /// The family's instructions, and what [`Engine::tile`] asserts.
        #[target_feature(enable = $features)]
        unsafe fn tile<const M: usize, const N: usize>(x: &Patches<'_>, w: &[i8], out: &Out<'_>, y: &mut [i8]) {
            let mut sums = [[splat(0); N]; M];
            let mut w = w.as_ptr();
            let mut run = x.words.as_ptr();
            // SAFETY: `w` moves by a vector of weights for each word of the patches, and `at` stays inside them.
            unsafe {
                for _ in 0..x.runs {
                    let mut at = run;
                    for _ in 0..x.len {
                        let mut weight = [splat(0); N];
                        for (n, weight) in weight.iter_mut().enumerate() {
                            *weight = weights(w.add(n * LANES * VALUES));
                        }
                        w = w.add(N * LANES * VALUES);
                        for (m, sums) in sums.iter_mut().enumerate() {
                            let value = splat(at.add(m * x.step).read() as i32);
                            for n in 0..N {
                                sums[n] = dot(sums[n], value, weight[n]);
                            }
                        }
                        at = at.add(1);
                    }
                    run = run.wrapping_add(x.stride);
                }
                match out.round {
                    Rounding::Double => requantize::<DOUBLE>(sums.as_flattened(), N, out, y),
                    Rounding::Single => requantize::<SINGLE>(sums.as_flattened(), N, out, y),
                    Rounding::Float => requantize::<FLOAT>(sums.as_flattened(), N, out, y),
                }
            }
        }

        /// Vectors of sums, `n` a pixel, to int8.
        ///
        /// # Safety
        /// The family's instructions, and what [`Engine::tile`] asserts of `out` and `y`.
        #[target_feature(enable = $features)]
        unsafe fn requantize<const ROUND: u8>(sums: &[V], n: usize, out: &Out<'_>, y: &mut [i8]) {
            for k in 0..n {
                let c = k * LANES;
                // SAFETY: the constants are there for whole vectors.
                let (bias, scale) = unsafe { (load(out.bias.as_ptr().add(c)), Scales::at(out, c)) };
                let range = Range::of(out.zero, out.min, out.max);
                for (pixel, sum) in sums[k..].iter().step_by(n).enumerate() {
                    let at = pixel * out.stride + c;
                    let lanes = range.hold(scaled::<ROUND>(add(*sum, bias), &scale, &range));
                    // SAFETY: the outputs are there for `out.channels`.
                    unsafe {
                        if c + LANES <= out.channels {
                            store_bytes(y.as_mut_ptr().add(at), lanes);
                        } else {
                            let mut bytes = [0i8; LANES];
                            store_bytes(bytes.as_mut_ptr(), lanes);
                            let rest = out.channels - c;
                            y[at..at + rest].copy_from_slice(&bytes[..rest]);
                        }
                    }
                }
            }
        }

        /// The scales of a vector of channels, as in [`Out`].
        struct Scales {
            mult: V,
            left: V,
            right: V,
            mask: V,
            half: V,
        }

        impl Scales {
            /// Those of the channels from `c` on.
            ///
            /// # Safety
            /// They are there.
            #[inline]
            #[target_feature(enable = $features)]
            unsafe fn at(out: &Out<'_>, c: usize) -> Self {
                // SAFETY: the caller's promise.
                let of = |of: &[i32]| unsafe { load(of.as_ptr().add(c)) };
                Self {
                    mult: of(out.mult),
                    left: of(out.left),
                    right: of(out.right),
                    mask: of(out.mask),
                    half: of(out.half),
                }
            }

            /// One scale in all lanes.
            #[inline]
            #[target_feature(enable = $features)]
            fn splat(of: &Rescale) -> Self {
                Self {
                    mult: splat(of.mult),
                    left: splat(of.left),
                    right: splat(of.right),
                    mask: splat(of.mask),
                    half: splat(of.half),
                }
            }
        }

        /// The output's zero point and bounds; the bounds as floats before the zero point is added, too.
        struct Range {
            zero: V,
            min: V,
            max: V,
            low: V,
            high: V,
        }

        impl Range {
            #[inline]
            #[target_feature(enable = $features)]
            fn of(zero: i32, min: i8, max: i8) -> Self {
                let real = |bound: i8| splat(((i32::from(bound) - zero) as f32).to_bits() as i32);
                let (low, high) = (real(min), real(max));
                Self { zero: splat(zero), min: splat(min.into()), max: splat(max.into()), low, high }
            }

            #[inline]
            #[target_feature(enable = $features)]
            fn hold(&self, x: V) -> V {
                max(min(add(x, self.zero), self.max), self.min)
            }
        }

        /// Lanes times their scales in one of the rounding profiles.
        #[inline]
        #[target_feature(enable = $features)]
        fn scaled<const ROUND: u8>(x: V, by: &Scales, range: &Range) -> V {
            match ROUND {
                DOUBLE => {
                    let x = doubling_high(shift_left(x, by.left), by.mult);
                    let threshold = add(halve(by.mask), negative(x));
                    add(shift_right(x, by.right), larger(and(x, by.mask), threshold))
                }
                SINGLE => shift_right(add(high(x, by.mult), by.half), by.right),
                _ => float_product(x, by.mult, range.low, range.high),
            }
        }

        /// Depthwise sums of a block of channels, pixel after pixel, requantized. Two taps are multiplied at a time.
        ///
        /// # Safety
        /// The family's instructions, and what [`Engine::depthwise`] asserts.
        #[target_feature(enable = $features)]
        unsafe fn depthwise<const ROUND: u8>(d: &Depthwise<'_>, out: &Out<'_>, y: &mut [i8]) {
            // SAFETY: the constants are there for two vectors.
            let (bias, scales) = unsafe {
                let bias = [load(out.bias.as_ptr()), load(out.bias.as_ptr().add(LANES))];
                (bias, [Scales::at(out, 0), Scales::at(out, LANES)])
            };
            let range = Range::of(out.zero, out.min, out.max);
            for pixel in 0..d.pixels {
                let mut w = d.w.as_ptr();
                let [mut low, mut high] = bias;
                // SAFETY: the taps of each pixel and the weights of each tap are there.
                unsafe {
                    let x = d.x.as_ptr().add(pixel * d.step);
                    for pair in d.taps.chunks_exact(2) {
                        let (a, b) = (load(x.add(pair[0]).cast()), load(x.add(pair[1]).cast()));
                        low = dot16(low, interleave_low(a, b), load(w.cast()));
                        high = dot16(high, interleave_high(a, b), load(w.add(2 * LANES).cast()));
                        w = w.add(4 * LANES);
                    }
                    let low = range.hold(scaled::<ROUND>(low, &scales[0], &range));
                    let high = range.hold(scaled::<ROUND>(high, &scales[1], &range));
                    let at = pixel * out.stride;
                    if out.channels >= 2 * LANES {
                        store_interleaved(y.as_mut_ptr().add(at), low, high);
                    } else {
                        let mut bytes = [0i8; 2 * LANES];
                        store_interleaved(bytes.as_mut_ptr(), low, high);
                        y[at..at + out.channels].copy_from_slice(&bytes[..out.channels]);
                    }
                }
            }
        }

        /// Element-wise sums, a vector at a time; what is left goes through vectors of its own.
        #[target_feature(enable = $features)]
        fn add_all<const ROUND: u8>(a: &[i8], b: &[i8], sum: &Sum, y: &mut [i8]) {
            let scales = [Scales::splat(&sum.a), Scales::splat(&sum.b), Scales::splat(&sum.y)];
            let range = Range::of(sum.zeros[2], sum.min, sum.max);
            let (left, zeros) = (splat(sum.left), [splat(-sum.zeros[0]), splat(-sum.zeros[1])]);
            let lanes = |a: &[i8; LANES], b: &[i8; LANES]| {
                // SAFETY: the arrays hold a vector of bytes.
                let (a, b) = unsafe { (load_bytes(a.as_ptr()), load_bytes(b.as_ptr())) };
                let a = scaled::<ROUND>(shift_left(add(a, zeros[0]), left), &scales[0], &range);
                let b = scaled::<ROUND>(shift_left(add(b, zeros[1]), left), &scales[1], &range);
                let y = range.hold(scaled::<ROUND>(add(a, b), &scales[2], &range));
                let mut bytes = [0; LANES];
                // SAFETY: the array has room for a vector of bytes.
                unsafe { store_bytes(bytes.as_mut_ptr(), y) };
                bytes
            };
            let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
            let (y, y_rest) = y.as_chunks_mut::<LANES>();
            for ((a, b), y) in a.iter().zip(b).zip(y) {
                *y = lanes(a, b);
            }
            let (mut a, mut b) = ([0; LANES], [0; LANES]);
            a[..a_rest.len()].copy_from_slice(a_rest);
            b[..b_rest.len()].copy_from_slice(b_rest);
            y_rest.copy_from_slice(&lanes(&a, &b)[..a_rest.len()]);
        }

        /// Bytes as the words that [`dot`] multiplies.
        #[target_feature(enable = $features)]
        fn words_of(x: &[i8], words: &mut [u32]) {
            if VALUES == 2 {
                for (word, x) in words.iter_mut().zip(x.chunks_exact(2)) {
                    *word = u32::from(i16::from(x[0]) as u16) | u32::from(i16::from(x[1]) as u16) << 16;
                }
            } else {
                for (word, x) in words.iter_mut().zip(x.chunks_exact(4)) {
                    let bytes = [x[0] as u8, x[1] as u8, x[2] as u8, x[3] as u8];
                    *word = u32::from_le_bytes(bytes) ^ 0x8080_8080;
                }
            }
        }

        #[target_feature(enable = $features)]
        fn widen_all(x: &[i8], y: &mut [i16]) {
            y.iter_mut().zip(x).for_each(|(y, &x)| *y = x.into());
        }
    };
}
