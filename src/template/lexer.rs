//! A template cut into literal text and actions, and actions into tokens.

use super::Trouble;
use super::constant;

/// A part of a template.
#[derive(Debug)]
pub(super) enum Piece<'a> {
    /// Text to be copied, already trimmed as the markers beside it say. May be empty.
    Text(&'a str),
    /// What stands between `{{` and `}}`.
    Action { at: usize, tokens: Vec<Token<'a>> },
}

/// A token of an action, with the byte offsets at which it starts and ends.
#[derive(Clone, Debug)]
pub(super) struct Token<'a> {
    pub(super) at: usize,
    pub(super) end: usize,
    pub(super) kind: TokenKind<'a>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum TokenKind<'a> {
    /// A function or a keyword.
    Word(&'a str),
    /// `.` alone.
    Dot,
    /// `$labels.job` or `.Labels.job`: a variable, if one is named, and the fields behind it with their places.
    Path {
        variable: Option<&'a str>,
        fields: Vec<(usize, &'a str)>,
    },
    /// A string, escapes undone.
    Text(String),
    /// A character, as the number that it is.
    Char(u32),
    /// A number as it stands there.
    Number(&'a str),
    Open,
    Close,
    Pipe,
    /// `:=`.
    Declare,
    /// `=`.
    Assign,
    Comma,
}

/// White space as Go's templates know it; any other is an unexpected character.
const SPACE: [char; 4] = [' ', '\t', '\r', '\n'];

/// Cuts a template into pieces.
pub(super) fn cut(source: &str) -> Result<Vec<Piece<'_>>, Trouble> {
    let mut pieces = Vec::new();
    let mut at = 0;
    let mut trim = false;
    loop {
        let open = source[at..].find("{{").map(|length| at + length);
        let mut text = &source[at..open.unwrap_or(source.len())];
        if trim {
            text = text.trim_start_matches(SPACE);
        }
        let Some(open) = open else {
            pieces.push(Piece::Text(text));
            return Ok(pieces);
        };
        at = open + 2;
        if let Some(rest) = source[at..].strip_prefix('-')
            && rest.starts_with(SPACE)
        {
            text = text.trim_end_matches(SPACE);
            at += 2;
        }
        pieces.push(Piece::Text(text));
        if source[at..].starts_with("/*") {
            (at, trim) = comment(source, open, at)?;
        } else {
            let mut action = Action { source, open, at, tokens: Vec::new() };
            trim = action.read()?;
            at = action.at;
            pieces.push(Piece::Action { at: open, tokens: action.tokens });
        }
    }
}

/// Skips a comment; answers where its braces end, and whether they trim what follows.
fn comment(source: &str, open: usize, at: usize) -> Result<(usize, bool), Trouble> {
    let Some(length) = source[at + 2..].find("*/") else {
        return Err(Trouble::new(open, "this comment is never closed by `*/}}`"));
    };
    let at = at + 2 + length + 2;
    closing(&source[at..])
        .map(|(length, trim)| (at + length, trim))
        .ok_or_else(|| Trouble::new(open, "a comment cannot share its braces with anything else"))
}

/// Whether closing braces stand at the beginning: how long they are, and whether they trim what follows.
fn closing(rest: &str) -> Option<(usize, bool)> {
    if rest.starts_with("}}") {
        return Some((2, false));
    }
    let trimming = rest.strip_prefix(SPACE)?.starts_with("-}}");
    trimming.then_some((4, true))
}

/// The inside of one pair of braces.
struct Action<'a> {
    source: &'a str,
    open: usize,
    at: usize,
    tokens: Vec<Token<'a>>,
}

impl<'a> Action<'a> {
    fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    /// Reads up to the closing braces; answers whether they trim what follows.
    fn read(&mut self) -> Result<bool, Trouble> {
        loop {
            if let Some((length, trim)) = closing(self.rest()) {
                self.at += length;
                return Ok(trim);
            }
            let Some(c) = self.rest().chars().next() else {
                return Err(Trouble::new(self.open, "this `{{` is never closed by `}}`"));
            };
            match c {
                _ if SPACE.contains(&c) => self.at += 1,
                '(' => self.push(TokenKind::Open, 1),
                ')' => {
                    self.push(TokenKind::Close, 1);
                    self.expect_an_end(true)?;
                }
                '|' => self.push(TokenKind::Pipe, 1),
                ',' => self.push(TokenKind::Comma, 1),
                '=' => self.push(TokenKind::Assign, 1),
                ':' if self.rest().starts_with(":=") => self.push(TokenKind::Declare, 2),
                _ => self.operand(c)?,
            }
        }
    }

    fn push(&mut self, kind: TokenKind<'a>, length: usize) {
        self.tokens.push(Token { at: self.at, end: self.at + length, kind });
        self.at += length;
    }

    /// Reads what can be an argument. Behind it something must follow that ends it.
    fn operand(&mut self, first: char) -> Result<(), Trouble> {
        let second = self.rest().chars().nth(1);
        match first {
            '"' => {
                let (text, length) = constant::string(self.rest(), self.at)?;
                self.push(TokenKind::Text(text), length);
            }
            '`' => {
                let Some(length) = self.rest()[1..].find('`') else {
                    return Err(Trouble::new(self.at, "this string is never closed"));
                };
                let text = self.rest()[1..=length].replace('\r', "");
                self.push(TokenKind::Text(text), length + 2);
            }
            '\'' => {
                let (code, length) = constant::character(self.rest(), self.at)?;
                self.push(TokenKind::Char(code), length);
            }
            '.' if second.is_some_and(|c| c.is_ascii_digit()) => self.number(),
            '0'..='9' | '+' | '-' => self.number(),
            '.' | '$' => self.path(first)?,
            '/' if second == Some('*') => {
                return Err(Trouble::new(self.at, "a comment must follow its `{{` directly"));
            }
            _ if is_word(first) => {
                let word = self.word();
                self.push(TokenKind::Word(word), word.len());
                return self.expect_an_end(true);
            }
            _ if first.is_whitespace() => {
                let what = format!("unexpected character U+{:04X}", u32::from(first));
                return Err(Trouble::new(self.at, what).with_hint(Some("use plain spaces".to_owned())));
            }
            _ => return Err(Trouble::new(self.at, format!("unexpected character `{}`", visible(first)))),
        }
        self.expect_an_end(false)
    }

    /// Refuses what runs into the operand before it.
    fn expect_an_end(&self, may_have_fields: bool) -> Result<(), Trouble> {
        match self.rest().chars().next() {
            None | Some('|' | ')' | ',' | '=' | ':' | '}') => Ok(()),
            // `(f x).Field` and `now.Format`; of an unknown `labels.job` the name says more than the point.
            Some('.') if may_have_fields => Ok(()),
            Some(c) if SPACE.contains(&c) => Ok(()),
            Some(c) => {
                let what = format!("expected a space, `|`, `)` or `}}}}` before `{}`", visible(c));
                Err(Trouble::new(self.at, what))
            }
        }
    }

    /// The letters and digits from here on.
    fn word(&self) -> &'a str {
        let rest = self.rest();
        &rest[..rest.find(|c| !is_word(c)).unwrap_or(rest.len())]
    }

    fn path(&mut self, first: char) -> Result<(), Trouble> {
        let start = self.at;
        let mut variable = None;
        if first == '$' {
            self.at += 1;
            let name = self.word();
            self.at += name.len();
            variable = Some(&self.source[start..self.at]);
        }
        let mut fields = Vec::new();
        while self.rest().starts_with('.') {
            let at = self.at;
            self.at += 1;
            let name = self.word();
            if name.is_empty() {
                if variable.is_none() && fields.is_empty() && !self.rest().starts_with('.') {
                    self.tokens.push(Token { at: start, end: self.at, kind: TokenKind::Dot });
                    return Ok(());
                }
                return Err(Trouble::new(at, "a field's name must follow its point"));
            }
            self.at += name.len();
            fields.push((at, name));
        }
        self.tokens.push(Token { at: start, end: self.at, kind: TokenKind::Path { variable, fields } });
        Ok(())
    }

    fn number(&mut self) {
        let rest = self.rest();
        let mut before = ' ';
        let ends = |c: char| {
            let sign = matches!(c, '+' | '-') && matches!(before, ' ' | 'e' | 'E' | 'p' | 'P');
            before = c;
            !(sign || is_word(c) || c == '.')
        };
        let text = &rest[..rest.find(ends).unwrap_or(rest.len())];
        self.push(TokenKind::Number(text), text.len());
    }
}

/// A character as a one-line message shows it.
pub(super) fn visible(c: char) -> String {
    if c.is_control() { c.escape_default().to_string() } else { c.to_string() }
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(inside: &str) -> Vec<TokenKind<'_>> {
        let mut action = Action { source: inside, open: 0, at: 0, tokens: Vec::new() };
        action.read().unwrap_or_else(|trouble| panic!("{inside}: {trouble:?}"));
        action.tokens.into_iter().map(|token| token.kind).collect()
    }

    #[test]
    fn cuts_paths_numbers_and_strings() {
        let path = |variable, fields: &[(usize, &'static str)]| TokenKind::Path { variable, fields: fields.to_vec() };
        let check = |inside: &'static str, expected: &[TokenKind<'_>]| assert_eq!(tokens(inside), expected, "{inside}");
        check("$labels.job}}", &[path(Some("$labels"), &[(7, "job")])]);
        check(".Labels.job}}", &[path(None, &[(0, "Labels"), (7, "job")])]);
        check("$.Value|x}}", &[path(Some("$"), &[(1, "Value")]), TokenKind::Pipe, TokenKind::Word("x")]);
        check(". }}", &[TokenKind::Dot]);
        check("-1.5e+3 .5 1}}", &[TokenKind::Number("-1.5e+3"), TokenKind::Number(".5"), TokenKind::Number("1")]);
        check("0x1p-2}}", &[TokenKind::Number("0x1p-2")]);
        check("\"a}}\\n\\x41\\101\\u00e9\\\"\"}}", &[TokenKind::Text("a}}\nAAé\"".to_owned())]);
        check("`a\\n\r\n` -}}", &[TokenKind::Text("a\\n\n".to_owned())]);
        check("'a' '\\''}}", &[TokenKind::Char(97), TokenKind::Char(39)]);
        check("$x:=1}}", &[path(Some("$x"), &[]), TokenKind::Declare, TokenKind::Number("1")]);
        check("$x = 1}}", &[path(Some("$x"), &[]), TokenKind::Assign, TokenKind::Number("1")]);
        check("(.a).b}}", &[TokenKind::Open, path(None, &[(1, "a")]), TokenKind::Close, path(None, &[(4, "b")])]);
    }

    #[test]
    fn fields_need_names() {
        for inside in ["$x.}}", "..}}", ".a.}}", ".a..b}}"] {
            let mut action = Action { source: inside, open: 0, at: 0, tokens: Vec::new() };
            assert_eq!(action.read().unwrap_err().what, "a field's name must follow its point", "{inside}");
        }
    }
}
