//! How what there is differs from what is expected: alert by alert or sample by sample, and then label by label.

use std::collections::BTreeMap;
use std::fmt;

/// How many items that differ are looked at for the one that was probably meant.
const PAIRED_MAX: usize = 200;

/// A part of an alert or a sample.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Field {
    /// A label.
    Label(String),
    /// An annotation.
    Annotation(String),
    /// The value of a sample.
    Value,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Label(name) => f.write_str(name),
            Self::Annotation(name) => write!(f, "annotation {name}"),
            Self::Value => f.write_str("value"),
        }
    }
}

/// An alert or a sample.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Item {
    /// Its parts in words, but for a number.
    pub texts: BTreeMap<Field, String>,
    /// Its value, when that is a number.
    pub value: Option<f64>,
}

impl Item {
    /// Its parts, in words.
    pub fn fields(&self) -> BTreeMap<Field, String> {
        let mut fields = self.texts.clone();
        fields.extend(self.value.map(|value| (Field::Value, number(value))));
        fields
    }

    /// How much two items have in common: first of all labels.
    fn likeness(&self, other: &Self) -> (usize, usize) {
        let common = || self.texts.iter().filter(|(field, text)| other.texts.get(field) == Some(text));
        let labels = common().filter(|(field, _)| matches!(field, Field::Label(_))).count();
        (labels, common().count())
    }

    fn has_labels(&self) -> bool {
        self.texts.keys().any(|field| matches!(field, Field::Label(_)))
    }
}

/// What differs from what is expected.
#[derive(Clone, PartialEq, Debug)]
pub enum Difference {
    /// An item is there, but not as it is expected.
    Changed {
        /// What is expected.
        expected: Item,
        /// What there is.
        got: Item,
    },
    /// An item is expected and not there.
    Missing(Item),
    /// An item is there and not expected.
    Unexpected(Item),
}

/// How what there is differs from what is expected, whatever the order.
pub(super) fn differences(mut expected: Vec<Item>, got: Vec<Item>, is_fuzzy: bool) -> Vec<Difference> {
    expected.sort_by(|left, right| left.texts.cmp(&right.texts));
    let mut left: BTreeMap<BTreeMap<Field, String>, Vec<Option<f64>>> = BTreeMap::new();
    for item in got {
        left.entry(item.texts).or_default().push(item.value);
    }
    let mut missing = Vec::new();
    for item in expected {
        let alike = left.get_mut(&item.texts);
        let found = alike.and_then(|values| {
            let at = values.iter().position(|value| is_same_value(item.value, *value, is_fuzzy))?;
            Some(values.swap_remove(at))
        });
        if found.is_none() {
            missing.push(item);
        }
    }
    let items = |(texts, values): (BTreeMap<Field, String>, Vec<Option<f64>>)| {
        values.into_iter().map(move |value| Item { texts: texts.clone(), value })
    };
    pair(missing, left.into_iter().flat_map(items).collect())
}

/// Pairs what is missing with what is not expected where the one was probably meant to be the other.
fn pair(missing: Vec<Item>, mut unexpected: Vec<Item>) -> Vec<Difference> {
    let mut differences = Vec::new();
    for item in missing {
        let candidates = unexpected.iter().take(PAIRED_MAX).enumerate();
        let close = candidates.filter(|(_, it)| item.likeness(it).0 > 0 || !item.has_labels() && !it.has_labels());
        match close.max_by_key(|(at, it)| (item.likeness(it), usize::MAX - at)) {
            Some((at, _)) => differences.push(Difference::Changed { expected: item, got: unexpected.remove(at) }),
            None => differences.push(Difference::Missing(item)),
        }
    }
    differences.extend(unexpected.into_iter().map(Difference::Unexpected));
    differences
}

fn is_same_value(left: Option<f64>, right: Option<f64>, is_fuzzy: bool) -> bool {
    match (left, right) {
        (Some(left), Some(right)) => is_same(left, right, is_fuzzy),
        (left, right) => left.is_none() && right.is_none(),
    }
}

/// Whether two numbers are the same. NaN is the same as nothing; next floats are when that is asked for.
fn is_same(left: f64, right: f64, is_fuzzy: bool) -> bool {
    #[expect(clippy::float_cmp, reason = "a test expects an exact value")]
    let is_exact = |left: f64, right: f64| left == right;
    is_exact(left, right) || is_fuzzy && (is_exact(left.next_down(), right) || is_exact(left.next_up(), right))
}

/// A number, so that it can be told from every other.
pub(super) fn number(value: f64) -> String {
    match value {
        _ if value.is_nan() => "NaN".to_owned(),
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        _ if value != 0.0 && !(1e-5..1e21).contains(&value.abs()) => format!("{value:e}"),
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(labels: &[(&str, &str)], value: Option<f64>) -> Item {
        let texts = labels.iter().map(|(name, text)| match name.strip_prefix('@') {
            Some(name) => (Field::Annotation(name.to_owned()), (*text).to_owned()),
            None => (Field::Label((*name).to_owned()), (*text).to_owned()),
        });
        Item { texts: texts.collect(), value }
    }

    fn check(expected: &[&Item], got: &[&Item], is_fuzzy: bool, want: &[Difference]) {
        let owned = |items: &[&Item]| items.iter().map(|item| (*item).clone()).collect();
        assert_eq!(differences(owned(expected), owned(got), is_fuzzy), want, "{expected:?} {got:?}");
    }

    #[test]
    fn order_does_not_matter_and_number_does() {
        let (a, b) = (item(&[("x", "a")], Some(1.0)), item(&[("x", "b")], Some(2.0)));
        let (missing, unexpected) = (Difference::Missing(a.clone()), Difference::Unexpected(b.clone()));
        check(&[&a, &b], &[&b, &a], false, &[]);
        check(&[], &[], false, &[]);
        check(&[&a, &a], &[&a], false, std::slice::from_ref(&missing));
        check(&[&b], &[&b, &b], false, std::slice::from_ref(&unexpected));
        check(&[&a], &[&b], false, &[missing, unexpected]);
    }

    #[test]
    fn the_likest_is_paired() {
        let changed =
            |expected: &Item, got: &Item| Difference::Changed { expected: expected.clone(), got: got.clone() };
        let expected = item(&[("alertname", "A"), ("x", "1"), ("@text", "t")], None);
        let far = item(&[("alertname", "A"), ("x", "2"), ("@text", "t")], None);
        let near = item(&[("alertname", "A"), ("x", "1"), ("@text", "u")], None);
        let want = [changed(&expected, &near), Difference::Unexpected(far.clone())];
        check(&[&expected], &[&far, &near], false, &want);
        let (one, two) = (item(&[], Some(1.0)), item(&[], Some(2.0)));
        check(&[&one], &[&two], false, &[changed(&one, &two)]);
    }

    #[test]
    fn values_are_exact_or_next_to_each_other() {
        let is_equal = |left: f64, right: f64, is_fuzzy: bool| {
            differences(vec![item(&[], Some(left))], vec![item(&[], Some(right))], is_fuzzy).is_empty()
        };
        let next = 3.0_f64.next_up();
        assert!(
            is_equal(3.0, 3.0, false) && is_equal(0.0, -0.0, false) && is_equal(f64::INFINITY, f64::INFINITY, false)
        );
        assert!(!is_equal(3.0, next, false) && is_equal(3.0, next, true) && is_equal(next, 3.0, true));
        assert!(!is_equal(3.0, next.next_up(), true) && !is_equal(next.next_up(), 3.0, true));
        assert!(!is_equal(f64::NAN, f64::NAN, false) && !is_equal(f64::NAN, f64::NAN, true));
        let histogram = Item { texts: [(Field::Value, "{{}}".to_owned())].into(), value: None };
        assert_eq!(differences(vec![histogram.clone()], vec![item(&[], Some(0.0))], false).len(), 1);
        assert_eq!(differences(vec![histogram.clone()], vec![histogram], false).len(), 0);
    }

    #[test]
    fn fuzzy_values_of_equal_labels_find_each_other() {
        let next = 3.0_f64.next_up();
        let (a, b) = (item(&[("x", "a")], Some(3.0)), item(&[("x", "a")], Some(next)));
        check(&[&a, &b], &[&b, &a], false, &[]);
        check(&[&a, &a], &[&a, &b], true, &[]);
    }

    #[test]
    fn numbers_are_told_apart() {
        let check = |value: f64, want: &str| assert_eq!(number(value), want);
        check(2.999_999_999_999_999_6, "2.9999999999999996");
        check(0.0, "0");
        check(1e-7, "1e-7");
        check(1e100, "1e100");
        check(f64::NAN, "NaN");
        check(f64::NEG_INFINITY, "-Inf");
    }
}
