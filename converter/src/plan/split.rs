//! Which buffer goes to which region of RAM, for the least cost of traffic. Buffers that are needed at one time and do not
//! fit together go apart, the one that is read and written most per byte to the fastest region. Where they lie inside
//! their region is `place`'s to say.
//!
//! All ways are tried as far as that goes, the most promising first, so a small graph's split is proven to be the best;
//! a larger one has a bound.

use super::place::Layout;
use std::cmp::Reverse;

/// Buffers that are given a region, over all ways that are tried.
const TRIED: usize = 200_000;

/// A region as the split sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Room {
    pub(super) bytes: usize,
    /// What it costs to move a byte.
    pub(super) cost: u64,
}

/// A region for each buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Split {
    pub(super) region: Vec<usize>,
    /// The sum over all buffers of the bytes that are moved there, each as often as its region costs.
    pub(super) cost: u64,
    /// No split costs less.
    pub(super) bound: u64,
}

/// The best split found; `None` when there is none. `moved` says how many bytes are moved in each buffer.
pub(super) fn split(layout: &Layout, moved: &[u64], rooms: &[Room]) -> Option<Split> {
    let mut search = Search::new(layout, moved, rooms);
    search.extend(0, 0);
    let (cost, region) = search.best.take()?;
    let bound = if search.left > 0 { cost } else { search.bound() };
    Some(Split { region, cost, bound })
}

struct Search<'a> {
    layout: &'a Layout,
    moved: &'a [u64],
    rooms: &'a [Room],
    /// The buffers, those of the most traffic per byte first.
    order: Vec<usize>,
    /// The regions, the cheapest first.
    regions: Vec<usize>,
    /// What the buffers from each place of `order` on cost at least.
    rest: Vec<u64>,
    /// Bytes in use, by region and time.
    used: Vec<Vec<usize>>,
    region: Vec<Option<usize>>,
    best: Option<(u64, Vec<usize>)>,
    left: usize,
}

impl<'a> Search<'a> {
    fn new(layout: &'a Layout, moved: &'a [u64], rooms: &'a [Room]) -> Self {
        let buffers = &layout.buffers;
        let mut order: Vec<usize> = (0..buffers.len()).filter(|&i| buffers[i].bytes > 0).collect();
        // The traffic per byte as a quotient of whole numbers, in units that leave it some digits.
        order.sort_by_key(|&i| Reverse(moved[i] * 1024 / buffers[i].bytes as u64));
        let mut regions: Vec<usize> = (0..rooms.len()).collect();
        regions.sort_by_key(|&r| rooms[r].cost);
        let times = buffers.iter().map(|b| b.last + 1).max().unwrap_or(0);
        let cheapest = rooms.iter().map(|r| r.cost).min().unwrap_or(0);
        let mut rest = vec![0; order.len() + 1];
        for (depth, &i) in order.iter().enumerate().rev() {
            rest[depth] = rest[depth + 1] + moved[i] * cheapest;
        }
        Self {
            layout,
            moved,
            rooms,
            order,
            regions,
            rest,
            used: vec![vec![0; times]; rooms.len()],
            region: vec![None; buffers.len()],
            best: None,
            left: TRIED,
        }
    }

    /// Gives a region to the buffers from a place of the order on; those before it cost `cost`.
    fn extend(&mut self, depth: usize, cost: u64) {
        if self.best.as_ref().is_some_and(|(best, _)| cost + self.rest[depth] >= *best) {
            return;
        }
        let Some(&i) = self.order.get(depth) else {
            self.best = Some((cost, self.region.iter().map(|r| r.unwrap_or(0)).collect()));
            return;
        };
        for n in 0..self.regions.len() {
            if self.left == 0 {
                return;
            }
            self.left -= 1;
            let r = self.regions[n];
            let added: Vec<usize> = self.times(i).map(|time| self.adds(i, r, time)).collect();
            let fits = |(time, added): (usize, &usize)| self.used[r][time] + added <= self.rooms[r].bytes;
            if self.times(i).zip(&added).all(fits) {
                self.times(i).zip(&added).for_each(|(time, added)| self.used[r][time] += added);
                self.region[i] = Some(r);
                self.extend(depth + 1, cost + self.moved[i] * self.rooms[r].cost);
                self.region[i] = None;
                self.times(i).zip(&added).for_each(|(time, added)| self.used[r][time] -= added);
            }
        }
    }

    fn times(&self, i: usize) -> std::ops::RangeInclusive<usize> {
        self.layout.buffers[i].first..=self.layout.buffers[i].last
    }

    /// Bytes by which region `r` needs more at a time when it gets buffer `i`: it may share some with one that is there.
    fn adds(&self, i: usize, r: usize, time: usize) -> usize {
        let buffers = &self.layout.buffers;
        let shared = self.layout.pairs.iter().filter(|p| p.x == i || p.y == i).filter_map(|p| {
            let other = if p.x == i { p.y } else { p.x };
            let there = self.region[other] == Some(r) && self.times(other).contains(&time);
            there.then(|| buffers[p.x].bytes + buffers[p.y].bytes - p.bytes(buffers))
        });
        buffers[i].bytes.saturating_sub(shared.sum())
    }

    /// A bound for all splits: what is needed at one time beyond the cheapest region moves elsewhere, at best that of the
    /// least traffic, in parts of buffers. Times that have no buffer in common add up.
    fn bound(&self) -> u64 {
        let cheapest = self.regions[0];
        let Some(dearer) = self.regions.get(1).map(|&r| self.rooms[r].cost - self.rooms[cheapest].cost)
        else {
            return self.rest[0];
        };
        let over = |time: usize| {
            let mut over = self.layout.needed_at(time).saturating_sub(self.rooms[cheapest].bytes) as u64;
            let mut cost = 0;
            for &i in self.order.iter().rev().filter(|&&i| self.times(i).contains(&time)) {
                let bytes = self.layout.buffers[i].bytes as u64;
                let part = over.min(bytes);
                cost += self.moved[i] * part / bytes * dearer;
                over -= part;
            }
            cost
        };
        let mut most: Vec<u64> = Vec::new();
        for time in 0..self.used[0].len() {
            let common = |before: usize| {
                self.order.iter().any(|&i| self.times(i).contains(&before) && self.times(i).contains(&time))
            };
            let before = (0..time).filter(|&before| !common(before)).map(|before| most[before]).max();
            most.push(before.unwrap_or(0) + over(time));
        }
        self.rest[0] + most.into_iter().max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::place::{Buffer, Pair};
    use super::*;

    /// Against every way of giving regions to a few buffers.
    #[test]
    fn the_best_of_all() {
        let mut state = 3u64;
        let mut draw = |n: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % n
        };
        let (mut split_up, mut tight) = (0, 0);
        for _ in 0..200 {
            let n = 6;
            let mut buffers = Vec::new();
            for _ in 0..n {
                let first = draw(5) as usize;
                let bytes = 4 * (1 + draw(20) as usize);
                buffers.push(Buffer { bytes, first, last: first + 1 + draw(2) as usize });
            }
            let moved: Vec<u64> = (0..n).map(|_| draw(500)).collect();
            let mut pairs = Vec::new();
            if buffers[0].last == buffers[1].first {
                pairs.push(Pair { x: 0, y: 1, downwards: 4, upwards: 8 });
            }
            let layout = Layout { buffers, pairs };
            let room = |bytes: u64, cost| Room { bytes: 4 * bytes as usize, cost };
            let rooms = [room(20 + draw(20), 1), room(20 + draw(20), 3), room(30, 7)];
            let fits = |region: &[usize]| {
                let one = |r: usize| {
                    let mut part = layout.clone();
                    part.keep(|i| region[i] == r);
                    part.lower_bound() <= rooms[r].bytes
                };
                (0..3).all(one)
            };
            let cost = |region: &[usize]| (0..n).map(|i| moved[i] * rooms[region[i]].cost).sum::<u64>();
            let ways =
                (0..3usize.pow(n as u32)).map(|w| (0..n).map(|i| w / 3usize.pow(i as u32) % 3).collect());
            let best = ways.filter(|w: &Vec<usize>| fits(w)).map(|w| cost(&w)).min();
            let found = split(&layout, &moved, &rooms);
            assert_eq!(found.as_ref().map(|s| s.cost), best, "{layout:?}");
            let Some(found) = found else { continue };
            assert!(fits(&found.region) && cost(&found.region) == found.cost && found.bound == found.cost);
            let bound = Search::new(&layout, &moved, &rooms).bound();
            assert!(bound <= found.cost, "{bound} {found:?}");
            tight += usize::from(bound > moved.iter().sum());
            split_up += usize::from(found.region.iter().any(|&r| r > 0));
        }
        assert!(split_up > 50 && tight > 50, "{split_up} {tight}");
    }
}
