//! mote's runner: `run-mote MODEL.mote ISA`, on one thread, as a host runs a model. `run-mote sets` names the instruction
//! sets of this machine, slowest first.

use mote_format::AlignedBytes;
use mote_peers::{Failure, serve};
use mote_runtime::{Host, Kernels, Model, Session};

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments == ["sets"] {
        Kernels::available().for_each(|kernels| println!("{}", kernels.name()));
        return Ok(());
    }
    let [path, isa] = &arguments[..] else { return Err("use: run-mote MODEL.mote ISA".into()) };
    let bytes = AlignedBytes::new(&std::fs::read(path)?);
    let model = Model::new_checked(&bytes)?;
    let kernels = Kernels::named(isa).ok_or_else(|| format!("this machine has no {isa}"))?;
    let host = Host::new(&model, kernels, 1);
    let mut arena = vec![0; host.arena_bytes()];
    let mut session = Session::with_kernels(&host, &mut arena, kernels)?;
    serve(|| {
        session.run();
        Ok(())
    })
}
