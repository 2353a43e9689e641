//! Runs Prometheus's own PromQL scripts, read from the folder that `ATALAYA_TESTDATA` names.
//!
//! Of each script we run the instant queries that our parser accepts and that touch no native histogram; each is run again
//! at other moments with `@` fixing its own. Set `PROMQLTEST_LIST=1` to see what fails.

mod support;

/// Scripts, and how many of their queries have to pass at least. What is missing from all of a script is a known gap:
/// queries over a range, native histograms, and what `unsupported` refuses.
///
/// Prometheus's scripts expect names to be dropped at the end of a query; we drop them at once, as a Prometheus without
/// feature flags does. What depends on the difference fails (`name_label_dropping`, `type_and_unit`).
const SCRIPTS: [(&str, usize); 21] = [
    ("aggregators", 87),
    ("at_modifier", 51),
    ("collision", 2),
    ("duration_expression", 22),
    ("extended_vectors", 25),
    ("fill-modifier", 30),
    ("functions", 198),
    ("histograms", 76),
    ("info", 0),
    ("limit", 0),
    ("literals", 20),
    ("name_label_dropping", 16),
    ("native_histograms", 2),
    ("operators", 75),
    ("range_queries", 3),
    ("selectors", 23),
    ("staleness", 12),
    ("start_timestamps", 0),
    ("subquery", 28),
    ("trig_functions", 15),
    ("type_and_unit", 48),
];

#[test]
fn prometheus_scripts_pass() {
    script::check(&SCRIPTS);
}

#[test]
fn every_query_parses() {
    script::check_syntax(&SCRIPTS);
}

/// Reads and runs scripts.
#[expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a script that we cannot read fails, and counts are the result"
)]
mod script {
    use std::time::Duration;

    use atalaya::model::{Labels, MatchOp, Matcher, Sample, TargetId, Timestamp, parse_duration, stale_nan};
    use atalaya::promql::{At, Element, Expr, ExprKind, RangeElement, Value, evaluate, parse, parse_any, selectors};
    use atalaya::store::{Append, Origin, Store};

    use crate::support::testdata;

    /// Runs scripts, each of which has a number of queries that have to pass.
    pub(super) fn check(scripts: &[(&str, usize)]) {
        let Some(folder) = testdata("promqltest") else { return };
        let lists = std::env::var("PROMQLTEST_LIST").is_ok_and(|value| value == "1");
        let (mut passed, mut all) = (0, 0);
        let mut missed = Vec::new();
        for (script, floor) in scripts {
            let text = std::fs::read_to_string(folder.join(format!("{script}.test"))).unwrap();
            let mut run = Run::new();
            for block in blocks(&text) {
                run.block(&block);
            }
            let Skipped { range, value, syntax } = run.skipped;
            let total = run.passed + run.failures.len() + range + value + syntax;
            println!(
                "{script}.test: {} of {total} pass, {} fail; not run: {:?}",
                run.passed,
                run.failures.len(),
                run.skipped
            );
            if lists {
                run.failures.iter().take(20).for_each(|failure| println!("  {failure}"));
            }
            if run.passed < *floor {
                missed.push(format!("{script}: {} passed, not {floor}; first: {:?}", run.passed, run.failures.first()));
            }
            passed += run.passed;
            all += total;
        }
        println!("all scripts: {passed} of {all} pass");
        assert!(missed.is_empty(), "{}", missed.join("\n"));
    }

    /// Parses every query of scripts, and what is printed of it.
    pub(super) fn check_syntax(scripts: &[(&str, usize)]) {
        let Some(folder) = testdata("promqltest") else { return };
        let mut count = 0;
        for (script, _) in scripts {
            let text = std::fs::read_to_string(folder.join(format!("{script}.test"))).unwrap();
            for source in blocks(&text).iter().filter_map(|block| query_of(block[0])) {
                let expr = parse_any(source).unwrap_or_else(|error| panic!("{script}: {source}: {error}"));
                let printed = expr.to_string();
                assert_eq!(parse_any(&printed), Ok(expr), "{script}: {source} is printed as {printed}");
                count += 1;
            }
        }
        println!("{count} queries parse");
        assert_eq!(count, 1665);
    }

    /// The expression of a command, if it evaluates one.
    fn query_of(line: &str) -> Option<&str> {
        let (command, rest) = line.split_once(char::is_whitespace)?;
        let rest = rest.trim();
        let words = match rest.split_once(char::is_whitespace)?.0 {
            "instant" => 3,
            "range" => 7,
            _ => return None,
        };
        command.starts_with("eval").then(|| {
            (0..words)
                .fold(rest, |rest, _| rest.split_once(char::is_whitespace).map_or("", |(_, rest)| rest.trim_start()))
        })
    }

    /// Commands with the lines that belong to them. An empty line or a comment ends one, and so does the next command.
    fn blocks(text: &str) -> Vec<Vec<&str>> {
        let mut blocks: Vec<Vec<&str>> = Vec::new();
        let mut is_open = false;
        for line in text.lines().map(str::trim) {
            let is_command = ["clear", "load", "eval"].iter().any(|command| line.starts_with(command));
            match blocks.last_mut() {
                _ if line.is_empty() || line.starts_with('#') => is_open = false,
                Some(block) if is_open && !is_command => block.push(line),
                _ => {
                    blocks.push(vec![line]);
                    is_open = true;
                }
            }
        }
        blocks
    }

    /// A script under way.
    struct Run {
        store: Store,
        /// Names of metrics that have native histograms or start timestamps among their samples.
        native: Vec<String>,
        passed: usize,
        failures: Vec<String>,
        skipped: Skipped,
    }

    /// Queries that are not run, by reason.
    #[derive(Debug, Default)]
    struct Skipped {
        /// Ranges of moments, for which we have no evaluation.
        range: usize,
        /// Native histograms and start timestamps.
        value: usize,
        /// Features that are refused.
        syntax: usize,
    }

    impl Run {
        fn new() -> Self {
            Self {
                store: everything(),
                native: Vec::new(),
                passed: 0,
                failures: Vec::new(),
                skipped: Skipped::default(),
            }
        }

        fn block(&mut self, lines: &[&str]) {
            let (command, rest) = lines[0].split_once(char::is_whitespace).unwrap_or((lines[0], ""));
            match command {
                "clear" => {
                    self.store = everything();
                    self.native.clear();
                }
                "load" | "load_with_nhcb" => self.load(rest, &lines[1..], command == "load_with_nhcb"),
                _ if rest.starts_with("instant at ") => {
                    let (at, source) = rest["instant at ".len()..].trim().split_once(' ').unwrap();
                    self.eval(command, millis(at), source.trim(), &lines[1..]);
                }
                _ => self.skipped.range += 1,
            }
        }

        fn load(&mut self, step: &str, lines: &[&str], as_native_too: bool) {
            let step = millis(step.trim());
            let mut loaded: Vec<(Labels, Vec<Option<f64>>)> = Vec::new();
            for line in lines {
                let (series, values) = split_series(line);
                if let Some(series) = series.strip_suffix("@st") {
                    self.native.push(labels_of(series).metric_name().to_owned());
                    continue;
                }
                let labels = labels_of(series);
                if values.contains("{{") {
                    self.native.push(labels.metric_name().to_owned());
                }
                if as_native_too {
                    let name = labels.metric_name();
                    let suffix = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
                    self.native.extend(suffix.map(str::to_owned));
                }
                // A series that comes twice in one load has the later samples.
                loaded.retain(|(other, _)| *other != labels);
                loaded.push((labels, expand(values)));
            }
            for (labels, values) in loaded {
                let id = self.store.series_for(&labels, &Origin::Scraped(TargetId::new("script"))).unwrap();
                for (at, value) in (0..).zip(values) {
                    let Some(value) = value else { continue };
                    let appended = self.store.append(id, Sample { at: Timestamp::from_millis(at * step), value });
                    assert_eq!(appended, Append::Stored, "{labels}");
                }
            }
        }

        fn eval(&mut self, command: &str, at: i64, source: &str, lines: &[&str]) {
            let fails = command == "eval_fail" || lines.iter().any(|line| line.starts_with("expect fail"));
            let is_ordered = command == "eval_ordered" || lines.contains(&"expect ordered");
            if lines.iter().any(|line| line.contains("{{")) {
                self.skipped.value += 1;
                return;
            }
            let found = match parse(source) {
                Err(error) if error.what.ends_with("is not supported yet") => {
                    self.skipped.syntax += 1;
                    return;
                }
                Err(error) => Err(error.to_string()),
                Ok(expr) if self.touches_native(&expr) => {
                    self.skipped.value += 1;
                    return;
                }
                Ok(expr) => evaluate(&expr, &self.store, Timestamp::from_millis(at))
                    .map_err(|error| error.to_string())
                    .and_then(|value| self.is_fixed_by_at(&expr, at, &value).map(|()| value)),
            };
            let verdict = match found {
                Err(error) if fails => expected_message(lines, &error),
                Err(error) => Err(error),
                Ok(value) if fails => Err(format!("must fail, but is {value:?}")),
                Ok(value) => compare(&value, lines, is_ordered),
            };
            match verdict {
                Ok(()) => self.passed += 1,
                Err(why) => self.failures.push(format!("{source} at {at} ms: {why}")),
            }
        }

        /// Evaluates an expression at other moments, with `@` fixing its own: the value must be the same.
        fn is_fixed_by_at(&self, expr: &Expr, at: i64, value: &Value) -> Result<(), String> {
            let mut fixed = expr.clone();
            if !fix(&mut fixed, At::Time(Timestamp::from_millis(at))) {
                return Ok(());
            }
            for other in [at - 60_000, at - 1, at + 1, at + 1_000_000, 0] {
                let found = evaluate(&fixed, &self.store, Timestamp::from_millis(other));
                let is_same = found.as_ref().is_ok_and(|found| format!("{found:?}") == format!("{value:?}"));
                if !is_same {
                    return Err(format!("{fixed} at {other} ms is {found:?}, not {value:?}"));
                }
            }
            Ok(())
        }

        fn touches_native(&self, expr: &Expr) -> bool {
            let selects = |matchers: &[Matcher], name: &str| {
                matchers
                    .iter()
                    .filter(|matcher| &*matcher.name == "__name__")
                    .all(|matcher| matcher.matches_value(name))
            };
            selectors(expr).iter().any(|used| self.native.iter().any(|name| selects(&used.matchers, name)))
        }
    }

    /// Puts `@` where there is none; false when that does not fix the value, which then depends on the moment anyway.
    fn fix(expr: &mut Expr, at: At) -> bool {
        match &mut expr.kind {
            ExprKind::Number(_) | ExprKind::Text(_) | ExprKind::Bytes(_) => true,
            ExprKind::Selector(selector) | ExprKind::Range { selector, .. } => {
                selector.shift.at.get_or_insert(at);
                matches!(selector.shift.at, Some(At::Time(_)))
            }
            ExprKind::Subquery(subquery) => {
                subquery.shift.at.get_or_insert(at);
                matches!(subquery.shift.at, Some(At::Time(_))) && !subquery.expr.to_string().contains("@ ")
            }
            ExprKind::Call(call) => {
                let is_unsafe = call.function().is_unsafe_under_at() || matches!(call.name(), "start" | "end");
                call.args.iter_mut().all(|arg| fix(arg, at)) && !is_unsafe
            }
            ExprKind::Aggregate(aggregation) => {
                aggregation.param.iter_mut().all(|param| fix(param, at)) && fix(&mut aggregation.expr, at)
            }
            ExprKind::Binary(operation) => fix(&mut operation.left, at) && fix(&mut operation.right, at),
            ExprKind::Negate(inner) | ExprKind::Paren(inner) => fix(inner, at),
        }
    }

    /// A store that keeps whatever comes.
    fn everything() -> Store {
        let mut store = Store::new();
        let any = Matcher::new("__name__", MatchOp::Regex, ".*").unwrap();
        store.register(&[any], Duration::from_secs(1 << 40));
        store
    }

    fn millis(text: &str) -> i64 {
        let duration = parse_duration(text).unwrap_or_else(|_| Duration::from_secs_f64(text.parse().unwrap()));
        i64::try_from(duration.as_millis()).unwrap()
    }

    /// A series and what stands behind it.
    fn split_series(line: &str) -> (&str, &str) {
        let mut is_quoted = false;
        let mut is_braced = false;
        let end = line.find(|c: char| {
            match c {
                '"' => is_quoted = !is_quoted,
                '{' if !is_quoted => is_braced = true,
                '}' if !is_quoted => is_braced = false,
                c => return c.is_whitespace() && !is_quoted && !is_braced,
            }
            false
        });
        let (series, values) = line.split_at(end.unwrap_or(line.len()));
        (series, values.trim())
    }

    fn labels_of(series: &str) -> Labels {
        match parse(series).map(|expr| expr.kind) {
            Ok(ExprKind::Selector(selector)) => Labels::from_pairs(
                selector.matchers.iter().map(|matcher| (matcher.name.clone(), matcher.value.clone())),
            ),
            _ if series == "{}" => Labels::empty(),
            other => panic!("{series}: {other:?}"),
        }
    }

    /// The values of a series; `None` is a gap, and so is a native histogram.
    fn expand(values: &str) -> Vec<Option<f64>> {
        let mut expanded = Vec::new();
        let mut rest = values;
        while !rest.is_empty() {
            let mut depth = 0;
            let end = rest.find(|c: char| {
                depth += i32::from(c == '{') - i32::from(c == '}');
                depth == 0 && c.is_whitespace()
            });
            let (token, after) = rest.split_at(end.unwrap_or(rest.len()));
            expand_token(token, &mut expanded);
            rest = after.trim_start();
        }
        expanded
    }

    fn expand_token(token: &str, expanded: &mut Vec<Option<f64>>) {
        let (head, times) = match token.rsplit_once('x') {
            Some((head, times)) if !times.ends_with('}') => (head, times.parse::<usize>().ok()),
            _ => (token, None),
        };
        if head.starts_with("{{") {
            expanded.extend(std::iter::repeat_n(None, times.map_or(1, |times| times + 1)));
        } else if head == "_" {
            expanded.extend(std::iter::repeat_n(None, times.unwrap_or(1)));
        } else if head == "stale" {
            expanded.push(Some(stale_nan()));
        } else {
            let (start, step) = start_and_step(head);
            let mut value = start;
            for _ in 0..=times.unwrap_or(0) {
                expanded.push(Some(value));
                value += step;
            }
        }
    }

    /// `1-2` is 1 and -2; `1e-5` is a number.
    fn start_and_step(text: &str) -> (f64, f64) {
        if let Ok(value) = text.parse() {
            return (value, 0.0);
        }
        let signs = text.char_indices().skip(1).filter(|(_, c)| matches!(c, '+' | '-'));
        let parts = signs.filter_map(|(at, _)| Some((text[..at].parse().ok()?, text[at..].parse().ok()?)));
        parts.last().unwrap_or_else(|| panic!("{text} is no value"))
    }

    fn expected_message(lines: &[&str], error: &str) -> Result<(), String> {
        let wanted = lines.iter().find_map(|line| line.strip_prefix("expect fail")?.trim().strip_prefix("msg:"));
        match wanted.map(str::trim) {
            Some(wanted) if !error.starts_with(wanted) => Err(format!("fails with {error:?}, not with {wanted:?}")),
            _ => Ok(()),
        }
    }

    /// Whether a value is what the lines of a query expect.
    fn compare(value: &Value, lines: &[&str], is_ordered: bool) -> Result<(), String> {
        let text = lines.iter().find_map(|line| line.strip_prefix("expect string "));
        let moments = lines.iter().find_map(|line| line.strip_prefix("expect range vector from "));
        let lines: Vec<&str> = lines.iter().copied().filter(|line| !line.starts_with("expect ")).collect();
        let is_right = match value {
            Value::String(found) => {
                text.is_some_and(|text| parse(text).is_ok_and(|text| text.kind == ExprKind::Text(found.clone())))
            }
            Value::Scalar(found) => matches!(lines.as_slice(), [only] if almost_equal(*found, only.parse().unwrap())),
            Value::Vector(found) => {
                let wanted = lines.iter().map(|line| {
                    let (series, value) = split_series(line);
                    Element { labels: labels_of(series), value: value.parse().unwrap() }
                });
                same_elements(found, wanted.collect(), is_ordered)
            }
            Value::Matrix(found) => moments.is_some_and(|moments| same_ranges(found, &lines, moments)),
        };
        if is_right { Ok(()) } else { Err(format!("is {value:?}, not {lines:?}")) }
    }

    fn same_elements(found: &[Element], mut wanted: Vec<Element>, is_ordered: bool) -> bool {
        let mut found = found.to_vec();
        if !is_ordered {
            found.sort_by(|a, b| a.labels.cmp(&b.labels));
            wanted.sort_by(|a, b| a.labels.cmp(&b.labels));
        }
        found.len() == wanted.len()
            && found.iter().zip(&wanted).all(|(a, b)| a.labels == b.labels && almost_equal(a.value, b.value))
    }

    /// Whether ranges are what lines expect, whose values are `10s to 1m step 10s`.
    fn same_ranges(found: &[RangeElement], lines: &[&str], moments: &str) -> bool {
        let words: Vec<&str> = moments.split_whitespace().collect();
        let [start, "to", _, "step", step] = words.as_slice() else { panic!("{moments}") };
        let mut wanted: Vec<RangeElement> = Vec::new();
        for line in lines {
            let (series, values) = split_series(line);
            let samples = (0..).zip(expand(values)).filter_map(|(at, value)| {
                let at = Timestamp::from_millis(millis(start) + at * millis(step));
                value.map(|value| Sample { at, value })
            });
            wanted.push(RangeElement { labels: labels_of(series), samples: samples.collect() });
        }
        wanted.sort_by(|a, b| a.labels.cmp(&b.labels));
        found == wanted
    }

    fn almost_equal(a: f64, b: f64) -> bool {
        const EPSILON: f64 = 1e-6;
        a == b || a.is_nan() && b.is_nan() || (a - b).abs() <= EPSILON * (a.abs() + b.abs()).min(f64::MAX)
    }
}
