//! What an expression evaluates to.

use std::fmt;
use std::sync::Arc;

use super::ast::ValueType;
use super::literal::Number;
use crate::model::{Histogram, HistogramSample, Labels, Sample};

/// The value of a sample: a number or a native histogram.
#[derive(Clone, PartialEq, Debug)]
pub enum SampleValue {
    /// A number.
    Float(f64),
    /// A native histogram.
    Histogram(Arc<Histogram>),
}

impl SampleValue {
    /// The number, if it is one.
    pub fn float(&self) -> Option<f64> {
        match self {
            Self::Float(value) => Some(*value),
            Self::Histogram(_) => None,
        }
    }

    /// The number; 0 for a histogram, as Prometheus has it where only numbers are known: as the value of an alert and in the
    /// texts of rules.
    pub fn number(&self) -> f64 {
        self.float().unwrap_or(0.0)
    }

    /// The histogram, if it is one.
    pub fn histogram(&self) -> Option<&Arc<Histogram>> {
        match self {
            Self::Float(_) => None,
            Self::Histogram(histogram) => Some(histogram),
        }
    }
}

impl From<f64> for SampleValue {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<Histogram> for SampleValue {
    fn from(histogram: Histogram) -> Self {
        Self::Histogram(Arc::new(histogram))
    }
}

impl fmt::Display for SampleValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Float(value) => write!(f, "{}", Number(*value)),
            Self::Histogram(histogram) => write!(f, "{histogram}"),
        }
    }
}

/// A value of a vector and the labels that tell it from the others.
#[derive(Clone, PartialEq, Debug)]
pub struct Element {
    /// The labels; without the metric name where Prometheus drops it.
    pub labels: Labels,
    /// The value.
    pub value: SampleValue,
}

/// The samples of a series in a range, or over the moments of a query.
#[derive(Clone, PartialEq, Debug)]
pub struct RangeElement {
    /// The labels.
    pub labels: Labels,
    /// Numbers, in order of time.
    pub samples: Vec<Sample>,
    /// Native histograms, in order of time; there is at least one of either.
    pub histograms: Vec<HistogramSample>,
}

/// What an expression evaluates to.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    /// A number.
    Scalar(f64),
    /// Elements, no two with the same labels.
    Vector(Vec<Element>),
    /// Samples by labels: of what is a range as a whole, and of a query for many moments.
    Matrix(Vec<RangeElement>),
    /// A text.
    String(String),
}

/// An element under way.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Item {
    pub(super) labels: Labels,
    pub(super) value: SampleValue,
    /// Whether the metric's name goes at the end of the query; only where its removal is delayed.
    pub(super) drops_name: bool,
}

/// A value under way, of one moment.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Outcome {
    Scalar(f64),
    Vector(Vec<Item>),
    String(String),
}

impl Outcome {
    pub(super) fn kind(&self) -> ValueType {
        match self {
            Self::Scalar(_) => ValueType::Scalar,
            Self::Vector(_) => ValueType::Vector,
            Self::String(_) => ValueType::String,
        }
    }
}
