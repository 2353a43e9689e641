//! Results of tests in the XML form that CI systems read.

use std::fmt::Write as _;
use std::time::Duration;

use crate::model::Timestamp;

/// A file of tests.
#[derive(Clone, PartialEq, Debug)]
pub struct JunitSuite {
    /// The file's name.
    pub name: String,
    /// When it was run.
    pub at: Timestamp,
    /// Why none of it could be run.
    pub error: Option<String>,
    /// The tests that were run.
    pub cases: Vec<JunitCase>,
}

/// A test.
#[derive(Clone, PartialEq, Debug)]
pub struct JunitCase {
    /// Its name.
    pub name: String,
    /// How long it took.
    pub took: Duration,
    /// What failed in it.
    pub failures: Vec<String>,
}

/// The results of some files, as one document.
pub fn junit(suites: &[JunitSuite]) -> String {
    let mut xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n".to_owned();
    for suite in suites {
        let failures = suite.cases.iter().filter(|case| !case.failures.is_empty()).count();
        // Without the zone and what is below a second, as the form has it.
        let at: String = suite.at.to_string().chars().take("1970-01-01T00:00:00".len()).collect();
        // A String takes everything.
        let _ = writeln!(
            xml,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{failures}\" errors=\"{}\" skipped=\"0\" timestamp=\"{at}\">",
            escaped(&suite.name),
            suite.cases.len(),
            usize::from(suite.error.is_some()),
        );
        if let Some(error) = &suite.error {
            let _ = writeln!(
                xml,
                "    <testcase name=\"{}\"><error>{}</error></testcase>",
                escaped(&suite.name),
                escaped(error)
            );
        }
        for case in &suite.cases {
            let _ =
                write!(xml, "    <testcase name=\"{}\" time=\"{:.3}\"", escaped(&case.name), case.took.as_secs_f64());
            if case.failures.is_empty() {
                xml.push_str("/>\n");
                continue;
            }
            xml.push_str(">\n");
            for failure in &case.failures {
                let _ = writeln!(xml, "      <failure>{}</failure>", escaped(failure));
            }
            xml.push_str("    </testcase>\n");
        }
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

/// A text that XML takes for a text; what no XML may hold is replaced.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            '\n' | '\t' => escaped.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.push(char::REPLACEMENT_CHARACTER),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_well_formed() {
        let case = |name: &str, failures: &[&str]| JunitCase {
            name: name.to_owned(),
            took: Duration::from_micros(1500),
            failures: failures.iter().map(|it| (*it).to_owned()).collect(),
        };
        let suite = JunitSuite {
            name: "a&b.yaml".to_owned(),
            at: Timestamp::from_millis(1_000_500),
            error: None,
            cases: vec![case("one", &[]), case("\"two\"", &["x < 1\n\u{1b}y", "z"])],
        };
        let broken = JunitSuite { error: Some("no > YAML".to_owned()), cases: Vec::new(), ..suite.clone() };
        let want = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites>
  <testsuite name="a&amp;b.yaml" tests="2" failures="1" errors="0" skipped="0" timestamp="1970-01-01T00:16:40">
    <testcase name="one" time="0.002"/>
    <testcase name="&quot;two&quot;" time="0.002">
      <failure>x &lt; 1
�y</failure>
      <failure>z</failure>
    </testcase>
  </testsuite>
  <testsuite name="a&amp;b.yaml" tests="0" failures="0" errors="1" skipped="0" timestamp="1970-01-01T00:16:40">
    <testcase name="a&amp;b.yaml"><error>no &gt; YAML</error></testcase>
  </testsuite>
</testsuites>
"#;
        assert_eq!(junit(&[suite, broken]), want);
    }
}
