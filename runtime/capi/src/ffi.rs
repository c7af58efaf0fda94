//! The functions that C calls. A pointer that is null or badly aligned is refused; that it points to as many bytes as
//! its length says, for as long as the session lives, is the caller's promise.

#![allow(unsafe_code, non_camel_case_types)]

use core::slice;

use mote_format::{DType, Error, Reason, TensorInfo};
use mote_runtime::{Facts, Included, Model, Session};

/// What went wrong.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum mote_code {
    /// Nothing.
    MOTE_OK = 0,
    /// A pointer is null or not aligned.
    MOTE_POINTER,
    /// The arena is too small; `detail` is the bytes that the model needs.
    MOTE_ARENA,
    /// The bytes end early; `detail` is how many are needed.
    MOTE_TRUNCATED,
    /// The model does not start at a multiple of `detail` bytes in memory.
    MOTE_MISALIGNED,
    /// The bytes are no mote model.
    MOTE_NOT_A_MODEL,
    /// The format's version, `detail`, is unknown.
    MOTE_VERSION,
    /// The checksum does not match.
    MOTE_CHECKSUM,
    /// The operator with code `detail` is not in this library.
    MOTE_OPERATOR,
    /// A kernel needs `detail` bytes of scratch, and the model gives it fewer: it must be converted again.
    MOTE_SCRATCH,
    /// Something else in the model contradicts the format.
    MOTE_MALFORMED,
}

/// The result of what can fail.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct mote_error {
    /// What went wrong, `MOTE_OK` for nothing.
    pub code: mote_code,
    /// Where in the model, in bytes from its start.
    pub at: u32,
    /// A number that belongs to the code.
    pub detail: u32,
}

/// The element type of a tensor.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum mote_type {
    /// `int8_t`, quantized.
    MOTE_I8 = 0,
    /// `int32_t`.
    MOTE_I32 = 1,
    /// `float`.
    MOTE_F32 = 2,
    /// `uint8_t`, quantized.
    MOTE_U8 = 3,
    /// `int16_t`, quantized.
    MOTE_I16 = 4,
}

/// What is known of an input or an output. Of a quantized one, real = scale * (q - zero).
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct mote_tensor {
    /// The element type.
    pub kind: mote_type,
    /// Number of dimensions.
    pub rank: u32,
    /// The dimensions, outermost first; the unused ones are 1.
    pub dims: [u32; 6],
    /// The scale.
    pub scale: f32,
    /// The stored value of a real zero.
    pub zero: i32,
    /// Length in bytes.
    pub bytes: usize,
}

/// A model and its arena, in memory of the caller's. It stays where it is, as do the model and the arena.
#[repr(C)]
pub struct mote_session {
    opaque: [usize; 24],
}

/// What a session holds.
struct State {
    model: Model<'static>,
    arena: *mut u8,
    len: usize,
}

const _: () = assert!(size_of::<State>() <= size_of::<mote_session>());
const _: () = assert!(align_of::<State>() <= align_of::<mote_session>());

const OK: mote_error = mote_error { code: mote_code::MOTE_OK, at: 0, detail: 0 };
const POINTER: mote_error = mote_error { code: mote_code::MOTE_POINTER, at: 0, detail: 0 };

fn refused(error: Error) -> mote_error {
    use mote_code::*;
    let (code, detail) = match error.reason {
        Reason::Truncated(bytes) => (MOTE_TRUNCATED, bytes),
        Reason::Misaligned(to) => (MOTE_MISALIGNED, to),
        Reason::NotAModel => (MOTE_NOT_A_MODEL, 0),
        Reason::Version(version) => (MOTE_VERSION, version.into()),
        Reason::Checksum => (MOTE_CHECKSUM, 0),
        Reason::UnknownOperator(code) | Reason::MissingOperator(code) => (MOTE_OPERATOR, code.into()),
        Reason::Scratch(bytes) => (MOTE_SCRATCH, bytes),
        _ => (MOTE_MALFORMED, 0),
    };
    mote_error { code, at: error.at, detail }
}

/// A slice over memory of the caller's.
///
/// # Safety
///
/// Unless `at` is null, it points to `len` bytes that nothing writes while the slice is used.
unsafe fn bytes<'a>(at: *const u8, len: usize) -> Option<&'a [u8]> {
    let whole = !at.is_null() && isize::try_from(len).is_ok();
    // SAFETY: not null, of the length that the caller promises.
    whole.then(|| unsafe { slice::from_raw_parts(at, len) })
}

/// Checks a model, and says how many bytes its arena takes. It must start at a multiple of 16 bytes.
///
/// # Safety
///
/// `model` points to `len` bytes; `arena_bytes` is null or points to a `size_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mote_model_check(
    model: *const u8,
    len: usize,
    arena_bytes: *mut usize,
) -> mote_error {
    // SAFETY: the caller's promise.
    let Some(model) = (unsafe { bytes(model, len) }) else { return POINTER };
    match Model::new_checked(model) {
        Ok(model) => {
            if !arena_bytes.is_null() {
                // SAFETY: not null, and the caller's promise.
                unsafe { arena_bytes.write_unaligned(model.arena_bytes()) };
            }
            OK
        }
        Err(error) => refused(error),
    }
}

/// Checks a model and opens a session on it. The model and the arena belong to the session from here on; both stay
/// where they are, and the model is not written. States hold their initial values.
///
/// # Safety
///
/// `session` points to a `mote_session`, `model` to `len` bytes, `arena` to `arena_len` bytes that nothing else uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mote_session_init(
    session: *mut mote_session,
    model: *const u8,
    len: usize,
    arena: *mut u8,
    arena_len: usize,
) -> mote_error {
    // SAFETY: the caller's promise; the model outlives the session, so that `'static` does no harm.
    let Some(model) = (unsafe { bytes(model, len) }) else { return POINTER };
    if arena.is_null() || session.is_null() || !session.is_aligned() {
        return POINTER;
    }
    let model = match Model::new_checked(model) {
        Ok(model) => model,
        Err(error) => return refused(error),
    };
    let needed = model.arena_bytes();
    if arena_len < needed {
        return mote_error { code: mote_code::MOTE_ARENA, at: 0, detail: needed as u32 };
    }
    // SAFETY: not null and aligned, and the caller's promise; a `State` fits, as asserted above.
    unsafe { session.cast::<State>().write(State { model, arena, len: needed }) };
    // SAFETY: it has just been made.
    unsafe { with(session, |session| session.reset()) };
    OK
}

/// Calls `f` on the session; nothing when it is null.
///
/// # Safety
///
/// The session is null or was opened by [`mote_session_init`], and nothing else uses it or its arena now.
unsafe fn with<T>(session: *mut mote_session, f: impl FnOnce(&mut Session<'_, '_>) -> T) -> Option<T> {
    // SAFETY: null, or a `State` that `mote_session_init` has written.
    let state = unsafe { session.cast::<State>().as_ref() }?;
    // SAFETY: the arena has this length, and is the session's alone.
    let arena = unsafe { slice::from_raw_parts_mut(state.arena, state.len) };
    Session::resume(&state.model, arena).ok().as_mut().map(f)
}

/// Input `i`, to be written before each run, since later steps use its bytes; null when there is none. What is known of
/// it goes to `info`, unless that is null.
///
/// # Safety
///
/// The session was opened; `info` is null or points to a `mote_tensor`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mote_input(session: *mut mote_session, i: usize, info: *mut mote_tensor) -> *mut u8 {
    // SAFETY: the caller's promise.
    let input = unsafe {
        with(session, |session| {
            session.input_mut(i).map(|mut input| (*input.info(), input.bytes_mut().as_mut_ptr()))
        })
    };
    let Some((of, at)) = input.flatten() else { return core::ptr::null_mut() };
    // SAFETY: the caller's promise.
    unsafe { tell(&of, info) };
    at
}

/// Output `i`, valid from a run to the next write of an input; null when there is none. What is known of it goes to
/// `info`, unless that is null.
///
/// # Safety
///
/// The session was opened; `info` is null or points to a `mote_tensor`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mote_output(
    session: *mut mote_session,
    i: usize,
    info: *mut mote_tensor,
) -> *const u8 {
    // SAFETY: the caller's promise.
    let output = unsafe {
        with(session, |session| session.output(i).map(|output| (*output.info(), output.bytes().as_ptr())))
    };
    let Some((of, at)) = output.flatten() else { return core::ptr::null() };
    // SAFETY: the caller's promise.
    unsafe { tell(&of, info) };
    at
}

/// # Safety
///
/// `info` is null or points to a `mote_tensor`.
unsafe fn tell(of: &TensorInfo, info: *mut mote_tensor) {
    let mut dims = [1; 6];
    dims.iter_mut().zip(of.shape.dims()).for_each(|(to, &dim)| *to = dim);
    let kind = match of.dtype {
        DType::I8 => mote_type::MOTE_I8,
        DType::I32 => mote_type::MOTE_I32,
        DType::F32 => mote_type::MOTE_F32,
        DType::U8 => mote_type::MOTE_U8,
        DType::I16 => mote_type::MOTE_I16,
    };
    let told = mote_tensor {
        kind,
        rank: of.shape.rank() as u32,
        dims,
        scale: of.quant.scale,
        zero: of.quant.zero,
        bytes: of.bytes(),
    };
    if !info.is_null() && info.is_aligned() {
        // SAFETY: not null and aligned, and the caller's promise.
        unsafe { info.write(told) };
    }
}

/// One inference.
///
/// # Safety
///
/// The session was opened.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mote_run(session: *mut mote_session) {
    // SAFETY: the caller's promise.
    unsafe { with(session, |session| session.run()) };
}

/// Gives the states their initial values again: a sequence starts anew.
///
/// # Safety
///
/// The session was opened.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mote_reset(session: *mut mote_session) {
    // SAFETY: the caller's promise.
    unsafe { with(session, |session| session.reset()) };
}

/// What [`export!`](crate::export) makes functions of: calls `f` on the model's session in the caller's arena.
///
/// # Safety
///
/// `arena` is null or points to the model's arena, which nothing else uses now.
#[doc(hidden)]
pub unsafe fn on_included<F: Facts, T>(
    model: &'static Included<F>,
    arena: *mut u8,
    f: impl FnOnce(&mut Session<'static, '_, Included<F>>) -> T,
) -> Option<T> {
    // SAFETY: the caller's promise.
    let arena = (!arena.is_null()).then(|| unsafe { slice::from_raw_parts_mut(arena, model.arena) })?;
    Some(f(&mut model.session([arena])))
}

/// Gives an included model C names: `export!("kws", Kws)` makes `kws_input`, `kws_output`, `kws_run` and `kws_reset`.
/// `mote header kws.mote` prints their declarations with the sizes.
///
/// The functions take the arena, `KWS_ARENA` bytes at a multiple of 16, and the number of an input or output.
#[macro_export]
macro_rules! export {
    ($name:expr, $model:ty) => {
        #[allow(unsafe_code)]
        const _: () = {
            use $crate::ffi::on_included;

            #[unsafe(export_name = concat!($name, "_run"))]
            unsafe extern "C" fn run(arena: *mut u8) {
                // SAFETY: the caller's promise, told by the header.
                unsafe { on_included(<$model>::program(), arena, |session| session.run()) };
            }

            #[unsafe(export_name = concat!($name, "_reset"))]
            unsafe extern "C" fn reset(arena: *mut u8) {
                // SAFETY: the caller's promise, told by the header.
                unsafe { on_included(<$model>::program(), arena, |session| session.reset()) };
            }
        };
    };
}
