//! The functions of PromQL: what a row of the table holds, and how each kind of function is applied.
//!
//! A new function is a row in `table.rs` and a body in the file of its theme.

mod calendar;
mod classic;
mod conversion;
mod counter;
mod histogram;
mod info;
mod labels;
mod math;
mod native;
mod over_time;
mod presence;
mod rate_histogram;
mod table;
mod trend;

use std::fmt;

pub(super) use classic::{ClassicBucket, fraction as classic_fraction, quantile as classic_quantile};
pub(super) use histogram::{BOUND, bound_of};
pub(super) use info::{matchers as info_matchers, shifts as info_shifts};
pub(super) use labels::{WRITTEN_MAX, anchored};
pub(super) use math::{max as max_of, min as min_of};
pub(super) use presence::labels_of;

use super::annotation::{Annotation, Annotations};
use super::ast::{AggregateOp, Call, Expr, ExprKind, Selector, ValueType};
use super::check::type_of;
use super::interpret::{EvalError, Interpreter, noted_span};
use super::support::check_reading;
use super::value::{Item, Outcome, SampleValue};
use super::window::Window;
use super::{ParseError, Span};
use crate::model::{Histogram, Labels, nearest};

/// A function: what it takes, what it returns, what it means, and how.
pub struct Function {
    name: &'static str,
    /// The types of its arguments.
    args: &'static [ValueType],
    /// How many of the arguments may be left out, from the last.
    optional: usize,
    /// How many times more the last argument may come; `None` is any number.
    repeats: Option<usize>,
    returns: ValueType,
    /// Whether Prometheus has it behind a feature flag.
    is_experimental: bool,
    /// Whether its value depends on the moment of evaluation even when `@` fixes that of its argument.
    is_unsafe_under_at: bool,
    meaning: &'static str,
    formula: &'static str,
    /// The section of Prometheus's manual that describes it.
    section: &'static str,
    body: Body,
}

/// How a function makes its value.
enum Body {
    /// From each number of a vector; without an argument, from the moment of evaluation.
    Each(fn(f64) -> f64),
    /// From each number of a vector and the scalars behind it; an element without a result is left out.
    Map(fn(f64, &[f64]) -> Option<f64>),
    /// From each native histogram of a vector.
    Histogram(fn(&Histogram) -> f64),
    /// From the numbers of each series in a range, and the scalars beside it, which may be checked. Histograms are ignored,
    /// which is told.
    Floats(FloatsBody, Option<Check>),
    /// From the samples of each series in a range, and the scalars beside it. The name is dropped.
    Window(WindowBody),
    /// The same, but the name stays, because the value is one of the series' own.
    OwnSample(fn(&Window<'_>) -> Option<SampleValue>),
    /// In its own way.
    Whole(Whole),
}

pub(super) type FloatsBody = fn(&Window<'_>, &[f64]) -> Option<f64>;
type WindowBody = fn(&Window<'_>, &[f64], &mut Annotations) -> Option<SampleValue>;
pub(super) type Check = fn(&[f64], &[Expr], &mut Annotations) -> Result<(), EvalError>;
type Whole = fn(&mut Interpreter<'_>, &[Expr], Span) -> Result<Outcome, EvalError>;

/// The part of a function that works on numbers alone, for the live plan.
#[derive(Clone, Copy)]
pub(super) enum FloatBody {
    /// From each value.
    Each(fn(f64) -> f64),
    /// From each value and the scalars behind it; an element without a result is left out.
    Map(fn(f64, &[f64]) -> Option<f64>),
    /// From the numbers of each series in a range and the scalars beside it, which may be checked.
    Floats(FloatsBody, Option<Check>),
}

/// All functions, by name.
pub fn functions() -> &'static [Function] {
    table::FUNCTIONS
}

impl Function {
    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The types of its arguments; the last may be left out or come several times, as [`Function::arity`] says.
    pub fn args(&self) -> &'static [ValueType] {
        self.args
    }

    /// The fewest and the most arguments; `None` is any number.
    pub fn arity(&self) -> (usize, Option<usize>) {
        (self.args.len() - self.optional, self.repeats.map(|repeats| self.args.len() + repeats))
    }

    /// What it returns.
    pub fn returns(&self) -> ValueType {
        self.returns
    }

    /// Whether Prometheus has it behind a feature flag.
    pub fn is_experimental(&self) -> bool {
        self.is_experimental
    }

    /// Whether its value depends on the moment of evaluation even when `@` fixes that of its argument.
    pub fn is_unsafe_under_at(&self) -> bool {
        self.is_unsafe_under_at
    }

    /// What it tells, in a sentence without a period.
    pub fn meaning(&self) -> &'static str {
        self.meaning
    }

    /// How it is calculated; `v` are values, `t` times in seconds.
    pub fn formula(&self) -> &'static str {
        self.formula
    }

    /// Where Prometheus's manual describes it.
    pub fn source(&self) -> String {
        format!("https://prometheus.io/docs/prometheus/latest/querying/functions/#{}", self.section)
    }

    /// How it is called: `round(instant vector, [scalar])`.
    pub fn signature(&self) -> String {
        let (fewest, most) = self.arity();
        let args = self
            .args
            .iter()
            .enumerate()
            .map(|(at, arg)| if at < fewest { arg.as_str().to_owned() } else { format!("[{}]", arg.as_str()) });
        let mut args: Vec<String> = args.collect();
        if most != Some(self.args.len()) {
            args.push("…".to_owned());
        }
        format!("{}({})", self.name, args.join(", "))
    }

    /// How it works on numbers; `None` when it has its own way.
    pub(super) fn float_body(&self) -> Option<FloatBody> {
        match self.body {
            Body::Each(body) => Some(FloatBody::Each(body)),
            Body::Map(body) => Some(FloatBody::Map(body)),
            Body::Floats(body, check) => Some(FloatBody::Floats(body, check)),
            Body::Histogram(_) | Body::Window(_) | Body::OwnSample(_) | Body::Whole(_) => None,
        }
    }

    /// The type of the argument at a place.
    pub(super) fn arg(&self, at: usize) -> Option<ValueType> {
        self.args.get(at).or(self.args.last()).copied()
    }

    /// Whether its second argument is matchers that choose labels, not a selector.
    pub(super) fn chooses_labels(&self) -> bool {
        self.name == "info"
    }
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Functions that are words of the language and so may be written in capitals.
const KEYWORDS: [&str; 6] = ["end", "max_of", "min_of", "range", "start", "step"];

/// The function with this name.
pub(super) fn find(name: &str, span: Span) -> Result<&'static Function, ParseError> {
    let lower = name.to_ascii_lowercase();
    let wanted = if KEYWORDS.contains(&lower.as_str()) { lower.as_str() } else { name };
    if let Some(function) = functions().iter().find(|function| function.name == wanted) {
        return Ok(function);
    }
    let error = ParseError::new(span, format!("there is no function `{name}`"));
    if name == "holt_winters" {
        return Err(error.with_hint("it is called `double_exponential_smoothing` now"));
    }
    let known = functions().iter().map(|function| function.name);
    let hint = nearest(name, known.chain(AggregateOp::ALL.iter().map(|op| op.as_str())));
    Err(match hint {
        Some(known) => error.with_hint(format!("did you mean `{known}`?")),
        None => error,
    })
}

/// Finds texts among the arguments that cannot work, such as a broken regular expression.
pub(super) fn check_texts(call: &Call) -> Result<(), ParseError> {
    if call.function.name == "label_replace" { labels::check_replace(&call.args) } else { Ok(()) }
}

/// The value of a call.
pub(super) fn apply(interpreter: &mut Interpreter<'_>, call: &Call, span: Span) -> Result<Outcome, EvalError> {
    match &call.function.body {
        Body::Each(body) => {
            let Some(arg) = call.args.first() else {
                let value = body(interpreter.at.seconds()).into();
                return Ok(Outcome::Vector(vec![Item { labels: Labels::empty(), value, drops_name: false }]));
            };
            let items = interpreter.vector(arg)?;
            interpreter.map_floats(items, span, |value| Some(body(value))).map(Outcome::Vector)
        }
        Body::Map(body) => {
            let scalars = scalars(interpreter, &call.args)?;
            let items = interpreter.vector(&call.args[0])?;
            interpreter.map_floats(items, span, |value| body(value, &scalars)).map(Outcome::Vector)
        }
        Body::Histogram(body) => {
            let items = interpreter.vector(&call.args[0])?;
            let of = |value: SampleValue| value.histogram().map(|histogram| SampleValue::Float(body(histogram)));
            interpreter.map_values(items, span, of).map(Outcome::Vector)
        }
        Body::Floats(body, check) => over_floats(interpreter, call, *body, *check, span),
        Body::Window(body) => over_windows(interpreter, call, *body, span),
        Body::OwnSample(body) => own_samples(interpreter, call, *body),
        Body::Whole(body) => body(interpreter, &call.args, span),
    }
}

fn over_windows(
    interpreter: &mut Interpreter<'_>,
    call: &Call,
    body: WindowBody,
    span: Span,
) -> Result<Outcome, EvalError> {
    let scalars = scalars(interpreter, &call.args)?;
    let (mut items, mut names) = (Vec::new(), interpreter.names());
    interpreter.windows(range_of(call, span)?, |window, notes| {
        if let Some(value) = body(window, &scalars, notes) {
            items.push(names.item(window.labels, value));
        }
    })?;
    names.finish(&items, span)?;
    Ok(Outcome::Vector(items))
}

fn over_floats(
    interpreter: &mut Interpreter<'_>,
    call: &Call,
    body: FloatsBody,
    check: Option<Check>,
    span: Span,
) -> Result<Outcome, EvalError> {
    let scalars = scalars(interpreter, &call.args)?;
    let (mut items, mut names) = (Vec::new(), interpreter.names());
    let (mut checked, first_span) = (Ok(()), call.args.first().map_or(span, noted_span));
    let mut check = check;
    interpreter.windows(range_of(call, span)?, |window, notes| {
        if window.floats.is_empty() {
            return;
        }
        if let Some(check) = check.take() {
            checked = check(&scalars, &call.args, notes);
        }
        if !window.histograms.is_empty() {
            notes.add(Annotation::histograms_ignored_in_range(window.metric(), first_span));
        }
        if let Some(value) = body(window, &scalars) {
            items.push(names.item(window.labels, value));
        }
    })?;
    checked?;
    names.finish(&items, span)?;
    Ok(Outcome::Vector(items))
}

fn own_samples(
    interpreter: &mut Interpreter<'_>,
    call: &Call,
    body: fn(&Window<'_>) -> Option<SampleValue>,
) -> Result<Outcome, EvalError> {
    let mut items = Vec::new();
    interpreter.windows(range_of(call, Span::default())?, |window, _| {
        let item = |value| Item { labels: window.labels.clone(), value, drops_name: window.drops_name };
        items.extend(body(window).map(item));
    })?;
    Ok(Outcome::Vector(items))
}

/// The argument that is a range.
fn range_of(call: &Call, span: Span) -> Result<&Expr, EvalError> {
    let range = call.args.iter().find(|arg| type_of(arg) == ValueType::Matrix);
    if let Some((selector, place)) = range.and_then(selector_of) {
        check_reading(selector, place, Some(call)).map_err(|error| EvalError::new(error.span, error.what))?;
    }
    range.ok_or_else(|| EvalError::new(span, format!("`{}` has no range", call.function.name)))
}

/// The selector whose range an argument is, whatever parentheses are around it.
fn selector_of(arg: &Expr) -> Option<(&Selector, Span)> {
    match &arg.kind {
        ExprKind::Paren(inner) => selector_of(inner),
        ExprKind::Range { selector, .. } => Some((selector, arg.span)),
        _ => None,
    }
}

/// The values of the arguments that are scalars, in order.
fn scalars(interpreter: &mut Interpreter<'_>, args: &[Expr]) -> Result<Vec<f64>, EvalError> {
    args.iter().filter(|arg| type_of(arg) == ValueType::Scalar).map(|arg| interpreter.scalar(arg)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    #[test]
    fn the_table_is_sorted_and_whole() {
        assert!(functions().is_sorted_by(|a, b| a.name < b.name));
        assert_eq!(functions().len(), 90);
        assert_eq!(functions().iter().filter(|function| function.is_experimental).count(), 17);
    }

    #[test]
    fn every_row_explains_itself() {
        for function in functions() {
            assert!(!function.meaning.is_empty() && !function.formula.is_empty(), "{}", function.name);
            assert!(!function.meaning.ends_with('.'), "{}", function.name);
            assert!(function.source().contains('#'), "{}", function.name);
            assert!(function.args.len() >= function.optional, "{}", function.name);
        }
        let signature = |name: &str| find(name, Span::default()).unwrap().signature();
        assert_eq!(signature("rate"), "rate(range vector)");
        assert_eq!(signature("round"), "round(instant vector, [scalar])");
        assert_eq!(signature("label_join"), "label_join(instant vector, string, string, [string], …)");
        assert_eq!(signature("time"), "time()");
    }

    #[test]
    fn a_wrong_name_gets_a_hint() {
        let check = |name: &str, want: Option<&str>| {
            let error = parse(&format!("{name}(up[5m])")).unwrap_err();
            assert_eq!(error.what, format!("there is no function `{name}`"));
            assert_eq!(error.hint, want.map(|known| format!("did you mean `{known}`?")), "{name}");
        };
        check("rat", Some("rate"));
        check("Rate", Some("rate"));
        check("histogram_quantil", Some("histogram_quantile"));
        check("sum_overtime", Some("sum_over_time"));
        check("summ", Some("sum"));
        check("frobnicate", None);
    }
}
