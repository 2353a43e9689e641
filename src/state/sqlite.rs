//! State in one SQLite file, which an operator can open to read it.
//!
//! Each kind of row has a table with the columns to look it up by and the row itself as JSON. A commit is one transaction
//! with one sync (WAL, `synchronous=FULL`): when `commit` returns, the records survive a power cut.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::dispatch::{DispatchRecord, DispatchRows};
use crate::engine::{EngineRows, Note, Record};
use crate::rule::InstanceRow;

use super::StateError;
use super::log;
use super::migrate::{LAYOUT, Mark, climb, migrate, sync_directory};

/// The names in the data directory.
const FILE: &str = "atalaya.db";
const LOCK: &str = "atalaya.lock";
/// How many entries of the audit are kept, and after how many new ones the oldest are dropped.
const AUDIT_ROWS_MAX: i64 = 100_000;
const AUDIT_TRIM_EVERY: u32 = 1000;

/// Every table with its columns; all layouts so far have the same.
const TABLES: [(&str, &str); 7] = [
    ("instance", "rule, labels, body"),
    ("notification_group", "key, body"),
    ("group_member", "group_key, fingerprint, body"),
    ("lane", "subject, integration, body"),
    ("delivery", "id, body"),
    ("episode", "key, body"),
    ("audit", "id, at, sentence, body"),
];

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
    /// Opens `atalaya.db` in this directory, made if need be, both for this user alone. A file of an older layout is
    /// brought up to date, after a copy was made. One that is damaged, another program's or a newer version's is an error
    /// and stays as it is.
    pub fn open(directory: &Path) -> Result<Self, StateError> {
        let in_directory = |source| StateError::Directory { path: directory.to_owned(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(in_directory)?;
        let lock = lock_file(&directory.join(LOCK)).map_err(in_directory)?;
        lock.try_lock().map_err(|_| StateError::InUse { path: directory.to_owned() })?;
        let path = directory.join(FILE);
        let in_file = |source| StateError::File { path: path.clone(), source };
        // A link that leads nowhere is there, too, and is not ours to replace.
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_symlink() && fs::metadata(&path).is_err() => {
                return Err(in_file(io::Error::other("it is a link that leads nowhere")));
            }
            Ok(_) if !fs::metadata(&path).map_err(in_file)?.is_file() => {
                return Err(in_file(io::Error::other("something else has its name")));
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => create(directory, &path)?,
            Err(error) => return Err(in_file(error)),
        }
        // SQLite would open what it may only read, and fail later.
        let file = OpenOptions::new().read(true).write(true).open(&path).map_err(in_file)?;
        if file.metadata().map_err(in_file)?.len() == 0 {
            return Err(StateError::Damaged { path, what: "it is empty".to_owned() });
        }
        drop(file);
        let log = log_of(&path);
        if let Some(trouble) = log::trouble(&log).map_err(|source| StateError::File { path: log.clone(), source })? {
            let what = format!("its log `{}` cannot be used: {trouble}", log.display());
            return Err(StateError::Damaged { path, what });
        }
        let sqlite = |source| from_sqlite(&path, source);
        let mut connection = connect(&path).map_err(sqlite)?;
        let mark = Mark::of(&connection).map_err(sqlite)?;
        mark.check(&path)?;
        connection.pragma_update(None, "journal_mode", "WAL").map_err(sqlite)?;
        connection.pragma_update(None, "synchronous", "FULL").map_err(sqlite)?;
        check(&connection, &path)?;
        has_tables(&connection, &path)?;
        if mark.layout < LAYOUT {
            let copy = migrate(&mut connection, &path, mark.layout)?;
            tracing::info!(
                from = mark.layout,
                to = LAYOUT,
                copy = %copy.display(),
                "the state file has a new layout; as it was before, it is kept in a copy"
            );
        }
        Ok(Self { connection, path, notes_since_trim: 0, _lock: lock })
    }

    /// Puts records on disk, all or none.
    pub fn commit<'a>(&mut self, records: impl IntoIterator<Item = &'a Record>) -> Result<(), StateError> {
        let path = self.path.clone();
        self.write(records).map_err(|source| from_sqlite(&path, source))
    }

    fn write<'a>(&mut self, records: impl IntoIterator<Item = &'a Record>) -> rusqlite::Result<()> {
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

    /// Whether the row of a record is on disk, as it is there or as it was. A note always is news.
    pub fn has_row(&self, record: &Record) -> Result<bool, StateError> {
        let Some(key) = RowKey::of(record) else { return Ok(false) };
        let sql = format!("SELECT 1 {}", key.place());
        let sqlite = |source| from_sqlite(&self.path, source);
        let mut statement = self.connection.prepare_cached(&sql).map_err(sqlite)?;
        let found =
            statement.query_row(rusqlite::params_from_iter(key.values), |_| Ok(())).optional().map_err(sqlite)?;
        Ok(found.is_some())
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
        // A row that is no text was not written by us.
        let bodies = bodies.map(|body| {
            body.map_err(|error| match sqlite(error) {
                StateError::Sqlite { path, source } => {
                    StateError::Damaged { path, what: format!("a row of table `{table}`: {source}") }
                }
                error => error,
            })
        });
        bodies.map(|body| self.parse(table, &body?)).collect()
    }

    fn parse<T: DeserializeOwned>(&self, table: &str, body: &str) -> Result<T, StateError> {
        serde_json::from_str(body).map_err(|error| StateError::Damaged {
            path: self.path.clone(),
            what: format!("a row of table `{table}`: {error}"),
        })
    }
}

/// A file that only we can read, made if need be and otherwise left as it is.
fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)
}

/// The file that is locked. A pipe of its name would be waited for.
fn lock_file(path: &Path) -> io::Result<File> {
    match fs::metadata(path) {
        Ok(found) if !found.is_file() => Err(io::Error::other(format!("`{}` is not a file", path.display()))),
        _ => private(path),
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)
}

/// Where SQLite keeps what was committed and is not yet in the file; through links, as SQLite goes.
fn log_of(path: &Path) -> PathBuf {
    let mut log = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()).into_os_string();
    log.push("-wal");
    log.into()
}

/// Makes a new file: complete and on disk before it has its name, so that an empty one is always a damaged one.
fn create(directory: &Path, path: &Path) -> Result<(), StateError> {
    // Without its file, the log of one proves that there was one.
    let log = log_of(path);
    if log.exists() {
        let what = format!("it is gone, but not its log `{}`", log.display());
        return Err(StateError::Damaged { path: path.to_owned(), what });
    }
    let unfinished = directory.join(format!("{FILE}.new"));
    let in_directory = |source| StateError::Directory { path: directory.to_owned(), source };
    let sqlite = |source| from_sqlite(&unfinished, source);
    // What a start left behind that did not get far.
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(in_directory(error)),
        _ => private(&unfinished).map_err(in_directory)?,
    };
    let made = (|| {
        let mut connection = connect(&unfinished).map_err(sqlite)?;
        climb(&mut connection, 0).map_err(sqlite)?;
        connection.close().map_err(|(_, source)| sqlite(source))?;
        File::open(&unfinished).and_then(|file| file.sync_all()).map_err(in_directory)?;
        fs::rename(&unfinished, path).map_err(in_directory)
    })();
    if made.is_err() {
        // As it was before; what cannot be removed now is removed by the next start.
        let _ = fs::remove_file(&unfinished);
    }
    made?;
    sync_directory(path).map_err(in_directory)
}

/// Reads every page once, so that damage is found now and not by the one alert that stands on it.
fn check(connection: &Connection, path: &Path) -> Result<(), StateError> {
    let verdict: String = connection
        .pragma_query_value(None, "quick_check", |row| row.get(0))
        .map_err(|source| from_sqlite(path, source))?;
    let mut lines = verdict.lines().filter(|line| !line.starts_with("***"));
    match lines.next() {
        None | Some("ok") => Ok(()),
        Some(first) => {
            let more = match lines.count() {
                0 => String::new(),
                more => format!(", and {more} more"),
            };
            Err(StateError::Damaged { path: path.to_owned(), what: format!("{first}{more}") })
        }
    }
}

/// Whether everything is there that is read and written later.
fn has_tables(connection: &Connection, path: &Path) -> Result<(), StateError> {
    for (table, columns) in TABLES {
        connection.prepare(&format!("SELECT {columns} FROM {table}")).map_err(|error| {
            match from_sqlite(path, error) {
                StateError::Sqlite { path, source } => StateError::Damaged { path, what: source.to_string() },
                error => error,
            }
        })?;
    }
    Ok(())
}

/// SQLite's own words for a damaged file become ours.
pub(super) fn from_sqlite(path: &Path, source: rusqlite::Error) -> StateError {
    use rusqlite::ErrorCode::{DatabaseCorrupt, DiskFull, NotADatabase};
    match source.sqlite_error_code() {
        Some(DatabaseCorrupt | NotADatabase) => StateError::Damaged { path: path.to_owned(), what: source.to_string() },
        Some(DiskFull) => StateError::Full { path: path.to_owned() },
        _ => StateError::Sqlite { path: path.to_owned(), source },
    }
}

/// Which row a record is about: its table and the values of its key's columns.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct RowKey {
    table: &'static str,
    columns: &'static [&'static str],
    values: Vec<String>,
}

impl RowKey {
    /// The row of a record; none for a note, which is none's successor.
    pub fn of(record: &Record) -> Option<Self> {
        let (table, columns, values): (_, &'static [&'static str], _) = match record {
            Record::Instance(rule, labels, _) => {
                ("instance", &["rule", "labels"], vec![rule.as_str().to_owned(), labels.to_string()])
            }
            Record::Dispatch(DispatchRecord::Group(key, _)) => {
                ("notification_group", &["key"], vec![key.as_str().to_owned()])
            }
            Record::Dispatch(DispatchRecord::Member(key, print, _)) => {
                ("group_member", &["group_key", "fingerprint"], vec![key.as_str().to_owned(), print.to_string()])
            }
            Record::Dispatch(DispatchRecord::Lane(key, _)) => {
                ("lane", &["subject", "integration"], vec![key.subject.clone(), key.integration.to_string()])
            }
            Record::Dispatch(DispatchRecord::Delivery(id, _)) => ("delivery", &["id"], vec![id.as_str().to_owned()]),
            Record::Episode((key, _)) => ("episode", &["key"], vec![key.to_string()]),
            Record::Note(_) => return None,
        };
        Some(Self { table, columns, values })
    }

    /// `FROM table WHERE` its columns have the values that are bound to `?1` and on.
    fn place(&self) -> String {
        let terms: Vec<String> = (1..).zip(self.columns).map(|(at, column)| format!("{column} = ?{at}")).collect();
        format!("FROM {} WHERE {}", self.table, terms.join(" AND "))
    }
}

/// The row of a record as it is kept; none when it is gone.
fn body_of(record: &Record) -> rusqlite::Result<Option<String>> {
    match record {
        Record::Instance(.., row) => row.as_ref().map(json).transpose(),
        Record::Dispatch(DispatchRecord::Group(_, row)) => row.as_ref().map(json).transpose(),
        Record::Dispatch(DispatchRecord::Member(.., row)) => row.as_ref().map(json).transpose(),
        Record::Dispatch(DispatchRecord::Lane(_, row)) => row.as_ref().map(json).transpose(),
        Record::Dispatch(DispatchRecord::Delivery(_, row)) => row.as_ref().map(json).transpose(),
        Record::Episode((_, row)) => row.as_ref().map(json).transpose(),
        Record::Note(note) => json(note).map(Some),
    }
}

fn put(transaction: &Transaction<'_>, record: &Record) -> rusqlite::Result<()> {
    if let Record::Note(note) = record {
        let mut statement = transaction.prepare_cached("INSERT INTO audit (at, sentence, body) VALUES (?1, ?2, ?3)")?;
        return statement.execute(params![note.at().to_string(), note.to_string(), json(note)?]).map(drop);
    }
    let Some(key) = RowKey::of(record) else { return Ok(()) };
    let (sql, body) = match body_of(record)? {
        Some(body) => {
            let (columns, count) = (key.columns.join(", "), key.columns.len());
            let places: Vec<String> = (1..=count + 1).map(|at| format!("?{at}")).collect();
            let sql = format!("INSERT OR REPLACE INTO {} ({columns}, body) VALUES ({})", key.table, places.join(", "));
            (sql, Some(body))
        }
        None => (format!("DELETE {}", key.place()), None),
    };
    let values = key.values.into_iter().chain(body);
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
    fn only_its_owner_can_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let mut state = SqliteState::open(directory.path()).unwrap();
        state.commit(&[put_row(&row("a"))]).unwrap();
        for name in ["atalaya.db", "atalaya.db-wal", "atalaya.db-shm", "atalaya.lock"] {
            let mode = fs::metadata(directory.path().join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }

    /// A file that may not grow stands for a disk that is full.
    #[test]
    fn a_full_disk_loses_nothing_that_was_committed() {
        let directory = tempfile::tempdir().unwrap();
        let mut state = SqliteState::open(directory.path()).unwrap();
        state.commit(&[put_row(&row("a"))]).unwrap();
        let pages: i64 = state.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        state.connection.pragma_update(None, "max_page_count", pages).unwrap();
        let many: Vec<Record> = (0..500).map(|at| put_row(&row(&format!("pod-{at}")))).collect();
        let error = format!("{:#}", anyhow::Error::new(state.commit(&many).unwrap_err()));
        assert!(error.contains("full"), "{error}");
        assert_eq!(state.load().unwrap().instances, [row("a")]);
        state.connection.pragma_update(None, "max_page_count", i64::from(i32::MAX)).unwrap();
        state.commit(&many).unwrap();
        assert_eq!(state.load().unwrap().instances.len(), 501);
    }

    #[test]
    fn knows_which_rows_are_on_disk() {
        let directory = tempfile::tempdir().unwrap();
        let mut state = SqliteState::open(directory.path()).unwrap();
        state.commit(&[put_row(&row("a"))]).unwrap();
        let gone = |pod: &str| Record::Instance(row(pod).rule, row(pod).labels, None);
        assert!(state.has_row(&gone("a")).unwrap());
        assert!(!state.has_row(&gone("b")).unwrap());
    }
}
