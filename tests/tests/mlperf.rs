//! MLPerf Tiny's runner against emulated boards: what it is told over the serial port equals what the host computes.
//! Without QEMU these tests say so and do nothing, unless `MOTE_REQUIRE_QEMU` is set.
//!
//! The suite runs one board and form a model; with `--run-ignored all` it runs all.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use mote_converter::board::{BOARDS, emulator_present};
use mote_kernels::quant::quantize;
use mote_runtime::{Kernels, Model, Session};
use mote_tests::{Case, converted, shared};

/// A model of the benchmark, or the example as one of the user's own.
struct Entry {
    /// Its name in the protocol.
    name: &'static str,
    /// Its file among the shared models.
    file: &'static str,
    /// Whether the runner sends floats and is told a reconstruction error; otherwise it sends bytes.
    floats: bool,
    /// What is added to a sent byte.
    offset: u8,
}

const FASHION: Entry = Entry { name: "fashion", file: "", floats: false, offset: 128 };

const SUITE: [Entry; 4] = [
    Entry { name: "kws01", file: "kws_ref_model.tflite", floats: false, offset: 0 },
    Entry { name: "ic01", file: "pretrainedResnet_quant.tflite", floats: false, offset: 128 },
    Entry { name: "vww01", file: "vww_96_int8.tflite", floats: false, offset: 128 },
    Entry { name: "ad01", file: "ad01_int8.tflite", floats: true, offset: 0 },
];

/// The repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Converts a model to a file whose place does not change, so that its images are built once.
fn model(entry: &Entry, shared: Option<&Path>) -> PathBuf {
    let bytes = match shared {
        None => Case::fashion().convert().bytes,
        Some(shared) => converted(&shared.join("models/mlperf_tiny").join(entry.file)).bytes,
    };
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(entry.name).with_extension("mote");
    if std::fs::read(&path).ok().as_deref() != Some(&*bytes) {
        std::fs::write(&path, &*bytes).expect("room");
    }
    path
}

/// A board in QEMU with its serial port.
struct Device {
    child: Child,
    to: ChildStdin,
    lines: Receiver<String>,
}

impl Device {
    /// Builds the image and starts it.
    fn start(board: &str, entry: &Entry, model: &Path, form: &str) -> Self {
        let mut build = Command::new("cargo");
        build.args(["xtask", "mlperf", "--build", "--form", form, "--as", entry.name, board]).arg(model);
        let built = build.current_dir(root()).output().expect("cargo");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        let image = String::from_utf8_lossy(&built.stdout).trim().to_owned();
        let mut run = Command::new(root().join("firmware/run-qemu.sh"));
        run.arg(board).arg(image).env("MOTE_QEMU_SERIAL", "stdio");
        let mut child = run.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("QEMU");
        let (to, from) = (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(from).lines().map_while(Result::ok) {
                let _ = sender.send(line.trim_end().to_owned());
            }
        });
        let device = Self { child, to, lines };
        let greeting = device.answer();
        assert_eq!(greeting[0], "m-timestamp-mode-performance");
        assert_eq!(greeting[2..], ["m-init-done"]);
        device
    }

    /// The lines up to `m-ready`.
    fn answer(&self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let line = self.lines.recv_timeout(Duration::from_secs(120));
            let line = line.unwrap_or_else(|e| panic!("{e} after {lines:?}"));
            if line == "m-ready" {
                return lines;
            }
            lines.push(line);
        }
    }

    fn ask(&mut self, command: &str) -> Vec<String> {
        write!(self.to, "{command}%").expect("the device listens");
        self.answer()
    }

    /// What the benchmark's runner does for one inference; gives the values of the result.
    fn infer(&mut self, data: &[u8]) -> Vec<String> {
        assert_eq!(
            self.ask(&format!("db load {}", data.len())),
            [format!("m-[Expecting {} bytes]", data.len())]
        );
        let mut last = Vec::new();
        for bytes in data.chunks(31) {
            let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            last = self.ask(&format!("db {digits}"));
        }
        assert_eq!(last, ["m-load-done"]);
        let lines = self.ask("infer 2 1");
        assert_eq!(lines[..3], ["m-warmup-start-1", "m-warmup-done", "m-infer-start-2"]);
        let lap = |line: &String| {
            line.strip_prefix("m-lap-us-").and_then(|n| n.parse::<u64>().ok()).expect("a lap")
        };
        assert!(lap(&lines[3]) < lap(&lines[4]), "{lines:?}");
        assert_eq!(lines[5], "m-infer-done");
        assert_eq!(lines.len(), 7);
        assert_eq!(self.ask("results"), lines[6..]);
        let values = lines[6].strip_prefix("m-results-[").and_then(|rest| rest.strip_suffix("]"));
        values.expect("results").split(',').map(str::to_owned).collect()
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        // Told to end, rather than killed, the script's `timeout` ends the emulator too.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

/// What the runner sends for sample `seed`.
fn data(entry: &Entry, elements: usize, seed: u32) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 24
    };
    if entry.floats {
        return (0..elements).flat_map(|_| (next() as f32 / 4.0 - 40.0).to_le_bytes()).collect();
    }
    (0..elements).map(|_| next() as u8).collect()
}

/// What the runner should be told for these bytes, by the naive loops of this machine.
fn expected(entry: &Entry, model: &Model<'_>, data: &[u8]) -> Vec<String> {
    let floats = || data.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().expect("four bytes")));
    let mut arena = vec![0; model.arena_bytes()];
    let mut session = Session::with_kernels(model, &mut arena, Kernels::naive()).expect("room");
    let mut input = session.input_mut(0).expect("an input");
    let quant = input.info().quant;
    let bytes: Vec<u8> = match entry.floats {
        true => floats().map(|real| quantize(real, quant) as u8).collect(),
        false => data.iter().map(|byte| byte.wrapping_add(entry.offset)).collect(),
    };
    input.bytes_mut().copy_from_slice(&bytes);
    session.run();
    let reals = session.output(0).expect("an output").reals();
    let values: Vec<f32> = match entry.floats {
        true => {
            let sum = floats().zip(reals).fold(0.0f32, |sum, (x, y)| sum + (y - x) * (y - x));
            vec![sum / floats().count() as f32]
        }
        false => reals.collect(),
    };
    values.iter().map(|value| format!("{value:.3}")).collect()
}

/// Runs a model on boards and compares what they tell.
fn check(entry: &Entry, shared: Option<&Path>, runs: &[(&str, &str)]) {
    let missing: Vec<_> = runs.iter().filter(|(board, _)| !emulator_present(board)).collect();
    if !missing.is_empty() {
        assert!(
            std::env::var_os("MOTE_REQUIRE_QEMU").is_none(),
            "QEMU is required and not installed: {missing:?}"
        );
        eprintln!("skipped: QEMU is not installed for {missing:?}");
        return;
    }
    let path = model(entry, shared);
    let bytes = mote_format::AlignedBytes::new(&std::fs::read(&path).expect("the model"));
    let model = Model::new_checked(&bytes).expect("a model");
    let elements = model.inputs().next().expect("an input").bytes();
    for (board, form) in runs {
        let mut device = Device::start(board, entry, &path, form);
        assert_eq!(device.ask("name"), ["m-name-dut-[mote]"]);
        assert_eq!(device.ask("profile")[1], format!("m-model-[{}]", entry.name));
        for seed in 0..2 {
            let data = data(entry, elements, seed);
            let told = device.infer(&data);
            assert_eq!(told, expected(entry, &model, &data), "{} {form} on {board}", entry.name);
        }
        let answer = device.ask("infer 0");
        assert_eq!(answer, ["e-[Inference iterations must be >0]"]);
    }
}

/// Every board with every form.
fn all() -> Vec<(&'static str, &'static str)> {
    BOARDS.iter().flat_map(|board| ["compiled", "interpreted"].map(|form| (*board, form))).collect()
}

#[test]
fn a_runner_is_told_what_the_example_computes() {
    check(&FASHION, None, &[("qemu-m4", "interpreted"), ("qemu-riscv", "compiled")]);
}

#[test]
fn a_runner_is_told_what_the_reference_models_compute() {
    let Some(shared) = shared() else { return };
    for entry in &SUITE {
        check(entry, Some(&shared), &[("qemu-m4", "compiled")]);
    }
}

#[test]
#[ignore = "builds an image for each model, board and form"]
fn a_runner_is_told_the_same_by_every_board() {
    check(&FASHION, None, &all());
    let Some(shared) = shared() else { return };
    for entry in &SUITE {
        check(entry, Some(&shared), &all());
    }
}
