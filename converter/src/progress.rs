//! Progress bars for what takes longer than a second. Nothing is drawn when standard error is not a
//! terminal or when the caller asked for machine-readable output.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Tells of something that does not stop the work.
pub fn warn(text: &str) {
    eprintln!("warning  {text}");
}

/// Whether and where progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Progress {
    /// On standard error, when that is a terminal.
    Shown,
    /// Not at all.
    #[default]
    Hidden,
}

impl Progress {
    /// A bar of `length` steps with a label before it.
    pub fn bar(self, label: &'static str, length: usize) -> Bar {
        let bar = ProgressBar::with_draw_target(Some(length as u64), self.target()).with_message(label);
        let style = ProgressStyle::with_template("{msg:>12} [{bar:32}] {pos}/{len} {eta}");
        Bar(match style {
            Ok(style) => bar.with_style(style.progress_chars("=> ")),
            Err(_) => bar,
        })
    }
}

impl Progress {
    fn target(self) -> ProgressDrawTarget {
        match self {
            Progress::Shown => ProgressDrawTarget::stderr(),
            Progress::Hidden => ProgressDrawTarget::hidden(),
        }
    }

    /// A turning mark with a label, for work of unknown length.
    pub fn spinner(self, label: impl Into<String>) -> Bar {
        let bar = ProgressBar::with_draw_target(None, self.target()).with_message(label.into());
        if self == Progress::Shown {
            bar.enable_steady_tick(std::time::Duration::from_millis(100));
        }
        Bar(bar)
    }
}

/// A running bar; gone from the terminal when dropped.
#[derive(Debug)]
pub struct Bar(ProgressBar);

impl Bar {
    /// One step further.
    pub fn step(&self) {
        self.0.inc(1);
    }

    /// Steps once for every item that `items` yields.
    pub fn over<I: Iterator>(self, items: I) -> impl Iterator<Item = I::Item> {
        items.inspect(move |_| self.step())
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
