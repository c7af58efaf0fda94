//! `include_model!`: reads and checks a model while the program is compiled, and lays it out as constants of a type.
//!
//! `input` is what the user writes, `budget` the check against it, `expand` the type that comes out. What a model is
//! lives in `mote-format`; the executor of what is laid out here, in `mote-runtime`, which documents the macro.

mod budget;
mod expand;
mod input;
mod ram;

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

#[cfg(test)]
mod tests {
    use super::*;

    const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../format/tests/golden/v1.mote");

    fn expand(text: &str) -> Result<String, String> {
        let text = text.replace("GOLDEN", &format!("{GOLDEN:?}"));
        let included = syn::parse_str(&text).and_then(|input| include(&input));
        included.map(|tokens| tokens.to_string()).map_err(|error| error.to_string())
    }

    fn refused(text: &str, words: &[&str]) {
        let error = expand(text).expect_err(text);
        for word in words {
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    #[test]
    fn a_budget_that_is_exceeded_names_the_layer() {
        let bytes = AlignedBytes::new(&std::fs::read(GOLDEN).expect("the golden model"));
        let model = Model::new_checked(&bytes).expect("a model");
        let (ram, flash) = (model.arena_bytes(), model.constant_bytes());
        for (memory, needed) in [("ram", ram), ("flash", flash)] {
            assert!(expand(&format!("pub Net = GOLDEN, {memory} = {needed}")).is_ok());
            let text = format!("pub Net = GOLDEN, {memory} = {}", needed - 3);
            refused(&text, &[&format!("needs {needed} bytes"), "3 more than the budget", "layer ", "remedy"]);
        }
        // The layer at the peak is one whose buffers reach the arena's end.
        let error = expand("Net = GOLDEN, ram = 1").expect_err("too large");
        let peak = model.steps().find(|s| error.contains(&format!("layer {}, {} ", s.index, s.op.name())));
        let peak = peak.expect("a layer of the model");
        let live =
            (0..model.tensors()).filter_map(|id| model.tensor(id)).filter(|t| t.live_at(peak.index + 1));
        let end = live.map(|t| t.range().end).max().expect("a live tensor");
        assert_eq!(end.max((peak.scratch_at + peak.scratch_len) as usize), ram);
    }

    #[test]
    fn what_is_not_a_model_is_refused() {
        refused("pub Net = \"/nowhere/net.mote\"", &["cannot read", "mote convert"]);
        refused("pub Net = \"$MOTE_NO_SUCH_VARIABLE/net.mote\"", &["$MOTE_NO_SUCH_VARIABLE is not set"]);
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src/lib.rs");
        refused(&format!("pub Net = {source:?}"), &["not a mote model", "remedy"]);
    }

    #[test]
    fn what_is_not_the_macros_grammar_is_refused() {
        refused("pub Net = GOLDEN, rom = 5", &["expected `ram` or `flash`"]);
        for text in ["pub Net", "Net = 5", "= GOLDEN", "Net = GOLDEN ram = 5", "Net = GOLDEN, ram = x"] {
            refused(text, &["expected"]);
        }
        assert!(expand("/// Doc.\npub(crate) Net = GOLDEN, ram = 99_999, flash = 99_999,").is_ok());
    }

    #[test]
    fn names_are_not_in_the_program() {
        let bytes = AlignedBytes::new(&std::fs::read(GOLDEN).expect("the golden model"));
        let model = Model::new_checked(&bytes).expect("a model");
        let text = expand("Net = GOLDEN").expect("a type");
        let names: Vec<&str> = (0..model.tensors())
            .filter_map(|id| model.tensor(id))
            .map(|t| model.tensor_name(&t))
            .filter(|name| name.len() > 3)
            .collect();
        assert!(!names.is_empty());
        assert!(names.iter().all(|name| !text.contains(&format!("\"{name}\""))));
    }
}
