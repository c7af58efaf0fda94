//! The weights of a transposed convolution as the format wants them: cut into phases, each of which is a convolution of its
//! own. Taps whose positions leave the same remainders by the stride make a phase; taps that a kernel narrower than the
//! stride lacks are zeros.

/// Weights cut into phases.
pub(crate) struct Phases {
    /// Phases, rows before columns: `[out][taps down][taps across][in]` each.
    pub(crate) weights: Vec<i8>,
    /// Where each phase starts.
    starts: Vec<usize>,
    outputs: usize,
}

/// Cuts `[out][kh][kw][in]`.
pub(crate) fn cut(w: &[i8], [outputs, kh, kw, channels]: [usize; 4], [sh, sw]: [usize; 2]) -> Phases {
    let mut phases = Phases { weights: Vec::new(), starts: Vec::new(), outputs };
    let positions = (0..sh).flat_map(|py| (0..sw).map(move |px| (py, px)));
    for (py, px) in positions {
        phases.starts.push(phases.weights.len());
        for o in 0..outputs {
            for (y, x) in
                (py..kh.max(sh)).step_by(sh).flat_map(|y| (px..kw.max(sw)).step_by(sw).map(move |x| (y, x)))
            {
                let at = ((o * kh + y) * kw + x) * channels;
                let tap = (y < kh && x < kw).then(|| &w[at..at + channels]);
                phases.weights.extend(tap.unwrap_or(&vec![0; channels]));
            }
        }
    }
    phases.starts.push(phases.weights.len());
    phases
}

impl Phases {
    /// Biases of all phases, with −zero·Σw of their own weights, from those of the whole kernel with all of its weights.
    pub(crate) fn bias(&self, whole: &[i8], bias: &[i32], zero: i32) -> Vec<i32> {
        let sum = |w: &[i8]| w.iter().map(|&w| i64::from(w)).sum::<i64>() * i64::from(zero);
        let run = whole.len() / self.outputs;
        let plain: Vec<i64> =
            bias.iter().zip(whole.chunks_exact(run)).map(|(&b, w)| i64::from(b) + sum(w)).collect();
        let phase = |ends: &[usize]| {
            let (start, run) = (ends[0], (ends[1] - ends[0]) / self.outputs);
            let own = move |o: usize| sum(&self.weights[start + o * run..][..run]);
            plain.iter().enumerate().map(move |(o, &b)| (b - own(o)) as i32).collect::<Vec<_>>()
        };
        self.starts.windows(2).flat_map(phase).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_weight_is_in_one_phase() {
        // Two outputs, one row of three taps, one channel; columns 0 and 2 make phase 0.
        let phases = cut(&[1, 2, 3, 4, 5, 6], [2, 1, 3, 1], [1, 2]);
        assert_eq!(phases.weights, [1, 3, 4, 6, 2, 5]);
        assert_eq!(phases.bias(&[1, 2, 3, 4, 5, 6], &[100 - 10 * 6, 200 - 10 * 15], 10), [60, 100, 80, 150]);
        assert_eq!(cut(&[7], [1, 1, 1, 1], [1, 2]).weights, [7, 0], "wider steps than the kernel");
    }
}
