//! Choices drawn from a list of numbers, so that proptest can shrink a case by shrinking the list: smaller numbers
//! make smaller shapes and plainer data. A list that has run out gives the plainest choice.

use mote_format::{Rounding, Scale};

/// A source of choices.
pub(crate) struct Draw<'a> {
    choices: &'a [u32],
}

impl<'a> Draw<'a> {
    pub(crate) fn new(choices: &'a [u32]) -> Self {
        Self { choices }
    }

    pub(crate) fn any(&mut self) -> u32 {
        let Some((first, rest)) = self.choices.split_first() else { return 0 };
        self.choices = rest;
        *first
    }

    /// `low..=high`, `low` being the plainest.
    pub(crate) fn range(&mut self, low: u32, high: u32) -> u32 {
        low + self.any() % (high - low + 1)
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.any() as usize % from.len()]
    }

    /// True once in `n`.
    pub(crate) fn once_in(&mut self, n: u32) -> bool {
        self.any() % n == n - 1
    }

    /// Int8 values: noise, or one extreme throughout, or both extremes in turn.
    pub(crate) fn bytes(&mut self, n: usize) -> Vec<u8> {
        match self.range(0, 7) {
            0..4 => crate::common::noise(u64::from(self.any()), n),
            4 => vec![0x80; n],
            5 => vec![0x7F; n],
            6 => (0..n).map(|i| if i % 2 == 0 { 0x80 } else { 0x7F }).collect(),
            _ => {
                crate::common::noise(u64::from(self.any()), n).iter().map(|b| 0x80 | b & 1 ^ b >> 7).collect()
            }
        }
    }

    /// Int16 values: noise, small ones, or extremes.
    pub(crate) fn words16(&mut self, n: usize) -> Vec<u8> {
        let how = self.range(0, 7);
        let noise = crate::common::noise(u64::from(self.any()), 2 * n);
        let words = noise.chunks_exact(2).enumerate().map(|(i, b)| match how {
            0..4 => i16::from_le_bytes([b[0], b[1]]),
            4 => i16::MIN,
            5 => i16::MAX,
            6 => [i16::MIN, i16::MAX][i % 2],
            _ => i16::from(b[0] as i8),
        });
        words.flat_map(i16::to_le_bytes).collect()
    }

    /// Noise whatever happens, as 32-bit numbers.
    fn words(&mut self, n: usize) -> Vec<i32> {
        let bytes = crate::common::noise(u64::from(self.any()), 4 * n);
        bytes.chunks_exact(4).map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
    }

    /// Biases: small, of any size, or at the bounds.
    pub(crate) fn biases(&mut self, n: usize) -> Vec<i32> {
        let how = self.range(0, 5);
        let extremes = [0, i32::MIN, i32::MAX, 1 << 30, -(1 << 30), 1];
        self.words(n)
            .into_iter()
            .map(|w| match how {
                0..3 => w >> 18,
                3 => w,
                4 => w >> 8,
                _ => extremes[w.unsigned_abs() as usize % extremes.len()],
            })
            .collect()
    }

    pub(crate) fn rounding(&mut self) -> Rounding {
        self.pick(&[Rounding::Double, Rounding::Single, Rounding::Float])
    }

    /// A multiplier that suits sums of about `2^bits`, or one at the bounds.
    pub(crate) fn scale(&mut self, round: Rounding, bits: i32) -> Scale {
        let wild = self.once_in(4);
        if round == Rounding::Float {
            let plain = (self.range(1, 2000) as f32 / 2000.0) * 2f32.powi(7 - bits);
            let extremes = [0.0, f32::MAX, f32::MIN_POSITIVE, 1e-45, -0.0, -plain, 1.0, 0.5, 1e30];
            let value = if wild { self.pick(&extremes) } else { plain };
            return Scale { mult: value.to_bits() as i32, shift: 0 };
        }
        if wild {
            let mult = self.pick(&[0, i32::MAX, 1, 1 << 30, (1 << 30) + 1, (1 << 30) - 1, 0x2AAA_AAAB]);
            return Scale { mult, shift: self.range(0, 61) as i8 - 31 };
        }
        let mult = (1 << 30) + (self.any() & ((1 << 30) - 1)) as i32;
        Scale { mult, shift: (7 - bits + self.range(0, 2) as i32).clamp(-31, 30) as i8 }
    }

    /// Bounds of an output: mostly none, otherwise crossing nothing.
    pub(crate) fn bounds(&mut self) -> (i8, i8) {
        if !self.once_in(3) {
            return (-128, 127);
        }
        let (a, b) = (self.any() as i8, self.any() as i8);
        (a.min(b), a.max(b))
    }

    /// The same for int16.
    pub(crate) fn bounds16(&mut self) -> (i16, i16) {
        if !self.once_in(3) {
            return (i16::MIN, i16::MAX);
        }
        let (a, b) = (self.any() as i16, self.any() as i16);
        (a.min(b), a.max(b))
    }

    pub(crate) fn zero(&mut self) -> i32 {
        self.pick(&[0, -128, 127, -3, 5, -100, 99])
    }
}
