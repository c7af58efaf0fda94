//! A model that was read and checked while the program was compiled: its tables are constants of the program.

use core::marker::PhantomData;

use bytemuck::Pod;
use mote_format::{Groups, Ids, State, StepInfo, TensorInfo};
use mote_kernels::table::Columns;

use crate::program::{Program, Tensors};
use crate::session::Session;

/// A checked model as a type of the program.
///
/// `include_model!(pub Kws = "kws.mote")` makes a type `Kws` with
///
/// - `ARENA`, `CONSTANTS` and `FLASH`: bytes of RAM, of weights in flash, and of these and the tables of the executor;
/// - `INPUT`, `OUTPUT` (and `INPUTS`, `OUTPUTS`): type, shape, scale and zero point, as [`TensorInfo`];
/// - `LABELS`: class names, when the model has them;
/// - `run(&mut Arena, &input) -> &output`: one inference. Input and output are arrays such as `[i8; 490]`; a model of
///   several takes and gives as many;
/// - `input(&mut Arena) -> &mut …` and `run_in_place(&mut Arena) -> &output`: the same without a copy of the input;
/// - `session(&mut Arena)`: a [`Session`], for hooks and for runs in portions; a model that was planned for an input fed
///   by rows has no `run` and no `input`, but [`Session::push_rows`];
/// - `reset(&mut Arena)`, when the model has states: gives them their initial values, before the first run and
///   whenever a sequence starts anew.
///
/// A model that was planned for several regions of RAM (`mote convert --region`) has an `ARENA_NAME` for each, and its
/// functions take an arena for each, in their order: statics that the linker puts where the names say.
///
/// The program holds the model's constants, its steps as the executor reads them, and the kernels of the operators that
/// it names: no file, no check, no names.
///
/// The path is relative to the source file. `$NAME/` in front stands for a variable of the environment: a model that a
/// build script has made is `"$OUT_DIR/kws.mote"`. `ram = BYTES` and `flash = BYTES` behind the path are the most that
/// its arena and its `FLASH` may take (the code of its kernels comes on top): a model that takes more does not compile, and the error names the layer.
///
/// ```
/// use mote_runtime::{Arena, include_model};
///
/// include_model!(pub Net = "../format/tests/golden/v1.mote", ram = 4096, flash = 65_536);
///
/// let mut arena = Arena::<{ Net::ARENA }>::new();
/// # let _ = Net::session(&mut arena);
/// ```
///
/// ```compile_fail
/// # use mote_runtime::include_model;
/// include_model!(pub Net = "../format/tests/golden/v1.mote", ram = 100); // error: the peak is at layer …
/// ```
#[cfg(feature = "macros")]
pub use mote_macros::include_model;

/// What the steps of an included model need of the executor, which has code for no more; as in [`Program`].
pub trait Facts: 'static {
    /// No step reads more tensors than this.
    const MOST_INPUTS: usize;
    /// Whether some output runs into its input row by row.
    const ROW_BY_ROW: bool;
    /// Whether some steps run in lockstep.
    const LOCKSTEP: bool;
    /// Whether some step changes states where they lie.
    const UPDATES: bool;
}

/// The tables of an included model.
pub struct Included<F> {
    /// What its steps need.
    pub facts: PhantomData<F>,
    /// Bytes of RAM.
    pub arena: usize,
    /// Number of inputs.
    pub inputs: u16,
    /// The tensors that keep their values.
    pub states: &'static [State],
    /// The output tensors.
    pub outputs: Ids<'static>,
    /// The tensors.
    pub tensors: &'static [TensorInfo],
    /// The steps.
    pub steps: &'static [StepInfo<'static>],
    /// The steps that run in lockstep, as they are stored.
    pub schedule: &'static [u8],
    /// The constant section.
    pub constants: &'static [u8],
    /// The kernels.
    pub columns: &'static Columns,
}

impl<F: Facts> Included<F> {
    /// A session in an arena of at least [`Self::arena`] bytes, or in a slice for each region that is as long as it, on
    /// the states that lie there.
    pub fn session<'a, const R: usize>(
        &'static self,
        slices: [&'a mut [u8]; R],
    ) -> Session<'static, 'a, Self, R> {
        Session::over(self, slices, self.columns.best())
    }
}

impl<F: Facts> Tensors for Included<F> {
    fn tensor(&self, id: u16) -> Option<TensorInfo> {
        self.info(id).copied()
    }

    fn name(&self, _: &TensorInfo) -> &str {
        ""
    }
}

impl<F: Facts> Program<'static> for Included<F> {
    const MOST_INPUTS: usize = F::MOST_INPUTS;
    const ROW_BY_ROW: bool = F::ROW_BY_ROW;
    const LOCKSTEP: bool = F::LOCKSTEP;
    const UPDATES: bool = F::UPDATES;

    type Steps = core::slice::Iter<'static, StepInfo<'static>>;
    type Step = &'static StepInfo<'static>;
    type Tensor = &'static TensorInfo;

    fn info(&self, id: u16) -> Option<&'static TensorInfo> {
        self.tensors.get(usize::from(id))
    }

    fn steps(&self) -> Self::Steps {
        self.steps.iter()
    }

    fn arena_bytes(&self) -> usize {
        self.arena
    }

    fn inputs(&self) -> u16 {
        self.inputs
    }

    fn states(&self) -> impl Iterator<Item = State> {
        self.states.iter().copied()
    }

    fn outputs(&self) -> Ids<'static> {
        self.outputs
    }

    fn groups(&self) -> Groups<'static> {
        Groups::new(self.schedule)
    }

    fn constants(&self) -> &'static [u8] {
        self.constants
    }

    fn columns(&self) -> &'static Columns {
        self.columns
    }
}

/// The tensor of `L` elements at byte `AT`.
#[inline(always)]
pub fn place<T: Pod, const AT: usize, const L: usize>(arena: &[u8]) -> &[T; L] {
    const { assert!(AT.is_multiple_of(align_of::<T>()), "the tensor is not aligned: convert the model again") };
    let elements: &[T] = bytemuck::cast_slice(&arena[AT..AT + L * size_of::<T>()]);
    elements.first_chunk().expect("as many as were cut out")
}

/// As [`place`], to be written.
#[inline(always)]
pub fn place_mut<T: Pod, const AT: usize, const L: usize>(arena: &mut [u8]) -> &mut [T; L] {
    const { assert!(AT.is_multiple_of(align_of::<T>()), "the tensor is not aligned: convert the model again") };
    let elements: &mut [T] = bytemuck::cast_slice_mut(&mut arena[AT..AT + L * size_of::<T>()]);
    elements.first_chunk_mut().expect("as many as were cut out")
}
