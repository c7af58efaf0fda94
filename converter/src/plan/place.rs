//! Offsets for buffers with lives: none shares a byte with another that is needed at the same time, but for pairs that
//! may come nearer than that. What the buffers hold is not known here.
//!
//! First fit gives a place to one buffer after the other; its result depends on their order, and some order gives the
//! smallest arena. Several orders are tried, then exchanges in the best one, then all orders as far as that goes, until
//! the lower bound is met. The same buffers get the same places.

use std::cmp::Reverse;

/// Offsets are multiples of this many bytes, so that word loads are aligned on every core.
pub(super) const ALIGN: usize = 4;

/// A run of bytes that is needed from one time to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Buffer {
    pub(super) bytes: usize,
    pub(super) first: usize,
    pub(super) last: usize,
}

impl Buffer {
    fn meets(&self, other: &Buffer) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

/// Two buffers that need not lie apart: `upper` may start `below` bytes above `lower`, or the other way round, `above`
/// bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pair {
    /// The one that is written.
    pub(super) y: usize,
    /// The one that dies.
    pub(super) x: usize,
    /// Bytes by which `y` starts below `x` at least.
    pub(super) downwards: usize,
    /// Bytes by which `y` starts above `x` at least.
    pub(super) upwards: usize,
}

impl Pair {
    /// Bytes that both together take, at least.
    pub(super) fn bytes(&self, buffers: &[Buffer]) -> usize {
        let (x, y) = (buffers[self.x].bytes, buffers[self.y].bytes);
        (self.downwards + x).max(y).min((self.upwards + y).max(x))
    }
}

/// What is to be placed.
#[derive(Debug, Clone, Default)]
pub(super) struct Layout {
    pub(super) buffers: Vec<Buffer>,
    pub(super) pairs: Vec<Pair>,
}

/// Where it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Places {
    pub(super) offsets: Vec<usize>,
    /// Bytes from the lowest to the highest.
    pub(super) arena: usize,
    /// Whether no places span fewer.
    pub(super) exact: bool,
}

/// Exchanges that are tried.
const EXCHANGES: usize = 3000;
/// Orders of buffers that are tried for a proof, at most: partial ones count.
const ORDERS: usize = 100_000;

impl Layout {
    /// Leaves out all but some buffers.
    pub(super) fn keep(&mut self, kept: impl Fn(usize) -> bool) {
        (0..self.buffers.len()).filter(|&i| !kept(i)).for_each(|i| self.buffers[i].bytes = 0);
        self.pairs.retain(|p| kept(p.x) && kept(p.y));
    }

    /// Bytes that are needed at one time, at most over all times: no places span fewer.
    pub(super) fn lower_bound(&self) -> usize {
        let times = self.buffers.iter().map(|b| b.first);
        times.map(|t| self.needed_at(t)).max().unwrap_or(0)
    }

    /// Bytes that are needed at one time.
    pub(super) fn needed_at(&self, time: usize) -> usize {
        let live = |i: usize| self.buffers[i].first <= time && time <= self.buffers[i].last;
        let all: usize = (0..self.buffers.len()).filter(|&i| live(i)).map(|i| self.buffers[i].bytes).sum();
        let near = self.pairs.iter().filter(|p| live(p.x) && live(p.y));
        all - near
            .map(|p| self.buffers[p.x].bytes + self.buffers[p.y].bytes - p.bytes(&self.buffers))
            .sum::<usize>()
    }

    /// The best places found; the search ends early where they span at most `enough` bytes.
    pub(super) fn places(&self, enough: usize) -> Places {
        let bound = self.lower_bound().next_multiple_of(ALIGN);
        let neighbours = self.neighbours();
        let all: Vec<usize> = (0..self.buffers.len()).filter(|&i| self.buffers[i].bytes > 0).collect();
        let goal = enough.max(bound);
        let (mut offsets, mut arena) = self.search(&neighbours, &all, goal);
        let mut exact = arena <= bound;
        if arena > goal {
            let mut orders =
                Orders { layout: self, neighbours: &neighbours, best: arena, offsets: None, left: ORDERS };
            orders.extend(&mut vec![None; self.buffers.len()], &all, 0, 0, goal);
            exact = orders.left > 0;
            if let Some(better) = orders.offsets {
                (offsets, arena) = (better, orders.best);
            }
        }
        Places { offsets, arena, exact }
    }

    /// For each buffer, those that are needed at the same time: which, and the distances at which this one starts
    /// below or above it.
    fn neighbours(&self) -> Vec<Vec<Neighbour>> {
        let buffers = &self.buffers;
        let near = |i: usize, j: usize| {
            let pair = self.pairs.iter().find(|p| (p.y, p.x) == (i, j) || (p.x, p.y) == (i, j));
            match pair {
                Some(p) if p.y == i => Neighbour { other: j, below: p.downwards, above: p.upwards },
                Some(p) => Neighbour { other: j, below: p.upwards, above: p.downwards },
                None => Neighbour { other: j, below: buffers[i].bytes, above: buffers[j].bytes },
            }
        };
        let of = |i: usize| {
            let others = (0..buffers.len()).filter(|&j| j != i && buffers[j].bytes > 0);
            others.filter(|&j| buffers[i].meets(&buffers[j])).map(|j| near(i, j)).collect()
        };
        (0..buffers.len()).map(of).collect()
    }

    fn search(&self, neighbours: &[Vec<Neighbour>], all: &[usize], goal: usize) -> (Vec<usize>, usize) {
        let buffers = &self.buffers;
        let life = |i: usize| buffers[i].last - buffers[i].first + 1;
        let bytes = |i: usize| Reverse(buffers[i].bytes);
        let orders = [
            sorted(all, |i| (bytes(i), buffers[i].first)),
            sorted(all, |i| (Reverse(buffers[i].bytes * life(i)), buffers[i].first)),
            sorted(all, |i| (Reverse(life(i)), bytes(i))),
            sorted(all, |i| buffers[i].first),
        ];
        let tried = orders.into_iter().map(|order| (self.first_fit(neighbours, &order), order));
        let Some((mut best, mut order)) = tried.min_by_key(|(placed, _)| placed.1) else {
            return (vec![0; buffers.len()], 0);
        };
        // Exchanges two buffers of the order, chosen by a linear congruential generator (Knuth's MMIX), and keeps what
        // is no worse.
        let mut state = 1u64;
        let mut below = |n: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % n
        };
        for _ in 0..EXCHANGES {
            if best.1 <= goal || order.len() < 2 {
                break;
            }
            let (i, j) = (below(order.len()), below(order.len()));
            order.swap(i, j);
            let placed = self.first_fit(neighbours, &order);
            if placed.1 <= best.1 {
                best = placed;
            } else {
                order.swap(i, j);
            }
        }
        best
    }

    /// An offset for each buffer of `order`, in turn the lowest that is free; and the bytes spanned.
    fn first_fit(&self, neighbours: &[Vec<Neighbour>], order: &[usize]) -> (Vec<usize>, usize) {
        let mut placed = vec![None; self.buffers.len()];
        let mut end = 0;
        for &i in order {
            let at = lowest(&neighbours[i], &placed);
            placed[i] = Some(at);
            end = end.max(at + self.buffers[i].bytes);
        }
        (placed.into_iter().map(|at| at.unwrap_or(0)).collect(), end)
    }
}

/// A buffer that is needed at the same time as another.
#[derive(Debug, Clone, Copy)]
struct Neighbour {
    other: usize,
    /// Bytes from the start of the one to the start of `other`, when it lies below.
    below: usize,
    /// Bytes from the start of `other` to the start of the one, when it lies above.
    above: usize,
}

/// The lowest offset that is clear of all neighbours that have a place.
fn lowest(neighbours: &[Neighbour], placed: &[Option<usize>]) -> usize {
    let taken = neighbours
        .iter()
        .filter_map(|n| placed[n.other].map(|at| (at as i64 - n.below as i64, at + n.above)));
    let mut taken: Vec<(i64, usize)> = taken.collect();
    taken.sort_unstable();
    let mut at = 0;
    for (last_below, first_above) in taken {
        if at as i64 <= last_below {
            break;
        }
        at = at.max(first_above.next_multiple_of(ALIGN));
    }
    at
}

/// All orders of buffers by increasing offset, cut off where they cannot get better than the best: with enough of them
/// tried, a proof.
struct Orders<'a> {
    layout: &'a Layout,
    neighbours: &'a [Vec<Neighbour>],
    best: usize,
    offsets: Option<Vec<usize>>,
    left: usize,
}

impl Orders<'_> {
    /// Continues an order whose last buffer lies at `from` and which spans `end` bytes.
    fn extend(
        &mut self,
        placed: &mut Vec<Option<usize>>,
        rest: &[usize],
        from: usize,
        end: usize,
        goal: usize,
    ) {
        if rest.is_empty() {
            self.best = end;
            self.offsets = Some(placed.iter().map(|at| at.unwrap_or(0)).collect());
            return;
        }
        let places: Vec<usize> = rest.iter().map(|&i| lowest(&self.neighbours[i], placed)).collect();
        // What no longer fits never will: places only rise.
        let fits = |(&i, &at): (&usize, &usize)| at + self.layout.buffers[i].bytes < self.best;
        if !rest.iter().zip(&places).all(fits) {
            return;
        }
        let mut next: Vec<usize> = (0..rest.len()).filter(|&n| places[n] >= from).collect();
        next.sort_by_key(|&n| (places[n], Reverse(self.layout.buffers[rest[n]].bytes)));
        for n in next {
            if self.left == 0 || self.best <= goal {
                return;
            }
            self.left -= 1;
            let end = end.max(places[n] + self.layout.buffers[rest[n]].bytes);
            if end < self.best {
                placed[rest[n]] = Some(places[n]);
                let others: Vec<usize> = rest.iter().copied().filter(|&i| i != rest[n]).collect();
                self.extend(placed, &others, places[n], end, goal);
                placed[rest[n]] = None;
            }
        }
    }
}

/// By a key, equals as they are.
fn sorted<K: Ord>(all: &[usize], key: impl Fn(usize) -> K) -> Vec<usize> {
    let mut order = all.to_vec();
    order.sort_by_key(|&i| key(i));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buffer(bytes: usize, first: usize, last: usize) -> Buffer {
        Buffer { bytes, first, last }
    }

    /// Nobody comes nearer to anybody than it may.
    fn check(layout: &Layout, places: &Places) {
        for (i, neighbours) in
            layout.neighbours().iter().enumerate().filter(|(i, _)| layout.buffers[*i].bytes > 0)
        {
            let at = places.offsets[i];
            assert!(at.is_multiple_of(ALIGN) && at + layout.buffers[i].bytes <= places.arena);
            for n in neighbours {
                let other = places.offsets[n.other];
                assert!(at + n.below <= other || other + n.above <= at, "{i} {n:?} {places:?}");
            }
        }
    }

    #[test]
    fn live_buffers_never_overlap_and_the_bound_is_met() {
        // Largest first puts the middle one where it separates the others.
        let buffers =
            vec![buffer(40, 0, 1), buffer(20, 1, 2), buffer(32, 2, 3), buffer(36, 3, 4), buffer(24, 0, 4)];
        let layout = Layout { buffers, pairs: Vec::new() };
        let places = layout.places(0);
        assert_eq!((layout.lower_bound(), places.arena, places.exact), (92, 92, true));
        check(&layout, &places);
    }

    #[test]
    fn a_chain_of_pairs_goes_down_and_up_in_the_room_of_one() {
        let buffers = (0..6).map(|k| buffer(800, k, k + 1)).collect();
        let pair = |x: usize| Pair { y: x + 1, x, downwards: 64, upwards: 80 };
        let layout = Layout { buffers, pairs: (0..5).map(pair).collect() };
        let places = layout.places(0);
        assert_eq!((layout.lower_bound(), places.exact), (864, true));
        assert!(places.arena <= 880, "{places:?}");
        check(&layout, &places);
    }

    /// Against every order without any cut.
    #[test]
    fn the_proof_is_one() {
        let mut state = 7u64;
        let mut draw = |n: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            ((state >> 33) % n) as usize
        };
        let mut improved = 0;
        for _ in 0..40 {
            let mut buffers = Vec::new();
            for _ in 0..7 {
                let first = draw(6);
                buffers.push(buffer(4 * (1 + draw(9)), first, first + 1 + draw(2)));
            }
            let (x, y) = (draw(7), draw(7));
            let mut pairs = Vec::new();
            if x != y {
                let near = |b: &Buffer| 4 * (1 + b.bytes / 8);
                pairs.push(Pair { y, x, downwards: near(&buffers[y]), upwards: near(&buffers[x]) });
            }
            let layout = Layout { buffers, pairs };
            let places = layout.places(0);
            check(&layout, &places);
            let neighbours = layout.neighbours();
            let best = permutations(7).into_iter().map(|order| layout.first_fit(&neighbours, &order).1).min();
            assert_eq!((Some(places.arena), places.exact), (best, true), "{layout:?}");
            let any: Vec<usize> = (0..7).collect();
            improved += usize::from(layout.first_fit(&neighbours, &any).1 > places.arena);
        }
        assert!(improved > 5, "not any order will do");
    }

    fn permutations(n: usize) -> Vec<Vec<usize>> {
        let Some(less) = n.checked_sub(1) else { return vec![Vec::new()] };
        let insert = |p: &Vec<usize>, at: usize| [&p[..at], &[less], &p[at..]].concat();
        permutations(less).iter().flat_map(|p| (0..n).map(|at| insert(p, at)).collect::<Vec<_>>()).collect()
    }

    #[test]
    fn nothing_needs_nothing() {
        let places = Layout::default().places(0);
        assert_eq!(places, Places { offsets: Vec::new(), arena: 0, exact: true });
    }
}
