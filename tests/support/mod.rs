//! What tests share.

use std::path::{Path, PathBuf};

/// A file or folder of the test data, which lies outside this repository: in `$ATALAYA_TESTDATA`, by default
/// `../shared/testdata`. `None` when it is not there, which is said, and with `ATALAYA_REQUIRE_TESTDATA=1` is a failure.
#[expect(clippy::print_stdout, reason = "a test says what it skips")]
pub(crate) fn testdata(path: &str) -> Option<PathBuf> {
    let root = std::env::var_os("ATALAYA_TESTDATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/testdata"), PathBuf::from);
    let path = root.join(path);
    if path.exists() {
        return Some(path);
    }
    let is_required = std::env::var("ATALAYA_REQUIRE_TESTDATA").is_ok_and(|value| value == "1");
    assert!(!is_required, "{} is not there, and ATALAYA_REQUIRE_TESTDATA=1", path.display());
    println!("skipped: {} is not there", path.display());
    None
}
