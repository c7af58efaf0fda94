//! The model as the protocol's network: a session, in either form, or nothing that has a session's inputs and outputs.

use mote_kernels::quant::{dequantize, quantize};
use mote_mlperf::{Benchmark, Network};
use mote_runtime::Quant;

/// What runs, and the benchmark that it serves.
pub(crate) struct Ran<R> {
    runs: R,
    benchmark: Benchmark,
}

/// One input and one output, of int8.
trait Runs {
    fn input<T>(&mut self, with: impl FnOnce(&mut [u8], Quant) -> T) -> T;
    fn run(&mut self);
    fn output(&self) -> (&[u8], Quant);
}

impl<R: Runs> Network for Ran<R> {
    fn load(&mut self, data: &[u8]) -> Result<(), usize> {
        let sent = self.benchmark.data;
        self.runs.input(|input, quant| {
            let expected = sent.bytes(input.len());
            if data.len() != expected {
                return Err(expected);
            }
            sent.store(data, input, |real| quantize(real, quant));
            Ok(())
        })
    }

    fn infer(&mut self) {
        self.runs.run();
    }

    fn results(&self, data: &[u8], each: &mut dyn FnMut(f32)) {
        let (output, quant) = self.runs.output();
        let reals = output.iter().map(|&byte| dequantize(byte as i8, quant));
        self.benchmark.results(data, reals, each);
    }
}

#[cfg(not(empty))]
impl<'m, P: mote_runtime::Program<'m>> Runs for mote_runtime::Session<'m, '_, P> {
    fn input<T>(&mut self, with: impl FnOnce(&mut [u8], Quant) -> T) -> T {
        let mut input = self.input_mut(0).expect("a benchmark's model has an input");
        let quant = input.info().quant;
        with(input.bytes_mut(), quant)
    }

    fn run(&mut self) {
        Self::run(self);
    }

    fn output(&self) -> (&[u8], Quant) {
        let output = Self::output(self, 0).expect("a benchmark's model has an output");
        (output.bytes(), output.info().quant)
    }
}

#[cfg(interpreted)]
pub(crate) use interpreted::*;

#[cfg(interpreted)]
mod interpreted {
    use mote_runtime::{Aligned, Model, Operators, Session};

    use super::*;

    static MODEL: &Aligned<[u8]> = &Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/model.mote")));

    /// Those of the suite and of the model.
    static OPERATORS: Operators = include!(concat!(env!("OUT_DIR"), "/operators.rs"));

    pub(crate) fn model() -> Model<'static> {
        Model::with_operators(&MODEL.0, &OPERATORS).expect("the converter wrote it")
    }

    pub(crate) fn interpreted<'m, 'a>(
        model: &'m Model<'m>,
        arena: &'a mut [u8],
        benchmark: Benchmark,
    ) -> Ran<Session<'m, 'a, Model<'m>>> {
        let session = Session::new(model, arena).expect("the board has room");
        Ran { runs: session, benchmark }
    }
}

#[cfg(compiled)]
pub(crate) use compiled::*;

#[cfg(compiled)]
mod compiled {
    use mote_board::Once;
    use mote_runtime::{Arena, include_model};

    use super::*;

    include_model!(Net = "$OUT_DIR/model.mote");

    static ARENA: Once<Arena<{ Net::ARENA }>> = Once::new(Arena::new());

    pub(crate) fn compiled(benchmark: Benchmark) -> impl Network {
        let arena = ARENA.take().expect("nothing else takes the arena");
        Ran { runs: Net::session(arena), benchmark }
    }
}

#[cfg(empty)]
pub(crate) use empty::*;

#[cfg(empty)]
mod empty {
    use super::*;

    /// Nothing: its output is its input.
    pub(crate) struct Nothing<'a>(&'a mut [u8], Quant);

    impl Runs for Nothing<'_> {
        fn input<T>(&mut self, with: impl FnOnce(&mut [u8], Quant) -> T) -> T {
            with(self.0, self.1)
        }

        fn run(&mut self) {}

        fn output(&self) -> (&[u8], Quant) {
            (&*self.0, self.1)
        }
    }

    pub(crate) fn empty(memory: &mut [u8], benchmark: Benchmark) -> Ran<Nothing<'_>> {
        Ran { runs: Nothing(memory, core::hint::black_box(Quant { scale: 1.0, zero: 0 })), benchmark }
    }
}
