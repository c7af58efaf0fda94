//! The type that comes out: a model's tables as constants, and what its user calls. Nothing is decoded when the
//! program runs, and nothing of the file but the constants is in it.

use std::path::Path;

use mote_format::{Bands, DType, Ids, Model, Op, State, StepInfo, TensorInfo};
use mote_kernels::ways;
use proc_macro2::{Literal, TokenStream};
use quote::{format_ident, quote};

use crate::budget;
use crate::input::Input;
use crate::ram::Ram;

/// The items that stand for the macro.
pub(crate) fn expand(input: &Input, path: &Path, model: &Model<'_>) -> TokenStream {
    let Input { attributes, visibility, name, .. } = input;
    let doc = format!(
        "{}: {} steps, {} bytes of RAM, {} bytes of constants.",
        if model.name().is_empty() { "A model" } else { model.name() },
        model.steps_len(),
        model.arena_bytes(),
        model.constant_bytes()
    );
    let program = program(model);
    let flash = input.budgets.iter().filter_map(|budget| budget::flash(model, name, budget));
    let numbers = numbers(model);
    let calls = calls(model);
    let path = path.to_string_lossy();
    let variable = input.variable().map(|name| {
        quote!(
            const _: Option<&str> = option_env!(#name);
        )
    });
    quote! {
        #[doc = #doc]
        #(#attributes)*
        #[derive(Debug, Clone, Copy)]
        #visibility struct #name;

        const _: () = {
            use ::mote_runtime::linked::*;
            use format::*;
            use format::Rounding::*;

            // The compiler looks at the file again when it changes; its bytes are not kept.
            const _: &[u8] = include_bytes!(#path);
            #variable

            #program

            impl #name {
                #numbers
                #calls
            }

            #(#flash)*
        };
    }
}

/// The model as constants.
fn program(model: &Model<'_>) -> TokenStream {
    let constants = Literal::byte_string(model.constants());
    let tensors = (0..model.tensors()).filter_map(|id| model.tensor(id)).map(|t| tensor(&t));
    let steps = model.steps().map(|s| step(&s));
    let mut operators: Vec<&str> = model.steps().map(|s| s.op.name()).collect();
    operators.sort_unstable();
    operators.dedup();
    let operators: Vec<_> = operators.iter().map(|name| format_ident!("{name}")).collect();
    let ways = ways::of_model(model);
    let most = model.steps().map(|step| step.inputs.len()).max().unwrap_or(0);
    let lockstep = model.groups().next().is_some();
    let updates = model.steps().any(|step| step.op.updates() > 0);
    let row_by_row = model.steps().any(|step| runs_into_its_input(model, &step));
    let states = model.states().map(|State { tensor, next, initial }| {
        let initial = match initial {
            Some(id) => quote!(Some(#id)),
            None => quote!(None),
        };
        quote!(State { tensor: #tensor, next: #next, initial: #initial })
    });
    let (arena, inputs, outputs) = (model.arena_bytes(), model.inputs(), ids(&model.outputs()));
    let schedule = Literal::byte_string(model.groups().bytes());
    quote! {
        static CONSTANTS: &Aligned<[u8]> = &Aligned(*#constants);
        static COLUMNS: Columns = Columns::new(&[ #( <#operators as Computed<{ ways::linked(#operators::CODE, #ways) }>>::ROW ),* ]);
        /// What its steps need of the executor.
        #[derive(Debug)]
        pub struct Needed;
        impl Facts for Needed {
            const MOST_INPUTS: usize = #most;
            const ROW_BY_ROW: bool = #row_by_row;
            const LOCKSTEP: bool = #lockstep;
            const UPDATES: bool = #updates;
        }
        type Program = Included<Needed>;
        static PROGRAM: Program = Included {
            facts: PhantomData,
            arena: #arena,
            inputs: #inputs,
            states: &[ #(#states),* ],
            outputs: #outputs,
            tensors: &[ #(#tensors),* ],
            steps: &[ #(#steps),* ],
            schedule: #schedule,
            constants: &CONSTANTS.0,
            columns: &COLUMNS,
        };
    }
}

/// Whether the runtime would call the step's kernel for some rows at a time.
fn runs_into_its_input(model: &Model<'_>, step: &StepInfo<'_>) -> bool {
    let x = step.inputs.get(0).and_then(|id| model.tensor(id));
    let bands = x.zip(model.tensor(step.output)).and_then(|(x, y)| Bands::new(&step.op, &x, &y));
    step.inputs.len() == 1 && bands.is_some()
}

fn ids(ids: &Ids<'_>) -> TokenStream {
    let bytes: Vec<u8> = ids.iter().flat_map(u16::to_le_bytes).collect();
    let bytes = Literal::byte_string(&bytes);
    quote!(Ids::new(#bytes))
}

fn step(step: &StepInfo<'_>) -> TokenStream {
    let StepInfo { index, op, inputs, output, scratch_at, scratch_len, .. } = step;
    let op = parameters(op);
    let inputs = ids(inputs);
    quote! {
        StepInfo {
            index: #index,
            at: 0,
            op: #op,
            inputs: #inputs,
            output: #output,
            scratch_at: #scratch_at,
            scratch_len: #scratch_len,
        }
    }
}

/// An operator as an expression. A derived `Debug` prints what Rust reads, but for structs without fields.
fn parameters(op: &Op) -> TokenStream {
    let mut text = format!("Op::{op:?}");
    if !text.contains('{') {
        text.insert_str(text.len() - 1, " {}");
    }
    text.parse().expect("an operator is printed as an expression")
}

fn tensor(tensor: &TensorInfo) -> TokenStream {
    let TensorInfo { dtype, shape, quant, offset, constant, kept, first, last, .. } = tensor;
    let dtype = format_ident!("{}", format!("{dtype:?}"));
    let dims = shape.dims();
    let (scale, zero) = (quant.scale, quant.zero);
    quote! {
        TensorInfo {
            dtype: DType::#dtype,
            shape: Shape::new(&[ #(#dims),* ]).unwrap(),
            quant: Quant { scale: #scale, zero: #zero },
            offset: #offset,
            constant: #constant,
            kept: #kept,
            first: #first,
            last: #last,
            name: 0,
        }
    }
}

/// What is known of the model when the program is compiled.
fn numbers(model: &Model<'_>) -> TokenStream {
    let (arena, constants) = (model.arena_bytes(), model.constant_bytes());
    let (steps, tensors) = (usize::from(model.steps_len()), usize::from(model.tensors()));
    let schedule = model.groups().bytes().len();
    let regions = Ram::new(model).constants();
    let inputs: Vec<_> = inputs(model).iter().map(tensor).collect();
    let outputs: Vec<_> = outputs(model).iter().map(tensor).collect();
    let (n_inputs, n_outputs) = (inputs.len(), outputs.len());
    let one = |name: &str, doc: &str, tensors: &[TokenStream]| {
        let name = format_ident!("{name}");
        match tensors {
            [only] => quote!(#[doc = #doc] pub const #name: TensorInfo = #only;),
            _ => quote!(),
        }
    };
    let input = one("INPUT", "The input: type, shape, scale and zero point.", &inputs);
    let output = one("OUTPUT", "The output: type, shape, scale and zero point.", &outputs);
    let labels = model.labels(0).map(|labels| {
        let labels: Vec<&str> = labels.collect();
        let count = labels.len();
        quote! {
            /// The class names of the first output.
            pub const LABELS: [&'static str; #count] = [ #(#labels),* ];
        }
    });
    quote! {
        /// Bytes of RAM for activations and scratch.
        pub const ARENA: usize = #arena;
        /// Bytes of weights, biases, multipliers and tables in flash.
        pub const CONSTANTS: usize = #constants;
        /// Bytes of flash but for code: [`Self::CONSTANTS`], and the steps and tensors as the executor reads them.
        pub const FLASH: usize = #constants + #steps * size_of::<StepInfo<'static>>()
            + #tensors * size_of::<TensorInfo>() + #schedule;
        /// The inputs: type, shape, scale and zero point.
        pub const INPUTS: [TensorInfo; #n_inputs] = [ #(#inputs),* ];
        /// The outputs: type, shape, scale and zero point.
        pub const OUTPUTS: [TensorInfo; #n_outputs] = [ #(#outputs),* ];
        #regions
        #input
        #output
        #labels
    }
}

/// What runs the model.
fn calls(model: &Model<'_>) -> TokenStream {
    let ram = Ram::new(model);
    let (arenas, regions) = (ram.names(), ram.names().len());
    let inputs = inputs(model);
    let names: Vec<_> = match inputs.len() {
        1 => vec![format_ident!("input")],
        n => (0..n).map(|i| format_ident!("input{i}")).collect(),
    };
    let input_types: Vec<_> = inputs.iter().map(array).collect();
    let (input_arenas, input_places): (Vec<_>, Vec<_>) = inputs.iter().map(|t| ram.place(t)).unzip();
    let outputs = outputs(model);
    let output_types: Vec<_> = outputs.iter().map(array).collect();
    let (output_arenas, output_places): (Vec<_>, Vec<_>) = outputs.iter().map(|t| ram.place(t)).unzip();
    let output_types = match output_types.as_slice() {
        [only] => quote!(&'a #only),
        all => quote!((#(&'a #all),*)),
    };
    let output = quote!((#(place::<_, #output_places, _>(&#output_arenas.0)),*));
    let (generic, passed) = ram.parameters();
    let reset = model.states().next().map(|_| {
        quote! {
            /// Gives the states their initial values: before the first run, and where a sequence starts anew.
            pub fn reset<'a, #generic>(#passed) {
                Self::session(#(#arenas),*).reset();
            }
        }
    });
    let slices = ram.slices();
    let session = quote! {
        #reset

        /// The tables, for what drives them by other means.
        pub fn program() -> &'static Program {
            &PROGRAM
        }

        /// A session as the interpreter has them: hooks, runs in portions, inputs row by row.
        pub fn session<'a, #generic>(#passed) -> Session<'static, 'a, Program, #regions> {
            PROGRAM.session(#slices)
        }
    };
    // An input that is fed by rows is never there as a whole.
    if inputs.iter().any(|t| t.kept > 0) {
        return session;
    }
    let input_fits = input_arenas.iter().map(|name| ram.fits(name, &format_ident!("N")));
    quote! {
        #session

        /// One inference: copies the input into the arena, runs, and gives the output, which lies there.
        pub fn run<'a, #generic>(#passed, #(#names: &#input_types),*) -> #output_types {
            #( *Self::#names(#input_arenas) = *#names; )*
            Self::run_in_place(#(#arenas),*)
        }

        #(
            /// Where the input lies, to be written before each run: later steps use its bytes for other things.
            pub fn #names<const N: usize>(#input_arenas: &mut Arena<N>) -> &mut #input_types {
                #input_fits
                place_mut::<_, #input_places, _>(&mut #input_arenas.0)
            }
        )*

        /// One inference on the input that lies in the arena.
        pub fn run_in_place<'a, #generic>(#passed) -> #output_types {
            Self::session(#(#arenas),*).run();
            #output
        }
    }
}

fn inputs(model: &Model<'_>) -> Vec<TensorInfo> {
    (0..model.inputs()).filter_map(|id| model.tensor(id)).collect()
}

fn outputs(model: &Model<'_>) -> Vec<TensorInfo> {
    model.outputs().iter().filter_map(|id| model.tensor(id)).collect()
}

/// The type of a tensor's bytes.
fn array(tensor: &TensorInfo) -> TokenStream {
    let length = tensor.shape.elements();
    let element = match tensor.dtype {
        DType::I8 => quote!(i8),
        DType::U8 => quote!(u8),
        DType::I16 => quote!(i16),
        DType::I32 => quote!(i32),
        DType::F32 => quote!(f32),
    };
    quote!([#element; #length])
}
