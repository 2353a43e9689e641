//! The value of a node at a moment: a number, or rows with a float each.

/// What a node gave. The rows of a vector stand in the order in which the interpreter has its elements, so that sums add up
/// in the same order; which labels a row stands for is asked of the node, and mostly never.
#[derive(Debug, Default)]
pub(super) struct Column {
    /// Changes when row numbers begin to stand for other labels: whoever remembers something by row forgets it then.
    pub(super) generation: u64,
    pub(super) rows: Vec<u32>,
    pub(super) values: Vec<f64>,
    /// The value of a node that is a scalar.
    pub(super) scalar: f64,
}

impl Column {
    pub(super) fn clear(&mut self) {
        self.rows.clear();
        self.values.clear();
    }

    pub(super) fn push(&mut self, row: u32, value: f64) {
        self.rows.push(row);
        self.values.push(value);
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, f64)> + '_ {
        self.rows.iter().copied().zip(self.values.iter().copied())
    }
}
