//! Schedules of steps in lockstep that are refused, and why.

mod common;

use common::lockstep::lockstep;
use mote_format::{Call, Model, ModelWriter, Reason};

/// A change of a model, why it is refused, and what it is.
type Case = (&'static str, fn(&mut ModelWriter), Reason);

#[test]
fn what_does_not_fit_is_refused() {
    let cases: &[Case] = &[
        ("a row too few is kept", |w| w.kept[0].1 = 2, Reason::Schedule),
        ("of the input, too", |w| w.kept[3].1 = 2, Reason::Schedule),
        ("a row is made before its input", |w| w.groups[0].calls.swap(0, 2), Reason::Schedule),
        ("a row is missing", |w| w.groups[0].calls.truncate(35), Reason::Schedule),
        ("a row too many", |w| w.groups[0].calls.push(Call { step: 3, rows: 1 }), Reason::Schedule),
        ("an unknown step", |w| w.groups[0].calls[0].step = 4, Reason::Schedule),
        ("more rows than are kept", |w| w.groups[0].calls[3].rows = 2, Reason::Schedule),
        ("a group of the pool as well", |w| w.groups[0].steps = 6, Reason::Schedule),
        ("no steps", |w| w.groups[0].steps = 0, Reason::Schedule),
        ("no such step", |w| w.groups[0].first = 9, Reason::Tensor),
        ("no group", |w| w.groups.clear(), Reason::Tensor),
        ("some rows of the output", |w| w.kept.push((5, 2)), Reason::NotLive(5)),
        ("some rows of what the pool reads", |w| w.kept.push((4, 2)), Reason::NotLive(4)),
        ("as many rows as there are", |w| w.kept[1].1 = 9, Reason::Tensor),
        ("two buffers of a group overlap", |w| w.tensors[2].offset = w.tensors[3].offset, Reason::Overlap(3)),
        ("scratch on a row", |w| w.steps[1].scratch.0 = w.tensors[4].offset, Reason::Overlap(4)),
    ];
    for (name, change, reason) in cases {
        let mut writer = lockstep(true);
        change(&mut writer);
        let bytes = writer.finish();
        assert_eq!(Model::new_checked(&bytes).err().map(|e| e.reason), Some(*reason), "{name}");
    }
    assert!(Model::new_checked(&lockstep(true).finish()).is_ok());
}
