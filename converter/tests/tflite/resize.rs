//! Images at another size.

use crate::Case;
use crate::builder::{Model, Q, options};
use tract_tflite::tflite::BuiltinOperator as B;

const SCALE: Q = (0.05, -9);

/// What the positions of output pixels mean.
#[derive(Clone, Copy, PartialEq)]
enum Grid {
    Plain,
    Corners,
    Centers,
}

pub(crate) fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    for grid in [Grid::Plain, Grid::Corners, Grid::Centers] {
        for (from, to) in
            [([3, 4], [6, 8]), ([5, 7], [3, 2]), ([4, 4], [9, 1]), ([1, 6], [3, 13]), ([2, 2], [33, 31])]
        {
            all.extend([bilinear(grid, from, to), nearest(grid, from, to)]);
        }
    }
    all
}

fn model(bilinear: bool, grid: Grid, from: [i32; 2], to: [i32; 2]) -> Model {
    let mut m = Model::default();
    let (x, size) = (m.input(&[2, from[0], from[1], 3], SCALE), m.ints(&[2], &to));
    let y = m.value(&[2, to[0], to[1], 3], SCALE);
    let (align_corners, half_pixel_centers) = (grid == Grid::Corners, grid == Grid::Centers);
    let (code, options) = if bilinear {
        let options = options!(
            ResizeBilinearOptions,
            ResizeBilinearOptionsArgs {
                align_corners: align_corners,
                half_pixel_centers: half_pixel_centers
            }
        );
        (B::RESIZE_BILINEAR, options)
    } else {
        let options = options!(
            ResizeNearestNeighborOptions,
            ResizeNearestNeighborOptionsArgs {
                align_corners: align_corners,
                half_pixel_centers: half_pixel_centers
            }
        );
        (B::RESIZE_NEAREST_NEIGHBOR, options)
    };
    m.op(code, &[x, size], y, Some(options)).output(y);
    m
}

/// `f` of image, row, column and channel, for every element of the output.
fn each(to: [i32; 2], f: impl Fn([usize; 4]) -> i8) -> Vec<u8> {
    let [h, w] = to.map(|n| n as usize);
    (0..2 * h * w * 3).map(|i| f([i / 3 / w / h, i / 3 / w % h, i / 3 % w, i % 3]) as u8).collect()
}

/// A position with 10 fraction bits: whole part, next whole part, fraction; held inside the image.
fn position(grid: Grid, o: usize, from: i32, to: i32) -> (usize, usize, i64) {
    let (o, from, to) = (o as i64, i64::from(from), i64::from(to));
    let divide = |a: i64, b: i64| (a + b / 2).div_euclid(b);
    let step = match grid {
        Grid::Corners if to > 1 => divide(1024 * (from - 1), to - 1),
        _ => divide(1024 * from, to),
    };
    let at = o * step + if grid == Grid::Centers { step / 2 - 512 } else { 0 };
    let at = at.clamp(0, 1024 * (from - 1));
    ((at / 1024) as usize, ((at + 1023) / 1024) as usize, at % 1024)
}

fn bilinear(grid: Grid, from: [i32; 2], to: [i32; 2]) -> Case {
    let [h, w] = from.map(|n| n as usize);
    Case::new("RESIZE_BILINEAR", &model(true, grid, from, to), move |x| {
        each(to, |[n, oy, ox, c]| {
            let (y0, y1, fy) = position(grid, oy, from[0], to[0]);
            let (x0, x1, fx) = position(grid, ox, from[1], to[1]);
            let value = |y: usize, q: usize| i64::from(x[((n * h + y) * w + q) * 3 + c]);
            let row = |y: usize| value(y, x0) * (1024 - fx) + value(y, x1) * fx;
            let sum = (row(y0) * (1024 - fy) + row(y1) * fy) as f64 / f64::from(1 << 20);
            sum.round() as i8
        })
    })
}

fn nearest(grid: Grid, from: [i32; 2], to: [i32; 2]) -> Case {
    let [h, w] = from.map(|n| n as usize);
    let find = move |o: usize, axis: usize| {
        let (from, to) = (from[axis] as f32, to[axis] as f32);
        let at = match grid {
            Grid::Corners if to > 1.0 => (o as f32 * ((from - 1.0) / (to - 1.0))).round(),
            Grid::Centers => ((o as f32 + 0.5) * (from / to)).floor(),
            _ => (o as f32 * (from / to)).floor(),
        };
        at.min(from - 1.0) as usize
    };
    Case::new("RESIZE_NEAREST_NEIGHBOR", &model(false, grid, from, to), move |x| {
        each(to, |[n, oy, ox, c]| x[((n * h + find(oy, 0)) * w + find(ox, 1)) * 3 + c])
    })
}
