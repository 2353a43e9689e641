//! The raw texts of a target's series, one behind the other, and where each one's series is known.

use std::hash::{BuildHasher as _, RandomState};

use hashbrown::HashTable;

/// Where a text lies.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Text {
    start: u32,
    length: u32,
}

impl Text {
    /// Whether there is none.
    pub(super) fn is_empty(self) -> bool {
        self.length == 0
    }
}

/// What a text belongs to.
pub(super) trait HasText {
    /// Where its text lies.
    fn text(&self) -> Text;
    /// Its text lies somewhere else now.
    fn set_text(&mut self, text: Text);
}

/// Texts, and a table from each to a place in a list of what they belong to.
#[derive(Debug, Default)]
pub(super) struct Texts {
    /// All texts, and between them some that were removed.
    all: String,
    removed: usize,
    places: HashTable<u32>,
    hasher: RandomState,
}

/// So many bytes may be lost to texts that were removed before it is seen to.
const WASTE: usize = 1 << 16;

impl Texts {
    /// How many there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    #[inline]
    pub(super) fn get(&self, text: Text) -> &str {
        let start = text.start as usize;
        &self.all[start..start + text.length as usize]
    }

    /// The place of what has this text.
    pub(super) fn find(&self, text: &str, list: &[impl HasText]) -> Option<u32> {
        let is_it = |place: &u32| self.get(list[*place as usize].text()) == text;
        self.places.find(self.hasher.hash_one(text), is_it).copied()
    }

    /// Adds a text; [`Texts::place`] says whose it is. `None` when that would be more than four gigabytes.
    pub(super) fn add(&mut self, text: &str) -> Option<Text> {
        u32::try_from(self.all.len() + text.len()).ok()?;
        let (start, length) = (u32::try_from(self.all.len()).ok()?, u32::try_from(text.len()).ok()?);
        self.all.push_str(text);
        Some(Text { start, length })
    }

    /// Enters a place under its text.
    pub(super) fn place(&mut self, place: u32, list: &[impl HasText]) {
        let (all, hasher) = (&self.all, &self.hasher);
        let hash = |place: &u32| {
            let Text { start, length } = list[*place as usize].text();
            hasher.hash_one(&all[start as usize..(start + length) as usize])
        };
        self.places.insert_unique(hash(&place), place, hash);
    }

    /// Removes the text of a place.
    pub(super) fn remove(&mut self, place: u32, text: Text) {
        let hash = self.hasher.hash_one(self.get(text));
        if let Ok(entry) = self.places.find_entry(hash, |other| *other == place) {
            entry.remove();
            self.removed += text.length as usize;
        }
    }

    /// Whether most of the memory is lost to texts that were removed.
    pub(super) fn is_wasteful(&self) -> bool {
        self.removed > WASTE.max(self.all.len() / 2)
    }

    /// Takes the texts together.
    pub(super) fn compact(&mut self, list: &mut [impl HasText]) {
        let mut all = String::with_capacity(self.all.len() - self.removed);
        for it in list.iter_mut().filter(|it| !it.text().is_empty()) {
            // Shorter than before, so it fits.
            let start = u32::try_from(all.len()).unwrap_or(u32::MAX);
            all.push_str(self.get(it.text()));
            it.set_text(Text { start, ..it.text() });
        }
        (self.all, self.removed) = (all, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl HasText for Text {
        fn text(&self) -> Text {
            *self
        }

        fn set_text(&mut self, text: Text) {
            *self = text;
        }
    }

    #[test]
    fn texts_stay_found_when_others_go() {
        let (mut texts, mut list) = (Texts::default(), Vec::new());
        let text = |number: u32| format!("{number:0100}");
        for number in 0..2000 {
            list.push(texts.add(&text(number)).unwrap());
            texts.place(number, &list);
        }
        for number in 0..1500 {
            texts.remove(number, list[number as usize]);
            list[number as usize] = Text::default();
        }
        assert!(texts.is_wasteful());
        texts.compact(&mut list);
        assert_eq!((texts.all.len(), texts.len(), texts.is_wasteful()), (50_000, 500, false));
        for number in 0..2000 {
            assert_eq!(texts.find(&text(number), &list), (number >= 1500).then_some(number));
        }
        list[0] = texts.add(&text(0)).unwrap();
        texts.place(0, &list);
        assert_eq!(texts.find(&text(0), &list), Some(0));
    }
}
