//! The golden files of version 1 load, say what they were built from, and are what the writer writes today.

mod common;

use std::collections::BTreeSet;
use std::path::Path;

use common::{MODELS, lockstep, readme::bless, steps, walk::walk, zoo::zoo};
use mote_format::{
    AlignedBytes, DType, Error, Model, ModelWriter, OPERATOR_TABLE, OPERATORS, Op, Original, VERSION,
    VERSIONS,
};

fn golden(name: &str, model: fn() -> ModelWriter) -> AlignedBytes {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{name}.mote"));
    if bless() && !path.exists() {
        assert_eq!(VERSION, 1, "a new version gets files of its own; those of version 1 stay as they are");
        std::fs::write(&path, &*model().finish()).expect("writable");
    }
    AlignedBytes::new(&std::fs::read(path).expect("the golden files are in the repository"))
}

#[test]
fn golden_files_load_and_use_every_operator() -> Result<(), Error> {
    let mut used = BTreeSet::new();
    for (name, model) in MODELS {
        let bytes = golden(name, model);
        let model = Model::new_checked(&bytes)?;
        used.extend(model.steps().map(|s| s.op.name()));
        assert!(walk(&model) > 0);
    }
    assert_eq!(used, OPERATORS.iter().copied().collect(), "the golden models use every operator");
    Ok(())
}

#[test]
fn writer_still_writes_the_golden_bytes() {
    assert!(VERSIONS.contains(&1), "version 1 files must always load");
    for (name, model) in MODELS {
        let (golden, written) = (golden(name, model), model().finish());
        let differs = golden.iter().zip(&*written).position(|(a, b)| a != b);
        let same = (differs, golden.len()) == (None, written.len());
        assert!(same, "{name}: the writer's bytes changed within a version, at {differs:?}");
    }
}

/// Regions come back with their names, their costs and their places.
#[test]
fn regions_round_trip() -> Result<(), Error> {
    let writer = lockstep::in_regions();
    let bytes = writer.finish();
    let model = Model::new_checked(&bytes)?;
    assert_eq!(model.bound(), writer.bound);
    let ends: Vec<u32> = model.regions().map(|r| r.end as u32).collect();
    assert_eq!(ends, writer.regions.iter().map(|r| r.end).collect::<Vec<_>>());
    assert!(model.regions().skip(1).zip(model.regions()).all(|(next, region)| next.start == region.end));
    let told = model.named_regions().map(|r| (r.name.to_owned(), r.moved, r.cost));
    assert!(told.eq(writer.regions.iter().map(|r| (r.name.clone(), r.moved, r.cost))));
    assert_eq!(model.groups().count(), 1);
    let whole = zoo().finish();
    let whole = Model::new_checked(&whole)?;
    assert!(
        whole.regions().eq(std::iter::once(0..whole.arena_bytes())) && whole.named_regions().next().is_none()
    );
    Ok(())
}

/// What went into the writer comes out of the reader.
#[test]
fn round_trip() -> Result<(), Error> {
    let mut writer = zoo().place();
    writer.original = Some(Original { macs: 3 << 40 | 7, constant_bytes: u32::MAX, arena_bytes: 800 });
    let bytes = writer.finish();
    let model = Model::new_checked(&bytes)?;
    assert_eq!(model.original(), writer.original);
    assert_eq!(model.name(), writer.name);
    assert_eq!(model.arena_bytes(), writer.arena as usize);
    assert_eq!(usize::from(model.inputs()) + writer.steps.len(), writer.tensors.len());
    assert!(model.outputs().iter().eq(writer.outputs.iter().copied()));
    for (id, spec) in (0..).zip(writer.tensors.iter().chain(&writer.constants)) {
        let tensor = model.tensor(id).expect("every tensor is there");
        assert_eq!(model.tensor_name(&tensor), spec.name);
        assert_eq!((tensor.dtype, tensor.quant, tensor.offset), (spec.dtype, spec.quant, spec.offset));
        assert_eq!(tensor.shape.dims(), spec.dims);
        assert_eq!(tensor.constant, usize::from(id) >= writer.tensors.len());
    }
    for (step, spec) in model.steps().zip(&writer.steps) {
        assert_eq!(step.op, spec.op);
        assert!(step.inputs.iter().eq(spec.inputs.iter().copied()));
        assert_eq!((step.scratch_at, step.scratch_len), spec.scratch);
    }
    for (output, labels) in &writer.labels {
        assert!(model.labels(*output).expect("labels").eq(labels.iter().map(String::as_str)));
    }
    for (input, channels_first, mean, scale) in &writer.preparations {
        let p = model.preparation(*input).expect("a preparation");
        assert_eq!((p.channels_first(), p.len()), (*channels_first, mean.len()));
        assert!((0..p.len()).all(|c| p.mean(c) == mean[c] && p.scale(c) == scale[c]));
        assert_eq!(p.mean(99), mean[mean.len() - 1], "one value stands for all further channels");
    }
    assert!(model.removed().map(|r| r.map(String::from)).eq(writer.removed.iter().cloned()));
    assert!(model.labels(1).is_none() && model.preparation(2).is_none());
    Ok(())
}

/// Bytes behind the model's own length are not its business: a whole flash partition can be passed.
#[test]
fn trailing_bytes_are_ignored() -> Result<(), Error> {
    let model = zoo().finish();
    let mut longer = model.to_vec();
    longer.resize(model.len() + 1000, 0xFF);
    let longer = AlignedBytes::new(&longer);
    assert_eq!(Model::new_checked(&longer)?.bytes(), &*model);
    Ok(())
}

/// A model without steps passes its inputs through; lengths at their bounds are kept.
#[test]
fn smallest_model_and_longest_strings() -> Result<(), Error> {
    let mut b = common::builder::Builder::default();
    let long = "é".repeat(40_000);
    let x = b.input(&long, DType::I8, &[], common::builder::quant(1.0, 0));
    b.output(x);
    let bytes = b.finish();
    let model = Model::new_checked(&bytes)?;
    let x = model.tensor(0).expect("the input");
    assert_eq!((x.shape.rank(), x.bytes(), model.arena_bytes(), model.steps_len()), (0, 1, 1, 0));
    assert_eq!(model.tensor_name(&x).len(), 65_534, "cut at a character, not inside it");
    Ok(())
}

/// The operator table as data is the operators'.
#[test]
fn operator_table_agrees_with_the_operators() {
    for step in steps() {
        let row = OPERATOR_TABLE.iter().find(|row| row.code == step.op.code()).expect("a row");
        assert_eq!((row.name, row.module, row.arity), (step.op.name(), step.op.module(), step.op.arity()));
    }
    assert!(OPERATOR_TABLE.is_sorted_by_key(|row| row.code), "rows are in the order of their codes");
    assert!(OPERATOR_TABLE.iter().map(|row| row.name).eq(OPERATORS.iter().copied()));
    let in_place = zoo().writer.steps.iter().filter(|s| s.op.in_place()).count();
    assert_eq!(in_place, 6);
    assert!(!Op::ArgMax(mote_format::ArgMax {}).in_place());
}
