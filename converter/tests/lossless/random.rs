//! Random networks of everything that keeps channels apart, with useless channels here and there.

use crate::builder::{Draft, Net, Random};
use crate::same;
use mote_converter::lossless::optimise;
use mote_converter::program::{Operand, Program};

/// Makes some outputs constant and some inputs unread.
fn plant(outputs: usize, inputs: usize) -> impl FnOnce(&mut Draft, &mut Random) {
    move |draft, random| {
        if random.once_in(4) {
            draft.zero = random.i8() / 2;
        }
        for o in (0..outputs).filter(|_| random.once_in(4)).collect::<Vec<_>>() {
            let bias = [0, 0, -20_000, 700][random.below(4)];
            draft.constant(o, bias);
        }
        // A bias that holds the output at its lower bound whatever the weights.
        for o in (0..outputs).filter(|_| random.once_in(8)).collect::<Vec<_>>() {
            draft.bias[o] = -4_000_000;
        }
        (0..inputs)
            .filter(|_| random.once_in(6))
            .collect::<Vec<_>>()
            .into_iter()
            .for_each(|c| draft.unread(c));
    }
}

fn network(seed: u64) -> Program {
    let mut net = Net::new(seed, &[1, 5, 5, 3]);
    // Images that later steps may read, the input among them.
    let mut images = vec![0];
    for _ in 0..4 + net.random.below(8) {
        let x = images[net.random.below(images.len())];
        let like = images.iter().copied().filter(|&t| net.dims(t) == net.dims(x)).collect::<Vec<_>>();
        let other = like[net.random.below(like.len())];
        let channels = net.channels(x);
        let wide = net.dims(x)[1] >= 3 && channels <= 12;
        let pad = net.random.below(2) as u16;
        let y = match net.random.below(16) {
            0..=2 => {
                let outputs = 1 + net.random.below(8);
                net.conv(x, outputs, (1, 1, 0), plant(outputs, channels))
            }
            3 if wide => {
                let outputs = 1 + net.random.below(8);
                net.conv(x, outputs, (3, 1, pad), plant(outputs, channels))
            }
            4 | 5 if wide => net.depthwise(x, 1, (3, 1, pad), plant(channels, 0)),
            6 if wide => net.depthwise(x, 2, (3, 1, 1), plant(2 * channels, 0)),
            7 => net.add(x, Operand::Arena(other)),
            8 => net.mul(x, Operand::Arena(other)),
            9 if wide => match net.random.below(3) {
                0 => net.max_pool(x, pad),
                1 => net.avg_pool(x, pad),
                _ => net.sum_pool(x, pad),
            },
            10 if wide => {
                let both = net.random.below(2) as u16;
                net.pad(x, pad, both)
            }
            11 if wide => net.concat(&[x, other]),
            15 => net.extreme(x, Operand::Arena(other)),
            12 => net.clamp(x, -90, 100),
            13 => net.lut(x),
            14 => {
                let dims = [1, 1, 1, [1, channels][net.random.below(2)]];
                let c = net.constant(&dims);
                net.add(x, c)
            }
            _ => net.requantize(x, 0.9),
        };
        images.push(y);
    }
    let x = images[images.len() - 1];
    let dims = net.dims(x);
    let flat = net.reshape(x, &[1, dims[1] * dims[2] * dims[3]]);
    let channels = net.channels(flat);
    let mut y = net.dense(flat, 6, plant(6, channels));
    if net.random.once_in(2) {
        y = net.dense(y, 4, plant(4, 6));
    }
    if net.random.once_in(3) {
        net.program.outputs.push(images[1 + net.random.below(images.len() - 1)]);
    }
    net.output(y)
}

#[test]
fn random_networks_return_the_same() {
    let mut smaller = 0;
    for seed in 0..25 {
        let program = network(seed);
        let (small, removed) = same(&program, seed, 24);
        let size = |p: &Program| p.tensors.iter().map(|t| t.bytes()).sum::<usize>();
        smaller += usize::from(size(&small) < size(&program));
        assert!(size(&small) <= size(&program), "seed {seed}: {removed:#?}");
        let (again, more) = optimise(&small).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(size(&again), size(&small), "seed {seed}, once more: {more:#?}");
    }
    assert!(smaller > 15, "only {smaller} networks got smaller");
}
