//! Small networks, made node by node: what trainings begin with.

use super::random::Random;
use mote_converter::export;
use mote_converter::ir::{Activation, Graph, Node, Op, Origin, ValueId};
use ndarray::{ArrayD, IxDyn};

/// A number from 0 to 1.
pub(crate) fn unit(random: &mut Random) -> f32 {
    random.below(1 << 24) as f32 / (1u32 << 24) as f32
}

/// A graph under construction: every node reads the one before.
pub(crate) struct Chain {
    graph: Graph,
    last: ValueId,
    random: Random,
}

impl Chain {
    /// Begins with a square grey image.
    pub(crate) fn new(side: usize) -> Self {
        let mut graph = Graph::new("chain");
        let shape = [1, 1, side, side];
        let last = graph.add_value("image", &shape, Some(Origin::of("image", &shape)));
        graph.inputs.push(last);
        Chain { graph, last, random: Random::new(7) }
    }

    fn numbers(&mut self, shape: &[usize], spread: f32) -> ArrayD<f32> {
        ArrayD::from_shape_simple_fn(IxDyn(shape), || (unit(&mut self.random) - 0.5) * spread)
    }

    fn constant(&mut self, name: &str, values: ArrayD<f32>) -> ValueId {
        self.graph.add_const(name, values)
    }

    /// A node that reads the one before, and constants.
    pub(crate) fn node(&mut self, name: &str, op: Op, constants: &[ValueId], shape: &[usize]) {
        let output = self.graph.add_value(
            &format!("{name}_out"),
            shape,
            Some(Origin::of(format!("{name}_out"), shape)),
        );
        let inputs = [&[self.last], constants].concat();
        self.graph.nodes.push(Node { name: name.into(), op, inputs, output, clamp: None });
        self.last = output;
    }

    /// A convolution to images of this side, with batch normalisation and ReLU.
    pub(crate) fn conv(&mut self, name: &str, [from, to]: [usize; 2], side: usize, stride: usize) {
        let weights = self.numbers(&[to, from, 3, 3], 0.8);
        let w = self.constant(&format!("{name}/w"), weights);
        let op = Op::Conv { stride: [stride; 2], dilation: [1, 1], pads: [1; 4], groups: 1 };
        let shape = [1, to, side, side];
        self.node(&format!("{name}/conv"), op, &[w], &shape);
        let start = [1.0, 0.0, 0.0, 1.0].map(|v| ArrayD::from_elem(IxDyn(&[to]), v));
        let parts: Vec<ValueId> =
            start.into_iter().enumerate().map(|(i, v)| self.constant(&format!("{name}/bn{i}"), v)).collect();
        self.node(&format!("{name}/bn"), Op::BatchNorm { epsilon: 1e-3 }, &parts, &shape);
        self.node(&format!("{name}/relu"), Op::Activation(Activation::Relu), &[], &shape);
    }

    /// A dense layer and a softmax.
    pub(crate) fn classes(&mut self, [from, to]: [usize; 2]) {
        let (w, b) = (self.numbers(&[to, from], 0.8), ArrayD::zeros(IxDyn(&[to])));
        let parts = [self.constant("head/w", w), self.constant("head/b", b)];
        self.node("head", Op::FullyConnected, &parts, &[1, to]);
        self.node("softmax", Op::Softmax { axis: 1 }, &[], &[1, to]);
    }

    /// The network as ONNX.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.graph.outputs.push(self.last);
        self.graph.check().expect("a sound graph");
        export::onnx(&self.graph).expect("it can be written")
    }
}
