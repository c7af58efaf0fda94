//! The reference models of the benchmark: what their runner sends and what it expects back.

/// How the sent bytes become the input of an int8 model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Data {
    /// They are the input.
    Int8,
    /// Pixels from 0 to 255; the input is 128 less.
    Uint8,
    /// Little-endian `f32`, to be quantized by the input's scale and zero point.
    Float,
}

/// A model of the suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Benchmark {
    /// Its name in the protocol, such as `kws01`.
    pub name: &'static str,
    /// What the runner sends.
    pub data: Data,
    /// Whether the result is one number, the mean squared difference between input and output, rather than the output.
    pub reconstruction: bool,
}

impl Benchmark {
    /// The models of the suite.
    pub const ALL: [Self; 4] = [
        Self { name: "kws01", data: Data::Int8, reconstruction: false },
        Self { name: "vww01", data: Data::Uint8, reconstruction: false },
        Self { name: "ic01", data: Data::Uint8, reconstruction: false },
        Self { name: "ad01", data: Data::Float, reconstruction: true },
    ];

    /// The model of this name; any other is taken for an image classifier of the user's.
    pub fn named(name: &'static str) -> Self {
        let known = Self::ALL.into_iter().find(|benchmark| benchmark.name == name);
        known.unwrap_or(Self { name, data: Data::Uint8, reconstruction: false })
    }

    /// Gives the values of the result that the model's `output` means. `data` are the bytes that the runner sent.
    pub fn results(&self, data: &[u8], output: impl Iterator<Item = f32>, each: &mut dyn FnMut(f32)) {
        if !self.reconstruction {
            return output.for_each(each);
        }
        let (mut sum, mut count) = (0.0, 0u32);
        for (real, value) in floats(data).zip(output) {
            sum += (value - real) * (value - real);
            count += 1;
        }
        each(sum / count.max(1) as f32);
    }
}

/// Little-endian floats.
pub(crate) fn floats(data: &[u8]) -> impl Iterator<Item = f32> {
    data.chunks_exact(4).map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}

impl Data {
    /// How many bytes the runner sends for an input of `elements`.
    pub fn bytes(self, elements: usize) -> usize {
        elements * if self == Self::Float { 4 } else { 1 }
    }

    /// Stores what the sent bytes mean into an int8 input; `quantize` is the input's.
    pub fn store(self, data: &[u8], input: &mut [u8], quantize: impl Fn(f32) -> i8) {
        match self {
            Self::Int8 => input.iter_mut().zip(data).for_each(|(to, from)| *to = *from),
            Self::Uint8 => input.iter_mut().zip(data).for_each(|(to, from)| *to = *from ^ 0x80),
            Self::Float => {
                input.iter_mut().zip(floats(data)).for_each(|(to, real)| *to = quantize(real) as u8);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_inputs() {
        let mut input = [0; 3];
        Data::Int8.store(&[1, 2, 255], &mut input, |_| 0);
        assert_eq!(input, [1, 2, 255]);
        Data::Uint8.store(&[0, 128, 255], &mut input, |_| 0);
        assert_eq!(input.map(|byte| byte as i8), [-128, 0, 127]);
        let mut data = [0; 12];
        for (to, real) in data.chunks_exact_mut(4).zip([-2.0f32, 0.0, 7.0]) {
            to.copy_from_slice(&real.to_le_bytes());
        }
        Data::Float.store(&data, &mut input, |real| real as i8 * 3);
        assert_eq!(input.map(|byte| byte as i8), [-6, 0, 21]);
    }

    #[test]
    fn an_anomaly_is_a_mean_squared_difference() {
        let data: [u8; 8] = core::array::from_fn(|i| if i < 4 { 1.0f32 } else { 3.0 }.to_le_bytes()[i % 4]);
        let mut results = [0.0; 1];
        Benchmark::named("ad01").results(&data, [2.0, 1.0].into_iter(), &mut |value| results[0] = value);
        assert_eq!(results, [2.5]);
    }
}
