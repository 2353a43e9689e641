//! Files of tests for rules, as `promtool test rules` reads them.
//!
//! What is wrong with the form of a file refuses it as a whole. What is wrong with what a test says fails that test alone,
//! since others may be run without it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::model::{ALERT_NAME, Labels, Problem, Problems, Timestamp, is_glob};
use crate::promql::{self, ParseError, SampleValue, ValueType};
use crate::rule::{AnnotateContext, Rule, RuleGroup};
use crate::unit_test::{AlertTest, ExpectedAlert, ExpectedSample, ExprTest, InputSeries, Test, TestFile};

use super::expression::{expression, kind_of};
use super::files::{Files, glob, plain};
use super::place::{Sheet, Spanned};
use super::raw::{Pairs, Text};
use super::read::{RawRules, read_error};
use super::rule_options::RuleOptions;
use super::rules::{self, Defaults};
use super::test_raw::{
    RawAlertTest, RawExpectedAlert, RawExpectedSample, RawExprTest, RawInputSeries, RawTest, RawTestFile,
};
use super::value::duration;

/// How far evaluations are apart unless the file says.
const EVALUATION_INTERVAL: Duration = Duration::from_secs(60);

/// What is as the command says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TestFileOptions {
    /// Whether settings of rule files that nobody knows are ignored.
    pub ignores_unknown_fields: bool,
}

/// Reads a file of tests and the rule files that it names. The error has everything that is wrong with its form.
pub fn read_test_file(path: &Path, files: Files<'_>, options: TestFileOptions) -> Result<TestFile, Problems> {
    let mut sheet = match (files.read)(path) {
        Ok(text) => Sheet::new(path.display().to_string(), text),
        Err(error) => {
            let mut sheet = Sheet::new(path.display().to_string(), String::new());
            sheet.note(super::place::Spot::default(), "", read_error(&error));
            return Err(Problems(sheet.take_problems()));
        }
    };
    sheet.is_open = true;
    let tree = sheet.grow();
    let raw: RawTestFile = sheet.fill(&tree).unwrap_or_default();
    let form = Form::check(&mut sheet, &raw);
    let directory = path.parent().map(Path::to_path_buf).unwrap_or_default();
    let (paths, warnings) = rule_files(&mut sheet, raw.rule_files.as_deref().unwrap_or_default(), &directory, files);
    let problems = sheet.take_problems();
    if !problems.is_empty() {
        return Err(Problems(problems));
    }
    let (groups, rule_problems) = read_rules(paths, &form, files, options);
    let tests = raw.tests.iter().flatten().zip(form.tests);
    let tests = tests.enumerate().map(|(number, (raw, form))| test(&mut sheet, number, raw, form)).collect();
    Ok(TestFile {
        groups,
        rule_problems,
        warnings,
        evaluation_interval: form.evaluation_interval,
        group_eval_order: form.group_eval_order,
        is_fuzzy: raw.fuzzy_compare.unwrap_or_default(),
        tests,
    })
}

/// What belongs to the form of a file: the times.
struct Form {
    evaluation_interval: Duration,
    group_eval_order: Vec<String>,
    tests: Vec<TestForm>,
}

/// The times of a test, in the order in which they are written.
struct TestForm {
    interval: Duration,
    start: Timestamp,
    alerts: Vec<Duration>,
    exprs: Vec<Duration>,
}

impl Form {
    fn check(sheet: &mut Sheet, raw: &RawTestFile) -> Self {
        let own = duration(sheet, "evaluation_interval", raw.evaluation_interval.as_ref());
        let evaluation_interval = own.filter(|it| !it.is_zero()).unwrap_or(EVALUATION_INTERVAL);
        let mut group_eval_order: Vec<String> = Vec::new();
        for name in raw.group_eval_order.iter().flatten() {
            if group_eval_order.contains(&name.value) {
                sheet.note(name, "group_eval_order", format!("the group `{}` stands above in this list", name.value));
            }
            group_eval_order.push(name.value.clone());
        }
        let tests = raw.tests.iter().flatten().enumerate();
        let tests = tests.map(|(number, raw)| TestForm::check(sheet, number, &raw.value, evaluation_interval));
        let tests = tests.collect();
        Self { evaluation_interval, group_eval_order, tests }
    }
}

impl TestForm {
    fn check(sheet: &mut Sheet, number: usize, raw: &RawTest, evaluation_interval: Duration) -> Self {
        let path = path_of(number, raw);
        let own = duration(sheet, &format!("{path}.interval"), raw.interval.as_ref());
        let mut time = |list: &str, at: usize, text: Option<&Text>| {
            duration(sheet, &format!("{path}.{list}[{at}].eval_time"), text).unwrap_or_default()
        };
        let alerts = raw.alert_rule_test.iter().flatten().enumerate();
        let alerts = alerts.map(|(at, raw)| time("alert_rule_test", at, raw.value.eval_time.as_ref())).collect();
        let exprs = raw.promql_expr_test.iter().flatten().enumerate();
        let exprs = exprs.map(|(at, raw)| time("promql_expr_test", at, raw.value.eval_time.as_ref())).collect();
        let start = raw.start_timestamp.as_ref().map_or(Some(Timestamp::default()), |text| moment(&text.value));
        if let (None, Some(text)) = (start, &raw.start_timestamp) {
            let what = format!("`{}` is no moment", text.value);
            sheet.note(text, &format!("{path}.start_timestamp"), what).hint =
                Some("write seconds since 1970, or RFC 3339 like `2024-01-01T00:00:00Z`".to_owned());
        }
        Self {
            interval: own.filter(|it| !it.is_zero()).unwrap_or(evaluation_interval),
            start: start.unwrap_or_default(),
            alerts,
            exprs,
        }
    }
}

/// A moment in seconds since the epoch, or in RFC 3339.
fn moment(text: &str) -> Option<Timestamp> {
    match text.parse::<f64>() {
        Ok(seconds) => seconds.is_finite().then(|| Timestamp::from_seconds(seconds)),
        Err(_) => text.parse::<jiff::Timestamp>().ok().map(|at| Timestamp::from_millis(at.as_millisecond())),
    }
}

/// The rule files that are meant, and what is said about entries that mean none.
fn rule_files(sheet: &mut Sheet, names: &[Text], directory: &Path, files: Files<'_>) -> (Vec<PathBuf>, Vec<String>) {
    let (mut paths, mut warnings) = (Vec::new(), Vec::new());
    for (index, name) in names.iter().enumerate() {
        let meant = match is_glob(&name.value) {
            true => glob(&name.value, directory, files),
            false => Ok(vec![name.value.clone()]),
        };
        let meant = match meant {
            Ok(meant) => meant,
            Err(what) => {
                sheet.note(name, &format!("rule_files[{index}]"), what);
                continue;
            }
        };
        let before = paths.len();
        let meant = meant.iter().map(|file| plain(&directory.join(file)));
        let is_there = |path: &PathBuf| !name.value.is_empty() && (is_glob(&name.value) || exists(path, files));
        paths.extend(meant.filter(is_there));
        if paths.len() == before {
            let place = sheet.place(name);
            warnings.push(format!("{place}: rule_files[{index}]: no file is called `{}`", name.value));
        }
    }
    let mut seen = BTreeSet::new();
    paths.retain(|path| seen.insert(path.clone()));
    (paths, warnings)
}

fn exists(path: &Path, files: Files<'_>) -> bool {
    !(files.read)(path).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}

/// The groups of the rule files, and what is wrong with them.
fn read_rules(
    paths: Vec<PathBuf>,
    form: &Form,
    files: Files<'_>,
    options: TestFileOptions,
) -> (Vec<RuleGroup>, Vec<Problem>) {
    let no_options = RuleOptions::default();
    let defaults = Defaults { interval: form.evaluation_interval, query_offset: Duration::ZERO, options: &no_options };
    let (mut groups, mut problems) = (Vec::new(), Vec::new());
    for path in paths {
        let name = path.display().to_string();
        let mut sheet;
        match (files.read)(&path) {
            Ok(text) => {
                sheet = Sheet::new(name.clone(), text);
                sheet.ignores_unknown = options.ignores_unknown_fields;
                let tree = sheet.grow();
                let mut raw = RawRules::new(&name, &path, sheet, &tree);
                groups.extend(rules::check(&mut raw, &defaults));
                sheet = raw.sheet;
            }
            Err(error) => {
                sheet = Sheet::new(name, String::new());
                sheet.note(super::place::Spot::default(), "", read_error(&error));
            }
        }
        problems.extend(sheet.take_problems());
    }
    for rule in groups.iter_mut().flat_map(|group| &mut group.rules) {
        let expr = match rule {
            Rule::Alert(rule) => &mut rule.expr,
            Rule::Record(rule) => &mut rule.expr,
        };
        expr.fill_subquery_steps(form.evaluation_interval);
    }
    (groups, problems)
}

fn path_of(number: usize, raw: &RawTest) -> String {
    match raw.name.as_ref().filter(|name| !name.value.is_empty()) {
        Some(name) => format!("tests[{}]", name.value),
        None => format!("tests[{number}]"),
    }
}

/// A test, with what is wrong with it.
fn test(sheet: &mut Sheet, number: usize, raw: &Spanned<RawTest>, form: TestForm) -> Test {
    let path = path_of(number, &raw.value);
    let place = sheet.place(raw);
    let RawTest { name, external_labels, external_url, input_series, alert_rule_test, promql_expr_test, .. } =
        &raw.value;
    let text = |text: &Option<Text>| text.as_ref().map_or_else(String::new, |text| text.value.clone());
    let external_labels = external_labels.iter().flat_map(|pairs| &pairs.0);
    let external_labels: Labels =
        external_labels.map(|pair| (pair.name.value.as_str(), pair.value.value.as_str())).collect();
    let series = series(sheet, &path, input_series.as_deref().unwrap_or_default());
    let alerts = alert_rule_test.iter().flatten().zip(form.alerts).enumerate();
    let alerts =
        alerts.filter_map(|(at, (raw, time))| alert_test(sheet, &format!("{path}.alert_rule_test[{at}]"), raw, time));
    let alerts = alerts.collect();
    let exprs = promql_expr_test.iter().flatten().zip(form.exprs).enumerate();
    let exprs =
        exprs.filter_map(|(at, (raw, time))| expr_test(sheet, &format!("{path}.promql_expr_test[{at}]"), raw, time));
    let exprs = exprs.collect();
    Test {
        name: text(name),
        number,
        place,
        problems: sheet.take_problems(),
        interval: form.interval,
        start: form.start,
        context: AnnotateContext { external_labels, external_url: text(external_url) },
        series,
        alerts,
        exprs,
    }
}

/// The series of a test. Of two with the same labels the later one holds, as in promtool.
fn series(sheet: &mut Sheet, path: &str, raw: &[Spanned<RawInputSeries>]) -> Vec<InputSeries> {
    let mut all: Vec<InputSeries> = Vec::with_capacity(raw.len());
    let mut places: BTreeMap<Labels, usize> = BTreeMap::new();
    for (index, raw) in raw.iter().enumerate() {
        let path = format!("{path}.input_series[{index}]");
        let Some(series) = one_series(sheet, &path, raw) else { continue };
        match places.get(&series.labels) {
            Some(place) => all[*place] = series,
            None => {
                places.insert(series.labels.clone(), all.len());
                all.push(series);
            }
        }
    }
    all
}

fn one_series(sheet: &mut Sheet, path: &str, raw: &Spanned<RawInputSeries>) -> Option<InputSeries> {
    let RawInputSeries { series, values } = &raw.value;
    let Some(series) = series else {
        sheet.note(raw, path, "there is no `series`");
        return None;
    };
    // Both make one text: a series and its values.
    let values_text = values.as_ref().map_or("", |values| values.value.as_str());
    let text = format!("{} {values_text}", series.value);
    let read = promql::parse_series(&series.value).and_then(|_| promql::parse_series(&text));
    match read {
        Ok((labels, values)) => Some(InputSeries { labels, values }),
        Err(error) => {
            let behind = series.value.len() + 1;
            let start = error.span.start as usize;
            match values.as_ref().filter(|_| start >= behind) {
                Some(values) => note(sheet, values, behind, &format!("{path}.values"), error),
                None => note(sheet, series, 0, &format!("{path}.series"), error),
            }
            None
        }
    }
}

/// Notes an error in a text that begins so many bytes before what was read.
fn note(sheet: &mut Sheet, text: &Text, skipped: usize, path: &str, error: ParseError) {
    let within = |at: u32| (at as usize).saturating_sub(skipped).min(text.value.len());
    let piece: Range<usize> = within(error.span.start)..within(error.span.end);
    sheet.note_within(text, piece, path, error.what).hint = error.hint;
}

fn alert_test(sheet: &mut Sheet, path: &str, raw: &Spanned<RawAlertTest>, at: Duration) -> Option<AlertTest> {
    let RawAlertTest { alertname, exp_alerts, .. } = &raw.value;
    let Some(name) = alertname.as_ref().filter(|name| !name.value.is_empty()) else {
        sheet.note(raw, path, "there is no `alertname`");
        return None;
    };
    let expected = exp_alerts.iter().flatten().map(|raw| expected_alert(&raw.value, &name.value)).collect();
    Some(AlertTest { place: sheet.place(raw), at, name: name.value.clone(), expected })
}

fn expected_alert(raw: &RawExpectedAlert, name: &str) -> ExpectedAlert {
    let texts = |pairs: &Option<Pairs>| -> BTreeMap<String, String> {
        let pairs = pairs.iter().flat_map(|pairs| &pairs.0);
        pairs.map(|pair| (pair.name.value.clone(), pair.value.value.clone())).collect()
    };
    let mut labels = texts(&raw.exp_labels);
    labels.insert(ALERT_NAME.to_owned(), name.to_owned());
    ExpectedAlert { labels, annotations: texts(&raw.exp_annotations) }
}

fn expr_test(sheet: &mut Sheet, path: &str, raw: &Spanned<RawExprTest>, at: Duration) -> Option<ExprTest> {
    let RawExprTest { expr, exp_samples, .. } = &raw.value;
    let samples = exp_samples.iter().flatten().enumerate();
    let samples =
        samples.filter_map(|(index, raw)| expected_sample(sheet, &format!("{path}.exp_samples[{index}]"), &raw.value));
    let expected = samples.collect();
    let Some(text) = expr else {
        sheet.note(raw, path, "there is no `expr`");
        return None;
    };
    let (expr, source) = expression(sheet, &format!("{path}.expr"), text)?;
    if !matches!(promql::type_of(&expr), ValueType::Vector | ValueType::Scalar) {
        let what = format!("expected an instant vector or a number, this is {}", kind_of(&expr));
        sheet.note(text, &format!("{path}.expr"), what);
        return None;
    }
    Some(ExprTest { place: sheet.place(raw), at, source, expr, expected })
}

fn expected_sample(sheet: &mut Sheet, path: &str, raw: &RawExpectedSample) -> Option<ExpectedSample> {
    let labels = match raw.labels.as_ref().map(|text| (text, promql::parse_metric(&text.value))) {
        None => Labels::empty(),
        Some((_, Ok(labels))) => labels,
        Some((text, Err(error))) => {
            note(sheet, text, 0, &format!("{path}.labels"), error);
            return None;
        }
    };
    let histogram = raw.histogram.as_ref().filter(|text| !text.value.is_empty());
    let value = match histogram.map(|text| (text, promql::parse_histogram(&text.value))) {
        None => SampleValue::Float(raw.value.map_or(0.0, |value| value.0)),
        Some((_, Ok(histogram))) => histogram.into(),
        Some((text, Err(error))) => {
            note(sheet, text, 0, &format!("{path}.histogram"), error);
            return None;
        }
    };
    Some(ExpectedSample { labels, value })
}
