//! The map of `docs/ARCHITECTURE.md`, held: a module uses only modules above it or to its left, the core has no clock,
//! socket, file or task, and each file stays small enough to hold one idea.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The modules from top to bottom; on one line, from left to right. Those up to `engine` are the core.
const MAP: [&[&str]; 16] = [
    &["model"],
    &["exposition"],
    &["store"],
    &["promql"],
    &["template"],
    &["rule"],
    &["evaluator"],
    &["receiver"],
    &["dispatch"],
    &["rollout"],
    &["engine"],
    &["clock", "disk", "telemetry"],
    &["transport", "state", "source", "web"],
    &["config"],
    &["daemon", "demo"],
    &["cli", "main"],
];

/// The last module of the core.
const CORE_END: &str = "engine";

/// What the core must not touch, as it would be written.
const OUTSIDE: [&str; 17] = [
    "std::fs",
    "std::thread",
    "std::process",
    "std::env",
    "std::io",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "UnixStream",
    "SystemTime",
    "Instant",
    "tokio",
    "reqwest",
    "axum",
    "rusqlite",
    "tracing",
    "rand",
];

/// How long a file may get before there is surely a second idea in it.
const LINES_MAX: usize = 750;

fn sources() -> Vec<(String, PathBuf, String)> {
    let mut found = Vec::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    collect(&root, &root, &mut found);
    assert!(found.len() > 40, "the walk found only {} files", found.len());
    found
}

fn collect(root: &Path, directory: &Path, found: &mut Vec<(String, PathBuf, String)>) {
    for entry in fs::read_dir(directory).expect("src can be read") {
        let path = entry.expect("src can be read").path();
        if path.is_dir() {
            collect(root, &path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let inside = path.strip_prefix(root).expect("it is under src");
            let first = inside.components().next().expect("it has a name").as_os_str().to_string_lossy().into_owned();
            let module = first.trim_end_matches(".rs").to_owned();
            let text = fs::read_to_string(&path).expect("a source is UTF-8");
            found.push((module, inside.to_owned(), text));
        }
    }
}

/// The position of each module, in the order in which it may be used.
fn ranks() -> BTreeMap<&'static str, usize> {
    MAP.iter().flat_map(|line| line.iter()).enumerate().map(|(rank, module)| (*module, rank)).collect()
}

/// Code without comments, line by line. Good enough for `use` lines and paths.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(text.lines()).map(|(number, line)| (number, line.split("//").next().unwrap_or_default()))
}

/// The modules that a line names after `crate::`, those in braces included.
fn used_modules(line: &str) -> Vec<String> {
    let name = |text: &str| text.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect::<String>();
    let mut used = Vec::new();
    for (at, marker) in line.match_indices("crate::") {
        let rest = &line[at + marker.len()..];
        match rest.strip_prefix('{') {
            Some(list) => used.extend(list.split(',').map(|item| name(item.trim_start()))),
            None => used.push(name(rest)),
        }
    }
    for (at, marker) in line.match_indices("atalaya::") {
        used.push(name(&line[at + marker.len()..]));
    }
    used.retain(|module| !module.is_empty());
    used
}

#[test]
fn a_module_uses_only_modules_above_it() {
    let ranks = ranks();
    let mut faults = Vec::new();
    for (module, path, text) in sources().iter().filter(|(module, ..)| module != "lib") {
        let Some(own) = ranks.get(module.as_str()) else {
            faults.push(format!("{}: `{module}` is not on the map", path.display()));
            continue;
        };
        for (number, line) in code_lines(text) {
            for used in used_modules(line) {
                match ranks.get(used.as_str()) {
                    Some(rank) if rank <= own => {}
                    Some(_) => {
                        faults
                            .push(format!("{}:{number}: `{module}` uses `{used}`, which is below it", path.display()));
                    }
                    None => faults.push(format!("{}:{number}: `{used}` is not on the map", path.display())),
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_core_has_no_clock_socket_file_or_task() {
    let ranks = ranks();
    let mut faults = Vec::new();
    for (module, path, text) in sources() {
        if ranks.get(module.as_str()).is_none_or(|rank| *rank > ranks[CORE_END]) {
            continue;
        }
        for (number, line) in code_lines(&text) {
            for outside in OUTSIDE.iter().filter(|outside| names(line, outside)) {
                faults.push(format!("{}:{number}: the core touches `{outside}`", path.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Whether a line of code names something: as a whole path segment, followed by `::` or as a type.
fn names(line: &str, outside: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let is_type = outside.contains("::") || outside.starts_with(char::is_uppercase);
    line.match_indices(outside).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = &line[at + outside.len()..];
        !before.is_some_and(is_word) && !after.starts_with(is_word) && (is_type || after.starts_with("::"))
    })
}

#[test]
fn only_the_clock_reads_the_system_time() {
    let faults: Vec<String> = sources()
        .iter()
        .filter(|(module, ..)| module != "clock")
        .flat_map(|(_, path, text)| {
            code_lines(text)
                .filter(|(_, line)| ["SystemTime", "Instant"].iter().any(|word| names(line, word)))
                .map(|(number, _)| format!("{}:{number}", path.display()))
                .collect::<Vec<_>>()
        })
        .collect();
    assert!(faults.is_empty(), "the system's time is read at {}", faults.join(", "));
}

#[test]
fn every_file_says_what_it_is_for_and_stays_small() {
    let mut faults = Vec::new();
    for (_, path, text) in sources() {
        if !text.starts_with("//!") {
            faults.push(format!("{}: does not open with what it is for", path.display()));
        }
        let lines = text.lines().count();
        if lines > LINES_MAX {
            faults.push(format!("{}: {lines} lines, look for the second idea", path.display()));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The checks above would be worth nothing if they saw nothing.
#[test]
fn the_checks_see_what_they_look_for() {
    assert_eq!(used_modules("use crate::{model::Labels, promql};"), ["model", "promql"]);
    assert_eq!(used_modules("    crate::store::Store::new()"), ["store"]);
    assert!(names("let now = std::time::Instant::now();", "Instant"));
    assert!(names("tokio::spawn(x)", "tokio"));
    assert!(!names("let instant = vector();", "Instant"));
    assert!(!names("let rand = 5;", "rand"));
    let seen = sources()
        .iter()
        .flat_map(|(_, _, text)| code_lines(text).flat_map(|(_, line)| used_modules(line)).collect::<Vec<_>>())
        .count();
    assert!(seen > 100, "only {seen} uses were seen");
}
