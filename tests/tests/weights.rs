//! Weights of four bits on the example network: how many bytes and how much accuracy, the same bits everywhere, and what is
//! refused.

use mote_converter::convert::Converted;
use mote_converter::recode::Weights;
use mote_converter::report::ModelReport;
use mote_kernels::table::Kernels;
use mote_runtime::Model;
use mote_tests::{Case, outputs};

/// Of each layer.
fn encodings(converted: &Converted) -> Vec<Option<&'static str>> {
    let model = Model::new_checked(&converted.bytes).expect("a model");
    ModelReport::new(&model, &[]).operators.iter().map(|o| o.weights).collect()
}

#[test]
fn half_the_weights_and_nearly_the_accuracy() {
    let case = Case::fashion();
    let int8 = case.convert();
    let top1 = |converted: &Converted| {
        let file = tempfile::NamedTempFile::with_suffix(".mote").expect("room");
        std::fs::write(file.path(), &*converted.bytes).expect("room");
        case.accuracy(file.path()).top1
    };
    let before = top1(&int8);
    for weights in ["int4", "palette16", "auto"] {
        let converted = case.convert_as(&[weights]);
        let model = Model::new_checked(&converted.bytes).expect("a model");
        let inputs = case.inputs(&model, 3);
        let expected = outputs(&model, Kernels::naive(), &inputs);
        for kernels in Kernels::available() {
            assert_eq!(outputs(&model, kernels, &inputs), expected, "{weights} on {}", kernels.name());
        }
        let (bytes, after) = (converted.bytes.len() as f64 / int8.bytes.len() as f64, top1(&converted));
        println!("{weights}: {bytes:.3} of the bytes, {after:?} top-1, int8 {before:?}");
        // A point, and another one for the chance of so few samples.
        assert!(bytes < 0.65 && after > before - 0.02, "{weights}");
    }
}

#[test]
fn layers_are_chosen_by_name() {
    let case = Case::fashion();
    let named = case.convert_as(&["block4/pw/relu/out=palette16", "logits=int4"]);
    let coded: Vec<_> = encodings(&named).into_iter().flatten().filter(|w| *w != "int8").collect();
    assert_eq!(coded, ["palette16", "int4"]);
    let but_one = case.convert_as(&["int4", "block4/pw/relu/out=int8"]);
    let report = encodings(&but_one);
    assert!(report.contains(&Some("int4")) && report.contains(&Some("int8")), "{report:?}");
}

#[test]
fn what_is_no_encoding_is_refused() {
    let text = Weights::parse(&["int3"]).expect_err("no such encoding").to_string();
    assert!(text.contains("int3") && text.contains("palette16"), "{text}");
}
