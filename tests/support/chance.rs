//! Random stories: chance from a seed, the same on every machine, and a story for each of many seeds.

/// SplitMix64.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Whether something happens that happens so many times in a hundred.
    pub(crate) fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }
}

/// Plays a story for each seed and fails with the seeds that failed. `ATALAYA_SEED=7` plays that one alone, and
/// `ATALAYA_SEEDS=5000` so many; otherwise `count`.
#[expect(clippy::print_stdout, reason = "a test says how to play it again")]
pub(crate) fn play_seeds(count: u64, story: fn(u64)) {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let seeds = match number("ATALAYA_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("ATALAYA_SEEDS").unwrap_or(count),
    };
    let play = |seed: &u64| {
        let has_failed = std::panic::catch_unwind(|| story(*seed)).is_err();
        if has_failed {
            println!("seed {seed} failed: play it again with ATALAYA_SEED={seed}");
        }
        has_failed
    };
    let failed: Vec<u64> = seeds.filter(play).collect();
    assert!(failed.is_empty(), "seeds that failed: {failed:?}");
}
