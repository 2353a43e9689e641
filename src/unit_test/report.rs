//! What a person reads of a failed test.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::difference::{Difference, Field, Item};
use super::run::Failure;

/// How many differences of one expectation are shown.
const SHOWN_MAX: usize = 50;

/// How much is shown of what differs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Detail {
    /// The labels that differ.
    #[default]
    Labels,
    /// All of both sides, with `-` before what is expected and `+` before what there is.
    Lines,
}

/// Whether a text is read on a terminal.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Colors {
    /// No.
    #[default]
    Without,
    /// Yes: what is expected is red, what there is green.
    With,
}

impl Failure {
    /// What is wrong, in lines without a final line break.
    pub fn text(&self, detail: Detail, colors: Colors) -> String {
        let differences = self.differences();
        let mut text = self.heading();
        if differences.is_empty() {
            return text;
        }
        let _ = write!(text, ": {}", counted(differences));
        let shown = differences.iter().take(SHOWN_MAX);
        for difference in shown {
            text.push('\n');
            match detail {
                Detail::Labels => labels(&mut text, difference),
                Detail::Lines => lines(&mut text, difference, colors),
            }
        }
        if differences.len() > SHOWN_MAX {
            let _ = write!(text, "\n  … and {} more", differences.len() - SHOWN_MAX);
        }
        if differences.iter().any(expects_nan) {
            text.push_str("\nhint: NaN is equal to nothing, not even to NaN: test `count(EXPR != EXPR)`");
        }
        text
    }
}

/// How many differences there are of each kind.
fn counted(differences: &[Difference]) -> String {
    let count = |is: fn(&Difference) -> bool| differences.iter().filter(|it| is(it)).count();
    let counts = [
        (count(|it| matches!(it, Difference::Changed { .. })), "differs", "differ"),
        (count(|it| matches!(it, Difference::Missing(_))), "is missing", "are missing"),
        (count(|it| matches!(it, Difference::Unexpected(_))), "is not expected", "are not expected"),
    ];
    let counts = counts.iter().filter(|(n, ..)| *n > 0);
    let counts: Vec<_> = counts.map(|(n, one, many)| format!("{n} {}", if *n == 1 { one } else { many })).collect();
    counts.join(", ")
}

fn expects_nan(difference: &Difference) -> bool {
    matches!(difference, Difference::Changed { expected, .. } if expected.value.is_some_and(f64::is_nan))
}

/// What differs, label by label.
fn labels(text: &mut String, difference: &Difference) {
    match difference {
        Difference::Missing(item) => whole(text, "missing", item),
        Difference::Unexpected(item) => whole(text, "not expected", item),
        Difference::Changed { expected, got } => {
            // NaN reads like NaN and is not the same.
            let is_nan = expected.value.is_some_and(f64::is_nan);
            let (expected, got) = (expected.fields(), got.fields());
            let is_common = |field: &Field, value: &String| got.get(field) == Some(value);
            let common = expected.iter().filter(|(field, value)| is_common(field, value));
            let _ = write!(text, "  differs: {}", braced(common));
            for field in both(&expected, &got) {
                let (expected, got) = (expected.get(field), got.get(field));
                if expected != got || is_nan && *field == Field::Value {
                    let _ = write!(
                        text,
                        "\n    {field}\n      expected {}\n      got      {}",
                        said(field, expected),
                        said(field, got)
                    );
                }
            }
        }
    }
}

/// An item of which there is one side only.
fn whole(text: &mut String, word: &str, item: &Item) {
    let fields = item.fields();
    let _ = write!(text, "  {word}: {}", braced(fields.iter()));
    for (field, value) in fields.iter().filter(|(field, _)| !matches!(field, Field::Label(_))) {
        let _ = write!(text, "\n    {field} {}", said(field, Some(value)));
    }
}

/// Labels, as a selector is written.
fn braced<'a>(fields: impl Iterator<Item = (&'a Field, &'a String)>) -> String {
    let labels = fields.filter_map(|(field, value)| match field {
        Field::Label(name) => Some(format!("{name}={value:?}")),
        Field::Annotation(_) | Field::Value => None,
    });
    format!("{{{}}}", labels.collect::<Vec<_>>().join(", "))
}

/// The fields of both, in order.
fn both<'a>(expected: &'a BTreeMap<Field, String>, got: &'a BTreeMap<Field, String>) -> Vec<&'a Field> {
    let mut fields: Vec<&Field> = expected.keys().chain(got.keys()).collect();
    fields.sort();
    fields.dedup();
    fields
}

fn said(field: &Field, value: Option<&String>) -> String {
    match value {
        None => "none".to_owned(),
        Some(value) if *field == Field::Value => value.clone(),
        Some(value) => format!("{value:?}"),
    }
}

/// All of both sides.
fn lines(text: &mut String, difference: &Difference, colors: Colors) {
    let none = BTreeMap::new();
    let (expected, got) = match difference {
        Difference::Changed { expected, got } => (expected.fields(), got.fields()),
        Difference::Missing(item) => (item.fields(), none),
        Difference::Unexpected(item) => (none, item.fields()),
    };
    let mut all = Vec::new();
    for field in both(&expected, &got) {
        let (expected, got) = (expected.get(field), got.get(field));
        let line = |sign: char, value: Option<&String>| {
            let line = value.map(|_| format!("  {sign} {field}: {}", said(field, value)))?;
            Some(match (colors, sign) {
                (Colors::With, '-') => format!("\u{1b}[31m{line}\u{1b}[0m"),
                (Colors::With, '+') => format!("\u{1b}[32m{line}\u{1b}[0m"),
                _ => line,
            })
        };
        if expected == got {
            all.extend(line(' ', expected));
        } else {
            all.extend(line('-', expected));
            all.extend(line('+', got));
        }
    }
    if all.is_empty() {
        all.push(if matches!(difference, Difference::Missing(_)) { "  - {}" } else { "  + {}" }.to_owned());
    }
    text.push_str(&all.join("\n"));
    text.push_str("\n  ");
    text.truncate(text.trim_end().len());
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::Place;

    fn item(labels: &[(&str, &str)], annotations: &[(&str, &str)], value: Option<f64>) -> Item {
        let labels = labels.iter().map(|(name, text)| (Field::Label((*name).to_owned()), (*text).to_owned()));
        let annotations =
            annotations.iter().map(|(name, text)| (Field::Annotation((*name).to_owned()), (*text).to_owned()));
        Item { texts: labels.chain(annotations).collect(), value }
    }

    fn alerts(differences: Vec<Difference>) -> Failure {
        let place = Place { file: "a.yaml".to_owned(), line: Some(3), column: Some(7) };
        Failure::Alerts { place, at: Duration::from_secs(300), name: "A".to_owned(), differences }
    }

    fn three() -> Failure {
        let changed = Difference::Changed {
            expected: item(&[("alertname", "A"), ("severity", "page")], &[("text", "two")], None),
            got: item(&[("alertname", "A"), ("pod", "p"), ("severity", "warning")], &[("text", "two")], None),
        };
        let missing = Difference::Missing(item(&[("alertname", "A")], &[("text", "a \"b\"")], None));
        alerts(vec![changed, missing, Difference::Unexpected(item(&[], &[], None))])
    }

    #[test]
    fn is_told_label_by_label() {
        let want = r#"a.yaml:3:7: alert `A` at 5m: 1 differs, 1 is missing, 1 is not expected
  differs: {alertname="A"}
    pod
      expected none
      got      "p"
    severity
      expected "page"
      got      "warning"
  missing: {alertname="A"}
    annotation text "a \"b\""
  not expected: {}"#;
        assert_eq!(three().text(Detail::Labels, Colors::Without), want);
    }

    #[test]
    fn is_told_line_by_line() {
        let want = r#"a.yaml:3:7: alert `A` at 5m: 1 differs, 1 is missing, 1 is not expected
    alertname: "A"
  + pod: "p"
  - severity: "page"
  + severity: "warning"
    annotation text: "two"
  - alertname: "A"
  - annotation text: "a \"b\""
  + {}"#;
        assert_eq!(three().text(Detail::Lines, Colors::Without), want);
        assert!(three().text(Detail::Lines, Colors::With).contains("\n\u{1b}[32m  + pod: \"p\"\u{1b}[0m\n"));
    }

    #[test]
    fn nobody_waits_for_nan() {
        let changed =
            Difference::Changed { expected: item(&[], &[], Some(f64::NAN)), got: item(&[], &[], Some(f64::NAN)) };
        assert!(alerts(vec![changed]).text(Detail::Labels, Colors::Without).ends_with(
            "  differs: {}\n    value\n      expected NaN\n      got      NaN\nhint: NaN is equal to nothing, not even to NaN: test \
             `count(EXPR != EXPR)`"
        ));
    }

    #[test]
    fn many_differences_are_counted() {
        let many = vec![Difference::Unexpected(item(&[("a", "b")], &[], None)); SHOWN_MAX + 3];
        let text = alerts(many).text(Detail::Labels, Colors::Without);
        assert!(text.contains("53 are not expected") && text.ends_with("\n  … and 3 more"), "{text}");
    }
}
