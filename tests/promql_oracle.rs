//! Holds our parser to Prometheus's own parser tests, read from the folder that `ATALAYA_TESTDATA` names, and to another
//! parser of PromQL.

mod support;

use atalaya::promql::{parse_any, type_of};

#[derive(serde::Deserialize)]
struct Input {
    input: String,
    fail: bool,
}

/// Prometheus's parser tests; `None`, said aloud, when they are not there and need not be.
fn inputs() -> Option<Vec<Input>> {
    let text = std::fs::read_to_string(support::testdata("promqltest/parser_parse_test_inputs.json")?);
    Some(serde_json::from_str(&text.expect("the inputs are readable")).expect("the inputs are JSON"))
}

/// Two inputs contain bytes that are not UTF-8, which JSON cannot carry: what arrives stands for that byte. Our expressions
/// are UTF-8 by their type, so those are refused before they are parsed.
fn as_utf8(input: &str) -> Option<&str> {
    let bytes: Vec<u8> = input.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect();
    let is_damaged = input.contains('ÿ') && std::str::from_utf8(&bytes).is_err();
    (!is_damaged).then_some(input)
}

#[test]
fn agrees_with_prometheus_on_its_parser_tests() {
    let Some(inputs) = inputs() else { return };
    let (mut parsed, mut refused) = (0, 0);
    let mut wrong = Vec::new();
    for Input { input, fail } in &inputs {
        match (as_utf8(input).map(parse_any), fail) {
            (Some(Ok(_)), false) => parsed += 1,
            (None | Some(Err(_)), true) => refused += 1,
            (Some(Ok(expr)), true) => wrong.push(format!("{input:?} must fail, but is {expr}")),
            (Some(Err(error)), false) => wrong.push(format!("{input:?} is valid, but: {error}")),
            (None, false) => wrong.push(format!("{input:?} is valid, but no UTF-8")),
        }
    }
    println!("{parsed} valid inputs parsed, {refused} invalid ones refused");
    assert!(wrong.is_empty(), "{} of {} wrong:\n{}", wrong.len(), inputs.len(), wrong.join("\n"));
    assert_eq!((parsed, refused), (206, 148));
}

#[test]
fn what_is_printed_parses_to_the_same() {
    let Some(inputs) = inputs() else { return };
    for Input { input, .. } in &inputs {
        let Ok(expr) = parse_any(input) else { continue };
        let printed = expr.to_string();
        let again = parse_any(&printed).unwrap_or_else(|error| panic!("{input:?} is printed as {printed:?}: {error}"));
        assert_eq!(again.to_string(), printed, "{input:?}");
        assert_eq!(type_of(&again), type_of(&expr), "{input:?}");
        assert_eq!(again, expr, "{input:?} is printed as {printed:?}");
    }
}

/// Expressions as rules have them, valid and not. The other parser knows no places and few reasons, but it has been read
/// against Prometheus's grammar by others.
const ORDINARY: &[&str] = &[
    "up == 0",
    "up{job=\"node\"} == 0",
    "sum by (job) (rate(http_requests_total{code=~\"5..\"}[5m])) / sum by (job) (rate(http_requests_total[5m])) > 0.05",
    "histogram_quantile(0.95, sum by (le, service) (rate(http_request_duration_seconds_bucket[5m]))) > 0.3",
    "absent(up{job=\"api\"})",
    "predict_linear(node_filesystem_avail_bytes{fstype!~\"tmpfs|overlay\"}[6h], 4 * 3600) < 0",
    "(node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes) * 100 < 10",
    "increase(kube_pod_container_status_restarts_total[15m]) > 3",
    "time() - process_start_time_seconds < 300",
    "kube_deployment_spec_replicas != kube_deployment_status_replicas_available",
    "sum without (instance) (up) < 2 and on (job) changes(up[10m]) > 0",
    "node_cpu_seconds_total * on (instance) group_left (nodename) node_uname_info",
    "rate(x_total[5m] offset 1w) > bool 1",
    "max_over_time(rate(x_total[5m])[1h:30s]) > 10",
    "topk(5, sum by (pod) (container_memory_working_set_bytes))",
    "count by (version) (count_values(\"version\", build_info))",
    "label_replace(up, \"host\", \"$1\", \"instance\", \"(.*):.*\")",
    "-x ^ 2 + y % 3",
    "a unless b or c and d",
    "quantile_over_time(0.9, x[1d]) > on () group_left () vector(3)",
    "1 - avg by (instance) (rate(node_cpu_seconds_total{mode=\"idle\"}[5m]))",
    "job:slo_errors:ratio_rate5m{slo=\"x\"} > (14.4 * 0.001)",
    "{__name__=~\"job:.+\"}",
    "vector(1)",
    "5m",
    "sum(rate(x[5m])) by (job",
    "rate(x)",
    "sum by job (x)",
    "x{a=b}",
    "x[5m",
    "x >",
    "and x",
    "x[5m] > 1",
    "rate(x[5m]",
    "frobnicate(x)",
    "x{a=~\"(\"}",
    "1 > 2",
    "x and 1",
    "",
];

#[test]
fn agrees_with_another_parser_on_ordinary_rules() {
    for source in ORDINARY {
        let (ours, theirs) = (parse_any(source), promql_parser::parser::parse(source));
        assert_eq!(ours.is_ok(), theirs.is_ok(), "{source}: ours {ours:?}, theirs {theirs:?}");
        let (Ok(ours), Ok(theirs)) = (ours, theirs) else { continue };
        let ours_read_by_them = promql_parser::parser::parse(&ours.to_string());
        assert_eq!(ours_read_by_them.as_ref(), Ok(&theirs), "{source} is printed as {ours}");
    }
}

/// Pieces of expressions; put together at random they are mostly wrong, and sometimes not.
const PIECES: &[&str] = &[
    "up",
    "{a=\"b\"}",
    "(",
    ")",
    "[5m]",
    "[1h:1m]",
    "offset",
    "-",
    "+",
    "*",
    "^",
    "and",
    "or",
    "==",
    "bool",
    "on",
    "(a)",
    "group_left",
    "sum",
    "by",
    "topk",
    "rate",
    "abs",
    ",",
    "1",
    "5m",
    "'x'",
    "inf",
    "é",
    "\\",
    "@",
    "step()",
    "smoothed",
    "fill (0)",
    "#",
    "\n",
    "{",
    "}",
];

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config { failure_persistence: None, ..Default::default() })]

    #[test]
    fn nothing_makes_it_panic(pieces in proptest::collection::vec(proptest::sample::select(PIECES), 0..12), end in ".{0,3}") {
        let source = pieces.join(" ") + &end;
        match parse_any(&source) {
            Ok(expr) => {
                let printed = expr.to_string();
                let again = parse_any(&printed);
                proptest::prop_assert_eq!(again.as_ref(), Ok(&expr), "{}", printed);
                proptest::prop_assert!(source.get(expr.span.start as usize..expr.span.end as usize).is_some());
            }
            Err(error) => {
                proptest::prop_assert!(source.get(error.span.start as usize..error.span.end as usize).is_some());
                proptest::prop_assert!(error.render(&source).contains('^'));
            }
        }
    }
}
