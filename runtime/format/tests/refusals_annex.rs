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
        |w| {
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
