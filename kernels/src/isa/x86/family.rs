//! What every family computes, once: tiles, depthwise sums, element-wise sums, and the ways in which images are laid
//! out for them. `family!` expands in a module that has vectors (`V`, …) and the family's products; requantization is
//! in `finish`.

macro_rules! family {
    (
        $name:literal, $features:literal, $present:expr,
        half: $half:expr,
        values: $values:literal,
        tiles: [$(($n:literal, $m:literal)),*],
        weights: |$at:ident| $weights:expr,
        dot: |$acc:ident, $x:ident, $w:ident| $dot:expr,
        wide: |$sum:ident, $value:ident, $by:ident| $wide:expr,
        words: |$rows:ident| $words:expr $(,)?
    ) => {
        use crate::packed::engine::{
            Collected, Depthwise, Engine, ExactSum, Out, Patches, Place, Rescale, Sum, Weights, Wide,
        };
        use crate::packed::winograd::{self, CHANNELS, OUTPUTS, Values};
        use crate::packed::Profile;

        /// Values in a word of 32 bits.
        const VALUES: usize = $values;
        /// What is added to values.
        const OFFSET: i32 = if VALUES == 4 { 128 } else { 0 };
        /// Vectors of a depthwise block.
        const BLOCK: usize = 4;
        /// Vectors of a block of Winograd's transform.
        const WIDE: usize = CHANNELS / LANES;
        /// Pixels whose sums are held before they become outputs.
        const HELD: usize = 32;

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

            fn offset(&self) -> i32 {
                OFFSET
            }

            fn fuses(&self) -> bool {
                true
            }

            fn tiles(&self) -> &'static [(usize, usize)] {
                &[$(($n, $m)),*]
            }

            fn put(&self, x: &[i8], values: &mut [u8]) {
                assert!(x.len() * (4 / VALUES) == values.len());
                // SAFETY: `self` proves the instructions.
                unsafe { put(x, values) }
            }

            fn interleave(&self, rows: &[&[i8]], step: usize, words: &mut [u32]) {
                let (words, _) = words.as_chunks_mut::<{ BLOCK * LANES }>();
                let end = words.len().saturating_sub(1) * step + BLOCK * LANES;
                assert!(rows.len() == VALUES && (words.is_empty() || rows.iter().all(|row| row.len() >= end)));
                // SAFETY: `self` proves the instructions; the blocks lie in the rows.
                unsafe { interleave(rows, step, words) }
            }

            fn products(&self, x: &Patches<'_>, w: &Weights<'_>, out: &Out<'_>, y: &mut [i8]) {
                let Weights { values: w, vectors, .. } = *w;
                assert!(x.end(4) <= x.bytes.len() && w.len() >= x.length() * vectors * LANES * VALUES);
                assert!(out.fits(vectors * LANES) && out.end(&x.places) <= y.len());
                // SAFETY: `self` proves the instructions; the patches, the weights, the channels and the outputs lie
                // in their slices.
                unsafe {
                    match vectors {
                        $( $n => products::<$m, $n>(x, w, out, y), )*
                        _ => unreachable!("no tile of {vectors} vectors"),
                    }
                }
            }

            fn depthwise(&self, d: &Depthwise<'_>, out: &Out<'_>, y: &mut [i8]) {
                assert!(d.end(4 * BLOCK * LANES) <= d.x.len());
                assert!(d.w.len() >= d.taps.len() * BLOCK * LANES * VALUES);
                assert!(out.fits(BLOCK * LANES) && out.end(&d.places) <= y.len());
                // SAFETY: `self` proves the instructions; taps, weights, channels and outputs lie in their slices.
                unsafe { depthwise(d, out, y) }
            }

            fn wide(&self) -> Option<Wide> {
                // Four products of bytes at once leave the transform less to save.
                let (channels, tiles) = if VALUES == 4 { (64, 32) } else { (CHANNELS, 12) };
                Some(Wide { values: 2, channels, tiles })
            }

            fn spread(&self, x: &[i8], steps: [usize; 2], values: &mut [Values]) {
                // SAFETY: `self` proves the instructions.
                unsafe { spread(x, steps, values) }
            }

            fn wide_products(&self, x: &Patches<'_>, w: &[i16], sums: &mut [i32]) {
                assert!(x.end(4) <= x.bytes.len() && w.len() >= x.length() * CHANNELS * 2);
                assert!(x.sums(CHANNELS) <= sums.len());
                // SAFETY: `self` proves the instructions; the patches, the weights and the sums lie in their slices.
                unsafe { wide_products(x, w, sums) }
            }

            fn collect(&self, tile: &Collected<'_>, out: &Out<'_>, y: &mut [i8]) {
                assert!(out.fits(CHANNELS) && tile.end(out.channels) <= y.len());
                // SAFETY: `self` proves the instructions; channels and outputs lie in their slices.
                unsafe { collect(tile, out, y) }
            }

            fn add(&self, a: &[i8], b: &[i8], sum: &Sum, y: &mut [i8]) {
                assert!(a.len() == y.len() && b.len() == y.len());
                // SAFETY: `self` proves the instructions; the slices are equally long.
                unsafe {
                    match sum {
                        Sum::Float { scales, offset, min, max } => {
                            add_floats(a, b, *scales, *offset, &Range::of(0, *min, *max), y)
                        }
                        Sum::Exact(sum) if sum.profile == Profile::Single => add_exact::<SINGLE>(a, b, sum, y),
                        Sum::Exact(sum) => add_exact::<DOUBLE>(a, b, sum, y),
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
        fn wide($sum: V, $value: V, $by: V) -> V {
            $wide
        }

        /// Words of a block of values from each row.
        #[inline]
        #[target_feature(enable = $features)]
        fn words_of($rows: [V; VALUES]) -> [V; BLOCK] {
            $words
        }

        /// The outputs of all patches, in tiles of `M` pixels and `N` vectors. The last tile starts early enough to be
        /// whole; there are tiles of one pixel where there are fewer than `M`.
        ///
        /// # Safety
        /// The family's instructions, and what [`Engine::products`] asserts.
        #[target_feature(enable = $features)]
        unsafe fn products<const M: usize, const N: usize>(x: &Patches<'_>, w: &[i8], out: &Out<'_>, y: &mut [i8]) {
            let (whole, rest) = x.places.split_at(x.places.len() - x.places.len() % M);
            // SAFETY: the caller's promises, for some of the pixels.
            unsafe {
                for places in whole.chunks(HELD / M * M) {
                    held::<M, N>(places, out, y, |places| tile::<M, N, false>(x, places, w.as_ptr(), bias(out)));
                }
                if let Some(places) = x.places.last_chunk::<M>().filter(|_| !rest.is_empty()) {
                    held::<M, N>(places, out, y, |places| tile::<M, N, false>(x, places, w.as_ptr(), bias(out)));
                } else {
                    held::<1, N>(rest, out, y, |places| tile::<1, N, false>(x, places, w.as_ptr(), bias(out)));
                }
            }
        }

        /// The outputs of at most [`HELD`] pixels: all sums, `M` pixels at a time, then their requantization, which so
        /// loads its constants once.
        ///
        /// # Safety
        /// The family's instructions; constants for N vectors, and outputs for the pixels.
        #[inline]
        #[target_feature(enable = $features)]
        unsafe fn held<const M: usize, const N: usize>(
            places: &[Place],
            out: &Out<'_>,
            y: &mut [i8],
            sums: impl Fn(&[Place; M]) -> [[V; N]; M],
        ) {
            let mut held = [core::mem::MaybeUninit::<[V; N]>::uninit(); HELD];
            for (places, held) in places.as_chunks::<M>().0.iter().zip(held.as_chunks_mut::<M>().0) {
                for (sums, held) in sums(places).into_iter().zip(held) {
                    held.write(sums);
                }
            }
            // SAFETY: there are sums of all places, whose number is a multiple of M and at most that of `held`; and the
            // caller's promises.
            unsafe {
                let sums = core::slice::from_raw_parts(held.as_ptr().cast::<[V; N]>(), places.len());
                requantize::<N>(sums, places, out, y)
            }
        }

        /// What the sums of `N` vectors start with.
        ///
        /// # Safety
        /// The family's instructions; constants for N vectors.
        #[inline]
        #[target_feature(enable = $features)]
        unsafe fn bias<const N: usize>(out: &Out<'_>) -> [V; N] {
            // SAFETY: the caller's promise.
            core::array::from_fn(|n| unsafe { load(out.bias.as_ptr().add(n * LANES)) })
        }

        /// The sums of `M` pixels; values and weights of 16 bits where they are `WIDE`.
        ///
        /// # Safety
        /// The family's instructions; the patches are there, and N vectors of weights for each word of them.
        #[inline]
        #[target_feature(enable = $features)]
        unsafe fn tile<const M: usize, const N: usize, const WIDE: bool>(
            x: &Patches<'_>,
            places: &[Place; M],
            mut w: *const i8,
            bias: [V; N],
        ) -> [[V; N]; M] {
            let vector = if WIDE { 4 * LANES } else { LANES * VALUES };
            // SAFETY: the caller's promises: `w` moves by N vectors of weights for each word of the patches, `at` stays
            // inside the patches.
            unsafe {
                let patches = places.map(|place| x.bytes.as_ptr().add(place.from as usize));
                let mut sums = [bias; M];
                let mut run = 0;
                for _ in 0..x.runs {
                    let mut at = run;
                    for _ in 0..x.len {
                        let weight: [V; N] = core::array::from_fn(|n| {
                            let at = w.add(n * vector);
                            if WIDE { load(at.cast()) } else { weights(at) }
                        });
                        w = w.add(N * vector);
                        for (sums, patch) in sums.iter_mut().zip(patches) {
                            let value = splat(patch.add(at).cast::<i32>().read_unaligned());
                            for (sum, weight) in sums.iter_mut().zip(weight) {
                                *sum = if WIDE { wide(*sum, value, weight) } else { dot(*sum, value, weight) };
                            }
                        }
                        at += 4;
                    }
                    run += x.stride;
                }
                sums
            }
        }

        /// # Safety
        /// The family's instructions, and what [`Engine::wide_products`] asserts.
        #[target_feature(enable = $features)]
        unsafe fn wide_products(x: &Patches<'_>, w: &[i16], sums: &mut [i32]) {
            let (w, sums) = (w.as_ptr().cast(), sums.as_mut_ptr());
            let mut places: &[Place] = &x.places;
            while !places.is_empty() {
                // SAFETY: the caller's promises, for some of the pixels.
                places = unsafe {
                    match places {
                        [_, _, _, _, _, _, ..] => wide_tile::<6>(x, places, w, sums),
                        [_, _, _, _, ..] => wide_tile::<4>(x, places, w, sums),
                        _ => wide_tile::<1>(x, places, w, sums),
                    }
                };
            }
        }

        /// The sums of the first `M` places; the others.
        ///
        /// # Safety
        /// As [`wide_products`]; there are so many.
        #[inline]
        #[target_feature(enable = $features)]
        unsafe fn wide_tile<'p, const M: usize>(
            x: &Patches<'_>,
            places: &'p [Place],
            w: *const i8,
            sums: *mut i32,
        ) -> &'p [Place] {
            let Some((first, rest)) = places.split_first_chunk::<M>() else { return &[] };
            // SAFETY: the caller's promises.
            unsafe {
                let tile = tile::<M, WIDE, true>(x, first, w, [splat(0); WIDE]);
                for (vectors, place) in tile.iter().zip(first) {
                    for (n, &vector) in vectors.iter().enumerate() {
                        store(sums.add(place.to as usize + n * LANES).cast(), vector);
                    }
                }
            }
            rest
        }

        #[target_feature(enable = $features)]
        fn spread(x: &[i8], steps: [usize; 2], values: &mut [Values]) {
            winograd::spread(x, steps, values);
        }

        /// # Safety
        /// The family's instructions, and what [`Engine::collect`] asserts.
        #[target_feature(enable = $features)]
        unsafe fn collect(tile: &Collected<'_>, out: &Out<'_>, y: &mut [i8]) {
            let mut held = [[splat(0); WIDE]; OUTPUTS];
            let bias = out.bias.first_chunk().expect("constants for whole vectors");
            // SAFETY: the same integers, for whose vectors the alignment suffices.
            winograd::collect(tile.sums, bias, unsafe { &mut *held.as_mut_ptr().cast() });
            if tile.wide < 4 {
                for i in 1..tile.high {
                    held.copy_within(4 * i..4 * i + tile.wide, tile.wide * i);
                }
            }
            let count = tile.high * tile.wide;
            // SAFETY: the caller's promises.
            unsafe { requantize::<WIDE>(&held[..count], &tile.places[..count], out, y) };
        }

        /// # Safety
        /// The family's instructions, and what [`Engine::depthwise`] asserts.
        #[target_feature(enable = $features)]
        unsafe fn depthwise(d: &Depthwise<'_>, out: &Out<'_>, y: &mut [i8]) {
            let (whole, rest) = d.places.split_at(d.places.len() & !1);
            // SAFETY: the caller's promises, for some of the pixels.
            unsafe {
                for places in whole.chunks(HELD) {
                    held::<2, BLOCK>(places, out, y, |places| windows(d, places, out));
                }
                held::<1, BLOCK>(rest, out, y, |places| windows(d, places, out));
            }
        }

        /// The sums of `M` windows.
        ///
        /// # Safety
        /// As [`depthwise`].
        #[inline]
        #[target_feature(enable = $features)]
        unsafe fn windows<const M: usize>(d: &Depthwise<'_>, places: &[Place; M], out: &Out<'_>) -> [[V; BLOCK]; M] {
            let mut w = d.w.as_ptr();
            // SAFETY: the caller's promises: the taps of each pixel and the weights of each tap are there.
            unsafe {
                let bias: [V; BLOCK] = core::array::from_fn(|n| load(out.bias.as_ptr().add(n * LANES)));
                let mut sums = [bias; M];
                let x = places.map(|place| d.x.as_ptr().add(place.from as usize));
                for &tap in d.taps {
                    for n in 0..BLOCK {
                        let weight = weights(w.add(n * LANES * VALUES));
                        for (sums, x) in sums.iter_mut().zip(x) {
                            sums[n] = dot(sums[n], load(x.add(tap + 4 * n * LANES).cast()), weight);
                        }
                    }
                    w = w.add(BLOCK * LANES * VALUES);
                }
                sums
            }
        }

        #[target_feature(enable = $features)]
        fn put(x: &[i8], values: &mut [u8]) {
            if VALUES == 4 {
                values.iter_mut().zip(x).for_each(|(value, &x)| *value = x as u8 ^ 0x80);
                return;
            }
            let (whole, rest) = x.as_chunks::<16>();
            let (to, to_rest) = values.as_chunks_mut::<32>();
            for (x, to) in whole.iter().zip(to) {
                // SAFETY: sixteen values become thirty-two bytes.
                unsafe { super::v256::widen_to(x.as_ptr(), to.as_mut_ptr()) };
            }
            for (x, to) in rest.iter().zip(to_rest.as_chunks_mut::<2>().0) {
                *to = i16::from(*x).to_le_bytes();
            }
        }

        /// # Safety
        /// The family's instructions, and what [`Engine::interleave`] asserts.
        #[target_feature(enable = $features)]
        unsafe fn interleave(rows: &[&[i8]], step: usize, words: &mut [[u32; BLOCK * LANES]]) {
            for (i, words) in words.iter_mut().enumerate() {
                let block = |row: usize| {
                    // SAFETY: the caller's promise: whole blocks of values lie in the rows.
                    unsafe { load_values(rows[row].as_ptr().add(i * step)) }
                };
                let rows: [V; VALUES] = core::array::from_fn(block);
                for (word, to) in words_of(rows).into_iter().zip(words.as_chunks_mut::<LANES>().0) {
                    // SAFETY: there is room for a vector.
                    unsafe { store(to.as_mut_ptr(), word) };
                }
            }
        }

        finish!($features);
    };
}
