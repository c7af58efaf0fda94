//! Transposed convolutions: every input pixel is spread over the output, as the definition says.

use crate::Case;
use crate::builder::{Model, Random, options};
use crate::oracle::{clamp, double};
use tract_tflite::tflite::{ActivationFunctionType, BuiltinOperator as B, Padding};

pub(crate) fn cases() -> Vec<Case> {
    let same = Padding::SAME;
    let valid = Padding::VALID;
    vec![
        spread("TRANSPOSE_CONV", [2, 3, 4, 5], ([3, 3], [2, 2]), [6, 8, 3], same, (true, true)),
        spread("TRANSPOSE_CONV odd", [1, 3, 4, 5], ([3, 3], [2, 2]), [5, 7, 4], same, (true, false)),
        spread("TRANSPOSE_CONV valid", [1, 3, 2, 7], ([4, 2], [2, 2]), [8, 4, 9], valid, (false, true)),
        spread("TRANSPOSE_CONV of twos", [1, 5, 5, 4], ([2, 2], [2, 2]), [10, 10, 6], same, (true, true)),
        spread("TRANSPOSE_CONV of fours", [1, 3, 4, 8], ([4, 4], [2, 2]), [6, 8, 8], same, (true, true)),
        spread("TRANSPOSE_CONV by one", [1, 4, 4, 3], ([3, 2], [1, 1]), [4, 4, 5], same, (false, true)),
        spread("TRANSPOSE_CONV in gaps", [1, 3, 3, 2], ([1, 2], [3, 3]), [7, 8, 2], valid, (true, true)),
        spread("TRANSPOSE_CONV to a rest", [1, 2, 2, 2], ([3, 3], [2, 3]), [6, 8, 2], valid, (true, true)),
    ]
}

/// `each`: whether there is a scale an output, and a bias.
fn spread(
    name: &'static str,
    x: [usize; 4],
    ([kh, kw], stride): ([usize; 2], [usize; 2]),
    y: [usize; 3],
    padding: Padding,
    (each, biased): (bool, bool),
) -> Case {
    let mut random = Random::new(name.len() as u64);
    let ([n, h, w, c], [oh, ow, o]) = (x, y);
    let (qx, qy) = (random.q(0.05), random.q(0.05));
    let weights = random.i8s(o * kh * kw * c);
    let scales: Vec<f32> = (0..if each { o } else { 1 }).map(|_| random.scale(0.01)).collect();
    let bias = if biased { random.ints(o, 3000) } else { vec![0; o] };
    let mut m = Model::default();
    let shape = m.ints(&[4], &[n as i32, oh as i32, ow as i32, o as i32]);
    let source = m.input(&x.map(|d| d as i32), qx);
    let k = m.weights(&[o as i32, kh as i32, kw as i32, c as i32], &scales, 0, &weights);
    let mut inputs = vec![shape, k, source];
    if biased {
        inputs.push(m.bias(&bias, &scales.iter().map(|s| s * qx.0).collect::<Vec<_>>()));
    }
    let to = m.value(&[n as i32, oh as i32, ow as i32, o as i32], qy);
    let (sh, sw) = (stride[0] as i32, stride[1] as i32);
    let options = options!(
        TransposeConvOptions,
        TransposeConvOptionsArgs {
            padding: padding,
            stride_h: sh,
            stride_w: sw,
            fused_activation_function: ActivationFunctionType::NONE
        }
    );
    m.op(B::TRANSPOSE_CONV, &inputs, to, Some(options)).output(to);
    let cut = |out: usize, k: usize, s: usize| match padding {
        Padding::SAME => ((out.div_ceil(s) - 1) * s + k).saturating_sub(out) / 2,
        _ => 0,
    };
    let cuts = [cut(oh, kh, stride[0]), cut(ow, kw, stride[1])];
    let real =
        move |o: usize| f64::from(qx.0) * f64::from(scales[if each { o } else { 0 }]) / f64::from(qy.0);
    Case::new(name, &m, move |v| {
        let mut sums: Vec<i64> = (0..n * oh * ow * o).map(|i| bias[i % o].into()).collect();
        for (i, &value) in v.iter().enumerate() {
            let (ic, ix, iy, image) = (i % c, i / c % w, i / c / w % h, i / c / w / h);
            for (ky, kx) in (0..kh).flat_map(|y| (0..kw).map(move |x| (y, x))) {
                let row = (iy * stride[0] + ky).checked_sub(cuts[0]).filter(|&r| r < oh);
                let col = (ix * stride[1] + kx).checked_sub(cuts[1]).filter(|&c| c < ow);
                let (Some(row), Some(col)) = (row, col) else { continue };
                for o_ in 0..o {
                    let weight = i64::from(weights[((o_ * kh + ky) * kw + kx) * c + ic]);
                    sums[((image * oh + row) * ow + col) * o + o_] += (i64::from(value) - qx.1) * weight;
                }
            }
        }
        let value = |(i, &sum): (usize, &i64)| clamp(double(sum, real(i % o)) + qy.1, (-128, 127)) as u8;
        sums.iter().enumerate().map(value).collect()
    })
}
