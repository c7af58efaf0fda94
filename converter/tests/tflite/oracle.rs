//! The arithmetic of TFLite's reference kernels in wide integers, written without a look at `mote-kernels`.

/// A positive real as m · 2^(e − 31) with 2^30 ≤ m < 2^31.
fn multiplier(real: f64) -> (i128, i32) {
    let (mut fraction, mut exponent) = (real, 0);
    while fraction >= 1.0 {
        (fraction, exponent) = (fraction / 2.0, exponent + 1);
    }
    while fraction < 0.5 {
        (fraction, exponent) = (fraction * 2.0, exponent - 1);
    }
    let mantissa = (fraction * 2f64.powi(31)).round() as i128;
    if mantissa == 1 << 31 { (1 << 30, exponent + 1) } else { (mantissa, exponent) }
}

/// acc · real, rounded twice.
pub(crate) fn double(acc: i64, real: f64) -> i64 {
    let (mantissa, exponent) = multiplier(real);
    let wide = (i128::from(acc) << exponent.max(0)) * mantissa;
    let high = (wide + (1 << 30)).div_euclid(1 << 31);
    let divisor = 1i128 << (-exponent).max(0);
    let away = (high.abs() + divisor / 2) / divisor;
    (if high < 0 { -away } else { away }) as i64
}

/// acc · real in floats of 64 bits, rounded half away from zero.
pub(crate) fn float(acc: i64, real: f64) -> i64 {
    (acc as f64 * real).round() as i64
}

pub(crate) fn clamp(value: i64, (min, max): (i64, i64)) -> i8 {
    value.clamp(min, max) as i8
}

/// A window over an image.
#[derive(Clone, Copy)]
pub(crate) struct Slide {
    pub(crate) kernel: [usize; 2],
    pub(crate) stride: usize,
    pub(crate) dilation: usize,
    pub(crate) same: bool,
}

impl Slide {
    /// Output length and padding in front.
    pub(crate) fn axis(&self, input: usize, axis: usize) -> (usize, usize) {
        let extent = (self.kernel[axis] - 1) * self.dilation + 1;
        if self.same {
            let out = input.div_ceil(self.stride);
            (out, ((out - 1) * self.stride + extent).saturating_sub(input) / 2)
        } else {
            ((input - extent) / self.stride + 1, 0)
        }
    }

    /// For every output of an image `[h, w]`, row by row, the taps inside: tap's row and column, image's row and column.
    pub(crate) fn outputs(&self, [h, w]: [usize; 2]) -> Vec<Vec<[usize; 4]>> {
        let ((rows, top), (columns, left)) = (self.axis(h, 0), self.axis(w, 1));
        let mut all = Vec::new();
        for (oy, ox) in (0..rows).flat_map(|oy| (0..columns).map(move |ox| (oy, ox))) {
            let mut taps = Vec::new();
            for (ky, kx) in (0..self.kernel[0]).flat_map(|y| (0..self.kernel[1]).map(move |x| (y, x))) {
                let y = (oy * self.stride + ky * self.dilation).checked_sub(top).filter(|&y| y < h);
                let x = (ox * self.stride + kx * self.dilation).checked_sub(left).filter(|&x| x < w);
                if let (Some(y), Some(x)) = (y, x) {
                    taps.push([ky, kx, y, x]);
                }
            }
            all.push(taps);
        }
        all
    }
}
