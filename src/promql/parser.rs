//! Text to tree: a Pratt parser.
//!
//! `or` binds least, then `and` and `unless`, comparisons, `+` and `-`, `*` `/` `%` `atan2`, and `^`, which alone groups to
//! the right. A sign binds like `*`; ranges and offsets bind most.

use crate::model::Patterns;

use super::ast::{
    AggregateOp, Aggregation, BinaryOp, BinaryOperation, Call, Expr, ExprKind, Fill, Grouping, Matching, MatchingSide,
};
use super::check::{check, check_signed};
use super::functions;
use super::lexer::{Lexer, Token, TokenKind, is_reserved};
use super::support::unsupported;
use super::{ParseError, Span};

/// The longest expression that is read, in bytes.
pub const LENGTH_MAX: usize = 256 * 1024;

/// How deep a tree may be. Everything that walks a tree recurs, so this bounds the stack.
pub const DEPTH_MAX: u32 = 200;

/// Reads an expression, checks its types, and refuses what is valid but cannot be evaluated.
pub fn parse(source: &str) -> Result<Expr, ParseError> {
    parse_sharing(source, &Patterns::default())
}

/// The same, with patterns that other expressions of the file share.
pub fn parse_sharing(source: &str, patterns: &Patterns) -> Result<Expr, ParseError> {
    let expr = parse_whole(source, patterns)?;
    match unsupported(&expr) {
        Some(error) => Err(error),
        None => Ok(expr),
    }
}

/// Reads an expression and checks its types, whether or not all of it can be evaluated.
pub fn parse_any(source: &str) -> Result<Expr, ParseError> {
    parse_whole(source, &Patterns::default())
}

fn parse_whole(source: &str, patterns: &Patterns) -> Result<Expr, ParseError> {
    if source.len() > LENGTH_MAX {
        let what = format!("the expression is {} bytes long, more than the {LENGTH_MAX} that are read", source.len());
        return Err(ParseError::new(Span::default(), what));
    }
    let mut parser = Parser::new(source, patterns)?;
    let expr = parser.expression(0)?;
    if parser.token.kind != TokenKind::End {
        return Err(parser.expected("the end or an operator"));
    }
    check(&expr)?;
    Ok(expr)
}

pub(super) struct Parser<'a> {
    source: &'a str,
    lexer: Lexer<'a>,
    pub(super) patterns: &'a Patterns,
    /// The next token, not yet taken.
    pub(super) token: Token<'a>,
    /// Where the token taken last ends.
    pub(super) taken_end: u32,
    /// How many expressions are being read around the next token.
    nesting: u32,
    /// The height of the tree that was read last.
    pub(super) height: u32,
    /// How many parts the length of time has that is being read.
    pub(super) length_parts: u32,
}

impl<'a> Parser<'a> {
    fn new(source: &'a str, patterns: &'a Patterns) -> Result<Self, ParseError> {
        let mut lexer = Lexer::new(source);
        let token = lexer.next()?;
        Ok(Self { source, lexer, patterns, token, taken_end: 0, nesting: 0, height: 0, length_parts: 0 })
    }

    /// An expression of operators that bind at least as strongly as `weakest`.
    fn expression(&mut self, weakest: u8) -> Result<Expr, ParseError> {
        self.nesting += 1;
        self.limit_depth(self.nesting)?;
        let mut left = self.prefix()?;
        while let Some(op) = self.binary_op()?.filter(|op| op.precedence() >= weakest) {
            let left_height = self.height;
            left = self.binary(op, left)?;
            self.height = self.height.max(left_height) + 1;
            self.limit_depth(self.height)?;
        }
        self.limit_depth(self.height)?;
        self.nesting -= 1;
        Ok(left)
    }

    pub(super) fn limit_depth(&self, depth: u32) -> Result<(), ParseError> {
        if depth <= DEPTH_MAX {
            return Ok(());
        }
        Err(ParseError::new(self.token.span, format!("the expression is nested deeper than {DEPTH_MAX} levels")))
    }

    /// The operator that comes next.
    fn binary_op(&self) -> Result<Option<BinaryOp>, ParseError> {
        match &self.token.kind {
            TokenKind::Sign("=") => Err(self.expected("an operator").with_hint("to compare, write `==`")),
            TokenKind::Sign(sign) => Ok(BinaryOp::from_word(sign)),
            TokenKind::Word(word) => Ok(BinaryOp::from_word(&word.to_ascii_lowercase())),
            _ => Ok(None),
        }
    }

    fn binary(&mut self, op: BinaryOp, left: Expr) -> Result<Expr, ParseError> {
        self.advance()?;
        let returns_bool = self.take_word("bool")?;
        let matching = self.matching()?;
        let weakest = if op == BinaryOp::Power { op.precedence() } else { op.precedence() + 1 };
        let right = self.expression(weakest)?;
        let span = left.span.to(right.span);
        let operation = BinaryOperation { op, left, right, returns_bool, matching };
        Ok(Expr { kind: ExprKind::Binary(Box::new(operation)), span })
    }

    /// `on (a, b) group_left (c) fill (0)` and its like; may be empty.
    fn matching(&mut self) -> Result<Matching, ParseError> {
        let is_on = self.at_word("on");
        if !is_on && !self.at_word("ignoring") {
            return Ok(Matching { fill: self.fill()?, ..Matching::default() });
        }
        self.advance()?;
        let labels = self.label_list()?;
        let mut matching = Matching { is_on, labels, ..Matching::default() };
        for (word, side) in [("group_left", MatchingSide::Left), ("group_right", MatchingSide::Right)] {
            if matching.many.is_none() && self.take_word(word)? {
                matching.many = Some(side);
                if self.at_sign("(") {
                    matching.include = self.label_list()?;
                }
            }
        }
        matching.fill = self.fill()?;
        Ok(matching)
    }

    /// `fill (0)`, or `fill_left (0)` and `fill_right (0)`; may be empty. Without a parenthesis they are metrics.
    fn fill(&mut self) -> Result<Fill, ParseError> {
        let mut fill = Fill::default();
        if self.calls("fill")? {
            fill.left = Some(self.fill_value()?);
            fill.right = fill.left;
            return Ok(fill);
        }
        loop {
            let (word, value) = if self.calls("fill_left")? {
                ("fill_left", &mut fill.left)
            } else if self.calls("fill_right")? {
                ("fill_right", &mut fill.right)
            } else {
                return Ok(fill);
            };
            if value.is_some() {
                return Err(ParseError::new(self.token.span, format!("`{word}` can only be given once")));
            }
            *value = Some(self.fill_value()?);
        }
    }

    /// `fill_left (-1)`: the number.
    fn fill_value(&mut self) -> Result<f64, ParseError> {
        self.advance()?;
        self.take_sign("(")?;
        let negative = self.at_sign("-");
        if negative || self.at_sign("+") {
            self.advance()?;
        }
        let value = match self.token.kind {
            TokenKind::Number(value) => value,
            TokenKind::Duration(duration) => duration.as_secs_f64(),
            TokenKind::Word(word) if word.eq_ignore_ascii_case("inf") => f64::INFINITY,
            TokenKind::Word(word) if word.eq_ignore_ascii_case("nan") => f64::NAN,
            _ => return Err(self.expected("a number")),
        };
        self.advance()?;
        self.take_sign(")")?;
        Ok(if negative { -value } else { value })
    }

    /// Whether a word with a parenthesis behind it comes next.
    fn calls(&self, word: &str) -> Result<bool, ParseError> {
        if !self.at_word(word) {
            return Ok(false);
        }
        let mut ahead = self.lexer;
        Ok(ahead.next()?.kind == TokenKind::Sign("("))
    }

    /// An operand, with its sign before it and what modifies it behind it.
    fn prefix(&mut self) -> Result<Expr, ParseError> {
        self.height = 0;
        let TokenKind::Sign(sign @ ("+" | "-")) = self.token.kind else {
            let operand = self.operand()?;
            return self.postfix(operand);
        };
        let start = self.advance()?.span;
        let operand = self.expression(BinaryOp::Power.precedence())?;
        let span = start.to(operand.span);
        let kind = match operand.kind {
            ExprKind::Number(value) if sign == "-" => ExprKind::Number(-value),
            ExprKind::Number(value) => ExprKind::Number(value),
            _ => {
                self.height += 1;
                self.signed(sign, operand)?
            }
        };
        Ok(Expr { kind, span })
    }

    /// A plus changes nothing, but it may not stand before everything.
    fn signed(&self, sign: &str, operand: Expr) -> Result<ExprKind, ParseError> {
        check_signed(&operand)?;
        Ok(if sign == "-" { ExprKind::Negate(Box::new(operand)) } else { operand.kind })
    }

    fn operand(&mut self) -> Result<Expr, ParseError> {
        match &mut self.token.kind {
            TokenKind::Sign("(") => self.paren(),
            TokenKind::Sign("{") => self.selector(None),
            TokenKind::Number(value) => {
                let kind = ExprKind::Number(*value);
                self.literal(kind)
            }
            TokenKind::Duration(duration) => {
                let kind = ExprKind::Number(duration.as_secs_f64());
                self.literal(kind)
            }
            TokenKind::Text(text) => {
                let kind = ExprKind::Text(std::mem::take(text));
                self.literal(kind)
            }
            TokenKind::Bytes(bytes) => {
                let kind = ExprKind::Bytes(std::mem::take(bytes));
                self.literal(kind)
            }
            TokenKind::Word(word) if word.eq_ignore_ascii_case("inf") => self.literal(ExprKind::Number(f64::INFINITY)),
            TokenKind::Word(word) if word.eq_ignore_ascii_case("nan") => self.literal(ExprKind::Number(f64::NAN)),
            TokenKind::Word(word) if !is_reserved(word) => {
                let word = *word;
                self.named(word)
            }
            _ => Err(self.expected("an expression")),
        }
    }

    fn literal(&mut self, kind: ExprKind) -> Result<Expr, ParseError> {
        Ok(Expr { kind, span: self.advance()?.span })
    }

    fn paren(&mut self) -> Result<Expr, ParseError> {
        let start = self.take_sign("(")?;
        let inner = self.expression(0)?;
        self.height += 1;
        let end = self.take_sign(")")?;
        Ok(Expr { kind: ExprKind::Paren(Box::new(inner)), span: start.to(end) })
    }

    /// What a name begins: an aggregation, a call, or a selector.
    fn named(&mut self, word: &'a str) -> Result<Expr, ParseError> {
        let name = self.advance()?;
        let lower = word.to_ascii_lowercase();
        let begins_aggregation = self.at_sign("(") || self.at_word("by") || self.at_word("without");
        if begins_aggregation && let Some(op) = AggregateOp::from_word(&lower) {
            return self.aggregation(op, name.span);
        }
        if self.at_sign("(") {
            return self.call(word, name.span);
        }
        self.selector(Some((word, name.span)))
    }

    fn aggregation(&mut self, op: AggregateOp, start: Span) -> Result<Expr, ParseError> {
        let before = self.grouping()?;
        let (args, mut end) = self.arguments(false)?;
        let grouping = match before {
            Some(grouping) => grouping,
            None => {
                let behind = self.grouping()?;
                if let Some((_, span)) = behind {
                    end = span;
                }
                behind.unwrap_or((Grouping::By(Vec::new()), start))
            }
        };
        let span = start.to(end);
        let wanted = if op.param_type().is_some() { 2 } else { 1 };
        let found = args.len();
        let mut args = args.into_iter();
        let (param, expr) = match (args.next(), args.next(), args.next()) {
            (Some(expr), None, None) if wanted == 1 => (None, expr),
            (Some(param), Some(expr), None) if wanted == 2 => (Some(param), expr),
            _ => {
                let plural = if wanted == 1 { "" } else { "s" };
                let what = format!("`{}` takes {wanted} argument{plural}, found {found}", op.as_str());
                return Err(ParseError::new(span, what));
            }
        };
        let aggregation = Aggregation { op, param, expr, grouping: grouping.0 };
        Ok(Expr { kind: ExprKind::Aggregate(Box::new(aggregation)), span })
    }

    /// `by (a, b)` or `without (a)`, and its place.
    fn grouping(&mut self) -> Result<Option<(Grouping, Span)>, ParseError> {
        let start = self.token.span;
        let is_by = self.at_word("by");
        if !is_by && !self.at_word("without") {
            return Ok(None);
        }
        self.advance()?;
        let (labels, end) = self.label_list_span()?;
        let grouping = if is_by { Grouping::By(labels) } else { Grouping::Without(labels) };
        Ok(Some((grouping, start.to(end))))
    }

    fn call(&mut self, name: &str, start: Span) -> Result<Expr, ParseError> {
        let function = functions::find(name, start)?;
        let (args, end) = self.arguments(function.chooses_labels())?;
        Ok(Expr { kind: ExprKind::Call(Call { function, args }), span: start.to(end) })
    }

    /// Expressions in parentheses, and where the parentheses end. The second can be one that chooses labels.
    fn arguments(&mut self, second_chooses_labels: bool) -> Result<(Vec<Expr>, Span), ParseError> {
        self.take_sign("(")?;
        let mut args = Vec::new();
        let mut height = 0;
        while !self.at_sign(")") || !args.is_empty() {
            let chooses_labels = second_chooses_labels && args.len() == 1;
            args.push(if chooses_labels { self.label_matchers()? } else { self.expression(0)? });
            height = height.max(self.height);
            if !self.at_sign(",") {
                break;
            }
            self.advance()?;
        }
        self.height = height + 1;
        Ok((args, self.take_sign(")")?))
    }

    // What follows looks at the next token, or takes it.

    pub(super) fn advance(&mut self) -> Result<Token<'a>, ParseError> {
        let next = self.lexer.next()?;
        self.taken_end = self.token.span.end;
        Ok(std::mem::replace(&mut self.token, next))
    }

    pub(super) fn at_sign(&self, sign: &str) -> bool {
        matches!(self.token.kind, TokenKind::Sign(found) if found == sign)
    }

    pub(super) fn at_word(&self, word: &str) -> bool {
        matches!(self.token.kind, TokenKind::Word(found) if found.eq_ignore_ascii_case(word))
    }

    pub(super) fn take_sign(&mut self, sign: &str) -> Result<Span, ParseError> {
        if self.at_sign(sign) {
            return Ok(self.advance()?.span);
        }
        let error = self.expected(&format!("\"{sign}\""));
        Err(match self.token.kind {
            TokenKind::Word(word @ ("by" | "without")) if sign == ")" => error.with_hint(format!(
                "`{word}` stands before the parentheses or behind them: `sum {word} (…) (…)`, `sum(…) {word} (…)`"
            )),
            TokenKind::Sign(",") if sign == ")" => error.with_hint("a parenthesis holds one expression"),
            _ => error,
        })
    }

    pub(super) fn take_sign_if(&mut self, sign: &str) -> Result<bool, ParseError> {
        let found = self.at_sign(sign);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    fn take_word(&mut self, word: &str) -> Result<bool, ParseError> {
        let found = self.at_word(word);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    pub(super) fn expected(&self, what: &str) -> ParseError {
        ParseError::new(self.token.span, format!("expected {what}, found {}", self.found()))
    }

    /// The next token as an error shows it.
    fn found(&self) -> String {
        if self.token.kind == TokenKind::End { "the end".to_owned() } else { self.quote(self.token.span) }
    }

    pub(super) fn quote(&self, span: Span) -> String {
        const SHOWN_MAX: usize = 40;
        let text = self.source.get(span.start as usize..span.end as usize).unwrap_or_default();
        let shown: String = text.chars().take(SHOWN_MAX).collect();
        format!("\"{shown}{}\"", if shown.len() < text.len() { "…" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prints a tree with all parentheses that say how it was read.
    fn shape(expr: &Expr) -> String {
        match &expr.kind {
            ExprKind::Binary(operation) => {
                let BinaryOperation { op, left, right, .. } = &**operation;
                format!("({} {} {})", shape(left), op.as_str(), shape(right))
            }
            ExprKind::Negate(inner) => format!("(-{})", shape(inner)),
            ExprKind::Paren(inner) => shape(inner),
            _ => expr.to_string(),
        }
    }

    #[test]
    fn operators_bind_as_in_prometheus() {
        let check = |source: &str, want: &str| assert_eq!(shape(&parse(source).unwrap()), want, "{source}");
        check("a or b and c unless d or e", "((a or ((b and c) unless d)) or e)");
        check("a and b > c + d * e ^ f", "(a and (b > (c + (d * (e ^ f)))))");
        check("a - b - c", "((a - b) - c)");
        check("a ^ b ^ c", "(a ^ (b ^ c))");
        check("a * b % c atan2 d / e", "((((a * b) % c) atan2 d) / e)");
        check("-a ^ b * c", "((-(a ^ b)) * c)");
        check("a ^ -b * c", "((a ^ (-b)) * c)");
        check("-a offset 5m + b", "((-a offset 5m) + b)");
        check("- - 1 + +a", "(1 + a)");
        check("(a + b) * c", "((a + b) * c)");
        check("a > bool b == bool c", "((a > b) == c)");
        check("sum(a) by (x) / on (x) group_left sum by (x) (b)", "(sum by (x) (a) / sum by (x) (b))");
    }

    #[test]
    fn keywords_may_name_metrics() {
        for source in ["sum", "sum(sum)", "by", "offset offset 5m", "a + without", "count{by=\"x\"}", "start", "rate"] {
            assert!(parse(source).is_ok(), "{source}");
        }
    }

    #[test]
    fn every_node_knows_its_place() {
        let check = |source: &str, want: &str| {
            let span = parse(source).unwrap().span;
            assert_eq!(&source[span.start as usize..span.end as usize], want);
        };
        check("  up # all of it", "up");
        check(" up{a='b'} offset 5m # done", "up{a='b'} offset 5m");
        check("(rate(x[5m])[1h:] offset 1m)  ", "(rate(x[5m])[1h:] offset 1m)");
        check("sum(x) by (a) ", "sum(x) by (a)");
        check("-x + y", "-x + y");
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        let check = |source: &str, spot: &str, want: &str| {
            let error = parse(source).unwrap_err();
            assert_eq!(error.what, want, "{source}");
            assert_eq!(&source[error.span.start as usize..error.span.end as usize], spot, "{source}");
        };
        check("sum(x by (a)", "by", r#"expected ")", found "by""#);
        check("a +", "", "expected an expression, found the end");
        check("a b", "b", r#"expected the end or an operator, found "b""#);
        check("(1))", ")", r#"expected the end or an operator, found ")""#);
        check("topk(x)", "topk(x)", "`topk` takes 2 arguments, found 1");
        check("sum(a, b)", "sum(a, b)", "`sum` takes 1 argument, found 2");
        check("sum without (x) (a) by (b)", "by", r#"expected the end or an operator, found "by""#);
        check("a on (b) c", "on", r#"expected the end or an operator, found "on""#);
        check("a + group_left (c) b", "group_left", r#"expected an expression, found "group_left""#);
        check("a + on (x) fill (b) c", "b", r#"expected a number, found "b""#);
        check("a + fill_left (1) fill_left (2) c", "fill_left", "`fill_left` can only be given once");
        check("limitk(a)", "limitk(a)", "`limitk` takes 2 arguments, found 1");
        check("sum by job (a)", "job", r#"expected "(", found "job""#);
        check("info(a, b{c='d'})", "b", r#"expected label matchers in braces, found "b""#);
        check("info(a, {c='d'} == 1)", "==", r#"expected ")", found "==""#);
        check("topk(5, a", "", r#"expected ")", found the end"#);
        check("rate(a[5m]", "", r#"expected ")", found the end"#);
        check("(a, b)", ",", r#"expected ")", found ",""#);
        check("a{b='c'", "", r#"expected ",", found the end"#);
        check("a > > b", ">", r#"expected an expression, found ">""#);
        check("a =~ b", "=~", r#"expected the end or an operator, found "=~""#);
    }

    #[test]
    fn hints_say_what_to_do() {
        let check = |source: &str, want: &str| {
            assert_eq!(parse(source).unwrap_err().hint.as_deref(), Some(want), "{source}");
        };
        check("sum(x by (a)", "`by` stands before the parentheses or behind them: `sum by (…) (…)`, `sum(…) by (…)`");
        check("sum by job (a)", "labels stand in parentheses: `(job)`");
        check("a{b=c}", "values stand in quotes: `\"c\"`");
        check("a{b==\"c\"}", "labels are compared with one `=`");
        check("a && b", "the operator is written `and`");
        check("a || b", "the operator is written `or`");
        check("a{b=“c”}", "texts stand between straight quotes, `\"` or `'`");
        check("rat(a[5m])", "did you mean `rate`?");
        check("smu(a)", "did you mean `sum`?");
        check("holt_winters(a[5m], 0.5, 0.5)", "it is called `double_exponential_smoothing` now");
        check("rate(a)", "say how much of it, as in `[5m]`");
        check("a[step]", "to call it, write `step()`");
        check("x[5minutes]", "write a duration like `1h30m`, units from large to small");
    }

    #[test]
    fn fill_names_a_metric_unless_it_is_called() {
        let check = |source: &str, want: &str| assert_eq!(parse(source).unwrap().to_string(), want, "{source}");
        check("a + fill(0) fill", "a + fill (0) fill");
        check("fill + fill_left", "fill + fill_left");
        check("a + fill_right(-Inf)fill_left(0x10)b", "a + fill_left (16) fill_right (-Inf) b");
        check("a - on(x) group_left fill(NaN) b", "a - on (x) group_left () fill (NaN) b");
    }

    #[test]
    fn a_lone_equals_sign_is_taken_for_a_comparison() {
        for source in ["up = 0", "sum(up = 0)", "(a) = b"] {
            let error = parse(source).unwrap_err();
            assert_eq!(error.what, r#"expected an operator, found "=""#, "{source}");
            assert_eq!(error.hint.as_deref(), Some("to compare, write `==`"), "{source}");
        }
    }

    #[test]
    fn depth_and_length_are_limited() {
        let refused = |source: &str| parse(source).unwrap_err().what.contains("nested deeper than");
        assert!(refused(&"(".repeat(100_000)));
        assert!(refused(&"-".repeat(100_000)));
        assert!(refused(&"abs(".repeat(50_000)));
        assert!(refused(&format!("1{}", "+1".repeat(100_000))));
        assert!(refused(&format!("x{}", "[5m:]".repeat(50_000))));
        for length in ["(".repeat(50_000), "-".repeat(50_000), "1+".repeat(50_000), "min_of(".repeat(30_000)] {
            assert!(parse(&format!("x[{length}")).unwrap_err().what.contains("more than 200 parts"));
            assert!(parse(&format!("x offset ({length}")).unwrap_err().what.contains("more than 200 parts"));
        }
        assert!(parse(&format!("{}1{}", "(".repeat(150), ")".repeat(150))).is_ok());
        assert!(parse(&" ".repeat(LENGTH_MAX + 1)).unwrap_err().what.contains("bytes long"));
    }
}
