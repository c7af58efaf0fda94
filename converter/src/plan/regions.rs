//! A plan for several regions of RAM: which are asked for, and the cut of the program whose buffers cause the least costly
//! traffic in them. Which buffer goes where is `split`'s to say, where in its region, `place`'s.

use super::split::{Room, Split, split};
use super::traffic::traffic;
use super::{Cut, Plan, Search, place::ALIGN, spread};
use crate::error::{Error, Result};
use mote_format::MAX_REGIONS;
use std::str::FromStr;

/// Cuts that are tried, those of the fewest calls first.
const CUTS: usize = 12;
/// Times that a split is made again with less room, because packing wasted some.
const AGAIN: usize = 12;

/// A piece of RAM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// What it is called; a name that a program may give a variable.
    pub name: String,
    /// Bytes that it has.
    pub bytes: usize,
    /// What it costs to move a byte there, compared with the others; `None` for its place in the list.
    pub cost: Option<u32>,
}

impl FromStr for Region {
    type Err = Error;

    /// `NAME=BYTES` or `NAME=BYTES:COST`.
    fn from_str(text: &str) -> Result<Self> {
        let region = || {
            let (name, rest) = text.split_once('=')?;
            let (bytes, cost) =
                rest.split_once(':').map_or((rest, None), |(bytes, cost)| (bytes, Some(cost)));
            let mut letters = name.chars();
            let first = letters.next()?.is_ascii_lowercase();
            let named = first && letters.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
            let bytes = bytes.parse().ok().filter(|&bytes: &usize| bytes <= i32::MAX as usize);
            let cost = cost.map(|cost| cost.parse().ok()).map_or(Some(None), |cost| cost.map(Some))?;
            named.then_some(Self { name: name.to_owned(), bytes: bytes?, cost })
        };
        region().ok_or_else(|| {
            Error::new("not a region of RAM")
                .cause(format!("\"{text}\" is not NAME=BYTES or NAME=BYTES:COST"))
                .remedy("write dtcm=65536 or psram=262144:8, the name in small letters, digits and _")
        })
    }
}

/// A region as it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Used {
    /// What it is called.
    pub name: String,
    /// Where it ends in the arena; the next one begins there.
    pub end: usize,
    /// Bytes that an inference moves there.
    pub moved: u64,
    /// What each of them costs.
    pub cost: u32,
}

/// Buffers that have places in regions.
struct Placed {
    offsets: Vec<usize>,
    regions: Vec<Used>,
    cost: u64,
    bound: u64,
}

/// The plan of the least cost that was found.
pub(super) fn plan(search: &Search<'_>, regions: &[Region]) -> Result<Plan> {
    check(regions)?;
    let total = regions.iter().map(|region| region.bytes).sum();
    let mut limit = total;
    let mut best: Option<(Cut, Placed)> = None;
    for more in (0..CUTS).rev() {
        let Some((needed, groups)) = search.segments.fastest(limit) else { break };
        let cut = Cut::new(search.program, &search.scratch, groups);
        let placed = place(search, &cut, regions);
        if let Some(placed) = placed.filter(|p| best.as_ref().is_none_or(|(_, best)| p.cost < best.cost)) {
            best = Some((cut, placed));
        }
        if needed <= search.least {
            break;
        }
        limit = if more == 1 { search.least } else { needed - 1 };
    }
    let Some((cut, placed)) = best else { return Err(refused(search, regions, total)) };
    let mut plan = search.finish(cut, &placed.offsets);
    plan.arena = placed.regions.last().map_or(0, |region| region.end);
    (plan.regions, plan.cost_bound) = (placed.regions, placed.bound);
    Ok(plan)
}

fn check(regions: &[Region]) -> Result<()> {
    let twice =
        regions.iter().enumerate().find(|(i, r)| regions[..*i].iter().any(|other| other.name == r.name));
    let error = |cause: String, remedy: &str| {
        Err(Error::new("cannot plan for these regions of RAM").cause(cause).remedy(remedy))
    };
    match twice {
        Some((_, region)) => {
            error(format!("two are called \"{}\"", region.name), "give each a name of its own")
        }
        None if regions.len() > MAX_REGIONS => {
            error(format!("there are {}", regions.len()), &format!("give at most {MAX_REGIONS}"))
        }
        None => Ok(()),
    }
}

/// Places for the buffers of a cut; `None` when none were found.
fn place(search: &Search<'_>, cut: &Cut, regions: &[Region]) -> Option<Placed> {
    let buffers = cut.layout.buffers.len();
    let mut moved = vec![0; buffers];
    for (i, bytes) in traffic(search.program, &search.scratch, &cut.groups).into_iter().enumerate() {
        moved[cut.buffer(i)] += bytes;
    }
    let costs = regions.iter().zip(1..).map(|(region, place)| region.cost.unwrap_or(place));
    let capacity = |region: &Region| region.bytes / ALIGN * ALIGN;
    let mut rooms: Vec<Room> = costs
        .clone()
        .zip(regions)
        .map(|(cost, region)| Room { bytes: capacity(region), cost: cost.into() })
        .collect();
    let mut bound = None;
    for _ in 0..AGAIN {
        let Split { region, cost, bound: least } = split(&cut.layout, &moved, &rooms)?;
        let bound = *bound.get_or_insert(least);
        let mut placed = Placed { offsets: vec![0; buffers], regions: Vec::new(), cost, bound };
        let mut fits = true;
        for (r, (of, cost)) in regions.iter().zip(costs.clone()).enumerate() {
            let mine = |i: usize| region[i] == r;
            let mut part = cut.layout.clone();
            part.keep(mine);
            let capacity = capacity(of);
            let places = spread(&mut part, if of.bytes == usize::MAX { 0 } else { capacity });
            if places.arena > capacity {
                // Packing wastes some bytes: a split that needs fewer leaves room for them.
                rooms[r].bytes = rooms[r].bytes.checked_sub(places.arena - capacity)?;
                fits = false;
            }
            let base = placed.regions.last().map_or(0, |before| before.end);
            (0..buffers).filter(|&i| mine(i)).for_each(|i| placed.offsets[i] = base + places.offsets[i]);
            placed.regions.push(Used {
                name: of.name.clone(),
                end: (base + places.arena).next_multiple_of(ALIGN),
                moved: (0..buffers).filter(|&i| mine(i)).map(|i| moved[i]).sum(),
                cost,
            });
        }
        if fits {
            return Some(placed);
        }
    }
    None
}

/// Why there is no plan, and how much the last region would have to have.
fn refused(search: &Search<'_>, regions: &[Region], total: usize) -> Error {
    let (step, bytes) = search.segments.peak();
    let name = &search.program.output(step).name;
    let cause = if bytes > total {
        format!("layer \"{name}\" alone needs {bytes} bytes, the regions have {total}")
    } else {
        format!("layer \"{name}\" needs {bytes} of their {total} bytes, and no buffer may lie in two regions")
    };
    let mut enough = regions.to_vec();
    enough.iter_mut().skip(regions.len() - 1).for_each(|last| last.bytes = usize::MAX);
    let cut = search.segments.fastest(search.least);
    let cut = cut.map(|(_, groups)| Cut::new(search.program, &search.scratch, groups));
    let placed = cut.and_then(|cut| place(search, &cut, &enough));
    let needed = placed.and_then(|placed| {
        let mut ends = placed.regions.iter().rev().map(|region| region.end);
        Some((&regions.last()?.name, ends.next()? - ends.next().unwrap_or(0)))
    });
    let remedy = match needed {
        Some((name, bytes)) => {
            format!("give \"{name}\" {bytes} bytes, or export the model with a smaller input")
        }
        None => "give larger regions, or export the model with a smaller input".into(),
    };
    Error::new("cannot plan the memory of the model").cause(cause).remedy(remedy)
}
