//! Emulated boards: runs a model's bytes in QEMU through the generic firmware image and reads what it reports. The
//! images and how they count are `firmware/`'s; how they are built is `cargo xtask firmware`'s.

use crate::error::{Error, Result};
use crate::progress::Progress;
use mote_runtime::Model;
use object::{Object, ObjectSection, SectionKind};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The boards that a model can run on.
pub const BOARDS: &[&str] = &["qemu-m4", "qemu-m7", "qemu-m33", "qemu-m3", "qemu-m0", "qemu-riscv"];

/// A built firmware image.
#[derive(Debug, Clone)]
pub struct Board {
    /// Its name, one of [`BOARDS`].
    pub name: &'static str,
    /// Bytes of code and constants, the model not among them.
    pub text_bytes: u64,
    /// Bytes of statics, the arena and the stack not among them.
    pub static_bytes: u64,
    image: PathBuf,
    progress: Progress,
}

/// A layer as the board ran it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerRun {
    /// The kernel that ran.
    pub kernel: String,
    /// Executed instructions.
    pub instructions: u64,
}

/// What a board did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoardRun {
    /// For each sample the bytes of all outputs, one after the other.
    pub outputs: Vec<Vec<u8>>,
    /// The instruction set of the image's kernels.
    pub isa: String,
    /// Executed instructions of one inference.
    pub instructions: u64,
    /// Most bytes of stack in use during an inference.
    pub stack_bytes: u64,
    /// Each layer, in order.
    pub layers: Vec<LayerRun>,
}

/// The folder of the firmware workspace: `MOTE_FIRMWARE`, or the one in the checkout that mote was built from.
fn firmware() -> PathBuf {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("../firmware");
    std::env::var_os("MOTE_FIRMWARE").map_or(checkout, PathBuf::from)
}

/// The emulator of a board, and Debian's package of it.
fn emulator(board: &str) -> (&'static str, &'static str) {
    match board {
        "qemu-riscv" => ("qemu-system-riscv32", "qemu-system-misc"),
        _ => ("qemu-system-arm", "qemu-system-arm"),
    }
}

/// Whether the emulator of a board is installed.
pub fn emulator_present(board: &str) -> bool {
    let version = Command::new(emulator(board).0).arg("--version").output();
    version.is_ok_and(|o| o.status.success())
}

impl Board {
    /// Finds a board and builds its image, unless `MOTE_IMAGES` names a folder of built ones.
    pub fn open(name: &str, progress: Progress) -> Result<Self> {
        let fail = || Error::new("cannot use the board").at(format!("--on {name}"));
        let Some(&name) = BOARDS.iter().find(|b| **b == name) else {
            return Err(fail()
                .cause("there is no such board")
                .remedy(format!("use one of: {}", BOARDS.join(", "))));
        };
        if !emulator_present(name) {
            let (program, package) = emulator(name);
            return Err(fail().cause(format!("{program} is not installed")).remedy(format!(
                "install QEMU's system emulator (Debian: {package}), or run: cargo xtask setup"
            )));
        }
        let image = match std::env::var_os("MOTE_IMAGES") {
            Some(folder) => PathBuf::from(folder).join(name),
            None => build(name, progress)?,
        };
        let (text_bytes, static_bytes) = sizes(&image).ok_or_else(|| {
            fail()
                .cause(format!("there is no image at {}", image.display()))
                .remedy(format!("run: cargo xtask firmware {name}"))
        })?;
        Ok(Board { name, text_bytes, static_bytes, image, progress })
    }

    /// Runs a model on samples given as the bytes of its inputs.
    pub fn run(&self, model: &Model<'_>, samples: &[Vec<u8>]) -> Result<BoardRun> {
        let io = |e: std::io::Error| {
            self.fail().cause(e.to_string()).remedy("check that the folder for temporary files has room")
        };
        let folder = tempfile::tempdir().map_err(io)?;
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("model"), model.format().bytes()).map_err(io)?;
        std::fs::write(path("input"), samples.concat()).map_err(io)?;
        let mut command = Command::new(firmware().join("run-qemu.sh"));
        command.arg(self.name).arg(&self.image);
        for name in ["model", "input", "output", "report"] {
            command.arg(format!("--{name}")).arg(path(name));
        }
        let _spinner = self.progress.spinner(format!("running on {}", self.name));
        let done = command.output().map_err(io)?;
        let report = Report::read(&path("report"));
        if !done.status.success() {
            return Err(self.explain(model, &report, &done));
        }
        let outputs = std::fs::read(path("output")).map_err(io)?;
        let length: usize = model.outputs().map(|o| o.bytes()).sum();
        report.finish(outputs.chunks_exact(length).map(<[u8]>::to_vec).collect()).ok_or_else(|| {
            self.fail()
                .cause("its report is incomplete")
                .remedy(format!("build the image again: cargo xtask firmware {}", self.name))
        })
    }

    fn fail(&self) -> Error {
        Error::new("cannot run the model on the board").at(self.name)
    }

    /// Why a run failed: what the image reported, or what the emulator said.
    fn explain(&self, model: &Model<'_>, report: &Report, done: &std::process::Output) -> Error {
        let number = |key: &str| report.get(key).and_then(|v| v.parse::<u64>().ok());
        match (report.get("error_kind"), number("need_bytes"), number("have_bytes")) {
            (Some("ram"), Some(need), Some(have)) => {
                let (layer, bytes) = peak(model);
                self.fail()
                    .cause(format!(
                        "its arena of {need} bytes exceeds the board's {have} bytes of RAM by {}\n\
                         the peak is at layer \"{layer}\", where {bytes} bytes are live",
                        need.saturating_sub(have)
                    ))
                    .remedy(
                        "use a smaller input or fewer channels around that layer, or a board with more RAM",
                    )
            }
            (Some("flash"), Some(need), Some(have)) => {
                let (layer, bytes) = heaviest(model);
                self.fail()
                    .cause(format!(
                        "its {need} bytes exceed the board's {have} bytes of flash by {}\n\
                         the largest layer is \"{layer}\" with {bytes} bytes of constants",
                        need.saturating_sub(have)
                    ))
                    .remedy("use fewer channels in that layer, or a board with more flash")
            }
            _ => {
                let said = String::from_utf8_lossy(&done.stderr);
                let cause = report.get("error").map_or_else(|| said.trim().to_owned(), str::to_owned);
                self.fail().cause(cause).remedy("see `cargo xtask setup` for what the emulator needs")
            }
        }
    }
}

/// Builds an image with the project's own build command; gives its path.
fn build(name: &str, progress: Progress) -> Result<PathBuf> {
    let _spinner = progress.spinner(format!("building the image of {name}"));
    let root = firmware().join("..");
    let fail = |cause: String| {
        Error::new("cannot build the firmware image")
            .at(name)
            .cause(cause)
            .remedy(format!("run in mote's checkout: cargo xtask firmware {name}"))
    };
    let mut command = Command::new("cargo");
    command.args(["xtask", "firmware", name]).current_dir(&root);
    let done = command.output().map_err(|e| fail(e.to_string()))?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr);
        let tail: Vec<&str> = said.lines().rev().take(15).collect();
        return Err(fail(tail.into_iter().rev().collect::<Vec<_>>().join("\n")));
    }
    Ok(firmware().join("target/images").join(name))
}

/// Bytes of code with constants, and of statics, in an image.
fn sizes(image: &Path) -> Option<(u64, u64)> {
    let bytes = std::fs::read(image).ok()?;
    let file = object::File::parse(&*bytes).ok()?;
    let mut sums = (0, 0);
    for section in file.sections() {
        match section.kind() {
            SectionKind::Text | SectionKind::ReadOnlyData | SectionKind::ReadOnlyString => {
                sums.0 += section.size()
            }
            SectionKind::Data | SectionKind::UninitializedData => sums.1 += section.size(),
            _ => {}
        }
    }
    Some(sums)
}

/// The layer at which most bytes of the arena are live, and how many.
pub fn peak(model: &Model<'_>) -> (String, usize) {
    let format = model.format();
    let live = |time: u16| -> usize {
        let tensors = (0..format.tensors()).filter_map(|id| format.tensor(id));
        tensors.filter(|t| t.live_at(time)).map(|t| t.bytes()).sum()
    };
    let layers = format.steps().map(|s| (s.output, live(s.index + 1) + s.scratch_len as usize));
    let (output, bytes) = layers.max_by_key(|l| l.1).unwrap_or((0, 0));
    (format.tensor(output).map_or("", |t| format.tensor_name(&t)).to_owned(), bytes)
}

/// The layer with the most constants, and how many bytes they are.
fn heaviest(model: &Model<'_>) -> (String, usize) {
    use mote_runtime::Op;
    let format = model.format();
    let bytes = |op: &Op| match op {
        Op::Conv2d(p) => p.weights.len,
        Op::DepthwiseConv2d(p) => p.weights.len,
        Op::FullyConnected(p) => p.weights.len,
        Op::Conv2d16(p) => p.weights.len,
        Op::DepthwiseConv2d16(p) => p.weights.len,
        Op::FullyConnected16(p) => p.weights.len,
        _ => 0,
    };
    let layers = format.steps().map(|s| (s.output, bytes(&s.op) as usize));
    let (output, bytes) = layers.max_by_key(|l| l.1).unwrap_or((0, 0));
    (format.tensor(output).map_or("", |t| format.tensor_name(&t)).to_owned(), bytes)
}

/// The `key=value` lines of an image's report.
#[derive(Debug, Default)]
struct Report {
    values: HashMap<String, String>,
    layers: BTreeMap<u16, LayerRun>,
}

impl Report {
    fn read(path: &Path) -> Self {
        let mut report = Report::default();
        for line in std::fs::read_to_string(path).unwrap_or_default().lines() {
            if line.starts_with("layer=") {
                let words: HashMap<&str, &str> = line.split(' ').filter_map(|w| w.split_once('=')).collect();
                let kernel = words.get("kernel").copied().unwrap_or_default().to_owned();
                let instructions: u64 = words.get("instructions").and_then(|n| n.parse().ok()).unwrap_or(0);
                // A step that runs in lockstep with others has a line for each call.
                let layer = words.get("layer").and_then(|n| n.parse().ok()).unwrap_or(0);
                let run = || LayerRun { kernel, instructions: 0 };
                report.layers.entry(layer).or_insert_with(run).instructions += instructions;
            } else if let Some((key, value)) = line.split_once('=') {
                report.values.insert(key.to_owned(), value.to_owned());
            }
        }
        report
    }

    fn get(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str)
    }

    fn finish(self, outputs: Vec<Vec<u8>>) -> Option<BoardRun> {
        Some(BoardRun {
            outputs,
            isa: self.get("isa")?.to_owned(),
            instructions: self.get("instructions")?.parse().ok()?,
            stack_bytes: self.get("stack_bytes")?.parse().ok()?,
            layers: self.layers.into_values().collect(),
        })
    }
}
