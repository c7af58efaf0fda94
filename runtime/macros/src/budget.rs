//! Whether a model fits what it is given, and which layer is to blame when it does not. How much code its kernels are is
//! the linker's to know.

use mote_format::{Model, StepInfo};

use proc_macro2::{Ident, TokenStream};
use quote::quote;

use crate::input::{Budget, Memory};

/// Says what does not fit, with the layer that takes the most.
pub(crate) fn check(model: &Model<'_>, budget: &Budget) -> Result<(), String> {
    let (needed, what) = match budget.memory {
        Memory::Ram => (model.arena_bytes(), "RAM"),
        Memory::Flash => (model.constant_bytes(), "flash for constants alone"),
    };
    if needed <= budget.bytes {
        return Ok(());
    }
    let over = needed - budget.bytes;
    let blame = match budget.memory {
        Memory::Ram => peak(model),
        Memory::Flash => heaviest(model),
    };
    Err(format!(
        "the model needs {needed} bytes of {what}, {over} more than the budget of {}\n{blame}",
        budget.bytes
    ))
}

/// Refuses what fits only without its tables, whose size is the compiler's to say.
pub(crate) fn flash(model: &Model<'_>, name: &Ident, budget: &Budget) -> Option<TokenStream> {
    let bytes = budget.bytes;
    let message = format!(
        "the model's constants and tables need more flash than the budget of {bytes} bytes: {name}::FLASH says how \
         much\n{}",
        heaviest(model)
    );
    let flash = budget.memory == Memory::Flash;
    flash.then(|| {
        quote!(
            const _: () = assert!(#name::FLASH <= #bytes, #message);
        )
    })
}

/// The layer at which the most bytes are needed at once.
fn peak(model: &Model<'_>) -> String {
    let at = |step: &StepInfo<'_>| -> usize {
        let live =
            (0..model.tensors()).filter_map(|id| model.tensor(id)).filter(|t| t.live_at(step.index + 1));
        let scratch = (step.scratch_at + step.scratch_len) as usize;
        live.map(|t| t.range().end).fold(scratch, usize::max)
    };
    let Some(step) = model.steps().max_by_key(|step| (at(step), std::cmp::Reverse(step.index))) else {
        return "it has no layers".into();
    };
    let live: Vec<String> = (0..model.tensors())
        .filter_map(|id| model.tensor(id))
        .filter(|t| t.live_at(step.index + 1))
        .map(|t| format!("{} {:?} {}", t.bytes(), t.shape.dims(), quoted(model.tensor_name(&t))))
        .collect();
    format!(
        "the peak is at {}: {}, scratch {}\nremedy: `mote convert --ram` with this budget, a smaller input, or fewer channels there",
        layer(model, &step),
        live.join(", "),
        step.scratch_len
    )
}

/// The layer with the most constants.
fn heaviest(model: &Model<'_>) -> String {
    let bytes = |step: &StepInfo<'_>| {
        let (mut op, mut sum) = (step.op, 0);
        op.each_const(&mut |c| sum += c.len as usize);
        sum
    };
    match model.steps().max_by_key(bytes) {
        Some(step) => format!(
            "most of them, {}, belong to {}\nremedy: fewer channels there",
            bytes(&step),
            layer(model, &step)
        ),
        None => "it has no layers".into(),
    }
}

/// How a layer is called.
pub(crate) fn layer(model: &Model<'_>, step: &StepInfo<'_>) -> String {
    let name = model.tensor(step.output).map_or("", |y| model.tensor_name(&y));
    format!("layer {}, {} {}", step.index, step.op.name(), quoted(name))
}

fn quoted(name: &str) -> String {
    if name.is_empty() { "without a name".into() } else { format!("`{name}`") }
}
