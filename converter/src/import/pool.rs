//! Pooling with windows and over the whole image.

use super::attributes::Call;
use super::build::{Import, Lowered};
use super::conv::{Image, geometry, pads};
use crate::ir::{Op, Window};

/// MaxPool.
pub(crate) fn max<'a>(im: &mut Import<'a>, call: &Call<'a>) -> Lowered {
    let x = im.operand(call, 0)?;
    let image = Image::of(im, call, x)?;
    let window = window(call, &image)?;
    image.emit(im, call, Op::MaxPool(window), &[image.value])
}

/// AveragePool. With `count_include_pad` the padding becomes an operator of its own, since the
/// graph's average pooling leaves padding out.
pub(crate) fn average<'a>(im: &mut Import<'a>, call: &Call<'a>) -> Lowered {
    let x = im.operand(call, 0)?;
    let mut image = Image::of(im, call, x)?;
    let mut window = window(call, &image)?;
    let pads = window.pads;
    if call.flag("count_include_pad", false)? && pads != [0; 4] {
        if call.flag("ceil_mode", false)? {
            return Err("ceil_mode together with count_include_pad".to_owned());
        }
        let mut padded = im.graph.shape(image.value).to_vec();
        padded[2] += pads[0] + pads[2];
        padded[3] += pads[1] + pads[3];
        let op =
            Op::Pad { before: vec![0, 0, pads[0], pads[1]], after: vec![0, 0, pads[2], pads[3]], value: 0.0 };
        image.value = im.step(call, "padded", op, &[image.value], &padded)?;
        window.pads = [0; 4];
    }
    image.emit(im, call, Op::AveragePool(window), &[image.value])
}

/// GlobalMaxPool.
pub(crate) fn global_max<'a>(im: &mut Import<'a>, call: &Call<'a>) -> Lowered {
    global(im, call, Op::MaxPool)
}

/// GlobalAveragePool.
pub(crate) fn global_average<'a>(im: &mut Import<'a>, call: &Call<'a>) -> Lowered {
    global(im, call, Op::AveragePool)
}

fn global<'a>(im: &mut Import<'a>, call: &Call<'a>, op: fn(Window) -> Op) -> Lowered {
    let x = im.operand(call, 0)?;
    let image = Image::of(im, call, x)?;
    let [height, width] = image.size;
    image.emit(im, call, op(Window::global(height, width)), &[image.value])
}

fn window(call: &Call<'_>, image: &Image) -> Lowered<Window> {
    if call.flag("storage_order", false)? {
        return Err("its storage_order is column major".to_owned());
    }
    let kernel = call.pair("kernel_shape", image.axes, 1)?.ok_or("it has no kernel_shape")?;
    let mut window = geometry(call, kernel, image)?;
    window.pads = pads(call, &window, image)?;
    for axis in 0..2 {
        let reach = (window.kernel[axis] - 1) * window.dilation[axis] + 1;
        if window.pads[axis] >= reach || window.pads[axis + 2] >= reach {
            return Err(format!("its pads {:?} leave windows outside the image", window.pads));
        }
        if call.flag("ceil_mode", false)? {
            window.pads[axis + 2] += ceil_pad(&window, axis, image.size[axis], reach);
        }
    }
    Ok(window)
}

/// What `ceil_mode` amounts to: more padding at the end, so that the last, partial window counts,
/// unless it would start outside the image and its padding.
fn ceil_pad(window: &Window, axis: usize, size: usize, reach: usize) -> usize {
    let padded = size + window.pads[axis] + window.pads[axis + 2];
    let stride = window.stride[axis];
    let Some(rest) = padded.checked_sub(reach).map(|n| n % stride) else { return 0 };
    let start = (padded - reach) - rest + stride;
    if rest == 0 || start >= size + window.pads[axis] { 0 } else { stride - rest }
}
