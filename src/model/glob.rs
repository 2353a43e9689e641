//! Patterns of file names, as Go's `filepath.Match` has them: `*`, `?`, `[a-z]`, `[^a]` and `\`.

use std::iter::Peekable;
use std::str::Chars;

/// Why a text is no pattern.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum GlobError {
    /// Brackets that are opened and not closed.
    #[error("a `[` of the pattern is never closed by `]`")]
    Unclosed,
    /// Brackets with nothing, or half a range, in them.
    #[error("the brackets of the pattern hold nothing that they could mean")]
    EmptyClass,
    /// A `\` with nothing behind it.
    #[error("the pattern ends with a `\\`")]
    Dangling,
}

/// Whether a text is a pattern, rather than a name or a path as it is.
pub fn is_glob(text: &str) -> bool {
    text.contains(['*', '?', '[', '\\'])
}

/// A pattern of whole paths: one of names for each part, so that `*` stays within a name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PathGlob(Vec<NameGlob>);

impl PathGlob {
    /// Reads a pattern.
    pub fn parse(pattern: &str) -> Result<Self, GlobError> {
        pattern.split('/').map(NameGlob::parse).collect::<Result<_, _>>().map(Self)
    }

    /// Whether it means this path.
    pub fn is_match(&self, path: &str) -> bool {
        let mut names = path.split('/');
        self.0.iter().all(|glob| names.next().is_some_and(|name| glob.is_match(name))) && names.next().is_none()
    }
}

/// A pattern of names, without `/`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NameGlob(Vec<Token>);

impl NameGlob {
    /// Reads a pattern.
    pub fn parse(pattern: &str) -> Result<Self, GlobError> {
        tokens(pattern).map(Self)
    }

    /// Whether it means this name.
    pub fn is_match(&self, name: &str) -> bool {
        let Self(tokens) = self;
        let name: Vec<char> = name.chars().collect();
        let (mut at_token, mut at_name) = (0, 0);
        // Where the last `*` stands, and how much of the name it has taken.
        let mut star: Option<(usize, usize)> = None;
        while at_name < name.len() {
            match tokens.get(at_token) {
                Some(Token::Any) => {
                    star = Some((at_token, at_name));
                    at_token += 1;
                }
                Some(token) if token.takes(name[at_name]) => (at_token, at_name) = (at_token + 1, at_name + 1),
                _ => match star {
                    Some((token, taken)) => {
                        star = Some((token, taken + 1));
                        (at_token, at_name) = (token + 1, taken + 1);
                    }
                    None => return false,
                },
            }
        }
        tokens[at_token..].iter().all(|token| *token == Token::Any)
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Token {
    Any,
    One,
    Char(char),
    Class { is_negated: bool, ranges: Vec<(char, char)> },
}

impl Token {
    fn takes(&self, c: char) -> bool {
        match self {
            Self::Any => false,
            Self::One => true,
            Self::Char(own) => *own == c,
            Self::Class { is_negated, ranges } => {
                ranges.iter().any(|(from, to)| (*from..=*to).contains(&c)) != *is_negated
            }
        }
    }
}

fn tokens(pattern: &str) -> Result<Vec<Token>, GlobError> {
    let mut tokens = Vec::new();
    let mut rest = pattern.chars().peekable();
    while let Some(c) = rest.next() {
        tokens.push(match c {
            '*' => Token::Any,
            '?' => Token::One,
            '\\' => Token::Char(rest.next().ok_or(GlobError::Dangling)?),
            '[' => {
                let is_negated = rest.next_if_eq(&'^').is_some();
                let mut ranges = Vec::new();
                while ranges.is_empty() || rest.next_if_eq(&']').is_none() {
                    let from = end_of_range(&mut rest)?;
                    let to = if rest.next_if_eq(&'-').is_some() { end_of_range(&mut rest)? } else { from };
                    ranges.push((from, to));
                }
                Token::Class { is_negated, ranges }
            }
            c => Token::Char(c),
        });
    }
    Ok(tokens)
}

/// One end of a range in brackets.
fn end_of_range(rest: &mut Peekable<Chars<'_>>) -> Result<char, GlobError> {
    match rest.next().ok_or(GlobError::Unclosed)? {
        '\\' => rest.next().ok_or(GlobError::Unclosed),
        '-' | ']' => Err(GlobError::EmptyClass),
        c => Ok(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_they_mean_in_go() {
        let check = |pattern: &str, name: &str, want: bool| {
            assert_eq!(NameGlob::parse(pattern).map(|it| it.is_match(name)), Ok(want), "{pattern} on {name}");
        };
        check("*", "", true);
        check("*.json", "a.json", true);
        check("*.json", "a.jsonx", false);
        check("*.yml", ".yml", true);
        check("*a*b", "xaab", true);
        check("*a*b", "xaabc", false);
        check("a?c", "abc", true);
        check("a?c", "ac", false);
        check("[a-c]x", "bx", true);
        check("[^a-c]x", "bx", false);
        check("[^a-c]x", "dx", true);
        check("[&~]x", "~x", true);
        check("a+(b)", "a+(b)", true);
        check("a\\*c", "a*c", true);
        check("a\\*c", "abc", false);
        check("[\\]]", "]", true);
        check("[a-\\]]", "]", false);
        check("[A-\\]]", "Z", true);
    }

    #[test]
    fn a_star_stays_within_a_part_of_a_path() {
        let check = |path: &str, want: bool| {
            assert_eq!(PathGlob::parse("rules/*.yaml").map(|it| it.is_match(path)), Ok(want), "{path}");
        };
        check("rules/a.yaml", true);
        check("rules/a.yml", false);
        check("rules/a/b.yaml", false);
        check("rules", false);
        check("rules/a.yaml/b", false);
    }

    #[test]
    fn broken_patterns_are_told() {
        let check = |pattern: &str, want: GlobError| assert_eq!(NameGlob::parse(pattern), Err(want), "{pattern}");
        check("[b", GlobError::Unclosed);
        check("[a-", GlobError::Unclosed);
        check("[]", GlobError::EmptyClass);
        check("[a-]", GlobError::EmptyClass);
        check("a\\", GlobError::Dangling);
    }
}
