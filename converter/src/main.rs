//! The `mote` command. Everything it does lives in the library.

use clap::Parser;
use mote_converter::cli::{self, Cli};
use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::main(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
