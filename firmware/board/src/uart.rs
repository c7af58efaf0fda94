//! The board's first serial port, over `embedded-hal`: bytes in, bytes out, no interrupts. Arm's CMSDK UART on the
//! MPS2 boards, a 16550 on `virt`.

#![allow(unsafe_code)]

use core::convert::Infallible;
use core::ptr;

use embedded_hal_nb::serial::{ErrorType, Read, Write};

/// The port; whoever holds it is the only one to use the device.
pub struct Uart(());

/// Where the device lies, its registers in bytes: data, state, and the bits of the state that matter.
struct Device {
    base: usize,
    state: usize,
    /// Set while a byte can be read.
    readable: u32,
    /// The bits that tell whether a byte can be written, and their value then.
    writable: (u32, u32),
}

#[cfg(target_arch = "riscv32")]
const DEVICE: Device = Device { base: 0x1000_0000, state: 5, readable: 1, writable: (1 << 5, 1 << 5) };
#[cfg(target_arch = "arm")]
const DEVICE: Device = Device {
    base: if cfg!(armv8m) { 0x5020_0000 } else { 0x4000_4000 },
    state: 4,
    readable: 1 << 1,
    writable: (1, 0),
};

#[cfg(target_arch = "riscv32")]
type Register = u8;
#[cfg(target_arch = "arm")]
type Register = u32;

/// The register `offset` bytes into the device.
fn register(offset: usize) -> *mut Register {
    ptr::without_provenance_mut(DEVICE.base + offset)
}

impl Uart {
    /// Switches the port on. For a second port there is no second device: call it once.
    pub fn start() -> Self {
        #[cfg(target_arch = "arm")]
        // SAFETY: BAUDDIV and CTRL of a device that every MPS2 board has and that only this module uses: the smallest
        // divisor, both directions on.
        unsafe {
            register(0x10).write_volatile(16);
            register(0x08).write_volatile(0b11);
        }
        Self(())
    }

    fn load(&mut self, offset: usize) -> u32 {
        // SAFETY: the data register, where reading takes the byte that is there, or the state, where it clears at most
        // error flags that nothing uses.
        let value = unsafe { register(offset).read_volatile() };
        #[allow(clippy::useless_conversion)] // registers are bytes on `virt`
        u32::from(value)
    }

    fn writable(&mut self) -> bool {
        let (bits, value) = DEVICE.writable;
        self.load(DEVICE.state) & bits == value
    }
}

impl ErrorType for Uart {
    type Error = Infallible;
}

impl Read for Uart {
    fn read(&mut self) -> nb::Result<u8, Infallible> {
        if self.load(DEVICE.state) & DEVICE.readable == 0 {
            return Err(nb::Error::WouldBlock);
        }
        let [byte, ..] = self.load(0).to_le_bytes();
        Ok(byte)
    }
}

impl Write for Uart {
    fn write(&mut self, byte: u8) -> nb::Result<(), Infallible> {
        if !self.writable() {
            return Err(nb::Error::WouldBlock);
        }
        // SAFETY: the data register; writing sends the byte.
        unsafe { register(0).write_volatile(Register::from(byte)) };
        Ok(())
    }

    fn flush(&mut self) -> nb::Result<(), Infallible> {
        if self.writable() { Ok(()) } else { Err(nb::Error::WouldBlock) }
    }
}
