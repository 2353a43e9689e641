//! Blocks: from a template's pieces to its bodies, with every `end` where it belongs and every variable in its scope.

use std::sync::Arc;

use super::ast::{Arm, Body, Expr, Node, Set};
use super::functions::Dialect;
use super::lexer::{self, Piece, Token, TokenKind};
use super::{DEPTH_MAX, SOURCE_BYTES_MAX, Trouble};

/// Words that begin a control structure.
pub(super) const KEYWORDS: [&str; 10] =
    ["block", "break", "continue", "define", "else", "end", "if", "range", "template", "with"];

/// What a text is made of: its own body, and those that it defines.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) main: Body,
    /// The definitions, each with the place of its `define` or `block`.
    pub(super) defined: Vec<(usize, Body)>,
}

/// Parses a template. The variables in `given` are there from the beginning, behind `$`.
pub(super) fn parse(source: &str, file: Option<Arc<str>>, dialect: Dialect, given: &[&str]) -> Result<Parsed, Trouble> {
    if source.len() > SOURCE_BYTES_MAX {
        return Err(Trouble::new(0, format!("the template has more than {SOURCE_BYTES_MAX} bytes")));
    }
    let pieces = lexer::cut(source)?;
    let mut parser = Parser {
        source,
        shared: Arc::from(source),
        file,
        dialect,
        pieces: &pieces,
        next: 0,
        scope: Scope::new(given),
        defined: Vec::new(),
        depth: 0,
        loops: 0,
    };
    let nodes = match parser.nodes(true)? {
        (nodes, None) => nodes,
        (_, Some(Stop { at, word, .. })) => {
            return Err(Trouble::new(at, format!("this `{word}` belongs to nothing"))
                .with_hint(Some("there is no open `if`, `with`, `range`, `block` or `define`".to_owned())));
        }
    };
    let main = parser.body(String::new(), nodes);
    Ok(Parsed { main, defined: parser.defined })
}

/// The variables that are known at a place, and how many there were at once.
pub(super) struct Scope<'a> {
    names: Vec<&'a str>,
    most: usize,
}

impl<'a> Scope<'a> {
    fn new(given: &[&'a str]) -> Self {
        let names: Vec<&str> = std::iter::once("$").chain(given.iter().copied()).collect();
        Self { most: names.len(), names }
    }

    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.names.iter().rposition(|other| *other == name)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> {
        self.names.iter().copied()
    }

    fn declare(&mut self, name: &'a str) -> usize {
        self.names.push(name);
        self.most = self.most.max(self.names.len());
        self.names.len() - 1
    }
}

/// What ended a list of nodes: `end`, or `else` with what stands behind it.
struct Stop<'p, 'a> {
    at: usize,
    word: &'a str,
    rest: &'p [Token<'a>],
}

struct Parser<'p, 'a> {
    source: &'a str,
    shared: Arc<str>,
    file: Option<Arc<str>>,
    dialect: Dialect,
    pieces: &'p [Piece<'a>],
    next: usize,
    scope: Scope<'a>,
    defined: Vec<(usize, Body)>,
    depth: usize,
    loops: usize,
}

type Nodes<'p, 'a> = (Vec<Node>, Option<Stop<'p, 'a>>);

impl<'p, 'a> Parser<'p, 'a> {
    fn body(&self, name: String, nodes: Vec<Node>) -> Body {
        let (file, source) = (self.file.clone(), Arc::clone(&self.shared));
        Body { name, file, source, nodes, slots: self.scope.most }
    }

    /// Reads up to an `end` or `else`, or to the end of the text.
    fn nodes(&mut self, at_top: bool) -> Result<Nodes<'p, 'a>, Trouble> {
        let pieces = self.pieces;
        let mut nodes = Vec::new();
        while let Some(piece) = pieces.get(self.next) {
            self.next += 1;
            match piece {
                Piece::Text("") => {}
                Piece::Text(text) => nodes.push(Node::Text((*text).to_owned())),
                Piece::Action { at, tokens } => match tokens.split_first() {
                    None => return Err(Trouble::new(*at, "there is nothing between these braces")),
                    Some((Token { at, kind: TokenKind::Word(word @ ("end" | "else")), .. }, rest)) => {
                        return Ok((nodes, Some(Stop { at: *at, word, rest })));
                    }
                    Some((Token { at, kind: TokenKind::Word(word), .. }, rest)) if KEYWORDS.contains(word) => {
                        nodes.extend(self.control(*at, word, rest, at_top)?);
                    }
                    Some((first, _)) => nodes.push(self.action(first.at, tokens)?),
                },
            }
        }
        Ok((nodes, None))
    }

    /// Something that is printed, or a variable that is set.
    fn action(&mut self, at: usize, tokens: &'p [Token<'a>]) -> Result<Node, Trouble> {
        let (names, declares, tokens) = setting(tokens, 1)?;
        let expr = self.pipeline(at, tokens)?;
        match names[..] {
            [] => Ok(Node::Print { at, expr }),
            [name, ..] => Ok(Node::Set { set: self.set(name, declares)?, expr }),
        }
    }

    fn pipeline(&self, at: usize, tokens: &'p [Token<'a>]) -> Result<Expr, Trouble> {
        super::pipeline::parse(self.source, self.dialect, &self.scope, at, tokens)
    }

    fn set(&mut self, (at, name): (usize, &'a str), declares: bool) -> Result<Set, Trouble> {
        if declares {
            return Ok(Set { slot: self.scope.declare(name), is_again: false });
        }
        match self.scope.find(name) {
            Some(slot) => Ok(Set { slot, is_again: true }),
            None => {
                Err(super::pipeline::unknown_variable(at, name, &self.scope)
                    .with_default_hint("`:=` makes a new variable"))
            }
        }
    }

    fn control(
        &mut self,
        at: usize,
        word: &'a str,
        rest: &'p [Token<'a>],
        at_top: bool,
    ) -> Result<Option<Node>, Trouble> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(super::too_deep(at));
        }
        let known = self.scope.names.len();
        let node = match word {
            "if" | "with" => Some(self.choose(at, word, rest)?),
            "range" => Some(self.range(at, rest)?),
            "break" | "continue" => Some(self.jump(at, word, rest)?),
            "template" => {
                let (name, rest) = name_of(at, word, rest)?;
                let expr = if rest.is_empty() { None } else { Some(self.pipeline(at, rest)?) };
                Some(Node::Template { at, name: name.to_owned(), expr })
            }
            "block" => {
                let (name, rest) = name_of(at, word, rest)?;
                if rest.is_empty() {
                    return Err(Trouble::new(at, "a `block` needs a value for its `.`")
                        .with_hint(Some("write `{{ block \"name\" . }}`".to_owned())));
                }
                let expr = self.pipeline(at, rest)?;
                self.define(at, word, name)?;
                Some(Node::Template { at, name: name.to_owned(), expr: Some(expr) })
            }
            _ => {
                if !at_top {
                    return Err(Trouble::new(at, "a `define` cannot stand within another block")
                        .with_hint(Some("move it to the top level of the text".to_owned())));
                }
                let (name, rest) = name_of(at, word, rest)?;
                nothing_more(rest, word)?;
                self.define(at, word, name)?;
                None
            }
        };
        self.scope.names.truncate(known);
        self.depth -= 1;
        Ok(node)
    }

    fn choose(&mut self, at: usize, word: &'a str, rest: &'p [Token<'a>]) -> Result<Node, Trouble> {
        let mut arms = Vec::new();
        let (mut arm_at, mut tokens) = (at, rest);
        loop {
            let (names, declares, pipeline) = setting(tokens, 1)?;
            let expr = self.needed(arm_at, word, pipeline)?;
            let set = names.first().map(|name| self.set(*name, declares)).transpose()?;
            let (nodes, stop) = self.inner(at, word)?;
            arms.push(Arm { at: arm_at, set, expr, nodes });
            if stop.word == "end" {
                nothing_more(stop.rest, "end")?;
                return Ok(Node::Choose { is_with: word == "with", arms, otherwise: Vec::new() });
            }
            match stop.rest {
                [] => break,
                [Token { at, kind: TokenKind::Word(next), .. }, more @ ..] if *next == word => {
                    (arm_at, tokens) = (*at, more);
                }
                [Token { at, kind: TokenKind::Word(next), .. }, ..] if KEYWORDS.contains(next) => {
                    let hint = format!("write `{{{{ else }}}}{{{{ {next} … }}}}` and one `{{{{ end }}}}` more");
                    return Err(
                        Trouble::new(*at, format!("an `else {next}` cannot follow `{word}`")).with_hint(Some(hint))
                    );
                }
                rest => nothing_more(rest, "else")?,
            }
        }
        let otherwise = self.otherwise(at, word)?;
        Ok(Node::Choose { is_with: word == "with", arms, otherwise })
    }

    fn range(&mut self, at: usize, rest: &'p [Token<'a>]) -> Result<Node, Trouble> {
        let (names, declares, pipeline) = setting(rest, 2)?;
        let expr = self.needed(at, "range", pipeline)?;
        let mut sets = Vec::new();
        for name in names {
            sets.push(self.set(name, declares)?);
        }
        let (key, element) = match sets[..] {
            [] => (None, None),
            [element] => (None, Some(element)),
            [key, element, ..] => (Some(key), Some(element)),
        };
        self.loops += 1;
        let (nodes, stop) = self.inner(at, "range")?;
        self.loops -= 1;
        nothing_more(stop.rest, stop.word)?;
        let otherwise = if stop.word == "else" { self.otherwise(at, "range")? } else { Vec::new() };
        Ok(Node::Range { at, key, element, expr, nodes, otherwise })
    }

    fn needed(&self, at: usize, word: &str, tokens: &'p [Token<'a>]) -> Result<Expr, Trouble> {
        if tokens.is_empty() {
            return Err(Trouble::new(at, format!("nothing follows this `{word}`")));
        }
        self.pipeline(at, tokens)
    }

    fn jump(&self, at: usize, word: &str, rest: &[Token<'a>]) -> Result<Node, Trouble> {
        nothing_more(rest, word)?;
        if self.loops == 0 {
            return Err(Trouble::new(at, format!("a `{word}` can only stand within a `range`")));
        }
        Ok(if word == "break" { Node::Break } else { Node::Continue })
    }

    /// Reads what stands between a word and its `else` or `end`. Variables of it are forgotten.
    fn inner(&mut self, at: usize, word: &str) -> Result<(Vec<Node>, Stop<'p, 'a>), Trouble> {
        let known = self.scope.names.len();
        let (nodes, stop) = self.nodes(false)?;
        self.scope.names.truncate(known);
        let Some(stop) = stop else {
            return Err(Trouble::new(at, format!("this `{word}` is never closed"))
                .with_hint(Some("it needs an `{{ end }}`".to_owned())));
        };
        Ok((nodes, stop))
    }

    /// Reads from `else` to `end`.
    fn otherwise(&mut self, at: usize, word: &str) -> Result<Vec<Node>, Trouble> {
        let (nodes, stop) = self.inner(at, word)?;
        if stop.word == "else" {
            return Err(Trouble::new(stop.at, format!("this `{word}` has an `else` already")));
        }
        nothing_more(stop.rest, "end")?;
        Ok(nodes)
    }

    /// Reads the body of a `define` or `block`, which knows no variable but `$`.
    fn define(&mut self, at: usize, word: &str, name: &str) -> Result<(), Trouble> {
        let outer = std::mem::replace(&mut self.scope, Scope::new(&[]));
        let loops = std::mem::take(&mut self.loops);
        let (nodes, stop) = self.inner(at, word)?;
        if stop.word == "else" {
            return Err(Trouble::new(stop.at, format!("a `{word}` has no `else`")));
        }
        nothing_more(stop.rest, "end")?;
        let body = self.body(name.to_owned(), nodes);
        (self.scope, self.loops) = (outer, loops);
        if let Some(place) = self.defined.iter().position(|(_, other)| other.name == name) {
            if body.is_blank() {
                return Ok(());
            }
            if !self.defined[place].1.is_blank() {
                return Err(Trouble::new(at, format!("the template `{name}` is defined twice")));
            }
            self.defined.remove(place);
        }
        self.defined.push((at, body));
        Ok(())
    }
}

/// The variables that are set at the beginning of an action, whether they are new, and the tokens behind.
type Setting<'p, 'a> = (Vec<(usize, &'a str)>, bool, &'p [Token<'a>]);

fn setting<'p, 'a>(tokens: &'p [Token<'a>], names_max: usize) -> Result<Setting<'p, 'a>, Trouble> {
    let mut names = Vec::new();
    let mut rest = tokens;
    loop {
        match rest {
            [Token { at, kind: TokenKind::Path { variable: Some(name), fields }, .. }, next, more @ ..]
                if fields.is_empty() =>
            {
                names.push((*at, *name));
                match next.kind {
                    TokenKind::Comma if names.len() < names_max => rest = more,
                    TokenKind::Comma if names_max > 1 => {
                        return Err(Trouble::new(next.at, "a `range` sets two variables at most"));
                    }
                    TokenKind::Comma => {
                        return Err(Trouble::new(next.at, "only `range` sets two variables at once"));
                    }
                    TokenKind::Declare | TokenKind::Assign => {
                        if let Some((at, _)) = names.iter().find(|(_, name)| *name == "$") {
                            return Err(Trouble::new(*at, "`$` itself cannot be set")
                                .with_hint(Some("give the variable a name, such as `$x`".to_owned())));
                        }
                        if more.is_empty() {
                            return Err(Trouble::new(next.at, "nothing follows this sign"));
                        }
                        return Ok((names, next.kind == TokenKind::Declare, more));
                    }
                    _ if names.len() > 1 => return Err(Trouble::new(next.at, "expected `:=` or `=` here")),
                    _ => return Ok((Vec::new(), false, tokens)),
                }
            }
            _ if !names.is_empty() => {
                let at = rest.first().or(tokens.last()).map_or(0, |token| token.at);
                return Err(Trouble::new(at, "expected a variable and then `:=` or `=`"));
            }
            _ => return Ok((Vec::new(), false, tokens)),
        }
    }
}

fn name_of<'p, 'a>(at: usize, word: &str, tokens: &'p [Token<'a>]) -> Result<(&'p str, &'p [Token<'a>]), Trouble> {
    match tokens {
        [Token { kind: TokenKind::Text(name), at, .. }, ..] if name.is_empty() => {
            Err(Trouble::new(*at, "a template's name cannot be empty"))
        }
        [Token { kind: TokenKind::Text(name), .. }, rest @ ..] => Ok((name, rest)),
        _ => Err(Trouble::new(tokens.first().map_or(at, |token| token.at), format!("a name must follow `{word}`"))
            .with_hint(Some(format!("write it in quotes: `{word} \"name\"`")))),
    }
}

fn nothing_more(rest: &[Token<'_>], word: &str) -> Result<(), Trouble> {
    match rest.first() {
        None => Ok(()),
        Some(token) => Err(Trouble::new(token.at, format!("nothing may follow `{word}` here"))),
    }
}
