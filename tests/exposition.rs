//! The text format and OpenMetrics against Prometheus's own cases, against another reader, and against chance.

mod support;

use std::path::PathBuf;

use atalaya::exposition::{Entry, Line, Malformed, MetricKind, Scanner, parse_series_as, text};
use atalaya::model::{Labels, Timestamp, is_stale};
use proptest::prelude::*;
use serde_json::Value as Json;

/// The folder of exposition cases; `None`, said aloud, when it is not there and need not be.
fn cases() -> Option<PathBuf> {
    support::testdata("promqltest/textparse")
}

fn read_json(folder: &std::path::Path, name: &str) -> Json {
    let path = folder.join("cases").join(name);
    let json = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&json).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The bytes of a case's input, which stands there as text or in hexadecimal.
fn input(case: &Json) -> Vec<u8> {
    match case["input"]["hex"].as_str() {
        Some(hex) => {
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal")).collect()
        }
        None => case["input"].as_str().expect("an input").as_bytes().to_vec(),
    }
}

fn first_error(page: &[u8]) -> Option<Malformed> {
    match text(page) {
        Ok(page) => Scanner::new(page).find_map(Result::err),
        Err(error) => Some(error),
    }
}

#[test]
fn pages_read_as_prometheus_reads_them() {
    let Some(folder) = cases() else { return };
    let mut samples = 0;
    for name in ["prom_valid.json", "prom_utf8_valid.json"] {
        let case = read_json(&folder, name);
        let page = case["input"].as_str().unwrap();
        let expected = case["expected"].as_array().unwrap();
        let mut expected = expected.iter().filter(|entry| !entry["type"].is_null() || !entry["v"].is_null());
        let mut kind = MetricKind::Untyped;
        for entry in Scanner::new(page) {
            let wanted = expected.next().unwrap_or_else(|| panic!("{name}: more entries than expected"));
            match entry.unwrap_or_else(|error| panic!("{name}: {error}")) {
                Entry::Type { name, kind: read } => {
                    kind = read;
                    assert_eq!(Some(&*name), wanted["m"].as_str());
                    assert_eq!(Some(format!("{kind:?}").to_lowercase().as_str()), wanted["type"].as_str());
                }
                Entry::Sample(line) => {
                    samples += 1;
                    check_sample(line, kind, wanted);
                }
            }
        }
        assert_eq!(expected.next(), None, "{name}: fewer entries than expected");
    }
    assert_eq!(samples, 38);
}

fn check_sample(line: Line<'_>, kind: MetricKind, wanted: &Json) {
    let name = wanted["m"].as_str().expect("a series");
    assert_eq!(line.series, name);
    assert_eq!(line.value, wanted["v"].as_str().and_then(|value| value.parse().ok()).unwrap_or(f64::NAN), "{name}");
    assert_eq!(line.at.map(Timestamp::millis), wanted["t_ms"].as_i64(), "{name}");
    let mut labels = parse_series_as(line.series, kind).expect("the scanner has checked it");
    if name.starts_with("type_and_unit_test") {
        // The data has these labels as they are in a mode of Prometheus that takes types from `# TYPE` lines alone.
        labels = labels.filter(|name| name != "__type__");
    }
    let wanted: Labels = serde_json::from_value(wanted["labels"].clone()).expect("a map");
    assert_eq!(labels, wanted, "{name}");
}

#[test]
fn pages_fail_where_prometheus_fails() {
    let Some(folder) = cases() else { return };
    let (mut good, mut bad) = (0, 0);
    for name in ["prom_errors.json", "prom_nullbyte.json"] {
        for case in read_json(&folder, name).as_array().unwrap() {
            let page = input(case);
            let shown = String::from_utf8_lossy(&page);
            match (first_error(&page), case["err"].as_str().unwrap()) {
                (None, "") => good += 1,
                (Some(error), upstream) if !upstream.is_empty() => {
                    println!("{shown:?}\n  upstream: {upstream}\n      ours: {error}");
                    bad += 1;
                }
                (ours, upstream) => panic!("{shown:?}: upstream says {upstream:?}, we say {ours:?}"),
            }
        }
    }
    assert_eq!((good, bad), (4, 23));
}

#[test]
fn whole_pages_of_real_targets_read() {
    let Some(folder) = cases() else { return };
    for name in
        ["alltypes.237mfs.prom.txt", "alltypes.237mfs.nometa.prom.txt", "alltypes.5mfs.om.txt", "1histogram.om.txt"]
    {
        let page = std::fs::read_to_string(folder.join(name)).unwrap();
        let wanted = page.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).count();
        let scan = || if name.ends_with(".om.txt") { Scanner::openmetrics(&page) } else { Scanner::new(&page) };
        let samples = scan().filter(|entry| matches!(entry, Ok(Entry::Sample(_)))).count();
        assert_eq!((samples, scan().find_map(Result::err)), (wanted, None), "{name}");
        assert!(samples > 10, "{name}");
    }
}

/// The name of the family that a series of this name belongs to.
fn family_of(name: &str) -> String {
    let suffixes = ["_created", "_total", "_count", "_sum", "_bucket"];
    suffixes.iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name).to_owned()
}

/// Checks a page of OpenMetrics against what Prometheus reads when it takes `…_created` lines for the moments at which
/// their families' series began. Here they are samples like any other, so they are told apart by the test.
fn check_openmetrics(case: &Json) -> (usize, usize) {
    let page = case["input"].as_str().expect("a page");
    let (mut samples, mut begun) = (0, 0);
    let mut family: Vec<(Line<'_>, MetricKind)> = Vec::new();
    let wanted: Vec<&Json> = case["expected"].as_array().expect("a list").iter().collect();
    let mut wanted_samples = wanted
        .iter()
        .filter(|entry| entry["type"].is_null())
        .filter(|entry| entry["help"].is_null() && entry["unit"].is_null());
    let mut wanted_types = wanted.iter().filter(|entry| !entry["type"].is_null());
    let mut close = |family: &mut Vec<(Line<'_>, MetricKind)>| {
        let is_created = |(line, kind): &&(Line<'_>, MetricKind)| {
            let name = parse_series_as(line.series, *kind).expect("it was checked").metric_name().to_owned();
            let begins = matches!(kind, MetricKind::Counter | MetricKind::Summary | MetricKind::Histogram);
            begins && name.ends_with("_created")
        };
        let key = |line: &Line<'_>, kind: MetricKind| {
            let labels = parse_series_as(line.series, kind).expect("it was checked");
            let bound = match kind {
                MetricKind::Histogram => "le",
                MetricKind::Summary => "quantile",
                _ => "",
            };
            let base = family_of(labels.metric_name());
            (base, labels.filter(|name| name != "__name__" && name != bound))
        };
        let created: Vec<_> =
            family.iter().filter(is_created).map(|(line, kind)| (key(line, *kind), line.value)).collect();
        for (line, kind) in family.iter().filter(|it| !is_created(it)) {
            let wanted = wanted_samples.next().expect("fewer samples");
            assert_eq!(Some(line.series), wanted["m"].as_str());
            let start = created.iter().find(|(other, _)| *other == key(line, *kind)).map(|(_, value)| *value);
            #[expect(clippy::cast_possible_truncation, reason = "moments of our age in milliseconds")]
            let start = start.map(|seconds| (seconds * 1000.0) as i64);
            assert_eq!(start, wanted["st_ms"].as_i64(), "{}", line.series);
            begun += usize::from(start.is_some());
            samples += 1;
            assert_eq!(line.at.map(Timestamp::millis), wanted["t_ms"].as_i64(), "{}", line.series);
            let labels = parse_series_as(line.series, *kind).expect("it was checked");
            let expected: Labels = serde_json::from_value(wanted["labels"].clone()).expect("a map");
            assert_eq!(labels, expected);
            if let Some(value) = wanted["v"].as_str().and_then(|value| value.parse::<f64>().ok()) {
                assert_eq!(line.value, value, "{}", line.series);
            }
        }
        family.clear();
    };
    let mut kind = MetricKind::Untyped;
    for entry in Scanner::openmetrics(page) {
        match entry.unwrap_or_else(|error| panic!("{error}")) {
            Entry::Type { name, kind: read } => {
                close(&mut family);
                let wanted = wanted_types.next().expect("fewer types");
                assert_eq!(Some(&*name), wanted["m"].as_str());
                let word = format!("{read:?}").to_lowercase().replace("untyped", "unknown");
                assert_eq!(Some(&*word), wanted["type"].as_str());
                kind = read;
            }
            Entry::Sample(line) => {
                let base = |line: &Line<'_>| {
                    family_of(parse_series_as(line.series, kind).expect("it was checked").metric_name())
                };
                if family.last().is_some_and(|(last, _)| base(last) != base(&line)) {
                    close(&mut family);
                }
                family.push((line, kind));
            }
        }
    }
    close(&mut family);
    assert_eq!((wanted_samples.next(), wanted_types.next()), (None, None));
    (samples, begun)
}

#[test]
fn openmetrics_reads_as_prometheus_reads_it() {
    let Some(folder) = cases() else { return };
    assert_eq!(check_openmetrics(&read_json(&folder, "openmetrics_valid.json")), (53, 24));
    assert_eq!(check_openmetrics(&read_json(&folder, "openmetrics_utf8_valid.json")), (10, 2));
}

#[test]
fn openmetrics_fails_where_prometheus_fails() {
    let Some(folder) = cases() else { return };
    let (mut good, mut bad) = (0, 0);
    for name in ["openmetrics_errors.json", "openmetrics_nullbyte.json"] {
        for case in read_json(&folder, name).as_array().unwrap() {
            let page = input(case);
            let shown = String::from_utf8_lossy(&page);
            let ours = match text(&page) {
                Ok(page) => Scanner::openmetrics(page).find_map(Result::err),
                Err(error) => Some(error),
            };
            match (ours, case["err"].as_str().unwrap()) {
                (None, "" | "EOF") => good += 1,
                (Some(error), upstream) if !upstream.is_empty() => {
                    println!("{shown:?}\n  upstream: {upstream}\n      ours: {error}");
                    bad += 1;
                }
                (ours, upstream) => panic!("{shown:?}: upstream says {upstream:?}, we say {ours:?}"),
            }
        }
    }
    assert_eq!((good, bad), (6, 76));
}

/// One line of a page as both readers understand it: name, labels, value, milliseconds.
type Row = (String, Vec<(String, String)>, u64, i64);

/// `prometheus-parse` gives a sample without a timestamp the moment that it is told.
const UNTIMED: i64 = 1_700_000_000_000;

fn rows_of_ours(page: &str) -> Vec<Row> {
    let row = |entry: Result<Entry<'_>, Malformed>| match entry.unwrap_or_else(|error| panic!("{page}: {error}")) {
        Entry::Type { .. } => None,
        Entry::Sample(line) => {
            let labels = parse_series_as(line.series, MetricKind::Untyped).expect("the scanner has checked it");
            let pairs = labels.without_metric_name();
            let pairs = pairs.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            let at = line.at.map_or(UNTIMED, Timestamp::millis);
            Some((labels.metric_name().to_owned(), pairs, line.value.to_bits(), at))
        }
    };
    Scanner::new(page).filter_map(row).collect()
}

fn rows_of_theirs(page: &str) -> Vec<Row> {
    let scrape = prometheus_parse::Scrape::parse(page.lines().map(|line| Ok(line.to_owned()))).expect("it never fails");
    let row = |sample: &prometheus_parse::Sample| {
        let mut pairs: Vec<_> = sample.labels.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        pairs.sort();
        let value = match sample.value {
            prometheus_parse::Value::Counter(value)
            | prometheus_parse::Value::Gauge(value)
            | prometheus_parse::Value::Untyped(value) => value,
            ref other => panic!("no such metric was generated: {other:?}"),
        };
        (sample.metric.clone(), pairs, value.to_bits(), sample.timestamp.timestamp_millis())
    };
    scrape.samples.iter().map(row).collect()
}

/// Lines that `prometheus-parse` reads right: no colon in a name, no braces without labels, no comma, `=`, `}`, quote,
/// backslash or space at an end in a value, no space between labels, no histogram or summary; always a timestamp,
/// because it takes the time of day where there is none.
fn simple_line() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        any::<i32>().prop_map(|n| n.to_string()),
        any::<f64>().prop_filter("NaN has many bits", |value| !value.is_nan()).prop_map(|n| n.to_string()),
        any::<f64>().prop_filter("finite", |value| value.is_finite()).prop_map(|n| format!("{n:e}")),
        "[+-]?[0-9]{1,25}(\\.[0-9]{0,20})?([eE][+-]?[0-9]{1,2})?",
        prop::sample::select(vec!["NaN", "nan", "+Inf", "-Inf", "Inf"]).prop_map(str::to_owned),
    ];
    let labels = prop::collection::btree_map("[a-z][a-z0-9]{0,6}", "[a-zé/:+.#][a-z ]{0,9}[a-z]", 0..5);
    let spaces = || "[ \t]{1,3}";
    let sample =
        ("[a-zA-Z_][a-zA-Z0-9_]{0,12}", labels, any::<bool>(), spaces(), value, spaces(), 0..4_000_000_000_000i64)
            .prop_map(|(name, labels, trailing, space, value, gap, at)| {
                let pairs: Vec<_> = labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
                let comma = if trailing { "," } else { "" };
                let braces = if pairs.is_empty() { String::new() } else { format!("{{{}{comma}}}", pairs.join(",")) };
                format!("{name}{braces}{space}{value}{gap}{at}")
            });
    prop_oneof![
        20 => sample,
        1 => Just(String::new()),
        1 => "# [a-z]{0,10}",
        1 => "# (HELP [a-z]{1,5} [a-z ]{0,10}|TYPE [a-z]{1,5} (counter|gauge|untyped))",
    ]
}

/// Bytes that have a chance to look like a page.
fn page_like() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "a",
            "up",
            "{",
            "}",
            "\"",
            "=",
            ",",
            "\\",
            "\n",
            "\r\n",
            " ",
            "\t",
            "1",
            "1e3",
            "NaN",
            "#",
            "# TYPE ",
            "# HELP ",
            "counter",
            "\0",
            "é",
            "_",
            ":",
            "<html>",
            "{\"a.b\",c=\"d\"} 1\n",
            "up{job=\"x\"} 1\n",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn simple_pages_read_as_another_reader_reads_them(lines in prop::collection::vec(simple_line(), 0..20)) {
        let page = lines.join("\n");
        let canonical = |mut rows: Vec<Row>| {
            for row in &mut rows {
                if f64::from_bits(row.2).is_nan() {
                    row.2 = f64::NAN.to_bits();
                }
            }
            rows
        };
        prop_assert_eq!(canonical(rows_of_ours(&page)), canonical(rows_of_theirs(&page)));
    }

    #[test]
    fn no_page_makes_it_panic_and_errors_lie_within(page in page_like()) {
        let lines = page.split(|byte| *byte == b'\n');
        let widths: Vec<_> = lines.map(|line| String::from_utf8_lossy(line).chars().count()).collect();
        let within = |error: &Malformed| {
            let width = widths.get(error.line as usize - 1);
            width.is_some_and(|width| (1..=width + 1).contains(&(error.column as usize)))
        };
        match text(&page) {
            Err(error) => prop_assert!(within(&error), "{error}"),
            Ok(page) => {
                for entry in Scanner::new(page).chain(Scanner::openmetrics(page)) {
                    match entry {
                        Err(error) if error.what.contains("# EOF") => {}
                        Err(error) => prop_assert!(within(&error), "{error}"),
                        Ok(Entry::Type { .. }) => {}
                        Ok(Entry::Sample(line)) => {
                            let labels = parse_series_as(line.series, MetricKind::Histogram);
                            prop_assert!(labels.is_ok_and(|labels| !labels.metric_name().is_empty()));
                            prop_assert!(!is_stale(line.value));
                            prop_assert_eq!(line.series.trim(), line.series);
                            prop_assert!(line.number as usize <= widths.len());
                        }
                    }
                }
            }
        }
    }
}
