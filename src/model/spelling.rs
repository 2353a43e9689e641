//! What a misspelt name was probably meant to be.

use std::cmp::Reverse;

/// A longer text is no name, and a comparison takes as many steps as the product of two lengths.
const NAME_MAX: usize = 256;

/// The candidate that is nearest to a name, if one is near enough to be a slip. Of two that are as near, it is the one
/// that begins more like the name.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = name.chars().count();
    if length > NAME_MAX {
        return None;
    }
    let slips_max = (length / 3).clamp(1, 3);
    let alike = candidates.into_iter().filter(|it| it.chars().count().abs_diff(length) <= slips_max);
    let distances = alike.map(|candidate| (distance(name, candidate), candidate));
    let near = distances.filter(|(slips, _)| *slips <= slips_max);
    near.min_by_key(|(slips, candidate)| (*slips, Reverse(common_start(name, candidate)))).map(|(_, near)| near)
}

/// "did you mean", when there is something to say.
pub fn did_you_mean<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(name, candidates).map(|candidate| format!("did you mean `{candidate}`?"))
}

/// How many letters have to be added, removed, exchanged or swapped with their neighbour; capitals do not count.
fn distance(left: &str, right: &str) -> usize {
    let (left, right): (Vec<char>, Vec<char>) = (letters(left), letters(right));
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    for i in 1..=left.len() {
        let mut row = vec![i];
        for j in 1..=right.len() {
            let exchanged = last[j - 1] + usize::from(left[i - 1] != right[j - 1]);
            let mut least = exchanged.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1] {
                least = least.min(before_last[j - 2] + 1);
            }
            row.push(least);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[right.len()]
}

/// How many letters two words begin with alike.
fn common_start(left: &str, right: &str) -> usize {
    letters(left).iter().zip(letters(right)).take_while(|(left, right)| **left == *right).count()
}

fn letters(text: &str) -> Vec<char> {
    text.chars().flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_slips_and_nothing_else() {
        let check = |name: &str, want: Option<&str>| {
            assert_eq!(nearest(name, ["slack", "oncall", "annotations", "for", "labels"]), want, "{name}");
        };
        check("slcak", Some("slack"));
        check("Slack", Some("slack"));
        check("annotation", Some("annotations"));
        check("fro", Some("for"));
        check("lables", Some("labels"));
        check("x", None);
        check("pagerduty", None);
        check("", None);
        check(&"slack".repeat(100), None);
    }

    #[test]
    fn of_two_the_one_that_begins_alike_is_nearer() {
        assert_eq!(nearest("rat", ["rad", "rate"]), Some("rate"));
        assert_eq!(nearest("rat", ["rate", "rad"]), Some("rate"));
    }
}
