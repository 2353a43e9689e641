//! Names that are almost right: what was probably meant.

/// `did you mean …?`
pub(super) fn did_you_mean(name: &str) -> String {
    format!("did you mean `{name}`?")
}

/// The name that is most like what was written, if one is so like it that it was probably meant.
pub(super) fn closest<'n>(written: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    /// No name that we know is longer.
    const WRITTEN_MAX: usize = 64;
    if written.len() > WRITTEN_MAX {
        return None;
    }
    let far = written.chars().count() / 3;
    names
        .filter(|name| name.len() <= WRITTEN_MAX)
        .map(|name| (edits(&written.to_lowercase(), &name.to_lowercase()), name))
        .filter(|(edits, _)| *edits <= far.max(1))
        .min()
        .map(|(_, name)| name)
}

/// How many letters must be put in, taken out or changed to make one word of the other.
fn edits(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (at, from) in left.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], at + 1);
        for (column, to) in right.iter().enumerate() {
            let changed = diagonal + usize::from(from != *to);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}
