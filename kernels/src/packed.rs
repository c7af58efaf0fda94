//! Layers whose weights are packed once for the vectors of a host, and run whole, on one or several threads. They give
//! the bits of the kernels in `table`; a host that has memory for a second copy of the weights takes them for the
//! layers in which the time goes.

mod add;
mod channels;
mod conv;
mod depthwise;
pub(crate) mod engine;
mod fused;
mod image;
mod memory;
mod threads;
pub(crate) mod winograd;

pub(crate) use channels::Profile;
pub use threads::Threads;

use engine::Engine;
use mote_format::Op;

use crate::view::Io;

/// One layer with its packed weights.
pub struct Packed {
    kind: Kind,
    family: &'static str,
}

enum Kind {
    Conv(conv::Conv),
    Winograd(winograd::Winograd),
    Depthwise(depthwise::Depthwise),
    Add(add::AddLayer),
}

/// The family of this name, when this machine has it.
fn engine(isa: &str) -> Option<&'static dyn Engine> {
    #[cfg(target_arch = "x86_64")]
    let mut present = crate::isa::x86::present();
    #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
    let mut present = crate::isa::aarch64::present();
    #[cfg(not(any(target_arch = "x86_64", all(target_arch = "aarch64", target_endian = "little"))))]
    let mut present = core::iter::empty::<&'static dyn Engine>();
    present.find(|engine| engine.name() == isa)
}

impl Packed {
    /// A layer for an instruction set, of whose operands only shapes, scales and constants are looked at. `None` where
    /// the layer or the set has no packed form.
    pub fn new(isa: &str, op: &Op, io: &Io<'_>) -> Option<Self> {
        let engine = engine(isa)?;
        let channels = io.y.shape.channels();
        let vector = narrow(engine, channels, 1);
        let kind = match op {
            Op::Conv2d(p) => match winograd::Winograd::new(vector, p, io) {
                Some(layer) => Kind::Winograd(layer),
                None => Kind::Conv(conv::Conv::new(vector, p, io)?),
            },
            Op::FullyConnected(p) => Kind::Conv(conv::Conv::dense(vector, p, io)?),
            Op::Conv2dPalette(p) => Kind::Conv(conv::Conv::palette(vector, p, io)?),
            Op::FullyConnectedPalette(p) => Kind::Conv(conv::Conv::dense_palette(vector, p, io)?),
            Op::DepthwiseConv2d(p) => {
                Kind::Depthwise(depthwise::Depthwise::new(narrow(engine, channels, 4), p, io)?)
            }
            Op::Add(p) => Kind::Add(add::AddLayer::new(engine, p, io)?),
            _ => return None,
        };
        Some(Self { kind, family: engine.name() })
    }

    /// What computes it: the micro-kernel and the family of vectors, which may be shorter than those of the instruction set.
    pub fn micro_kernel(&self) -> (&'static str, &'static str) {
        let name = match &self.kind {
            Kind::Conv(_) => "packed product",
            Kind::Winograd(_) => "packed winograd",
            Kind::Depthwise(_) => "packed depthwise",
            Kind::Add(_) => "packed add",
        };
        (name, self.family)
    }

    /// Bytes of packed weights.
    pub fn bytes(&self) -> usize {
        match &self.kind {
            Kind::Conv(conv) => conv.bytes(),
            Kind::Winograd(layer) => layer.bytes(),
            Kind::Depthwise(depthwise) => depthwise.bytes(),
            Kind::Add(_) => 0,
        }
    }

    /// Runs the layer on operands of the shapes that it was made for; the second is empty where there is one.
    pub fn run(&self, [x, b]: [&[i8]; 2], y: &mut [i8], threads: &Threads) {
        match &self.kind {
            Kind::Conv(conv) => conv.run(x, y, threads),
            Kind::Winograd(layer) => layer.run(x, y, threads),
            Kind::Depthwise(depthwise) => depthwise.run(x, y, threads),
            Kind::Add(add) => add.run(x, b, y, threads),
        }
    }
}

/// The family for so many channels in blocks of some vectors: vectors of half the length where half of a block of long
/// ones would stay empty.
fn narrow(wide: &'static dyn Engine, channels: usize, vectors: usize) -> &'static dyn Engine {
    let block = vectors * wide.lanes();
    let half_empty = channels.next_multiple_of(block) - channels >= block / 2;
    let half = half_empty.then(|| wide.half().and_then(engine)).flatten();
    half.unwrap_or(wide)
}
