//! The RAM of a session: a slice a region, whose bytes are numbered through from the first slice to the last. No buffer lies
//! in two of them, which the model's check has proven. With one region, all of this is that slice, in as many instructions.

use core::ops::Range;

/// The slices, at least one.
pub(crate) struct Ram<'a, const R: usize>([&'a mut [u8]; R]);

impl<'a, const R: usize> Ram<'a, R> {
    /// Each as long as the model's region.
    pub(crate) fn new(slices: [&'a mut [u8]; R]) -> Self {
        const { assert!(R > 0, "a session needs RAM") };
        Self(slices)
    }

    /// The same, for a while.
    #[inline(always)]
    pub(crate) fn lend(&mut self) -> Ram<'_, R> {
        Ram(self.0.each_mut().map(|slice| &mut **slice))
    }

    /// The first slice.
    pub(crate) fn first(&mut self) -> &mut [u8] {
        self.0[0]
    }

    /// Which slice a buffer lies in, and the number of that slice's first byte.
    #[inline(always)]
    fn find(&self, at: usize) -> (usize, usize) {
        let mut base = 0;
        for (i, slice) in self.0[..R - 1].iter().enumerate() {
            if at < base + slice.len() {
                return (i, base);
            }
            base += slice.len();
        }
        (R - 1, base)
    }

    /// The bytes of a buffer.
    #[inline(always)]
    pub(crate) fn get(&self, range: Range<usize>) -> Option<&[u8]> {
        let (i, base) = self.find(range.start);
        self.0[i].get(range.start - base..range.end - base)
    }

    /// The bytes of a buffer, to be written.
    #[inline(always)]
    pub(crate) fn get_mut(&mut self, range: Range<usize>) -> Option<&mut [u8]> {
        let (i, base) = self.find(range.start);
        self.0[i].get_mut(range.start - base..range.end - base)
    }

    /// Moves bytes of a buffer down inside it. As many at a time as lie clear of where they go: a program need not have a
    /// `memmove` for this alone.
    #[inline(never)]
    pub(crate) fn move_down(&mut self, range: Range<usize>, to: usize) {
        let (i, base) = self.find(to);
        let (mut at, step) = (to - base, range.start - to);
        let mut left = range.len();
        while left > 0 && step > 0 {
            let (low, high) = self.0[i].split_at_mut(at + step);
            let part = left.min(step);
            low[at..at + part].copy_from_slice(&high[..part]);
            (at, left) = (at + part, left - part);
        }
    }

    /// The bytes of several buffers; `None` when two of them share some.
    #[inline(always)]
    pub(crate) fn disjoint<const N: usize>(self, ranges: [Range<usize>; N]) -> Option<[&'a mut [u8]; N]> {
        let mut slices = self.0.into_iter();
        if R == 1 {
            return slices.next()?.get_disjoint_mut(ranges).ok();
        }
        let mut found: [&mut [u8]; N] = core::array::from_fn(|_| Default::default());
        let mut base = 0;
        for slice in slices {
            let region = base..base + slice.len();
            base = region.end;
            let parts = slice.get_disjoint_mut(ranges.each_ref().map(|r| within(r, &region))).ok()?;
            found.iter_mut().zip(parts).filter(|(_, part)| !part.is_empty()).for_each(|(f, part)| *f = part);
        }
        Some(found)
    }

    /// What one call of a kernel writes, and the rest; `None` when the two share bytes.
    #[inline(always)]
    pub(crate) fn parts(self, y: &Range<usize>, scratch: &Range<usize>) -> Option<Parts<'a, R>> {
        let mut slices = self.0.into_iter();
        if R == 1 {
            let (y, scratch, rest) = split(slices.next()?, 0, y, scratch.clone())?;
            return Some(Parts { y, scratch, rest: [rest; R] });
        }
        let mut parts = Parts { y: &mut [], scratch: &mut [], rest: [NOTHING; R] };
        let mut base = 0;
        for (slice, rest) in slices.zip(&mut parts.rest) {
            let region = base..base + slice.len();
            let (one, other);
            (one, other, *rest) = split(slice, base, &within(y, &region), within(scratch, &region))?;
            parts.y = if one.is_empty() { parts.y } else { one };
            parts.scratch = if other.is_empty() { parts.scratch } else { other };
            base = region.end;
        }
        Some(parts)
    }
}

const NOTHING: [(usize, &[u8]); 3] = [(0, &[]); 3];

/// A buffer's place in a region; nowhere when it lies in another.
#[inline(always)]
fn within(range: &Range<usize>, region: &Range<usize>) -> Range<usize> {
    let inside = region.start <= range.start && range.end <= region.end;
    if inside { range.start - region.start..range.end - region.start } else { 0..0 }
}

/// The bytes of `y` and of `scratch`, and what lies before, between and behind them with the places where it lies.
type Split<'a> = (&'a mut [u8], &'a mut [u8], [(usize, &'a [u8]); 3]);

#[inline(always)]
fn split<'a>(slice: &'a mut [u8], base: usize, y: &Range<usize>, scratch: Range<usize>) -> Option<Split<'a>> {
    let scratch = if scratch.is_empty() { y.end..y.end } else { scratch };
    let first = y.start <= scratch.start;
    let (low, high) = if first { (y, &scratch) } else { (&scratch, y) };
    let (before, slice) = slice.split_at_mut_checked(low.start)?;
    let (one, slice) = slice.split_at_mut_checked(low.len())?;
    let (between, slice) = slice.split_at_mut_checked(high.start.checked_sub(low.end)?)?;
    let (other, behind) = slice.split_at_mut_checked(high.len())?;
    let rest = [(base, &*before), (base + low.end, between), (base + high.end, behind)];
    Some(if first { (one, other, rest) } else { (other, one, rest) })
}

/// The RAM in the parts that a kernel's call may write, and the rest with the places where it lies.
pub(crate) struct Parts<'a, const R: usize> {
    pub(crate) y: &'a mut [u8],
    pub(crate) scratch: &'a mut [u8],
    rest: [[(usize, &'a [u8]); 3]; R],
}

impl<'a, const R: usize> Parts<'a, R> {
    /// Bytes that are not written.
    #[inline(always)]
    pub(crate) fn read(&self, range: Range<usize>) -> Option<&'a [u8]> {
        self.rest
            .as_flattened()
            .iter()
            .find_map(|(at, part)| part.get(range.start.checked_sub(*at)?..range.end.checked_sub(*at)?))
    }
}
