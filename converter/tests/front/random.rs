//! Networks put together at random: whatever the passes meet, the results stay the same.

use crate::builder::{Model, Random, int, ints};
use crate::same;

/// A network under construction, growing by one operator a step.
struct Growing {
    m: Model,
    r: Random,
    /// Every tensor so far, with its shape. The first axis is the batch and stays.
    tensors: Vec<(String, Vec<i64>)>,
}

impl Growing {
    fn new(seed: u64) -> Self {
        let mut r = Random::new(seed);
        let mut m = Model::new(13);
        let mut extent = |least: usize, most: usize| (least + r.below(most - least + 1)) as i64;
        let shape = vec![extent(1, 2), extent(2, 4), extent(3, 5), extent(2, 5)];
        m.input("x", &shape);
        Growing { m, r, tensors: vec![("x".into(), shape)] }
    }

    /// Appends a random operator: mostly to the last tensor, now and then to an earlier one.
    fn step(&mut self) {
        let last = self.tensors.len() - 1;
        let from = if self.r.below(5) == 0 { self.r.below(last + 1) } else { last };
        let (x, shape) = self.tensors[from].clone();
        if shape.iter().product::<i64>() > 4000 {
            return;
        }
        let y = format!("t{}", self.tensors.len());
        let shape = match self.r.below(14) {
            0 | 1 => self.layer(&x, &y, shape),
            2 | 3 => self.window(&x, &y, shape),
            4 => self.transpose(&x, &y, &shape),
            5 => self.reshape(&x, &y, &shape),
            6 => self.concat(&x, &y, shape),
            _ => self.elementwise(&x, &y, shape),
        };
        self.tensors.push((y, shape));
    }

    fn layer(&mut self, x: &str, y: &str, mut shape: Vec<i64>) -> Vec<i64> {
        let w = format!("{y}_w");
        let depthwise = self.r.below(2) == 0 && shape.len() == 4;
        let outputs = if depthwise { shape[1] } else { 1 + self.r.below(5) as i64 };
        let groups = if depthwise { shape[1] } else { 1 };
        match shape.len() {
            4 => {
                self.m.weights(&w, &[outputs, shape[1] / groups, 3, 3]);
                self.m.node("Conv", &[x, &w], y, &[ints("pads", &[1; 4]), int("group", groups)]);
                shape[1] = outputs;
            }
            rank => {
                self.m.weights(&w, &[shape[rank - 1], outputs]).node("MatMul", &[x, &w], y, &[]);
                shape[rank - 1] = outputs;
            }
        }
        shape
    }

    fn window(&mut self, x: &str, y: &str, mut shape: Vec<i64>) -> Vec<i64> {
        let k = format!("{y}_k");
        if shape.len() != 4 {
            return self.elementwise(x, y, shape);
        }
        if self.r.below(2) == 0 && shape[2] > 1 && shape[3] > 1 {
            let op = ["MaxPool", "AveragePool"][self.r.below(2)];
            self.m.node(op, &[x], y, &[ints("kernel_shape", &[2, 2])]);
            shape[2] -= 1;
            shape[3] -= 1;
        } else {
            let pads = [0, 0, self.r.below(2) as i64, 1, 0, 0, 1, self.r.below(2) as i64];
            self.m.integers(&k, &pads).node("Pad", &[x, &k], y, &[]);
            shape[2] += pads[2] + pads[6];
            shape[3] += pads[3] + pads[7];
        }
        shape
    }

    fn transpose(&mut self, x: &str, y: &str, shape: &[i64]) -> Vec<i64> {
        let mut perm: Vec<i64> = (0..shape.len() as i64).collect();
        for i in 2..perm.len() {
            perm.swap(i, 1 + self.r.below(i));
        }
        self.m.node("Transpose", &[x], y, &[ints("perm", &perm)]);
        perm.iter().map(|&p| shape[p as usize]).collect()
    }

    fn reshape(&mut self, x: &str, y: &str, shape: &[i64]) -> Vec<i64> {
        let (n, all) = (shape[0], shape[1..].iter().product::<i64>());
        let split = (2..5).find(|d| all % d == 0).unwrap_or(1);
        let to = match self.r.below(4) {
            0 => vec![n, all],
            1 => vec![n, all / split, split],
            2 => vec![n, split, all / split, 1],
            _ => vec![n, split, 1, all / split],
        };
        let k = format!("{y}_k");
        self.m.integers(&k, &to).node("Reshape", &[x, &k], y, &[]);
        to
    }

    fn concat(&mut self, x: &str, y: &str, mut shape: Vec<i64>) -> Vec<i64> {
        let axis = 1 + self.r.below(shape.len() - 1);
        self.m.node("Concat", &[x, x], y, &[int("axis", axis as i64)]);
        shape[axis] *= 2;
        shape
    }

    fn elementwise(&mut self, x: &str, y: &str, shape: Vec<i64>) -> Vec<i64> {
        let k = format!("{y}_k");
        let last = int("axis", shape.len() as i64 - 1);
        let peer = self.tensors.iter().rev().skip(1).find(|(_, s)| *s == shape);
        match (self.r.below(9), peer) {
            (0, _) => drop(self.m.batch_norm(x, y, shape[1])),
            (1, _) => drop(self.m.node("Relu", &[x], y, &[])),
            (2, _) => drop(self.m.node(["Sigmoid", "Tanh", "HardSwish"][self.r.below(3)], &[x], y, &[])),
            (3 | 4, _) => {
                let mut dims = vec![1; shape.len()];
                let axis = if self.r.below(2) == 0 { 1 } else { shape.len() - 1 };
                dims[axis] = shape[axis];
                let op = ["Add", "Mul", "Sub"][self.r.below(3)];
                self.m.weights(&k, &dims).node(op, &[x, &k], y, &[]);
            }
            (5, _) => drop(self.m.node("Softmax", &[x], y, &[last])),
            (6 | 7, Some((other, _))) => drop(self.m.node("Add", &[x, other], y, &[])),
            (8, _) => drop(self.m.node("Identity", &[x], y, &[])),
            _ => drop(self.m.node("Dropout", &[x], y, &[])),
        }
        shape
    }
}

#[test]
fn random_networks_stay_what_they_are() {
    for seed in 0..200 {
        let mut growing = Growing::new(seed);
        for _ in 0..4 + growing.r.below(9) {
            growing.step();
        }
        let last = growing.tensors.len() - 1;
        if last == 0 {
            continue;
        }
        for output in [last, last - 1].into_iter().take(1 + growing.r.below(2)).filter(|&t| t > 0) {
            growing.m.output(&growing.tensors[output].0);
        }
        let result = std::panic::catch_unwind(|| same(&growing.m.bytes()));
        if let Err(panic) = result {
            eprintln!("seed {seed}");
            std::panic::resume_unwind(panic);
        }
    }
}
