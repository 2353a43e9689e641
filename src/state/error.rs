//! Why the state cannot be kept or read, in words that say what to do.

use std::io;
use std::path::PathBuf;

use super::migrate::LAYOUT;

/// Why the state cannot be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The data directory cannot be made, or nothing can be written in it.
    #[error("the data directory `{}` must be writable", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process has it.
    #[error("`{}` is in use by another Atalaya: stop that one, or give this one its own --data-dir", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// Something that is no file has the file's name, or the file is not for us to read and write.
    #[error("the state file `{}` must be a file that can be read and written", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why it cannot.
        source: io::Error,
    },
    /// There is no room for what is to be written.
    #[error("the state file `{}` cannot be written, since the disk is full: make room, or choose another --data-dir", path.display())]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// SQLite says no.
    #[error("the state file `{}`", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// The file is damaged.
    #[error("the state file `{}` is damaged ({what}): restore it from a backup, or move it away to start afresh", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The file is a database, but another program's.
    #[error("the state file `{}` is a database of another program ({what}): give this one its own --data-dir", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// By what it is known.
        what: String,
    },
    /// A newer Atalaya has written the file.
    #[error(
        "the state file `{}` has layout {found}, and this version knows layouts up to {LAYOUT}: run the newer version \
         that wrote it, or restore the copy that it made before it changed the layout (`atalaya.db.v{LAYOUT}.bak`)",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its layout.
        found: i64,
    },
    /// An older layout cannot be brought up to date; the file is as it was.
    #[error("bring the state file `{}` from layout {from} to {LAYOUT}", path.display())]
    Migration {
        /// The file.
        path: PathBuf,
        /// The layout that it has.
        from: i64,
        /// Why.
        source: Box<StateError>,
    },
}
