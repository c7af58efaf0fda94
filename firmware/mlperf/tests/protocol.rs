//! A runner's conversation with a device that has a toy network, over a serial port in memory.

use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;

use embedded_hal_nb::serial::{ErrorType, Read, Write};
use mote_mlperf::{Board, Cost, Harness, Names, Network};

#[derive(Default)]
struct Wire {
    to_device: Vec<u8>,
    from_device: Vec<u8>,
}

#[derive(Clone, Default)]
struct Port(Rc<RefCell<Wire>>);

impl ErrorType for Port {
    type Error = Infallible;
}

impl Read for Port {
    fn read(&mut self) -> nb::Result<u8, Infallible> {
        let mut wire = self.0.borrow_mut();
        if wire.to_device.is_empty() { Err(nb::Error::WouldBlock) } else { Ok(wire.to_device.remove(0)) }
    }
}

impl Write for Port {
    fn write(&mut self, byte: u8) -> nb::Result<(), Infallible> {
        self.0.borrow_mut().from_device.push(byte);
        Ok(())
    }

    fn flush(&mut self) -> nb::Result<(), Infallible> {
        Ok(())
    }
}

/// Counts inferences; its results are the inputs divided by 8, which inferences spoil.
#[derive(Default)]
struct Toy {
    inferences: u64,
    input: Vec<u8>,
    output: Vec<u8>,
}

impl Network for Toy {
    fn load(&mut self, data: &[u8]) -> Result<(), usize> {
        self.input = data.to_vec();
        if data.len() == 3 { Ok(()) } else { Err(3) }
    }

    fn infer(&mut self) {
        self.inferences += 1;
        let input = std::mem::take(&mut self.input);
        self.output = input;
    }

    fn results(&self, _: &[u8], each: &mut dyn FnMut(f32)) {
        self.output.iter().for_each(|&byte| each(f32::from(byte as i8) / 8.0));
        each(self.inferences as f32);
    }
}

/// Each look at the clock takes 7 µs.
struct Clock(u64);

impl Board for Clock {
    fn micros(&mut self) -> u64 {
        self.0 += 7;
        self.0
    }

    fn cost(&mut self, code: &mut dyn FnMut()) -> Option<Cost> {
        code();
        Some(Cost { instructions: 5_000_000_000, stack: 96 })
    }
}

/// What a device answers to some commands, sent without their end.
fn talk(commands: &[&str]) -> Vec<Vec<String>> {
    let port = Port::default();
    let mut buffer = [0; 16];
    let names = Names { vendor: "mote", model: "toy01" };
    let mut harness = Harness::new(port.clone(), Clock(0), Toy::default(), names, &mut buffer);
    harness.greet();
    let mut answers = vec![answer(&port)];
    for command in commands {
        port.0.borrow_mut().to_device.extend(command.bytes().chain([b'%']));
        while harness.poll().is_ok() {}
        answers.push(answer(&port));
    }
    answers
}

/// The lines that have come, without the last, which must be `m-ready`.
fn answer(port: &Port) -> Vec<String> {
    let text = String::from_utf8(std::mem::take(&mut port.0.borrow_mut().from_device)).unwrap();
    let mut lines: Vec<String> = text.split_terminator("\r\n").map(str::to_owned).collect();
    assert!(text.ends_with("\r\n"), "{text:?}");
    assert_eq!(lines.pop().as_deref(), Some("m-ready"), "{text:?}");
    lines
}

/// The answer to the last of some commands.
fn last(commands: &[&str]) -> Vec<String> {
    talk(commands).pop().unwrap()
}

#[test]
fn a_device_greets_and_introduces_itself() {
    let answers = talk(&["name", "profile", "timestamp", " name ", "na\r\nme"]);
    assert_eq!(answers[0], ["m-timestamp-mode-performance", "m-lap-us-7", "m-init-done"]);
    assert_eq!(answers[1], ["m-name-dut-[mote]"]);
    assert_eq!(answers[2], ["m-profile-[ULPMark for tinyML Firmware V0.0.1]", "m-model-[toy01]"]);
    assert_eq!(answers[3], ["m-lap-us-14"]);
    assert_eq!(answers[4..], [["m-name-dut-[mote]"], ["m-name-dut-[mote]"]]);
}

#[test]
fn a_run_is_loaded_warmed_up_timed_and_answered() {
    let answers = talk(&["db load 3", "db 08", "db 7Ff8", "db print", "infer 5 2", "results", "infer 1 0"]);
    assert_eq!(answers[1], ["m-[Expecting 3 bytes]"]);
    assert_eq!(answers[2], [""; 0]);
    assert_eq!(answers[3], ["m-load-done"]);
    assert_eq!(answers[4], ["m-buffer-08-7f-f8"]);
    let run = [
        "m-warmup-start-2",
        "m-warmup-done",
        "m-infer-start-5",
        "m-lap-us-14",
        "m-lap-us-21",
        "m-infer-done",
    ];
    assert_eq!(answers[5][..6], run);
    assert_eq!(answers[5][6..], ["m-results-[1.000,15.875,-1.000,8.000]"]);
    assert_eq!(answers[6], ["m-results-[1.000,15.875,-1.000,8.000]"]);
    assert_eq!(answers[7].last().unwrap(), "m-results-[1.000,15.875,-1.000,9.000]");
}

#[test]
fn without_numbers_there_is_one_inference_after_ten() {
    let answer = last(&["db load 3", "db 000000", "infer"]);
    assert_eq!(answer.last().unwrap(), "m-results-[0.000,0.000,0.000,12.000]");
}

#[test]
fn the_cost_of_an_inference_is_told() {
    assert_eq!(last(&["cost"]), ["m-cost-[5000000000,96]"]);
}

#[test]
fn rows_of_eight_bytes_are_printed() {
    let answer = last(&["db load 9", "db 000102030405060708", "db print"]);
    assert_eq!(answer, ["m-buffer-00-01-02-03-04-05-06-07", "m-buffer-08"]);
}

#[test]
fn what_makes_no_sense_is_told() {
    let long = "a".repeat(81);
    for (commands, error) in [
        (vec!["jump"], "e-[Unknown command: jump]"),
        (vec![""], "e-[Unknown command: ]"),
        (vec![long.as_str()], "e-[Command too long]"),
        (vec!["db"], "e-[Command 'db' requires a subcommand]"),
        (vec!["db load"], "e-[Command 'db load' requires the # of bytes]"),
        (vec!["db load 0"], "e-[Command 'db load' must be >0 bytes]"),
        (vec!["db load -1"], "e-[Command 'db load' must be >0 bytes]"),
        (vec!["db load 17"], "e-[Supplied buffer size 17 exceeds maximum of 16]"),
        (vec!["db load 4294967296"], "e-[Command 'db load' must be >0 bytes]"),
        (vec!["db load 3", "db 123"], "e-[Insufficent number of hex digits]"),
        (vec!["db load 3", "db 12g4"], "e-[Invalid hex digit 'g4']"),
        (vec!["db 12"], "e-[No more bytes are expected: db load N comes first]"),
        (vec!["db load 17", "db 12"], "e-[No more bytes are expected: db load N comes first]"),
        (vec!["db load 2", "db 1234", "infer 1 0"], "e-[Input db has 2 bytes, expected 3]"),
        (vec!["infer 1 0"], "e-[Input db has 0 bytes, expected 3]"),
        (vec!["infer 0"], "e-[Inference iterations must be >0]"),
        (vec!["infer x"], "e-[Inference iterations must be >0]"),
        (vec!["infer 1 -2"], "e-[Inference warmup must be >=0]"),
    ] {
        assert_eq!(last(&commands), [error], "{commands:?}");
    }
}

#[test]
fn no_bytes_disturb_a_device() {
    let mut state = 7u32;
    let noise: Vec<String> = (0..2000)
        .map(|_| {
            let mut next = || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state >> 16
            };
            let words = [
                "db", "load", "print", "infer", "1", "2", "0", "99", "ab", "0g", "results", "cost", " ",
                "\u{7f}",
            ];
            (0..next() % 5).map(|_| words[next() as usize % words.len()].to_owned() + " ").collect()
        })
        .collect();
    let commands: Vec<&str> = noise.iter().map(String::as_str).collect();
    assert_eq!(talk(&commands).len(), 2001);
}
