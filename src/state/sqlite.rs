//! State in one SQLite file, which an operator can open to read it.
//!
//! Each kind of row has a table with the columns to look it up by and the row itself as JSON. A commit is one transaction
//! with one sync (WAL, `synchronous=FULL`): when `commit` returns, the records survive a power cut.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, Transaction, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::dispatch::{DispatchRecord, DispatchRows};
use crate::engine::{EngineRows, Note, Record};
use crate::rule::InstanceRow;

/// The layout of the tables; a file with another one is not touched.
const SCHEMA_VERSION: i64 = 1;
/// How many entries of the audit are kept, and after how many new ones the oldest are dropped.
const AUDIT_ROWS_MAX: i64 = 100_000;
const AUDIT_TRIM_EVERY: u32 = 1000;

const SCHEMA: &str = "
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

/// Why the state cannot be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The data directory cannot be made.
    #[error("make the data directory `{}`", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Another process has it.
    #[error("`{}` is in use by another Atalaya: stop that one, or give this one its own --data-dir", path.display())]
    InUse {
        /// The directory.
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
    /// The file is of another version of Atalaya.
    #[error("the state file `{}` has layout {found}, this version knows layout {SCHEMA_VERSION}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its layout.
        found: i64,
    },
}

/// Everything that was kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// Alert instances.
    pub instances: Vec<InstanceRow>,
    /// What the engine goes on from.
    pub engine: EngineRows,
}

/// The state file, open and locked.
#[derive(Debug)]
pub struct SqliteState {
    connection: Connection,
    path: PathBuf,
    notes_since_trim: u32,
    /// Held for as long as the state is open.
    _lock: File,
}

impl SqliteState {
    /// Opens `atalaya.db` in this directory, made if need be, both for this user alone. A file that is damaged or of
    /// another version is an error and stays as it is.
    pub fn open(directory: &Path) -> Result<Self, StateError> {
        let in_directory = |source| StateError::Directory { path: directory.to_owned(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(in_directory)?;
        let private = |name: &str| {
            OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .mode(0o600)
                .open(directory.join(name))
                .map_err(in_directory)
        };
        let lock = private("atalaya.lock")?;
        lock.try_lock().map_err(|_| StateError::InUse { path: directory.to_owned() })?;
        let path = directory.join("atalaya.db");
        private("atalaya.db")?;
        let sqlite = |source| from_sqlite(&path, source);
        let connection = Connection::open(&path).map_err(sqlite)?;
        let mut state = Self { connection, path: path.clone(), notes_since_trim: 0, _lock: lock };
        state.prepare().map_err(sqlite)?;
        state.check()?;
        Ok(state)
    }

    fn prepare(&mut self) -> rusqlite::Result<()> {
        self.connection.pragma_update(None, "journal_mode", "WAL")?;
        self.connection.pragma_update(None, "synchronous", "FULL")?;
        let tables: i64 = self.connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        if tables == 0 {
            let transaction = self.connection.transaction()?;
            transaction.execute_batch(SCHEMA)?;
            transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
            transaction.commit()?;
        }
        Ok(())
    }

    fn check(&self) -> Result<(), StateError> {
        let sqlite = |source| from_sqlite(&self.path, source);
        let found = self.connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(sqlite)?;
        if found != SCHEMA_VERSION {
            return Err(StateError::Version { path: self.path.clone(), found });
        }
        let verdict: String =
            self.connection.pragma_query_value(None, "quick_check", |row| row.get(0)).map_err(sqlite)?;
        if verdict != "ok" {
            return Err(StateError::Damaged { path: self.path.clone(), what: verdict });
        }
        Ok(())
    }

    /// Puts records on disk, all or none.
    pub fn commit(&mut self, records: &[Record]) -> Result<(), StateError> {
        let path = self.path.clone();
        self.write(records).map_err(|source| from_sqlite(&path, source))
    }

    fn write(&mut self, records: &[Record]) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        for record in records {
            put(&transaction, record)?;
            if matches!(record, Record::Note(_)) {
                self.notes_since_trim += 1;
            }
        }
        if self.notes_since_trim >= AUDIT_TRIM_EVERY {
            self.notes_since_trim = 0;
            transaction.execute("DELETE FROM audit WHERE id <= (SELECT max(id) FROM audit) - ?1", [AUDIT_ROWS_MAX])?;
        }
        transaction.commit()
    }

    /// Reads everything back.
    pub fn load(&self) -> Result<Rows, StateError> {
        Ok(Rows {
            instances: self.bodies("instance")?,
            engine: EngineRows {
                dispatch: DispatchRows {
                    groups: self.bodies("notification_group")?,
                    members: self.bodies("group_member")?,
                    lanes: self.bodies("lane")?,
                    deliveries: self.bodies("delivery")?,
                },
                episodes: self.bodies("episode")?,
            },
        })
    }

    /// The newest entries of the audit, newest first.
    pub fn audit(&self, count: u32) -> Result<Vec<Note>, StateError> {
        let sqlite = |source| from_sqlite(&self.path, source);
        let mut statement =
            self.connection.prepare("SELECT body FROM audit ORDER BY id DESC LIMIT ?1").map_err(sqlite)?;
        let bodies = statement.query_map([count], |row| row.get::<_, String>(0)).map_err(sqlite)?;
        bodies.map(|body| self.parse("audit", &body.map_err(sqlite)?)).collect()
    }

    fn bodies<T: DeserializeOwned>(&self, table: &str) -> Result<Vec<T>, StateError> {
        let sqlite = |source| from_sqlite(&self.path, source);
        let mut statement = self.connection.prepare(&format!("SELECT body FROM {table}")).map_err(sqlite)?;
        let bodies = statement.query_map([], |row| row.get::<_, String>(0)).map_err(sqlite)?;
        bodies.map(|body| self.parse(table, &body.map_err(sqlite)?)).collect()
    }

    fn parse<T: DeserializeOwned>(&self, table: &str, body: &str) -> Result<T, StateError> {
        serde_json::from_str(body).map_err(|error| StateError::Damaged {
            path: self.path.clone(),
            what: format!("a row of table `{table}`: {error}"),
        })
    }
}

/// SQLite's own words for a damaged file become ours.
fn from_sqlite(path: &Path, source: rusqlite::Error) -> StateError {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    match source.sqlite_error_code() {
        Some(DatabaseCorrupt | NotADatabase) => StateError::Damaged { path: path.to_owned(), what: source.to_string() },
        _ => StateError::Sqlite { path: path.to_owned(), source },
    }
}

fn put(transaction: &Transaction<'_>, record: &Record) -> rusqlite::Result<()> {
    match record {
        Record::Instance(rule, labels, row) => {
            keyed(transaction, "instance", ["rule", "labels"], [rule.as_str(), &labels.to_string()], row.as_ref())
        }
        Record::Dispatch(DispatchRecord::Group(key, row)) => {
            keyed(transaction, "notification_group", ["key"], [key.as_str()], row.as_ref())
        }
        Record::Dispatch(DispatchRecord::Member(key, print, row)) => keyed(
            transaction,
            "group_member",
            ["group_key", "fingerprint"],
            [key.as_str(), &print.to_string()],
            row.as_ref(),
        ),
        Record::Dispatch(DispatchRecord::Lane(key, row)) => keyed(
            transaction,
            "lane",
            ["subject", "integration"],
            [&key.subject, &key.integration.to_string()],
            row.as_ref(),
        ),
        Record::Dispatch(DispatchRecord::Delivery(id, row)) => {
            keyed(transaction, "delivery", ["id"], [id.as_str()], row.as_ref())
        }
        Record::Episode((key, row)) => keyed(transaction, "episode", ["key"], [&key.to_string()], row.as_ref()),
        Record::Note(note) => transaction
            .prepare_cached("INSERT INTO audit (at, sentence, body) VALUES (?1, ?2, ?3)")?
            .execute(params![note.at().to_string(), note.to_string(), json(note)?])
            .map(drop),
    }
}

/// Writes or deletes the row of a table that has these values in its key columns.
fn keyed<const N: usize, T: Serialize>(
    transaction: &Transaction<'_>,
    table: &str,
    columns: [&str; N],
    key: [&str; N],
    row: Option<&T>,
) -> rusqlite::Result<()> {
    let mut values: Vec<String> = key.iter().map(ToString::to_string).collect();
    let sql = match row {
        Some(row) => {
            values.push(json(row)?);
            let places: Vec<String> = (1..=N + 1).map(|at| format!("?{at}")).collect();
            format!("INSERT OR REPLACE INTO {table} ({}, body) VALUES ({})", columns.join(", "), places.join(", "))
        }
        None => {
            let terms: Vec<String> = (1..).zip(columns).map(|(at, column)| format!("{column} = ?{at}")).collect();
            format!("DELETE FROM {table} WHERE {}", terms.join(" AND "))
        }
    };
    transaction.prepare_cached(&sql)?.execute(rusqlite::params_from_iter(values)).map(drop)
}

fn json<T: Serialize>(row: &T) -> rusqlite::Result<String> {
    serde_json::to_string(row).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Labels, RuleId, Timestamp};
    use crate::rule::InstanceState;

    fn row(pod: &str) -> InstanceRow {
        InstanceRow {
            rule: RuleId::new("f;g;A{}"),
            labels: Labels::from_pairs([("pod", pod)]),
            element: Labels::empty(),
            annotations: Labels::empty(),
            value: "NaN".to_owned(),
            state: InstanceState::Pending { since: Timestamp::from_millis(5) },
            unknown_since: None,
        }
    }

    fn put_row(row: &InstanceRow) -> Record {
        Record::Instance(row.rule.clone(), row.labels.clone(), Some(row.clone()))
    }

    #[test]
    fn reads_back_what_was_committed_and_not_deleted() {
        let directory = tempfile::tempdir().unwrap();
        let (a, b) = (row("a"), row("b"));
        {
            let mut state = SqliteState::open(directory.path()).unwrap();
            state.commit(&[put_row(&a), put_row(&b), put_row(&b)]).unwrap();
            state.commit(&[Record::Instance(a.rule.clone(), a.labels.clone(), None)]).unwrap();
        }
        let state = SqliteState::open(directory.path()).unwrap();
        assert_eq!(state.load().unwrap().instances, [b]);
    }

    #[test]
    fn a_second_process_is_told_to_stay_away() {
        let directory = tempfile::tempdir().unwrap();
        let _first = SqliteState::open(directory.path()).unwrap();
        assert!(matches!(SqliteState::open(directory.path()), Err(StateError::InUse { .. })));
    }

    #[test]
    fn a_damaged_file_is_an_error_and_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("atalaya.db");
        fs::write(&path, "this was a database once").unwrap();
        assert!(matches!(SqliteState::open(directory.path()), Err(StateError::Damaged { .. })));
        assert_eq!(fs::read_to_string(&path).unwrap(), "this was a database once");
    }

    #[test]
    fn only_its_owner_can_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let mut state = SqliteState::open(directory.path()).unwrap();
        state.commit(&[put_row(&row("a"))]).unwrap();
        for name in ["atalaya.db", "atalaya.db-wal", "atalaya.lock"] {
            let mode = fs::metadata(directory.path().join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }
}
