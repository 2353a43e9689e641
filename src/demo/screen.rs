//! The terminal: lines that stay, and below them one that is drawn anew in place.
//!
//! Without a terminal there are only the lines, without colours and without control characters, so a log of them reads
//! well. Everything that the demo shows goes through here.

use std::fmt;
use std::io::{self, IsTerminal as _, Write};

/// To the line's beginning, and nothing on it.
const CLEAR: &str = "\r\x1b[K";
/// What is too long for the line is cut, and no longer: a line that wrapped could not be drawn over.
const NO_WRAP: &str = "\x1b[?7l";
const WRAP: &str = "\x1b[?7h";

/// How a piece of text looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Paint {
    Bold,
    Dim,
    Red,
    Green,
    Yellow,
    Blue,
    Magenta,
    Cyan,
}

impl Paint {
    const fn code(self) -> u8 {
        match self {
            Self::Bold => 1,
            Self::Dim => 2,
            Self::Red => 31,
            Self::Green => 32,
            Self::Yellow => 33,
            Self::Blue => 34,
            Self::Magenta => 35,
            Self::Cyan => 36,
        }
    }
}

/// What the terminal can do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Abilities {
    /// It can draw over a line.
    pub(super) redraws: bool,
    /// It has colours, and they are wanted.
    pub(super) colours: bool,
}

impl Abilities {
    /// Those of standard output.
    pub(super) fn of_stdout() -> Self {
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let redraws = io::stdout().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        Self { redraws, colours: redraws && !is_set("NO_COLOR") }
    }
}

/// Where the story is shown.
pub(super) struct Screen {
    out: Box<dyn Write + Send>,
    abilities: Abilities,
    status: String,
}

impl Screen {
    /// Standard output.
    pub(super) fn stdout() -> Self {
        Self::new(Box::new(io::stdout()), Abilities::of_stdout())
    }

    /// Somewhere else.
    pub(super) fn new(out: Box<dyn Write + Send>, abilities: Abilities) -> Self {
        Self { out, abilities, status: String::new() }
    }

    /// Whether [`Self::status`] shows anything.
    pub(super) fn redraws(&self) -> bool {
        self.abilities.redraws
    }

    /// A piece of text in a colour, if there are colours.
    pub(super) fn paint(&self, paint: Paint, text: &str) -> String {
        if self.abilities.colours { format!("\x1b[{}m{text}\x1b[0m", paint.code()) } else { text.to_owned() }
    }

    /// Shows a line that stays.
    pub(super) fn line(&mut self, text: &str) {
        let (clear, status) = if self.status.is_empty() { ("", String::new()) } else { (CLEAR, self.drawn()) };
        self.write(format_args!("{clear}{text}\n{status}"));
    }

    /// Shows what holds at the moment, in place of what was shown before; nothing when it is empty.
    pub(super) fn status(&mut self, text: String) {
        if !self.abilities.redraws || text == self.status {
            return;
        }
        self.status = text;
        let status = self.drawn();
        self.write(format_args!("{CLEAR}{status}"));
    }

    fn drawn(&self) -> String {
        if self.status.is_empty() { String::new() } else { format!("{NO_WRAP}{}{WRAP}", self.status) }
    }

    /// The one place that writes. A reader who has gone, as `head` does, ends the telling but not the story.
    fn write(&mut self, text: fmt::Arguments<'_>) {
        let _ = self.out.write_all(text.to_string().as_bytes()).and_then(|()| self.out.flush());
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.status(String::new());
    }
}

/// A text without what could move the cursor.
pub(super) fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Keeps what is shown.
    #[derive(Clone, Default)]
    pub(in crate::demo) struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Paper {
        pub(in crate::demo) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn shown(abilities: Abilities) -> String {
        let paper = Paper::default();
        let mut screen = Screen::new(Box::new(paper.clone()), abilities);
        screen.line("one");
        screen.status("now".to_owned());
        screen.status("now".to_owned());
        let two = screen.paint(Paint::Red, "two");
        screen.line(&two);
        drop(screen);
        paper.text()
    }

    #[test]
    fn without_a_terminal_there_are_only_lines() {
        assert_eq!(shown(Abilities { redraws: false, colours: false }), "one\ntwo\n");
    }

    #[test]
    fn on_a_terminal_the_last_line_is_drawn_anew() {
        let now = "\x1b[?7lnow\x1b[?7h";
        let plain = shown(Abilities { redraws: true, colours: false });
        assert_eq!(plain, format!("one\n\r\x1b[K{now}\r\x1b[Ktwo\n{now}\r\x1b[K"));
        let coloured = shown(Abilities { redraws: true, colours: true });
        assert_eq!(coloured, format!("one\n\r\x1b[K{now}\r\x1b[K\x1b[31mtwo\x1b[0m\n{now}\r\x1b[K"));
    }

    #[test]
    fn texts_cannot_move_the_cursor() {
        assert_eq!(plain("a\x1b[2Jb\r\nc é"), "a[2Jbc é");
    }
}
