//! Int8 `.tflite` models of others: LiteRT's bits, and the published accuracies. Needs the folder of trained models; says
//! so when it is absent.

#[path = "../peers/litert.rs"]
mod litert;

use mote_converter::board::{BOARDS, Board, emulator_present};
use mote_converter::data::{self, Prepare, Sample, Spec};
use mote_converter::encode::{Metadata, encode};
use mote_converter::evaluate::model_spec;
use mote_converter::plan::{Request, plan};
use mote_converter::program::Step;
use mote_converter::progress::Progress;
use mote_converter::tflite;
use mote_format::{AlignedBytes, Op};
use mote_kernels::table::Kernels;
use mote_runtime::{DType, Hook, Model, Session, Tensor};
use mote_tests::{converted, outputs, shared};
use std::path::{Path, PathBuf};

/// The models that must give LiteRT's bits.
const MODELS: [&str; 9] = [
    "mlperf_tiny/kws_ref_model",
    "mlperf_tiny/pretrainedResnet_quant",
    "mlperf_tiny/vww_96_int8",
    "mlperf_tiny/ad01_int8",
    "audio/micro_speech_quantized",
    "coral/mobilenet_v1_0.25_128_quant",
    "coral/mobilenet_v1_1.0_224_quant_embedding_extractor",
    "coral/mobilenet_v2_1.0_224_quant",
    "coral/deeplabv3_mnv2_dm05_pascal_quant",
];

/// Inputs that are compared at a time: all layers of the largest model take 40 MB for each.
const BATCH: usize = 10;

/// `coral/mobilenet_v2_1.0_224_quant`, for example: the name has points of its own.
fn tflite_file(shared: &Path, name: &str) -> PathBuf {
    shared.join("models").join(format!("{name}.tflite"))
}

/// Bytes that are the same on every run.
fn random(seed: u64, count: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..count).map(|_| next()).collect()
}

#[test]
#[ignore = "needs Python with LiteRT"]
fn a_hundred_random_inputs_give_the_bits_of_litert_in_every_layer() {
    let Some(shared) = shared() else { return };
    for name in MODELS {
        let path = tflite_file(&shared, name);
        let (bytes, small) = (unoptimised(&path), converted(&path).bytes);
        let [model, small] = [&bytes, &small].map(|bytes| Model::new_checked(bytes).expect("a model"));
        let length = model.inputs().next().expect("an input").bytes();
        let inputs: Vec<Vec<u8>> = (0..100).map(|i| random(i, length)).collect();
        let tensors = layers(&path);
        let names: Vec<String> = tensors.iter().flatten().cloned().collect();
        let (mut compared, mut differ) = (0, 0);
        for (i, inputs) in inputs.chunks(BATCH).enumerate() {
            let Some(expected) = litert::outputs("BUILTIN_REF", &path, inputs, &names) else { return };
            // Every set on some, the fastest on all.
            let every = Kernels::available().filter(|k| i == 0 || k.name() == Kernels::best().name());
            for kernels in every {
                let ours = every_layer(&model, kernels, inputs, &tensors);
                compared += expected.iter().map(Vec::len).sum::<usize>();
                // Whole slices first: byte after byte takes minutes where nothing is optimised.
                assert_eq!(ours.len(), expected.len(), "{name}");
                for (ours, expected) in ours.iter().zip(&expected).filter(|(a, b)| a != b) {
                    assert_eq!(ours.len(), expected.len(), "{name}");
                    differ += ours.iter().zip(expected).filter(|(a, b)| a != b).count();
                }
                assert_eq!(differ, 0, "{name} on {}", kernels.name());
                let (all, left) = (outputs(&model, kernels, inputs), outputs(&small, kernels, inputs));
                assert!(all == left, "{name} on {}: the optimised model", kernels.name());
            }
        }
        println!(
            "{name}: {differ} of {compared} bytes differ in {} layers of {} inputs",
            names.len(),
            inputs.len()
        );
    }
}

/// The model with every layer of the file, whole.
fn unoptimised(path: &Path) -> AlignedBytes {
    let program = tflite::program(&std::fs::read(path).expect("a model")).unwrap_or_else(|e| panic!("{e}"));
    let plan = plan(&program, &Default::default()).unwrap_or_else(|e| panic!("{e}"));
    encode(&program, &plan, &Metadata::default()).unwrap_or_else(|e| panic!("{e}"))
}

/// The tensor of the file that each step writes: that of its operator, for the last step of each operator.
fn layers(path: &Path) -> Vec<Option<String>> {
    let program = tflite::program(&std::fs::read(path).expect("a model")).unwrap_or_else(|e| panic!("{e}"));
    let next = program.steps.iter().skip(1).map(|s| Some(&s.node)).chain([None]);
    let last = |(step, next): (&Step, _)| (next != Some(&step.node)).then(|| step.node.clone());
    program.steps.iter().zip(next).map(last).collect()
}

/// The bytes that each of the wanted steps writes, those of uint8 as int8.
fn every_layer(
    model: &Model<'_>,
    kernels: &'static Kernels,
    inputs: &[Vec<u8>],
    wanted: &[Option<String>],
) -> Vec<Vec<u8>> {
    struct Record(Vec<Vec<u8>>);
    impl Hook for Record {
        fn after(&mut self, step: &mote_runtime::Step<'_>) {
            let (bytes, output) = (&mut self.0[usize::from(step.index())], step.output());
            assert_eq!(bytes.len(), step.offset(), "rows come in order");
            match output.info().dtype {
                DType::U8 => bytes.extend(output.bytes().iter().map(|b| b ^ 0x80)),
                _ => bytes.extend_from_slice(output.bytes()),
            }
        }
    }
    let mut arena = vec![0; model.arena_bytes()];
    let mut session = Session::with_kernels(model, &mut arena, kernels).expect("room");
    let mut one = |input: &Vec<u8>| {
        session.input_mut(0).expect("an input").bytes_mut().copy_from_slice(input);
        let mut record = Record(vec![Vec::new(); wanted.len()]);
        session.run_with(&mut record);
        let layers = record.0.into_iter().zip(wanted).filter(|(_, wanted)| wanted.is_some());
        layers.flat_map(|(bytes, _)| bytes).collect()
    };
    inputs.iter().map(&mut one).collect()
}

/// The RAM that the four networks of MLPerf Tiny take at most, with a whole frame and fed by rows.
#[test]
fn arenas() {
    let Some(shared) = shared() else { return };
    let most = [
        ("kws_ref_model", 9_100, Some(9_100)),
        ("pretrainedResnet_quant", 22_300, Some(19_500)),
        ("vww_96_int8", 30_700, Some(15_900)),
        ("ad01_int8", 1_300, None),
    ];
    for (name, whole, fed) in most {
        let path = shared.join("models/mlperf_tiny").join(name).with_extension("tflite");
        let program =
            tflite::program(&std::fs::read(&path).expect("a model")).unwrap_or_else(|e| panic!("{e}"));
        let arena =
            |rows| plan(&program, &Request { rows, ..Request::default() }).ok().map(|plan| plan.arena);
        assert!(arena(false).is_some_and(|arena| arena <= whole), "{name}: {:?}", arena(false));
        assert!(arena(true) <= fed && arena(true).is_some() == fed.is_some(), "{name}: {:?}", arena(true));
    }
}

#[test]
fn boards_give_the_same_bits() {
    let Some(shared) = shared() else { return };
    if !emulator_present("qemu-m4") {
        assert!(std::env::var_os("MOTE_REQUIRE_QEMU").is_none(), "QEMU is required and not installed");
        return;
    }
    for name in ["mlperf_tiny/kws_ref_model", "mlperf_tiny/ad01_int8"] {
        let bytes = converted(&shared.join("models").join(name).with_extension("tflite")).bytes;
        let model = Model::new_checked(&bytes).expect("a model");
        let length = model.inputs().next().expect("an input").bytes();
        let inputs: Vec<Vec<u8>> = (0..3).map(|i| random(i, length)).collect();
        let expected = outputs(&model, Kernels::naive(), &inputs);
        for board in BOARDS {
            let run = Board::open(board, Progress::Hidden).and_then(|board| board.run(&model, &inputs));
            let run = run.unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(run.outputs, expected, "{name} on {board}");
        }
    }
}

/// The share of inputs, given as stored bytes, whose largest output is the right one.
fn top1(path: &Path, inputs: &[&[u8]], labels: &[usize]) -> f64 {
    let bytes = converted(path).bytes;
    let model = Model::new_checked(&bytes).expect("a model");
    let mut arena = vec![0; model.arena_bytes()];
    let mut session = Session::new(&model, &mut arena).expect("room");
    let mut right = 0;
    for (input, label) in inputs.iter().zip(labels) {
        session.input_mut(0).expect("an input").bytes_mut().copy_from_slice(input);
        session.run();
        right += usize::from(session.output(0).expect("an output").top::<1>()[0].index == *label);
    }
    right as f64 / inputs.len() as f64
}

/// The last column of a table.
fn labels(path: &Path) -> Vec<usize> {
    let table = std::fs::read_to_string(path).expect("labels");
    table.lines().filter_map(|l| l.rsplit(',').next()?.trim().parse().ok()).collect()
}

#[test]
fn keyword_spotting() {
    let Some(shared) = shared() else { return };
    let features = std::fs::read(shared.join("data/kws01/features_int8_49x10.bin")).expect("clips");
    let labels = labels(&shared.join("data/kws01/labels.csv"));
    let inputs: Vec<&[u8]> = features.chunks_exact(490).collect();
    assert_eq!((inputs.len(), labels.len()), (600, 600));
    let top1 = top1(&shared.join("models/mlperf_tiny/kws_ref_model.tflite"), &inputs, &labels);
    println!("kws: {top1:.4}");
    // LiteRT's reference kernels have the same 538; XNNPACK, which rounds in floats, has 537: the published 0.895.
    assert!((top1 - 538.0 / 600.0).abs() < 1e-9, "{top1}");
}

#[test]
fn image_classification() {
    let Some(shared) = shared() else { return };
    let records = std::fs::read(shared.join("data/cifar10_lossless/test_300.bin")).expect("CIFAR-10");
    let image = |r: &[u8]| (0..3072).map(|i| r[1 + i % 3 * 1024 + i / 3] ^ 0x80).collect::<Vec<u8>>();
    let images: Vec<Vec<u8>> = records.chunks_exact(3073).map(image).collect();
    let labels: Vec<usize> = records.chunks_exact(3073).map(|r| r[0].into()).collect();
    let inputs: Vec<&[u8]> = images.iter().map(|i| &i[..]).collect();
    assert_eq!(inputs.len(), 300);
    let top1 = top1(&shared.join("models/mlperf_tiny/pretrainedResnet_quant.tflite"), &inputs, &labels);
    println!("ic: {top1:.4}");
    assert!((top1 - 271.0 / 300.0).abs() < 1e-9, "{top1}");
}

#[test]
fn visual_wake_words() {
    let Some(shared) = shared() else { return };
    let pixels = std::fs::read(shared.join("data/vww_mini/images_u8_96x96x3.bin")).expect("pictures");
    let pixels: Vec<u8> = pixels.iter().map(|p| p ^ 0x80).collect();
    let labels = labels(&shared.join("data/vww_mini/labels.csv"));
    let inputs: Vec<&[u8]> = pixels.chunks_exact(96 * 96 * 3).collect();
    assert_eq!((inputs.len(), labels.len()), (42, 42));
    let top1 = top1(&shared.join("models/mlperf_tiny/vww_96_int8.tflite"), &inputs, &labels);
    println!("vww: {top1:.4}");
    assert!((top1 - 40.0 / 42.0).abs() < 1e-9, "{top1}");
}

/// Pictures of cats on the uint8 models: class and probability.
#[test]
fn photographs() {
    let Some(shared) = shared() else { return };
    let labels = std::fs::read_to_string(shared.join("data/coral/imagenet_labels.txt")).expect("labels");
    let labels: Vec<&str> = labels.lines().collect();
    for (name, path, class, least) in [
        ("coral/mobilenet_v1_0.25_128_quant", "coral/cat.bmp", "cat", 0.12),
        ("coral/mobilenet_v2_1.0_224_quant", "coral/cat.bmp", "cat", 0.7),
        ("coral/mobilenet_v2_1.0_224_quant", "skimage/chelsea.png", "cat", 0.7),
    ] {
        let bytes = converted(&tflite_file(&shared, name)).bytes;
        let model = Model::new_checked(&bytes).expect("a model");
        let best = seen(&model, &shared.join("data").join(path), |output| output.top::<1>()[0]);
        println!("{name} on {path}: {} {:.2}", labels[best.index], best.value);
        assert!(labels[best.index].contains(class) && best.value > least, "{}", labels[best.index]);
    }
}

/// What a model says of a picture, which is prepared as the model wants it.
fn seen<R>(model: &Model<'_>, picture: &Path, read: impl Fn(Tensor<'_>) -> R) -> R {
    let mut arena = vec![0; model.arena_bytes()];
    let mut session = Session::new(model, &mut arena).expect("room");
    let sample = sample(picture, &model_spec(model, None).expect("one input"));
    session.input_mut(0).expect("an input").fill(sample.x.iter().copied());
    session.run();
    read(session.output(0).expect("an output"))
}

fn sample(picture: &Path, spec: &Spec) -> Sample {
    data::open(picture, spec).expect("a picture").next().expect("one").expect("a picture")
}

/// A dog and its outline, on the uint8 segmentation model.
#[test]
fn segmentation() {
    let Some(shared) = shared() else { return };
    let (size, dog) = (513, 12.0);
    let bytes = converted(&tflite_file(&shared, "coral/deeplabv3_mnv2_dm05_pascal_quant")).bytes;
    let model = Model::new_checked(&bytes).expect("a model");
    let picture = shared.join("data/coral/dog_segmentation_256.bmp");
    let classes: Vec<f32> = seen(&model, &picture, |output| output.reals().collect());
    let (prepare, shape) = (Prepare::default(), vec![256, 256, 1]);
    let spec = Spec {
        input: String::new(),
        shape,
        others: Vec::new(),
        prepare,
        labels: None,
        strict: true,
        limit: None,
    };
    let mask = sample(&shared.join("data/coral/dog_segmentation_mask_256.bmp"), &spec).x;
    let (mut both, mut either) = (0, 0);
    for (i, &mask) in mask.iter().enumerate() {
        let [row, column] = [i / 256, i % 256].map(|p| p * size / 256);
        let (found, there) = (classes[row * size + column] == dog, mask == 0.0);
        both += usize::from(found && there);
        either += usize::from(found || there);
    }
    let overlap = both as f64 / either as f64;
    println!("deeplab: intersection over union {overlap:.2}");
    assert!(overlap > 0.85, "{overlap}");
}

/// What a wake word model takes for each call over a recording: three frames of forty features.
fn frames(shared: &Path, model: &Model<'_>) -> Vec<Vec<u8>> {
    let file = std::fs::read(shared.join("data/speech/hey_jarvis_microfeatures_f32_Nx40.bin"));
    let file = file.expect("features");
    let quant = model.inputs().next().expect("an input").quant;
    let stored = |b: &[u8; 4]| mote_kernels::quant::quantize(f32::from_le_bytes(*b), quant) as u8;
    let features: Vec<u8> = file.as_chunks().0.iter().map(stored).collect();
    assert_eq!(features.len(), 305 * 40);
    features.chunks_exact(3 * 40).map(<[u8]>::to_vec).collect()
}

/// The outputs of one call after the other, from the initial state.
fn stream(model: &Model<'_>, kernels: &'static Kernels, inputs: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut arena = vec![0; model.arena_bytes()];
    let mut session = Session::with_kernels(model, &mut arena, kernels).expect("room");
    let mut call = |input: &Vec<u8>| {
        session.input_mut(0).expect("an input").bytes_mut().copy_from_slice(input);
        session.run();
        session.output(0).expect("an output").bytes().to_vec()
    };
    inputs.iter().map(&mut call).collect()
}

#[test]
fn wake_word() {
    let Some(shared) = shared() else { return };
    let bytes = converted(&tflite_file(&shared, "audio/microwakeword_hey_jarvis")).bytes;
    let model = Model::new_checked(&bytes).expect("a model");
    let states: usize =
        model.format().states().filter_map(|s| model.format().tensor(s.tensor)).map(|t| t.bytes()).sum();
    println!("hey_jarvis: arena {}, of it states {states}", model.arena_bytes());
    assert_eq!(states, 80 + 120 + 480 + 720 + 1200 + 240);
    assert!(model.arena_bytes() <= 5000, "{}", model.arena_bytes());
    let copies = model.format().steps().filter(|s| matches!(s.op, Op::Reshape(_))).count();
    assert!(copies <= 2, "{copies} reshapes: the file has two, and no state is copied");
    let answers = stream(&model, Kernels::best(), &frames(&shared, &model));
    let probabilities: Vec<f32> = answers.iter().map(|a| f32::from(a[0]) / 256.0).collect();
    let means: Vec<f32> = probabilities.windows(5).map(|w| w.iter().sum::<f32>() / 5.0).collect();
    let peak = means.iter().copied().fold(0.0, f32::max);
    println!("hey_jarvis: highest mean of five {peak}");
    assert!(peak > 0.97, "{peak}");
    // A second of silence is in front.
    assert!(probabilities[..30].iter().all(|&p| p < 0.1), "{probabilities:?}");
}

#[test]
#[ignore = "needs Python with LiteRT"]
fn a_whole_recording_gives_the_bits_of_litert() {
    let Some(shared) = shared() else { return };
    let path = tflite_file(&shared, "audio/microwakeword_hey_jarvis");
    let bytes = converted(&path).bytes;
    let model = Model::new_checked(&bytes).expect("a model");
    let spoken = frames(&shared, &model);
    let noise: Vec<Vec<u8>> = (0..100).map(|i| random(i, 120)).collect();
    for (what, inputs) in [("recording", spoken), ("noise", noise)] {
        let Some(expected) = litert::outputs("BUILTIN_REF", &path, &inputs, &[]) else { return };
        for kernels in Kernels::available().chain([Kernels::naive()]) {
            let ours = stream(&model, kernels, &inputs);
            let differ = ours.iter().zip(&expected).filter(|(a, b)| a != b).count();
            println!("hey_jarvis, {what}, on {}: {differ} of {} calls differ", kernels.name(), ours.len());
            assert_eq!(differ, 0, "{what} on {}", kernels.name());
        }
    }
}
