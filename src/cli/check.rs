//! `atalaya check`: what is wrong with files, without starting anything.

use std::fmt::Write as _;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;

use crate::config::{Config, Files, RawConfig};
use crate::rule::Rule;

use super::CheckArguments;

/// How the command ends when nothing is wrong and `--lint-fatal` does not bear what is not meant; as promtool's.
const LINT_FATAL: u8 = 3;
/// Where a text comes from that no file holds.
const STDIN: &str = "-";

/// What was found in one file and those that it names.
#[derive(Default)]
struct Findings {
    report: String,
    problems: usize,
    lints: usize,
}

/// Checks each file, and says what is wrong with it on standard output.
pub(super) fn check(arguments: &CheckArguments) -> anyhow::Result<ExitCode> {
    let stdin = [PathBuf::from(STDIN)];
    let files = if arguments.files.is_empty() { &stdin[..] } else { &arguments.files };
    let (mut problems, mut lints) = (0, 0);
    for file in files {
        let findings = check_file(file)?;
        io::stdout().write_all(findings.report.as_bytes()).context("write what was found")?;
        problems += findings.problems;
        lints += findings.lints;
    }
    Ok(match (problems, lints) {
        (0, 0) => ExitCode::SUCCESS,
        (0, _) if arguments.lint_fatal => ExitCode::from(LINT_FATAL),
        (0, _) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

fn check_file(file: &Path) -> anyhow::Result<Findings> {
    let raw = if file == Path::new(STDIN) {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).context("read standard input")?;
        RawConfig::of_either(Path::new("stdin"), text, Files::disk())
    } else {
        match (Files::disk().read)(file) {
            Ok(text) => RawConfig::of_either(file, text, Files::disk()),
            Err(_) => RawConfig::read_from(file, Files::disk()),
        }
    };
    Ok(findings(file, raw))
}

fn findings(file: &Path, raw: RawConfig) -> Findings {
    let mut findings = Findings::default();
    let summary = match raw.build() {
        Err(problems) => {
            findings.problems = problems.0.len();
            findings.report = format!("{problems}\n");
            count(findings.problems, "problem")
        }
        Ok(config) => {
            for finding in &config.lints {
                // A String takes everything.
                let _ = writeln!(findings.report, "warning[{}]: {}", finding.lint, finding.problem);
            }
            findings.lints = config.lints.len();
            match findings.lints {
                0 => format!("sound: {}", contents(&config)),
                lints => format!("sound, with {}: {}", count(lints, "warning"), contents(&config)),
            }
        }
    };
    let name = if file == Path::new(STDIN) { "stdin".into() } else { file.display().to_string() };
    findings.report.push_str(&format!("{name}: {summary}\n"));
    findings
}

/// What a configuration holds, counted.
fn contents(config: &Config) -> String {
    let rules = || config.groups.iter().flat_map(|group| &group.rules);
    let alerts = rules().filter(|rule| matches!(rule, Rule::Alert(_))).count();
    let counts = [
        (config.static_targets().len(), "target"),
        (config.rule_files.len(), "rule file"),
        (alerts, "alert rule"),
        (rules().count() - alerts, "recording rule"),
        (config.receivers.len(), "integration"),
    ];
    let counts: Vec<_> = counts.iter().filter(|(n, _)| *n > 0).map(|(n, thing)| count(*n, thing)).collect();
    if counts.is_empty() { "there is nothing in it".to_owned() } else { counts.join(", ") }
}

fn count(n: usize, thing: &str) -> String {
    if n == 1 { format!("1 {thing}") } else { format!("{n} {thing}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(text: &str) -> (usize, usize, String) {
        let findings =
            findings(Path::new("a.yaml"), RawConfig::of_either(Path::new("a.yaml"), text.to_owned(), Files::disk()));
        (findings.problems, findings.lints, findings.report)
    }

    #[test]
    fn a_file_is_told_by_what_it_holds() {
        let check = |text: &str, want: &str| assert_eq!(report(text).2, want, "{text}");
        check(
            "\n",
            "a.yaml: there is nothing in the file\nhint: a file that is being written looks like this: wait, or write it \
             again\na.yaml: 1 problem\n",
        );
        check("# nothing yet\n", "a.yaml: sound: there is nothing in it\n");
        check("groups: []\n", "a.yaml: sound: 1 rule file\n");
        check(
            "groups: [{name: g, rules: [{alert: A, expr: up}, {record: r, expr: up}, {record: s, expr: up}]}]\n",
            "a.yaml: sound: 1 rule file, 1 alert rule, 2 recording rules\n",
        );
        check(
            "scrape_configs: [{job_name: a, static_configs: [{targets: ['a:1', 'b:1']}]}]\n",
            "a.yaml: sound: 2 targets\n",
        );
    }

    #[test]
    fn problems_come_first_and_warnings_only_without() {
        let (problems, lints, told) =
            report("groups: [{name: g, rules: [{alert: A, expr: up +}, {alrt: A, expr: 1}]}]\n");
        assert_eq!((problems, lints), (2, 0));
        assert!(
            told.starts_with("a.yaml:1:49: groups[g].rules[A].expr: ") && told.ends_with("a.yaml: 2 problems\n"),
            "{told}"
        );
        let (problems, lints, told) =
            report("groups: [{name: g, rules: [{alert: A, expr: 1}, {alert: A, expr: 2}]}]\n");
        assert_eq!((problems, lints), (0, 1));
        assert!(told.starts_with("warning[duplicate-rules]: a.yaml:1:57: groups[g].rules[A]: "), "{told}");
        assert!(told.ends_with("a.yaml: sound, with 1 warning: 1 rule file, 2 alert rules\n"), "{told}");
    }
}
