//! Runs a model on raw input bytes and writes its raw outputs: the whole of mote on a host, without the converter.
//!
//!     infer MODEL [--isa NAME] [--threads N] [--plain] [--runs N] [INPUT...] > outputs
//!
//! Inputs that no file is given for are zero points. `--plain` leaves the weights as the file has them.

use std::error::Error;
use std::io::Write;

use mote_format::AlignedBytes;
use mote_runtime::{Host, Kernels, Model, Program, Session};

/// What the command line asks for.
struct Options {
    model: String,
    kernels: &'static Kernels,
    threads: usize,
    plain: bool,
    runs: usize,
    inputs: Vec<String>,
}

fn options() -> Result<Options, Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let model = arguments.next().ok_or("no model is named")?;
    let mut options =
        Options { model, kernels: Kernels::best(), threads: 1, plain: false, runs: 1, inputs: Vec::new() };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} wants a value"));
        match argument.as_str() {
            "--isa" => {
                let name = value()?;
                let unknown = || {
                    let names: Vec<&str> = Kernels::available().map(Kernels::name).collect();
                    format!("this machine has no {name}; it has {}", names.join(", "))
                };
                options.kernels = Kernels::named(&name).ok_or_else(unknown)?;
            }
            "--threads" => options.threads = value()?.parse()?,
            "--runs" => options.runs = value()?.parse()?,
            "--plain" => options.plain = true,
            _ => options.inputs.push(argument),
        }
    }
    Ok(options)
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = options()?;
    let bytes = AlignedBytes::new(&std::fs::read(&options.model)?);
    let model = Model::new_checked(&bytes)?;
    if options.plain {
        infer(&model, &options)
    } else {
        infer(&Host::new(&model, options.kernels, options.threads), &options)
    }
}

fn infer<'m, P: Program<'m>>(program: &'m P, options: &Options) -> Result<(), Box<dyn Error>> {
    let mut arena = vec![0; program.arena_bytes()];
    let mut session = Session::with_kernels(program, &mut arena, options.kernels)?;
    for _ in 0..options.runs {
        for i in 0..usize::from(program.inputs()) {
            let mut input = session.input_mut(i).ok_or("an input is missing")?;
            match options.inputs.get(i) {
                Some(path) => {
                    let (bytes, given) = (input.bytes_mut(), std::fs::read(path)?);
                    let sizes = format!("{path} has {} bytes, the input {}", given.len(), bytes.len());
                    (given.len() == bytes.len()).then(|| bytes.copy_from_slice(&given)).ok_or(sizes)?;
                }
                None => {
                    let zero = input.info().quant.zero as u8;
                    input.bytes_mut().fill(zero);
                }
            }
        }
        session.run();
    }
    let mut out = std::io::stdout().lock();
    session.outputs().try_for_each(|output| out.write_all(output.bytes()))?;
    Ok(())
}
