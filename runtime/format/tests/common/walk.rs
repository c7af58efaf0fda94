//! Everything that can be asked of a checked model, asked.

use mote_format::{Model, OPERATORS};

/// Calls every accessor; gives back a number so that nothing is optimized away.
pub(crate) fn walk(model: &Model<'_>) -> usize {
    let mut sum = model.name().len() + model.arena_bytes() + model.constant_bytes() + model.bytes().len();
    sum += model.constants().len();
    for id in (0..=model.tensors()).chain([u16::MAX]) {
        let Some(tensor) = model.tensor(id) else {
            assert!(id >= model.tensors());
            continue;
        };
        assert!(id < model.tensors());
        sum += model.tensor_name(&tensor).len() + tensor.shape.rank() + tensor.shape.channels();
        sum += tensor.shape.nhwc().map_or(0, |d| d[3]) + usize::from(tensor.live_at(1));
        if tensor.constant {
            assert_eq!(model.tensor_bytes(&tensor).len(), tensor.bytes());
        } else {
            assert!(tensor.range().end <= model.arena_bytes());
        }
    }
    let given = model.inputs() + model.states().count() as u16;
    for (id, state) in (model.inputs()..).zip(model.states()) {
        let tensor = |id| model.tensor(id).expect("checked");
        assert_eq!((state.tensor, tensor(state.next).range()), (id, tensor(id).range()));
        assert!(state.next == id || state.next >= given);
        assert!(state.initial.is_none_or(|c| tensor(c).constant && tensor(c).bytes() == tensor(id).bytes()));
    }
    let mut steps = 0;
    for step in model.steps() {
        assert_eq!(step.index, steps);
        assert!(OPERATORS.contains(&step.op.name()));
        let (few, most) = step.op.arity();
        assert!((few..=most).contains(&step.inputs.len()) && !step.inputs.is_empty());
        assert!(step.inputs.iter().chain([step.output]).all(|id| model.tensor(id).is_some()));
        assert!((step.scratch_at + step.scratch_len) as usize <= model.arena_bytes());
        sum += usize::from(step.op.code()) + step.at as usize + usize::from(step.op.in_place());
        steps += 1;
    }
    assert_eq!(steps, model.steps_len(), "every step is there");
    for i in 0..model.outputs().len() as u16 {
        let id = model.outputs().get(usize::from(i)).expect("in range");
        assert!(model.tensor(id).is_some_and(|t| !t.constant));
    }
    sum += model.removed().flatten().map(str::len).sum::<usize>();
    sum += model.original().map_or(0, |o| o.macs as usize % 1000);
    for i in (0..8).chain([u16::MAX]) {
        sum += model.labels(i).map_or(0, |labels| labels.map(str::len).sum());
        if let Some(p) = model.preparation(i) {
            let values = [0, 1, usize::MAX].map(|c| p.mean(c) + p.scale(c));
            sum += p.len() + usize::from(p.is_empty() || p.channels_first() || values[0] > values[2]);
        }
    }
    sum
}
