//! The training loop: batches, losses, steps, what is judged after each epoch, and when to stop.

use super::attack::Attack;
use super::augment::Augment;
use super::checkpoint::{self, Best};
use super::dataset::{Batch, Pool, Pretext, Split, chance, order};
use super::loss::{Loss, Teaching};
use super::net::{Net, Pass, numbers};
use super::optimizer::{Method, Optimizer};
use super::qat::Scales;
use super::student::narrowed;
use crate::error::{Error, Result};
use crate::import::{self, InputShapes};
use crate::ir::{Graph, Op, Value, ValueId};
use crate::passes;
use crate::progress::Progress;
use burn::tensor::{Device, Tensor, TensorData};
use mote_format::Quant;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

/// How a network is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// Times that all samples are seen.
    pub epochs: usize,
    /// Samples in a step.
    pub batch: usize,
    /// From which all chance follows.
    pub seed: u64,
    /// Rate, decay and limits.
    pub method: Method,
    /// What is right.
    pub loss: Loss,
    /// Changes of samples by chance.
    pub augment: Augment,
    /// What teachers add, where there are any.
    pub teaching: Teaching,
    /// Whether each class is drawn as often as any other.
    pub balanced: bool,
    /// Stops when so many epochs have brought nothing better.
    pub patience: Option<usize>,
    /// Moves samples against the network before it learns from them.
    pub attack: Option<Attack>,
    /// Takes the place of the labels.
    pub pretext: Option<Pretext>,
    /// Nodes whose names begin with one of these keep their weights.
    pub frozen: Vec<String>,
}

impl Default for Recipe {
    fn default() -> Self {
        Recipe {
            epochs: 10,
            batch: 64,
            seed: 0,
            method: Method::default(),
            loss: Loss::default(),
            augment: Augment::default(),
            teaching: Teaching::default(),
            balanced: false,
            patience: None,
            attack: None,
            pretext: None,
            frozen: Vec::new(),
        }
    }
}

/// A network in two forms.
#[derive(Debug, Clone)]
pub struct Subject {
    /// As imported, in ONNX's layout: what is trained.
    pub graph: Graph,
    /// Its input as samples are prepared for it.
    pub input: Value,
}

impl Subject {
    /// Imports a network.
    pub fn of(path: &Path, shapes: &InputShapes) -> Result<Self> {
        let graph = import::onnx_file(path, shapes)?;
        let mut prepared = graph.clone();
        passes::run(&mut prepared)?;
        let input = prepared.inputs.first().map(|&id| prepared.value(id).clone());
        Ok(Subject { graph, input: input.ok_or_else(|| Error::internal("a network without an input"))? })
    }

    /// The same network, with fresh weights where that is wanted.
    pub fn begun(self, fresh: bool, seed: u64) -> Result<Self> {
        Ok(if fresh { Subject { graph: narrowed(&self.graph, 1.0, 1, seed)?, ..self } } else { self })
    }
}

/// What there is to train.
#[derive(Debug)]
pub struct Task<'a> {
    /// The network.
    pub student: Subject,
    /// Networks to learn from; what they say is averaged.
    pub teachers: Vec<Subject>,
    /// Scores or probabilities of a teacher that ran elsewhere, a row of them for each sample.
    pub said: Option<ndarray::Array2<f32>>,
    /// Names of tensors of student and first teacher that are to become alike.
    pub hints: Vec<[String; 2]>,
    /// All samples.
    pub samples: Pool<'a>,
    /// Which of them are for what.
    pub split: &'a Split,
    /// Scales to round at, for a student whose layers are folded.
    pub scales: Option<Scales>,
}

/// What one epoch has brought.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Counted from 1.
    pub number: usize,
    /// Mean loss of the batches, teachers' share included.
    pub loss: f32,
    /// Loss of the labels on the validation samples; on the last batches when there are none.
    pub validation_loss: f32,
    /// Share of validation samples whose most likely class is right.
    pub accuracy: f32,
    /// Learning rate of the last step.
    pub rate: f64,
    /// Whether the parameters after this epoch are the best so far.
    pub best: bool,
}

/// A trained network.
#[derive(Debug, Clone)]
pub struct Trained {
    /// With the parameters of the best epoch.
    pub graph: Graph,
    /// Scales of its values, where it was rounded.
    pub quants: BTreeMap<ValueId, Quant>,
    /// All epochs.
    pub history: Vec<Epoch>,
    /// Images a second, reading and judging left out.
    pub speed: f64,
}

/// Trains a network. `checkpoint` is written after each epoch and gone on from if it exists; `report` is told of each epoch.
pub fn train(
    task: Task<'_>,
    recipe: &Recipe,
    device: &Device,
    checkpoint: Option<&Path>,
    show: Progress,
    report: &mut dyn FnMut(&Epoch) -> Result<()>,
) -> Result<Trained> {
    let mut trainer = Trainer::new(task, recipe, device)?;
    trainer.listen(show)?;
    let (mut history, mut best) = match checkpoint.filter(|p| p.exists()) {
        Some(path) => checkpoint::load(path, recipe, &mut trainer.net, &mut trainer.optimizer, device)?,
        None => (Vec::new(), trainer.parameters()?),
    };
    history.iter().try_for_each(&mut *report)?;
    for number in history.len() + 1..=recipe.epochs {
        if stopped(&history, recipe.patience) {
            break;
        }
        let mut epoch = trainer.epoch(number, show)?;
        epoch.best = history
            .iter()
            .all(|e| (e.accuracy, -e.validation_loss) < (epoch.accuracy, -epoch.validation_loss));
        if epoch.best {
            best = trainer.parameters()?;
        }
        report(&epoch)?;
        history.push(epoch);
        if let Some(path) = checkpoint {
            checkpoint::save(path, recipe, &history, &trainer.net, &trainer.optimizer, &best)?;
        }
    }
    trainer.put_back(&best);
    let speed = trainer.seen as f64 / trainer.busy.max(1e-9);
    Ok(Trained { graph: trainer.net.trained()?, quants: trainer.net.quants()?, history, speed })
}

fn stopped(history: &[Epoch], patience: Option<usize>) -> bool {
    let since = history.iter().rev().take_while(|e| !e.best).count();
    patience.is_some_and(|p| !history.is_empty() && since >= p)
}

/// Into how many parts a batch goes, and how many samples each has at least.
const PARTS: usize = 2;
const SMALLEST: usize = 16;

/// What a part of a batch gives.
struct Learnt {
    loss: f32,
    /// One a parameter, where it takes part.
    gradients: Vec<Option<Tensor<1>>>,
    pass: Pass,
}

/// Why there was no step.
enum Stopped {
    Error(Error),
    /// The loss of this part is no number.
    Diverged(Box<Batch>, f32),
}

impl From<Error> for Stopped {
    fn from(e: Error) -> Self {
        Stopped::Error(e)
    }
}

struct Trainer<'a> {
    task: Task<'a>,
    recipe: &'a Recipe,
    device: &'a Device,
    net: Net,
    /// The student's scores, before a softmax or sigmoid.
    scores: ValueId,
    teachers: Vec<(Net, ValueId)>,
    /// What the teachers say to each sample, softened, where that stays the same.
    heard: Option<Vec<Vec<f32>>>,
    /// Hinted values of the student and of the first teacher.
    hints: Vec<[ValueId; 2]>,
    optimizer: Optimizer,
    classes: usize,
    /// Samples learnt from, and seconds spent on it.
    seen: usize,
    busy: f64,
}

impl<'a> Trainer<'a> {
    fn new(mut task: Task<'a>, recipe: &'a Recipe, device: &'a Device) -> Result<Self> {
        let frozen = |name: &str| recipe.frozen.iter().any(|prefix| name.starts_with(prefix.as_str()));
        let mut net = Net::new(task.student.graph.clone(), device, frozen)?;
        if let Some(scales) = task.scales.take() {
            net = net.rounded(scales);
        }
        let scores = scores(net.graph())?;
        let classes = net.graph().shape(scores).iter().product();
        let mut teachers = Vec::new();
        for teacher in &task.teachers {
            let net = Net::new(teacher.graph.clone(), device, |_| true)?;
            let scores = self::scores(net.graph())?;
            let said = net.graph().shape(scores).iter().product::<usize>();
            if said != classes {
                return Err(unlike(format!("a teacher tells {said} classes, the student {classes}")));
            }
            teachers.push((net, scores));
        }
        if let Some(said) = &mut task.said {
            if said.dim() != (task.samples.available(), classes) {
                let dim = said.dim();
                return Err(unlike(format!(
                    "{dim:?} teacher outputs for {} samples of {classes} classes",
                    task.samples.available()
                )));
            }
            // Probabilities become scores; a softmax gives them back.
            if said.iter().all(|p| (0.0..=1.0).contains(p)) {
                said.mapv_inplace(|p| p.max(1e-7).ln());
            }
        }
        let find = |graph: &Graph, name: &str| {
            let found = graph.values.iter().position(|v| v.name == name && v.konst.is_none());
            found.map(ValueId).ok_or_else(|| {
                Error::new("cannot find a hinted tensor")
                    .at(format!("--hint {name}"))
                    .cause("the network has no tensor of this name")
                    .remedy("look for names with a viewer of ONNX files; teacher and student have their own")
            })
        };
        let mut hints = Vec::new();
        for [student, teacher] in &task.hints {
            let Some((first, _)) = teachers.first() else {
                return Err(unlike("a hint needs a teacher".into()));
            };
            let pair = [find(net.graph(), student)?, find(first.graph(), teacher)?];
            let shapes = [net.graph().shape(pair[0]), first.graph().shape(pair[1])];
            if shapes[0] != shapes[1] {
                return Err(unlike(format!("hinted tensors of shapes {:?} and {:?}", shapes[0], shapes[1])));
            }
            hints.push(pair);
        }
        let optimizer = Optimizer::new(recipe.method, net.parameters.len());
        Ok(Trainer {
            task,
            recipe,
            device,
            net,
            scores,
            teachers,
            heard: None,
            hints,
            optimizer,
            classes,
            seen: 0,
            busy: 0.0,
        })
    }

    /// Asks the teachers once for all epochs, where each sample looks the same in all of them.
    fn listen(&mut self, show: Progress) -> Result<()> {
        let changing =
            self.recipe.pretext.is_some() || !self.hints.is_empty() || !self.recipe.augment.is_none();
        if self.teachers.is_empty() || changing || self.recipe.epochs < 2 {
            return Ok(());
        }
        let (train, size) = (&self.task.split.train, self.recipe.batch);
        let bar = show.bar("asking the teachers", train.len().div_ceil(PARTS * size));
        let mut all = vec![Vec::new(); self.task.samples.available()];
        for indices in train.chunks(PARTS * size) {
            let this = &*self;
            let ask = |indices: &[usize]| -> Result<Vec<f32>> {
                let none = Augment::default();
                let batch = Batch::read(&this.task.samples, indices, this.classes, (&none, None), |_| {
                    chance(0, &[])
                })?;
                let said = this.taught(&batch)?.ok_or_else(|| Error::internal("no teacher"))?.0;
                numbers(said.inner())
            };
            let answers: Vec<_> = std::thread::scope(|scope| {
                let ask = &ask;
                let workers: Vec<_> =
                    indices.chunks(size).map(|part| scope.spawn(move || ask(part))).collect();
                workers.into_iter().map(std::thread::ScopedJoinHandle::join).collect()
            });
            for (part, answer) in indices.chunks(size).zip(answers) {
                let answer = answer.map_err(|_| Error::internal("asking a teacher"))??;
                for (&index, row) in part.iter().zip(answer.chunks(self.classes)) {
                    all[index] = row.to_vec();
                }
            }
            bar.step();
        }
        self.heard = Some(all);
        Ok(())
    }

    /// Learns from all samples once, and judges.
    fn epoch(&mut self, number: usize, show: Progress) -> Result<Epoch> {
        let recipe = self.recipe;
        let labels = self.task.samples.samples.labels();
        let order = order(&self.task.split.train, labels, recipe.balanced, recipe.seed, number);
        let steps = order.len().div_ceil(recipe.batch);
        let bar = show.bar("training", steps);
        let (mut sum, mut rate) = (0.0, 0.0);
        for (step, indices) in order.chunks(recipe.batch).enumerate() {
            let random = |index: usize| chance(recipe.seed, &[2, number as u64, index as u64]);
            let look = (&recipe.augment, recipe.pretext);
            let mut batch = Batch::read(&self.task.samples, indices, self.classes, look, random)?;
            let begun = Instant::now();
            rate = self.optimizer.rate((number - 1) * steps + step, recipe.epochs * steps);
            batch.mix(recipe.augment.mixed(&mut chance(recipe.seed, &[4, number as u64, step as u64])));
            let count = batch.len();
            let loss = self.step(batch, rate).map_err(|e| match e {
                Stopped::Error(e) => e,
                Stopped::Diverged(batch, loss) => self.diverged(&batch, number, step, loss),
            })?;
            sum += loss * count as f32;
            self.seen += count;
            self.busy += begun.elapsed().as_secs_f64();
            bar.step();
        }
        let (validation_loss, accuracy) = self.judge()?;
        Ok(Epoch {
            number,
            loss: sum / order.len().max(1) as f32,
            validation_loss,
            accuracy,
            rate,
            best: false,
        })
    }

    /// One step; gives the loss. Parts of a batch are computed side by side; there are as many on every machine, so that results do
    /// not depend on it. Each takes batch statistics of its own.
    fn step(&mut self, batch: Batch, rate: f64) -> Result<f32, Stopped> {
        let whole = batch.len() as f32;
        let parts = batch.parts(if whole as usize >= PARTS * SMALLEST { PARTS } else { 1 });
        let this = &*self;
        let results: Vec<_> = std::thread::scope(|scope| {
            let workers: Vec<_> = parts.iter().map(|part| scope.spawn(move || this.part(part))).collect();
            workers.into_iter().map(std::thread::ScopedJoinHandle::join).collect()
        });
        let mut sums: Vec<Option<Tensor<1>>> = vec![None; self.net.parameters.len()];
        let mut loss = 0.0;
        for (part, result) in parts.into_iter().zip(results) {
            let result = result.map_err(|_| Error::internal("a part of a batch"))?;
            let Learnt { loss: own, gradients, pass } = result?;
            if !own.is_finite() {
                return Err(Stopped::Diverged(Box::new(part), own));
            }
            let share = part.len() as f32 / whole;
            loss += own * share;
            for (sum, gradient) in sums.iter_mut().zip(gradients) {
                let gradient = gradient.map(|g| g.mul_scalar(share));
                *sum = match (sum.take(), gradient) {
                    (Some(sum), Some(gradient)) => Some(sum + gradient),
                    (sum, gradient) => sum.or(gradient),
                };
            }
            self.net.follow(&pass);
        }
        self.optimizer.step(&mut self.net.parameters, sums, rate)?;
        Ok(loss)
    }

    /// Loss and gradients of a part of a batch.
    fn part(&self, batch: &Batch) -> Result<Learnt> {
        let wanted: Vec<ValueId> = self.hints.iter().map(|h| h[0]).chain([self.scores]).collect();
        let mut x = batch.input(&self.task.student.input)?;
        if let (Some(attack), Some(targets)) = (self.recipe.attack, self.targets(batch)) {
            x = attack.moved(&self.net, self.scores, &self.recipe.loss, x, &targets)?;
        }
        let pass = self.net.run(x, batch.len(), true, &wanted)?;
        let loss = self.loss(&pass, batch)?;
        let value = numbers(loss.clone())?[0];
        let gradients =
            if value.is_finite() { self.net.gradients(&pass, &mut loss.backward()) } else { Vec::new() };
        Ok(Learnt { loss: value, gradients, pass })
    }

    fn loss(&self, pass: &Pass, batch: &Batch) -> Result<Tensor<1>> {
        let scores = rows(pass, self.scores, batch.len())?;
        let teaching = self.recipe.teaching;
        let taught = self.taught(batch)?.map(|(said, hints)| -> Result<_> {
            let mut loss = teaching.of(scores.clone(), said);
            for (pair, wanted) in self.hints.iter().zip(hints) {
                let apart = (rows(pass, pair[0], batch.len())? - wanted).square().mean();
                loss = loss + apart.mul_scalar(teaching.hint);
            }
            Ok(loss)
        });
        let told = self.targets(batch).map(|targets| self.recipe.loss.of(scores, targets));
        match (told, taught.transpose()?) {
            (Some(told), Some(taught)) => {
                Ok(told.mul_scalar(1.0 - teaching.share) + taught.mul_scalar(teaching.share))
            }
            (Some(loss), None) | (None, Some(loss)) => Ok(loss),
            (None, None) => Err(Error::new("there is nothing to learn from")
                .cause("the samples have no labels, and there is no teacher")
                .remedy("give class subfolders, an .npz with labels, --labels or --teacher")),
        }
    }

    /// Probabilities of the classes as the labels tell them.
    fn targets(&self, batch: &Batch) -> Option<Tensor<2>> {
        let all = batch.targets.as_ref()?.concat();
        let data = TensorData::new(all, [batch.len(), self.classes]);
        Some(Tensor::from_data(data, &self.device.clone().autodiff()))
    }

    /// Softened probabilities as the teachers tell them, and their values to take hints from.
    fn taught(&self, batch: &Batch) -> Result<Option<(Tensor<2>, Vec<Tensor<2>>)>> {
        let teaching = &self.recipe.teaching;
        if let Some(heard) = &self.heard {
            let rows: Vec<f32> = batch.indices.iter().flat_map(|&i| &heard[i]).copied().collect();
            let data = TensorData::new(rows, [batch.len(), self.classes]);
            return Ok(Some((Tensor::from_data(data, &self.device.clone().autodiff()), Vec::new())));
        }
        let mut all: Vec<Tensor<2>> = Vec::new();
        let mut hints = Vec::new();
        if let Some(said) = &self.task.said {
            let rows: Vec<f32> = batch.indices.iter().flat_map(|&i| said.row(i).to_vec()).collect();
            let data = TensorData::new(rows, [batch.len(), self.classes]);
            all.push(teaching.softened(Tensor::from_data(data, self.device)));
        }
        for (index, (net, scores)) in self.teachers.iter().enumerate() {
            let wanted: Vec<ValueId> = self.hints.iter().filter(|_| index == 0).map(|h| h[1]).collect();
            let x = batch.input(&self.task.teachers[index].input)?;
            let pass = net.run(x, batch.len(), false, &[&wanted[..], &[*scores]].concat())?;
            all.push(teaching.softened(rows(&pass, *scores, batch.len())?));
            for id in wanted {
                hints.push(rows(&pass, id, batch.len())?.autodiff());
            }
        }
        let count = all.len();
        let sum = all.into_iter().reduce(|a, b| a + b);
        Ok(sum.map(|sum| (sum.div_scalar(count as f32).autodiff(), hints)))
    }

    /// Loss and share of right answers on the validation samples.
    fn judge(&self) -> Result<(f32, f32)> {
        let held = &self.task.split.validation;
        let (mut loss, mut right) = (0.0, 0);
        for indices in held.chunks(self.recipe.batch) {
            let (none, random) = (Augment::default(), |index: usize| chance(0, &[index as u64]));
            let look = (&none, self.recipe.pretext);
            let batch = Batch::read(&self.task.samples, indices, self.classes, look, random)?;
            let x = batch.input(&self.task.student.input)?;
            let pass = self.net.run(x, batch.len(), false, &[self.scores])?;
            let scores = rows(&pass, self.scores, batch.len())?;
            let (Some(tensor), Some(targets)) = (self.targets(&batch), &batch.targets) else { continue };
            loss += numbers(self.recipe.loss.of(scores.clone(), tensor.inner()))?[0] * batch.len() as f32;
            let scores = numbers(scores)?;
            let best = |row: &[f32]| (0..row.len()).rev().max_by(|&a, &b| row[a].total_cmp(&row[b]));
            right += scores.chunks(self.classes).zip(targets).filter(|(row, t)| best(row) == best(t)).count();
        }
        let count = held.len().max(1) as f32;
        Ok((loss / count, right as f32 / count))
    }

    /// The error for a loss that is no number, with the layer where that began.
    fn diverged(&self, batch: &Batch, epoch: usize, step: usize, loss: f32) -> Error {
        let all: Vec<ValueId> = self.net.graph().nodes.iter().map(|n| n.output).collect();
        let input = batch.input(&self.task.student.input);
        let pass = input.and_then(|x| self.net.run(x, batch.len(), true, &all));
        let bad = |id: ValueId| -> Option<bool> {
            let values = numbers(rows(pass.as_ref().ok()?, id, batch.len()).ok()?.inner()).ok()?;
            Some(values.iter().any(|v| !v.is_finite()))
        };
        let first = self.net.graph().nodes.iter().find(|n| bad(n.output) == Some(true));
        let error = Error::new("the training has diverged")
            .cause(format!("the loss is {loss} in step {} of epoch {epoch}", step + 1))
            .remedy("lower --rate, raise --batch, or look at the samples of this batch");
        match first {
            Some(node) => error.at_node(&node.name, node.op.name()),
            None => error,
        }
    }

    fn parameters(&self) -> Result<Best> {
        self.net.parameters.iter().map(|p| numbers(p.data.clone())).collect()
    }

    fn put_back(&mut self, best: &Best) {
        for (parameter, numbers) in self.net.parameters.iter_mut().zip(best) {
            parameter.data =
                Tensor::from_data(TensorData::new(numbers.clone(), [numbers.len()]), self.device);
        }
    }
}

fn rows(pass: &Pass, id: ValueId, batch: usize) -> Result<Tensor<2>> {
    pass.rows(id, batch).ok_or_else(|| Error::internal("a value was not kept"))
}

/// The scores of a classifier: its output, or what goes into the softmax or sigmoid that makes it.
pub(super) fn scores(graph: &Graph) -> Result<ValueId> {
    let &[output] = &graph.outputs[..] else {
        return Err(Error::new("cannot train the network")
            .cause(format!("it has {} outputs; a classifier has one", graph.outputs.len()))
            .remedy("export the network with its scores as the only output"));
    };
    let mut id = output;
    while let Some(node) = graph.producer(id).map(|n| &graph.nodes[n]) {
        let last = matches!(&node.op, Op::Softmax { .. } | Op::Activation(crate::ir::Activation::Sigmoid));
        if last {
            return Ok(node.inputs[0]);
        }
        if !matches!(&node.op, Op::Reshape | Op::Identity) {
            break;
        }
        id = node.inputs[0];
    }
    Ok(output)
}

fn unlike(cause: String) -> Error {
    Error::new("student, teacher and samples do not go together")
        .cause(cause)
        .remedy("give networks and labels of the same classes")
}
