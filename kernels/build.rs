//! Says which instruction sets the target has that `cfg(target_feature)` does not tell on stable Rust.

use std::env::var;

/// The ARMv8-M cores that have the DSP extension, as `-Ctarget-cpu` names them. The architecture leaves it open.
const ARMV8M_WITH_DSP: [&str; 4] = ["cortex-m33", "cortex-m35p", "cortex-m55", "cortex-m85"];

fn main() {
    println!("cargo::rustc-check-cfg=cfg(mote_arm_dsp, mote_armv8m)");
    println!("cargo::rerun-if-changed=build.rs");
    let target = var("TARGET").unwrap_or_default();
    let flags = var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let cpu = flags.split(['\x1f', ' ']).filter_map(|flag| flag.split_once("target-cpu=")).next_back();
    let dsp = cpu.is_some_and(|(_, cpu)| ARMV8M_WITH_DSP.contains(&cpu));
    println!("cargo::rustc-check-cfg=cfg(mote_narrow)");
    if target.starts_with("thumbv6m") || target.starts_with("thumbv8m.base") {
        println!("cargo::rustc-cfg=mote_narrow");
    }
    if target.starts_with("thumbv7em") || target.starts_with("thumbv8m.main") && dsp {
        println!("cargo::rustc-cfg=mote_arm_dsp");
    }
    if target.starts_with("thumbv8m") {
        println!("cargo::rustc-cfg=mote_armv8m");
    }
}
