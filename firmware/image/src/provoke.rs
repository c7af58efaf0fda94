//! Failures on demand, so that a test can see how an image reports them: `--provoke panic|fault|overflow`.

use core::ffi::CStr;
use core::hint::black_box;

use crate::args::ArgError;
use crate::failure::Failure;

/// Fails in the way that `kind` names; returns only when it names none.
pub(crate) fn provoke(kind: &CStr) -> Result<(), Failure<'static>> {
    match kind.to_bytes() {
        b"panic" => panic!("provoked"),
        b"fault" => mote_board::bad_read(),
        b"overflow" => overflow(0),
        _ => return Err(Failure::Args(ArgError::Unknown)),
    }
    Ok(())
}

/// Recurses until the stack is used up.
#[allow(unconditional_recursion)]
#[inline(never)]
fn overflow(depth: u32) {
    let frame = black_box([depth; 64]);
    overflow(depth + 1);
    black_box(frame);
}
