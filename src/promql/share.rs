//! Which elements belong to a share of all: `limit_ratio`.

use crate::model::Labels;

/// Whether an element belongs to a share of all: the same whenever it is asked, the same as in Prometheus, and to a negative
/// share exactly when it does not belong to the positive one that makes 1 with it.
#[expect(clippy::cast_precision_loss, reason = "the last bits of a hash are of no use")]
pub(super) fn is_in_share(labels: &Labels, ratio: f64) -> bool {
    if ratio >= 1.0 || ratio <= -1.0 {
        return true;
    }
    let place = xxh64(&encoded(labels)) as f64 / u64::MAX as f64;
    if ratio >= 0.0 { place < ratio } else { place >= 1.0 + ratio }
}

/// Labels as Prometheus lays them out to hash them: each name and value after its length, which takes one byte below 255, or
/// 255 and three bytes.
fn encoded(labels: &Labels) -> Vec<u8> {
    let mut bytes = Vec::new();
    for text in labels.iter().flat_map(|(name, value)| [name, value]) {
        match u8::try_from(text.len()) {
            Ok(length) if length < u8::MAX => bytes.push(length),
            _ => {
                bytes.push(u8::MAX);
                bytes.extend_from_slice(&text.len().to_le_bytes()[..3]);
            }
        }
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes
}

const PRIMES: [u64; 5] =
    [0x9e37_79b1_85eb_ca87, 0xc2b2_ae3d_27d4_eb4f, 0x1656_67b1_9e37_79f9, 0x85eb_ca77_c2b2_ae63, 0x27d4_eb2f_1656_67c5];

/// The 64-bit xxHash with seed 0. Source: `https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md`.
fn xxh64(bytes: &[u8]) -> u64 {
    let [first, second, third, fourth, fifth] = PRIMES;
    let round =
        |lane: u64, input: u64| lane.wrapping_add(input.wrapping_mul(second)).rotate_left(31).wrapping_mul(first);
    let word = |bytes: &[u8]| bytes.iter().rev().fold(0_u64, |word, byte| word << 8 | u64::from(*byte));
    let mut stripes = bytes.chunks_exact(32);
    let mut hash = if bytes.len() < 32 {
        fifth
    } else {
        let mut lanes = [first.wrapping_add(second), second, 0, first.wrapping_neg()];
        for stripe in stripes.by_ref() {
            for (lane, input) in lanes.iter_mut().zip(stripe.chunks_exact(8)) {
                *lane = round(*lane, word(input));
            }
        }
        let turned = lanes.iter().zip([1, 7, 12, 18]).map(|(lane, by)| lane.rotate_left(by));
        let gathered = turned.fold(0_u64, u64::wrapping_add);
        lanes.iter().fold(gathered, |hash, lane| (hash ^ round(0, *lane)).wrapping_mul(first).wrapping_add(fourth))
    };
    hash = hash.wrapping_add(bytes.len() as u64);
    let mut rest = if bytes.len() < 32 { bytes } else { stripes.remainder() };
    while let Some((input, after)) = rest.split_at_checked(8) {
        hash = (hash ^ round(0, word(input))).rotate_left(27).wrapping_mul(first).wrapping_add(fourth);
        rest = after;
    }
    if let Some((input, after)) = rest.split_at_checked(4) {
        hash = (hash ^ word(input).wrapping_mul(first)).rotate_left(23).wrapping_mul(second).wrapping_add(third);
        rest = after;
    }
    for byte in rest {
        hash = (hash ^ u64::from(*byte).wrapping_mul(fifth)).rotate_left(11).wrapping_mul(first);
    }
    for (shift, prime) in [(33, second), (29, third)] {
        hash = (hash ^ (hash >> shift)).wrapping_mul(prime);
    }
    hash ^ (hash >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_xxhash() {
        assert_eq!(xxh64(b""), 0xef46_db37_51d8_e999);
        assert_eq!(xxh64(b"a"), 0xd24e_c4f1_a98c_6e5b);
        assert_eq!(xxh64(b"abc"), 0x44bc_2cf5_ad77_0999);
        assert_eq!(xxh64(b"Nobody inspects the spammish repetition"), 0xfbce_a83c_8a37_8bf1);
    }

    #[test]
    fn lengths_stand_before_texts() {
        let long = "x".repeat(300);
        let bytes = encoded(&Labels::from_pairs([("a", "b"), ("c", &long)]));
        assert_eq!(bytes[..9], [1, b'a', 1, b'b', 1, b'c', 255, 44, 1]);
        assert_eq!(bytes.len(), 6 + 4 + 300);
    }

    #[test]
    fn a_share_of_many_is_about_that_share() {
        let labels: Vec<Labels> = (0..10_000).map(|at| Labels::from_pairs([("pod", at.to_string())])).collect();
        for ratio in [0.1, 0.5, 0.9, -0.3] {
            let share = labels.iter().filter(|labels| is_in_share(labels, ratio)).count();
            let found = f64::from(u32::try_from(share).unwrap()) / 1e4;
            assert!((found - f64::abs(ratio)).abs() < 0.02, "{ratio}: {share}");
        }
    }
}
