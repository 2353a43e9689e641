//! The layouts of the state file: how each is made of the one before.
//!
//! A file carries its layout (`user_version`) and our mark (`application_id`). Each step is one transaction, so that a
//! power cut leaves a layout that is whole; before the first a copy is put beside the file.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, Transaction};

use super::StateError;
use super::sqlite::from_sqlite;

/// Marks a database as ours: "atal" in ASCII.
pub(super) const APPLICATION_ID: i64 = 0x6174_616c;

/// The tables as the first layout had them.
const FIRST: &str = "
CREATE TABLE instance (rule TEXT NOT NULL, labels TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (rule, labels)) STRICT;
CREATE TABLE notification_group (key TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;
CREATE TABLE group_member (group_key TEXT NOT NULL, fingerprint TEXT NOT NULL, body TEXT NOT NULL,
                           PRIMARY KEY (group_key, fingerprint)) STRICT;
CREATE TABLE lane (subject TEXT NOT NULL, integration TEXT NOT NULL, body TEXT NOT NULL,
                   PRIMARY KEY (subject, integration)) STRICT;
CREATE TABLE delivery (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;
CREATE TABLE episode (key TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;
CREATE TABLE audit (id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, sentence TEXT NOT NULL,
                    body TEXT NOT NULL) STRICT;
";

/// Brings a layout to the next.
type Step = fn(&Transaction<'_>) -> rusqlite::Result<()>;

/// From each layout to the next, from none at all on. What users have written is never changed here: a new layout is a new
/// row.
const STEPS: [Step; 2] = [
    |transaction| transaction.execute_batch(FIRST),
    // Our mark, by which the file is told from a database of another program.
    |transaction| transaction.pragma_update(None, "application_id", APPLICATION_ID),
];

/// The layout that this version reads and writes.
pub(super) const LAYOUT: i64 = STEPS.len() as i64;

/// What a file says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) layout: i64,
    pub(super) application: i64,
    tables: i64,
}

impl Mark {
    /// Reads it.
    pub(super) fn of(connection: &Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            layout: connection.pragma_query_value(None, "user_version", |row| row.get(0))?,
            application: connection.pragma_query_value(None, "application_id", |row| row.get(0))?,
            tables: connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?,
        })
    }

    /// Whether it is ours, and of a layout that we know.
    pub(super) fn check(self, path: &Path) -> Result<(), StateError> {
        let foreign = |what: String| Err(StateError::Foreign { path: path.to_owned(), what });
        let damaged = |what: &str| Err(StateError::Damaged { path: path.to_owned(), what: what.to_owned() });
        match self {
            Self { application, .. } if application != APPLICATION_ID && application != 0 => {
                foreign(format!("its application_id is {application:#x}"))
            }
            // A file of ours is given its name when it is complete, so one without tables has lost them.
            Self { tables: 0, .. } => damaged("it is empty"),
            Self { layout: 0, application: 0, .. } => foreign("it has tables and no layout of ours".to_owned()),
            Self { layout: ..=0, .. } => damaged("its layout is no number that we write"),
            Self { layout: 2.., application: 0, .. } => foreign("it has not our application_id".to_owned()),
            Self { layout: found, .. } if found > LAYOUT => Err(StateError::Newer { path: path.to_owned(), found }),
            _ => Ok(()),
        }
    }
}

/// Takes the steps from `from` on, each a transaction.
pub(super) fn climb(connection: &mut Connection, from: i64) -> rusqlite::Result<()> {
    for (step, layout) in STEPS.iter().zip(1_i64..).filter(|(_, layout)| *layout > from) {
        let transaction = connection.transaction()?;
        step(&transaction)?;
        transaction.pragma_update(None, "user_version", layout)?;
        transaction.commit()?;
    }
    Ok(())
}

/// Brings an older file up to date, after a copy was put beside it. Says where that is.
pub(super) fn migrate(connection: &mut Connection, path: &Path, from: i64) -> Result<PathBuf, StateError> {
    let failed = |source: StateError| StateError::Migration { path: path.to_owned(), from, source: Box::new(source) };
    let copy = path.with_file_name(format!("atalaya.db.v{from}.bak"));
    back_up(connection, path, &copy).map_err(failed)?;
    climb(connection, from).map_err(|source| failed(from_sqlite(path, source)))?;
    Ok(copy)
}

/// Puts a copy of the file, as it is now, under this name: whole and on disk before it has the name.
fn back_up(connection: &Connection, path: &Path, copy: &Path) -> Result<(), StateError> {
    let unfinished = copy.with_extension("bak.tmp");
    let in_file = |source| StateError::File { path: unfinished.clone(), source };
    // SQLite fills a file that is there and empty, and so it is for its owner alone from the beginning.
    OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&unfinished)
        .and_then(|file| file.set_len(0))
        .map_err(in_file)?;
    let name = unfinished.to_string_lossy();
    connection.execute("VACUUM INTO ?1", [&name]).map_err(|source| from_sqlite(path, source))?;
    fs::File::open(&unfinished).and_then(|file| file.sync_all()).map_err(in_file)?;
    fs::rename(&unfinished, copy).map_err(in_file)?;
    sync_directory(copy).map_err(in_file)
}

/// Makes the names in a file's directory durable.
pub(super) fn sync_directory(path: &Path) -> std::io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::File::open(parent)?.sync_all()
}
