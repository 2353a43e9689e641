//! When a change of the configuration's files counts: when whoever writes them has come to the end.
//!
//! Files are looked at again and again. What is the same at two looks is read, and used if what was read is what was looked
//! at. A file that became empty is sound, and without its rules their alerts would resolve; so that one is waited for longer:
//! an editor, or a full disk, empties a file before it is written.

use std::path::PathBuf;

use super::config_file::Seen;

/// After how many looks an empty file, which was not empty, is taken for what is meant: about half a minute.
const EMPTY_LOOKS: u32 = 15;
/// After how many looks at files that never rest it is told.
const RESTLESS_LOOKS: u32 = 30;

/// What to do after a look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Look again later.
    Wait,
    /// The same, and tell that these files are empty and not believed yet.
    TellEmpty(Vec<PathBuf>),
    /// The same, and tell that the files never rest.
    TellRestless,
    /// Read the files.
    Read,
}

/// What was seen, and for how long.
#[derive(Clone, Debug, Default)]
pub(super) struct Looks {
    /// What was read when the configuration was last tried.
    tried: Seen,
    /// What was there the last time.
    last: Seen,
    /// How many looks in a row have seen something else than the one before.
    restless: u32,
    /// How many have seen files emptied.
    emptied: u32,
}

impl Looks {
    /// This was tried: what is the same from now on is no change.
    pub(super) fn tried(&mut self, seen: Seen) {
        *self = Self { last: seen.clone(), tried: seen, restless: 0, emptied: 0 };
    }

    /// What was read when the configuration was last tried.
    pub(super) fn last_tried(&self) -> &Seen {
        &self.tried
    }

    /// What was there the last time, and is to be looked at again: more than was tried, when files have come.
    pub(super) fn last(&self) -> &Seen {
        &self.last
    }

    /// Takes note of what is there now.
    pub(super) fn look(&mut self, now: Seen) -> Next {
        if now == self.tried {
            *self = Self { last: now, tried: std::mem::take(&mut self.tried), restless: 0, emptied: 0 };
            return Next::Wait;
        }
        if now != self.last {
            (self.last, self.emptied) = (now, 0);
            return self.note_restless();
        }
        let emptied = now.emptied_since(&self.tried);
        if !emptied.is_empty() {
            self.emptied += 1;
            match self.emptied {
                1 => return Next::TellEmpty(emptied),
                2..EMPTY_LOOKS => return Next::Wait,
                _ => {}
            }
        }
        Next::Read
    }

    /// Takes note of what was read, and says whether it is what was looked at.
    pub(super) fn read(&mut self, seen: &Seen) -> Result<(), Next> {
        if seen.has_same_files(&self.last) {
            return Ok(());
        }
        (self.last, self.emptied) = (seen.clone().with_secrets_of(&self.last), 0);
        Err(self.note_restless())
    }

    fn note_restless(&mut self) -> Next {
        self.restless += 1;
        if self.restless.is_multiple_of(RESTLESS_LOOKS) { Next::TellRestless } else { Next::Wait }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(text: &str) -> Seen {
        Seen::of_text("rules.yaml", text)
    }

    /// What is done after each look.
    fn check(looks: &mut Looks, texts: &[&str], expected: &[Next]) {
        let told: Vec<Next> = texts.iter().map(|text| looks.look(seen(text))).collect();
        assert_eq!(told, expected, "{texts:?}");
    }

    fn looks() -> Looks {
        let mut looks = Looks::default();
        looks.tried(seen("a"));
        looks
    }

    #[test]
    fn what_rests_is_read_and_used_if_it_is_what_was_looked_at() {
        let mut looks = looks();
        check(&mut looks, &["a", "b", "c", "c"], &[Next::Wait, Next::Wait, Next::Wait, Next::Read]);
        assert_eq!(looks.read(&seen("c, half of it")), Err(Next::Wait));
        check(&mut looks, &["c", "c"], &[Next::Wait, Next::Read]);
        assert_eq!(looks.read(&seen("c")), Ok(()));
        looks.tried(seen("c"));
        check(&mut looks, &["c", "c"], &[Next::Wait, Next::Wait]);
    }

    #[test]
    fn what_is_read_along_with_it_has_to_rest_as_well() {
        let mut looks = looks();
        let both = || seen("b").and("more.yaml", "x");
        check(&mut looks, &["b", "b"], &[Next::Wait, Next::Read]);
        assert_eq!(looks.read(&both()), Err(Next::Wait));
        assert_eq!(looks.look(both()), Next::Read);
        assert_eq!(looks.read(&both()), Ok(()));
    }

    #[test]
    fn a_file_that_became_empty_is_waited_for() {
        let mut looks = looks();
        let empty = Next::TellEmpty(vec![PathBuf::from("rules.yaml")]);
        check(&mut looks, &["", "", "", "b", "b"], &[Next::Wait, empty.clone(), Next::Wait, Next::Wait, Next::Read]);
        looks.tried(seen("b"));
        check(&mut looks, &["", " \n", ""], &[Next::Wait, empty, Next::Wait]);
        let waited = (0..EMPTY_LOOKS).take_while(|_| looks.look(seen("")) == Next::Wait).count();
        assert_eq!(waited, EMPTY_LOOKS as usize - 3);
        looks.tried(seen(""));
        check(&mut looks, &["", ""], &[Next::Wait, Next::Wait]);
    }

    #[test]
    fn files_that_never_rest_are_told() {
        let mut looks = looks();
        let texts: Vec<String> = (0..RESTLESS_LOOKS).map(|at| format!("text {at}")).collect();
        let told: Vec<Next> = texts.iter().map(|text| looks.look(seen(text))).collect();
        assert_eq!(told.iter().filter(|next| **next == Next::TellRestless).count(), 1);
    }
}
