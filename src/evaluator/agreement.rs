//! Which of many label sets agree with another one, without a look at each.
//!
//! Two label sets agree when every label that both have has the same value in both. Label sets with the same names are a
//! shape; for each shape and each choice of names asked about, the values under those names are a key. Thousands of
//! alerts that ask about thousands of series thus cost a look-up each.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::model::Labels;

/// Label sets, with something said of each.
#[derive(Debug)]
pub(super) struct Agreement<'a, T> {
    shapes: HashMap<Vec<&'a str>, Shape<'a, T>>,
    /// What is said of two label sets that nobody tells apart: the first takes in the second.
    merge: fn(&mut T, &T),
}

#[derive(Debug)]
struct Shape<'a, T> {
    rows: Vec<(&'a Labels, T)>,
    /// By the names that were asked about, then by the values under them.
    indexes: RefCell<HashMap<Vec<&'a str>, Index<'a, T>>>,
}

type Index<'a, T> = HashMap<Vec<&'a str>, T>;

impl<'a, T: Clone> Agreement<'a, T> {
    /// Of nothing yet.
    pub(super) fn new(merge: fn(&mut T, &T)) -> Self {
        Self { shapes: HashMap::new(), merge }
    }

    /// Adds a label set, some of whose names say nothing.
    pub(super) fn add(&mut self, labels: &'a Labels, is_ignored: impl Fn(&str) -> bool, said: T) {
        let names = labels.iter().map(|(name, _)| name).filter(|name| !is_ignored(name));
        let shape = self.shapes.entry(names.collect());
        shape.or_insert_with(|| Shape { rows: Vec::new(), indexes: RefCell::default() }).rows.push((labels, said));
    }

    /// What is said of those that agree with these labels; of each shape once.
    pub(super) fn of(&self, labels: &Labels) -> impl Iterator<Item = T> {
        let said = |(names, shape): (&Vec<&'a str>, &Shape<'a, T>)| {
            let common: Vec<&'a str> = names.iter().copied().filter(|name| !labels.get(name).is_empty()).collect();
            let values: Vec<&str> = common.iter().map(|name| labels.get(name)).collect();
            let mut indexes = shape.indexes.borrow_mut();
            let index = indexes.entry(common).or_insert_with_key(|common| shape.index(common, self.merge));
            get(index, &values).cloned()
        };
        self.shapes.iter().filter_map(said).collect::<Vec<_>>().into_iter()
    }
}

/// A look-up by values that live no longer than the question.
fn get<'b, T>(index: &'b Index<'b, T>, values: &[&'b str]) -> Option<&'b T> {
    index.get(values)
}

impl<'a, T: Clone> Shape<'a, T> {
    fn index(&self, names: &[&'a str], merge: fn(&mut T, &T)) -> Index<'a, T> {
        let mut index = HashMap::new();
        for (labels, said) in &self.rows {
            let labels: &'a Labels = labels;
            let values: Vec<&'a str> = names.iter().map(|name| labels.get(name)).collect();
            index.entry(values).and_modify(|known| merge(known, said)).or_insert_with(|| said.clone());
        }
        index
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(text: &str) -> Labels {
        Labels::from_pairs(text.split_whitespace().map(|pair| pair.split_once('=').unwrap()))
    }

    /// The sum of what is said, a power of two each, of what agrees with `asked`, and of what a look at each gives.
    fn check(sets: &[&str], ignored: &str, asked: &str, expected: u64) {
        let sets: Vec<Labels> = sets.iter().map(|set| labels(set)).collect();
        let ignored: Vec<String> = ignored.split_whitespace().map(str::to_owned).collect();
        let asked = labels(asked);
        let mut agreement = Agreement::new(|known: &mut u64, said| *known |= said);
        let mut by_looks = 0;
        for (index, set) in sets.iter().enumerate() {
            let is_ignored = |name: &str| ignored.iter().any(|it| it == name);
            agreement.add(set, is_ignored, 1 << index);
            let agrees = set.filter(|name| !is_ignored(name)).agrees_with(&asked);
            by_looks |= u64::from(agrees) << index;
        }
        for _ in 0..2 {
            assert_eq!(agreement.of(&asked).sum::<u64>(), expected, "{asked}");
        }
        assert_eq!(by_looks, expected, "{asked}");
    }

    #[test]
    fn finds_what_a_look_at_each_finds() {
        let sets = ["job=a pod=1", "job=a pod=2", "job=b pod=1", "job=a", "zone=z", ""];
        check(&sets, "", "job=a pod=1", 0b11_1001);
        check(&sets, "", "job=a", 0b11_1011);
        check(&sets, "", "pod=1 other=x", 0b11_1101);
        check(&sets, "", "zone=y", 0b10_1111);
        check(&sets, "", "", 0b11_1111);
        check(&sets, "job", "job=b pod=2", 0b11_1010);
        check(&sets, "job pod", "job=b pod=2", 0b11_1111);
    }
}
