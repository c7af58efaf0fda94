//! The example network, from float ONNX to bits. Needs nothing but the repository.

use mote_kernels::table::Kernels;
use mote_runtime::Model;
use mote_tests::{Case, outputs};

#[test]
fn int8_is_as_accurate_as_float() {
    let case = Case::fashion();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("fashion.mote");
    std::fs::write(&path, &*case.convert().bytes).expect("room");
    let (float, int8) = (case.accuracy(&case.network), case.accuracy(&path));
    assert_eq!((float.samples, int8.samples), (1000, 1000));
    assert!((float.top1 - 0.934).abs() < 1e-9, "the committed network has 93.4 %: {float:?}");
    assert!(int8.top1 >= float.top1 - 0.005, "{float:?} {int8:?}");
    assert!(int8.top5 >= 0.99 && int8.loss < float.loss + 0.05, "{float:?} {int8:?}");
}

#[test]
fn every_layer_is_close_to_the_float_network() {
    let converted = Case::fashion().convert();
    let model = Model::new_checked(&converted.bytes).expect("a model");
    assert!(converted.errors.len() >= 10, "{:?}", converted.errors);
    for error in &converted.errors {
        assert!(error.sqnr_db > 15.0, "{error:?}");
    }
    let bound = model.format().bound().expect("the planner knows it");
    assert!(model.arena_bytes() >= bound.arena_bytes as usize);
    assert!(model.arena_bytes() <= 13_000, "{}", model.arena_bytes());
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let case = Case::fashion();
    assert_eq!(*case.convert().bytes, *case.convert().bytes);
}

#[test]
fn all_instruction_sets_give_the_same_bits() {
    let case = Case::fashion();
    let converted = case.convert();
    let model = Model::new_checked(&converted.bytes).expect("a model");
    let inputs = case.inputs(&model, 50);
    let expected = outputs(&model, Kernels::naive(), &inputs);
    assert_eq!(inputs.len(), 50);
    for kernels in Kernels::available() {
        assert_eq!(outputs(&model, kernels, &inputs), expected, "{}", kernels.name());
    }
}
