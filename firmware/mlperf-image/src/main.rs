//! One model on one emulated board, behind the serial protocol of MLPerf Tiny. The model and the board are chosen when
//! the image is built; the build script says how.
//!
//! Nothing here needs an emulator but `mote-board`: on another board it is the board's HAL that gives the serial port and
//! the time.

#![no_std]
#![no_main]

use mote_board::{Memory, Meter, Uart};
use mote_kernels::quant::quantize;
use mote_mlperf::{Benchmark, Board, Cost, Harness, Names, Network};
use mote_runtime::{Aligned, Model, Session};

static MODEL: &Aligned<[u8]> = &Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/model.mote")));

fn run() -> ! {
    let benchmark = Benchmark::named(env!("MOTE_BENCHMARK"));
    let memory = Memory::take().expect("nothing else takes the memory");
    let model = Model::new_checked(&MODEL.0).expect("the converter wrote it");
    let elements = model.inputs().map(|input| input.bytes()).sum();
    let (buffer, arena) = memory.arena.split_at_mut(benchmark.data.bytes(elements).next_multiple_of(16));
    let session = Session::new(&model, arena).expect("the board has room");
    let names = Names { vendor: "mote", model: benchmark.name };
    Harness::new(Uart::start(), Emulated(Meter::start()), Interpreted { session, benchmark }, names, buffer)
        .serve()
}

/// A model that the interpreter runs.
struct Interpreted<'m, 'a> {
    session: Session<'m, 'a>,
    benchmark: Benchmark,
}

impl Network for Interpreted<'_, '_> {
    fn load(&mut self, data: &[u8]) -> Result<(), usize> {
        let mut input = self.session.input_mut(0).ok_or(0usize)?;
        let expected = self.benchmark.data.bytes(input.bytes_mut().len());
        if data.len() != expected {
            return Err(expected);
        }
        let quant = input.info().quant;
        self.benchmark.data.store(data, input.bytes_mut(), |real| quantize(real, quant));
        Ok(())
    }

    fn infer(&mut self) {
        self.session.run();
    }

    fn results(&self, data: &[u8], each: &mut dyn FnMut(f32)) {
        if let Some(output) = self.session.output(0) {
            self.benchmark.results(data, output.reals(), each);
        }
    }
}

/// The emulator's time: 64 ns an instruction.
struct Emulated(Meter);

impl Board for Emulated {
    fn micros(&mut self) -> u64 {
        self.0.elapsed() * 64 / 1000
    }

    fn cost(&mut self, code: &mut dyn FnMut()) -> Option<Cost> {
        let mote_board::Cost { instructions, stack } = self.0.cost(code);
        Some(Cost { instructions, stack })
    }
}

/// A board without a log has nobody to tell; the runner notices that no answer comes.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}

#[cfg(target_arch = "arm")]
#[cortex_m_rt::entry]
fn main() -> ! {
    run()
}

/// Where `mote-board`'s start goes on.
#[cfg(target_arch = "riscv32")]
#[allow(unsafe_code)]
// SAFETY: no other symbol has this name; the start calls it once, on a stack, with the statics set.
#[unsafe(no_mangle)]
extern "C" fn main() -> ! {
    run()
}
