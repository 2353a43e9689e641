//! The state file against what happens to files: older layouts, newer ones, damage, and directories that are not ours.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use atalaya::state::{Rows, SqliteState, StateError};
use rusqlite::Connection;
use tempfile::TempDir;

/// The layout of today.
const LAYOUT: i64 = 2;

/// A directory with a state file of layout 1, as a version of then has left it.
fn old() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("there is room");
    let path = directory.path().join("atalaya.db");
    let connection = Connection::open(&path).expect("it can be made");
    connection.execute_batch(include_str!("state/layout-1.sql")).expect("it is SQL");
    (directory, path)
}

/// A directory with a state file of today.
fn new() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("there is room");
    drop(SqliteState::open(directory.path()).expect("it can be made"));
    let path = directory.path().join("atalaya.db");
    (directory, path)
}

fn set(path: &Path, pragma: &str, value: i64) {
    let connection = Connection::open(path).expect("it is there");
    connection.pragma_update(None, pragma, value).expect("it can be set");
}

fn pragma(path: &Path, pragma: &str) -> i64 {
    let connection = Connection::open(path).expect("it is there");
    connection.pragma_query_value(None, pragma, |row| row.get(0)).expect("it can be read")
}

fn counts(rows: &Rows) -> [usize; 6] {
    let dispatch = &rows.engine.dispatch;
    [
        rows.instances.len(),
        dispatch.groups.len(),
        dispatch.members.len(),
        dispatch.lanes.len(),
        dispatch.deliveries.len(),
        rows.engine.episodes.len(),
    ]
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

/// The message with which a directory is refused, all causes in a line.
fn refusal(directory: &Path) -> String {
    match SqliteState::open(directory) {
        Ok(_) => panic!("it was opened"),
        Err(error) => format!("{:#}", anyhow::Error::new(error)),
    }
}

#[test]
fn layout_1_is_read_to_the_last_row_and_kept_in_a_copy() {
    let (directory, path) = old();
    let state = SqliteState::open(directory.path()).unwrap();
    assert_eq!(counts(&state.load().unwrap()), [2, 1, 1, 4, 4, 1]);
    assert_eq!(state.audit(100).unwrap().len(), 20);
    let pending = state.load().unwrap().instances.into_iter().find(|row| row.labels.get("alertname") == "Slow");
    assert_eq!((pending.unwrap().value.as_str(), pragma(&path, "user_version")), ("7", LAYOUT));
    drop(state);

    let copy = directory.path().join("atalaya.db.v1.bak");
    assert_eq!((pragma(&copy, "user_version"), mode(&copy)), (1, 0o600));
    let connection = Connection::open(&copy).unwrap();
    let deliveries: i64 = connection.query_row("SELECT count(*) FROM delivery", [], |row| row.get(0)).unwrap();
    assert_eq!(deliveries, 4);
    // It is brought up to date once.
    fs::remove_file(&copy).unwrap();
    assert_eq!(counts(&SqliteState::open(directory.path()).unwrap().load().unwrap()), [2, 1, 1, 4, 4, 1]);
    assert!(!copy.exists());
}

#[test]
fn without_a_copy_nothing_is_changed() {
    let (directory, path) = old();
    fs::create_dir(directory.path().join("atalaya.db.v1.bak")).unwrap();
    assert!(matches!(SqliteState::open(directory.path()), Err(StateError::Migration { from: 1, .. })));
    assert_eq!((pragma(&path, "user_version"), pragma(&path, "application_id")), (1, 0));
}

#[test]
fn a_newer_layout_is_left_to_the_newer_version() {
    let (directory, path) = new();
    set(&path, "user_version", 7);
    let before = fs::read(&path).unwrap();
    let told = refusal(directory.path());
    assert!(told.contains("has layout 7, and this version knows layouts up to 2"), "{told}");
    assert!(fs::read(&path).unwrap() == before);
}

#[test]
fn another_programs_database_is_not_ours() {
    let (directory, path) = new();
    set(&path, "application_id", 0x0f05_5112);
    let told = refusal(directory.path());
    assert!(told.contains("of another program (its application_id is 0xf055112)"), "{told}");

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("atalaya.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE bookmark (url TEXT)").unwrap();
    let told = refusal(directory.path());
    assert!(told.contains("of another program (it has tables and no layout of ours)"), "{told}");
}

/// Damage is told, and what is left stays where it is: there is never a silent fresh start.
#[test]
fn a_damaged_file_is_told_and_stays() {
    let check = |what: &str, harm: &dyn Fn(&mut Vec<u8>)| {
        let (directory, path) = old();
        drop(SqliteState::open(directory.path()).unwrap());
        let mut bytes = fs::read(&path).unwrap();
        harm(&mut bytes);
        fs::write(&path, &bytes).unwrap();
        let told = refusal(directory.path());
        assert!(told.contains(&format!("`{}` is damaged (", path.display())), "{what}: {told}");
        assert!(told.ends_with("restore it from a backup, or move it away to start afresh"), "{what}: {told}");
        assert!(fs::read(&path).unwrap() == bytes, "{what}: it was changed");
    };
    check("empty", &Vec::clear);
    check("cut in its header", &|bytes| bytes.truncate(60));
    check("cut in a page", &|bytes| bytes.truncate(bytes.len() - 5000));
    check("cut after a page", &|bytes| bytes.truncate(4096));
    check("garbage for a header", &|bytes| bytes[..100].fill(b'x'));
    check("garbage in its pages", &|bytes| bytes[4096..].fill(0xa5));
    check("zeros", &|bytes| bytes.fill(0));
}

#[test]
fn a_file_whose_log_is_left_was_not_never_there() {
    let (directory, path) = new();
    fs::remove_file(&path).unwrap();
    fs::write(directory.path().join("atalaya.db-wal"), "frames").unwrap();
    let told = refusal(directory.path());
    assert!(told.contains("it is gone, but not its log"), "{told}");
    assert!(!path.exists());
}

#[test]
fn a_start_that_did_not_get_far_is_begun_anew() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("atalaya.db.new"), "half a file").unwrap();
    assert_eq!(counts(&SqliteState::open(directory.path()).unwrap().load().unwrap()), [0; 6]);
    assert!(!directory.path().join("atalaya.db.new").exists());
}

#[test]
fn a_row_that_cannot_be_read_is_damage() {
    let (directory, path) = old();
    Connection::open(&path).unwrap().execute("UPDATE lane SET body = '{\"key\":3}'", []).unwrap();
    let error = SqliteState::open(directory.path()).unwrap().load().unwrap_err();
    assert!(error.to_string().contains("a row of table `lane`"), "{error}");
}

#[test]
fn something_else_in_its_place_is_told() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("atalaya.db")).unwrap();
    let told = refusal(directory.path());
    assert!(told.contains("must be a file that can be read and written: something else has its name"), "{told}");

    fs::write(directory.path().join("file"), "").unwrap();
    let told = refusal(&directory.path().join("file"));
    assert!(told.contains("must be writable: "), "{told}");
    let told = refusal(&directory.path().join("file/below"));
    assert!(told.contains("must be writable: Not a directory"), "{told}");
    // Nobody can make a directory there, not even root.
    let told = refusal(Path::new("/proc/atalaya"));
    assert!(told.contains("`/proc/atalaya` must be writable: "), "{told}");
}
