//! Runs Prometheus's own PromQL scripts, and ours in `tests/promql`.
//!
//! Every `*.test` under `$PROMQLTEST_DIR` is run (by default Prometheus's scripts among the test data, where less than
//! `tests/promqltest.floor` fails, and ours, which all have to pass). Each instant query is run again with `@` fixing its
//! moment at other moments, and each of those as a range of three moments, as Prometheus's own runner does.
//! `PROMQLTEST_LIST=1` prints what fails, with what was expected and what was found.

#![expect(clippy::print_stdout, reason = "counts are the result")]

mod compare;
mod load;
mod run;
mod script;
#[path = "../support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What the scripts of a folder came to.
#[derive(Default)]
struct Count {
    passed: usize,
    all: usize,
}

fn main() -> ExitCode {
    // `cargo test name` runs every target with the name, and this one has no tests of its own to choose from.
    if std::env::args().skip(1).any(|arg| arg == "--list" || !arg.starts_with('-') && !"promqltest".contains(&arg)) {
        return ExitCode::SUCCESS;
    }
    if let Some(folder) = std::env::var_os("PROMQLTEST_DIR") {
        tell(&run_folder(Path::new(&folder)));
        return ExitCode::SUCCESS;
    }
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let own = run_folder(&here.join("promql"));
    println!("our own: {} of {}", own.passed, own.all);
    let Some(folder) = support::testdata("promqltest") else {
        return if own.passed == own.all { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    };
    let count = run_folder(&folder);
    tell(&count);
    let floor = std::fs::read_to_string(here.join("promqltest.floor")).expect("tests/promqltest.floor can be read");
    let floor: usize = floor.trim().parse().expect("tests/promqltest.floor is a number");
    if count.passed < floor || own.passed < own.all {
        println!("failed: at least {floor} of Prometheus's and all of ours have to pass");
        tell(&count);
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn tell(count: &Count) {
    println!("promqltest: {} of {}", count.passed, count.all);
}

/// Runs every script under a folder.
fn run_folder(folder: &Path) -> Count {
    let lists = std::env::var("PROMQLTEST_LIST").is_ok_and(|value| value == "1");
    let mut files = Vec::new();
    scripts(folder, &mut files);
    files.sort();
    let mut count = Count::default();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a script is UTF-8");
        let report = run::run(&text);
        let name = file.strip_prefix(folder).unwrap_or(&file).display().to_string();
        println!("{name} {}/{}", report.passed, report.passed + report.failures.len());
        if lists {
            for failure in &report.failures {
                println!("  {name}:{failure}");
            }
        }
        count.passed += report.passed;
        count.all += report.passed + report.failures.len();
    }
    count
}

fn scripts(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            scripts(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "test") {
            files.push(path);
        }
    }
}
