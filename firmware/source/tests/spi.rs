//! `SpiRows` against a mocked bus and pin, which check that nothing else is asked of them.

use embedded_hal::spi::{ErrorKind, ErrorType, Operation, SpiDevice};
use embedded_hal_mock::eh1::MockError;
use embedded_hal_mock::eh1::digital::{Mock as Pin, State, Transaction as Line};
use embedded_hal_mock::eh1::spi::{Mock as Spi, Transaction as Bus};
use mote_source::{FillError, Filler, Source, SpiRows, SpiRowsError, fill};

const ROW: usize = 4;

fn high() -> Line {
    Line::get(State::High)
}

fn low() -> Line {
    Line::get(State::Low)
}

/// The bus traffic of one row.
fn row(bytes: [u8; ROW]) -> Vec<Bus<u8>> {
    vec![Bus::transaction_start(), Bus::read_vec(bytes.to_vec()), Bus::transaction_end()]
}

fn sensor(bus: &[Bus<u8>], line: &[Line]) -> SpiRows<Spi<u8>, Pin> {
    SpiRows::new(Spi::new(bus), Pin::new(line), ROW)
}

fn done(sensor: SpiRows<Spi<u8>, Pin>) {
    let (mut spi, mut ready) = sensor.release();
    spi.done();
    ready.done();
}

#[test]
fn rows_arrive_in_order() {
    let bus = [row([1, 2, 3, 4]), row([5, 6, 7, 8])].concat();
    let mut source = sensor(&bus, &[high(), high()]);
    let mut buffer = [0; 8];
    fill(&mut source, &mut buffer, ROW).unwrap();
    assert_eq!(buffer, [1, 2, 3, 4, 5, 6, 7, 8]);
    done(source);
}

#[test]
fn a_low_line_would_block_and_touches_no_bus() {
    let mut source = sensor(&[], &[low()]);
    assert_eq!(source.poll_row(&mut [0; ROW]), Err(nb::Error::WouldBlock));
    done(source);
}

#[test]
fn fill_polls_until_the_line_rises() {
    let bus = [row([1; ROW]), row([2; ROW])].concat();
    let mut source = sensor(&bus, &[low(), low(), high(), low(), high()]);
    let mut buffer = [0; 8];
    fill(&mut source, &mut buffer, ROW).unwrap();
    assert_eq!(buffer, [1, 1, 1, 1, 2, 2, 2, 2]);
    done(source);
}

#[test]
fn a_filler_goes_on_where_it_would_have_blocked() {
    let bus = [row([1; ROW]), row([2; ROW])].concat();
    let mut source = sensor(&bus, &[high(), low(), high()]);
    let (mut filler, mut buffer) = (Filler::new(ROW), [0; 8]);
    assert_eq!(filler.poll(&mut source, &mut buffer), Err(nb::Error::WouldBlock));
    assert_eq!(filler.rows(), 1);
    assert_eq!(filler.poll(&mut source, &mut buffer), Ok(()));
    assert_eq!(buffer, [1, 1, 1, 1, 2, 2, 2, 2]);
    done(source);
}

/// A bus that delivers `good` rows of zeros and then fails; the mock cannot.
struct Failing {
    good: usize,
}

impl ErrorType for Failing {
    type Error = ErrorKind;
}

impl SpiDevice for Failing {
    fn transaction(&mut self, operations: &mut [Operation<'_, u8>]) -> Result<(), ErrorKind> {
        assert!(matches!(operations, [Operation::Read(row)] if row.len() == ROW));
        self.good = self.good.checked_sub(1).ok_or(ErrorKind::Overrun)?;
        Ok(())
    }
}

#[test]
fn a_bus_error_names_its_row() {
    let mut source = SpiRows::new(Failing { good: 1 }, Pin::new(&[high(), high()]), ROW);
    let error = fill(&mut source, &mut [0; 8], ROW).unwrap_err();
    assert_eq!(error, FillError::Source { row: 1, error: SpiRowsError::Spi(ErrorKind::Overrun) });
    assert_eq!(error.to_string(), "row 1: SPI transaction failed: Overrun");
    source.release().1.done();
}

#[test]
fn a_pin_error_touches_no_bus() {
    let failed = MockError::Io(std::io::ErrorKind::NotConnected);
    let mut source = sensor(&[], &[high().with_error(failed.clone())]);
    let error = source.poll_row(&mut [0; ROW]).unwrap_err();
    assert_eq!(error, nb::Error::Other(SpiRowsError::Ready(failed)));
    done(source);
}

#[test]
fn rows_of_another_length_are_refused_before_the_bus_is_touched() {
    let mut source = sensor(&[], &[]);
    for asked in [0, ROW - 1, ROW + 1] {
        let error = source.poll_row(&mut vec![0; asked]).unwrap_err();
        assert_eq!(error, nb::Error::Other(SpiRowsError::RowLength { sensor: ROW, asked }));
    }
    let error = fill(&mut source, &mut [0; 6], 3).unwrap_err();
    assert_eq!(error.to_string(), "row 0: the sensor sends rows of 4 bytes, not 3");
    done(source);
}

#[test]
fn a_buffer_of_part_rows_is_refused() {
    let mut source = sensor(&[], &[]);
    let error = fill(&mut source, &mut [0; 7], ROW).unwrap_err();
    assert_eq!(error, FillError::Shape { buffer: 7, row: ROW });
    done(source);
}
