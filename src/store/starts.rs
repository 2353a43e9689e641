//! Where the blocks of a series' samples begin: beside one another in the series as long as they are few.

use std::ops::Deref;

/// So many are kept without memory of their own. A window of five minutes, scraped every five seconds, needs no more.
const FEW: usize = 4;
/// What stands where there is no start.
const NONE: u32 = u32::MAX;

/// Places in a buffer, in order.
#[derive(Debug)]
pub(super) enum Starts {
    /// The first ones are starts, the rest [`NONE`].
    Few([u32; FEW]),
    /// More of them.
    Many(Vec<u32>),
}

impl Default for Starts {
    fn default() -> Self {
        Self::Few([NONE; FEW])
    }
}

impl Deref for Starts {
    type Target = [u32];

    #[inline]
    fn deref(&self) -> &[u32] {
        match self {
            Self::Few(all) => &all[..all.iter().position(|start| *start == NONE).unwrap_or(FEW)],
            Self::Many(all) => all,
        }
    }
}

impl Starts {
    /// A place as it is kept; `None` when it is too large.
    pub(super) fn place(length: usize) -> Option<u32> {
        u32::try_from(length).ok().filter(|place| *place != NONE)
    }

    /// Adds one behind the others.
    pub(super) fn push(&mut self, start: u32) {
        let count = self.len();
        match self {
            Self::Few(all) if count < FEW => all[count] = start,
            Self::Few(all) => {
                let mut many = Vec::with_capacity(2 * FEW);
                many.extend_from_slice(all);
                many.push(start);
                *self = Self::Many(many);
            }
            Self::Many(all) => {
                if all.len() == all.capacity() {
                    all.reserve_exact(2 + all.len() / 8);
                }
                all.push(start);
            }
        }
    }

    /// Drops the first ones, after whose bytes the others now begin.
    pub(super) fn drop_first(&mut self, count: usize, bytes: u32) {
        let mut few = [NONE; FEW];
        let left = self.len().saturating_sub(count);
        match self {
            Self::Many(all) if left > FEW => {
                all.drain(..count);
                all.iter_mut().for_each(|start| *start -= bytes);
                if all.capacity() > 2 * all.len() {
                    all.shrink_to(all.len() + 2);
                }
            }
            _ => {
                for (to, from) in few.iter_mut().zip(self.iter().skip(count)) {
                    *to = from - bytes;
                }
                *self = Self::Few(few);
            }
        }
    }

    /// What they take on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        match self {
            Self::Few(_) => 0,
            Self::Many(all) => all.capacity() * size_of::<u32>(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_take_no_memory_and_many_come_back_to_few() {
        assert_eq!(size_of::<Starts>(), size_of::<Vec<u32>>());
        for count in 0..40_u32 {
            let mut starts = Starts::default();
            (0..count).for_each(|start| starts.push(start * 10));
            assert!(starts.iter().copied().eq((0..count).map(|start| start * 10)), "{starts:?}");
            assert_eq!(starts.heap_bytes() == 0, count as usize <= FEW);
            let gone = count * 2 / 3;
            starts.drop_first(gone as usize, gone * 10);
            assert!(starts.iter().copied().eq((0..count - gone).map(|start| start * 10)), "{starts:?}");
            assert_eq!(starts.heap_bytes() == 0, (count - gone) as usize <= FEW);
            starts.push(7000);
            assert_eq!((starts.last(), starts.len()), (Some(&7000), (count - gone) as usize + 1));
        }
        assert_eq!((Starts::place(5), Starts::place(NONE as usize)), (Some(5), None));
    }
}
