//! Mistakes that tests can have the plan make, to see that they would notice them.

/// A mistake, each in another part of the plan.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mutant {
    /// Counter resets are not added.
    MissesResets,
    /// A reset still counts when its first sample has left the window.
    KeepsResets,
    /// Windows are closed on the left.
    ClosesWindows,
    /// Stale markers count as samples.
    TakesMarkers,
    /// Series that are gone keep their place.
    MissesDepartures,
    /// Trimmed samples are not noticed.
    MissesTrims,
    /// What was calculated stays when a rule has written since.
    MissesWrites,
    /// An offset is ignored.
    IgnoresOffset,
    /// An older moment does not restart windows.
    MissesOlderMoments,
    /// Groups come in the order of their numbers.
    SortsGroups,
    /// Extremes are not forgotten when they leave the window.
    KeepsExtremes,
    /// The samples before the first whole block are left out.
    SkipsHeads,
    /// A changed pair still counts when its first sample has left the window.
    KeepsChanges,
    /// `irate` takes the first sample instead of the last but one.
    WrongPair,
    /// A number on the left of an operator counts as on the right.
    SwapsSides,
    /// Two partners on the side on which there may be one are not noticed.
    MissesDuplicates,
    /// Results of `group_left` that are the same are not noticed.
    MissesRepeats,
    /// `or` takes all of the right side.
    TakesAll,
    /// `unless` keeps what has a partner.
    KeepsPartners,
    /// `topk` chooses the least.
    ChoosesLeast,
    /// Buckets of all histograms are mixed.
    MixesHistograms,
    /// Labels that have become the same are not noticed.
    MissesCollisions,
    /// Rows that are numbered anew are not noticed.
    MissesRenumbering,
    /// `bool` filters.
    FiltersBool,
    /// An element of several is a scalar.
    TakesFirst,
    /// Native histograms in a window are not noticed.
    MissesHistograms,
}

impl Mutant {
    /// All of them.
    #[cfg(test)]
    pub(super) const ALL: [Self; 26] = [
        Self::MissesResets,
        Self::KeepsResets,
        Self::ClosesWindows,
        Self::TakesMarkers,
        Self::MissesDepartures,
        Self::MissesTrims,
        Self::MissesWrites,
        Self::IgnoresOffset,
        Self::MissesOlderMoments,
        Self::SortsGroups,
        Self::KeepsExtremes,
        Self::SkipsHeads,
        Self::KeepsChanges,
        Self::WrongPair,
        Self::SwapsSides,
        Self::MissesDuplicates,
        Self::MissesRepeats,
        Self::TakesAll,
        Self::KeepsPartners,
        Self::ChoosesLeast,
        Self::MixesHistograms,
        Self::MissesCollisions,
        Self::MissesRenumbering,
        Self::FiltersBool,
        Self::TakesFirst,
        Self::MissesHistograms,
    ];
}

#[cfg(test)]
thread_local! {
    static ACTIVE: std::cell::Cell<Option<Mutant>> = const { std::cell::Cell::new(None) };
}

/// Has this thread's plans make a mistake, or none, from now on.
#[cfg(test)]
pub(super) fn set_mutant(mutant: Option<Mutant>) {
    ACTIVE.set(mutant);
}

/// Whether a plan is to make this mistake: never, outside of tests.
#[cfg(test)]
pub(super) fn is_mutant(mutant: Mutant) -> bool {
    ACTIVE.get() == Some(mutant)
}

/// Whether a plan is to make this mistake: never, outside of tests.
#[cfg(not(test))]
pub(super) const fn is_mutant(_: Mutant) -> bool {
    false
}
