//! Reads small files: what was written for us by people and by other programs, of which nobody knows what it is.
//!
//! Only a regular file is read, and only so much of it: a pipe that nobody writes to would hold us up for ever, and a
//! device would fill the memory.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;

/// What a file holds, unless it is larger than `bytes_max`.
pub fn read(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= bytes_max) {
        Ok(bytes)
    } else {
        Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("more than {bytes_max} bytes")))
    }
}

/// What a file holds, which has to be text, and no larger than `bytes_max`.
pub fn read_text(path: &Path, bytes_max: u64) -> io::Result<String> {
    String::from_utf8(read(path, bytes_max)?)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "stream did not contain valid UTF-8"))
}

/// Opens a regular file; what else has its name is not waited for.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let kind = file.metadata()?.file_type();
    if kind.is_file() {
        Ok(file)
    } else if kind.is_dir() {
        Err(io::Error::from_raw_os_error(Errno::ISDIR.raw_os_error()))
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "it is a pipe, a socket or a device, and no file"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_are_read_and_only_so_much() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let read = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            read_text(&path, 4).map_err(|error| error.kind())
        };
        assert_eq!(read(b"four"), Ok("four".to_owned()));
        assert_eq!(read(b"fives"), Err(io::ErrorKind::FileTooLarge));
        assert_eq!(read(&[0xff]), Err(io::ErrorKind::InvalidData));
        let told = |path: &Path| read_text(path, 4).unwrap_err().to_string();
        assert_eq!(told(directory.path()), "Is a directory (os error 21)");
        assert_eq!(told(Path::new("/dev/zero")), "it is a pipe, a socket or a device, and no file");
    }

    /// A pipe that nobody writes to is waited for by whoever opens it as others do.
    #[test]
    fn a_pipe_is_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
        assert_eq!(read(&path, 4).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
