//! From timer values to instruction counts. Arithmetic only, so that it is tested on the host.
//!
//! QEMU, told `-icount shift=6`, lets 64 ns pass at every instruction; the timers tick every 40 ns, or 50. After
//! `n` instructions ⌊n·64/40⌋ ticks have passed, and n = ⌈ticks·40/64⌉ recovers `n` exactly.

/// Instructions since the timers were started, which tick every `tick` ns, at most 64.
pub(crate) fn instructions(timers: u64, tick: u64) -> u64 {
    (ticks(timers) * tick).div_ceil(64)
}

/// Ticks since the timers were started: the fine timer's, which wraps every 2³² ticks, placed by the coarse
/// one, which ticks 256 times slower.
fn ticks(timers: u64) -> u64 {
    let fine = u64::from(!(timers as u32));
    let coarse = u64::from(!((timers >> 32) as u32));
    let wraps = ((coarse << 8) + (1 << 31)).saturating_sub(fine) >> 32;
    wraps << 32 | fine
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the timers show after `n` instructions.
    fn timers_after(n: u64, tick: u64) -> u64 {
        let ticks = n * 64 / tick;
        u64::from(!(ticks as u32)) | u64::from(!((ticks >> 8) as u32)) << 32
    }

    #[test]
    fn counts_are_exact() {
        for tick in [40, 50] {
            for n in 0..1000 {
                assert_eq!(instructions(timers_after(n, tick), tick), n);
            }
        }
    }

    #[test]
    fn counts_go_on_when_the_timer_wraps() {
        for tick in [40, 50] {
            let wrap = (1u64 << 32) * tick / 64;
            for wraps in 1..5 {
                for n in wraps * wrap - 500..wraps * wrap + 500 {
                    assert_eq!(instructions(timers_after(n, tick), tick), n);
                }
            }
        }
    }
}
