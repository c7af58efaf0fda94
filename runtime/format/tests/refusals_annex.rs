//! Reasons for refusal of the operators in the model `annex`: each is provoked there, and found at its step.

mod common;

use common::annex::annex;
use mote_format::*;

/// What is wrong, the change, and why the step is then refused.
struct Case(&'static str, fn(&mut ModelWriter), Reason);

/// The first step of an operator is refused in every case.
fn check_all(op: &str, cases: impl IntoIterator<Item = Case>) {
    for Case(what, change, reason) in cases {
        let mut writer = annex().place();
        change(&mut writer);
        // Room for tensors that the change makes larger, and no two buffers on the same bytes.
        for tensor in &mut writer.tensors {
            tensor.offset = writer.arena.next_multiple_of(4);
            writer.arena = tensor.offset + tensor.dims.iter().product::<u32>() * 4;
        }
        for step in &mut writer.steps {
            step.scratch.0 = writer.arena;
            writer.arena += step.scratch.1;
        }
        let error = Model::new_checked(&writer.finish()).err().unwrap_or_else(|| panic!("{what}: accepted"));
        let step = writer.steps.iter().position(|s| s.op.name() == op).expect("such a step");
        let bytes = writer.finish();
        let field = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        let at = (0..step).fold(field(28), |at, _| at + (field(at as usize) >> 16));
        assert_eq!((error.at, error.reason), (at, reason), "{what}");
    }
}

/// The parameters of the first step with this operator.
macro_rules! edit {
    ($name:ident, $($field:ident).+ = $value:expr) => {
        |w: &mut ModelWriter| {
            let found = w.steps.iter_mut().find_map(|s| match &mut s.op {
                Op::$name(p) => Some(p),
                _ => None,
            });
            found.expect("such a step").$($field).+ = $value;
        }
    };
}

/// The record of the tensor that the first step with this operator writes.
fn output<'w>(w: &'w mut ModelWriter, op: &str) -> &'w mut TensorSpec {
    let step = w.steps.iter().position(|s| s.op.name() == op).expect("such a step");
    let inputs = w.tensors.len() - w.steps.len();
    &mut w.tensors[inputs + step]
}

/// A table of one entry.
fn entry(w: &mut ModelWriter, near: u16, far: u16, share: i32) -> Const {
    let words = [i32::from(near) | i32::from(far) << 16, share];
    let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
    w.constant(&bytes)
}

/// Makes the first resize one of a single row, which the entry names.
fn row(w: &mut ModelWriter, round: Rounding, near: u16, far: u16, share: i32) {
    let rows = entry(w, near, far, share);
    output(w, "Resize").dims[1] = 1;
    for step in &mut w.steps {
        if let Op::Resize(p) = &mut step.op {
            (p.rows, p.round) = (rows, round);
            return;
        }
    }
}

#[test]
fn the_model_is_accepted_unchanged() {
    assert!(Model::new_checked(&annex().finish()).is_ok());
}

#[test]
fn resize() {
    const OP: &str = "Resize";
    check_all(
        OP,
        [
            Case("rank", |w| output(w, OP).dims = vec![2, 5, 4], Reason::Shape),
            Case("channels", |w| output(w, OP).dims[3] = 3, Reason::Shape),
            Case("images", |w| output(w, OP).dims[0] = 2, Reason::Shape),
            Case("rows without entries", |w| output(w, OP).dims[1] = 3, Reason::Constant),
            Case("table outside", edit!(Resize, cols.at = 1 << 16), Reason::Constant),
            Case("near row outside", |w| row(w, Rounding::Single, 3, 0, 0), Reason::Parameter),
            Case("far row outside", |w| row(w, Rounding::Single, 0, 3, 0), Reason::Parameter),
            Case("share below 0", |w| row(w, Rounding::Double, 0, 1, -1), Reason::Parameter),
            Case("share above 1", |w| row(w, Rounding::Single, 0, 1, 1025), Reason::Parameter),
            Case(
                "share is not a number",
                |w| row(w, Rounding::Float, 0, 1, f32::NAN.to_bits() as i32),
                Reason::Parameter,
            ),
        ],
    );
}

#[test]
fn strided_copy() {
    const OP: &str = "StridedCopy";
    check_all(
        OP,
        [
            Case("type", |w| output(w, OP).dtype = DType::I32, Reason::DType),
            Case("count", |w| output(w, OP).dims[1] = 2, Reason::Shape),
            Case("no steps at all", edit!(StridedCopy, dims = [0, 1, 1, 3, 2, 4]), Reason::Shape),
            Case("count wraps", edit!(StridedCopy, dims = [1 << 31, 2, 1, 3, 2, 4]), Reason::Parameter),
            Case("begins outside", edit!(StridedCopy, start = 48), Reason::Parameter),
            Case("ends behind the input", edit!(StridedCopy, start = 13), Reason::Parameter),
            Case("reaches before the input", edit!(StridedCopy, start = 7), Reason::Parameter),
            Case("steps too long", edit!(StridedCopy, steps = [0, 0, 0, 17, -8, 1]), Reason::Parameter),
            Case(
                "steps as long as numbers go",
                edit!(StridedCopy, steps = [i32::MAX, i32::MIN, 0, i32::MAX, i32::MIN, i32::MAX]),
                Reason::Parameter,
            ),
        ],
    );
}

#[test]
fn gather() {
    const OP: &str = "Gather";
    check_all(
        OP,
        [
            Case("type", |w| output(w, OP).dtype = DType::F32, Reason::DType),
            Case("axis", edit!(Gather, axis = 4), Reason::Parameter),
            Case("no whole slices", |w| output(w, OP).dims[3] = 3, Reason::Shape),
            Case("too few indices", |w| output(w, OP).dims[1] = 3, Reason::Constant),
            Case("indices misaligned", edit!(Gather, indices.at = 2), Reason::Constant),
            Case(
                "index outside",
                |w| {
                    let indices = w.constant(&[0, 0, 3, 0]);
                    w.steps.iter_mut().for_each(|step| {
                        if let Op::Gather(p) = &mut step.op {
                            p.indices = indices;
                        }
                    });
                },
                Reason::Parameter,
            ),
        ],
    );
}

#[test]
fn transpose_conv2d() {
    const OP: &str = "TransposeConv2d";
    check_all(
        OP,
        [
            Case("rank", |w| output(w, OP).dims = vec![4, 4, 3], Reason::Shape),
            Case("images", |w| output(w, OP).dims[0] = 2, Reason::Shape),
            Case("stride 0", edit!(TransposeConv2d, stride.h = 0), Reason::Parameter),
            Case("stride wider than the kernel", edit!(TransposeConv2d, stride.w = 3), Reason::Parameter),
            Case("rows cut", edit!(TransposeConv2d, top = 3), Reason::Parameter),
            Case("columns cut", edit!(TransposeConv2d, left = 2), Reason::Parameter),
            Case("weights", edit!(TransposeConv2d, kh = 4), Reason::Constant),
            Case("bias of one phase", edit!(TransposeConv2d, bias.len = 12), Reason::Constant),
            Case("multipliers", edit!(TransposeConv2d, requant.mult.len = 8), Reason::Constant),
            Case("channels", |w| output(w, OP).dims[3] = 4, Reason::Constant),
        ],
    );
}

#[test]
fn comparisons_and_slopes() {
    check_all("Maximum", [Case("shape", |w| output(w, "Maximum").dims = vec![3, 2], Reason::Shape)]);
    check_all(
        "Minimum",
        [
            Case("type", |w| output(w, "Minimum").dtype = DType::I32, Reason::DType),
            Case(
                "input repeats beyond the output",
                |w| output(w, "Minimum").dims = vec![1, 3],
                Reason::Shape,
            ),
        ],
    );
    check_all(
        "Div",
        [
            Case("bounds", edit!(Div, min = 101), Reason::Parameter),
            Case("exponent", edit!(Div, scale.shift = 24), Reason::Parameter),
            Case("type", |w| output(w, "Div").dtype = DType::I32, Reason::DType),
        ],
    );
    check_all(
        "Prelu",
        [
            Case("input repeats", |w| output(w, "Prelu").dims = vec![2, 1], Reason::Shape),
            Case("exponent", edit!(Prelu, positive.shift = 31), Reason::Parameter),
            Case("multiplier below zero", edit!(Prelu, negative.mult = -1), Reason::Parameter),
        ],
    );
}

#[test]
fn rows_and_numbers() {
    check_all("L2Norm", [Case("shape", |w| output(w, "L2Norm").dims = vec![6], Reason::Shape)]);
    check_all(
        "TopK",
        [
            Case("type", |w| output(w, "TopK").dtype = DType::F32, Reason::DType),
            Case("more than there are", |w| output(w, "TopK").dims = vec![2, 4], Reason::Shape),
            Case("rows", |w| output(w, "TopK").dims = vec![3, 2], Reason::Shape),
        ],
    );
    check_all(
        "Cast",
        [
            Case("from another type", edit!(Cast, from = DType::U8), Reason::DType),
            Case("to another type", edit!(Cast, to = DType::I32), Reason::DType),
            Case("shape", |w| output(w, "Cast").dims = vec![48], Reason::Shape),
        ],
    );
}

#[test]
fn rows_whose_squares_leave_32_bits() {
    for (length, accepted) in [(33_025, true), (33_026, false)] {
        let mut b = common::builder::Builder::default();
        let q = common::builder::quant(1.0, 0);
        let x = b.input("x", DType::I8, &[length], q);
        let y = b.step(Op::L2Norm(L2Norm {}), &[x], (DType::I8, &[length], q), 0);
        b.output(y);
        let reason = Model::new_checked(&b.finish()).err().map(|e| e.reason);
        assert_eq!(reason, (!accepted).then_some(Reason::Shape));
    }
}
