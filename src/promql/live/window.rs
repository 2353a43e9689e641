//! Windows over all series of a selector, and the functions that read them.

use crate::model::{Sample, Timestamp};
use crate::store::{Series, Store};

use super::super::functions::FloatsBody;
use super::super::window::Window;
use super::column::Column;
use super::counter::{Before, Changes, Resets, extrapolated};
use super::edges::{Track, WindowState};
use super::extremes::Extremes;
use super::members::Members;
use super::mutant::{Mutant, is_mutant};
use super::sums::Sums;

/// A function of a window without other arguments that needs no look at all of its samples.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Kept {
    Rate,
    Increase,
    Resets,
    Delta,
    Count,
    Present,
    First,
    Last,
    TimeOfFirst,
    TimeOfLast,
    Irate,
    Idelta,
    Changes,
    Min,
    Max,
    Sum,
    Avg,
}

/// All of them, by the name of the function.
const KEPT: [(&str, Kept); 17] = [
    ("rate", Kept::Rate),
    ("increase", Kept::Increase),
    ("resets", Kept::Resets),
    ("delta", Kept::Delta),
    ("count_over_time", Kept::Count),
    ("present_over_time", Kept::Present),
    ("first_over_time", Kept::First),
    ("last_over_time", Kept::Last),
    ("ts_of_first_over_time", Kept::TimeOfFirst),
    ("ts_of_last_over_time", Kept::TimeOfLast),
    ("irate", Kept::Irate),
    ("idelta", Kept::Idelta),
    ("changes", Kept::Changes),
    ("min_over_time", Kept::Min),
    ("max_over_time", Kept::Max),
    ("sum_over_time", Kept::Sum),
    ("avg_over_time", Kept::Avg),
];

impl Kept {
    /// The function with this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        KEPT.iter().find(|(known, _)| *known == name).map(|(_, kept)| *kept)
    }

    /// The function's name.
    pub(super) fn as_str(self) -> &'static str {
        KEPT.iter().find(|(_, kept)| *kept == self).map_or("", |(name, _)| name)
    }

    /// What it needs to be kept of a window. Functions that need the same share it.
    pub(super) fn track(self) -> TrackKind {
        match self {
            Self::Rate | Self::Increase | Self::Resets => TrackKind::Resets,
            Self::Delta
            | Self::Count
            | Self::Present
            | Self::First
            | Self::Last
            | Self::TimeOfFirst
            | Self::TimeOfLast => TrackKind::Edges,
            Self::Irate | Self::Idelta => TrackKind::Before,
            Self::Changes => TrackKind::Changes,
            Self::Min => TrackKind::Least,
            Self::Max => TrackKind::Greatest,
            Self::Sum | Self::Avg => TrackKind::Sums,
        }
    }
}

/// What is kept of the windows of a table.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum TrackKind {
    Edges,
    Resets,
    Before,
    Changes,
    Least,
    Greatest,
    Sums,
}

/// A state for each row.
#[derive(Debug)]
enum States {
    Edges(Vec<WindowState<()>>),
    Resets(Vec<WindowState<Resets>>),
    Before(Vec<WindowState<Before>>),
    Changes(Vec<WindowState<Changes>>),
    Least(Vec<WindowState<Extremes<false>>>),
    Greatest(Vec<WindowState<Extremes<true>>>),
    Sums(Vec<WindowState<Sums>>),
}

impl States {
    fn new(kind: TrackKind) -> Self {
        match kind {
            TrackKind::Edges => Self::Edges(Vec::new()),
            TrackKind::Resets => Self::Resets(Vec::new()),
            TrackKind::Before => Self::Before(Vec::new()),
            TrackKind::Changes => Self::Changes(Vec::new()),
            TrackKind::Least => Self::Least(Vec::new()),
            TrackKind::Greatest => Self::Greatest(Vec::new()),
            TrackKind::Sums => Self::Sums(Vec::new()),
        }
    }
}

/// The windows of one length, as far back, over all series of a selector.
#[derive(Debug)]
pub(super) struct Windows {
    kind: TrackKind,
    states: States,
    /// Of the rows.
    generation: u64,
    /// The end of the windows when they were last looked at.
    end: Timestamp,
}

impl Windows {
    pub(super) fn new(kind: TrackKind) -> Self {
        Self { kind, states: States::new(kind), generation: 0, end: Timestamp::from_millis(i64::MIN) }
    }

    /// The values of a function over the windows `(start, end]`; rows without one are left out.
    pub(super) fn evaluate(
        &mut self,
        function: Kept,
        members: &Members,
        store: &Store,
        (start, end): (Timestamp, Timestamp),
        column: &mut Column,
    ) {
        let went_back = end < self.end && !is_mutant(Mutant::MissesOlderMoments);
        if members.generation != self.generation || went_back {
            self.states = States::new(self.kind);
            self.generation = members.generation;
        }
        self.end = end;
        let span = (start, end);
        #[expect(clippy::cast_precision_loss, reason = "exact for 285,000 years")]
        let seconds = (end.millis() - start.millis()) as f64 / 1000.0;
        let each = Each { members, store, span, column };
        match (&mut self.states, function) {
            (States::Resets(states), Kept::Rate) => {
                each.run(states, |it, _| extrapolated(&it.edges, Some(&it.track), span, Some(seconds)));
            }
            (States::Resets(states), Kept::Increase) => {
                each.run(states, |it, _| extrapolated(&it.edges, Some(&it.track), span, None));
            }
            (States::Resets(states), _) => each.run(states, |it, _| Some(it.track.count())),
            (States::Edges(states), Kept::Delta) => {
                each.run(states, |it, _| extrapolated(&it.edges, None, span, None));
            }
            (States::Edges(states), Kept::Count) => each.run(states, |it, _| Some(f64::from(it.edges.count))),
            (States::Edges(states), Kept::First) => each.run(states, |it, _| Some(it.edges.first.value)),
            (States::Edges(states), Kept::Last) => each.run(states, |it, _| Some(it.edges.last.value)),
            (States::Edges(states), Kept::TimeOfFirst) => each.run(states, |it, _| Some(it.edges.first.at.seconds())),
            (States::Edges(states), Kept::TimeOfLast) => each.run(states, |it, _| Some(it.edges.last.at.seconds())),
            (States::Edges(states), _) => each.run(states, |_, _| Some(1.0)),
            (States::Before(states), Kept::Irate) => each.run(states, |it, _| it.irate()),
            (States::Before(states), _) => each.run(states, |it, _| it.idelta()),
            (States::Changes(states), _) => each.run(states, |it, _| Some(it.track.count())),
            (States::Least(states), _) => each.run(states, |it, _| Some(it.extreme())),
            (States::Greatest(states), _) => each.run(states, |it, _| Some(it.extreme())),
            (States::Sums(states), Kept::Avg) => each.run(states, |it, series| Some(it.mean(series))),
            (States::Sums(states), _) => each.run(states, |it, series| Some(it.sum(series))),
        }
    }
}

/// A walk over the series of a selector.
struct Each<'a> {
    members: &'a Members,
    store: &'a Store,
    span: (Timestamp, Timestamp),
    column: &'a mut Column,
}

impl Each<'_> {
    fn run<T: Track>(
        self,
        states: &mut Vec<WindowState<T>>,
        value: impl Fn(&mut WindowState<T>, &Series) -> Option<f64>,
    ) {
        let (start, end) = self.span;
        if states.len() < self.members.series.len() {
            states.resize_with(self.members.series.len(), WindowState::default);
        }
        let members = self.members;
        let mut ahead: Vec<(u32, &Series)> = Vec::with_capacity(AHEAD);
        for rows in members.rows.chunks(AHEAD) {
            ahead.clear();
            ahead.extend(rows.iter().map(|row| (*row, self.store.series(members.series[*row as usize]))));
            fetch(&ahead, states, start);
            for (row, series) in &ahead {
                let state = &mut states[*row as usize];
                state.advance(series, start, end);
                if state.edges.count > 0
                    && let Some(value) = value(state, series)
                {
                    self.column.push(*row, value);
                }
            }
        }
    }
}

/// So many series are looked at together.
const AHEAD: usize = 32;

/// Looks at both ends of some windows without doing anything, so that the memory of all of them is on its way at once:
/// what a window costs is waiting for it, and one after the other that is several times as long.
fn fetch<T: Track>(ahead: &[(u32, &Series)], states: &[WindowState<T>], start: Timestamp) {
    let mut newest = 0;
    for (_, series) in ahead {
        newest ^= series.last().map_or(0, |sample| sample.at.millis());
    }
    let mut oldest = 0;
    for (row, series) in ahead {
        let edges = &states[*row as usize].edges;
        if edges.count > 0 && edges.first.at <= start {
            let next = series.behind(edges.low, edges.first, edges.place).next();
            oldest ^= next.map_or(0, |sample| sample.at.millis());
        }
    }
    std::hint::black_box((newest, oldest));
}

/// The values of a function that looks at all samples of each window.
pub(super) fn scan(
    function: FloatsBody,
    scalars: &[f64],
    members: &Members,
    store: &Store,
    (start, end, at): (Timestamp, Timestamp, Timestamp),
    column: &mut Column,
) {
    let mut samples: Vec<Sample> = Vec::new();
    for (row, id) in members.iter() {
        samples.clear();
        let series = store.series(id);
        samples.extend(series.window(start, end));
        if samples.is_empty() {
            continue;
        }
        if let Some(value) = function(&Window::of_floats(series.labels(), &samples, (start, end, at)), scalars) {
            column.push(row, value);
        }
    }
}
