//! Series as a person reads them: a table of values and labels, or of labels and how values went.

use std::collections::{BTreeMap, BTreeSet};

use super::course::{course, number};
use super::query_answer::{Measured, ShownSeries};

/// How wide a text is when nobody says.
const COLUMNS: usize = 100;
/// What stands between two columns.
const GAP: &str = "  ";
/// A label is not cut shorter than this.
const LABEL_CHARS_MIN: usize = 8;
/// How wide the course of a series is drawn.
const COURSE_CHARS_MIN: usize = 12;
const COURSE_CHARS_MAX: usize = 120;
/// The label that holds the metric's name.
const METRIC: &str = "__name__";

struct Column {
    head: String,
    cells: Vec<String>,
    is_number: bool,
}

/// Series with one sample each: the value first, so that nothing cuts it off. Without a width nothing is cut.
pub(super) fn instant(series: &[ShownSeries], width: Option<usize>) -> String {
    let value = |it: &ShownSeries| it.points.last().map_or_else(String::new, |(_, value)| measured(*value));
    let mut columns = vec![Column::numbers("VALUE", series.iter().map(value).collect())];
    columns.extend(labels(series));
    let room = width.map(|width| width.saturating_sub(columns_width(&columns[..1])));
    fit(&mut columns[1..], room);
    lines(series, &columns, |_| String::new())
}

/// Series with many samples: the last, the least and the greatest of each, and its course from the first moment to the
/// last. Without a width nothing is cut.
pub(super) fn courses(series: &[ShownSeries], span: (f64, f64), width: Option<usize>) -> String {
    let of = |pick: fn(Vec<f64>) -> Option<f64>| {
        let text = |it: &ShownSeries| {
            let values = it.points.iter().map(|(_, value)| value.number()).collect();
            pick(values).map_or_else(String::new, number)
        };
        series.iter().map(text).collect()
    };
    let mut columns = vec![
        Column::numbers("LAST", of(|values| values.last().copied())),
        Column::numbers("MIN", of(|values| values.into_iter().reduce(f64::min))),
        Column::numbers("MAX", of(|values| values.into_iter().reduce(f64::max))),
    ];
    columns.extend(labels(series));
    let least = COURSE_CHARS_MIN + GAP.len();
    let room = width.map(|width| width.saturating_sub(columns_width(&columns[..3]) + least));
    fit(&mut columns[3..], room);
    let chars = width.unwrap_or(COLUMNS).saturating_sub(columns_width(&columns));
    // With more characters than moments there would be holes where nothing is missing.
    let chars = chars.clamp(COURSE_CHARS_MIN, COURSE_CHARS_MAX).min(moments(series, span));
    lines(series, &columns, |row| match row {
        None => "COURSE".to_owned(),
        Some(row) => {
            let points: Vec<(f64, f64)> = row.points.iter().map(|(at, value)| (*at, value.number())).collect();
            course(&points, span, chars)
        }
    })
}

/// How many moments there are in a span, by the two that are next to each other.
fn moments(series: &[ShownSeries], (from, to): (f64, f64)) -> usize {
    let steps = series.iter().flat_map(|it| it.points.windows(2).map(|pair| pair[1].0 - pair[0].0));
    let step = steps.filter(|step| *step > 0.0).fold(f64::INFINITY, f64::min);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "what is too large is as good as any")]
    let count = ((to - from) / step).round().max(0.0) as usize;
    count.saturating_add(1)
}

/// The table, with what all series have in common above it, and something behind each line.
fn lines(series: &[ShownSeries], columns: &[Column], behind: impl Fn(Option<&ShownSeries>) -> String) -> String {
    let line = |cells: Vec<&str>, last: String| {
        let padded = cells.iter().zip(columns).map(|(cell, column)| {
            let fill = " ".repeat(column.width().saturating_sub(cell.chars().count()));
            if column.is_number { format!("{fill}{cell}") } else { format!("{cell}{fill}") }
        });
        let cells: Vec<String> = padded.chain([last]).collect();
        format!("{}\n", cells.join(GAP).trim_end())
    };
    let mut text = match common(series) {
        common if common.is_empty() => String::new(),
        common => format!("{}\n", selector(&common)),
    };
    text.push_str(&line(columns.iter().map(|column| column.head.as_str()).collect(), behind(None)));
    for (place, it) in series.iter().enumerate() {
        text.push_str(&line(columns.iter().map(|column| column.cells[place].as_str()).collect(), behind(Some(it))));
    }
    text
}

/// A column for each label in which the series differ, the name first.
fn labels(series: &[ShownSeries]) -> Vec<Column> {
    let common = common(series);
    let names: BTreeSet<&String> = series.iter().flat_map(|it| it.labels.keys()).collect();
    let differing = names.into_iter().filter(|name| !common.contains_key(name.as_str()));
    let column = |name: &String| Column {
        head: if name == METRIC { "metric".to_owned() } else { printable(name) },
        cells: series.iter().map(|it| it.labels.get(name).map_or_else(String::new, |value| printable(value))).collect(),
        is_number: false,
    };
    differing.map(column).collect()
}

/// The labels that all series have in common.
fn common(series: &[ShownSeries]) -> BTreeMap<&str, &str> {
    let Some((first, rest)) = series.split_first() else { return BTreeMap::new() };
    let is_common = |(name, value): &(&String, &String)| rest.iter().all(|it| it.labels.get(*name) == Some(*value));
    first.labels.iter().filter(is_common).map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// Labels as a selector has them.
fn selector(labels: &BTreeMap<&str, &str>) -> String {
    let name = labels.get(METRIC).map_or_else(String::new, |name| printable(name));
    let others = labels.iter().filter(|(name, _)| **name != METRIC);
    let others: Vec<String> = others.map(|(name, value)| format!("{}={value:?}", printable(name))).collect();
    if others.is_empty() { name } else { format!("{name}{{{}}}", others.join(", ")) }
}

/// A text without what moves a terminal's cursor or changes its colours.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn measured(value: Measured) -> String {
    match value {
        Measured::Float(value) => number(value),
        Measured::Histogram { count, sum } => format!("{} observations, sum {}", number(count), number(sum)),
    }
}

impl Column {
    fn numbers(head: &str, cells: Vec<String>) -> Self {
        Self { head: head.to_owned(), cells, is_number: true }
    }

    fn width(&self) -> usize {
        self.cells.iter().chain([&self.head]).map(|cell| cell.chars().count()).max().unwrap_or(0)
    }

    /// Cuts what is longer than so many characters in the middle: the beginning and the end of a name tell most.
    fn cut(&mut self, chars_max: usize) {
        for cell in self.cells.iter_mut().chain([&mut self.head]) {
            let chars: Vec<char> = cell.chars().collect();
            if chars.len() > chars_max {
                let kept = chars_max.saturating_sub(1);
                let (front, back) = (kept.div_ceil(2), kept / 2);
                let ends = chars[..front].iter().chain(&['…']).chain(&chars[chars.len() - back..]);
                *cell = ends.collect();
            }
        }
    }
}

/// How wide columns are, with the gaps behind them.
fn columns_width(columns: &[Column]) -> usize {
    columns.iter().map(|column| column.width() + GAP.len()).sum()
}

/// Cuts the widest columns until all fit.
fn fit(columns: &mut [Column], room: Option<usize>) {
    let Some(room) = room else { return };
    // The gap behind the last column is at the end of the line.
    while columns_width(columns) > room + GAP.len() {
        let excess = columns_width(columns) - room - GAP.len();
        let Some(widest) = columns.iter_mut().max_by_key(|column| column.width()) else { return };
        let width = widest.width();
        if width <= LABEL_CHARS_MIN {
            return;
        }
        // Little by little, so that two that are as wide stay so.
        widest.cut(width.saturating_sub(excess.div_ceil(4)).max(LABEL_CHARS_MIN));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(labels: &[(&str, &str)], values: &[f64]) -> ShownSeries {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let points = (0..).map(f64::from).zip(values.iter().map(|value| Measured::Float(*value))).collect();
        ShownSeries { labels, points }
    }

    #[test]
    fn what_differs_is_in_columns() {
        let all = [
            series(&[("__name__", "up"), ("job", "node"), ("pod", "a")], &[1.0]),
            series(&[("__name__", "up"), ("job", "node"), ("pod", "long-name"), ("zone", "1")], &[0.25]),
        ];
        let want = "up{job=\"node\"}\nVALUE  pod        zone\n    1  a\n 0.25  long-name  1\n";
        assert_eq!(instant(&all, None), want);
        assert_eq!(instant(&all[..1], None), "up{job=\"node\", pod=\"a\"}\nVALUE\n    1\n");
        let names = [series(&[("__name__", "a")], &[1.0]), series(&[("__name__", "b")], &[-2.0])];
        assert_eq!(instant(&names, None), "VALUE  metric\n    1  a\n   -2  b\n");
        let escape = [series(&[("a", "\u{1b}[31m")], &[1.0]), series(&[("a", "b")], &[1.0])];
        assert_eq!(instant(&escape, None), "VALUE  a\n    1  \u{fffd}[31m\n    1  b\n");
        let histogram =
            ShownSeries { labels: BTreeMap::new(), points: vec![(0.0, Measured::Histogram { count: 3.0, sum: 0.5 })] };
        assert_eq!(instant(&[histogram], None), "                  VALUE\n3 observations, sum 0.5\n");
    }

    #[test]
    fn long_labels_are_cut_where_the_line_ends() {
        let long = "abcdefghijklmnopqrstuvwxyz";
        let all = [series(&[("a", long), ("b", "x")], &[1.0]), series(&[("a", "y"), ("b", long)], &[2.0])];
        for width in [30, 40, 50] {
            let text = instant(&all, Some(width));
            assert!(text.lines().all(|line| line.chars().count() <= width), "{width}: {text}");
            assert!(text.contains('…') && text.contains("abc") && text.contains("z"), "{text}");
        }
        assert!(!instant(&all, Some(70)).contains('…'));
        // What cannot be told apart any more is of no use.
        assert!(instant(&all, Some(5)).lines().any(|line| line.chars().count() > 5));
    }

    #[test]
    fn a_course_fills_the_line() {
        let many: Vec<f64> = (0..100).map(f64::from).collect();
        let all = [series(&[("pod", "a")], &many), series(&[("pod", "b")], &[3.0])];
        let text = courses(&all, (0.0, 99.0), Some(40));
        let want = "LAST  MIN  MAX  pod  COURSE\n  99    0   99  a    ▁▁▂▂▃▃▃▄▄▅▅▅▆▆▇▇▇██\n   3    3    3  b    ▁\n";
        assert_eq!(text, want);
        assert_eq!(text.lines().map(|line| line.chars().count()).max(), Some(40));
        // Where there are few moments the course is short, without holes.
        let few = [series(&[], &[0.0, 7.0, 3.5])];
        assert_eq!(courses(&few, (0.0, 2.0), Some(80)), "LAST  MIN  MAX  COURSE\n 3.5    0    7  ▁█▅\n");
    }
}
