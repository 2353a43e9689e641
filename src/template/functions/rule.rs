//! Prometheus's functions: queries, humanized numbers, links, times.

use std::collections::BTreeMap;

use super::super::interpret::Fault;
use super::super::moment::Moment;
use super::super::object::ObjectKind;
use super::super::rule_text::QueryError;
use super::super::value::{List, ListKind, Map, Object, Value};
use super::super::{float, host, humanize as numbers};
use super::Call;
use super::words::changed;
use crate::model::{Timestamp, escape_query};

/// The elements that an instant query gives, from whoever can answer it.
pub(super) fn query(call: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Value, Fault> {
    let expression = arguments[0].as_text()?;
    let samples = match call.machine.world.host.query(expression) {
        Ok(samples) => samples,
        Err(QueryError::Failed(what)) => return Err(format!("`{}`: {what}", super::shown(expression)).into()),
        Err(QueryError::Pending) => {
            let what = format!("the query `{}` has no answer yet", super::shown(expression));
            return Err(Fault { what, is_pending: true, place: None });
        }
    };
    call.machine.spend(samples.len())?;
    let sample = |sample: super::super::rule_text::QuerySample| {
        Object::value(ObjectKind::Sample, vec![Value::Labels(sample.labels), Value::Float(sample.value)])
    };
    Ok(List::value(ListKind::Samples, samples.into_iter().map(sample).collect())?)
}

pub(super) fn first(_: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Value, Fault> {
    match &arguments[0] {
        Value::List(list) => {
            let none = || "the query gave no elements".to_owned();
            Ok(list.items.first().cloned().ok_or_else(none)?)
        }
        other => Err(other.not_a("what a query gave").into()),
    }
}

/// A field of an element that a query gave.
fn of_sample<'v>(value: &'v Value, name: &str) -> Result<&'v Value, String> {
    match value {
        Value::Object(object) if object.kind == ObjectKind::Sample => {
            object.field(name).ok_or_else(|| format!("there is no `.{name}`"))
        }
        other => Err(other.not_a("an element of what a query gave")),
    }
}

fn label_of(value: &Value, name: &str) -> Result<Value, Fault> {
    match of_sample(value, "Labels")? {
        Value::Labels(labels) => Ok(Value::text(labels.get(name))),
        other => Err(other.not_a("labels").into()),
    }
}

pub(super) fn value(_: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Value, Fault> {
    Ok(of_sample(&arguments[0], "Value")?.clone())
}

pub(super) fn label(_: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Value, Fault> {
    label_of(&arguments[1], arguments[0].as_text()?)
}

pub(super) fn string_value(_: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Value, Fault> {
    label_of(&arguments[0], "__value__")
}

pub(super) fn sort_by_label(call: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Value, Fault> {
    let name = arguments[0].as_text()?;
    let Value::List(list) = &arguments[1] else { return Err(arguments[1].not_a("what a query gave").into()) };
    call.machine.spend(list.items.len())?;
    let mut keyed = Vec::with_capacity(list.items.len());
    for item in &list.items {
        keyed.push((label_of(item, name)?.as_text()?.to_owned(), item.clone()));
    }
    keyed.sort_by(|(left, _), (right, _)| left.cmp(right));
    Ok(List::value(list.kind, keyed.into_iter().map(|(_, item)| item).collect())?)
}

/// The arguments by the names `arg0`, `arg1` and so on.
pub(super) fn args(call: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Value, Fault> {
    call.machine.spend(arguments.len())?;
    let named = (0..).zip(arguments).map(|(at, value): (usize, _)| (format!("arg{at}"), value.clone()));
    Ok(Map::value(named.collect::<BTreeMap<_, _>>())?)
}

/// The text of a template whose name is only known now.
pub(super) fn tmpl(call: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Value, Fault> {
    let text = call.machine.expand_named(arguments[0].as_text()?, &arguments[1])?;
    match call.machine.made(text)? {
        Value::Text(text) => Ok(Value::Html(text)),
        other => Ok(other),
    }
}

fn number(call: &mut Call<'_, '_>, arguments: &[Value], print: impl Fn(f64) -> String) -> Result<Value, Fault> {
    Ok(call.machine.made(print(arguments[0].as_number()?))?)
}

pub(super) fn humanize(call: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Value, Fault> {
    number(call, arguments, numbers::humanize)
}

pub(super) fn humanize_1024(call: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Value, Fault> {
    number(call, arguments, numbers::humanize_1024)
}

pub(super) fn humanize_duration(call: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Value, Fault> {
    number(call, arguments, numbers::humanize_duration)
}

pub(super) fn humanize_percentage(call: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Value, Fault> {
    number(call, arguments, numbers::humanize_percentage)
}

pub(super) fn humanize_timestamp(call: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Value, Fault> {
    let value = arguments[0].as_number()?;
    let text = if value.is_finite() { moment_of(value)?.to_string() } else { float::shortest(value) };
    Ok(call.machine.made(text)?)
}

/// The moment so many seconds after the epoch, to the millisecond.
fn moment_of(seconds: f64) -> Result<Moment, String> {
    let nanoseconds = seconds * 1e9;
    #[expect(clippy::cast_precision_loss, reason = "the bounds are what the cast makes them")]
    let fits = (i64::MIN as f64..=i64::MAX as f64).contains(&nanoseconds);
    if !fits {
        let value = float::shortest(seconds);
        return Err(format!("{value} cannot be represented as a nanoseconds timestamp since it overflows int64"));
    }
    #[expect(clippy::cast_possible_truncation, reason = "just checked")]
    Ok(Moment::new(Timestamp::from_millis(nanoseconds as i64 / 1_000_000)))
}

pub(super) fn to_time(_: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Value, Fault> {
    Ok(Value::Moment(moment_of(arguments[0].as_number()?)?))
}

pub(super) fn to_duration(_: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Value, Fault> {
    #[expect(clippy::cast_possible_truncation, reason = "a float cast saturates, which is what is wanted")]
    Ok(Value::Duration((arguments[0].as_number()? * 1e9) as i64))
}

/// When the rule is evaluated, in seconds since the epoch.
pub(super) fn now(call: &mut Call<'_, '_>, _: &[Value]) -> Result<Value, Fault> {
    Ok(Value::Float(call.machine.world.now.seconds()))
}

/// A duration in Prometheus's form as seconds; it may be negative.
pub(super) fn parse_duration(_: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Value, Fault> {
    let text = arguments[0].as_text()?;
    let (sign, magnitude) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    let duration = crate::model::parse_duration(magnitude).map_err(|error| error.to_string())?;
    Ok(Value::Float(sign * duration.as_secs_f64()))
}

pub(super) fn external_url(call: &mut Call<'_, '_>, _: &[Value]) -> Result<Value, Fault> {
    Ok(Value::text(call.machine.world.external_url))
}

pub(super) fn path_prefix(call: &mut Call<'_, '_>, _: &[Value]) -> Result<Value, Fault> {
    Ok(Value::text(path_of(call.machine.world.external_url)))
}

pub(super) fn graph_link(call: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Value, Fault> {
    changed(call, arguments, |expression| link(expression, 0))
}

pub(super) fn table_link(call: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Value, Fault> {
    changed(call, arguments, |expression| link(expression, 1))
}

pub(super) fn strip_domain(call: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Value, Fault> {
    changed(call, arguments, host::strip_domain)
}

pub(super) fn strip_port(call: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Value, Fault> {
    changed(call, arguments, |text| host::strip_port(text).to_owned())
}

/// The path of Prometheus's page for an expression.
fn link(expression: &str, tab: u8) -> String {
    format!("/graph?g0.expr={}&g0.tab={tab}", escape_query(expression))
}

/// The path of a URL.
fn path_of(url: &str) -> &str {
    let behind_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = behind_scheme.find('/').map_or("", |slash| &behind_scheme[slash..]);
    path.find(['?', '#']).map_or(path, |end| &path[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_path_of_a_url() {
        let check = |url: &str, expected: &str| assert_eq!(path_of(url), expected, "{url}");
        check("http://testhost:9090/path/prefix", "/path/prefix");
        check("http://testhost:9090", "");
        check("https://h/?q=/x", "/");
        check("https://h/a#b", "/a");
    }

    #[test]
    fn links_to_expressions() {
        assert_eq!(link("up", 1), "/graph?g0.expr=up&g0.tab=1");
    }

    #[test]
    fn moments_are_to_the_millisecond() {
        let check = |value: f64, expected: &str| assert_eq!(moment_of(value).unwrap().to_string(), expected);
        check(0.0, "1970-01-01 00:00:00 +0000 UTC");
        check(-1.0, "1969-12-31 23:59:59 +0000 UTC");
        check(1_435_065_584.128, "2015-06-23 13:19:44.128 +0000 UTC");
        check(9_223_372_036.0, "2262-04-11 23:47:16 +0000 UTC");
        assert!(moment_of(1e19).unwrap_err().starts_with("1e+19 cannot be represented"));
        assert!(moment_of(-1e19).is_err());
    }
}
