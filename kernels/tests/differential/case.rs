//! One step as a model that the format has accepted, run on an instruction set between guard bytes, at odd
//! addresses, beside pages that may not be touched, with garbage in its scratch.

use std::ops::DerefMut;
use std::sync::LazyLock;

use mote_format::{AlignedBytes, Image, Model, Op, Shape, TensorInfo};
use mote_kernels::packed::{Packed, Threads};
use mote_kernels::table::{self, Columns, Computed, Kernels};
use mote_kernels::view::{Io, View, ViewMut};
use mote_kernels::{format, ways};

use crate::common::builder::Builder;
use crate::common::noise;

/// Bytes before and behind each buffer.
const GUARD: usize = 64;

/// One thread, and several.
static THREADS: LazyLock<[Threads; 2]> = LazyLock::new(|| [1, 3].map(|count| Threads::for_work(count, 0)));

/// A model of one step and its input bytes; an input that is a constant of the model has none.
pub(crate) struct Case {
    bytes: AlignedBytes,
    inputs: Vec<Option<Vec<u8>>>,
}

/// Where in its memory a buffer lies.
#[derive(Clone, Copy)]
enum At {
    /// At this distance from an aligned address.
    Odd(usize),
    /// Behind a page that may not be touched, where the system has such.
    Start,
    /// Before one.
    End,
}

/// Bytes somewhere in a larger buffer.
struct Guarded {
    memory: Box<dyn DerefMut<Target = [u8]>>,
    start: usize,
    length: usize,
}

/// Memory between pages that may not be touched.
#[cfg(unix)]
fn fenced(bytes: usize) -> Box<dyn DerefMut<Target = [u8]>> {
    Box::new(crate::fence::Fence::new(bytes))
}

#[cfg(not(unix))]
fn fenced(bytes: usize) -> Box<dyn DerefMut<Target = [u8]>> {
    Box::new(vec![0; bytes])
}

impl Guarded {
    fn new(content: &[u8], at: At) -> Self {
        let length = content.len();
        let mut memory = match at {
            At::Odd(_) => Box::new(vec![0; length + 2 * GUARD + 64]),
            At::Start | At::End => fenced(length),
        };
        memory.fill(0xA5);
        let start = match at {
            At::Odd(offset) => memory.as_ptr().align_offset(64) + GUARD / 2 + offset,
            At::Start => 0,
            At::End => memory.len() - length,
        };
        memory[start..start + length].copy_from_slice(content);
        Self { memory, start, length }
    }

    fn bytes(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..self.start + self.length]
    }

    fn check(&self, what: &str) {
        let inside = self.start..self.start + self.length;
        let touched = self.memory.iter().enumerate().find(|&(i, &b)| !inside.contains(&i) && b != 0xA5);
        assert!(touched.is_none(), "bytes beside the {what} were written, at {}", touched.map_or(0, |t| t.0));
    }
}

/// Every way of computing, and the operators that have a choice without it.
macro_rules! without {
    ($($way:ident)*) => {
        [ $( {
            const WITHOUT: u32 = ways::ALL & !ways::$way;
            static COLUMNS: Columns = Columns::new(&[
                <format::Add as Computed<WITHOUT>>::ROW,
                <format::Conv2d as Computed<WITHOUT>>::ROW,
                <format::DepthwiseConv2d as Computed<WITHOUT>>::ROW,
                <format::FullyConnected as Computed<WITHOUT>>::ROW,
                <format::SumPool2d as Computed<WITHOUT>>::ROW,
            ]);
            (ways::$way, &COLUMNS)
        } ),* ]
    };
}
static WITHOUT: &[(u32, &Columns)] = &without![
    LONG POINTWISE PATCHES GROUPS NARROW BLOCKS WHOLE PARTS SLIDE PIXELS TABLES ELEMENTS SHORT UNEVEN SMALL
];

/// The step with its tensors.
struct Step<'a> {
    model: &'a Model<'a>,
    op: Op,
    x: Vec<TensorInfo>,
    y: TensorInfo,
    /// Bytes of scratch.
    scratch: usize,
}

impl Case {
    /// The step that the builder holds last; `inputs` are the bytes of its inputs, `None` for constants.
    pub(crate) fn new(builder: Builder, inputs: Vec<Option<Vec<u8>>>) -> Self {
        Self { bytes: builder.finish(), inputs }
    }

    /// Runs the step on every instruction set, apart and in place wherever it may: always the bits of the naive loop.
    pub(crate) fn check(&self) {
        self.with_step(|step| {
            let apart = vec![false; step.x.len()];
            let expected = self.run(step, Kernels::naive(), &apart, At::Odd(0));
            for kernels in Kernels::available() {
                for at in [At::Odd(0), At::Odd(1), At::Odd(3), At::Start, At::End] {
                    assert_eq!(self.run(step, kernels, &apart, at), expected, "{}", kernels.name());
                }
            }
            for kernels in Kernels::available().chain([Kernels::naive()]) {
                for height in [1, 2, 3] {
                    if let Some(got) = self.in_rows(step, kernels, height) {
                        assert_eq!(got, expected, "{} in bands of {height} rows", kernels.name());
                    }
                }
            }
            for kernels in Kernels::available() {
                let [one, some] = &*THREADS;
                for (threads, at) in [(some, At::Odd(1)), (one, At::Start), (one, At::End)] {
                    if let Some(got) = self.packed(step, kernels.name(), threads, at) {
                        assert_eq!(got, expected, "{} packed, {} threads", kernels.name(), threads.count());
                    }
                }
            }
            self.check_ways(step, &expected);
            for same in places(step) {
                for kernels in Kernels::available().chain([Kernels::naive()]) {
                    let got = self.run(step, kernels, &same, At::Odd(5));
                    // Both operands in place are one tensor: the second then has the bytes of the first.
                    if same.iter().filter(|&&s| s).count() == 1 || self.inputs[0] == self.inputs[1] {
                        assert_eq!(got, expected, "{} in place {same:?}", kernels.name());
                    }
                }
            }
        });
    }

    /// The step takes no way but those that `ways::of` tells: kernels that lack another one have its bits.
    fn check_ways(&self, step: &Step<'_>, expected: &[u8]) {
        let shapes: Vec<Shape> = step.x.iter().map(|x| x.shape).collect();
        let taken = ways::of(&step.op, &shapes, &step.y.shape, step.scratch, step.model.constants());
        let choosy = WITHOUT[0].1.available().next().is_some_and(|kernels| kernels.has(&step.op));
        assert!(choosy || taken == 0, "`WITHOUT` lacks {}", step.op.name());
        assert_eq!(choosy, ways::linked(step.op.code(), 0) == 0, "`ways::linked` and {}", step.op.name());
        for (way, columns) in WITHOUT.iter().filter(|(way, _)| choosy && taken & way == 0) {
            for kernels in columns.available().take(1) {
                let got = self.run(step, kernels, &vec![false; step.x.len()], At::Odd(2));
                assert_eq!(got, expected, "{} takes way {way:#x}", kernels.name());
                if let Some(got) = self.in_rows(step, kernels, 2) {
                    assert_eq!(got, expected, "{} takes way {way:#x} in bands", kernels.name());
                }
            }
        }
    }

    /// The output's bytes, when the step has a packed form on this instruction set.
    fn packed(&self, step: &Step<'_>, isa: &str, threads: &Threads, at: At) -> Option<Vec<u8>> {
        let packed =
            run_by(step, &self.inputs, &vec![false; step.x.len()], at, |op, io| Packed::new(isa, op, &io))
                .0?;
        let run = |_: &Op, mut io: Io<'_>| {
            packed.run([0, 1].map(|i| io.x.get(i).map_or(&[][..], View::i8s)), io.y.i8s(), threads);
        };
        Some(run_by(step, &self.inputs, &vec![false; step.x.len()], at, run).1)
    }

    /// What the naive loop gives: the output's bytes, then those of states that the step changes.
    pub(crate) fn naive(&self) -> Vec<u8> {
        self.with_step(|step| self.run(step, Kernels::naive(), &vec![false; step.x.len()], At::Odd(0)))
    }

    fn with_step<R>(&self, f: impl FnOnce(&Step<'_>) -> R) -> R {
        let model =
            Model::new_checked(&self.bytes).unwrap_or_else(|e| panic!("the case is not a model: {e}"));
        let step = model.steps().next().expect("one step");
        let tensor = |id| model.tensor(id).expect("checked");
        let (x, y): (Vec<TensorInfo>, _) = (step.inputs.iter().map(tensor).collect(), tensor(step.output));
        let scratch = table::scratch(&step.op, &x[0].shape, &y.shape);
        f(&Step { model: &model, op: step.op, x, y, scratch })
    }

    /// The output's bytes, a few rows at a time, each band from no more of the input than the format says it reads; `None`
    /// when the operator does not go row by row.
    fn in_rows(&self, step: &Step<'_>, kernels: &Kernels, height: usize) -> Option<Vec<u8>> {
        let (window, y) = (step.op.row_window()?, &step.y);
        let rows = y.image()?.height;
        let images: Vec<Image> = step.x.iter().map(TensorInfo::image).collect::<Option<_>>()?;
        let band = |start: usize| {
            let rows = start..rows.min(start + height);
            let part = |(x, image): (&TensorInfo, &Image)| x.rows(&window.reads(&rows, image.height));
            let parts: Vec<TensorInfo> = step.x.iter().zip(&images).map(part).collect();
            let cut = |(bytes, (x, part)): (&Option<Vec<u8>>, (&TensorInfo, &TensorInfo))| {
                let at = part.range().start - x.range().start;
                bytes.as_ref().map(|bytes| bytes[at..at + part.bytes()].to_vec())
            };
            let inputs: Vec<_> = self.inputs.iter().zip(step.x.iter().zip(&parts)).map(cut).collect();
            let mut op = step.op;
            op.keep_rows(&window, &rows, images[0].height);
            let part = Step { op, x: parts, y: y.rows(&rows), ..*step };
            assert!(
                table::scratch(&op, &part.x[0].shape, &part.y.shape) <= step.scratch,
                "less scratch for fewer rows"
            );
            run(&part, kernels, &inputs, &vec![false; inputs.len()], At::Odd(1))
        };
        Some((0..rows).step_by(height).flat_map(band).collect())
    }

    /// The output's bytes, and those of states. Inputs that are the `same` as the output start in it.
    fn run(&self, step: &Step<'_>, kernels: &Kernels, same: &[bool], at: At) -> Vec<u8> {
        run(step, kernels, &self.inputs, same, at)
    }
}

/// Runs a kernel on these inputs; gives the output's bytes, then those of states that the step changes.
fn run(step: &Step<'_>, kernels: &Kernels, inputs: &[Option<Vec<u8>>], same: &[bool], at: At) -> Vec<u8> {
    run_by(step, inputs, same, at, |op, io| kernels.run(op, io)).1
}

/// Calls `f` with these inputs; what it gives, and the output's bytes.
fn run_by<R>(
    step: &Step<'_>,
    inputs: &[Option<Vec<u8>>],
    same: &[bool],
    at: At,
    f: impl FnOnce(&Op, Io<'_>) -> R,
) -> (R, Vec<u8>) {
    let Step { model, op, x, y, scratch } = step;
    let mut buffers: Vec<Guarded> =
        inputs.iter().map(|b| Guarded::new(b.as_deref().unwrap_or(&[]), at)).collect();
    let start = same.iter().position(|&s| s).and_then(|i| inputs[i].clone());
    let mut out = Guarded::new(&start.unwrap_or_else(|| noise(99, y.bytes())), at);
    let mut scratch = Guarded::new(&noise(98, *scratch), at);
    let read = x.len() - op.updates();
    let mut constants = Guarded::new(model.constants(), At::Odd(0));
    if !matches!(at, At::Odd(_)) {
        // As near to the border as their own alignment lets them.
        let padding = model.constants().len().next_multiple_of(16) - model.constants().len();
        constants = Guarded::new(&[model.constants(), &noise(97, padding)].concat(), at);
        constants.length -= padding;
    }
    let (buffers_read, states) = buffers.split_at_mut(read);
    let mut views: Vec<View<'_>> = (x.iter().zip(buffers_read).zip(same))
        .map(|((x, buffer), &same)| {
            let bytes = if x.constant { model.tensor_bytes(x) } else { buffer.bytes() };
            View { shape: &x.shape, quant: &x.quant, bytes: (!same).then_some(bytes) }
        })
        .collect();
    views.extend(x[read..].iter().map(|x| View { shape: &x.shape, quant: &x.quant, bytes: None }));
    let mut states = states.iter_mut().map(Guarded::bytes);
    let states = [(); 2].map(|()| states.next().unwrap_or_default());
    let y = ViewMut { shape: &y.shape, quant: &y.quant, bytes: out.bytes() };
    let result = f(op, Io { x: &views, y, states, scratch: scratch.bytes(), constants: constants.bytes() });
    out.check("output");
    scratch.check("scratch");
    buffers.iter().for_each(|buffer| buffer.check("input"));
    for (buffer, bytes) in buffers.iter_mut().zip(inputs).take(read) {
        assert_eq!(buffer.bytes(), bytes.as_deref().unwrap_or(&[]), "an input was written");
    }
    let states = buffers[read..].iter_mut().flat_map(|state| state.bytes().to_vec());
    (result, out.bytes().iter().copied().chain(states).collect())
}

/// The ways to run the step in place: each input that has the output's shape, or both.
fn places(step: &Step<'_>) -> Vec<Vec<bool>> {
    let fits = |x: &TensorInfo| step.op.in_place() && !x.constant && x.bytes() == step.y.bytes();
    let one = |i: usize| (0..step.x.len()).map(|j| i == j).collect::<Vec<_>>();
    let mut places: Vec<Vec<bool>> = (0..step.x.len()).filter(|&i| fits(&step.x[i])).map(one).collect();
    if step.x.len() == 2 && step.x.iter().all(fits) {
        places.push(vec![true; 2]);
    }
    places
}
