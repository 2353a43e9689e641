//! Places in an expression, and errors that point at them.

/// A piece of an expression, as byte offsets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Span {
    /// Where it begins.
    pub start: u32,
    /// Where it ends; the byte at this offset is no part of it.
    pub end: u32,
}

impl Span {
    /// From the beginning of this span to the end of another.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        Self { start: self.start, end: other.end }
    }

    /// Line and column of its beginning, from 1; columns count characters.
    pub fn line_column(self, source: &str) -> (u32, u32) {
        let (line, _, column) = self.locate(source);
        (line, column)
    }

    /// Line and column of its beginning, from 1; columns count bytes, as Prometheus counts them.
    pub fn line_byte_column(self, source: &str) -> (u32, u32) {
        let before = source.get(..self.start as usize).unwrap_or(source);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let column = u32::try_from(before.len() - line_start + 1).unwrap_or(u32::MAX);
        (self.locate(source).0, column)
    }

    /// The line on which it begins, with a mark under the spot.
    pub fn render(self, source: &str) -> String {
        let (_, text, column) = self.locate(source);
        let before = column as usize - 1;
        // A tab stays a tab, so that the mark stands where the reader sees the spot.
        let indent: String = text.chars().take(before).map(|c| if c == '\t' { c } else { ' ' }).collect();
        let marked = source.get(self.start as usize..self.end as usize).unwrap_or_default();
        let width = marked.lines().next().unwrap_or_default().chars().count().max(1);
        format!("{text}\n{indent}{}", "^".repeat(width))
    }

    /// Number and text of the line on which it begins, and the column.
    fn locate(self, source: &str) -> (u32, &str, u32) {
        let before = source.get(..self.start as usize).unwrap_or(source);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let text = source[line_start..].lines().next().unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before[line_start..].chars().count() + 1;
        (u32::try_from(line).unwrap_or(u32::MAX), text, u32::try_from(column).unwrap_or(u32::MAX))
    }
}

/// Why a text is not an expression that we can evaluate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct ParseError {
    /// The spot.
    pub span: Span,
    /// What is wrong: `expected ")", found "by"`.
    pub what: String,
    /// What to do, when we know.
    pub hint: Option<String>,
}

impl ParseError {
    pub(super) fn new(span: Span, what: impl Into<String>) -> Self {
        Self { span, what: what.into(), hint: None }
    }

    pub(super) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The line of the source with a mark under the spot.
    pub fn render(&self, source: &str) -> String {
        self.span.render(source)
    }

    /// Line and column of the spot, from 1.
    pub fn line_column(&self, source: &str) -> (u32, u32) {
        self.span.line_column(source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_the_spot() {
        let check = |source: &str, start: u32, end: u32, place: (u32, u32), rendered: &str| {
            let span = Span { start, end };
            assert_eq!(span.line_column(source), place, "{source}");
            assert_eq!(span.render(source), rendered, "{source}");
        };
        check("up + by", 5, 7, (1, 6), "up + by\n     ^^");
        check("sum(\n\tup", 6, 8, (2, 2), "\tup\n\t^^");
        check("{é=\"\"}", 4, 6, (1, 4), "{é=\"\"}\n   ^^");
        check("up +", 4, 4, (1, 5), "up +\n    ^");
        check("a +\n(b\n+ c)", 4, 11, (2, 1), "(b\n^^");
        check("", 0, 0, (1, 1), "\n^");
    }
}
