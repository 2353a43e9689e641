//! Pipelines: from an action's tokens to an expression. Functions, variables and numbers of arguments are checked here.

use crate::model::did_you_mean;

use super::ast::Expr;
use super::functions::{self, Dialect, Function};
use super::lexer::{Token, TokenKind};
use super::parser::{KEYWORDS, Scope};
use super::value::Value;
use super::{DEPTH_MAX, Trouble, constant, too_deep};

/// The expression that these tokens are; `at` is the place of the action.
pub(super) fn parse<'a>(
    source: &str,
    dialect: Dialect,
    scope: &Scope<'a>,
    at: usize,
    tokens: &[Token<'a>],
) -> Result<Expr, Trouble> {
    let mut parser = Parser { source, dialect, scope, tokens, next: 0 };
    if tokens.is_empty() {
        return Err(Trouble::new(at, "a value is missing here"));
    }
    let part = parser.pipeline(0)?;
    match parser.peek() {
        Some(Token { at, kind: TokenKind::Close, .. }) => Err(Trouble::new(*at, "this `)` closes nothing")),
        Some(token) => Err(unexpected(token)),
        None => Ok(part.expr),
    }
}

/// An expression on its way, with what matters about it to what stands around it.
struct Part {
    at: usize,
    end: usize,
    expr: Expr,
    /// How deep calls and fields are nested in it.
    depth: usize,
    /// Whether it is a field, which takes arguments if it is a method.
    is_field: bool,
}

struct Parser<'p, 'a> {
    source: &'p str,
    dialect: Dialect,
    scope: &'p Scope<'a>,
    tokens: &'p [Token<'a>],
    next: usize,
}

impl<'p, 'a> Parser<'p, 'a> {
    fn peek(&self) -> Option<&'p Token<'a>> {
        self.tokens.get(self.next)
    }

    /// Reads commands with `|` between them, up to a `)` or the end.
    fn pipeline(&mut self, parentheses: usize) -> Result<Part, Trouble> {
        let mut so_far = self.command(None, parentheses)?;
        while let Some(pipe) = self.peek()
            && pipe.kind == TokenKind::Pipe
        {
            self.next += 1;
            if matches!(self.peek(), None | Some(Token { kind: TokenKind::Close | TokenKind::Pipe, .. })) {
                return Err(Trouble::new(pipe.at, "nothing follows this `|`"));
            }
            so_far = self.command(Some(so_far), parentheses)?;
        }
        Ok(so_far)
    }

    /// Reads a function or method with its arguments, or a single operand. What is piped in is the last argument.
    fn command(&mut self, piped: Option<Part>, parentheses: usize) -> Result<Part, Trouble> {
        match self.peek() {
            Some(Token { at, kind: TokenKind::Pipe, .. }) => Err(Trouble::new(*at, "nothing precedes this `|`")),
            Some(token @ Token { kind: TokenKind::Word(word), .. }) if !is_literal(word) && !self.field_follows(1) => {
                let function = self.find(token.at, word)?;
                self.next += 1;
                let arguments = self.arguments(piped, parentheses)?;
                self.call(token, function, arguments)
            }
            _ => {
                let operand = self.operand(parentheses)?;
                if operand.is_field {
                    let arguments = self.arguments(piped, parentheses)?;
                    return with_arguments(operand, arguments);
                }
                let written = &self.source[operand.at..operand.end];
                if piped.is_some() {
                    let what = format!("`{written}` is not a function, so nothing can be piped into it");
                    return Err(Trouble::new(operand.at, what));
                }
                if let Some(next) = self.peek()
                    && !matches!(next.kind, TokenKind::Pipe | TokenKind::Close)
                {
                    let what = format!("`{written}` is not a function and takes no arguments");
                    return Err(match next.kind {
                        TokenKind::Declare | TokenKind::Assign | TokenKind::Comma => unexpected(next),
                        _ => Trouble::new(operand.at, what),
                    });
                }
                if written == "nil" {
                    return Err(Trouble::new(operand.at, "`nil` alone is not a value")
                        .with_hint(Some("it can be compared with: `eq .X nil`".to_owned())));
                }
                Ok(operand)
            }
        }
    }

    fn arguments(&mut self, piped: Option<Part>, parentheses: usize) -> Result<Vec<Part>, Trouble> {
        let mut arguments = Vec::new();
        while !matches!(self.peek(), None | Some(Token { kind: TokenKind::Pipe | TokenKind::Close, .. })) {
            arguments.push(self.operand(parentheses)?);
        }
        arguments.extend(piped);
        Ok(arguments)
    }

    /// Whether the token `ahead` is a field that belongs to the token before it.
    fn field_follows(&self, ahead: usize) -> bool {
        let at = self.next + ahead;
        let end = at.checked_sub(1).and_then(|before| self.tokens.get(before)).map(|token| token.end);
        self.tokens
            .get(at)
            .is_some_and(|token| Some(token.at) == end && matches!(token.kind, TokenKind::Path { variable: None, .. }))
    }

    fn operand(&mut self, parentheses: usize) -> Result<Part, Trouble> {
        let Some(token) = self.peek() else { return Err(Trouble::new(self.source.len(), "expected a value")) };
        self.next += 1;
        let (at, end) = (token.at, token.end);
        let plain = |expr| Part { at, end, expr, depth: 0, is_field: false };
        match &token.kind {
            TokenKind::Text(text) => Ok(plain(Expr::Constant(Value::text(text.as_str())))),
            TokenKind::Char(code) => Ok(plain(Expr::Constant(Value::Int(i64::from(*code))))),
            TokenKind::Number(text) => Ok(plain(Expr::Constant(constant::number(text, at)?))),
            TokenKind::Word("true") => Ok(plain(Expr::Constant(Value::Bool(true)))),
            TokenKind::Word("false") => Ok(plain(Expr::Constant(Value::Bool(false)))),
            TokenKind::Word("nil") => Ok(plain(Expr::Constant(Value::Nil))),
            TokenKind::Word(word) => {
                let function = self.find(at, word)?;
                let part = self.call(token, function, Vec::new())?;
                self.fields_behind(part)
            }
            TokenKind::Dot => Ok(plain(Expr::Dot)),
            TokenKind::Path { variable: None, fields } => chain(plain(Expr::Dot), fields, end),
            TokenKind::Path { variable: Some(name), fields } => match self.scope.find(name) {
                Some(slot) => chain(plain(Expr::Variable(slot)), fields, end),
                None => Err(unknown_variable(at, name, self.scope)),
            },
            TokenKind::Open => {
                let part = self.parenthesised(at, parentheses + 1)?;
                self.fields_behind(part)
            }
            TokenKind::Close => Err(Trouble::new(at, "this `)` closes nothing")),
            TokenKind::Pipe | TokenKind::Declare | TokenKind::Assign | TokenKind::Comma => Err(unexpected(token)),
        }
    }

    /// Reads the `.Field` in `(…).Field`.
    fn fields_behind(&mut self, part: Part) -> Result<Part, Trouble> {
        if !self.field_follows(0) {
            return Ok(part);
        }
        match self.peek() {
            Some(Token { end, kind: TokenKind::Path { fields, .. }, .. }) => {
                self.next += 1;
                chain(part, fields, *end)
            }
            _ => Ok(part),
        }
    }

    fn parenthesised(&mut self, open: usize, parentheses: usize) -> Result<Part, Trouble> {
        if parentheses > DEPTH_MAX {
            return Err(too_deep(open));
        }
        match self.peek() {
            Some(Token { kind: TokenKind::Close, .. }) => {
                return Err(Trouble::new(open, "there is nothing between these parentheses"));
            }
            None => return Err(Trouble::new(open, "this `(` is never closed")),
            Some(_) => {}
        }
        let inner = self.pipeline(parentheses)?;
        match self.peek() {
            Some(Token { end, kind: TokenKind::Close, .. }) => {
                self.next += 1;
                Ok(Part { at: open, end: *end, is_field: false, ..inner })
            }
            Some(token) => Err(unexpected(token)),
            None => Err(Trouble::new(open, "this `(` is never closed")),
        }
    }

    fn find(&self, at: usize, word: &str) -> Result<&'static Function, Trouble> {
        if let Some(function) = functions::find(self.dialect, word) {
            return Ok(function);
        }
        if KEYWORDS.contains(&word) {
            return Err(Trouble::new(at, format!("`{word}` can only stand at the beginning of an action")));
        }
        let variable = self.scope.names().find(|variable| variable.len() > 1 && variable[1..] == *word);
        let hint = did_you_mean(word, variable).or_else(|| did_you_mean(word, functions::names(self.dialect)));
        let hint = hint.or_else(|| functions::elsewhere(self.dialect, word).map(str::to_owned));
        Err(Trouble::new(at, format!("there is no function `{word}`")).with_hint(hint))
    }

    fn call(&self, token: &Token<'_>, function: &'static Function, arguments: Vec<Part>) -> Result<Part, Trouble> {
        let (at, name, count) = (token.at, function.name, arguments.len());
        if count < function.arguments_min || count > function.arguments_max {
            return Err(Trouble::new(at, format!("`{name}` takes {}, not {count}", wanted(function))));
        }
        let mut pattern = None;
        if let Some(first) = arguments.first()
            && let Some(text) = first.expr.as_literal()
            && function.takes_pattern()
        {
            pattern = Some(functions::pattern(text).map_err(|what| Trouble::new(first.at, what))?);
        }
        let depth = 1 + arguments.iter().map(|argument| argument.depth).max().unwrap_or(0);
        if depth > DEPTH_MAX {
            return Err(too_deep(at));
        }
        let arguments = arguments.into_iter().map(|argument| argument.expr).collect();
        let expr = Expr::Call { at, function, arguments, pattern };
        Ok(Part { at, end: token.end, expr, depth, is_field: false })
    }
}

fn is_literal(word: &str) -> bool {
    matches!(word, "true" | "false" | "nil")
}

/// The value with fields of it.
fn chain(of: Part, fields: &[(usize, &str)], end: usize) -> Result<Part, Trouble> {
    let mut part = of;
    for (at, name) in fields {
        if part.depth >= DEPTH_MAX {
            return Err(too_deep(*at));
        }
        let expr = Expr::Field { at: *at, of: Box::new(part.expr), name: (*name).to_owned(), arguments: Vec::new() };
        part = Part { at: part.at, end, expr, depth: part.depth + 1, is_field: true };
    }
    Ok(part)
}

/// The method with its arguments.
fn with_arguments(method: Part, given: Vec<Part>) -> Result<Part, Trouble> {
    let deepest = given.iter().map(|argument| argument.depth).max().unwrap_or(0);
    let depth = method.depth.max(deepest + 1);
    if depth > DEPTH_MAX {
        return Err(too_deep(method.at));
    }
    let expr = match method.expr {
        Expr::Field { at, of, name, .. } => {
            Expr::Field { at, of, name, arguments: given.into_iter().map(|argument| argument.expr).collect() }
        }
        other => other,
    };
    Ok(Part { expr, depth, ..method })
}

fn unexpected(token: &Token<'_>) -> Trouble {
    match token.kind {
        TokenKind::Declare | TokenKind::Assign => Trouble::new(token.at, "a variable cannot be set here")
            .with_hint(Some("write `{{ $x := … }}` at the beginning of an action".to_owned())),
        TokenKind::Comma => Trouble::new(token.at, "unexpected `,`")
            .with_hint(Some("arguments stand side by side, with spaces between them".to_owned())),
        _ => Trouble::new(token.at, "expected a value"),
    }
}

pub(super) fn wanted(function: &Function) -> String {
    takes(function.arguments_min, function.arguments_max)
}

/// So many arguments, in words.
pub(super) fn takes(min: usize, max: usize) -> String {
    let arguments = |count: usize| if count == 1 { "1 argument".to_owned() } else { format!("{count} arguments") };
    match (min, max) {
        (min, usize::MAX) => format!("at least {}", arguments(min)),
        (0, 0) => "no arguments".to_owned(),
        (min, max) if min == max => arguments(min),
        (min, max) => format!("{min} to {}", arguments(max)),
    }
}

pub(super) fn unknown_variable(at: usize, name: &str, scope: &Scope<'_>) -> Trouble {
    let hint = did_you_mean(name, scope.names().filter(|known| *known != "$"));
    Trouble::new(at, format!("there is no variable `{name}`")).with_hint(hint)
}
