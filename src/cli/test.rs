//! `atalaya test`: do rules fire on what they should, and on nothing else?

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};
use std::num::NonZero;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::Context;
use regex::Regex;

use crate::clock::{Clock, Stopwatch};
use crate::config::{Files, TestFileOptions, read_test_file};
use crate::model::go_regex;
use crate::unit_test::{Colors, Detail, JunitCase, JunitSuite, Options, Rehearsal, Test, TestFile, junit};

use super::TestArguments;

/// How many tests are worth a thread of their own.
const TESTS_OF_WORKER: usize = 16;

/// What holds for all files.
struct Command<'a> {
    arguments: &'a TestArguments,
    run: Option<Regex>,
    detail: Detail,
    colors: Colors,
    clock: Clock,
}

/// Runs the tests of each file, and says on standard output what failed.
pub(super) fn test(arguments: &TestArguments) -> anyhow::Result<ExitCode> {
    let is_terminal = io::stdout().is_terminal();
    let command = Command {
        arguments,
        run: selection(&arguments.run)?,
        detail: if arguments.diff { Detail::Lines } else { Detail::Labels },
        colors: if is_terminal { Colors::With } else { Colors::Without },
        clock: Clock::wall(),
    };
    let mut suites = Vec::new();
    for file in &arguments.files {
        suites.push(command.test_file(file)?);
    }
    if let Some(path) = &arguments.junit {
        std::fs::write(path, junit(&suites)).with_context(|| format!("write `{}`", path.display()))?;
    }
    let has_failed = |suite: &JunitSuite| suite.error.is_some() || suite.cases.iter().any(|it| !it.failures.is_empty());
    Ok(if suites.iter().any(has_failed) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// One pattern out of those of `--run`, any of which may match.
fn selection(patterns: &[String]) -> anyhow::Result<Option<Regex>> {
    if patterns.is_empty() {
        return Ok(None);
    }
    let pattern = patterns.join("|");
    go_regex(&pattern).map(Some).with_context(|| format!("`--run`: `{pattern}` is not a regular expression"))
}

impl Command<'_> {
    fn test_file(&self, path: &Path) -> anyhow::Result<JunitSuite> {
        let name = path.display().to_string();
        let mut suite = JunitSuite { name: name.clone(), at: self.clock.now(), error: None, cases: Vec::new() };
        let options = TestFileOptions { ignores_unknown_fields: self.arguments.ignore_unknown_fields };
        let file = match read_test_file(path, Files::disk(), options) {
            Ok(file) => file,
            Err(problems) => {
                suite.error = Some(problems.to_string());
                let n = problems.0.len();
                say(&format!("{problems}\n{name}: {n} problem{}\n", if n == 1 { "" } else { "s" }))?;
                return Ok(suite);
            }
        };
        let warnings: String = file.warnings.iter().map(|warning| format!("warning: {warning}\n")).collect();
        say(&warnings)?;
        let is_selected = |test: &&Test| self.run.as_ref().is_none_or(|run| run.is_match(&test.name));
        let selected: Vec<&Test> = file.tests.iter().filter(is_selected).collect();
        suite.cases = match file.rule_problems.as_slice() {
            [] => self.run_all(&file, &selected)?,
            _ => broken_rules(&file, &selected)?,
        };
        say(&summary(&name, &suite.cases, file.tests.len()))?;
        Ok(suite)
    }

    /// Runs tests, on as many threads as there are processors, and tells of them in their order.
    fn run_all(&self, file: &TestFile, selected: &[&Test]) -> anyhow::Result<Vec<JunitCase>> {
        let workers = thread::available_parallelism().map_or(1, NonZero::get).min(selected.len() / TESTS_OF_WORKER + 1);
        let next = AtomicUsize::new(0);
        let work = || {
            let options = Options { honors_intervals: self.arguments.honor_intervals };
            let mut rehearsal = Rehearsal::new(file, options);
            let mut done = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(test) = selected.get(number) else { return done };
                done.push((number, self.run(test, &mut rehearsal)));
            }
        };
        let mut done: Vec<(usize, Ran)> = thread::scope(|scope| {
            let others: Vec<_> = (1..workers).map(|_| scope.spawn(work)).collect();
            let mut done = work();
            for other in others {
                // A panic is a bug of ours, here as there.
                done.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            }
            done
        });
        done.sort_by_key(|(number, _)| *number);
        let mut cases = Vec::with_capacity(done.len());
        for (_, ran) in done {
            io::stderr().write_all(ran.dump.as_bytes()).context("write what is stored")?;
            say(&ran.told)?;
            cases.push(ran.case);
        }
        Ok(cases)
    }

    fn run(&self, test: &Test, rehearsal: &mut Rehearsal) -> Ran {
        let started = Stopwatch::start();
        let failures = rehearsal.run(test);
        let case = JunitCase {
            name: test.title(),
            took: started.elapsed(),
            failures: failures.iter().map(|it| it.text(self.detail, Colors::Without)).collect(),
        };
        let mut ran = Ran { case, told: String::new(), dump: String::new() };
        if self.arguments.debug {
            let (name, took) = (&ran.case.name, ran.case.took);
            ran.dump = format!("{} `{name}` took {took:?}\n{}", test.place, indented(&rehearsal.dump()));
        }
        if !failures.is_empty() {
            ran.told = format!("FAILED {}\n", ran.case.name);
        }
        for failure in &failures {
            ran.told.push_str(&indented(&failure.text(self.detail, self.colors)));
        }
        ran
    }
}

/// What came of a test.
struct Ran {
    case: JunitCase,
    /// What failed, if anything did.
    told: String,
    /// Everything that was stored, if that is asked for.
    dump: String,
}

/// With rules that are not sound no test can pass; what is wrong with them is said once.
fn broken_rules(file: &TestFile, selected: &[&Test]) -> anyhow::Result<Vec<JunitCase>> {
    let mut text = String::new();
    for problem in &file.rule_problems {
        // A String takes everything.
        let _ = writeln!(text, "{problem}");
    }
    if !selected.is_empty() {
        say(&text)?;
    }
    let case = |test: &&Test| JunitCase {
        name: test.title(),
        took: std::time::Duration::ZERO,
        failures: vec![text.trim_end().to_owned()],
    };
    Ok(selected.iter().map(case).collect())
}

/// How many tests of a file passed, in one line.
fn summary(name: &str, cases: &[JunitCase], all: usize) -> String {
    let run = cases.len();
    let failed = cases.iter().filter(|case| !case.failures.is_empty()).count();
    let tests = |n: usize| if n == 1 { "1 test".to_owned() } else { format!("{n} tests") };
    let of = if run == all { String::new() } else { format!(", {} not run", all - run) };
    match failed {
        0 => format!("{name}: {} passed{of}\n", tests(run)),
        _ => format!("{name}: {failed} of {} failed{of}\n", tests(run)),
    }
}

/// Lines moved to the right, each with its end.
fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

fn say(text: &str) -> anyhow::Result<()> {
    io::stdout().write_all(text.as_bytes()).context("write what failed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_pattern_selects() {
        let check = |patterns: &[&str], name: &str, want: bool| {
            let patterns: Vec<String> = patterns.iter().map(|it| (*it).to_owned()).collect();
            let is_match = selection(&patterns).unwrap().is_none_or(|run| run.is_match(name));
            assert_eq!(is_match, want, "{patterns:?} {name}");
        };
        check(&[], "", true);
        check(&["correct", "wrong"], "a wrong test", true);
        check(&["correct", "^wrong"], "a wrong test", false);
        check(&["correct"], "", false);
        assert!(selection(&["(".to_owned()]).is_err());
    }

    #[test]
    fn files_are_summed_up() {
        let case = |failures: &[&str]| JunitCase {
            name: String::new(),
            took: std::time::Duration::ZERO,
            failures: failures.iter().map(|it| (*it).to_owned()).collect(),
        };
        assert_eq!(summary("a", &[case(&[])], 1), "a: 1 test passed\n");
        assert_eq!(summary("a", &[], 2), "a: 0 tests passed, 2 not run\n");
        assert_eq!(summary("a", &[case(&[]), case(&["x", "y"])], 3), "a: 1 of 2 tests failed, 1 not run\n");
    }
}
