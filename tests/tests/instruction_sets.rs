//! One model, the same bits on every instruction set that this machine has and on the naive loops: the example network, and
//! every trained model of others that converts as it is. The latter need the folder of trained models; they say so when it is
//! absent. Large ones take part in the full suite.

use mote_converter::convert::convert;
use mote_converter::data::Prepare;
use mote_kernels::table::Kernels;
use mote_runtime::{Host, Model, Program, Session};
use mote_tests::{Case, options, shared};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// Bytes of a file up to which it is quick.
const QUICK: u64 = 600_000;

/// The outputs for inputs without order.
fn outputs<'m, P: Program<'m>>(program: &'m P, kernels: &'static Kernels) -> Vec<u8> {
    let mut arena = vec![0; program.arena_bytes()];
    let mut session = Session::with_kernels(program, &mut arena, kernels).expect("room");
    let mut state: u64 = 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    for i in 0..usize::from(program.inputs()) {
        session.input_mut(i).expect("an input").bytes_mut().fill_with(&mut next);
    }
    session.run();
    session.outputs().flat_map(|output| output.bytes().to_vec()).collect()
}

/// Compares the plain model and the one made ready for a host, by one thread and by three.
fn check(name: &str, bytes: &[u8]) {
    let model = Model::new_checked(bytes).expect("a model");
    let expected = outputs(&model, Kernels::naive());
    for kernels in Kernels::available() {
        assert!(outputs(&model, kernels) == expected, "{name}: other bits on {}", kernels.name());
        for threads in [1, 3] {
            let host = Host::new(&model, kernels, threads);
            let same = outputs(&host, kernels) == expected;
            assert!(same, "{name}: other bits on a host's {} with {threads} threads", kernels.name());
        }
    }
}

#[test]
fn the_example_network() {
    check("fashion", &Case::fashion().convert().bytes);
}

/// All networks in a folder.
fn networks(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let network = |path: &PathBuf| path.extension().is_some_and(|e| e == "tflite" || e == "onnx");
    let inner = folders.iter().flat_map(|folder| networks(folder));
    files.into_iter().filter(network).chain(inner).collect()
}

#[test]
fn small_trained_networks() {
    trained_networks(0..=QUICK);
}

#[test]
#[ignore = "half a minute"]
fn large_trained_networks() {
    trained_networks(QUICK + 1..=u64::MAX);
}

/// Networks whose files have so many bytes.
fn trained_networks(bytes: RangeInclusive<u64>) {
    let Some(shared) = shared() else { return };
    let mut compared = 0;
    let mut paths = networks(&shared.join("models"));
    paths.sort();
    for path in paths.iter().filter(|p| p.metadata().is_ok_and(|file| bytes.contains(&file.len()))) {
        // Float networks want samples, and some hold what is refused: both are another test's.
        let Ok(converted) = convert(path, &options(None, Prepare::default())) else { continue };
        println!("{}", path.display());
        check(&path.display().to_string(), &converted.bytes);
        compared += 1;
    }
    assert!(compared > 1, "{compared} networks were compared");
}
