//! Channels that are known to be useless, behind every operator that keeps channels apart.

use crate::builder::Net;
use crate::same;
use mote_converter::program::{Operand, Program};
use mote_format::Op;

/// Channels of the tensor between the two layers.
const CHANNELS: usize = 8;
/// The bias of a sum which makes it the zero point.
const ZERO: i32 = 0;

/// A convolution with three useless channels, `between`, and a pointwise convolution: 1 holds the zero point, 2 another
/// value, nothing reads the last. `twice` plants in two convolutions, for steps that read two tensors.
fn network(between: impl FnOnce(&mut Net, usize, usize) -> usize) -> Program {
    let mut net = Net::new(11, &[1, 6, 6, 4]);
    let planted = |net: &mut Net| {
        net.conv(0, CHANNELS, (3, 1, 1), |draft, _| {
            draft.constant(1, ZERO);
            draft.constant(2, 9000);
        })
    };
    let (a, b) = (planted(&mut net), planted(&mut net));
    let x = between(&mut net, a, b);
    let last = net.channels(x) - 1;
    let y = net.conv(x, 5, (1, 1, 0), |draft, _| draft.unread(last));
    net.output(y)
}

/// The channels of each tensor that is left.
fn channels(program: &Program) -> Vec<usize> {
    let (small, removed) = same(program, 1, 60);
    assert!(!removed.is_empty());
    small.tensors.iter().map(|t| t.shape.channels()).collect()
}

#[test]
fn between_two_convolutions() {
    assert_eq!(channels(&network(|_, a, _| a)), [4, 5, 5]);
    let (small, removed) = same(&network(|_, a, _| a), 1, 1);
    let said: Vec<_> = removed.iter().map(|r| (r.op.as_str(), r.reason.as_str())).collect();
    let last = &small.tensors.last().expect("an output").name;
    let gone = format!(
        "3 of 8 output channels removed: 2 constant (folded into the bias of {last}), 1 that nothing reads; 10368 → \
         6480 MACs, 288 → 180 weights"
    );
    let less = "reads 5 of 8 input channels; 1440 → 900 MACs, 40 → 25 weights";
    assert_eq!(
        said,
        [("Conv2d", gone.as_str()), ("Conv2d", "nothing depends on its output"), ("Conv2d", less)]
    );
}

#[test]
fn through_steps_of_one_input() {
    let through = |f: fn(&mut Net, usize) -> usize| channels(&network(|net, a, _| f(net, a)));
    assert_eq!(through(|net, x| net.max_pool(x, 0)), [4, 5, 5, 5]);
    assert_eq!(through(|net, x| net.avg_pool(x, 1)), [4, 5, 5, 5]);
    assert_eq!(through(|net, x| net.sum_pool(x, 0)), [4, 5, 5, 5]);
    assert_eq!(through(|net, x| net.clamp(x, -100, 90)), [4, 5, 5, 5]);
    assert_eq!(through(|net, x| net.requantize(x, 0.7)), [4, 5, 5, 5]);
    assert_eq!(through(|net, x| net.lut(x)), [4, 5, 5, 5]);
    assert_eq!(through(|net, x| net.depthwise(x, 1, (3, 1, 0), |_, _| {})), [4, 5, 5, 5]);
    // Nothing reads the last of the two outputs of the last channel, and the other is read.
    assert_eq!(through(|net, x| net.depthwise(x, 2, (3, 1, 0), |_, _| {})), [4, 6, 12, 5]);
    assert_eq!(through(|net, x| net.transposed(x)), [4, 5, 5, 5]);
}

#[test]
fn padding_holds_the_zero_point_and_no_other_constant() {
    // Channel 2 is not the same on the padding: what comes of it varies.
    let through = |f: fn(&mut Net, usize) -> usize| channels(&network(|net, a, _| f(net, a)));
    assert_eq!(through(|net, x| net.depthwise(x, 1, (3, 1, 1), |_, _| {})), [4, 6, 6, 5]);
    assert_eq!(through(|net, x| net.pad(x, 1, 0)), [4, 6, 6, 5]);
    // Channels that a border adds are constant, and go; nothing is left to add.
    assert_eq!(through(|net, x| net.pad(x, 0, 2)), [4, 6, 5]);
    // A tap in the middle is never on the padding.
    let middle = |net: &mut Net, x: usize| {
        net.conv(x, 3, (3, 1, 1), |draft, _| {
            (0..3).for_each(|o| {
                draft.each(o, 2).enumerate().filter(|&(t, _)| t != 4).for_each(|(_, w)| *w = 0)
            });
        })
    };
    assert_eq!(through(middle), [4, 6, 2, 5]);
}

#[test]
fn both_inputs_of_a_sum_lose_the_same_channels() {
    assert_eq!(channels(&network(|net, a, b| net.add(a, Operand::Arena(b)))), [4, 5, 5, 5, 5]);
    assert_eq!(channels(&network(|net, a, b| net.mul(a, Operand::Arena(b)))), [4, 5, 5, 5, 5]);
    assert_eq!(channels(&network(|net, a, b| net.extreme(a, Operand::Arena(b)))), [4, 5, 5, 5, 5]);
    let constant = |net: &mut Net, a: usize, dims: &[usize]| {
        let c = net.constant(dims);
        net.add(a, c)
    };
    assert_eq!(channels(&network(|net, a, _| constant(net, a, &[1, 1, 1, CHANNELS]))), [4, 5, 5, 5]);
    // A constant that is not the same at every place leaves no channel constant.
    assert_eq!(channels(&network(|net, a, _| constant(net, a, &[1, 6, 6, CHANNELS]))), [4, 7, 7, 5]);
    assert_eq!(channels(&network(|net, a, _| constant(net, a, &[1, 1, 1, 1]))), [4, 5, 5, 5]);
    // The input of the network stays whole, and so does what is added to it.
    let mut net = Net::new(5, &[1, 4, 4, 4]);
    let a = net.conv(0, 4, (1, 1, 0), |draft, _| draft.constant(2, 77));
    let sum = net.add(a, Operand::Arena(0));
    let y = net.conv(sum, 3, (1, 1, 0), |draft, _| draft.unread(1));
    let (small, _) = same(&net.output(y), 1, 40);
    assert_eq!(small.tensors[1].shape.channels(), 4);
}

#[test]
fn branches_join_with_what_is_left_of_them() {
    assert_eq!(channels(&network(|net, a, b| net.concat(&[a, b]))), [4, 6, 5, 11, 5]);
    // A branch of which nothing is left does not run, and one branch needs no joining.
    let mut net = Net::new(5, &[1, 4, 4, 4]);
    let a = net.conv(0, 3, (1, 1, 0), |_, _| {});
    let b = net.conv(0, 3, (1, 1, 0), |draft, _| (0..3).for_each(|o| draft.constant(o, 50)));
    let joined = net.concat(&[a, b]);
    let y = net.conv(joined, 3, (1, 1, 0), |_, _| {});
    let (small, _) = same(&net.output(y), 1, 40);
    assert_eq!(small.steps.len(), 2);
}

#[test]
fn flattened_channels_go_at_every_place() {
    let flat = |net: &mut Net, a: usize| {
        let y = net.max_pool(a, 0);
        net.reshape(y, &[1, 25 * CHANNELS as u32])
    };
    let mut net = Net::new(11, &[1, 6, 6, 4]);
    let a = net.conv(0, CHANNELS, (3, 1, 1), |draft, _| {
        draft.constant(1, ZERO);
        draft.constant(6, 3000);
    });
    let x = flat(&mut net, a);
    let y = net.dense(x, 5, |draft, _| (0..25).for_each(|at| draft.unread(at * CHANNELS + 3)));
    let (small, _) = same(&net.output(y), 1, 60);
    let left: Vec<_> = small.tensors.iter().map(|t| t.shape.channels()).collect();
    assert_eq!(left, [4, 5, 5, 125, 5]);
}

#[test]
fn outputs_of_the_network_keep_their_channels() {
    let mut net = Net::new(3, &[1, 4, 4, 4]);
    let a = net.conv(0, 6, (3, 1, 1), |draft, _| draft.constant(4, 5000));
    let (small, _) = same(&net.output(a), 1, 40);
    assert_eq!(small.tensors[1].shape.channels(), 6);
    // Nothing of the input matters at all.
    let mut net = Net::new(3, &[1, 4, 4, 4]);
    let a = net.conv(0, 6, (3, 1, 1), |draft, _| (0..6).for_each(|o| draft.constant(o, 5000)));
    let y = net.conv(a, 2, (1, 1, 0), |_, _| {});
    let (small, _) = same(&net.output(y), 1, 40);
    assert_eq!(small.tensors.iter().map(|t| t.shape.channels()).collect::<Vec<_>>(), [4, 1, 2]);
}

#[test]
fn weights_with_a_zero_point_of_their_own() {
    let mut net = Net::new(3, &[1, 6, 6, 4]);
    let a = net.conv(0, 6, (3, 1, 1), |draft, _| {
        draft.zero = 40;
        draft.constant(4, 5000);
    });
    let b = net.depthwise(a, 1, (3, 1, 0), |draft, _| {
        draft.zero = -7;
        draft.constant(1, 1000);
    });
    let y = net.conv(b, 3, (1, 1, 0), |draft, _| {
        draft.zero = 100;
        draft.unread(2);
    });
    let (small, _) = same(&net.output(y), 1, 40);
    assert_eq!(small.tensors.iter().map(|t| t.shape.channels()).collect::<Vec<_>>(), [4, 3, 3, 3]);
}

#[test]
fn states_keep_their_channels() {
    let mut net = Net::new(3, &[1, 4, 4, 4]);
    let state = net.state(&[1, 4, 4, 4]);
    let sum = net.add(0, Operand::Arena(state));
    let next = net.conv(sum, 4, (3, 1, 1), |draft, _| draft.constant(2, 300));
    net.program.tensors[next].quant = net.program.tensors[state].quant;
    net.program.states[0].next = next;
    let a = net.conv(next, 6, (1, 1, 0), |draft, _| draft.constant(4, 5000));
    let y = net.conv(a, 2, (1, 1, 0), |_, _| {});
    let (small, _) = same(&net.output(y), 1, 40);
    assert_eq!(small.tensors.iter().map(|t| t.shape.channels()).collect::<Vec<_>>(), [4, 4, 4, 4, 5, 2]);
}

#[test]
fn steps_that_change_nothing_and_steps_that_repeat() {
    let mut net = Net::new(9, &[1, 4, 4, 4]);
    let a = net.clamp(0, -20, 60);
    let b = net.clamp(a, -30, 60);
    let shape = net.dims(b);
    let c = net.reshape(b, &shape);
    let (p, q) = (net.max_pool(c, 0), net.max_pool(b, 0));
    let y = net.add(p, Operand::Arena(q));
    let (small, removed) = same(&net.output(y), 1, 40);
    let ops: Vec<_> = small.steps.iter().map(|s| s.op.name()).collect();
    assert_eq!(ops, ["Clamp", "MaxPool2d", "Add"]);
    assert_eq!(removed.len(), 3, "{removed:?}");
    // A clamp that can act stays.
    let mut net = Net::new(9, &[1, 4, 4, 4]);
    let a = net.clamp(0, -20, 60);
    let b = net.clamp(a, -20, 59);
    let y = net.max_pool(b, 0);
    assert_eq!(same(&net.output(y), 1, 40).0.steps.len(), 3);
}

#[test]
fn sums_that_can_leave_32_bits_are_refused() {
    let mut net = Net::new(9, &[1, 1, 1, 4]);
    let y = net.conv(0, 2, (1, 1, 0), |_, _| {});
    let mut program = net.output(y);
    let Op::Conv2d(p) = &mut program.steps[0].op else { panic!("a convolution") };
    let bytes: Vec<u8> = [0, i32::MAX - 100].into_iter().flat_map(i32::to_le_bytes).collect();
    p.bias = program.writer.constant(&bytes);
    let refused = mote_converter::lossless::optimise(&program).expect_err("an error").to_string();
    assert!(refused.contains("output channel 1") && refused.contains("32 bits"), "{refused}");
}
