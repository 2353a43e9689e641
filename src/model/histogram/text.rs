//! Histograms as texts.

use std::fmt;

use super::{Bucket, Histogram};
use crate::model::GoFloat;

/// As Prometheus shows it: `{count:3, sum:5, [-0.001,0.001]:1, (1,2]:2}`.
impl fmt::Display for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{count:{}, sum:{}", GoFloat(self.count), GoFloat(self.sum))?;
        let negative = self.negative.iter().rev().map(|cell| self.negative_bucket(cell));
        let zero = [self.zero_bucket()];
        let positive = self.positive.iter().map(|cell| self.positive_bucket(cell));
        for bucket in negative.chain(zero).chain(positive).filter(|bucket| bucket.count != 0.0) {
            write!(f, ", {bucket}")?;
        }
        f.write_str("}")
    }
}

/// `(1,2]:3`
impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open = if self.has_lower { '[' } else { '(' };
        let close = if self.has_upper { ']' } else { ')' };
        write!(f, "{open}{},{}{close}:{}", GoFloat(self.lower), GoFloat(self.upper), GoFloat(self.count))
    }
}
