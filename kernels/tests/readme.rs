//! The tables of this crate's README are those in the code: which operators run on which micro-kernels, and which
//! micro-kernels each instruction set has of its own. Both are read from the sources, where rustfmt keeps
//! declarations in one form; so the rows of sets that this machine cannot run are kept true too.

#[path = "../../runtime/format/tests/common/mod.rs"]
mod common;

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use mote_format::{OPERATOR_TABLE, Op, Shape};
use mote_kernels::table::{Kernels, scratch};

fn crate_file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn source(path: &str) -> String {
    fs::read_to_string(crate_file(path)).expect("the source is there")
}

/// The names of the methods in the block that starts with `head`.
fn methods(source: &str, head: &str) -> Vec<String> {
    let start = source.find(head).unwrap_or_else(|| panic!("no `{head}`"));
    let block = &source[start..];
    let block = &block[..block.find("\n}").expect("its end")];
    let names = block.lines().filter_map(|line| line.strip_prefix("    fn "));
    names.map(|l| l.split(['(', '<']).next().expect("a name").to_string()).collect()
}

/// Instruction sets by file, in the order of their first appearance in the table: name, micro-kernels of its own.
fn sets() -> Vec<(String, Vec<String>)> {
    let table = source("src/table.rs");
    let mut sets = Vec::new();
    for file in fs::read_dir(crate_file("src/isa")).expect("the folder is there") {
        let path = file.expect("readable").path();
        // A set's folder holds the inner loops of its file; `x86` and `aarch64` are about packed layers.
        if path.is_dir() || path.ends_with("x86.rs") || path.ends_with("aarch64.rs") {
            continue;
        }
        let stem = path.file_stem().and_then(|s| s.to_str()).expect("a name").to_string();
        let text = fs::read_to_string(&path).expect("readable");
        let row =
            table.find(&format!(" {stem} \"")).unwrap_or_else(|| panic!("no row for {stem} in the table"));
        let name = table[row..].split('"').nth(1).expect("a name").to_string();
        sets.push((row, name, methods(&text, " Isa for")));
    }
    sets.sort();
    sets.into_iter().map(|(_, name, own)| (name, own)).collect()
}

/// The micro-kernels that an operator's file calls, itself or through another file of `ops/`.
fn used(module: &str, all: &[String]) -> Vec<String> {
    let text = source(&format!("src/ops/{module}.rs"));
    let mut used: Vec<String> = all
        .iter()
        .filter(|m| text.contains(&format!("isa.{m}(")) || text.contains(&format!("I::{m})")))
        .cloned()
        .collect();
    for other in text.lines().filter_map(|l| l.strip_prefix("use super::")) {
        let other = other.split([':', ';']).next().expect("a module");
        used.extend(self::used(other, all));
    }
    used.sort();
    used.dedup();
    used
}

/// The families of instructions that layers are packed for.
fn families() -> Vec<String> {
    let (x86, aarch64) = (source("src/isa/x86.rs"), source("src/isa/aarch64.rs"));
    let calls = x86.split("family!(").chain(aarch64.split("Family = Family {"));
    let names = calls.filter(|call| call.trim_start().starts_with(['"', 'n']));
    names.filter_map(|call| call.split('"').nth(1)).map(str::to_string).collect()
}

#[test]
fn micro_kernels_by_instruction_set() {
    let all = methods(&source("src/isa.rs"), "pub trait Isa");
    let sets = sets();
    let mut table = String::from("| Micro-kernel |");
    sets.iter().for_each(|(name, _)| write!(table, " {name} |").expect("memory"));
    write!(table, "\n|---|{}\n", ":-:|".repeat(sets.len())).expect("memory");
    for method in &all {
        let cell = |own: &Vec<String>| if own.contains(method) { "own" } else { "shared" };
        let cells: Vec<&str> = sets.iter().map(|(_, own)| cell(own)).collect();
        writeln!(table, "| `{method}` | {} |", cells.join(" | ")).expect("memory");
    }
    common::readme::section(&crate_file("README.md"), "micro-kernels", &table);
    let families = families();
    for kernels in Kernels::available() {
        let mut named = sets.iter().map(|(name, _)| name).chain(&families);
        assert!(named.any(|name| name == kernels.name()), "{} has a column", kernels.name());
    }
    let text = source("README.md");
    families.iter().for_each(|f| assert!(text.contains(&format!("| `{f}` |")), "{f} is in the README"));
}

#[test]
fn operators_by_micro_kernel() {
    let all = methods(&source("src/isa.rs"), "pub trait Isa");
    let mut table = String::from("| Operator | File | Micro-kernels |\n|---|---|---|\n");
    for row in OPERATOR_TABLE {
        let used = used(row.module, &all);
        let used: Vec<&String> = all.iter().filter(|m| used.contains(m)).collect();
        let list = used.iter().map(|m| format!("`{m}`")).collect::<Vec<_>>().join(", ");
        let list = if list.is_empty() { "plain loops".into() } else { list };
        writeln!(table, "| {} | `ops/{}.rs` | {list} |", row.name, row.module).expect("memory");
    }
    common::readme::section(&crate_file("README.md"), "operators", &table);
}

/// The names that tools show are of this table, or say that there is none.
#[test]
fn steps_are_named_by_the_table() {
    let all = methods(&source("src/isa.rs"), "pub trait Isa");
    let shape = Shape::new(&[1, 4, 4, 16]).expect("small");
    for (step, isa) in common::steps().iter().flat_map(|s| ["scalar", "arm-dsp", "avx2"].map(|isa| (s, isa)))
    {
        let name = mote_kernels::naming::micro_kernel(isa, &step.op, &shape, &shape, step.scratch.1 as usize);
        let used = used(step.op.module(), &all);
        assert!(used.iter().any(|u| u == name) || name == "plain loop", "{}: {name}", step.op.name());
    }
}

/// Only the operators that pack or gather need scratch; the README says so.
#[test]
fn scratch_is_needed_by_products_only() {
    for step in &common::steps() {
        let shape = Shape::new(&[1, 4, 4, 4]).expect("small");
        let packs = match step.op {
            Op::Conv2dAsymmetric(p) => p.layer.kh * p.layer.kw > 1,
            Op::Conv2d16(p) => p.kh * p.kw > 1,
            Op::Conv2d(_) | Op::DepthwiseConv2d(_) | Op::DepthwiseConv2dAsymmetric(_) => true,
            Op::FullyConnected(_) | Op::TransposeConv2d(_) => true,
            Op::Conv2dPalette(_) | Op::FullyConnectedPalette(_) => true,
            _ => false,
        };
        assert_eq!(scratch(&step.op, &shape, &shape) > 0, packs, "{}", step.op.name());
    }
}
