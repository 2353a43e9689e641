//! The samples of one series, in as few bytes as they need.
//!
//! Blocks of [`BLOCK`] samples lie behind one another in one buffer. A block begins with a whole time and value; each
//! further sample is one byte, and what does not fit into it. Scrapes are as far apart as they were before, so time mostly
//! costs nothing; a count that went up by a few costs nothing more either. What reads near the newest sample, which is kept
//! whole beside them, reads no bytes; what reads elsewhere begins at a block.
//!
//! Only floats are kept here; what is no float would be another such buffer beside this one in its series.

use super::Append;
use super::starts::Starts;
use crate::model::{Sample, Timestamp, is_stale, stale_nan};

/// Samples of a block: what is skipped, at most, to come to one of them.
const BLOCK: usize = 24;
/// Bytes of a block's first sample: time and value.
const HEAD: usize = 16;
/// The most bytes that a sample takes: the first byte, ten of a time, eight of a value.
const RECORD_MAX: usize = 19;

/// Set in a sample's first byte if it is not as far behind the one before as that was: the change of that step follows.
const OTHER_STEP: u8 = 0x80;
/// First bytes below this are a whole number's change, from [`SMALL_MIN`] on.
const SMALL_END: u8 = 64;
const SMALL_MIN: i64 = -8;
/// This and the next six: a whole number's change of one to seven bytes follows.
const WHOLE: u8 = 64;
/// The mark that the series has ended. What comes after it goes on from the value before it.
const MARKER: u8 = 71;
/// This plus `8 * leading + length - 1`: so many leading bytes are as before, and so many bytes of what differs follow.
const BITS: u8 = 72;
/// So many leading bytes at most are counted, so that it all fits into seven bits.
const LEADING_MAX: usize = 6;

/// Samples in order of time, no two of the same moment.
#[derive(Debug)]
pub(super) struct Samples {
    bytes: Vec<u8>,
    /// Where each block begins.
    starts: Starts,
    /// The number of the oldest sample that is left.
    trimmed: u64,
    /// How far the newest sample is behind the one before it in its block, in milliseconds.
    step: i64,
    /// If there is any.
    newest: Sample,
    /// Of the first block so many samples are trimmed.
    skipped: u8,
    /// So many samples are in the last block.
    filled: u8,
}

/// Where in its block a sample ends, so that whoever has read it can go on behind it without reading the block from its
/// beginning.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place {
    /// How far it is behind the sample before it, in milliseconds.
    step: i32,
    /// Bytes of the block up to there; 0 when that is not known.
    offset: u16,
}

impl Default for Samples {
    fn default() -> Self {
        let newest = Sample { at: Timestamp::from_millis(0), value: 0.0 };
        Self { bytes: Vec::new(), starts: Starts::default(), trimmed: 0, step: 0, newest, skipped: 0, filled: 0 }
    }
}

impl Samples {
    pub(super) fn len(&self) -> usize {
        match self.starts.len() {
            0 => 0,
            blocks => (blocks - 1) * BLOCK + usize::from(self.filled) - usize::from(self.skipped),
        }
    }

    #[inline]
    pub(super) fn newest(&self) -> Option<Sample> {
        (!self.starts.is_empty()).then_some(self.newest)
    }

    /// The number of the oldest sample.
    pub(super) fn trimmed(&self) -> u64 {
        self.trimmed
    }

    /// What they take on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        self.bytes.capacity() + self.starts.heap_bytes()
    }

    #[inline]
    pub(super) fn append(&mut self, sample: Sample) -> Append {
        let Some(before) = self.newest() else {
            self.begin(sample);
            return Append::Stored;
        };
        if sample.at <= before.at {
            return if sample.at == before.at { Append::Duplicate } else { Append::OutOfOrder };
        }
        if usize::from(self.filled) == BLOCK {
            self.begin(sample);
            return Append::Stored;
        }
        if self.bytes.capacity() - self.bytes.len() < RECORD_MAX {
            // Doubling would leave up to half of the memory of a hundred thousand series empty.
            self.bytes.reserve_exact(RECORD_MAX + self.bytes.len() / 16);
        }
        self.record(sample, before);
        self.filled += 1;
        self.newest = sample;
        Append::Stored
    }

    /// Begins a block.
    fn begin(&mut self, sample: Sample) {
        let Some(start) = Starts::place(self.bytes.len()) else {
            // Four gigabytes of one series: the oldest block makes room.
            self.drop_blocks(1);
            self.trimmed += (BLOCK - usize::from(std::mem::take(&mut self.skipped))) as u64;
            return self.begin(sample);
        };
        self.starts.push(start);
        self.bytes.reserve_exact(HEAD);
        self.bytes.extend_from_slice(&sample.at.millis().to_le_bytes());
        self.bytes.extend_from_slice(&sample.value.to_bits().to_le_bytes());
        (self.filled, self.step, self.newest) = (1, 0, sample);
    }

    #[inline]
    fn record(&mut self, sample: Sample, before: Sample) {
        let step = sample.at.millis().wrapping_sub(before.at.millis());
        let turn = step.wrapping_sub(self.step);
        self.step = step;
        let place = self.bytes.len();
        self.bytes.push(0);
        let mark = if turn == 0 {
            0
        } else {
            self.varint(turn);
            OTHER_STEP
        };
        let base = if is_stale(before.value) { self.last_base(place) } else { before.value };
        self.bytes[place] = mark | self.value(sample.value, base);
    }

    /// The newest value of the last block that is no marker, or the one that it begins with. Its samples end at `end`.
    #[cold]
    fn last_base(&self, end: usize) -> f64 {
        let Some(start) = self.starts.last() else { return self.newest.value };
        let mut walk =
            Walk { bytes: &self.bytes[*start as usize..end], left: usize::from(self.filled), ..Walk::nothing() };
        while walk.step().is_some() {}
        walk.base
    }

    /// Writes a number, small ones of either sign in few bytes.
    fn varint(&mut self, number: i64) {
        let mut rest = (number << 1 ^ number >> 63).cast_unsigned();
        while rest >= 0x80 {
            self.bytes.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        self.bytes.push(rest as u8);
    }

    /// Writes a value that comes after `base`, but for what goes into the first byte, which it gives.
    #[inline]
    fn value(&mut self, value: f64, base: f64) -> u8 {
        if is_stale(value) {
            return MARKER;
        }
        if let (Some(from), Some(to)) = (whole(base), whole(value)) {
            let change = to - from;
            if (SMALL_MIN..SMALL_MIN + i64::from(SMALL_END)).contains(&change) {
                return (change - SMALL_MIN) as u8;
            }
            let length = (72 - (change ^ change >> 63).leading_zeros() as usize) / 8;
            self.write(change.cast_unsigned(), length);
            return WHOLE + (length - 1) as u8;
        }
        let differs = value.to_bits() ^ base.to_bits();
        let leading = (differs.leading_zeros() as usize / 8).min(LEADING_MAX);
        let trailing = (differs.trailing_zeros() as usize / 8).min(7 - leading);
        let length = 8 - leading - trailing;
        self.write(differs >> (8 * trailing), length);
        BITS + (8 * leading + length - 1) as u8
    }

    /// Writes the low bytes of a number.
    #[inline]
    fn write(&mut self, number: u64, length: usize) {
        let end = self.bytes.len() + length;
        self.bytes.extend_from_slice(&number.to_le_bytes());
        self.bytes.truncate(end);
    }

    /// The samples from a number on, stale markers among them; from the oldest one that is left, if that is later.
    #[inline]
    pub(super) fn walk_from(&self, number: u64) -> Walk<'_> {
        let skipped = usize::try_from(number.saturating_sub(self.trimmed)).unwrap_or(usize::MAX);
        let left = self.len().saturating_sub(skipped);
        if left <= 1 {
            return Walk { newest: self.newest().filter(|_| left == 1), ..Walk::nothing() };
        }
        let index = skipped + usize::from(self.skipped);
        let mut walk = self.walk_block(index / BLOCK);
        for _ in 0..index % BLOCK {
            walk.step();
        }
        walk
    }

    /// The samples behind one that was read before: its number, itself, and its place. It is no stale marker.
    #[inline]
    pub(super) fn walk_behind(&self, number: u64, sample: Sample, place: Place) -> Walk<'_> {
        let before = number.checked_sub(self.trimmed).and_then(|before| usize::try_from(before).ok());
        let Some(before) = before.filter(|_| place.offset > 0) else { return self.walk_from(number + 1) };
        let (left, index) = (self.len().saturating_sub(before + 1), before + usize::from(self.skipped));
        let (block, in_block) = (index / BLOCK, BLOCK - 1 - index % BLOCK);
        match self.starts.get(block) {
            Some(start) if left > 1 && in_block > 0 => {
                let block = &self.bytes[*start as usize..];
                let (at, step, base) = (sample.at.millis(), i64::from(place.step), sample.value);
                let bytes = &block[usize::from(place.offset)..];
                let (in_block, whole) = (in_block as u8, base as i64);
                Walk { bytes, left, in_block, block: block.len(), at, step, base, whole, newest: None }
            }
            _ => self.walk_from(number + 1),
        }
    }

    /// Samples in which those after `at` are, and at most a block before them.
    fn near(&self, at: Timestamp) -> Walk<'_> {
        let block = self.starts.partition_point(|start| self.time_of(*start) <= at).saturating_sub(1);
        let mut walk = self.walk_block(block);
        if block == 0 {
            for _ in 0..self.skipped {
                walk.step();
            }
        }
        walk
    }

    /// The samples in `(from, to]`, stale markers among them.
    pub(super) fn between(&self, from: Timestamp, to: Timestamp) -> impl Iterator<Item = Sample> + '_ {
        let walk = match self.newest() {
            Some(newest) if newest.at > from => self.near(from),
            _ => Walk::nothing(),
        };
        walk.skip_while(move |sample| sample.at <= from).take_while(move |sample| sample.at <= to)
    }

    /// The newest sample that is not after `at`.
    #[inline]
    pub(super) fn newest_at(&self, at: Timestamp) -> Option<Sample> {
        match self.newest() {
            Some(newest) if newest.at > at => self.near(at).take_while(|sample| sample.at <= at).last(),
            newest => newest,
        }
    }

    /// The number of the oldest sample after `at`.
    pub(super) fn number_after(&self, at: Timestamp) -> u64 {
        let count = match self.newest() {
            Some(newest) if newest.at > at => {
                let mut walk = self.near(at);
                let before = self.len() - walk.left;
                before + walk.by_ref().take_while(|sample| sample.at <= at).count()
            }
            _ => self.len(),
        };
        self.trimmed + count as u64
    }

    /// Drops the samples up to `horizon`, and says how many.
    pub(super) fn trim(&mut self, horizon: Timestamp) -> usize {
        let Some(newest) = self.newest() else { return 0 };
        if newest.at <= horizon {
            let dropped = self.len();
            *self = Self { trimmed: self.trimmed + dropped as u64, ..Self::default() };
            return dropped;
        }
        let number = self.number_after(horizon);
        let dropped = usize::try_from(number - self.trimmed).unwrap_or(usize::MAX);
        self.trimmed = number;
        let skipped = usize::from(self.skipped) + dropped;
        self.skipped = (skipped % BLOCK) as u8;
        self.drop_blocks(skipped / BLOCK);
        dropped
    }

    fn drop_blocks(&mut self, count: usize) {
        let Some(length) = self.starts.get(count).copied().filter(|_| count > 0) else { return };
        self.bytes.drain(..length as usize);
        self.starts.drop_first(count, length);
        let room = 2 * self.bytes.len() + BLOCK * RECORD_MAX;
        if self.bytes.capacity() > room {
            self.bytes.shrink_to(self.bytes.len() * 9 / 8 + RECORD_MAX);
        }
    }

    fn walk_block(&self, block: usize) -> Walk<'_> {
        let Some(start) = self.starts.get(block) else { return Walk::nothing() };
        let left = (self.starts.len() - 1 - block) * BLOCK + usize::from(self.filled);
        Walk { bytes: &self.bytes[*start as usize..], left, ..Walk::nothing() }
    }

    /// When the block that begins here begins.
    fn time_of(&self, start: u32) -> Timestamp {
        Timestamp::from_millis(i64::from_le_bytes(eight(&self.bytes[start as usize..])))
    }
}

/// A walk over samples, in order, stale markers among them.
#[derive(Debug)]
pub struct Walk<'a> {
    /// From here on, or from the next block on.
    bytes: &'a [u8],
    /// So many bytes there were when the block began that we are in.
    block: usize,
    /// So many samples come.
    left: usize,
    /// So many of the block that we are in.
    in_block: u8,
    at: i64,
    step: i64,
    base: f64,
    /// The same as a whole number, if it is one.
    whole: i64,
    /// What comes instead of all that, for a walk over the newest sample alone.
    newest: Option<Sample>,
}

impl Walk<'_> {
    const fn nothing() -> Self {
        Walk { bytes: &[], block: 0, left: 0, in_block: 0, at: 0, step: 0, base: 0.0, whole: 0, newest: None }
    }

    /// Where the sample ends that was read last.
    #[inline]
    pub fn place(&self) -> Place {
        let offset = u16::try_from(self.block - self.bytes.len());
        match (i32::try_from(self.step), offset) {
            (Ok(step), Ok(offset)) => Place { step, offset },
            _ => Place::default(),
        }
    }

    #[inline]
    fn step(&mut self) -> Option<Sample> {
        self.left = self.left.checked_sub(1)?;
        if self.in_block == 0 {
            (self.in_block, self.block) = ((BLOCK - 1) as u8, self.bytes.len());
            self.at = i64::from_le_bytes(eight(self.bytes));
            self.base = f64::from_bits(u64::from_le_bytes(eight(&self.bytes[8..])));
            self.bytes = &self.bytes[HEAD..];
            (self.step, self.whole) = (0, self.base as i64);
            return Some(Sample { at: Timestamp::from_millis(self.at), value: self.base });
        }
        self.in_block -= 1;
        let (first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        if first & OTHER_STEP != 0 {
            self.step = self.step.wrapping_add(self.varint());
        }
        self.at = self.at.wrapping_add(self.step);
        let value = self.value(first & !OTHER_STEP);
        Some(Sample { at: Timestamp::from_millis(self.at), value })
    }

    fn varint(&mut self) -> i64 {
        let (mut number, mut shift) = (0_u64, 0);
        while let Some((byte, rest)) = self.bytes.split_first() {
            self.bytes = rest;
            number |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 || shift > 63 {
                break;
            }
        }
        (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
    }

    #[inline]
    fn value(&mut self, first: u8) -> f64 {
        match first {
            0..SMALL_END => self.go(i64::from(first) + SMALL_MIN),
            WHOLE..MARKER => {
                let length = usize::from(first - WHOLE) + 1;
                let unused = 64 - 8 * length;
                let change = self.take(length).cast_signed() << unused >> unused;
                self.go(change);
            }
            MARKER => return stale_nan(),
            _ => {
                let (leading, length) = (usize::from(first - BITS) / 8, usize::from(first - BITS) % 8 + 1);
                let differs = self.take(length) << (8 * (8 - leading).saturating_sub(length));
                self.base = f64::from_bits(self.base.to_bits() ^ differs);
                self.whole = self.base as i64;
            }
        }
        self.base
    }

    /// Moves the value, which is a whole number.
    #[inline]
    fn go(&mut self, change: i64) {
        self.whole = self.whole.wrapping_add(change);
        self.base = self.whole as f64;
    }

    /// The number that the next one to eight bytes are.
    #[inline]
    fn take(&mut self, length: usize) -> u64 {
        let bytes = match self.bytes.first_chunk() {
            Some(bytes) => *bytes,
            None => padded(self.bytes),
        };
        self.bytes = &self.bytes[length..];
        u64::from_le_bytes(bytes) & (u64::MAX >> (64 - 8 * length))
    }
}

impl Iterator for Walk<'_> {
    type Item = Sample;

    #[inline]
    fn next(&mut self) -> Option<Sample> {
        if self.newest.is_some() {
            return self.newest.take();
        }
        self.step()
    }
}

/// The first eight bytes.
#[inline]
fn eight(bytes: &[u8]) -> [u8; 8] {
    bytes.first_chunk().copied().unwrap_or_default()
}

/// The whole number that a value is; none when it is none, is minus zero, or is so large that whole numbers are skipped.
#[inline]
fn whole(value: f64) -> Option<i64> {
    const MAX: i64 = 1 << 53;
    let number = value as i64;
    ((-MAX..=MAX).contains(&number) && (number as f64).to_bits() == value.to_bits()).then_some(number)
}

/// A few bytes, filled up with zeros.
#[cold]
fn padded(bytes: &[u8]) -> [u8; 8] {
    let mut all = [0; 8];
    all[..bytes.len()].copy_from_slice(bytes);
    all
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn bits(samples: impl IntoIterator<Item = Sample>) -> Vec<(i64, u64)> {
        samples.into_iter().map(|sample| (sample.at.millis(), sample.value.to_bits())).collect()
    }

    /// Values as series have them, and those that a coding of changes could get wrong.
    fn value() -> impl Strategy<Value = f64> {
        prop_oneof![
            8 => (0..2000_i32).prop_map(f64::from),
            2 => (i64::MIN..i64::MAX).prop_map(|number| number as f64),
            2 => (-(1_i64 << 53) - 2..(1 << 53) + 2).prop_map(|number| number as f64),
            2 => any::<u64>().prop_map(f64::from_bits),
            2 => (0..100_000_i32).prop_map(|number| f64::from(number) / 1000.0),
            1 => Just(stale_nan()),
            1 => prop_oneof![Just(-0.0), Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(f64::NAN)],
        ]
    }

    fn step() -> impl Strategy<Value = i64> {
        prop_oneof![8 => Just(15_000), 2 => 14_990..15_010_i64, 1 => 1..10_000_000_i64, 1 => -2..1_i64, 1 => 1_i64 << 33..1 << 42]
    }

    proptest! {
        #[test]
        fn what_comes_out_is_what_went_in(
            begin in prop_oneof![Just(0), Just(1_764_000_000_000), any::<i32>().prop_map(i64::from), any::<i64>().prop_map(|it| it / 4)],
            steps in prop::collection::vec((step(), value()), 0..200),
            trims in prop::collection::vec((0..200_usize, 0..3_000_000_i64), 0..4),
            looks in prop::collection::vec((-100_000..4_000_000_i64, 0..2_000_000_i64), 1..8),
        ) {
            let (mut samples, mut plain, mut trimmed) = (Samples::default(), Vec::<Sample>::new(), 0);
            let (mut now, mut places) = (begin, Vec::new());
            for (index, (step, value)) in steps.into_iter().enumerate() {
                now += step;
                let sample = Sample { at: at(now), value };
                let want = match plain.last() {
                    Some(last) if last.at == sample.at => Append::Duplicate,
                    Some(last) if last.at > sample.at => Append::OutOfOrder,
                    _ => {
                        plain.push(sample);
                        Append::Stored
                    }
                };
                prop_assert_eq!(samples.append(sample), want);
                for (_, back) in trims.iter().filter(|(when, _)| *when == index) {
                    let horizon = at(now - back);
                    let dropped = plain.iter().filter(|sample| sample.at <= horizon).count();
                    plain.drain(..dropped);
                    trimmed += dropped as u64;
                    prop_assert_eq!(samples.trim(horizon), dropped);
                }
                if index % 60 == 59 {
                    let mut walk = samples.walk_from(0);
                    for number in trimmed.. {
                        let Some(sample) = walk.next() else { break };
                        places.push((number, sample, walk.place()));
                    }
                }
            }
            for (number, sample, place) in places {
                if number >= trimmed && !is_stale(sample.value) {
                    let behind = usize::try_from(number - trimmed).unwrap() + 1;
                    let want = bits(plain[behind..].iter().copied());
                    prop_assert_eq!(bits(samples.walk_behind(number, sample, place)), want);
                }
            }
            prop_assert_eq!((samples.len(), samples.trimmed()), (plain.len(), trimmed));
            prop_assert_eq!(bits(samples.walk_from(0)), bits(plain.iter().copied()));
            prop_assert_eq!(bits(samples.newest()), bits(plain.last().copied()));
            for (back, length) in looks {
                let (from, to) = (at(now - back), at(now - back + length));
                let want = plain.iter().copied().filter(|sample| sample.at > from && sample.at <= to);
                prop_assert_eq!(bits(samples.between(from, to)), bits(want));
                let before = plain.iter().filter(|sample| sample.at <= from).count();
                prop_assert_eq!(samples.number_after(from), trimmed + before as u64);
                prop_assert_eq!(bits(samples.newest_at(from)), bits(plain[..before].last().copied()));
                prop_assert_eq!(
                    bits(samples.walk_from(trimmed + before as u64)),
                    bits(plain[before..].iter().copied())
                );
            }
        }
    }

    #[test]
    fn a_count_takes_about_two_bytes_and_little_is_kept_spare() {
        let fill = |value: fn(i64) -> f64| {
            let mut samples = Samples::default();
            for index in 0..1000 {
                samples.append(Sample { at: at(index * 15_000), value: value(index) });
                samples.trim(at((index - 240) * 15_000));
            }
            samples.heap_bytes()
        };
        // 240 samples and what is left of a block.
        assert!(fill(|_| 1.0) < 560, "{}", fill(|_| 1.0));
        assert!(fill(|index| (index * 20) as f64) < 560);
        assert!(fill(|index| (index * 3000) as f64) < 1100);
        assert!(fill(|index| index as f64 / 7.0) < 2700, "{}", fill(|index| index as f64 / 7.0));
    }
}
