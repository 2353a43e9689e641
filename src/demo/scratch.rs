//! A directory for the daemon's state that is gone when the demo is.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use crate::model::Timestamp;

/// How many names are tried.
const ATTEMPTS_MAX: u32 = 100;

/// The directory; removed with all that is in it when it is dropped.
#[derive(Debug)]
pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// A new directory that nobody else can read.
    pub(super) fn new(now: Timestamp) -> io::Result<Self> {
        let (parent, process) = (std::env::temp_dir(), std::process::id());
        let mut attempt = 0;
        loop {
            let path = parent.join(format!("atalaya-demo-{process}-{}-{attempt}", now.millis()));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && attempt < ATTEMPTS_MAX => attempt += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed now is the system's to tidy up.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn is_private_and_leaves_nothing_behind() {
        let now = Timestamp::from_millis(1);
        let (one, other) = (Scratch::new(now).unwrap(), Scratch::new(now).unwrap());
        assert_ne!(one.path(), other.path());
        assert_eq!(fs::metadata(one.path()).unwrap().permissions().mode() & 0o777, 0o700);
        fs::write(one.path().join("file"), "x").unwrap();
        let path = one.path().to_owned();
        drop(one);
        assert!(!path.exists());
    }
}
