//! Numbers as text, without `core::fmt`.

use embedded_hal_nb::serial::Write;

/// Writes to a serial port and waits until there is room. A port that fails loses the text: there is nobody to tell.
pub(crate) struct Text<'s, S>(pub(crate) &'s mut S);

impl<S: Write> Text<'_, S> {
    #[inline(never)] // or each piece of text brings its own loop
    pub(crate) fn bytes(self, text: &[u8]) -> Self {
        for &byte in text {
            let _ = nb::block!(self.0.write(byte));
        }
        self
    }

    pub(crate) fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes())
    }

    #[inline(never)]
    pub(crate) fn number(self, mut number: u64) -> Self {
        let mut digits = [0; 20];
        let mut at = digits.len();
        loop {
            at -= 1;
            digits[at] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                return self.bytes(&digits[at..]);
            }
        }
    }

    /// Two hexadecimal digits.
    pub(crate) fn hex(self, byte: u8) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        self.bytes(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]])
    }

    /// A number with three digits after the point.
    pub(crate) fn real(self, real: f32) -> Self {
        let thousandths = thousandths(real.abs());
        let mut text = self;
        if real.is_sign_negative() {
            text = text.text("-");
        }
        text = text.number(thousandths / 1000).text(".");
        let rest = (thousandths % 1000) as u32;
        let digit = |power: u32| b'0' + (rest / power % 10) as u8;
        text.bytes(&[digit(100), digit(10), digit(1)])
    }
}

/// A positive number in thousandths, rounded as C's `printf` does: exactly, halves to even. At most 2⁶⁴ - 1.
fn thousandths(real: f32) -> u64 {
    let bits = real.to_bits();
    let exponent = (bits >> 23) as i32;
    let (mantissa, exponent) =
        if exponent == 0 { (bits, -149) } else { (bits & 0x7F_FFFF | 0x80_0000, exponent - 150) };
    let scaled = u64::from(mantissa) * 1000;
    if exponent >= 0 {
        let shifted = scaled.checked_shl(exponent as u32).filter(|shifted| shifted >> exponent == scaled);
        return shifted.unwrap_or(u64::MAX);
    }
    let shift = exponent.unsigned_abs();
    if shift > 40 {
        return 0;
    }
    let (whole, rest, half) = (scaled >> shift, scaled & ((1 << shift) - 1), 1 << (shift - 1));
    whole + u64::from(rest > half || rest == half && whole % 2 == 1)
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::format;
    use std::string::String;
    use std::vec::Vec;

    use core::convert::Infallible;
    use embedded_hal_nb::serial::ErrorType;

    use super::*;

    struct Out(Vec<u8>);

    impl ErrorType for Out {
        type Error = Infallible;
    }

    impl Write for Out {
        fn write(&mut self, byte: u8) -> nb::Result<(), Infallible> {
            self.0.push(byte);
            Ok(())
        }

        fn flush(&mut self) -> nb::Result<(), Infallible> {
            Ok(())
        }
    }

    fn written(write: impl FnOnce(Text<'_, Out>) -> Text<'_, Out>) -> String {
        let mut out = Out(Vec::new());
        write(Text(&mut out));
        String::from_utf8(out.0).unwrap()
    }

    #[test]
    fn reals_are_written_as_the_standard_library_does() {
        let special =
            [0.0, 0.0005, 0.0015, 0.0625, 0.1875, 1.0, 0.99951, 1e-3, 1e-30, 123456.79, 1e15, -0.25, -7.0];
        let bits = (0..200_000u32).map(|i| f32::from_bits(i.wrapping_mul(2_654_435_761) & 0xD8FF_FFFF));
        for real in special.into_iter().chain(bits.filter(|real| real.abs() < 1e16)) {
            assert_eq!(written(|text| text.real(real)), format!("{real:.3}"), "{real:e}");
        }
    }

    #[test]
    fn what_is_too_large_for_a_number_is_the_largest() {
        for real in [1e17, f32::MAX, f32::INFINITY, f32::NAN] {
            assert_eq!(written(|text| text.real(real.abs())), "18446744073709551.615");
        }
    }

    #[test]
    fn numbers_and_bytes() {
        assert_eq!(written(|text| text.number(0).text(" ").number(u64::MAX)), "0 18446744073709551615");
        assert_eq!(written(|text| text.hex(0).hex(0xA9)), "00a9");
    }
}
