//! Work in equal parts on a few threads. The parts do not depend on who computes them, nor do the results.

/// Multiply-accumulate operations of a convolution from which on it pays to wake a thread.
const WORTH: usize = 2_000_000;

/// The threads that share a layer.
#[derive(Default)]
pub struct Threads {
    pool: Option<rayon::ThreadPool>,
    /// The least work that is shared.
    least: usize,
}

impl Threads {
    /// `count` threads for layers that are worth it; fewer when the system gives no more.
    pub fn new(count: usize) -> Self {
        Self::for_work(count, WORTH)
    }

    /// `count` threads for layers of so many multiply-accumulate operations or more.
    pub fn for_work(count: usize, least: usize) -> Self {
        let pool =
            (count > 1).then(|| rayon::ThreadPoolBuilder::new().num_threads(count).build().ok()).flatten();
        Self { pool, least }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.pool.as_ref().map_or(1, rayon::ThreadPool::current_num_threads)
    }

    /// How many share so much work.
    pub(super) fn sharing(&self, work: usize) -> usize {
        if work < self.least { 1 } else { self.count() }
    }

    /// Calls `f` with the number of each part of `y` and the part: `part` values, fewer in the last.
    pub(super) fn for_each(
        &self,
        y: &mut [i8],
        part: usize,
        work: usize,
        f: impl Fn(usize, &mut [i8]) + Sync,
    ) {
        use rayon::prelude::*;
        match &self.pool {
            Some(pool) if y.len() > part && work >= self.least => {
                pool.install(|| y.par_chunks_mut(part).enumerate().for_each(|(i, y)| f(i, y)));
            }
            _ => y.chunks_mut(part).enumerate().for_each(|(i, y)| f(i, y)),
        }
    }
}
