//! mote for C: the functions of `include/mote.h`, and the macro that gives an included model C names.
//!
//! What crosses the boundary is pointers, lengths and plain structs; all unsafe code is in `ffi`. Nothing is
//! allocated, and nothing prints.

#![no_std]

// On a host the panic handler is the standard library's.
#[cfg(not(target_os = "none"))]
extern crate std;

pub mod ffi;

#[doc(hidden)]
pub use mote_runtime;

/// A checked model cannot make the library panic; a defect of the library stops the program here.
#[cfg(target_os = "none")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}

#[cfg(feature = "model")]
mod model {
    mote_runtime::include_model!(Net = "$MOTE_MODEL");
    crate::export!(env!("MOTE_NAME"), Net);
}
