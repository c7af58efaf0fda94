//! The commands and their answers.

use embedded_hal_nb::serial::{Read, Write};

use crate::command::{Line, Words, hex};
use crate::text::Text;
use crate::{Board, Network};

/// What the device says of itself.
#[derive(Clone, Copy, Debug)]
pub struct Names {
    /// Who made it.
    pub vendor: &'static str,
    /// The model that it runs, as the benchmark calls it.
    pub model: &'static str,
}

/// The device: a serial port, a board, a network, and the bytes that the runner sends for it.
pub struct Harness<'d, S, B, N> {
    serial: S,
    board: B,
    network: N,
    names: Names,
    /// Room for the bytes.
    buffer: &'d mut [u8],
    /// How many were announced, and how many have come.
    announced: usize,
    loaded: usize,
    line: Line,
}

/// The version of the protocol, by its name in the reference code.
const PROFILE: &str = "ULPMark for tinyML Firmware V0.0.1";

const HELP: &str = "\
help         : Print this information\r\n\
name         : Print the name of the device\r\n\
profile      : Print the protocol's version and the model's name\r\n\
timestamp    : Print the time in microseconds\r\n\
db load N    : Expect N bytes\r\n\
db HH[HH]*   : Take bytes, in hexadecimal, until there are N\r\n\
db print     : Print the bytes\r\n\
infer N [W=10]: Run N inferences after W that are not timed\r\n\
results      : Print the result\r\n\
cost         : Print instructions and bytes of stack of an inference\r\n";

impl<'d, S: Read + Write, B: Board, N: Network> Harness<'d, S, B, N> {
    /// A device that keeps up to `buffer.len()` bytes.
    pub fn new(serial: S, board: B, network: N, names: Names, buffer: &'d mut [u8]) -> Self {
        Self { serial, board, network, names, buffer, announced: 0, loaded: 0, line: Line::new() }
    }

    /// Greets the runner and answers its commands for ever.
    pub fn serve(mut self) -> ! {
        self.greet();
        loop {
            // An error of the port loses a byte, and the runner asks again for what it gets no answer to.
            let _ = nb::block!(self.poll());
        }
    }

    /// What a device says when it starts.
    pub fn greet(&mut self) {
        self.say("m-timestamp-mode-performance");
        self.timestamp();
        self.say("m-init-done");
        self.say("m-ready");
    }

    /// Takes a byte if there is one, and answers when it ends a command.
    pub fn poll(&mut self) -> nb::Result<(), S::Error> {
        let byte = self.serial.read()?;
        if self.line.take(byte) {
            let mut line = core::mem::replace(&mut self.line, Line::new());
            match line.finish() {
                Some(words) => self.answer(words),
                None => self.say("e-[Command too long]"),
            }
            self.say("m-ready");
        }
        Ok(())
    }

    fn out(&mut self) -> Text<'_, S> {
        Text(&mut self.serial)
    }

    fn say(&mut self, line: &str) {
        self.out().text(line).text("\r\n");
    }

    fn timestamp(&mut self) {
        let now = self.board.micros();
        self.out().text("m-lap-us-").number(now).text("\r\n");
    }

    fn answer(&mut self, mut words: Words<'_>) {
        match words.word().unwrap_or_default() {
            b"name" => {
                let vendor = self.names.vendor;
                self.out().text("m-name-dut-[").text(vendor).text("]\r\n");
            }
            b"profile" => {
                let model = self.names.model;
                self.out().text("m-profile-[").text(PROFILE).text("]\r\n");
                self.out().text("m-model-[").text(model).text("]\r\n");
            }
            b"help" => {
                self.out().text(PROFILE).text("\r\n\r\n").text(HELP);
            }
            b"timestamp" => self.timestamp(),
            b"db" => self.buffer(words),
            b"infer" => self.infer(words),
            b"results" => self.results(),
            b"cost" => self.cost(),
            unknown => {
                self.out().text("e-[Unknown command: ").bytes(unknown).text("]\r\n");
            }
        }
    }

    fn buffer(&mut self, mut words: Words<'_>) {
        match words.word() {
            None => self.say("e-[Command 'db' requires a subcommand]"),
            Some(b"load") => self.announce(words.number()),
            Some(b"print") => self.print(),
            Some(digits) => self.take(digits),
        }
    }

    fn announce(&mut self, bytes: Option<Option<u32>>) {
        (self.announced, self.loaded) = (0, 0);
        let room = self.buffer.len();
        match bytes {
            None => self.say("e-[Command 'db load' requires the # of bytes]"),
            Some(None | Some(0)) => self.say("e-[Command 'db load' must be >0 bytes]"),
            Some(Some(bytes)) if bytes as usize > room => {
                self.out().text("e-[Supplied buffer size ").number(bytes.into());
                self.out().text(" exceeds maximum of ").number(room as u64).text("]\r\n");
            }
            Some(Some(bytes)) => {
                self.announced = bytes as usize;
                self.out().text("m-[Expecting ").number(bytes.into()).text(" bytes]\r\n");
            }
        }
    }

    fn take(&mut self, digits: &[u8]) {
        if !digits.len().is_multiple_of(2) {
            return self.say("e-[Insufficent number of hex digits]");
        }
        for (byte, pair) in hex(digits).zip(digits.chunks_exact(2)) {
            let Some(byte) = byte else {
                self.out().text("e-[Invalid hex digit '").bytes(pair).text("']\r\n");
                return;
            };
            let place = self.buffer.get_mut(..self.announced).and_then(|buffer| buffer.get_mut(self.loaded));
            let Some(place) = place else {
                return self.say("e-[No more bytes are expected: db load N comes first]");
            };
            *place = byte;
            self.loaded += 1;
            if self.loaded == self.announced {
                // What comes after the last byte does not count.
                return self.say("m-load-done");
            }
        }
    }

    fn print(&mut self) {
        const ROW: usize = 8;
        let loaded = self.buffer.get(..self.loaded).unwrap_or_default();
        for row in loaded.chunks(ROW) {
            let mut line = Text(&mut self.serial).text("m-buffer");
            for &byte in row {
                line = line.text("-").hex(byte);
            }
            line.text("\r\n");
        }
    }

    /// Gives the network its input; says so when the bytes are none.
    fn load(&mut self) -> bool {
        let data = self.buffer.get(..self.loaded).unwrap_or_default();
        let loaded = self.network.load(data);
        if let Err(expected) = loaded {
            let have = self.loaded as u64;
            self.out().text("e-[Input db has ").number(have);
            self.out().text(" bytes, expected ").number(expected as u64).text("]\r\n");
        }
        loaded.is_ok()
    }

    fn infer(&mut self, mut words: Words<'_>) {
        let (times, warmups) = (words.number().unwrap_or(Some(1)), words.number().unwrap_or(Some(10)));
        let Some(times) = times.filter(|times| *times > 0) else {
            return self.say("e-[Inference iterations must be >0]");
        };
        let Some(warmups) = warmups else {
            return self.say("e-[Inference warmup must be >=0]");
        };
        if !self.load() {
            return;
        }
        self.out().text("m-warmup-start-").number(warmups.into()).text("\r\n");
        (0..warmups).for_each(|_| self.network.infer());
        self.say("m-warmup-done");
        self.out().text("m-infer-start-").number(times.into()).text("\r\n");
        self.timestamp();
        (0..times).for_each(|_| self.network.infer());
        self.timestamp();
        self.say("m-infer-done");
        if (times, warmups) != (1, 0) {
            // An inference may use the memory of its input, so that only the first one had the loaded bytes.
            self.load();
            self.network.infer();
        }
        self.results();
    }

    fn results(&mut self) {
        let Self { serial, network, buffer, loaded, .. } = self;
        Text(serial).text("m-results-[");
        let mut between = "";
        network.results(buffer.get(..*loaded).unwrap_or_default(), &mut |value| {
            Text(serial).text(between).real(value);
            between = ",";
        });
        Text(serial).text("]\r\n");
    }

    fn cost(&mut self) {
        if self.loaded > 0 && !self.load() {
            return;
        }
        let Self { board, network, .. } = self;
        match board.cost(&mut || network.infer()) {
            None => self.say("e-[This board cannot tell]"),
            Some(cost) => {
                self.out()
                    .text("m-cost-[")
                    .number(cost.instructions)
                    .text(",")
                    .number(cost.stack.into())
                    .text("]\r\n");
            }
        }
    }
}
