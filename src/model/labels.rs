//! Label sets.

use std::collections::HashSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The label that holds a series' metric name.
pub const METRIC_NAME: &str = "__name__";
/// The label that holds an alert's name.
pub const ALERT_NAME: &str = "alertname";

/// A set of labels, sorted by name. A label with an empty value is the same as none, so there is none. Cloning is cheap.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Labels(Arc<[Arc<Label>]>);

/// A name and its value. Sets share those that they have in common; see [`LabelPool`].
#[derive(PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
struct Label {
    name: Arc<str>,
    value: Arc<str>,
}

impl Labels {
    /// The empty set.
    pub fn empty() -> Self {
        Self(Arc::from([]))
    }

    /// The set of these pairs. Of a name that comes twice the later value stays.
    pub fn from_pairs<N: Into<Arc<str>>, V: Into<Arc<str>>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let mut builder = LabelsBuilder::default();
        for (name, value) in pairs {
            builder.set(name, value);
        }
        builder.build()
    }

    /// The value of a label; empty when there is none.
    pub fn get(&self, name: &str) -> &str {
        match self.0.binary_search_by(|label| (*label.name).cmp(name)) {
            Ok(at) => &self.0[at].value,
            Err(_) => "",
        }
    }

    /// The metric's name; empty when there is none.
    pub fn metric_name(&self) -> &str {
        self.get(METRIC_NAME)
    }

    /// Names and values, in order of names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> + Clone {
        self.0.iter().map(|label| (&*label.name, &*label.value))
    }

    /// How many labels there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no label.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A builder that starts from this set.
    pub fn edit(&self) -> LabelsBuilder {
        LabelsBuilder { labels: self.0.to_vec() }
    }

    /// This set without the metric name.
    #[must_use]
    pub fn without_metric_name(&self) -> Self {
        if self.metric_name().is_empty() { self.clone() } else { self.filter(|name| name != METRIC_NAME) }
    }

    /// The labels whose name passes.
    #[must_use]
    pub fn filter(&self, keep: impl Fn(&str) -> bool) -> Self {
        Self(self.0.iter().filter(|label| keep(&label.name)).cloned().collect())
    }

    /// These labels, and of `others` those whose name is not among them.
    #[must_use]
    pub fn filled_from(&self, others: &Self) -> Self {
        if others.is_empty() {
            return self.clone();
        }
        let mut all = self.edit();
        for (name, value) in others.iter().filter(|(name, _)| self.get(name).is_empty()) {
            all.set(name, value);
        }
        all.build()
    }

    /// Whether both have the same value for every label that both have.
    pub fn agrees_with(&self, other: &Self) -> bool {
        let (mut left, mut right) = (self.0.iter().peekable(), other.0.iter().peekable());
        while let (Some(one), Some(two)) = (left.peek(), right.peek()) {
            match one.name.cmp(&two.name) {
                std::cmp::Ordering::Less => drop(left.next()),
                std::cmp::Ordering::Greater => drop(right.next()),
                std::cmp::Ordering::Equal if one.value == two.value => drop((left.next(), right.next())),
                std::cmp::Ordering::Equal => return false,
            }
        }
        true
    }

    /// The 64-bit FNV-1a hash by which Alertmanager tells alerts apart: name, 0xff, value, 0xff of each label in order.
    pub fn fingerprint(&self) -> Fingerprint {
        const OFFSET: u64 = 14_695_981_039_346_656_037;
        const PRIME: u64 = 1_099_511_628_211;
        let mut hash = OFFSET;
        for label in &*self.0 {
            for text in [&label.name, &label.value] {
                for byte in text.as_bytes().iter().chain(&[0xff]) {
                    hash = (hash ^ u64::from(*byte)).wrapping_mul(PRIME);
                }
            }
        }
        Fingerprint(hash)
    }
}

/// As [`Labels::from_pairs`].
impl<N: Into<Arc<str>>, V: Into<Arc<str>>> FromIterator<(N, V)> for Labels {
    fn from_iter<T: IntoIterator<Item = (N, V)>>(pairs: T) -> Self {
        Self::from_pairs(pairs)
    }
}

impl Default for Labels {
    fn default() -> Self {
        Self::empty()
    }
}

impl Hash for Labels {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

/// As Prometheus writes a series: `up{job="node"}`; without a metric name `{job="node"}`.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.metric_name();
        f.write_str(name)?;
        if !name.is_empty() && self.len() == 1 {
            return Ok(());
        }
        f.write_str("{")?;
        for (at, (name, value)) in self.iter().filter(|(name, _)| *name != METRIC_NAME).enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            if is_label_name(name) {
                write!(f, "{comma}{name}={value:?}")?;
            } else {
                write!(f, "{comma}{name:?}={value:?}")?;
            }
        }
        f.write_str("}")
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A map from name to value.
impl Serialize for Labels {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let map = std::collections::BTreeMap::<String, String>::deserialize(deserializer)?;
        Ok(Self::from_pairs(map))
    }
}

/// Makes a label set step by step.
#[derive(Clone, Debug, Default)]
pub struct LabelsBuilder {
    /// Sorted by name, without empty values.
    labels: Vec<Arc<Label>>,
}

impl LabelsBuilder {
    /// Sets a label; an empty value removes it.
    pub fn set(&mut self, name: impl Into<Arc<str>>, value: impl Into<Arc<str>>) -> &mut Self {
        let (name, value) = (name.into(), value.into());
        match self.labels.binary_search_by(|label| label.name.cmp(&name)) {
            Ok(at) if value.is_empty() => drop(self.labels.remove(at)),
            Ok(at) => self.labels[at] = Arc::new(Label { name, value }),
            Err(_) if value.is_empty() => {}
            Err(at) => self.labels.insert(at, Arc::new(Label { name, value })),
        }
        self
    }

    /// Removes a label.
    pub fn remove(&mut self, name: &str) -> &mut Self {
        self.labels.retain(|label| &*label.name != name);
        self
    }

    /// The value of a label; empty when there is none.
    pub fn get(&self, name: &str) -> &str {
        self.labels.iter().find(|label| &*label.name == name).map_or("", |label| &label.value)
    }

    /// Names and values, in order of names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> + Clone {
        self.labels.iter().map(|label| (&*label.name, &*label.value))
    }

    /// Removes the labels whose name does not pass.
    pub fn retain(&mut self, keep: impl Fn(&str) -> bool) -> &mut Self {
        self.labels.retain(|label| keep(&label.name));
        self
    }

    /// The set.
    pub fn build(self) -> Labels {
        Labels(self.labels.into())
    }
}

/// Labels that many sets have in common, each once in memory.
#[derive(Debug, Default)]
pub struct LabelPool {
    labels: HashSet<Arc<Label>>,
    bytes: usize,
}

/// What a label takes without its text: two heads with pointers, and its place in the pool.
const POOLED_BYTES: usize = 100;

impl LabelPool {
    /// The same set, made of labels of the pool.
    #[must_use]
    pub fn share(&mut self, labels: &Labels) -> Labels {
        let mut is_ours = true;
        for label in &*labels.0 {
            match self.labels.get(label) {
                Some(shared) => is_ours &= Arc::ptr_eq(shared, label),
                None => {
                    self.bytes += bytes_of(label);
                    self.labels.insert(label.clone());
                }
            }
        }
        if is_ours {
            return labels.clone();
        }
        let shared = |label: &Arc<Label>| self.labels.get(label).unwrap_or(label).clone();
        Labels(labels.0.iter().map(shared).collect())
    }

    /// Forgets the labels that no set has any more.
    pub fn forget(&mut self) {
        let bytes = &mut self.bytes;
        self.labels.retain(|label| {
            let is_used = Arc::strong_count(label) > 1;
            if !is_used {
                *bytes -= bytes_of(label);
            }
            is_used
        });
    }

    /// What the labels take in memory, about.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

fn bytes_of(label: &Label) -> usize {
    POOLED_BYTES + label.name.len() + label.value.len()
}

/// The 64-bit hash of a label set, printed as 16 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(pub u64);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Whether a text is a label name that needs no quotes: `[a-zA-Z_][a-zA-Z0-9_]*`.
pub fn is_label_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_and_drops_empty_values() {
        let labels = Labels::from_pairs([("job", "node"), ("empty", ""), ("__name__", "up"), ("job", "db")]);
        assert_eq!(labels.to_string(), r#"up{job="db"}"#);
        assert_eq!(labels.get("job"), "db");
        assert_eq!(labels.get("empty"), "");
        assert_eq!(labels.without_metric_name().to_string(), r#"{job="db"}"#);
    }

    #[test]
    fn agrees_on_shared_labels_only() {
        let left = Labels::from_pairs([("a", "1"), ("b", "2")]);
        assert!(left.agrees_with(&Labels::from_pairs([("b", "2"), ("c", "3")])));
        assert!(left.agrees_with(&Labels::empty()));
        assert!(!left.agrees_with(&Labels::from_pairs([("b", "3")])));
    }

    #[test]
    fn fills_only_what_is_missing() {
        let own = Labels::from_pairs([("a", "1"), ("b", "2")]);
        let filled = own.filled_from(&Labels::from_pairs([("b", "3"), ("c", "4")]));
        assert_eq!(filled, Labels::from_pairs([("a", "1"), ("b", "2"), ("c", "4")]));
        assert_eq!(own.filled_from(&Labels::empty()), own);
    }

    #[test]
    fn the_fingerprint_of_nothing_is_the_offset_basis() {
        assert_eq!(Labels::empty().fingerprint().to_string(), "cbf29ce484222325");
    }

    #[test]
    fn survives_json() {
        let labels = Labels::from_pairs([("a", "1\n"), ("b c", "é")]);
        let json = serde_json::to_string(&labels).unwrap();
        assert_eq!(serde_json::from_str::<Labels>(&json).unwrap(), labels);
    }
}
