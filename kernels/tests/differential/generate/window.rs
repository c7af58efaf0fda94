//! Convolutions, pools and the dense layer.

use super::*;

/// One axis of a sliding window that the format accepts.
struct Axis {
    input: u32,
    output: u32,
    kernel: u32,
    stride: u32,
    dilation: u32,
    pads: (u32, u32),
}

impl Axis {
    fn draw(d: &mut Draw<'_>, dilated: bool, kernels: u32) -> Self {
        let kernel = d.range(1, kernels);
        let dilation = if dilated { d.pick(&[1, 1, 1, 2, 3]) } else { 1 };
        let extent = (kernel - 1) * dilation + 1;
        let pads = if d.once_in(2) { (d.range(0, extent - 1), d.range(0, extent - 1)) } else { (0, 0) };
        let stride = d.pick(&[1, 1, 2, 3]);
        let least = extent.saturating_sub(pads.0 + pads.1).max(1);
        let input = d.range(least, least + 7);
        let output = (input + pads.0 + pads.1 - extent) / stride + 1;
        Self { input, output, kernel, stride, dilation, pads }
    }
}

pub(super) struct Window {
    h: Axis,
    w: Axis,
    images: u32,
}

impl Window {
    pub(super) fn draw(d: &mut Draw<'_>, dilated: bool, kernels: u32) -> Self {
        let (h, w) = (Axis::draw(d, dilated, kernels), Axis::draw(d, dilated, kernels));
        Self { h, w, images: d.pick(&[1, 1, 2]) }
    }

    /// Of three by three at stride 1 over images of some size, as most convolutions have.
    fn three(d: &mut Draw<'_>) -> Self {
        let mut axis = || {
            let (pads, output) = ((d.range(0, 2), d.range(0, 2)), d.range(1, 13));
            let input = (output + 2).saturating_sub(pads.0 + pads.1).max(1);
            Axis { input, output: input + pads.0 + pads.1 - 2, kernel: 3, stride: 1, dilation: 1, pads }
        };
        let (h, w) = (axis(), axis());
        Self { h, w, images: d.pick(&[1, 1, 2]) }
    }

    pub(super) fn stride(&self) -> Stride {
        Stride { h: self.h.stride as u8, w: self.w.stride as u8 }
    }

    pub(super) fn dilation(&self) -> Stride {
        Stride { h: self.h.dilation as u8, w: self.w.dilation as u8 }
    }

    pub(super) fn pads(&self) -> Pads {
        Pads {
            top: self.h.pads.0 as u16,
            left: self.w.pads.0 as u16,
            bottom: self.h.pads.1 as u16,
            right: self.w.pads.1 as u16,
        }
    }

    pub(super) fn kernel(&self) -> (u16, u16) {
        (self.h.kernel as u16, self.w.kernel as u16)
    }

    pub(super) fn taps(&self) -> u32 {
        self.h.kernel * self.w.kernel
    }

    pub(super) fn x(&self, channels: u32) -> [u32; 4] {
        [self.images, self.h.input, self.w.input, channels]
    }

    pub(super) fn y(&self, channels: u32) -> [u32; 4] {
        [self.images, self.h.output, self.w.output, channels]
    }
}

pub(crate) fn conv2d(d: &mut Draw<'_>) -> Case {
    convolution(d, |_, _, layer, _| Op::Conv2d(layer))
}

pub(crate) fn conv2d_asymmetric(d: &mut Draw<'_>) -> Case {
    convolution(d, |d, _, layer, _| {
        Op::Conv2dAsymmetric(Conv2dAsymmetric { layer, weight_zero: d.zero() as i8 })
    })
}

/// Indices at random, those that only fill a row up too; int4 or any palette.
fn indices(d: &mut Draw<'_>, b: &mut Builder, outputs: u32, each: u32) -> [Const; 2] {
    let row = palette_row(each as usize).expect("small");
    let rows = d.bytes(outputs as usize * row);
    let palette = if d.once_in(2) { INT4.map(|v| v as u8).to_vec() } else { d.bytes(PALETTE) };
    [b.i8s(&rows), b.i8s(&palette)]
}

pub(crate) fn conv2d_palette(d: &mut Draw<'_>) -> Case {
    convolution(d, |d, b, layer, [outputs, each]| {
        let [weights, palette] = indices(d, b, outputs, each);
        Op::Conv2dPalette(Conv2dPalette { layer: Conv2d { weights, ..layer }, palette })
    })
}

type ConvolutionOf = fn(&mut Draw<'_>, &mut Builder, Conv2d, [u32; 2]) -> Op;

/// What `op` makes of a convolution, its outputs and the weights of each.
fn convolution(d: &mut Draw<'_>, op: ConvolutionOf) -> Case {
    let mut b = Builder::default();
    let kernels = d.pick(&[1, 3, 5]);
    let window = if d.once_in(4) { Window::three(d) } else { Window::draw(d, kernels > 1, kernels) };
    let groups = d.pick(&[1, 1, 1, 2, 3]);
    let (cin, cout) = if groups == 1 && d.once_in(3) {
        (16 * d.range(1, 5), d.range(10, 40))
    } else if groups == 1 {
        (d.range(1, 40), d.range(1, 40))
    } else {
        (d.range(1, 9), d.range(1, 9))
    };
    let each = window.taps() * cin;
    let (x, y) = (window.x(cin * groups), window.y(cout * groups));
    let (kh, kw) = window.kernel();
    let weights = d.bytes((each * cout * groups) as usize);
    let biases = d.biases(y[3] as usize);
    let layer = Conv2d {
        kh,
        kw,
        stride: window.stride(),
        dilation: window.dilation(),
        pads: window.pads(),
        groups: groups as u16,
        weights: b.i8s(&weights),
        bias: b.i32s(&biases),
        requant: requant(d, &mut b, y[3] as usize, bits(each)),
    };
    let (op, zero) = (op(d, &mut b, layer, [y[3], each]), d.zero());
    unary(d, b, op, &x, &y, quant(0.1, zero))
}

pub(crate) fn depthwise_conv2d(d: &mut Draw<'_>) -> Case {
    depthwise(d, |_, layer| Op::DepthwiseConv2d(layer))
}

pub(crate) fn depthwise_conv2d_asymmetric(d: &mut Draw<'_>) -> Case {
    let op = |d: &mut Draw<'_>, layer| {
        Op::DepthwiseConv2dAsymmetric(DepthwiseConv2dAsymmetric { layer, weight_zero: d.zero() as i8 })
    };
    depthwise(d, op)
}

fn depthwise(d: &mut Draw<'_>, op: fn(&mut Draw<'_>, DepthwiseConv2d) -> Op) -> Case {
    let mut b = Builder::default();
    let window = Window::draw(d, true, 4);
    let multiplier = d.pick(&[1, 1, 1, 2, 3]);
    let cin = d.range(1, if multiplier == 1 { 40 } else { 14 });
    let (x, y) = (window.x(cin), window.y(cin * multiplier));
    let (kh, kw) = window.kernel();
    let weights = d.bytes((window.taps() * y[3]) as usize);
    let biases = d.biases(y[3] as usize);
    let layer = DepthwiseConv2d {
        kh,
        kw,
        stride: window.stride(),
        dilation: window.dilation(),
        pads: window.pads(),
        weights: b.i8s(&weights),
        bias: b.i32s(&biases),
        requant: requant(d, &mut b, y[3] as usize, bits(window.taps())),
    };
    let (op, zero) = (op(d, layer), d.zero());
    unary(d, b, op, &x, &y, quant(0.1, zero))
}

pub(crate) fn fully_connected(d: &mut Draw<'_>) -> Case {
    dense(d, |_, _, layer, _| Op::FullyConnected(layer))
}

pub(crate) fn fully_connected_asymmetric(d: &mut Draw<'_>) -> Case {
    dense(d, |d, _, layer, _| {
        Op::FullyConnectedAsymmetric(FullyConnectedAsymmetric { layer, weight_zero: d.zero() as i8 })
    })
}

pub(crate) fn fully_connected_palette(d: &mut Draw<'_>) -> Case {
    dense(d, |d, b, layer, [outputs, each]| {
        let [weights, palette] = indices(d, b, outputs, each);
        let layer = FullyConnected { weights, ..layer };
        Op::FullyConnectedPalette(FullyConnectedPalette { layer, palette })
    })
}

type DenseOf = fn(&mut Draw<'_>, &mut Builder, FullyConnected, [u32; 2]) -> Op;

/// What `op` makes of a dense layer, its outputs and the weights of each.
fn dense(d: &mut Draw<'_>, op: DenseOf) -> Case {
    let mut b = Builder::default();
    let (cin, cout) = (d.range(1, 100), d.range(1, 40));
    let rows = dims(d, 0, 3, 3);
    let (x, y) = ([&rows[..], &[cin]].concat(), [&rows[..], &[cout]].concat());
    let weights = d.bytes((cin * cout) as usize);
    let biases = d.biases(cout as usize);
    let layer = FullyConnected {
        weights: b.i8s(&weights),
        bias: b.i32s(&biases),
        requant: requant(d, &mut b, cout as usize, bits(cin)),
    };
    let (op, zero) = (op(d, &mut b, layer, [cout, cin]), d.zero());
    unary(d, b, op, &x, &y, quant(0.1, zero))
}

pub(crate) fn max_pool2d(d: &mut Draw<'_>) -> Case {
    let (window, channels, (min, max)) = (Window::draw(d, false, 5), d.range(1, 40), d.bounds());
    let (kh, kw) = window.kernel();
    let op = MaxPool2d { kh, kw, stride: window.stride(), pads: window.pads(), min, max };
    unary(d, Builder::default(), Op::MaxPool2d(op), &window.x(channels), &window.y(channels), quant(0.1, 3))
}

pub(crate) fn avg_pool2d(d: &mut Draw<'_>) -> Case {
    let origin = d.pick(&[0, 0, -128, 17]) as i8;
    let (window, channels, (min, max)) = (Window::draw(d, false, 5), d.range(1, 40), d.bounds());
    let (kh, kw) = window.kernel();
    let op = AvgPool2d { kh, kw, stride: window.stride(), pads: window.pads(), origin, min, max };
    unary(d, Builder::default(), Op::AvgPool2d(op), &window.x(channels), &window.y(channels), quant(0.1, 3))
}

pub(crate) fn sum_pool2d(d: &mut Draw<'_>) -> Case {
    let (window, channels, (min, max)) = (Window::draw(d, false, 5), d.range(1, 40), d.bounds());
    let ((kh, kw), round) = (window.kernel(), d.rounding());
    let scale = d.scale(round, 6 + window.taps().ilog2() as i32);
    let op = SumPool2d { kh, kw, stride: window.stride(), pads: window.pads(), scale, round, min, max };
    let zero = d.zero();
    unary(
        d,
        Builder::default(),
        Op::SumPool2d(op),
        &window.x(channels),
        &window.y(channels),
        quant(0.1, zero),
    )
}
