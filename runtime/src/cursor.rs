//! Where in its program a session is: before a step, or inside a group of steps that run in lockstep.

use core::borrow::Borrow;

use mote_format::{Call, Calls, Groups, Progress};

use crate::program::Program;

/// Where a session is.
pub(crate) struct Cursor<'m, P: Program<'m>> {
    /// From the next step on; while a group runs, from its first.
    rest: P::Steps,
    index: u16,
    /// Those that have not begun.
    groups: Groups<'m>,
    /// Steps of the group that runs, 0 when none does.
    steps: u8,
    calls: Calls<'m>,
    /// How far the group is.
    pub(crate) progress: Progress,
}

/// What is next.
pub(crate) enum Next<S> {
    /// A step that runs whole.
    Whole(S),
    /// Some rows of a step.
    Rows(S, Call),
}

impl<'m, P: Program<'m>> Cursor<'m, P> {
    /// Before the first step.
    pub(crate) fn new(model: &P) -> Self {
        let (rest, groups) = (model.steps(), model.groups());
        Self { rest, index: 0, groups, steps: 0, calls: Calls::default(), progress: Progress::new(0, 0) }
    }

    /// What is next; `None` at the end.
    pub(crate) fn peek(&mut self) -> Option<Next<P::Step>> {
        let mut rest = self.rest.clone();
        if P::LOCKSTEP
            && self.steps == 0
            && let Some(group) = self.groups.peek().filter(|group| group.first == self.index)
        {
            self.groups.next();
            (self.steps, self.calls) = (group.steps, group.calls);
            self.progress = Progress::new(rest.clone().next()?.borrow().output, self.progress.fed);
        }
        match self.calls.peek() {
            Some(call) if P::LOCKSTEP => rest.nth(call.step).map(|step| Next::Rows(step, call)),
            _ => rest.next().map(Next::Whole),
        }
    }

    /// Goes on behind what was next.
    pub(crate) fn advance(&mut self) {
        match self.calls.next() {
            None => self.pass(1),
            Some(call) => {
                self.progress.advance(call);
                if self.calls.is_empty() {
                    let steps = core::mem::take(&mut self.steps);
                    self.pass(steps);
                }
            }
        }
    }

    fn pass(&mut self, steps: u8) {
        self.rest.nth(usize::from(steps).saturating_sub(1));
        self.index += u16::from(steps);
    }

    /// Whether there is nothing left.
    pub(crate) fn is_at_end(&self) -> bool {
        self.steps == 0 && self.rest.clone().next().is_none()
    }

    /// Whether the first step, or the group that begins with it, is not yet done.
    pub(crate) fn is_at_start(&self) -> bool {
        self.index == 0
    }
}
