//! Convolution, and what it shares with pooling: image operands of one or two axes, and the padding
//! attributes.

use super::attributes::Call;
use super::build::{Import, Lowered};
use crate::ir::{Op, ValueId, Window};
use ndarray::Array4;

/// Conv.
pub(crate) fn conv<'a>(im: &mut Import<'a>, call: &Call<'a>) -> Lowered {
    let x = im.operand(call, 0)?;
    let weights = im.floats(call, 1)?.ok_or("it has no weights")?;
    let image = Image::of(im, call, x)?;
    let (w, kernel) = match *weights.shape() {
        [o, i, k] if image.axes == 1 => {
            let flat = weights.to_shape([o, i, 1, k]).map_err(|e| e.to_string())?.into_owned().into_dyn();
            (im.graph.add_const(&format!("{}_weights", call.name), flat), [1, k])
        }
        [_, _, h, w] if image.axes == 2 => (im.operand(call, 1)?, [h, w]),
        _ => return Err(format!("weights of shape {:?} for {} image axes", weights.shape(), image.axes)),
    };
    if let Some(declared) = call.pair("kernel_shape", image.axes, 1)?
        && declared != kernel
    {
        return Err(format!("its kernel_shape is {declared:?}, its weights have {kernel:?}"));
    }
    let mut window = geometry(call, kernel, &image)?;
    window.pads = pads(call, &window, &image)?;
    let groups = match call.int("group")? {
        None => 1,
        Some(g) => usize::try_from(g).map_err(|_| format!("it has {g} groups"))?,
    };
    let mut inputs = vec![image.value, w];
    if im.floats(call, 2)?.is_some() {
        inputs.push(im.operand(call, 2)?);
    }
    let Window { stride, dilation, pads, .. } = window;
    image.emit(im, call, Op::Conv { stride, dilation, pads, groups }, &inputs)
}

/// ConvTranspose. Weights of groups become those of one group, with zeros; those of a dilated kernel lie apart, with zeros.
pub(crate) fn transposed<'a>(im: &mut Import<'a>, call: &Call<'a>) -> Lowered {
    let x = im.operand(call, 0)?;
    let weights = im.floats(call, 1)?.ok_or("it has no weights")?;
    let image = Image::of(im, call, x)?;
    let (inputs, per_group, kernel) = match *weights.shape() {
        [i, o, k] if image.axes == 1 => (i, o, [1, k]),
        [i, o, h, w] if image.axes == 2 => (i, o, [h, w]),
        _ => return Err(format!("weights of shape {:?} for {} image axes", weights.shape(), image.axes)),
    };
    let groups = usize::try_from(call.int("group")?.unwrap_or(1)).unwrap_or(0);
    if groups == 0 || !inputs.is_multiple_of(groups) || kernel.contains(&0) {
        return Err(format!("its weights of shape {:?} have no {groups} groups", weights.shape()));
    }
    let Window { stride, dilation, .. } = geometry(call, kernel, &image)?;
    let weights = weights.to_shape([inputs, per_group, kernel[0], kernel[1]]).map_err(|e| e.to_string())?;
    let extent = [0, 1].map(|a| (kernel[a] - 1) * dilation[a] + 1);
    if extent[0].saturating_mul(extent[1]) > 1 << 20 {
        return Err(format!("its kernel {kernel:?} in steps of {dilation:?} is too large"));
    }
    let mut whole = Array4::zeros([per_group * groups, inputs, extent[0], extent[1]]);
    for ((i, o, y, x), &w) in weights.indexed_iter() {
        let group = i / (inputs / groups);
        whole[[group * per_group + o, i, y * dilation[0], x * dilation[1]]] = w;
    }
    let w = im.graph.add_const(&format!("{}_weights", call.name), whole.into_dyn());
    let result = im.result_shape(call)?;
    let extra = call.ints("output_padding")?.unwrap_or(&[]).to_vec();
    let mut cut = [0; 2];
    for (k, axis) in (2 - image.axes..2).enumerate() {
        let out = *result.get(2 + k).ok_or("its result is not an image")?;
        let extra =
            extra.get(k).map_or(Ok(0), |&e| usize::try_from(e)).map_err(|_| "its padding is negative")?;
        let total = (stride[axis] * (image.size[axis] - 1) + extra + extent[axis]).checked_sub(out);
        let total = total.ok_or_else(|| format!("it does not reach {out} pixels"))?;
        cut[axis] = match call.text("auto_pad")?.unwrap_or("NOTSET") {
            _ if call.ints("output_shape")?.is_none() && call.ints("pads")?.is_some() => {
                explicit_pads(call, image.axes)?[axis]
            }
            "SAME_UPPER" => total / 2,
            "SAME_LOWER" => total - total / 2,
            "NOTSET" | "" if call.ints("output_shape")?.is_some() => total - total / 2,
            "NOTSET" | "" | "VALID" => 0,
            other => return Err(format!("its auto_pad is \"{other}\"")),
        };
        if cut[axis] >= extent[axis] {
            return Err(format!("its pads {cut:?} are not smaller than its kernel {extent:?}"));
        }
    }
    let mut inputs = vec![image.value, w];
    if im.floats(call, 2)?.is_some() {
        inputs.push(im.operand(call, 2)?);
    }
    image.emit(im, call, Op::ConvTranspose { stride, cut }, &inputs)
}

/// An operand with batch, channels and one or two image axes, as a rank-4 value.
pub(crate) struct Image {
    /// The rank-4 value.
    pub(crate) value: ValueId,
    /// Height and width.
    pub(crate) size: [usize; 2],
    /// Image axes in the file: 1 or 2.
    pub(crate) axes: usize,
}

impl Image {
    /// Brings an operand into rank 4.
    pub(crate) fn of<'a>(im: &mut Import<'a>, call: &Call<'a>, x: ValueId) -> Lowered<Image> {
        match *im.graph.shape(x) {
            [_, _, h, w] => Ok(Image { value: x, size: [h, w], axes: 2 }),
            [n, c, w] => {
                let value = im.step(call, "image", Op::Reshape, &[x], &[n, c, 1, w])?;
                Ok(Image { value, size: [1, w], axes: 1 })
            }
            _ => Err(format!(
                "its input has shape {:?}; images of 1 or 2 axes are possible",
                im.graph.shape(x)
            )),
        }
    }

    /// Adds `op` and brings its rank-4 result into the rank the file has.
    pub(crate) fn emit<'a>(
        &self,
        im: &mut Import<'a>,
        call: &Call<'a>,
        op: Op,
        inputs: &[ValueId],
    ) -> Lowered {
        if self.axes == 2 {
            return im.emit(call, op, inputs);
        }
        let &[n, c, w] = &im.result_shape(call)?[..] else {
            return Err("its result is not an image of one axis".to_owned());
        };
        let result = im.reshaped(call, "row", op, inputs, &[n, c, 1, w])?;
        im.emit(call, Op::Reshape, &[result])
    }
}

/// Strides and dilations; the pads are left 0.
pub(crate) fn geometry(call: &Call<'_>, kernel: [usize; 2], image: &Image) -> Lowered<Window> {
    let stride = call.pair("strides", image.axes, 1)?.unwrap_or([1, 1]);
    let dilation = call.pair("dilations", image.axes, 1)?.unwrap_or([1, 1]);
    Ok(Window { kernel, stride, dilation, pads: [0; 4] })
}

/// Padding as `[top, left, bottom, right]`, from `pads` or `auto_pad`.
pub(crate) fn pads(call: &Call<'_>, window: &Window, image: &Image) -> Lowered<[usize; 4]> {
    match call.text("auto_pad")?.unwrap_or("NOTSET") {
        "NOTSET" | "" => explicit_pads(call, image.axes),
        "VALID" => Ok([0; 4]),
        mode @ ("SAME_UPPER" | "SAME_LOWER") => {
            let mut pads = [0; 4];
            for axis in 0..2 {
                let reach = (window.kernel[axis] - 1) * window.dilation[axis] + 1;
                let steps = image.size[axis].div_ceil(window.stride[axis]).saturating_sub(1);
                let total = (steps * window.stride[axis] + reach).saturating_sub(image.size[axis]);
                let (less, more) = (total / 2, total - total / 2);
                let upper = mode == "SAME_UPPER";
                pads[axis] = if upper { less } else { more };
                pads[axis + 2] = if upper { more } else { less };
            }
            Ok(pads)
        }
        other => Err(format!("its auto_pad is \"{other}\"")),
    }
}

fn explicit_pads(call: &Call<'_>, axes: usize) -> Lowered<[usize; 4]> {
    let Some(list) = call.ints("pads")? else { return Ok([0; 4]) };
    let one = |i: i64| {
        usize::try_from(i).ok().filter(|&p| p <= 1 << 16).ok_or_else(|| format!("its pads are {list:?}"))
    };
    match *list {
        [left, right] if axes == 1 => Ok([0, one(left)?, 0, one(right)?]),
        [top, left, bottom, right] if axes == 2 => Ok([one(top)?, one(left)?, one(bottom)?, one(right)?]),
        _ => Err(format!("its pads are {list:?} for {axes} image axes")),
    }
}
