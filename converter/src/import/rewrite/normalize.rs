//! Normalisations by statistics of the sample itself, and by neighbouring channels: written out as means, a square root and
//! products, each of which is calibrated. What batch normalisation does with constant statistics is not here.

use super::{Writer, attribute, input};
use crate::proto::{float, int, ints};
use tract_onnx::pb::NodeProto;

/// What ONNX takes where a file names no epsilon.
const EPSILON: f32 = 1e-5;

/// How the mean over the normalised elements is taken.
enum Over {
    /// Everything behind the channels, whatever its rank.
    Image,
    /// The last axes, this many.
    Last(usize),
}

impl Writer {
    fn mean_over(&mut self, x: &str, over: &Over) -> String {
        let Over::Last(count) = over else { return self.step("GlobalAveragePool", &[x], vec![]) };
        let axes: Vec<i64> = (1..=*count as i64).rev().map(|axis| -axis).collect();
        self.along("ReduceMean", x, &axes)
    }

    /// (x − mean) / √(variance + epsilon).
    fn standardized(&mut self, node: &NodeProto, x: &str, over: &Over) -> String {
        let mean = self.mean_over(x, over);
        let centred = self.step("Sub", &[x, &mean], vec![]);
        let square = self.step("Mul", &[&centred, &centred], vec![]);
        let variance = self.mean_over(&square, over);
        let epsilon = attribute(node, "epsilon").map_or(EPSILON, |a| a.f);
        let epsilon = self.floats(&[epsilon]);
        let above = self.step("Add", &[&variance, &epsilon], vec![]);
        let deviation = self.step("Sqrt", &[&above], vec![]);
        self.step("Div", &[&centred, &deviation], vec![])
    }

    /// Inputs of a batch normalisation that multiplies channels by the node's scale and adds its bias, at any rank.
    fn scale_and_bias(&mut self, node: &NodeProto, x: String) -> Result<[String; 5], String> {
        let scale = input(node, 1);
        let Some(&[channels]) = self.shapes.get(&scale).map(Vec::as_slice) else {
            return Err("its scale is no constant list".to_owned());
        };
        let channels =
            usize::try_from(channels).ok().filter(|&c| c < 1 << 24).ok_or("its scale is too long")?;
        let (none, one) = (self.floats(&vec![0.0; channels]), self.floats(&vec![1.0; channels]));
        Ok([x, scale, input(node, 2), none, one])
    }

    pub(super) fn layer_normalization(&mut self, node: &NodeProto) -> Option<Result<(), String>> {
        if node.output.iter().skip(1).any(|o| !o.is_empty()) {
            return Some(Err("its mean or its deviation is an output".to_owned()));
        }
        // Axes are counted from the end: the rank is not known here, and the scale has one axis for each.
        let axis = attribute(node, "axis").map_or(-1, |a| a.i);
        let scale = self.shapes.get(&input(node, 1)).map(Vec::len);
        let count = if axis < 0 { usize::try_from(axis.unsigned_abs()).ok() } else { scale };
        let Some(count) = count.filter(|count| (1..=8).contains(count)) else {
            return Some(Err(format!(
                "its axis is {axis}, and its scale is no constant with an axis for each"
            )));
        };
        let normal = self.standardized(node, &input(node, 0), &Over::Last(count));
        let bias = node.input.get(2).filter(|bias| !bias.is_empty());
        let Some(bias) = bias else { return self.last(node, "Mul", &[&normal, &input(node, 1)], vec![]) };
        let scaled = self.step("Mul", &[&normal, &input(node, 1)], vec![]);
        self.last(node, "Add", &[&scaled, bias], vec![])
    }

    pub(super) fn instance_normalization(&mut self, node: &NodeProto) -> Option<Result<(), String>> {
        let normal = self.standardized(node, &input(node, 0), &Over::Image);
        Some(self.scale_and_bias(node, normal).map(|inputs| {
            let inputs = inputs.each_ref().map(String::as_str);
            self.last(node, "BatchNormalization", &inputs, vec![float("epsilon", 0.0)]);
        }))
    }

    /// Since operator set 21 there is a scale for each channel, before one for each group.
    pub(super) fn group_normalization(&mut self, node: &NodeProto) -> Option<Result<(), String>> {
        let groups = attribute(node, "num_groups").map_or(0, |a| a.i);
        if groups < 1 {
            return Some(Err(format!("it has {groups} groups")));
        }
        let x = input(node, 0);
        let shape = self.step("Shape", &[&x], vec![]);
        let rows = self.integers(&[0, groups, -1]);
        let rows = self.step("Reshape", &[&x, &rows], vec![]);
        let normal = self.standardized(node, &rows, &Over::Last(1));
        let of_groups = self.from < 21;
        let normal = if of_groups { normal } else { self.step("Reshape", &[&normal, &shape], vec![]) };
        Some(self.scale_and_bias(node, normal).map(|inputs| {
            let inputs = inputs.each_ref().map(String::as_str);
            let epsilon = vec![float("epsilon", 0.0)];
            if of_groups {
                let scaled = self.step("BatchNormalization", &inputs, epsilon);
                self.last(node, "Reshape", &[&scaled, &shape], vec![]);
            } else {
                self.last(node, "BatchNormalization", &inputs, epsilon);
            }
        }))
    }

    /// x · (bias + alpha · mean of the squares of `size` channels around it)^−beta: with channels last, the mean is a pool
    /// along them.
    pub(super) fn lrn(&mut self, node: &NodeProto) -> Option<Result<(), String>> {
        let number = |name: &str, default: f32| attribute(node, name).map_or(default, |a| a.f);
        let (alpha, beta, bias) = (number("alpha", 1e-4), number("beta", 0.75), number("bias", 1.0));
        let size = attribute(node, "size").map_or(0, |a| a.i);
        if !(1..=255).contains(&size) {
            return Some(Err(format!("its size is {size}")));
        }
        let x = input(node, 0);
        let square = self.step("Mul", &[&x, &x], vec![]);
        let last = self.step("Transpose", &[&square], vec![ints("perm", [0, 2, 3, 1])]);
        let (before, after) = ((size - 1) / 2, size / 2);
        let window = vec![
            ints("kernel_shape", [1, size]),
            ints("pads", [0, before, 0, after]),
            int("count_include_pad", 1),
        ];
        let mean = self.step("AveragePool", &[&last], window);
        let mean = self.step("Transpose", &[&mean], vec![ints("perm", [0, 3, 1, 2])]);
        let [alpha, bias, power] = [alpha, bias, -beta].map(|number| self.floats(&[number]));
        let scaled = self.step("Mul", &[&mean, &alpha], vec![]);
        let above = self.step("Add", &[&scaled, &bias], vec![]);
        let factor = self.step("Pow", &[&above, &power], vec![]);
        self.last(node, "Mul", &[&x, &factor], vec![])
    }
}
