//! One model on one emulated board, behind the serial protocol of MLPerf Tiny. The model, its form and the board are
//! chosen when the image is built; the build script says how.
//!
//! Nothing here needs an emulator but `mote-board`: on another board it is the board's HAL that gives the serial port and
//! the time.

#![no_std]
#![no_main]

use mote_board::{Memory, Meter, Uart};
use mote_mlperf::{Benchmark, Board, Cost, Harness, Names};

mod network;

/// Sets everything up and answers for ever.
fn run() -> ! {
    let memory = Memory::take().expect("nothing else takes the memory");
    let benchmark = Benchmark::named(env!("MOTE_BENCHMARK"));
    #[cfg(interpreted)]
    let model = network::model();
    #[cfg(interpreted)]
    let network = network::interpreted(&model, memory.arena, benchmark);
    #[cfg(compiled)]
    let network = network::compiled(benchmark);
    #[cfg(empty)]
    let network = network::empty(memory.arena, benchmark);
    let names = Names { vendor: "mote", model: benchmark.name };
    Harness::new(Uart::start(), Emulated(Meter::start()), network, names, memory.psram).serve()
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
