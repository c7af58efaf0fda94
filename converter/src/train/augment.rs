//! Changes by chance that leave the class of a sample as it is: where things are in an image, how bright it is, what is
//! hidden or noisy.
//!
//! They work on prepared samples `[h, w, c]`. Amounts of light and noise are shares of the span between a sample's lowest and
//! highest value, so that they mean the same whatever the preparation is. A sound, which has one axis longer than 1, is shifted in
//! time; it and samples of other shapes know noise and gain.

use crate::error::{Error, Result};
use ndarray::{Array2, ArrayD, ArrayView3, ArrayViewMut3, Axis, Ix3};
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

/// How much of each change there may be; 0 for none.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Augment {
    flip: f32,
    rotate: f32,
    shift: f32,
    scale: f32,
    shear: f32,
    elastic: f32,
    brightness: f32,
    contrast: f32,
    colour: f32,
    noise: f32,
    speckle: f32,
    cutout: f32,
    gain: f32,
    mixup: f32,
}

/// A change by its name.
type Named = (&'static str, fn(&mut Augment) -> &mut f32, &'static str);

/// All changes: name, place, and what its number says.
const CHANGES: &[Named] = &[
    ("flip", |a| &mut a.flip, "share of samples mirrored left to right, 0.5 when no number is given"),
    ("rotate", |a| &mut a.rotate, "degrees at most, either way"),
    (
        "shift",
        |a| &mut a.shift,
        "share of the side at most, each way; of a sound's length, with silence after it",
    ),
    ("scale", |a| &mut a.scale, "zoom at most: 0.1 for 0.9 to 1.1"),
    ("shear", |a| &mut a.shear, "degrees at most, either way"),
    ("elastic", |a| &mut a.elastic, "share of the side by which parts move at most"),
    ("brightness", |a| &mut a.brightness, "share of the span added or taken at most"),
    ("contrast", |a| &mut a.contrast, "share by which differences grow or shrink at most"),
    ("colour", |a| &mut a.colour, "the same for each channel by itself"),
    ("noise", |a| &mut a.noise, "deviation of normal noise, in shares of the span"),
    ("speckle", |a| &mut a.speckle, "deviation of normal noise, in shares of each value"),
    ("cutout", |a| &mut a.cutout, "side of a square that is hidden, as a share of the image's"),
    ("gain", |a| &mut a.gain, "share by which all values grow or shrink at most: how loud a sound is"),
    ("mixup", |a| &mut a.mixup, "largest share of another sample that is mixed in, with its label"),
];

impl Augment {
    /// Reads a list such as `flip,shift=0.1,rotate=10`.
    pub fn parse(text: &str) -> Result<Self> {
        let refuse = |part: &str, cause: String| {
            let known: Vec<String> =
                CHANGES.iter().map(|(name, _, what)| format!("{name}: {what}")).collect();
            Error::new("cannot read the changes by chance")
                .at(format!("--augment {part}"))
                .cause(cause)
                .remedy(format!("write a list like flip,shift=0.1,rotate=10 of:\n{}", known.join("\n")))
        };
        let mut augment = Augment::default();
        for part in text.split(',').map(str::trim).filter(|p| !p.is_empty()) {
            let (name, amount) =
                part.split_once('=').unwrap_or((part, if part == "flip" { "0.5" } else { "" }));
            let Some((_, place, _)) = CHANGES.iter().find(|(known, ..)| *known == name) else {
                return Err(refuse(part, format!("there is no change \"{name}\"")));
            };
            match amount.parse::<f32>() {
                Ok(amount) if amount.is_finite() && amount >= 0.0 => *place(&mut augment) = amount,
                _ => return Err(refuse(part, format!("\"{amount}\" is not a number from 0 up"))),
            }
        }
        Ok(augment)
    }

    /// Whether nothing changes.
    pub fn is_none(&self) -> bool {
        *self == Augment::default()
    }

    /// The share of another sample to mix into a batch (mixup, Zhang et al., 2018).
    pub(super) fn mixed(&self, random: &mut impl Rng) -> f32 {
        between(random, 0.0, self.mixup)
    }

    /// Changes a sample.
    pub(super) fn apply(&self, x: &mut ArrayD<f32>, random: &mut impl Rng) {
        let (low, high) = x.iter().fold((f32::MAX, f32::MIN), |(l, h), &v| (l.min(v), h.max(v)));
        let span = high - low;
        if x.shape().iter().filter(|&&extent| extent > 1).count() == 1 {
            self.delayed(x, random);
        } else if let Ok(mut image) = x.view_mut().into_dimensionality::<Ix3>() {
            self.moved(&mut image, random);
            self.lit(&mut image, span, random);
            self.hidden(&mut image, random);
        }
        if self.gain > 0.0 {
            let gain = 1.0 + either(random, self.gain);
            x.mapv_inplace(|v| v * gain);
        }
        if self.noise > 0.0 || self.speckle > 0.0 {
            for value in x.iter_mut() {
                *value += normal(random) * self.noise * span + normal(random) * self.speckle * *value;
            }
        }
    }

    /// A sound that begins earlier or later.
    fn delayed(&self, x: &mut ArrayD<f32>, random: &mut impl Rng) {
        let by = (either(random, self.shift) * x.len() as f32).round() as isize;
        if by == 0 {
            return;
        }
        let before: Vec<f32> = x.iter().copied().collect();
        let at = |i: isize| usize::try_from(i).ok().and_then(|i| before.get(i)).copied().unwrap_or(0.0);
        x.iter_mut().enumerate().for_each(|(i, value)| *value = at(i as isize - by));
    }

    /// Flip, rotation, shift, scale, shear and elastic deformation, in one go: each pixel is fetched from where it was. What lies
    /// outside is as the nearest edge.
    fn moved(&self, image: &mut ArrayViewMut3<'_, f32>, random: &mut impl Rng) {
        let still = [self.flip, self.rotate, self.shift, self.scale, self.shear, self.elastic]
            .iter()
            .all(|&a| a == 0.0);
        if still {
            return;
        }
        let (height, width, channels) = image.dim();
        let mirrored = random.random::<f32>() < self.flip;
        let angle = either(random, self.rotate).to_radians();
        let lean = either(random, self.shear).to_radians().tan();
        let zoom = 1.0 / (1.0 + either(random, self.scale)).max(0.1);
        let offset = [either(random, self.shift) * height as f32, either(random, self.shift) * width as f32];
        let bend = Bend::new(self.elastic * height.max(width) as f32, random);
        let before = image.to_owned();
        let middle = [(height as f32 - 1.0) / 2.0, (width as f32 - 1.0) / 2.0];
        let (sin, cos) = angle.sin_cos();
        for row in 0..height {
            for col in 0..width {
                let (dy, dx) = ((row as f32 - middle[0]) * zoom, (col as f32 - middle[1]) * zoom);
                let dx = if mirrored { -dx } else { dx } + lean * dy;
                let [by, bx] = bend.at(row as f32 / height as f32, col as f32 / width as f32);
                let y = middle[0] + cos * dy - sin * dx - offset[0] + by;
                let x = middle[1] + sin * dy + cos * dx - offset[1] + bx;
                for channel in 0..channels {
                    image[[row, col, channel]] = between_pixels(before.view(), y, x, channel);
                }
            }
        }
    }

    /// Brightness, contrast and colour.
    fn lit(&self, image: &mut ArrayViewMut3<'_, f32>, span: f32, random: &mut impl Rng) {
        if [self.brightness, self.contrast, self.colour].iter().all(|&a| a == 0.0) {
            return;
        }
        let (shift, gain) = (either(random, self.brightness) * span, 1.0 + either(random, self.contrast));
        let mean = image.mean().unwrap_or(0.0);
        for mut channel in image.axis_iter_mut(Axis(2)) {
            let own = [either(random, self.colour) * span, 1.0 + either(random, self.colour)];
            channel.mapv_inplace(|v| (v - mean) * gain * own[1] + mean + shift + own[0]);
        }
    }

    /// A square of the image's mean (cutout, DeVries and Taylor, 2017).
    fn hidden(&self, image: &mut ArrayViewMut3<'_, f32>, random: &mut impl Rng) {
        if self.cutout == 0.0 {
            return;
        }
        let (height, width, _) = image.dim();
        let mean = image.mean().unwrap_or(0.0);
        let range = |extent: usize, random: &mut dyn FnMut() -> f32| {
            let side = self.cutout * extent as f32;
            let start = random() * extent as f32 - side / 2.0;
            let clip = |v: f32| v.clamp(0.0, extent as f32) as usize;
            clip(start)..clip(start + side)
        };
        let mut draw = || random.random::<f32>();
        let (rows, cols) = (range(height, &mut draw), range(width, &mut draw));
        let all = ndarray::Slice::from;
        let mut square = image.slice_axis_mut(Axis(0), all(rows));
        square.slice_axis_mut(Axis(1), all(cols)).fill(mean);
    }
}

/// A smooth field of displacements: a coarse grid of random ones, mixed between its points (after Simard et al., 2003).
struct Bend([Array2<f32>; 2]);

impl Bend {
    const POINTS: usize = 5;

    fn new(amount: f32, random: &mut impl Rng) -> Self {
        let side = Self::POINTS;
        Bend(std::array::from_fn(|_| Array2::from_shape_simple_fn((side, side), || either(random, amount))))
    }

    /// The displacement in pixels at a place, whose coordinates are shares of the sides.
    fn at(&self, y: f32, x: f32) -> [f32; 2] {
        let last = (Self::POINTS - 1) as f32;
        std::array::from_fn(|i| {
            let grid = self.0[i].view().insert_axis(Axis(2));
            between_pixels(grid, y * last, x * last, 0)
        })
    }
}

/// The mixture of the four pixels around a place.
fn between_pixels(image: ArrayView3<'_, f32>, y: f32, x: f32, channel: usize) -> f32 {
    let (height, width, _) = image.dim();
    let split = |at: f32, extent: usize| {
        let at = at.clamp(0.0, (extent - 1) as f32);
        let near = at as usize;
        (near, (near + 1).min(extent - 1), at - near as f32)
    };
    let (top, bottom, down) = split(y, height);
    let (left, right, along) = split(x, width);
    let row = |r: usize| image[[r, left, channel]] * (1.0 - along) + image[[r, right, channel]] * along;
    row(top) * (1.0 - down) + row(bottom) * down
}

/// A number from −`most` to `most`.
fn either(random: &mut impl Rng, most: f32) -> f32 {
    between(random, -most, most)
}

fn between(random: &mut impl Rng, low: f32, high: f32) -> f32 {
    low + (high - low) * random.random::<f32>()
}

/// A normal number (Box and Muller, 1958).
pub(super) fn normal(random: &mut impl Rng) -> f32 {
    let radius = (-2.0 * (1.0 - random.random::<f32>()).ln()).sqrt();
    radius * (std::f32::consts::TAU * random.random::<f32>()).cos()
}

#[cfg(test)]
mod tests {
    use super::super::dataset::chance;
    use super::*;
    use ndarray::Array3;

    fn ramp() -> ArrayD<f32> {
        Array3::from_shape_fn((8, 8, 2), |(r, c, k)| (r * 8 + c + 100 * k) as f32).into_dyn()
    }

    fn changed(list: &str) -> ArrayD<f32> {
        let mut x = ramp();
        Augment::parse(list).unwrap().apply(&mut x, &mut chance(5, &[]));
        x
    }

    #[test]
    fn a_certain_flip_mirrors_exactly() {
        let mirrored = changed("flip=1");
        let wanted = Array3::from_shape_fn((8, 8, 2), |(r, c, k)| (r * 8 + 7 - c + 100 * k) as f32);
        assert_eq!(mirrored, wanted.into_dyn());
    }

    #[test]
    fn every_change_changes_something_and_nothing_leaves_the_range_that_only_moves() {
        for (name, ..) in CHANGES.iter().filter(|c| c.0 != "mixup") {
            let amount = if ["rotate", "shear"].contains(name) { "20" } else { "0.4" };
            let list = if *name == "flip" { "flip=1".to_owned() } else { format!("{name}={amount}") };
            let x = changed(&list);
            assert_ne!(x, ramp(), "{name}");
            assert_eq!(x, changed(&list), "{name} follows from the seed");
            if ["flip", "rotate", "shift", "scale", "shear", "elastic", "cutout"].contains(name) {
                assert!(x.iter().all(|v| (0.0..=163.0).contains(v)), "{name}");
            }
        }
        assert_eq!(changed(""), ramp());
    }

    #[test]
    fn a_sound_is_moved_in_time_and_silence_follows() {
        let sound = ArrayD::from_shape_fn(vec![1, 100], |i| 1.0 + i[1] as f32);
        let mut moved = sound.clone();
        Augment::parse("shift=0.3,rotate=20").unwrap().apply(&mut moved, &mut chance(2, &[]));
        let silent = moved.iter().filter(|&&v| v == 0.0).count();
        assert!((1..=30).contains(&silent), "{silent}");
        let kept: Vec<f32> = moved.iter().copied().filter(|&v| v != 0.0).collect();
        assert!(kept.windows(2).all(|w| w[1] == w[0] + 1.0) && kept.len() == 100 - silent);

        let mut louder = sound.clone();
        Augment::parse("gain=0.5").unwrap().apply(&mut louder, &mut chance(2, &[]));
        let gain = louder[[0, 0]];
        assert!(
            (0.5..=1.5).contains(&gain)
                && louder.iter().zip(&sound).all(|(l, s)| (l - s * gain).abs() < 1e-4)
        );
    }

    #[test]
    fn noise_has_the_deviation_that_is_asked_for() {
        let mut random = chance(1, &[]);
        let draws: Vec<f32> = (0..20_000).map(|_| normal(&mut random)).collect();
        let mean = draws.iter().sum::<f32>() / 20_000.0;
        let square = draws.iter().map(|d| d * d).sum::<f32>() / 20_000.0;
        assert!(mean.abs() < 0.03 && (square - 1.0).abs() < 0.05, "{mean} {square}");
    }

    #[test]
    fn unknown_changes_and_amounts_are_refused() {
        for bad in ["spin", "flip=x", "rotate", "noise=-1", "shift=inf"] {
            assert!(Augment::parse(bad).unwrap_err().remedy.contains("rotate"), "{bad}");
        }
    }
}
