//! The golden file of version 1 runs, and gives the outputs that it always gave.

#[path = "../format/tests/common/mod.rs"]
mod common;

use common::noise;
use mote_format::AlignedBytes;
use mote_runtime::{Kernels, Model, Session};

#[test]
fn golden_outputs() {
    let bytes = AlignedBytes::new(include_bytes!("../format/tests/golden/v1.mote"));
    let model = Model::new_checked(&bytes).unwrap_or_else(|e| panic!("{e}"));
    for kernels in Kernels::available().chain([Kernels::naive()]) {
        let mut arena = vec![0; model.arena_bytes()];
        let mut session = Session::with_kernels(&model, &mut arena, kernels).expect("large enough");
        let mut outputs = Vec::new();
        for seed in 0..4 {
            session.input_mut(0).expect("an image").bytes_mut().copy_from_slice(&noise(seed, 144));
            let reals = noise(seed + 100, 12).into_iter().map(|v| f32::from(v as i8) / 20.0);
            session.input_mut(1).expect("reals").fill(reals);
            session.run();
            let (probabilities, best) = (session.output(0).expect("one"), session.output(1).expect("two"));
            let values: Vec<i8> = probabilities.bytes().iter().map(|&b| b as i8).collect();
            assert!(session.output(2).expect("three").reals().eq(probabilities.reals()));
            outputs.push((values, best.reals().next().expect("an index")));
        }
        let expected: [([i8; 5], f32); 4] = [
            ([-128, -65, -125, -128, 62], 4.0),
            ([-128, -43, -128, -128, 43], 4.0),
            ([-126, -128, 107, -109, -128], 2.0),
            ([-128, -128, -123, 121, -125], 3.0),
        ];
        let expected = expected.map(|(values, best)| (values.to_vec(), best));
        assert_eq!(outputs, expected, "{}", kernels.name());
    }
}
