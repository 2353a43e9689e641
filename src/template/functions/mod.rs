//! The functions that actions may call: a row in [`FUNCTIONS`] each, and a body in the file of its theme.

mod builtin;
mod notification;
mod rule;
mod words;

use std::fmt;

use regex::Regex;

use super::interpret::{Fault, Machine};
use super::shape::Shape;
use super::shown;
use super::value::Value;
use crate::model::go_regex;

pub(super) use words::escape_html;

/// Which functions a text may call: those of Prometheus's rules or those of Alertmanager's notifications.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Texts of rules.
    Rule,
    /// Texts of notifications.
    Notification,
}

/// A function as templates call it.
pub(super) struct Function {
    pub(super) name: &'static str,
    pub(super) arguments_min: usize,
    pub(super) arguments_max: usize,
    pub(super) kind: Kind,
    /// What is known of its value.
    pub(super) gives: Shape,
    /// Where it is known; everywhere when there is none.
    dialect: Option<Dialect>,
}

/// How a function gets its value.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// From the values of all its arguments, whose number is right.
    Plain(Run),
    /// The first false argument, or the last.
    And,
    /// The first true argument, or the last.
    Or,
}

/// A function's surroundings at a call.
pub(super) struct Call<'m, 'w> {
    pub(super) machine: &'m mut Machine<'w>,
    /// The pattern that is written out as first argument.
    pub(super) pattern: Option<&'m Regex>,
}

/// A function's body.
pub(super) type Run = fn(&mut Call<'_, '_>, &[Value]) -> Result<Value, Fault>;

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Function {
    const fn only(self, dialect: Dialect) -> Self {
        Self { dialect: Some(dialect), ..self }
    }

    const fn gives(self, shape: Shape) -> Self {
        Self { gives: shape, ..self }
    }

    const fn at_most(self, arguments: usize) -> Self {
        Self { arguments_max: arguments, ..self }
    }

    /// Whether its first argument is a regular expression.
    pub(super) fn takes_pattern(&self) -> bool {
        matches!(self.name, "match" | "reReplaceAll")
    }
}

const fn plain(name: &'static str, arguments: usize, run: Run) -> Function {
    let kind = Kind::Plain(run);
    Function { name, arguments_min: arguments, arguments_max: arguments, kind, gives: Shape::Any, dialect: None }
}

const fn many(name: &'static str, arguments_min: usize, run: Run) -> Function {
    Function { arguments_min, arguments_max: usize::MAX, ..plain(name, 0, run) }
}

const fn short_circuit(name: &'static str, kind: Kind) -> Function {
    let (arguments_min, arguments_max) = (1, usize::MAX);
    Function { name, arguments_min, arguments_max, kind, gives: Shape::Any, dialect: None }
}

const RULE: Dialect = Dialect::Rule;
const NOTIFICATION: Dialect = Dialect::Notification;

/// All functions, by name.
static FUNCTIONS: &[Function] = &[
    short_circuit("and", Kind::And),
    many("append", 1, notification::append).only(NOTIFICATION),
    many("args", 0, rule::args).only(RULE),
    plain("base64decode", 1, notification::base64_decode).gives(Shape::Text).only(NOTIFICATION),
    plain("base64encode", 1, notification::base64_encode).gives(Shape::Text).only(NOTIFICATION),
    many("call", 1, builtin::call),
    plain("date", 2, notification::date).gives(Shape::Text).only(NOTIFICATION),
    many("dict", 0, notification::dict).only(NOTIFICATION),
    many("eq", 2, builtin::eq).gives(Shape::Bool),
    plain("externalURL", 0, rule::external_url).gives(Shape::Text).only(RULE),
    plain("first", 1, rule::first).gives(Shape::Object(super::object::ObjectKind::Sample)).only(RULE),
    plain("ge", 2, builtin::ge).gives(Shape::Bool),
    plain("graphLink", 1, rule::graph_link).gives(Shape::Text).only(RULE),
    plain("gt", 2, builtin::gt).gives(Shape::Bool),
    many("html", 0, words::html).gives(Shape::Text),
    plain("humanize", 1, rule::humanize).gives(Shape::Text).only(RULE),
    plain("humanize1024", 1, rule::humanize_1024).gives(Shape::Text).only(RULE),
    plain("humanizeDuration", 1, rule::humanize_duration).gives(Shape::Text),
    plain("humanizePercentage", 1, rule::humanize_percentage).gives(Shape::Text).only(RULE),
    plain("humanizeTimestamp", 1, rule::humanize_timestamp).gives(Shape::Text).only(RULE),
    many("index", 1, builtin::index),
    plain("join", 2, notification::join).gives(Shape::Text).only(NOTIFICATION),
    many("js", 0, words::js).gives(Shape::Text),
    plain("label", 2, rule::label).gives(Shape::Text).only(RULE),
    plain("le", 2, builtin::le).gives(Shape::Bool),
    plain("len", 1, builtin::length).gives(Shape::Int),
    many("list", 0, notification::list).only(NOTIFICATION),
    plain("lt", 2, builtin::lt).gives(Shape::Bool),
    plain("match", 2, words::matches).gives(Shape::Bool),
    plain("mustToDate", 2, notification::must_to_date).gives(Shape::Moment).only(NOTIFICATION),
    plain("ne", 2, builtin::ne).gives(Shape::Bool),
    plain("not", 1, builtin::not).gives(Shape::Bool),
    plain("now", 0, rule::now).gives(Shape::Float).only(RULE),
    plain("now", 0, notification::now).gives(Shape::Moment).only(NOTIFICATION),
    short_circuit("or", Kind::Or),
    plain("parseDuration", 1, rule::parse_duration).gives(Shape::Float).only(RULE),
    plain("pathPrefix", 0, rule::path_prefix).gives(Shape::Text).only(RULE),
    many("print", 0, words::print).gives(Shape::Text),
    many("printf", 1, words::printf).gives(Shape::Text),
    many("println", 0, words::println).gives(Shape::Text),
    plain("query", 1, rule::query).gives(Shape::Samples).only(RULE),
    plain("reReplaceAll", 3, words::replace_all).gives(Shape::Text),
    plain("routeLabels", 1, notification::route_labels).gives(Shape::Text).only(NOTIFICATION),
    plain("safeHtml", 1, words::safe_html),
    plain("safeUrl", 1, notification::safe_url).gives(Shape::Text).only(NOTIFICATION),
    plain("since", 1, notification::since).gives(Shape::Duration).only(NOTIFICATION),
    many("slice", 1, builtin::slice).at_most(4),
    plain("sortByLabel", 2, rule::sort_by_label).gives(Shape::Samples).only(RULE),
    many("stringSlice", 0, notification::string_slice).gives(Shape::Strings).only(NOTIFICATION),
    plain("stripDomain", 1, rule::strip_domain).gives(Shape::Text).only(RULE),
    plain("stripPort", 1, rule::strip_port).gives(Shape::Text).only(RULE),
    plain("strvalue", 1, rule::string_value).gives(Shape::Text).only(RULE),
    plain("tableLink", 1, rule::table_link).gives(Shape::Text).only(RULE),
    plain("title", 1, words::title).gives(Shape::Text),
    plain("tmpl", 2, rule::tmpl).only(RULE),
    plain("toDate", 2, notification::to_date).gives(Shape::Moment).only(NOTIFICATION),
    plain("toDuration", 1, rule::to_duration).gives(Shape::Duration).only(RULE),
    plain("toJson", 1, notification::to_json).gives(Shape::Text).only(NOTIFICATION),
    plain("toLower", 1, words::to_lower).gives(Shape::Text),
    plain("toTime", 1, rule::to_time).gives(Shape::Moment).only(RULE),
    plain("toUpper", 1, words::to_upper).gives(Shape::Text),
    plain("trimSpace", 1, notification::trim_space).gives(Shape::Text).only(NOTIFICATION),
    plain("tz", 2, notification::tz).gives(Shape::Moment).only(NOTIFICATION),
    plain("urlQueryEscape", 1, words::url_query_escape).gives(Shape::Text).only(RULE),
    plain("urlUnescape", 1, notification::url_unescape).gives(Shape::Text).only(NOTIFICATION),
    many("urlquery", 0, words::url_query).gives(Shape::Text),
    plain("value", 1, rule::value).gives(Shape::Float).only(RULE),
];

/// The function of this name.
pub(super) fn find(dialect: Dialect, name: &str) -> Option<&'static Function> {
    known(dialect).find(|function| function.name == name)
}

fn known(dialect: Dialect) -> impl Iterator<Item = &'static Function> {
    FUNCTIONS.iter().filter(move |function| function.dialect.is_none_or(|own| own == dialect))
}

/// The names of all functions.
pub(super) fn names(dialect: Dialect) -> impl Iterator<Item = &'static str> {
    known(dialect).map(|function| function.name)
}

/// What to say of a function that the other texts have.
pub(super) fn elsewhere(dialect: Dialect, name: &str) -> Option<&'static str> {
    FUNCTIONS.iter().find(|function| function.name == name)?;
    Some(match dialect {
        Dialect::Rule => "only texts of notifications can call it",
        Dialect::Notification => "only texts of rules can call it",
    })
}

/// A regular expression as templates use it: not anchored.
pub(super) fn pattern(text: &str) -> Result<Regex, String> {
    go_regex(text).map_err(|error| {
        let error = error.to_string();
        let why = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
        format!("`{}` is not a regular expression: {why}", shown(text))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order() {
        let names: Vec<_> = FUNCTIONS.iter().map(|function| function.name).collect();
        assert!(names.is_sorted(), "{names:?}");
        assert_eq!(find(Dialect::Rule, "now").map(|now| now.gives), Some(Shape::Float));
        assert_eq!(find(Dialect::Notification, "now").map(|now| now.gives), Some(Shape::Moment));
    }

    #[test]
    fn all_functions_of_the_peers_are_there() {
        let builtins = "and call eq ge gt html index js le len lt ne not or print printf println slice urlquery";
        let prometheus = "args externalURL first graphLink humanize humanize1024 humanizeDuration humanizePercentage \
            humanizeTimestamp label match now parseDuration pathPrefix query reReplaceAll safeHtml sortByLabel stripDomain \
            stripPort strvalue tableLink title tmpl toDuration toLower toTime toUpper urlQueryEscape value";
        let alertmanager = "append base64decode base64encode date dict humanizeDuration join list match mustToDate now \
            reReplaceAll routeLabels safeHtml safeUrl since stringSlice title toDate toJson toLower toUpper trimSpace tz \
            urlUnescape";
        for (dialect, own) in [(Dialect::Rule, prometheus), (Dialect::Notification, alertmanager)] {
            for name in builtins.split_whitespace().chain(own.split_whitespace()) {
                assert!(find(dialect, name).is_some(), "{name}");
            }
        }
    }
}
