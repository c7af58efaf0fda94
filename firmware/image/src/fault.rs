//! What is said when the program cannot go on: panics and hard faults go to the host's standard error as text,
//! and to the log; the emulator then exits with code 101.

use core::fmt::Display;
use core::panic::PanicInfo;

use defmt_semihosting as _;
use mote_board::Fault;
use semihosting::{eprintln, process};

fn die(what: &dyn Display) -> ! {
    eprintln!("{what}");
    defmt::error!("{}", defmt::Display2Format(what));
    process::exit(101)
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    match Fault::last() {
        Some(Fault { pc, caller }) => {
            die(&format_args!("hard fault at {pc:#010x}, called from {caller:#010x}"))
        }
        None => die(info),
    }
}

#[defmt::panic_handler]
fn defmt_panic() -> ! {
    die(&"a panic that the log describes")
}
