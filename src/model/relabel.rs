//! Relabeling: rules that rewrite, keep or drop a label set, with the semantics of Prometheus's `relabel_configs`.
//!
//! Targets before a scrape, series after it and alerts before they leave pass through the same rules. The regular
//! expressions are anchored, and `$1` in a replacement follows Go.

use std::borrow::Cow;

use md5::{Digest, Md5};

use super::expansion::{Expansion, Pattern};
use super::labels::{Labels, LabelsBuilder};

/// What a rule does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum RelabelAction {
    /// Writes the replacement into the target label where the regex matches.
    #[default]
    Replace,
    /// Drops what the regex does not match.
    Keep,
    /// Drops what the regex matches.
    Drop,
    /// Drops what has another value in the target label than the source labels give.
    KeepEqual,
    /// Drops what has the same value in the target label as the source labels give.
    DropEqual,
    /// Writes a hash of the source labels, modulo `modulus`, into the target label.
    HashMod,
    /// Copies the labels whose name matches to the name that the replacement gives.
    LabelMap,
    /// Removes the labels whose name matches.
    LabelDrop,
    /// Removes the labels whose name does not match.
    LabelKeep,
    /// Writes the source labels in lower case into the target label.
    Lowercase,
    /// Writes the source labels in upper case into the target label.
    Uppercase,
}

impl RelabelAction {
    /// Every action with the name by which a configuration calls it.
    pub const NAMES: [(&str, Self); 11] = [
        ("replace", Self::Replace),
        ("keep", Self::Keep),
        ("drop", Self::Drop),
        ("keepequal", Self::KeepEqual),
        ("dropequal", Self::DropEqual),
        ("hashmod", Self::HashMod),
        ("labelmap", Self::LabelMap),
        ("labeldrop", Self::LabelDrop),
        ("labelkeep", Self::LabelKeep),
        ("lowercase", Self::Lowercase),
        ("uppercase", Self::Uppercase),
    ];

    /// The action of this name; capitals do not count.
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, action)| *action)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, action)| *action == self).map_or("", |(name, _)| name)
    }
}

/// A rule as it is written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RelabelSpec {
    /// The labels whose values are joined and looked at.
    pub source_labels: Vec<String>,
    /// What stands between them.
    pub separator: String,
    /// What the joined value must match, as a whole.
    pub regex: String,
    /// What `hashmod` takes the rest by.
    pub modulus: u64,
    /// The label that is written.
    pub target_label: String,
    /// What is written, with `$1` for the regex's groups.
    pub replacement: String,
    /// What is done.
    pub action: RelabelAction,
}

/// The regex of a rule that names none.
const REGEX: &str = "(.*)";
/// The separator of a rule that names none.
const SEPARATOR: &str = ";";
/// The replacement of a rule that names none.
const REPLACEMENT: &str = "$1";

impl Default for RelabelSpec {
    fn default() -> Self {
        Self {
            source_labels: Vec::new(),
            separator: SEPARATOR.to_owned(),
            regex: REGEX.to_owned(),
            modulus: 0,
            target_label: String::new(),
            replacement: REPLACEMENT.to_owned(),
            action: RelabelAction::Replace,
        }
    }
}

/// Why a rule cannot work.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RelabelError {
    /// The regex is none.
    #[error("`{pattern}` is not a regular expression")]
    Regex {
        /// As it is written.
        pattern: String,
        /// Where it fails.
        source: regex::Error,
    },
    /// There is nothing to write to or to compare with.
    #[error("`{0}` needs a `target_label`")]
    NoTarget(&'static str),
    /// Nothing can be divided by it.
    #[error("`hashmod` needs a `modulus` above 0")]
    NoModulus,
    /// The new names of all labels would be empty.
    #[error("`labelmap` needs a `replacement`: the new name of a label")]
    NoReplacement,
    /// A setting that the action does not look at.
    #[error("`{action}` does not use `{setting}`")]
    Unused {
        /// The action.
        action: &'static str,
        /// The setting.
        setting: &'static str,
    },
}

/// A rule that works.
#[derive(Clone, Debug)]
pub struct RelabelRule {
    spec: RelabelSpec,
    pattern: Pattern,
    target: Expansion,
    replacement: Expansion,
}

impl PartialEq for RelabelRule {
    fn eq(&self, other: &Self) -> bool {
        self.spec == other.spec
    }
}

impl Eq for RelabelRule {}

impl RelabelRule {
    /// Checks a rule as Prometheus does.
    pub fn new(spec: RelabelSpec) -> Result<Self, RelabelError> {
        use RelabelAction as A;
        let action = spec.action.name();
        if spec.action == A::HashMod && spec.modulus == 0 {
            return Err(RelabelError::NoModulus);
        }
        let writes =
            matches!(spec.action, A::Replace | A::HashMod | A::Lowercase | A::Uppercase | A::KeepEqual | A::DropEqual);
        if writes && spec.target_label.is_empty() {
            return Err(RelabelError::NoTarget(action));
        }
        if spec.action == A::LabelMap && spec.replacement.is_empty() {
            return Err(RelabelError::NoReplacement);
        }
        let changed = [
            ("source_labels", !spec.source_labels.is_empty()),
            ("target_label", !spec.target_label.is_empty()),
            ("regex", spec.regex != REGEX),
            ("modulus", spec.modulus != 0),
            ("separator", spec.separator != SEPARATOR),
            ("replacement", spec.replacement != REPLACEMENT),
        ];
        let unused: &[&str] = match spec.action {
            A::Lowercase | A::Uppercase => &["replacement"],
            A::KeepEqual | A::DropEqual => &["regex", "modulus", "separator", "replacement"],
            A::LabelDrop | A::LabelKeep => &["source_labels", "target_label", "modulus", "separator", "replacement"],
            _ => &[],
        };
        if let Some((setting, _)) = changed.into_iter().find(|(name, is_set)| *is_set && unused.contains(name)) {
            return Err(RelabelError::Unused { action, setting });
        }
        let pattern =
            Pattern::new(&spec.regex).map_err(|source| RelabelError::Regex { pattern: spec.regex.clone(), source })?;
        let (target, replacement) = (Expansion::parse(&spec.target_label), Expansion::parse(&spec.replacement));
        Ok(Self { spec, pattern, target, replacement })
    }

    /// The rule as it is written.
    pub fn spec(&self) -> &RelabelSpec {
        &self.spec
    }

    /// Applies the rule; false when the labels are dropped.
    fn apply(&self, labels: &mut LabelsBuilder) -> bool {
        use RelabelAction as A;
        let target = self.spec.target_label.as_str();
        match self.spec.action {
            A::Keep => self.pattern.is_match(&self.joined(labels)),
            A::Drop => !self.pattern.is_match(&self.joined(labels)),
            A::KeepEqual => labels.get(target) == self.joined(labels),
            A::DropEqual => labels.get(target) != self.joined(labels),
            A::Replace => {
                let value = self.joined(labels);
                let Some((name, value)) = self.replaced(&value) else { return true };
                labels.set(name, value);
                true
            }
            A::HashMod => {
                let digest = Md5::digest(self.joined(labels).as_bytes());
                let tail = digest.iter().skip(8).fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
                labels.set(target, (tail % self.spec.modulus).to_string());
                true
            }
            A::Lowercase => {
                let text: String = self.joined(labels).chars().map(lower).collect();
                labels.set(target, text);
                true
            }
            A::Uppercase => {
                let text: String = self.joined(labels).chars().map(upper).collect();
                labels.set(target, text);
                true
            }
            A::LabelMap => {
                let mapped: Vec<(String, String)> = labels
                    .iter()
                    .filter_map(|(name, value)| Some((self.pattern.expand(&self.replacement, name)?, value.to_owned())))
                    .filter(|(name, _)| !name.is_empty())
                    .collect();
                for (name, value) in mapped {
                    labels.set(name, value);
                }
                true
            }
            A::LabelDrop => {
                labels.retain(|name| !self.pattern.is_match(name));
                true
            }
            A::LabelKeep => {
                labels.retain(|name| self.pattern.is_match(name));
                true
            }
        }
    }

    /// The values of the source labels, joined.
    fn joined<'a>(&self, labels: &'a LabelsBuilder) -> Cow<'a, str> {
        match self.spec.source_labels.as_slice() {
            [] => Cow::Borrowed(""),
            [only] => Cow::Borrowed(labels.get(only)),
            [first, rest @ ..] => {
                let mut text = labels.get(first).to_owned();
                for name in rest {
                    text.push_str(&self.spec.separator);
                    text.push_str(labels.get(name));
                }
                Cow::Owned(text)
            }
        }
    }

    /// What `replace` sets; `None` when it changes nothing. An empty value removes the label.
    fn replaced(&self, value: &str) -> Option<(String, String)> {
        let name = self.pattern.expand(&self.target, value)?;
        let value = self.pattern.expand(&self.replacement, value)?;
        (!name.is_empty()).then_some((name, value))
    }
}

/// Applies rules in their order; `None` when one of them drops the labels, or when no label is left of some.
pub fn relabel(labels: &Labels, rules: &[RelabelRule]) -> Option<Labels> {
    if rules.is_empty() {
        return Some(labels.clone());
    }
    let mut builder = labels.edit();
    relabel_in_place(&mut builder, rules).then(|| builder.build())
}

/// Applies rules in their order to labels that are being made; false when one of them drops the labels.
pub fn relabel_in_place(labels: &mut LabelsBuilder, rules: &[RelabelRule]) -> bool {
    rules.iter().all(|rule| rule.apply(labels))
}

/// A character in lower case, one for one, as in Go.
fn lower(c: char) -> char {
    c.to_lowercase().next().unwrap_or(c)
}

/// A character in upper case, one for one: what would become two letters stays, as in Go.
fn upper(c: char) -> char {
    let mut upper = c.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(only), None) => only,
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(action: &str, edit: impl FnOnce(&mut RelabelSpec)) -> Result<RelabelRule, RelabelError> {
        let action = RelabelAction::named(action).expect("the action exists");
        let mut spec = RelabelSpec { action, ..RelabelSpec::default() };
        edit(&mut spec);
        RelabelRule::new(spec)
    }

    fn sources(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    const LABELS: [(&str, &str); 5] =
        [("a", "foo"), ("b", "bar-42"), ("c", "Größe"), ("__meta_x_app", "web"), ("__name__", "m")];

    /// What becomes of [`LABELS`]; `dropped` when nothing does.
    fn check(action: &str, edit: impl FnOnce(&mut RelabelSpec), want: &str) {
        let rule = rule(action, edit).expect("the rule works");
        let got = relabel(&Labels::from_pairs(LABELS), std::slice::from_ref(&rule));
        let got = got.map_or("dropped".to_owned(), |labels| labels.filter(|name| name != "c").to_string());
        assert_eq!(got, want, "{:?}", rule.spec());
    }

    const ALL: &str = r#"m{__meta_x_app="web", a="foo", b="bar-42"}"#;

    fn with(extra: &str) -> String {
        let mut labels = Labels::from_pairs(LABELS).filter(|name| name != "c").edit();
        for pair in extra.split_whitespace() {
            let (name, value) = pair.split_once('=').expect("a pair");
            labels.set(name, value);
        }
        labels.build().to_string()
    }

    fn replace(source: &str, regex: &str, target: &str, replacement: &str, want: &str) {
        let edit = |spec: &mut RelabelSpec| {
            spec.source_labels = sources(source);
            spec.regex = regex.to_owned();
            spec.target_label = target.to_owned();
            spec.replacement = replacement.to_owned();
        };
        check("replace", edit, want);
    }

    #[test]
    fn replaces() {
        replace("a", "(.*)", "d", "$1", &with("d=foo"));
        replace("a", "f(.*)", "d", "x${1}y", &with("d=xooy"));
        replace("a", "f", "d", "x", ALL);
        replace("a b", "(.*);(.*)", "d", "$2;$1", &with("d=bar-42;foo"));
        replace("a", "foo|bar", "d", "$0", &with("d=foo"));
        replace("a", "foo|bar", "d", "[$1]", &with("d=[]"));
        replace("b", r"bar-(?P<id>\d+)", "d", "${id}$id$1", &with("d=424242"));
        replace("b", r"(?:bar)-(\d+)", "n_$1", "yes", &with("n_42=yes"));
        replace("a", "(.*)", "ü.$1", "utf8", &with("ü.foo=utf8"));
    }

    #[test]
    fn a_constant_is_set_although_there_is_no_source() {
        replace("", "(.*)", "d", "constant", &with("d=constant"));
        replace("nothing", "(.*)", "d", "constant", &with("d=constant"));
        replace("nothing", "(.+)", "d", "constant", ALL);
        replace("a", "(.*)", "d", "constant", &with("d=constant"));
    }

    #[test]
    fn what_is_empty_is_removed() {
        replace("nothing", "(.*)", "a", "$1", &with("a="));
        replace("", "(.*)", "a", "", &with("a="));
        replace("a", "(x)?foo", "a", "$1", &with("a="));
        // No name to write to: nothing happens.
        replace("a", "(x)?foo", "$1", "y", ALL);
        replace("a", "(.*)", "${9}", "y", ALL);
    }

    #[test]
    fn keeps_and_drops() {
        let with_regex = |source: &str, regex: &str| {
            let (source, regex) = (sources(source), regex.to_owned());
            move |spec: &mut RelabelSpec| {
                spec.source_labels = source;
                spec.regex = regex;
            }
        };
        check("keep", with_regex("a", "foo"), ALL);
        check("keep", with_regex("a", "fo"), "dropped");
        check("keep", with_regex("a", "x|foo|y"), ALL);
        check("keep", with_regex("a", "fo+"), ALL);
        check("keep", with_regex("nothing", ""), ALL);
        check("keep", with_regex("nothing", ".+"), "dropped");
        check("keep", with_regex("a b", "foo;bar.*"), ALL);
        check("drop", with_regex("a", "foo"), "dropped");
        check("drop", with_regex("a", "f"), ALL);
        check("drop", with_regex("nothing", "|x"), "dropped");
        check("drop", with_regex("", ".*"), "dropped");
        check("drop", with_regex("a", "f.."), "dropped");
    }

    #[test]
    fn compares() {
        let pair = |source: &str, target: &str| {
            let (source, target) = (sources(source), target.to_owned());
            move |spec: &mut RelabelSpec| {
                spec.source_labels = source;
                spec.target_label = target;
            }
        };
        check("keepequal", pair("a", "a"), ALL);
        check("keepequal", pair("a", "b"), "dropped");
        check("keepequal", pair("nothing", "nor_this"), ALL);
        check("dropequal", pair("a", "a"), "dropped");
        check("dropequal", pair("a", "b"), ALL);
        check("dropequal", pair("nothing", "nor_this"), "dropped");
    }

    #[test]
    fn hashes() {
        // The last eight bytes of the MD5 of the joined value, as Prometheus takes them.
        let hash = |source: &str, modulus: u64, want: &str| {
            let edit = |spec: &mut RelabelSpec| {
                spec.source_labels = sources(source);
                spec.target_label = "d".to_owned();
                spec.separator = ";".to_owned();
                spec.modulus = modulus;
            };
            check("hashmod", edit, &with(&format!("d={want}")));
        };
        hash("a", 1, "0");
        // md5("foo") = acbd18db4cc2f85cedef654fccc4a4d8.
        hash("a", u64::MAX, &0xedef_654f_ccc4_a4d8_u64.to_string());
        hash("a", 1000, &(0xedef_654f_ccc4_a4d8_u64 % 1000).to_string());
        // md5("") = d41d8cd98f00b204e9800998ecf8427e.
        hash("nothing", 1000, &(0xe980_0998_ecf8_427e_u64 % 1000).to_string());
    }

    #[test]
    fn maps_and_picks_labels_by_name() {
        let names = |regex: &str, replacement: &str| {
            let (regex, replacement) = (regex.to_owned(), replacement.to_owned());
            move |spec: &mut RelabelSpec| {
                spec.regex = regex;
                spec.replacement = replacement;
            }
        };
        check("labelmap", names("__meta_x_(.*)", "$1"), &with("app=web"));
        check("labelmap", names("__meta_x_(.*)", "k8s.$1"), &with("k8s.app=web"));
        check("labelmap", names("__meta_(.*)_app", "a"), &with("a=web"));
        check("labelmap", names("meta", "$1"), ALL);
        check("labelmap", names("(a)|b", "$1"), ALL);
        // Both at once: neither sees what the other wrote.
        let swap = Labels::from_pairs([("aa", "1"), ("a", "2")]);
        let rule = rule("labelmap", names("(.*)", "a$1")).expect("the rule works");
        assert_eq!(relabel(&swap, &[rule]).unwrap().to_string(), r#"{a="2", aa="2", aaa="1"}"#);
        check("labeldrop", names("__meta.*", "$1"), r#"m{a="foo", b="bar-42"}"#);
        check("labeldrop", names("a|b", "$1"), r#"m{__meta_x_app="web"}"#);
        check("labelkeep", names("a|__name__", "$1"), r#"m{a="foo"}"#);
        check("labelkeep", names("x", "$1"), "{}");
    }

    #[test]
    fn changes_case_letter_by_letter() {
        let case = |action: &str, text: &str, want: &str| {
            let labels = Labels::from_pairs([("a", text)]);
            let edit = |spec: &mut RelabelSpec| {
                spec.source_labels = sources("a");
                spec.target_label = "a".to_owned();
            };
            let rule = rule(action, edit).expect("the rule works");
            assert_eq!(relabel(&labels, &[rule]).unwrap().get("a"), want);
        };
        case("lowercase", "FooÄ", "fooä");
        case("lowercase", "ΣΑΣ", "σασ");
        case("lowercase", "İ", "i");
        case("uppercase", "fooä", "FOOÄ");
        case("uppercase", "Größe", "GRÖßE");
    }

    #[test]
    fn the_first_that_drops_ends_it_and_rules_see_what_came_before() {
        let set = rule("replace", |spec| {
            spec.target_label = "__tmp".to_owned();
            spec.replacement = "x".to_owned();
        });
        let keep = rule("keep", |spec| {
            spec.source_labels = sources("__tmp");
            spec.regex = "x".to_owned();
        });
        let (set, keep) = (set.unwrap(), keep.unwrap());
        let labels = Labels::from_pairs(LABELS);
        assert!(relabel(&labels, &[set.clone(), keep.clone()]).is_some());
        assert!(relabel(&labels, &[keep, set]).is_none());
        assert_eq!(relabel(&labels, &[]), Some(labels));
    }

    #[test]
    fn refuses_what_cannot_work() {
        let check = |action: &str, edit: fn(&mut RelabelSpec), want: &str| match rule(action, edit) {
            Err(error) => assert_eq!(error.to_string(), want),
            Ok(rule) => panic!("{rule:?} works"),
        };
        check("replace", |_| (), "`replace` needs a `target_label`");
        check("lowercase", |_| (), "`lowercase` needs a `target_label`");
        check("keepequal", |_| (), "`keepequal` needs a `target_label`");
        check("hashmod", |spec| spec.target_label = "a".to_owned(), "`hashmod` needs a `modulus` above 0");
        check("labelmap", |spec| spec.replacement.clear(), "`labelmap` needs a `replacement`: the new name of a label");
        check("labeldrop", |spec| spec.source_labels = sources("a"), "`labeldrop` does not use `source_labels`");
        check("labelkeep", |spec| spec.target_label = "a".to_owned(), "`labelkeep` does not use `target_label`");
        check("keep", |spec| spec.regex = "a(".to_owned(), "`a(` is not a regular expression");
        let dropequal = |spec: &mut RelabelSpec| {
            spec.target_label = "a".to_owned();
            spec.regex = "x".to_owned();
        };
        check("dropequal", dropequal, "`dropequal` does not use `regex`");
        let upper = |spec: &mut RelabelSpec| {
            spec.target_label = "a".to_owned();
            spec.replacement = "x".to_owned();
        };
        check("uppercase", upper, "`uppercase` does not use `replacement`");
        assert_eq!(RelabelAction::named("KeepEqual"), Some(RelabelAction::KeepEqual));
        assert_eq!(RelabelAction::named("keep_equal"), None);
    }
}
