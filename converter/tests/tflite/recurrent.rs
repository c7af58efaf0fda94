//! Layers with memory: sequences of inputs through one session, held against wide integers and real functions.

use crate::builder::{Model, Q, Random, options};
use crate::oracle::double;
use crate::{Case, convert};
use std::cell::RefCell;
use tract_tflite::tflite::{ActivationFunctionType, BuiltinOperator as B, TensorType};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        svdf(1, [1, 7, 4], 5, true),
        svdf(2, [2, 12, 3], 8, false),
        svdf(3, [1, 5, 2], 1, true),
        lstm(4, [1, 1, 6, 5], (false, 0.0), (1.0 / 128.0, 0)),
        lstm(5, [2, 5, 9, 7], (false, 0.0), (1.0 / 100.0, -9)),
        lstm(6, [3, 4, 3, 8], (true, 0.4), (1.0 / 128.0, 3)),
    ]
}

/// A filter's feature per inference, and weights over the last ones; `rank` filters add up to a unit.
fn svdf(seed: u64, [rank, inputs, units]: [usize; 3], memory: usize, biased: bool) -> Case {
    let mut random = Random::new(seed);
    let (batch, filters) = (1 + seed as usize % 2, units * rank);
    let (x, y, kept): (Q, Q, Q) = ((0.05, 17), (0.07, -4), (0.000_3, 0));
    let (feature_scale, time_scale) = (0.011, 0.000_9);
    let feature = random.i8s(filters * inputs);
    let time: Vec<i16> = (0..filters * memory).map(|_| random.next() as i16 / 16).collect();
    let bias = random.ints(units, 30_000);
    let mut m = Model::default();
    let dims = |d: &[usize]| d.iter().map(|&d| d as i32).collect::<Vec<_>>();
    let input = m.input(&dims(&[batch, inputs]), x);
    let feature_weights = m.weights(&dims(&[filters, inputs]), &[feature_scale], 0, &feature);
    let time_weights = m.words(&dims(&[filters, memory]), time_scale, &time);
    let given = if biased { m.bias(&bias, &[kept.0 * time_scale]) } else { -1 };
    let state = m.kept(TensorType::INT16, &dims(&[batch, filters * memory]), kept);
    let output = m.value(&dims(&[batch, units]), y);
    let rank_field = rank as i32;
    let activation = ActivationFunctionType::RELU;
    let options =
        options!(SVDFOptions, SVDFOptionsArgs { rank: rank_field, fused_activation_function: activation });
    m.op(B::SVDF, &[input, feature_weights, time_weights, given, state], output, Some(options));
    m.output(output);
    let first = f64::from(x.0) * f64::from(feature_scale) / f64::from(kept.0);
    let second = f64::from(kept.0) * f64::from(time_scale) / f64::from(y.0);
    let memories = RefCell::new(vec![vec![0i64; memory]; batch * filters]);
    Case::new("SVDF", &m, move |given| {
        let mut memories = memories.borrow_mut();
        let mut answer = Vec::new();
        for n in 0..batch {
            let mut sums = vec![0i64; units];
            for f in 0..filters {
                let product =
                    |i: usize| i64::from(feature[f * inputs + i]) * (i64::from(given[n * inputs + i]) - x.1);
                let newest = double((0..inputs).map(product).sum(), first).clamp(-32768, 32767);
                let memory = &mut memories[n * filters + f];
                memory.remove(0);
                memory.push(newest);
                let weighed = memory.iter().zip(&time[f * memory.len()..]).map(|(m, &w)| m * i64::from(w));
                sums[f / rank] += weighed.sum::<i64>();
            }
            let biased = |u: usize| sums[u] + if biased { i64::from(bias[u]) } else { 0 };
            answer.extend((0..units).map(|u| (double(biased(u), second) + y.1).clamp(-128, 127) as u8));
        }
        answer
    })
}

/// Cells over sequences; the oracle is the real LSTM, whose states are rounded as the model's are.
fn lstm(seed: u64, [batch, time, inputs, units]: [usize; 4], (time_major, clip): (bool, f32), y: Q) -> Case {
    let mut random = Random::new(seed);
    let (x, cell): (Q, Q) = ((0.02, 11), (1.0 / 2048.0, 0));
    let mut m = Model::default();
    let dims = |d: &[usize]| d.iter().map(|&d| d as i32).collect::<Vec<_>>();
    let lead = if time_major { [time, batch] } else { [batch, time] };
    let input = m.input(&dims(&[lead[0], lead[1], inputs]), x);
    let mut operands = vec![input];
    let mut weights = Vec::new();
    for columns in [inputs, units] {
        for _ in 0..4 {
            let (scale, values) = (random.scale(0.003), random.i8s(units * columns));
            operands.push(m.weights(&dims(&[units, columns]), &[scale], 0, &values));
            weights.push((scale, values));
        }
    }
    operands.extend([-1; 3]);
    let mut biases = Vec::new();
    for (scale, _) in weights.iter().take(4) {
        let (scale, values) = (scale * x.0, random.ints(units, 6000));
        operands.push(m.bias(&values, &[scale]));
        biases.push((scale, values));
    }
    operands.extend([-1; 2]);
    operands.push(m.kept(TensorType::INT8, &dims(&[batch, units]), y));
    operands.push(m.kept(TensorType::INT16, &dims(&[batch, units]), cell));
    operands.extend([-1; 4]);
    let output = m.value(&dims(&[lead[0], lead[1], units]), y);
    let options = options!(
        UnidirectionalSequenceLSTMOptions,
        UnidirectionalSequenceLSTMOptionsArgs {
            fused_activation_function: ActivationFunctionType::TANH,
            cell_clip: clip,
            time_major: time_major
        }
    );
    m.op(B::UNIDIRECTIONAL_SEQUENCE_LSTM, &operands, output, Some(options));
    let inside: Vec<i32> = (0..5).map(|_| m.value(&dims(&[batch, units]), y)).collect();
    m.intermediates(&inside);
    m.output(output);
    let real = |q: i8, (scale, zero): Q| f64::from(scale) * (i64::from(q) - zero) as f64;
    let states = RefCell::new((vec![0.0f64; batch * units], vec![0.0f64; batch * units]));
    let case = Case::new("UNIDIRECTIONAL_SEQUENCE_LSTM", &m, move |given| {
        let (hidden, cells) = &mut *states.borrow_mut();
        let mut answer = vec![0u8; batch * time * units];
        for t in 0..time {
            for n in 0..batch {
                let row = if time_major { t * batch + n } else { n * time + t };
                let before = hidden[n * units..][..units].to_vec();
                for u in 0..units {
                    let sum = |gate: usize| {
                        let part = |side: usize, columns: usize, value: &dyn Fn(usize) -> f64| {
                            let (scale, w) = &weights[4 * side + gate];
                            let weight = |i: usize| f64::from(*scale) * f64::from(w[u * columns + i]);
                            (0..columns).map(|i| weight(i) * value(i)).sum::<f64>()
                        };
                        let (scale, bias) = &biases[gate];
                        let bias = f64::from(*scale) * f64::from(bias[u]);
                        let input = part(0, inputs, &|i| real(given[row * inputs + i], x));
                        // Both sums are held to 16 bits, one after the other.
                        let input = (input + bias).clamp(-8.0, 8.0);
                        (input + part(1, units, &|i| before[i])).clamp(-8.0, 8.0)
                    };
                    let sigmoid = |v: f64| 1.0 / (1.0 + (-v).exp());
                    let c = &mut cells[n * units + u];
                    *c = sigmoid(sum(1)) * *c + sigmoid(sum(0)) * sum(2).tanh();
                    let bound = if clip > 0.0 { f64::from(clip) } else { 16.0 };
                    *c = c.clamp(-bound, bound);
                    let h = (sigmoid(sum(3)) * c.tanh() / f64::from(y.0)).round() + y.1 as f64;
                    let h = h.clamp(-128.0, 127.0) as i8;
                    hidden[n * units + u] = real(h, y);
                    answer[row * units + u] = h as u8;
                }
            }
        }
        answer
    });
    Case { slack: 3, ..case }
}

#[test]
fn what_the_lstm_has_not_is_refused() {
    let refused = |change: &dyn Fn(&mut Vec<i32>, &mut Model), word: &str| {
        let mut m = Model::default();
        let q = (0.02, 0);
        let input = m.input(&[1, 1, 3], q);
        let weights: Vec<i32> = (0..8)
            .map(|i| {
                m.weights(&[2, if i < 4 { 3 } else { 2 }], &[0.01], 0, &vec![1; if i < 4 { 6 } else { 4 }])
            })
            .collect();
        let mut operands = [vec![input], weights, vec![-1; 3]].concat();
        operands.extend((0..4).map(|_| m.bias(&[0, 0], &[0.0002])));
        operands.extend([-1; 2]);
        operands.push(m.kept(TensorType::INT8, &[1, 2], q));
        operands.push(m.kept(TensorType::INT16, &[1, 2], (1.0 / 2048.0, 0)));
        operands.extend([-1; 4]);
        change(&mut operands, &mut m);
        let output = m.value(&[1, 1, 2], q);
        let activation = ActivationFunctionType::TANH;
        let options = options!(
            UnidirectionalSequenceLSTMOptions,
            UnidirectionalSequenceLSTMOptionsArgs { fused_activation_function: activation }
        );
        m.op(B::UNIDIRECTIONAL_SEQUENCE_LSTM, &operands, output, Some(options));
        let inside: Vec<i32> = (0..5).map(|_| m.value(&[1, 2], q)).collect();
        m.intermediates(&inside);
        let result = convert(&m.output(output).bytes());
        match result {
            Ok(_) => assert!(word.is_empty(), "{word}: accepted"),
            Err(e) => assert!(!word.is_empty() && e.to_string().contains(word), "{word}: {e}"),
        }
    };
    refused(&|_, _| {}, "");
    refused(&|o, m| o[10] = m.words(&[2], 0.1, &[1, 2]), "peephole");
    refused(&|o, m| o[16] = m.weights(&[2, 2], &[0.1], 0, &[1; 4]), "projection");
    refused(&|o, m| o[21] = m.words(&[2], 0.1, &[1, 2]), "normalization");
    refused(&|o, _| (o[1], o[5], o[12]) = (-1, -1, -1), "input gate");
    refused(&|o, m| o[19] = m.kept(TensorType::INT16, &[1, 2], (0.0004, 0)), "cell state");
    refused(&|o, m| o[19] = m.kept(TensorType::INT16, &[1, 2], (0.25, 0)), "cell state");
    refused(&|o, m| o[18] = m.constant(&[1, 2], (0.02, 0), &[0, 0]), "no variable");
    refused(&|o, m| o[3] = m.weights(&[2, 4], &[0.1], 0, &[1; 8]), "weights");
}
