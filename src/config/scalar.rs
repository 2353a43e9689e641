//! Where a piece of a value stands in its YAML file.
//!
//! YAML folds lines, strips indentation and unescapes, so an offset in a value is not one in the file. But all that only
//! moves white space: the other characters follow each other in the file as in the value, so they are counted.

use std::ops::Range;

/// A character of a value that is no white space, and the bytes of the file that stand for it.
type Mark = (char, Range<usize>);

/// The bytes of `file` that stand for `piece` of the value of `scalar`. `None` when the two do not belong together, as
/// when a value was replaced after the file had been read.
pub(super) fn locate(file: &str, scalar: Range<usize>, value: &str, piece: Range<usize>) -> Option<Range<usize>> {
    let marks = marks(file.get(scalar.clone())?, scalar.start, value)?;
    let count = |to: usize| value.get(..to).map(|before| visible(before).count());
    let (first, end) = (count(piece.start)?, count(piece.end.max(piece.start))?);
    let begins_visible = value[piece.start..].chars().next().is_some_and(|c| !c.is_whitespace());
    let start = match (begins_visible, first) {
        (true, _) => marks.get(first)?.1.start,
        // White space or the end of the value: the spot is behind what comes before.
        (false, 0) => scalar.start,
        (false, _) => marks.get(first - 1)?.1.end,
    };
    let end = if end > first { marks.get(end - 1)?.1.end } else { start };
    Some(start..end.max(start))
}

/// The marks of a value, if they are those of the scalar in one of YAML's styles.
fn marks(scalar: &str, at: usize, value: &str) -> Option<Vec<Mark>> {
    let fits = |marks: &Vec<Mark>| marks.iter().map(|(c, _)| *c).eq(visible(value));
    let plain: Vec<Mark> = scalar.char_indices().map(|(i, c)| (c, i..i + c.len_utf8())).collect();
    let decoded = match scalar.chars().next() {
        Some('\'') => single_quoted(&plain),
        Some('"') => double_quoted(&plain),
        _ => None,
    };
    let moved = |marks: Vec<Mark>| {
        let visible = marks.into_iter().filter(|(c, _)| !c.is_whitespace());
        visible.map(|(c, bytes)| (c, bytes.start + at..bytes.end + at)).collect::<Vec<_>>()
    };
    [Some(plain.clone()), decoded].into_iter().flatten().map(moved).find(fits)
}

fn visible(text: &str) -> impl Iterator<Item = char> {
    text.chars().filter(|c| !c.is_whitespace())
}

/// What stands between the quotes.
fn inner(scalar: &[Mark]) -> Option<&[Mark]> {
    scalar.get(1..scalar.len().checked_sub(1)?)
}

fn single_quoted(scalar: &[Mark]) -> Option<Vec<Mark>> {
    let mut marks = Vec::new();
    let mut rest = inner(scalar)?;
    while let [(c, bytes), tail @ ..] = rest {
        let is_doubled = *c == '\'' && tail.first().is_some_and(|(next, _)| *next == '\'');
        let (end, tail) = if is_doubled { (bytes.end + 1, &tail[1..]) } else { (bytes.end, tail) };
        marks.push((*c, bytes.start..end));
        rest = tail;
    }
    Some(marks)
}

fn double_quoted(scalar: &[Mark]) -> Option<Vec<Mark>> {
    let mut marks = Vec::new();
    let mut rest = inner(scalar)?;
    while let [(c, bytes), tail @ ..] = rest {
        let (meant, used) = if *c == '\\' { escape(tail)? } else { (Some(*c), 0) };
        let end = if used == 0 { bytes.end } else { tail[used - 1].1.end };
        marks.extend(meant.map(|meant| (meant, bytes.start..end)));
        rest = &tail[used..];
    }
    Some(marks)
}

/// What an escape stands for, if for anything, and how many characters it has behind its backslash.
fn escape(tail: &[Mark]) -> Option<(Option<char>, usize)> {
    let hex = |digits: usize| {
        let text: String = tail.get(1..=digits)?.iter().map(|(c, _)| *c).collect();
        Some((char::from_u32(u32::from_str_radix(&text, 16).ok()?), digits + 1))
    };
    let meant = match tail.first()?.0 {
        'x' => return hex(2),
        'u' => return hex(4),
        'U' => return hex(8),
        '\n' | '\r' => return Some((None, 1)),
        '0' => '\0',
        'a' => '\u{7}',
        'b' => '\u{8}',
        'e' => '\u{1b}',
        'v' => '\u{b}',
        'f' => '\u{c}',
        'n' | 't' | 'r' | 'N' | '_' | 'L' | 'P' => ' ',
        other => other,
    };
    Some((Some(meant), 1))
}

#[cfg(test)]
mod tests {
    use super::super::tree::{Value, grow};
    use super::*;

    /// Finds `piece` in the value and says which piece of the file it is.
    fn find(file: &str, piece: &str) -> Option<(usize, String)> {
        let root = grow(file).root.unwrap();
        let Value::Mapping(entries) = &root.node.value else { panic!("{root:?}") };
        let expr = &entries[0].value.node;
        let Value::Scalar { text, .. } = &expr.value else { panic!("{expr:?}") };
        let at = text.find(piece).unwrap();
        let found = locate(file, expr.spot.bytes(), text, at..at + piece.len())?;
        Some((found.start, file[found].to_owned()))
    }

    #[test]
    fn follows_every_style_of_yaml() {
        let check = |file: &str, piece: &str, found: &str| {
            let at = file.rfind(found).unwrap();
            assert_eq!(find(file, piece), Some((at, found.to_owned())), "{file}");
        };
        check("expr: up == bogus", "bogus", "bogus");
        check("expr: up ==\n  bogus # bogus?\n".replace(" # bogus?", "").as_str(), "bogus", "bogus");
        check("expr: |\n  sum(\n    bogus)\n", "bogus", "bogus");
        check("expr: |2-\n    up\n    == bogus\n", "bogus", "bogus");
        check("expr: >-\n  up\n  ==\n\n  bogus\n", "bogus", "bogus");
        check("expr: |\n  \"quoted\" bogus\n", "bogus", "bogus");
        check("expr: 'it''s bogus'", "bogus", "bogus");
        check("expr: 'it''s bogus'", "'", "''");
        check("expr: \"a\\\"\\u00e9\\n\\x41 bogus\"", "bogus", "bogus");
        check("expr: \"a \\\n   bogus\"", "bogus", "bogus");
        check("expr: \"é\\u00e9x\"", "x", "x");
        check("expr: é bogus", "bogus", "bogus");
        check("expr: |\n  a b\n  c\n", "b\nc", "b\n  c");
    }

    #[test]
    fn the_end_is_behind_the_last_character() {
        let file = "expr: |\n  up +\n\nother: 1\n";
        assert_eq!(locate(file, 10..16, "up +\n", 4..4), Some(14..14));
        assert_eq!(locate(file, 10..16, "up +\n", 5..5), Some(14..14));
        assert_eq!(locate(file, 10..16, "", 0..0), None);
    }

    #[test]
    fn a_replaced_value_has_no_place() {
        assert_eq!(locate("url: abc", 5..8, "abd", 0..1), None);
        assert_eq!(locate("url: abc", 5..80, "abc", 0..1), None);
        assert_eq!(locate("url: abc", 5..8, "abc", 0..9), None);
    }
}
