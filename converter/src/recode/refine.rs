//! Weights moved to neighbouring levels wherever that brings the outputs of a layer closer: coordinate descent on the noise
//! of a sum, eᵀ·C·e for the errors e of its weights and the covariance C of the values that they meet. What one weight loses
//! another one then makes good (the aim of Nagel et al. 2020, "Up or Down?", without its gradients).

use super::levels::Row;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};

/// Rounds of the descent and of the scale that fits best.
const ROUNDS: usize = 3;

/// Share of the covariance between different values that is believed: the samples are few.
const BELIEVED: f32 = 0.9;

/// Of fewer patches no covariance is told.
const FEWEST: usize = 64;

/// What every value varies at least.
const LEAST: f32 = 0.01;

/// The covariance of patches, a row each; `None` where there are too few to tell.
pub(super) fn covariance(patches: ArrayView2<'_, f32>) -> Option<Array2<f32>> {
    if patches.nrows() < FEWEST {
        return None;
    }
    let count = patches.nrows() as f32;
    let centred = &patches - &patches.mean_axis(Axis(0))?;
    let mut all = centred.t().dot(&centred) * (BELIEVED / count);
    all.diag_mut().mapv_inplace(|v| v / BELIEVED + LEAST);
    Some(all)
}

/// Improves one output's weights on these levels, in ascending order.
pub(super) fn refine(weights: &[i8], row: &mut Row, levels: &[i8], covariance: &Array2<f32>) {
    let weights: Array1<f32> = weights.iter().map(|&w| f32::from(w)).collect();
    let mut at: Vec<usize> = row.values.iter().map(|v| levels.binary_search(v).unwrap_or(0)).collect();
    for _ in 0..ROUNDS {
        let scale = row.scale as f32;
        let values = |at: &[usize]| -> Array1<f32> { at.iter().map(|&i| f32::from(levels[i])).collect() };
        let mut slope = covariance.dot(&(values(&at) * scale - &weights));
        let mut moved = false;
        for j in 0..at.len() {
            let gain = |to: usize, slope: f32| {
                let step = scale * (f32::from(levels[to]) - f32::from(levels[at[j]]));
                (step * (2.0 * slope + step * covariance[[j, j]]), to, step)
            };
            let next = [at[j].checked_sub(1), Some(at[j] + 1).filter(|&to| to < levels.len())];
            let best =
                next.into_iter().flatten().map(|to| gain(to, slope[j])).min_by(|a, b| a.0.total_cmp(&b.0));
            if let Some((_, to, step)) = best.filter(|(gain, ..)| *gain < 0.0) {
                at[j] = to;
                let column: ArrayView1<f32> = covariance.column(j);
                slope.scaled_add(step, &column);
                moved = true;
            }
        }
        let values = values(&at);
        let through = covariance.dot(&values);
        let best = f64::from(weights.dot(&through)) / f64::from(values.dot(&through));
        if best.is_finite() && best > 0.0 {
            row.scale = best;
        }
        if !moved {
            break;
        }
    }
    row.values = at.into_iter().map(|i| levels[i]).collect();
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two values that are always the same: what the weights are worth together is what counts.
    #[test]
    fn errors_make_each_other_good() {
        let together = Array2::from_elem((2, 2), 1.0f32);
        let levels = [-1, 0, 1];
        let mut row = Row { scale: 10.0, values: vec![0, 0] };
        refine(&[4, 4], &mut row, &levels, &together);
        let sum: f64 = row.values.iter().map(|&v| row.scale * f64::from(v)).sum();
        assert!((sum - 8.0).abs() < 1e-3, "{row:?}");
    }
}
