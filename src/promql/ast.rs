//! The tree that an expression becomes.

use super::Span;
use super::functions::Function;
use super::length::Length;
use crate::model::{Matcher, Timestamp};

/// What an expression evaluates to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ValueType {
    /// A number.
    Scalar,
    /// A number for each of some label sets.
    Vector,
    /// Samples for each of some label sets; only functions take it.
    Matrix,
    /// A text.
    String,
}

impl ValueType {
    /// As Prometheus names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Vector => "instant vector",
            Self::Matrix => "range vector",
            Self::String => "string",
        }
    }
}

/// A node, with its place in the source.
#[derive(Clone, Debug)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where it stands.
    pub span: Span,
}

/// Where a node stands does not count, and NaN is NaN: what is printed and read again is equal.
impl PartialEq for Expr {
    fn eq(&self, other: &Self) -> bool {
        match (&self.kind, &other.kind) {
            (ExprKind::Number(left), ExprKind::Number(right)) => is_same_number(*left, *right),
            (left, right) => left == right,
        }
    }
}

impl Expr {
    /// The expressions directly below this one, as they are written.
    pub fn children(&self) -> Vec<&Self> {
        match &self.kind {
            ExprKind::Number(_)
            | ExprKind::Text(_)
            | ExprKind::Bytes(_)
            | ExprKind::Selector(_)
            | ExprKind::Range { .. } => Vec::new(),
            ExprKind::Subquery(query) => vec![&query.expr],
            ExprKind::Call(call) => call.args.iter().collect(),
            ExprKind::Aggregate(aggregation) => aggregation.param.iter().chain([&aggregation.expr]).collect(),
            ExprKind::Binary(operation) => vec![&operation.left, &operation.right],
            ExprKind::Negate(inner) | ExprKind::Paren(inner) => vec![inner],
        }
    }
}

/// Whether two literals are written alike.
pub(super) fn is_same_number(left: f64, right: f64) -> bool {
    left.to_bits() == right.to_bits() || left.is_nan() && right.is_nan()
}

/// The kinds of nodes.
#[derive(Clone, PartialEq, Debug)]
pub enum ExprKind {
    /// `1.5`, `+Inf`, `5m`
    Number(f64),
    /// `"text"`
    Text(String),
    /// A text that is no UTF-8, which only escapes can make: `"\xff"`
    Bytes(Vec<u8>),
    /// `up{job="node"} offset 5m`
    Selector(Selector),
    /// `up{job="node"}[5m] offset 5m`
    Range {
        /// Which series, and when.
        selector: Selector,
        /// How much of them.
        range: Length,
    },
    /// `rate(x[5m])[1h:1m] offset 5m`
    Subquery(Box<Subquery>),
    /// `rate(x[5m])`
    Call(Call),
    /// `sum by (job) (x)`
    Aggregate(Box<Aggregation>),
    /// `a + on (job) b`
    Binary(Box<BinaryOperation>),
    /// `-x`
    Negate(Box<Expr>),
    /// `(x)`
    Paren(Box<Expr>),
}

/// Which series, and when.
#[derive(Clone, PartialEq, Debug)]
pub struct Selector {
    /// As written; the metric name before the braces comes first.
    pub matchers: Vec<Matcher>,
    /// The moment, when it is not that of the evaluation.
    pub shift: Shift,
    /// What is made of the ends of a range.
    pub reading: Reading,
}

impl Selector {
    /// Whether it has no modifiers.
    pub fn is_plain(&self) -> bool {
        self.shift.is_none() && self.reading == Reading::Plain
    }

    /// Matchers without modifiers.
    pub(super) fn new(matchers: Vec<Matcher>) -> Self {
        Self { matchers, shift: Shift::default(), reading: Reading::Plain }
    }
}

/// `@` and `offset`, in either order.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Shift {
    /// The moment instead of that of the evaluation.
    pub at: Option<At>,
    /// How far back from there; forwards when negative.
    pub offset: Option<Length>,
}

impl Shift {
    /// Whether there is neither.
    pub fn is_none(&self) -> bool {
        self.at.is_none() && self.offset.is_none()
    }

    /// How many milliseconds it leads into the past in every query; `None` when that depends on the query, as it does with
    /// `@`.
    pub fn fixed_ms(&self) -> Option<i64> {
        match (&self.at, &self.offset) {
            (Some(_), _) => None,
            (None, None) => Some(0),
            (None, Some(offset)) => offset.fixed_ms(),
        }
    }
}

/// A moment that does not move with the evaluation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum At {
    /// `@ 1603774568`
    Time(Timestamp),
    /// `@ start()`: the first moment of the query.
    Start,
    /// `@ end()`: the last moment of the query.
    End,
}

/// What is made of the ends of a range, or of the moment of an instant selector.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reading {
    /// The samples as they are.
    Plain,
    /// `anchored`: the samples at or before both ends count.
    Anchored,
    /// `smoothed`: values at both ends are interpolated.
    Smoothed,
}

impl Reading {
    /// As it is written; plain is not.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Anchored => "anchored",
            Self::Smoothed => "smoothed",
        }
    }
}

/// An expression evaluated at many moments.
#[derive(Clone, PartialEq, Debug)]
pub struct Subquery {
    /// What is evaluated.
    pub expr: Expr,
    /// How far back.
    pub range: Length,
    /// How far the moments are apart, when it is written.
    pub step: Option<Length>,
    /// The last moment, when it is not that of the evaluation.
    pub shift: Shift,
}

/// A function and its arguments, which `check` has found to fit.
#[derive(Clone, PartialEq, Debug)]
pub struct Call {
    /// Which function.
    pub(super) function: &'static Function,
    /// Its arguments.
    pub args: Vec<Expr>,
}

impl Call {
    /// The function.
    pub fn function(&self) -> &'static Function {
        self.function
    }

    /// The function's name.
    pub fn name(&self) -> &'static str {
        self.function.name()
    }
}

/// An aggregation over groups of elements.
#[derive(Clone, PartialEq, Debug)]
pub struct Aggregation {
    /// What is made of a group.
    pub op: AggregateOp,
    /// The first argument of `topk`, `bottomk`, `limitk`, `limit_ratio`, `quantile` and `count_values`.
    pub param: Option<Expr>,
    /// What is aggregated.
    pub expr: Expr,
    /// What makes a group.
    pub grouping: Grouping,
}

/// What elements of a group have in common.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Grouping {
    /// These labels; none of them: everything is one group.
    By(Vec<String>),
    /// All labels but these and the metric name.
    Without(Vec<String>),
}

macro_rules! words {
    ($(#[$doc:meta])* $type:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum $type {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $type {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// As it is written.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }

            /// The one that is written like this, in small letters.
            pub(super) fn from_word(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

words! {
    /// What is made of a group.
    AggregateOp {
        /// The sum.
        Sum = "sum",
        /// The mean.
        Avg = "avg",
        /// The least.
        Min = "min",
        /// The greatest.
        Max = "max",
        /// How many there are.
        Count = "count",
        /// One.
        Group = "group",
        /// The k greatest, with their labels.
        TopK = "topk",
        /// The k least, with their labels.
        BottomK = "bottomk",
        /// A quantile.
        Quantile = "quantile",
        /// The standard deviation.
        StdDev = "stddev",
        /// The variance.
        StdVar = "stdvar",
        /// How many there are of each value.
        CountValues = "count_values",
        /// Some k of them, with their labels.
        LimitK = "limitk",
        /// A share of them, with their labels.
        LimitRatio = "limit_ratio",
    }
}

impl AggregateOp {
    /// The type of its first argument, when it has two.
    pub fn param_type(self) -> Option<ValueType> {
        match self {
            Self::TopK | Self::BottomK | Self::Quantile | Self::LimitK | Self::LimitRatio => Some(ValueType::Scalar),
            Self::CountValues => Some(ValueType::String),
            _ => None,
        }
    }

    /// Whether Prometheus has it behind a feature flag.
    pub fn is_experimental(self) -> bool {
        matches!(self, Self::LimitK | Self::LimitRatio)
    }
}

words! {
    /// What stands between two expressions.
    BinaryOp {
        /// Addition.
        Add = "+",
        /// Subtraction.
        Subtract = "-",
        /// Multiplication.
        Multiply = "*",
        /// Division.
        Divide = "/",
        /// The remainder, with the sign of the left side.
        Modulo = "%",
        /// Exponentiation.
        Power = "^",
        /// The angle of a point.
        Atan2 = "atan2",
        /// Equality.
        Equal = "==",
        /// Inequality.
        NotEqual = "!=",
        /// Greater.
        Greater = ">",
        /// Less.
        Less = "<",
        /// Greater or equal.
        GreaterEqual = ">=",
        /// Less or equal.
        LessEqual = "<=",
        /// Histograms without what is above a value.
        TrimUpper = "</",
        /// Histograms without what is below a value.
        TrimLower = ">/",
        /// Elements of the left side that have a partner on the right.
        And = "and",
        /// Elements of the left side, and those of the right side without a partner on the left.
        Or = "or",
        /// Elements of the left side that have no partner on the right.
        Unless = "unless",
    }
}

impl BinaryOp {
    /// Whether it compares, and so filters unless `bool` is written.
    pub fn is_comparison(self) -> bool {
        matches!(self, Self::Equal | Self::NotEqual | Self::Greater | Self::Less | Self::GreaterEqual | Self::LessEqual)
    }

    /// Whether it is `and`, `or` or `unless`.
    pub fn is_set(self) -> bool {
        matches!(self, Self::And | Self::Or | Self::Unless)
    }

    /// Whether it cuts histograms off at a value.
    pub fn is_trim(self) -> bool {
        matches!(self, Self::TrimUpper | Self::TrimLower)
    }

    /// How strongly it binds; more is stronger.
    pub(super) fn precedence(self) -> u8 {
        match self {
            Self::Or => 1,
            Self::And | Self::Unless => 2,
            op if op.is_comparison() || op.is_trim() => 3,
            Self::Add | Self::Subtract => 4,
            Self::Power => 6,
            _ => 5,
        }
    }
}

/// Two expressions and what stands between them.
#[derive(Clone, PartialEq, Debug)]
pub struct BinaryOperation {
    /// The operator.
    pub op: BinaryOp,
    /// Its left side.
    pub left: Expr,
    /// Its right side.
    pub right: Expr,
    /// `bool`: a comparison gives 0 or 1 instead of filtering.
    pub returns_bool: bool,
    /// Which elements of two vectors are partners.
    pub matching: Matching,
}

/// Which elements of two vectors are partners.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Matching {
    /// `on`: only these labels count. Otherwise all labels but these and the metric name.
    pub is_on: bool,
    /// The labels of `on` or `ignoring`.
    pub labels: Vec<String>,
    /// The side on which several elements may have the same partner; `None` means neither.
    pub many: Option<MatchingSide>,
    /// Labels that the result takes from the other side.
    pub include: Vec<String>,
    /// Values for partners that are missing.
    pub fill: Fill,
}

/// `fill (0)`, `fill_left (0)`, `fill_right (0)`: values that stand in for missing partners.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fill {
    /// For elements that are missing on the left.
    pub left: Option<f64>,
    /// For elements that are missing on the right.
    pub right: Option<f64>,
}

impl Fill {
    /// Whether nothing stands in.
    pub fn is_none(self) -> bool {
        self.left.is_none() && self.right.is_none()
    }
}

impl PartialEq for Fill {
    fn eq(&self, other: &Self) -> bool {
        let is_same = |left: Option<f64>, right: Option<f64>| match (left, right) {
            (Some(left), Some(right)) => is_same_number(left, right),
            (left, right) => left.is_none() && right.is_none(),
        };
        is_same(self.left, other.left) && is_same(self.right, other.right)
    }
}

/// A side of a binary operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MatchingSide {
    /// `group_left`
    Left,
    /// `group_right`
    Right,
}
