//! Work in equal parts on a few threads. The parts do not depend on who computes them, nor do the results.

/// The threads that share a layer.
#[derive(Default)]
pub struct Threads(Option<rayon::ThreadPool>);

impl Threads {
    /// `count` threads; fewer when the system gives no more.
    pub fn new(count: usize) -> Self {
        Self((count > 1).then(|| rayon::ThreadPoolBuilder::new().num_threads(count).build().ok()).flatten())
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.as_ref().map_or(1, rayon::ThreadPool::current_num_threads)
    }

    /// Calls `f` with the number of each part of `y` and the part: `part` values, fewer in the last.
    pub(super) fn for_each(&self, y: &mut [i8], part: usize, f: impl Fn(usize, &mut [i8]) + Sync) {
        use rayon::prelude::*;
        match &self.0 {
            Some(pool) if y.len() > part => {
                pool.install(|| y.par_chunks_mut(part).enumerate().for_each(|(i, y)| f(i, y)));
            }
            _ => y.chunks_mut(part).enumerate().for_each(|(i, y)| f(i, y)),
        }
    }
}
