//! Instructions of each step, by the runtime's hook. What the hook itself does lies outside the count, but for
//! the few instructions between the step and the readings of the timers.

use defmt::Display2Format;
use mote_board::{counter, instructions};
use mote_runtime::{Hook, Step};

use crate::report::Report;

/// Writes a line for each step.
pub(crate) struct Layers<'a> {
    report: &'a mut Report,
    /// What two readings in a row count.
    reading: u64,
    start: u64,
}

impl<'a> Layers<'a> {
    pub(crate) fn new(report: &'a mut Report) -> Self {
        let (first, second) = (counter(), counter());
        Self { report, reading: instructions(second) - instructions(first), start: 0 }
    }
}

impl Hook for Layers<'_> {
    fn before(&mut self, _: &Step<'_>) {
        self.start = counter();
    }

    fn after(&mut self, step: &Step<'_>) {
        let end = counter();
        let count = instructions(end) - instructions(self.start) - self.reading;
        self.report.text(format_args!(
            "layer={} op={} kernel={} macs={} instructions={count}\n",
            step.index(),
            step.op().name(),
            step.kernel(),
            step.macs(),
        ));
        defmt::info!("{=u16} {}: {=u64} instructions", step.index(), Display2Format(&step.kernel()), count);
    }
}
