//! `mote train` and `mote distill`: a network learns from labels, from teachers, or from both.

use super::text::{line, percent, table, thousands};
use super::{Json, Preparation};
use crate::convert::{CALIBRATION_SAMPLES, of_one};
use crate::data::{self, Spec};
use crate::error::{Error, Result};
use crate::ir::Graph;
use crate::model_file;
use crate::quantize::Calibration;
use crate::train::{
    Attack, Augment, Budget, Epoch, Loss, Method, Objective, Pool, Pretext, Recipe, Scales, Schedule,
    Subject, Task, Teaching, Trained, fit, narrowed, shallower, split, train, with_head,
};
use crate::{export, passes};
use burn::tensor::Device;
use clap::{Args, ValueEnum};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Arguments of `mote train`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  mote train net.onnx -o trained.onnx --data photos/ --scale 1/255 --epochs 20
  mote train net.onnx -o trained.onnx --data train.npz --augment flip,shift=0.1 --freeze backbone")]
pub(super) struct Train {
    /// The network: a float .onnx file, trained or not
    #[arg(value_name = "IN.onnx")]
    network: PathBuf,
    /// Draw all weights anew before training
    #[arg(long)]
    fresh: bool,
    /// Put a last layer for so many classes in the place of the network's own
    #[arg(long, value_name = "CLASSES")]
    head: Option<usize>,
    /// Learn from samples without labels by a question whose answer is known
    #[arg(long, value_enum, value_name = "QUESTION")]
    pretext: Option<Question>,
    #[command(flatten)]
    common: Common,
}

/// Arguments of `mote distill`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  mote distill --teacher big.onnx --width 0.25 -o small.onnx --data photos/ --scale 1/255
  mote distill --teacher big.onnx --fit flash=128k,ram=32k -o small.onnx --data photos/ --qat 5
  mote distill --teacher a.onnx --teacher b.onnx --student small.onnx -o taught.onnx --data train.npz
  mote distill --said logits.npy --student small.onnx -o taught.onnx --data train.npz")]
pub(super) struct Distill {
    /// A network to learn from; given several times, what they say is averaged
    #[arg(long, value_name = "FILE.onnx")]
    teacher: Vec<PathBuf>,
    /// What a teacher that ran elsewhere said: scores or probabilities, a row for each sample
    #[arg(long, value_name = "FILE.npy")]
    said: Option<PathBuf>,
    /// More samples, of which only the teachers say what they are; their labels are not looked at
    #[arg(long, value_name = "PATH")]
    unlabelled: Option<PathBuf>,
    /// The network that learns
    #[arg(long, value_name = "FILE.onnx", conflicts_with = "width")]
    student: Option<PathBuf>,
    /// Draw the weights of --student anew before training
    #[arg(long, requires = "student")]
    fresh: bool,
    /// Make the student of the first teacher, with this share of its channels
    #[arg(long, value_name = "SHARE")]
    width: Option<f64>,
    /// Make the student of the first teacher, with this share of the blocks that keep their input's shape
    #[arg(long, value_name = "SHARE", conflicts_with = "student")]
    depth: Option<f64>,
    /// Make the student of the first teacher, as wide as fits: flash=128k,ram=32k,mmac=8
    #[arg(long, value_name = "BUDGET", conflicts_with_all = ["width", "student"])]
    fit: Option<String>,
    /// Softens what teacher and student say before they are compared
    #[arg(long, default_value_t = Teaching::default().temperature)]
    temperature: f32,
    /// Share of the teacher's word in the loss; the rest is the labels'
    #[arg(long, default_value_t = Teaching::default().share)]
    share: f32,
    /// Tensors that are to become alike, by their names in student and first teacher
    #[arg(long, value_name = "STUDENT=TEACHER")]
    hint: Vec<String>,
    /// Weight of the hints in the loss
    #[arg(long, default_value_t = Teaching::default().hint)]
    hint_weight: f32,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct Common {
    /// Samples: a folder of class folders, an .npz with labels, an .npy
    #[arg(long, value_name = "PATH")]
    data: PathBuf,
    /// Class of each sample, as an .npy
    #[arg(long, value_name = "FILE.npy")]
    labels: Option<PathBuf>,
    /// Where the trained network goes
    #[arg(short, long, value_name = "OUT.onnx")]
    output: PathBuf,
    #[command(flatten)]
    preparation: Preparation,
    /// Times that all samples are seen; 0 for --qat alone
    #[arg(long, default_value_t = 10)]
    epochs: usize,
    /// Then so many epochs with the roundings of int8, at a tenth of the rate; what is written brings its scales
    #[arg(long, value_name = "EPOCHS")]
    qat: Option<usize>,
    /// Samples in a step
    #[arg(long, default_value_t = 64)]
    batch: usize,
    /// The highest learning rate
    #[arg(long, default_value_t = Method::default().rate)]
    rate: f64,
    /// How the learning rate goes down
    #[arg(long, value_enum, default_value_t = Falls::Cosine)]
    schedule: Falls,
    /// Share that weights lose in each step, times the rate
    #[arg(long, default_value_t = Method::default().decay)]
    decay: f32,
    /// All chance follows from this number
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Share of the samples that the network is judged by and does not learn from
    #[arg(long, default_value_t = 0.1)]
    validation: f64,
    /// Changes of samples by chance, such as flip,shift=0.1,rotate=10; an unknown name lists all
    #[arg(long, value_name = "LIST", default_value = "")]
    augment: String,
    /// Probability that is spread over all classes
    #[arg(long, default_value_t = 0.0)]
    smoothing: f32,
    /// Exponent by which easy samples count less (focal loss)
    #[arg(long, default_value_t = 0.0)]
    focal: f32,
    /// What is done where classes differ in size
    #[arg(long, value_enum, default_value_t = Balance::None)]
    balance: Balance,
    /// Stop when so many epochs have brought nothing better
    #[arg(long, value_name = "EPOCHS")]
    patience: Option<usize>,
    /// Move samples against the network before it learns from them: fgsm:REACH or pgd:REACH:STEPS
    #[arg(long, value_name = "ATTACK")]
    adversarial: Option<Attack>,
    /// Keep the weights of nodes whose names begin with this
    #[arg(long, value_name = "PREFIX")]
    freeze: Vec<String>,
    /// Write the state here after each epoch, and go on from it if it is there
    #[arg(long, value_name = "FILE.npz")]
    checkpoint: Option<PathBuf>,
    #[command(flatten)]
    json: Json,
}

/// The schedules.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Falls {
    Constant,
    Cosine,
    Step,
}

/// What is asked of samples without labels.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Question {
    /// By how many quarters a square image is turned; the network tells four classes (--head 4).
    Rotation,
}

/// What is done about rare classes.
#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
enum Balance {
    None,
    /// Their samples weigh more.
    Weights,
    /// Their samples are drawn more often.
    Draw,
}

/// Samples that students are measured with; their number has no influence on sizes.
const SIZED_BY: usize = 4;

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    output: &'a Path,
    images_per_second: f64,
    macs: u64,
    epochs: &'a [Epoch],
    qat_epochs: &'a [Epoch],
}

pub(super) fn main_train(args: &Train) -> Result<()> {
    let shapes = args.common.preparation.shapes()?;
    let mut student = Subject::of(&args.network, &shapes)?.begun(args.fresh, args.common.seed)?;
    if let Some(classes) = args.head {
        student.graph = with_head(&student.graph, classes, args.common.seed)?;
    }
    let pretext = args.pretext.map(|Question::Rotation| Pretext::Rotation);
    args.common.run(student, Teachers { pretext, ..Teachers::default() })
}

pub(super) fn main_distill(args: &Distill) -> Result<()> {
    let shapes = args.common.preparation.shapes()?;
    let teachers = args.teacher.iter().map(|path| Subject::of(path, &shapes)).collect::<Result<Vec<_>>>()?;
    let seed = args.common.seed;
    let model = teachers.first().map(|teacher| match args.depth {
        Some(depth) => Ok(Subject { graph: shallower(&teacher.graph, depth)?, input: teacher.input.clone() }),
        None => Ok(teacher.clone()),
    });
    let width = args.width.or(args.depth.filter(|_| args.fit.is_none()).map(|_| 1.0));
    let student = match (&args.student, width, &args.fit, model.transpose()?) {
        (Some(path), ..) => Subject::of(path, &shapes)?.begun(args.fresh, seed)?,
        (_, Some(width), _, Some(teacher)) => {
            Subject { graph: narrowed(&teacher.graph, width, 4, seed)?, input: teacher.input }
        }
        (_, _, Some(budget), Some(teacher)) => {
            let samples = data::open(&args.common.data, &spec_of(&teacher, &args.common)?)?;
            let few = samples.take(SIZED_BY).collect::<Result<Vec<_>>>()?;
            let (graph, costs) = fit(&teacher.graph, &Budget::parse(budget)?, &few, seed)?;
            if !args.common.json.json {
                line(&format!(
                    "the student: width {:.3}, model {} bytes, arena {} bytes, {} MACs",
                    costs.width,
                    thousands(costs.flash as u64),
                    thousands(costs.ram as u64),
                    thousands(costs.macs)
                ))?;
            }
            Subject { graph, input: teacher.input }
        }
        _ => {
            return Err(incomplete(
                "there is no student",
                "give --student FILE.onnx, or --teacher with --width, --depth or --fit",
            ));
        }
    };
    if teachers.is_empty() && args.said.is_none() {
        return Err(incomplete("there is no teacher", "give --teacher FILE.onnx or --said FILE.npy"));
    }
    let pair = |text: &String| match text.split_once('=') {
        Some((student, teacher)) => Ok([student.to_owned(), teacher.to_owned()]),
        None => Err(incomplete(&format!("--hint {text} names one tensor"), "write --hint STUDENT=TEACHER")),
    };
    let hints = args.hint.iter().map(pair).collect::<Result<_>>()?;
    let said = args.said.as_deref().map(data::matrix).transpose()?;
    let teaching = Teaching { temperature: args.temperature, share: args.share, hint: args.hint_weight };
    let unlabelled = args.unlabelled.clone();
    args.common.run(student, Teachers { teachers, said, hints, teaching, unlabelled, pretext: None })
}

#[derive(Default)]
struct Teachers {
    teachers: Vec<Subject>,
    said: Option<ndarray::Array2<f32>>,
    hints: Vec<[String; 2]>,
    teaching: Teaching,
    unlabelled: Option<PathBuf>,
    pretext: Option<Pretext>,
}

impl Common {
    fn run(&self, student: Subject, learned: Teachers) -> Result<()> {
        self.check_output()?;
        let spec = spec_of(&student, self)?;
        let samples = data::open(&self.data, &spec)?;
        let spec = Spec { labels: None, ..spec };
        let unlabelled = learned.unlabelled.as_deref().map(|path| data::open(path, &spec)).transpose()?;
        let pool = Pool { samples: &samples, unlabelled: unlabelled.as_ref() };
        let split = split(&pool, self.validation, self.seed).readable(&pool);
        let recipe = self.recipe(samples.labels(), &split.train, &learned, &student.graph)?;
        let macs = student.graph.macs();
        let task = |student: Subject, scales: Option<Scales>| Task {
            student,
            teachers: learned.teachers.clone(),
            said: learned.said.clone(),
            hints: learned.hints.clone(),
            samples: pool,
            split: &split,
            scales,
        };
        let quiet = self.json.json;
        if !quiet {
            line(&format!(
                "{} samples to learn from, {} to judge by",
                split.train.len(),
                split.validation.len()
            ))?;
        }
        let show = self.json.progress();
        let device = Device::flex();
        let input = student.input.clone();
        let mut report = |epoch: &Epoch| if quiet { Ok(()) } else { line(&told(epoch)) };
        let mut trained =
            train(task(student, None), &recipe, &device, self.checkpoint.as_deref(), show, &mut report)?;
        let mut rounded = None;
        if let Some(epochs) = self.qat {
            let mut graph = trained.graph.clone();
            passes::fold(&mut graph)?;
            let known = split.train.iter().filter(|&&i| i < samples.available());
            let calib = known.take(CALIBRATION_SAMPLES).map(|&i| samples.at(i));
            let scales = Scales::calibrated(&graph, calib, Calibration::MinMax, show)?;
            let method = Method { rate: recipe.method.rate / 10.0, ..recipe.method };
            let recipe = Recipe { epochs, method, ..recipe.clone() };
            let state = self.checkpoint.as_ref().map(|p| p.with_extension("qat.npz"));
            if !quiet {
                line("with the roundings of int8:")?;
            }
            let after = train(
                task(Subject { graph, input }, Some(scales)),
                &recipe,
                &device,
                state.as_deref(),
                show,
                &mut report,
            )?;
            trained.graph = after.graph;
            trained.quants = after.quants;
            rounded = Some(after.history);
        }
        model_file::write(&self.output, &export::quantized(&trained.graph, &trained.quants)?)?;
        let Trained { history, speed, .. } = &trained;
        let qat_epochs = rounded.as_deref().unwrap_or_default();
        let printed =
            Report { output: &self.output, images_per_second: *speed, macs, epochs: history, qat_epochs };
        if self.json.print(&printed)? {
            return Ok(());
        }
        line(&format!("{}\n{speed:.0} images a second", curve(history)))?;
        let calib = if trained.quants.is_empty() {
            format!(" --calib {}", self.data.display())
        } else {
            String::new()
        };
        line(&format!("written: {}; next: mote convert {0} -o OUT.mote{calib}", self.output.display()))
    }

    /// What is found out only after hours of training would be found out too late.
    fn check_output(&self) -> Result<()> {
        for path in [Some(&self.output), self.checkpoint.as_ref()].into_iter().flatten() {
            let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
            if !folder.is_dir() {
                return Err(Error::new("cannot write the result")
                    .at(path.display().to_string())
                    .cause(format!("there is no folder {}", folder.display()))
                    .remedy("make the folder first, or name another one"));
            }
        }
        Ok(())
    }

    fn recipe(
        &self,
        labels: Option<&[usize]>,
        train: &[usize],
        learned: &Teachers,
        graph: &Graph,
    ) -> Result<Recipe> {
        if (self.epochs == 0 && self.qat.is_none())
            || self.batch == 0
            || !(0.0..1.0).contains(&self.validation)
        {
            return Err(incomplete(
                "there is nothing to do",
                "give at least 1 epoch, a batch of at least 1, and a --validation below 1",
            ));
        }
        let mut loss = Loss {
            objective: Objective::OneClass,
            smoothing: self.smoothing,
            focal: self.focal,
            ..Loss::default()
        };
        let classes = graph.shape(graph.outputs[0]).iter().product::<usize>().max(1);
        if learned.pretext.is_some() && classes != Pretext::CLASSES {
            return Err(Error::new("question and network do not go together")
                .cause(format!("there are {} answers, the network tells {classes} classes", Pretext::CLASSES))
                .remedy(format!("give it a last layer for them: --head {}", Pretext::CLASSES)));
        }
        if let Some(labels) = labels.filter(|_| learned.pretext.is_none()) {
            let mut counts = vec![0usize; classes];
            for &i in train.iter().filter(|&&i| i < labels.len()) {
                *counts.get_mut(labels[i]).ok_or_else(|| {
                    Error::new("labels and network do not go together")
                        .at(format!("sample {i}"))
                        .cause(format!("its label is {}, the network tells {classes} classes", labels[i]))
                        .remedy("count classes from 0, and give the network an output for each")
                })? += 1;
            }
            let present = counts.iter().filter(|&&c| c > 0).count();
            if present < 2 {
                return Err(Error::new("there is nothing to learn")
                    .at(self.data.display().to_string())
                    .cause("all samples are of one class")
                    .remedy("give samples of at least two classes"));
            }
            if self.balance == Balance::Weights {
                let mean = train.len() as f32 / present as f32;
                loss.class_weights =
                    counts.iter().map(|&c| if c > 0 { mean / c as f32 } else { 0.0 }).collect();
            }
        }
        let schedule = match self.schedule {
            Falls::Constant => Schedule::Constant,
            Falls::Cosine => Schedule::Cosine,
            Falls::Step => Schedule::Step,
        };
        Ok(Recipe {
            epochs: self.epochs,
            batch: self.batch,
            seed: self.seed,
            method: Method { rate: self.rate, schedule, decay: self.decay, ..Method::default() },
            loss,
            augment: Augment::parse(&self.augment)?,
            teaching: learned.teaching,
            balanced: self.balance == Balance::Draw,
            patience: self.patience,
            attack: self.adversarial,
            pretext: learned.pretext,
            frozen: self.freeze.clone(),
        })
    }
}

/// What samples of a network's input look like.
fn spec_of(student: &Subject, args: &Common) -> Result<Spec> {
    Ok(Spec {
        input: student.input.name.clone(),
        shape: of_one(&student.input.shape),
        others: Vec::new(),
        prepare: args.preparation.prepare()?,
        labels: args.labels.clone(),
        strict: args.preparation.strict,
        limit: None,
    })
}

fn told(epoch: &Epoch) -> String {
    format!(
        "epoch {:>3}  loss {:.4}  validation loss {:.4}  top-1 {}  rate {:.1e}{}",
        epoch.number,
        epoch.loss,
        epoch.validation_loss,
        percent(f64::from(epoch.accuracy)),
        epoch.rate,
        if epoch.best { "  best" } else { "" }
    )
}

/// Loss and accuracy over the epochs, as bars.
fn curve(history: &[Epoch]) -> String {
    let highest = history.iter().map(|e| e.loss).fold(f32::MIN_POSITIVE, f32::max);
    let bar = |share: f32| "█".repeat((share * 30.0).round() as usize);
    let row = |e: &Epoch| vec![e.number.to_string(), bar(e.loss / highest), bar(e.accuracy)];
    table(&["epoch", "<loss", "<top-1"], &history.iter().map(row).collect::<Vec<_>>())
}

fn incomplete(cause: &str, remedy: &str) -> Error {
    Error::new("cannot train").cause(cause).remedy(remedy)
}
