//! Evaluates expressions. Everything is bounded: depth by the parser, the size of every text here.

use super::functions::Body;
use super::parser::{Expr, Map, Node};
use super::value::{Output, Value};
use super::{OUTPUT_BYTES_MAX, TemplateData};

/// What went wrong at a byte offset of the source.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) at: usize,
    pub(super) what: String,
}

/// The text of a template's nodes.
pub(super) fn expand(nodes: &[Node], data: &TemplateData<'_>) -> Result<String, Failure> {
    let mut output = Output::default();
    for node in nodes {
        let pushed = match node {
            Node::Text(text) => output.push(text),
            Node::Action(expr) => output.push(&evaluate(expr, data)?.print()),
        };
        pushed.map_err(|what| Failure { at: 0, what: format!("the expansion {what}") })?;
    }
    Ok(output.into_text())
}

fn evaluate<'d>(expr: &'d Expr, data: &TemplateData<'d>) -> Result<Value<'d>, Failure> {
    Ok(match expr {
        Expr::Text(text) => Value::text(text.as_str()),
        Expr::Float(value) => Value::Float(*value),
        Expr::Int(value) => Value::Int(*value),
        Expr::Bool(value) => Value::Bool(*value),
        Expr::Value => Value::Float(data.value),
        Expr::ExternalUrl => Value::text(data.external_url),
        Expr::Map(Map::Labels) => Value::Map(data.labels),
        Expr::Map(Map::ExternalLabels) => Value::Map(data.external_labels),
        Expr::Label(Map::Labels, name) => Value::text(data.labels.get(name)),
        Expr::Label(Map::ExternalLabels, name) => Value::text(data.external_labels.get(name)),
        Expr::Call { at, function, arguments } => {
            let failed = |what| Failure { at: *at, what: format!("`{}`: {what}", function.name) };
            let value = match function.body {
                Body::And => first_that(arguments, data, |value| !value.is_true())?,
                Body::Or => first_that(arguments, data, Value::is_true)?,
                Body::Plain(run) => {
                    let arguments: Vec<_> =
                        arguments.iter().map(|argument| evaluate(argument, data)).collect::<Result<_, _>>()?;
                    run(&arguments, data).map_err(failed)?
                }
            };
            match &value {
                Value::Text(text) if text.len() > OUTPUT_BYTES_MAX => {
                    return Err(failed(format!("makes more than {OUTPUT_BYTES_MAX} bytes")));
                }
                _ => value,
            }
        }
    })
}

/// The first argument that settles it, or the last; those behind it are not evaluated.
fn first_that<'d>(
    arguments: &'d [Expr],
    data: &TemplateData<'d>,
    settles: impl Fn(&Value<'d>) -> bool,
) -> Result<Value<'d>, Failure> {
    let mut value = Value::Bool(false);
    for argument in arguments {
        value = evaluate(argument, data)?;
        if settles(&value) {
            break;
        }
    }
    Ok(value)
}
