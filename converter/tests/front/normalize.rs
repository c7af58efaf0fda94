//! Normalisations that importing writes out, and pads of some axes, beside naive loops: what is imported, and the float
//! reference, which sees what was written out, are equal to them.

use crate::builder::{Model, Random, float, int, text};
use crate::{same, same_with};
use mote_converter::import::{self, InputShapes};
use mote_converter::reference::Reference;
use ndarray::{ArrayD, Axis, IxDyn, Slice};

/// `y` by the reference and by the function are equal.
fn is(m: &Model, expected: impl Fn(&ArrayD<f32>) -> ArrayD<f32>) {
    same_with(&m.bytes(), &InputShapes::default(), 2.0);
    let reference = Reference::new(&m.bytes(), &InputShapes::default(), &["y".to_owned()]).unwrap();
    let x = Random::new(3).tensor(&reference.inputs()[0].shape) * 2.0;
    let (ours, theirs) = (&reference.run(std::slice::from_ref(&x)).unwrap()[0], expected(&x));
    assert_eq!(ours.shape(), theirs.shape());
    let worst = ours.iter().zip(&theirs).fold(0.0f32, |m, (a, b)| m.max((a - b).abs()));
    assert!(worst < 1e-4, "{worst}");
}

/// Rows of `count` elements with mean 0 and variance 1.
fn standardized(x: &ArrayD<f32>, count: usize, epsilon: f32) -> ArrayD<f32> {
    let mut y = x.as_standard_layout().into_owned();
    for row in y.as_slice_mut().unwrap().chunks_exact_mut(count) {
        let mean = row.iter().sum::<f32>() / count as f32;
        let variance = row.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / count as f32;
        row.iter_mut().for_each(|v| *v = (*v - mean) / (variance + epsilon).sqrt());
    }
    y
}

fn constant(m: &mut Model, name: &str) -> ArrayD<f32> {
    let tensor = m.graph().initializer.iter().find(|t| t.name == name).unwrap();
    let shape: Vec<usize> = tensor.dims.iter().map(|&d| d as usize).collect();
    let data = tensor.raw_data.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect();
    ArrayD::from_shape_vec(IxDyn(&shape), data).unwrap()
}

/// A factor and a sum for each channel.
fn by_channel(mut y: ArrayD<f32>, scale: &ArrayD<f32>, bias: &ArrayD<f32>) -> ArrayD<f32> {
    for (c, mut channel) in y.axis_iter_mut(Axis(1)).enumerate() {
        channel.mapv_inplace(|v| v * scale[c] + bias[c]);
    }
    y
}

#[test]
fn layer_normalization() {
    for (axis, shape) in [(-1, vec![6]), (2, vec![6]), (1, vec![4, 6]), (-2, vec![4, 6])] {
        for bias in [false, true] {
            let mut m = Model::new(17);
            m.input("x", &[1, 4, 6]).weights("s", &shape).weights("b", &shape);
            let inputs: &[&str] = if bias { &["x", "s", "b"] } else { &["x", "s"] };
            m.node("LayerNormalization", inputs, "y", &[int("axis", axis), float("epsilon", 1e-3)]);
            m.output("y");
            let (scale, shift) = (constant(&mut m, "s"), constant(&mut m, "b"));
            is(&m, |x| {
                let y = standardized(x, scale.len(), 1e-3) * &scale;
                if bias { y + &shift } else { y }
            });
        }
    }
}

#[test]
fn instance_normalization() {
    for shape in [vec![1, 3, 5, 4], vec![1, 3, 7]] {
        let mut m = Model::new(13);
        m.input("x", &shape).weights("s", &[3]).weights("b", &[3]);
        m.node("InstanceNormalization", &["x", "s", "b"], "y", &[]).output("y");
        let (scale, bias) = (constant(&mut m, "s"), constant(&mut m, "b"));
        let image = shape[2..].iter().product::<i64>() as usize;
        is(&m, |x| by_channel(standardized(x, image, 1e-5), &scale, &bias));
    }
}

#[test]
fn group_normalization() {
    for (opset, many) in [(18, 2), (21, 4)] {
        let mut m = Model::new(opset);
        m.input("x", &[1, 4, 3, 5]).weights("s", &[many]).weights("b", &[many]);
        m.node("GroupNormalization", &["x", "s", "b"], "y", &[int("num_groups", 2)]).output("y");
        let (scale, bias) = (constant(&mut m, "s"), constant(&mut m, "b"));
        let each = |a: &ArrayD<f32>| ArrayD::from_shape_fn(IxDyn(&[4]), |i| a[i[0] * many as usize / 4]);
        is(&m, |x| by_channel(standardized(x, 30, 1e-5), &each(&scale), &each(&bias)));
    }
}

#[test]
fn local_response_normalization() {
    for size in [1i64, 3, 4] {
        let mut m = Model::new(13);
        let given = [int("size", size), float("alpha", 0.5), float("beta", 0.6), float("bias", 1.5)];
        m.input("x", &[1, 5, 3, 2]).node("LRN", &["x"], "y", &given).output("y");
        is(&m, |x| {
            ArrayD::from_shape_fn(x.raw_dim(), |at| {
                let first = (at[1] as i64 - (size - 1) / 2).max(0);
                let last = (at[1] as i64 + size / 2).min(4);
                let near = (first..=last).map(|c| x[[at[0], c as usize, at[2], at[3]]].powi(2));
                x[&at] / (1.5 + 0.5 / size as f32 * near.sum::<f32>()).powf(0.6)
            })
        });
    }
}

#[test]
fn pads_of_some_axes() {
    let mut m = Model::new(18);
    m.input("x", &[1, 2, 4, 5]).integers("pads", &[1, 2, 3, 0]).integers("axes", &[-1, 2]).floats(
        "v",
        &[],
        &[0.5],
    );
    m.node("Pad", &["x", "pads", "v", "axes"], "y", &[]).output("y");
    same(&m.bytes());
    is(&m, |x| {
        let mut y = ArrayD::from_elem(IxDyn(&[1, 2, 6, 9]), 0.5);
        let inner = |a: ndarray::AxisDescription| match a.axis.index() {
            2 => Slice::from(2..6),
            3 => Slice::from(1..6),
            _ => Slice::from(..),
        };
        y.slice_each_axis_mut(inner).assign(x);
        y
    });
}

#[test]
fn what_they_cannot_be() {
    let refused = |m: &Model| import::onnx(&m.bytes(), &InputShapes::default()).unwrap_err().to_string();
    let mut m = Model::new(17);
    m.input("x", &[1, 4]).input("s", &[4]).node("LayerNormalization", &["x", "s"], "y", &[int("axis", 1)]);
    assert!(refused(m.output("y")).contains("its axis is 1"));
    let mut m = Model::new(13);
    m.input("x", &[1, 3, 4]).input("s", &[3]).input("b", &[3]);
    m.node("InstanceNormalization", &["x", "s", "b"], "y", &[]).output("y");
    assert!(refused(&m).contains("no constant list"), "{}", refused(&m));
    let mut m = Model::new(21);
    m.input("x", &[1, 4, 4]).weights("s", &[4]).weights("b", &[4]);
    m.node("GroupNormalization", &["x", "s", "b"], "y", &[int("num_groups", 0)]).output("y");
    assert!(refused(&m).contains("0 groups"));
    let mut m = Model::new(13);
    m.input("x", &[1, 3, 8, 8]).floats("scales", &[4], &[1.0, 1.0, 2.0, 2.0]);
    m.node("Resize", &["x", "", "scales"], "y", &[text("mode", "cubic")]).output("y");
    assert!(refused(&m).contains("cubic"), "{}", refused(&m));
}
