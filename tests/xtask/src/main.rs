//! `cargo xtask`: the project's own chores. One file per subcommand; what they share lies in `boards`, `shell`
//! and `toolchain`. Nothing here is part of the product.

mod aarch64;
mod boards;
mod budget;
mod capi;
mod emulate;
mod firmware;
mod mlperf;
mod models;
mod peers;
mod setup;
mod shell;
mod sizes;
mod test;
mod toolchain;

use std::process::ExitCode;

use boards::Board;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The project's own chores")]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Install what is missing to build and test everything, or say how to
    Setup,
    /// Build the images of the boards and print their paths, one a line
    Firmware {
        /// Boards; all of them when none is named
        boards: Vec<Board>,
        /// Print where the images are, and build nothing
        #[arg(long)]
        print: bool,
    },
    /// Build a board's image and run it in QEMU
    Emulate {
        /// The board
        board: Board,
        /// What the image is given: --model FILE --input FILE --output FILE [--report FILE]
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Build an image of one model behind MLPerf Tiny's serial protocol and run it in QEMU
    Mlperf {
        #[command(flatten)]
        image: mlperf::Image,
        /// Print where the image is, and do not run it
        #[arg(long)]
        build: bool,
        /// Where the serial port leads, as QEMU names it: stdio, pty, tcp::4444,server
        #[arg(long, default_value = "stdio")]
        serial: String,
    },
    /// Build the library for C programs, and print its path
    Capi(capi::Capi),
    /// Set up, then check and test everything there is
    Test {
        /// Also run the tests that are ignored for taking long, and ten times as many random cases
        #[arg(long)]
        full: bool,
    },
    /// Time networks on other engines and on mote, side by side
    Peers(peers::Options),
    /// Print what images of models weigh and what an inference costs on their boards; fail when one exceeds its budget
    Sizes {
        #[command(flatten)]
        options: sizes::Options,
    },
}

fn main() -> ExitCode {
    let result = match Cli::parse().chore {
        Chore::Setup => setup::run(),
        Chore::Firmware { boards, print } => firmware::run(&boards, print),
        Chore::Emulate { board, args } => emulate::run(board, &args),
        Chore::Mlperf { image, build, serial } => mlperf::run(&image, build, &serial),
        Chore::Capi(args) => capi::run(&args),
        Chore::Test { full } => test::run(full),
        Chore::Peers(options) => peers::run(&options),
        Chore::Sizes { options } => sizes::run(options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
