//! Networks put together at random: whatever the passes meet, the results stay the same.

use crate::builder::{Model, Random, int, ints};
use crate::same;

/// Appends one random operator to `x` of `shape`; gives the result and its shape.
fn step(
    m: &mut Model,
    r: &mut Random,
    n: usize,
    x: &str,
    shape: &mut Vec<i64>,
    others: &[(String, Vec<i64>)],
) -> String {
    let y = format!("t{n}");
    let (k, w) = (format!("k{n}"), format!("w{n}"));
    let image = shape.len() == 4;
    match r.below(14) {
        0 | 1 if image => {
            let groups = if r.below(2) == 0 { shape[1] } else { 1 };
            let cout = if groups == 1 { 1 + r.below(5) as i64 } else { shape[1] };
            m.weights(&w, &[cout, shape[1] / groups, 3, 3]);
            m.node("Conv", &[x, &w], &y, &[ints("pads", &[1; 4]), int("group", groups)]);
            shape[1] = cout;
        }
        0 | 1 if shape.len() == 2 => {
            let n = 2 + r.below(6) as i64;
            m.weights(&w, &[shape[1], n]).node("MatMul", &[x, &w], &y, &[]);
            shape[1] = n;
        }
        2 => drop(m.batch_norm(x, &y, shape[1])),
        3 => drop(m.node("Relu", &[x], &y, &[])),
        4 => drop(m.node(["Sigmoid", "Tanh", "HardSwish"][r.below(3)], &[x], &y, &[])),
        5 => {
            let mut dims = vec![1; shape.len()];
            dims[1] = shape[1];
            m.weights(&k, &dims).node(["Add", "Mul", "Sub"][r.below(3)], &[x, &k], &y, &[]);
        }
        6 if image && shape[2] > 1 && shape[3] > 1 => {
            let op = ["MaxPool", "AveragePool"][r.below(2)];
            m.node(op, &[x], &y, &[ints("kernel_shape", &[2, 2])]);
            shape[2] -= 1;
            shape[3] -= 1;
        }
        7 => {
            let mut perm: Vec<i64> = (0..shape.len() as i64).collect();
            for i in 2..perm.len() {
                let j = 1 + r.below(i);
                perm.swap(i, j);
            }
            *shape = perm.iter().map(|&p| shape[p as usize]).collect();
            m.node("Transpose", &[x], &y, &[ints("perm", &perm)]);
        }
        8 => {
            let all: i64 = shape.iter().product();
            let split = (2..5).find(|d| all % d == 0).unwrap_or(1);
            *shape = match r.below(4) {
                0 => vec![1, all],
                1 => vec![1, all / split, split],
                2 => vec![1, split, all / split, 1],
                _ => vec![1, split, 1, all / split],
            };
            m.integers(&k, shape).node("Reshape", &[x, &k], &y, &[]);
        }
        9 => drop(m.node("Identity", &[x], &y, &[])),
        10 if image => {
            let pads = [0, 0, r.below(2) as i64, 1, 0, 0, 1, r.below(2) as i64];
            m.integers(&k, &pads).node("Pad", &[x, &k], &y, &[]);
            shape[2] += pads[2] + pads[6];
            shape[3] += pads[3] + pads[7];
        }
        11 => {
            let axis = 1 + r.below(shape.len() - 1);
            m.node("Concat", &[x, x], &y, &[int("axis", axis as i64)]);
            shape[axis] *= 2;
        }
        12 => drop(m.node("Softmax", &[x], &y, &[int("axis", shape.len() as i64 - 1)])),
        _ => match others.iter().find(|(_, s)| s == shape) {
            Some((other, _)) => drop(m.node("Add", &[x, other], &y, &[])),
            None => drop(m.node("Dropout", &[x], &y, &[])),
        },
    }
    y
}

#[test]
fn random_networks_stay_what_they_are() {
    for seed in 0..150 {
        let mut r = Random::new(seed);
        let mut m = Model::new(13);
        let mut shape = vec![1, 2 + r.below(3) as i64, 3 + r.below(3) as i64, 2 + r.below(4) as i64];
        m.input("x", &shape);
        let mut so_far = vec![("x".to_owned(), shape.clone())];
        for n in 0..4 + r.below(9) {
            // Mostly a chain, now and then a branch.
            let back = if r.below(5) == 0 { r.below(so_far.len()) } else { so_far.len() - 1 };
            let (x, from) = so_far[back].clone();
            shape = from;
            if shape.iter().product::<i64>() > 4000 {
                continue;
            }
            let y = step(&mut m, &mut r, n, &x, &mut shape, &so_far);
            so_far.push((y, shape.clone()));
        }
        if so_far.len() == 1 {
            continue;
        }
        m.output(&so_far[so_far.len() - 1].0);
        if r.below(4) == 0 && so_far.len() > 2 {
            m.output(&so_far[so_far.len() - 2].0);
        }
        let result = std::panic::catch_unwind(|| same(&m.bytes()));
        if let Err(panic) = result {
            eprintln!("seed {seed}");
            std::panic::resume_unwind(panic);
        }
    }
}
