//! Images at another size. LiteRT computes with 10 fraction bits, or in floats where it only looks for the nearest pixel or
//! the image is uint8.

use super::file::Node;
use super::lower::Lowering;
use super::slices::along_axes;
use super::window::image;
use crate::error::Result;
use crate::resample::{ONE, Sample, store};
use mote_format::{Op as Kernel, Resize, Rounding};
use tract_tflite::tflite::TensorType;

/// How output positions map to input positions.
#[derive(Clone, Copy)]
struct Grid {
    align_corners: bool,
    half_pixel_centers: bool,
}

pub(super) fn bilinear<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let options = l.options(node, node.options.builtin_options_as_resize_bilinear_options())?;
    let grid =
        Grid { align_corners: options.align_corners(), half_pixel_centers: options.half_pixel_centers() };
    match l.input(node, 0)?.kind {
        TensorType::UINT8 => resize(l, node, grid, Rounding::Float, Grid::between_in_floats),
        _ => resize(l, node, grid, Rounding::Double, Grid::between),
    }
}

pub(super) fn nearest<'a>(l: &mut Lowering<'a>, node: &Node<'a>) -> Result<()> {
    let options = l.options(node, node.options.builtin_options_as_resize_nearest_neighbor_options())?;
    let grid =
        Grid { align_corners: options.align_corners(), half_pixel_centers: options.half_pixel_centers() };
    if l.input(node, 0)?.kind != TensorType::INT16 {
        let nearest = |grid: Grid, o, input, output| Some(grid.nearest(o, input, output));
        return resize(l, node, grid, Rounding::Double, nearest);
    }
    // The kernel of images takes bytes; rows and columns of any width are gathered.
    let ([n, h, w, c], [rows, cols]) = (image(l, node)?, size(l, node, grid)?);
    let near = |o, input, output| grid.nearest(o, input, output).near;
    let rows = (0..rows).map(|o| near(o, h, rows)).collect();
    let cols = (0..cols).map(|o| near(o, w, cols)).collect();
    along_axes(l, node, &[(0..n).collect(), rows, cols, (0..c).collect()])
}

/// The size that the file asks for.
fn size(l: &Lowering<'_>, node: &Node<'_>, grid: Grid) -> Result<[usize; 2]> {
    if grid.align_corners && grid.half_pixel_centers {
        return Err(l.refuse(node, "it aligns both corners and centers"));
    }
    let size = l.integers(node, 1)?;
    for &n in &size {
        l.narrow::<u16>(node, "height or width", n)?;
    }
    match size[..] {
        [h, w] if h > 0 && w > 0 => Ok([h as usize, w as usize]),
        _ => Err(l.refuse(node, format!("its size is {size:?}"))),
    }
}

fn resize<'a>(
    l: &mut Lowering<'a>,
    node: &Node<'a>,
    grid: Grid,
    round: Rounding,
    sample: impl Fn(Grid, usize, usize, usize) -> Option<Sample>,
) -> Result<()> {
    let (x, [h, w]) = (image(l, node)?, size(l, node, grid)?);
    l.keeps_scale(node, 0)?;
    for n in [x[1], x[2]] {
        l.narrow::<u16>(node, "height or width", n as i64)?;
    }
    l.expect_shape(node, &[x[0], h, w, x[3]])?;
    let mut table = |input: usize, output: usize| {
        let samples: Option<Vec<Sample>> = (0..output).map(|o| sample(grid, o, input, output)).collect();
        samples.and_then(|s| store(&mut l.program.writer, &s))
    };
    let (Some(rows), Some(cols)) = (table(x[1], h), table(x[2], w)) else {
        return Err(l.refuse(node, format!("LiteRT reads outside the image from {x:?} to {h} x {w}")));
    };
    let (input, _) = l.operand(node, 0)?;
    l.push(node, Kernel::Resize(Resize { rows, cols, round }), &[input])
}

impl Grid {
    /// `ResizeBilinearInteger`: two neighbours and the share of the second. `None` where LiteRT's rounded step leads it out
    /// of the image, as it does in very large enlargements.
    fn between(self, o: usize, input: usize, output: usize) -> Option<Sample> {
        let [o, input, output] = [o as i64, input as i64, output as i64];
        let step = if self.align_corners && output > 1 {
            (ONE * (input - 1) + (output - 1) / 2) / (output - 1)
        } else {
            (ONE * input + output / 2) / output
        };
        let at = o * step + if self.half_pixel_centers { step / 2 - ONE / 2 } else { 0 };
        let near = (at / ONE).max(0);
        let far = ((at + ONE - 1) / ONE).min(input - 1);
        // Equal neighbours make the share irrelevant; only there may it lie outside 0..=1.
        let share = if near == far { 0 } else { at - ONE * near };
        (near < input).then_some(Sample { near: near as usize, far: far as usize, share: share as i32 })
    }

    /// `ComputeInterpolationValues`, in its floats. Outside the image both neighbours are the pixel at its edge.
    fn between_in_floats(self, o: usize, input: usize, output: usize) -> Option<Sample> {
        let step = self.float_step(input, output);
        let at = if self.half_pixel_centers { (o as f32 + 0.5) * step - 0.5 } else { o as f32 * step };
        let near = at.floor().max(0.0) as usize;
        let far = (at.ceil().max(0.0) as usize).min(input - 1);
        let share = (at - near as f32).to_bits() as i32;
        (near < input).then_some(Sample { near, far, share })
    }

    fn float_step(self, input: usize, output: usize) -> f32 {
        if self.align_corners && output > 1 {
            (input - 1) as f32 / (output - 1) as f32
        } else {
            input as f32 / output as f32
        }
    }

    /// `GetNearestNeighbor`, in its floats.
    fn nearest(self, o: usize, input: usize, output: usize) -> Sample {
        let step = self.float_step(input, output);
        let at = (o as f32 + if self.half_pixel_centers { 0.5 } else { 0.0 }) * step;
        let whole = if self.align_corners { at.round() } else { at.floor() };
        Sample::at((whole as usize).min(input - 1))
    }
}
