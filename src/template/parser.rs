//! Tokens made into expressions that can be evaluated, everything checked that does not depend on data.
//!
//! A pipeline is only another way to write calls: `a | f b` is `f b a`. So there is one kind of expression.

use super::functions::{self, Function};
use super::lexer::{self, Piece, Token, TokenKind};
use super::{DEPTH_MAX, SOURCE_BYTES_MAX, Trouble, printf};

/// A part of a parsed template.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Text(String),
    Action(Expr),
}

/// Something that has a value.
#[derive(Clone, Debug)]
pub(super) enum Expr {
    Text(String),
    Float(f64),
    Int(i64),
    Bool(bool),
    Value,
    ExternalUrl,
    Map(Map),
    Label(Map, String),
    Call { at: usize, function: &'static Function, arguments: Vec<Expr> },
}

/// The label sets that a template may speak of.
#[derive(Clone, Copy, Debug)]
pub(super) enum Map {
    Labels,
    ExternalLabels,
}

/// Words that begin a control structure.
const KEYWORDS: [&str; 10] = ["block", "break", "continue", "define", "else", "end", "if", "range", "template", "with"];

/// What there is to speak of, as variable and as field.
const NAMES: [(&str, &str); 4] = [
    ("$labels", "Labels"),
    ("$externalLabels", "ExternalLabels"),
    ("$externalURL", "ExternalURL"),
    ("$value", "Value"),
];

/// Parses a template.
pub(super) fn parse(source: &str) -> Result<Vec<Node>, Trouble> {
    if source.len() > SOURCE_BYTES_MAX {
        return Err(Trouble::new(0, format!("the template has more than {SOURCE_BYTES_MAX} bytes")));
    }
    let mut nodes = Vec::new();
    for piece in lexer::cut(source)? {
        match piece {
            Piece::Text("") => {}
            Piece::Text(text) => nodes.push(Node::Text(text.to_owned())),
            Piece::Action { at, tokens } => {
                let mut parser = Parser { source, tokens: &tokens, next: 0 };
                nodes.push(Node::Action(parser.action(at)?));
            }
        }
    }
    Ok(nodes)
}

/// An expression on its way, with what matters about it to what stands around it.
struct Part {
    at: usize,
    end: usize,
    expr: Expr,
    /// How deep calls are nested in it.
    depth: usize,
}

struct Parser<'a> {
    source: &'a str,
    tokens: &'a [Token<'a>],
    next: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a Token<'a>> {
        self.tokens.get(self.next)
    }

    fn action(&mut self, open: usize) -> Result<Expr, Trouble> {
        let Some(first) = self.peek() else { return Err(Trouble::new(open, "there is nothing between these braces")) };
        if let TokenKind::Word(word) = first.kind
            && KEYWORDS.contains(&word)
        {
            return Err(Trouble::unsupported(first.at, &format!("`{word}`")));
        }
        if let Some(assign) = self.tokens.iter().find(|token| token.kind == TokenKind::Assign) {
            return Err(Trouble::unsupported(assign.at, "setting a variable"));
        }
        let part = self.pipeline(0)?;
        match self.peek() {
            Some(token) => Err(Trouble::new(token.at, "this `)` closes nothing")),
            None => Ok(part.expr),
        }
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

    /// Reads a function with its arguments, or a single operand. What is piped in is the last argument.
    fn command(&mut self, piped: Option<Part>, parentheses: usize) -> Result<Part, Trouble> {
        match self.peek() {
            Some(Token { at, kind: TokenKind::Pipe }) => Err(Trouble::new(*at, "nothing precedes this `|`")),
            Some(Token { at, kind: TokenKind::Word(word) }) if !is_literal(word) => {
                if functions::find(word).is_none() {
                    return Err(unknown_function(*at, word));
                }
                self.next += 1;
                let mut arguments = Vec::new();
                while self.more() {
                    arguments.push(self.operand(parentheses)?);
                }
                arguments.extend(piped);
                self.call(*at, word, arguments)
            }
            _ => {
                let operand = self.operand(parentheses)?;
                let written = &self.source[operand.at..operand.end];
                if piped.is_some() {
                    let what = format!("`{written}` is not a function, so nothing can be piped into it");
                    return Err(Trouble::new(operand.at, what));
                }
                if self.more() {
                    let what = format!("`{written}` is not a function and takes no arguments");
                    return Err(Trouble::new(operand.at, what));
                }
                Ok(operand)
            }
        }
    }

    /// Whether the command goes on.
    fn more(&self) -> bool {
        !matches!(self.peek(), None | Some(Token { kind: TokenKind::Pipe | TokenKind::Close, .. }))
    }

    fn operand(&mut self, parentheses: usize) -> Result<Part, Trouble> {
        let Some(token) = self.peek() else { return Err(Trouble::new(self.source.len(), "expected a value")) };
        self.next += 1;
        let at = token.at;
        let expr = match &token.kind {
            TokenKind::Text(text) => Expr::Text(text.clone()),
            TokenKind::Number(text) => number(text, at)?,
            TokenKind::Word("true") => Expr::Bool(true),
            TokenKind::Word("false") => Expr::Bool(false),
            TokenKind::Word("nil") => return Err(Trouble::unsupported(at, "`nil`")),
            TokenKind::Word(word) => return self.call(at, word, Vec::new()),
            TokenKind::Path { variable, fields } => path(*variable, fields, at)?,
            TokenKind::Open => return self.parenthesised(at, parentheses + 1),
            TokenKind::Close => return Err(Trouble::new(at, "this `)` closes nothing")),
            TokenKind::Pipe | TokenKind::Assign => return Err(Trouble::new(at, "expected a value")),
        };
        Ok(Part { at, end: self.end_of(token), expr, depth: 0 })
    }

    /// Where the source of a token ends that we just went past.
    fn end_of(&self, token: &Token<'_>) -> usize {
        let next = self.tokens.get(self.next).map_or(self.source.len(), |next| next.at);
        let between = &self.source[token.at..next];
        let between =
            if self.next < self.tokens.len() { between } else { between.split("}}").next().unwrap_or(between) };
        token.at + between.trim_end_matches('-').trim_end().len()
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
        let Some(close) = self.peek() else { return Err(Trouble::new(open, "this `(` is never closed")) };
        self.next += 1;
        if let Some(Token { at, kind: TokenKind::Path { variable: None, .. } }) = self.peek()
            && *at == close.at + 1
        {
            return Err(Trouble::unsupported(*at, "a field of a parenthesised value"));
        }
        Ok(Part { at: open, end: close.at + 1, ..inner })
    }

    fn call(&self, at: usize, name: &str, arguments: Vec<Part>) -> Result<Part, Trouble> {
        let Some(function) = functions::find(name) else { return Err(unknown_function(at, name)) };
        let count = arguments.len();
        if count < function.arguments_min || count > function.arguments_max {
            return Err(Trouble::new(at, format!("`{name}` takes {}, not {count}", wanted(function))));
        }
        if let Some(Part { at, expr: Expr::Text(text), .. }) = arguments.first() {
            check_literal(function, text).map_err(|what| Trouble::new(*at, what))?;
        }
        let depth = 1 + arguments.iter().map(|argument| argument.depth).max().unwrap_or(0);
        if depth > DEPTH_MAX {
            return Err(too_deep(at));
        }
        let arguments = arguments.into_iter().map(|argument| argument.expr).collect();
        Ok(Part { at, end: at + name.len(), expr: Expr::Call { at, function, arguments }, depth })
    }
}

fn is_literal(word: &str) -> bool {
    matches!(word, "true" | "false" | "nil")
}

fn too_deep(at: usize) -> Trouble {
    Trouble::new(at, format!("this is nested more than {DEPTH_MAX} deep"))
}

/// Finds at parse what is wrong with a pattern or a format that is written out.
fn check_literal(function: &Function, text: &str) -> Result<(), String> {
    match function.name {
        "match" | "reReplaceAll" => functions::pattern(text).map(drop),
        "printf" if printf::has_argument_index(text) => {
            Err("an argument index in a format is not supported yet".to_owned())
        }
        _ => Ok(()),
    }
}

fn wanted(function: &Function) -> String {
    let arguments = |count: usize| if count == 1 { "1 argument".to_owned() } else { format!("{count} arguments") };
    match (function.arguments_min, function.arguments_max) {
        (min, usize::MAX) => format!("at least {}", arguments(min)),
        (min, max) if min == max => arguments(min),
        (min, max) => format!("{min} to {}", arguments(max)),
    }
}

fn unknown_function(at: usize, name: &str) -> Trouble {
    if KEYWORDS.contains(&name) || functions::is_of_prometheus(name) {
        return Trouble::unsupported(at, &format!("`{name}`"));
    }
    let variable = NAMES.iter().map(|(variable, _)| *variable).find(|variable| variable[1..] == *name);
    let hint = variable.or_else(|| closest(name, functions::names()));
    Trouble::new(at, format!("there is no function `{name}`")).with_hint(hint.map(did_you_mean))
}

fn number(text: &str, at: usize) -> Result<Expr, Trouble> {
    let digits = text.trim_start_matches(['+', '-']);
    let is_other_base = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
    let has_suffix = digits.contains('_') || (digits.ends_with('i') && digits.len() > 1);
    if is_other_base && digits.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') || has_suffix {
        return Err(Trouble::unsupported(at, &format!("a number like `{text}`")));
    }
    let not_a_number = || Trouble::new(at, format!("`{text}` is not a number"));
    if !digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-')) || digits.is_empty() {
        return Err(not_a_number());
    }
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let too_big = || Trouble::new(at, format!("`{text}` is too big for a whole number"));
        return text.parse().map(Expr::Int).map_err(|_| too_big());
    }
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(Expr::Float(value)),
        _ => Err(not_a_number()),
    }
}

/// What a variable or field means.
fn path(variable: Option<&str>, fields: &[&str], at: usize) -> Result<Expr, Trouble> {
    let (written, name, rest) = match (variable, fields) {
        (Some("$") | None, [] | [""]) => {
            return Err(Trouble::unsupported(at, &format!("`{}` alone", variable.unwrap_or("."))));
        }
        (Some("$") | None, [first, rest @ ..]) => {
            let written = format!("{}.{first}", variable.unwrap_or(""));
            (written, known_field(first, at)?, rest)
        }
        (Some(variable), rest) => (variable.to_owned(), known_variable(variable, at)?, rest),
    };
    if rest.contains(&"") {
        return Err(Trouble::new(at, "a field's name must follow its point"));
    }
    let map = match name {
        "Labels" => Map::Labels,
        "ExternalLabels" => Map::ExternalLabels,
        other => {
            return match rest {
                [] if other == "Value" => Ok(Expr::Value),
                [] => Ok(Expr::ExternalUrl),
                _ => Err(Trouble::new(at, format!("`{written}` has no fields"))),
            };
        }
    };
    match rest {
        [] => Ok(Expr::Map(map)),
        [label] => Ok(Expr::Label(map, (*label).to_owned())),
        [label, ..] => Err(Trouble::new(at, format!("`{written}.{label}` has no fields"))),
    }
}

fn known_field(name: &str, at: usize) -> Result<&'static str, Trouble> {
    let fields = || NAMES.iter().map(|(_, field)| *field);
    fields().find(|field| *field == name).ok_or_else(|| {
        let all = || "there are `.Labels`, `.ExternalLabels`, `.ExternalURL` and `.Value`".to_owned();
        let hint = closest(name, fields()).map_or_else(all, |field| did_you_mean(&format!(".{field}")));
        Trouble::new(at, format!("there is no field `.{name}`")).with_hint(Some(hint))
    })
}

fn known_variable(name: &str, at: usize) -> Result<&'static str, Trouble> {
    NAMES.iter().find(|(variable, _)| *variable == name).map(|(_, field)| *field).ok_or_else(|| {
        let hint = closest(name, NAMES.iter().map(|(variable, _)| *variable)).map(did_you_mean);
        Trouble::new(at, format!("there is no variable `{name}`")).with_hint(hint)
    })
}

fn did_you_mean(name: &str) -> String {
    format!("did you mean `{name}`?")
}

/// The name that is most like what was written, if one is so like it that it was probably meant.
fn closest<'n>(written: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    /// No name that we know is longer.
    const WRITTEN_MAX: usize = 32;
    if written.len() > WRITTEN_MAX {
        return None;
    }
    let far = written.chars().count() / 3;
    names
        .map(|name| (edits(&written.to_lowercase(), &name.to_lowercase()), name))
        .filter(|(edits, _)| *edits <= far.max(1))
        .min()
        .map(|(_, name)| name)
}

/// How many letters must be put in, taken out or changed to make one word of the other.
fn edits(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (at, from) in left.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], at + 1);
        for (column, to) in right.iter().enumerate() {
            let changed = diagonal + usize::from(from != *to);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}
