//! `include_model!`: reads and checks a model while the program is compiled, and lays it out as constants of a type.
//!
//! `input` is what the user writes, `budget` the check against it, `expand` the type that comes out. What a model is
//! lives in `mote-format`; the executor of what is laid out here, in `mote-runtime`, which documents the macro.

mod budget;
mod expand;
mod input;

use input::Input;
use mote_format::{AlignedBytes, Model, StepInfo};
use mote_kernels::table::scratch;
use proc_macro2::{Span, TokenStream};

/// See `mote_runtime::include_model`.
#[proc_macro]
pub fn include_model(tokens: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let expanded = syn::parse(tokens).and_then(|input| include(&input));
    expanded.unwrap_or_else(|error| error.to_compile_error()).into()
}

fn include(input: &Input) -> syn::Result<TokenStream> {
    let refuse = |span: Span, text: String| syn::Error::new(span, text);
    let path = input.path()?;
    let span = input.file.span();
    let bytes = std::fs::read(&path).map_err(|e| {
        refuse(span, format!("cannot read {}: {e}\nremedy: `mote convert` makes it", path.display()))
    })?;
    let bytes = AlignedBytes::new(&bytes);
    let model = Model::new_checked(&bytes).map_err(|e| {
        refuse(span, format!("{} is not a model: {e}\nremedy: convert it again", path.display()))
    })?;
    if let Some(text) = model.steps().find_map(|step| too_little_scratch(&model, &step)) {
        return Err(refuse(span, text));
    }
    for budget in &input.budgets {
        budget::check(&model, budget).map_err(|text| refuse(budget.span, text))?;
    }
    Ok(expand::expand(input, &path, &model))
}

/// What is wrong with a step whose kernel needs more working memory than the file gives it: the file is older.
fn too_little_scratch(model: &Model<'_>, step: &StepInfo<'_>) -> Option<String> {
    let x = step.inputs.get(0).and_then(|id| model.tensor(id))?;
    let y = model.tensor(step.output)?;
    let needed = scratch(&step.op, &x.shape, &y.shape);
    let given = step.scratch_len as usize;
    (given < needed).then(|| {
        format!(
            "{} needs {needed} bytes of scratch, and the file has {given}\nremedy: convert the model again",
            budget::layer(model, step)
        )
    })
}
