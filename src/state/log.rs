//! Looks at SQLite's log before SQLite does.
//!
//! SQLite takes a log as far as its checksums hold and forgets the rest without a word: right for what a power cut tore,
//! and wrong for a file that was damaged, whose later commits were promised. Here the two are told apart. With a sync after
//! each commit, a power cut can tear the last commit alone; so what is broken and has two ends of commits at or behind it
//! was damaged. Damage within the last commit looks like a torn one, and is taken for it.
//!
//! The layout is that of <https://www.sqlite.org/fileformat2.html#the_write_ahead_log>.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

/// The first four bytes of a log, but for the last bit, which says how numbers are read for checksums.
const MAGIC: u32 = 0x377f_0682;
const HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 24;
/// The largest page that SQLite has.
const PAGE_BYTES_MAX: usize = 65_536;

/// What is wrong with the log at this path, if anything is. One that is not there is sound.
pub(super) fn trouble(path: &Path) -> io::Result<Option<String>> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
        Ok(found) if !found.is_file() => return Ok(Some("something else has its name".to_owned())),
        Ok(_) => {}
    }
    examine(BufReader::new(File::open(path)?))
}

fn examine(mut log: impl Read) -> io::Result<Option<String>> {
    let mut header = [0; HEADER_BYTES];
    // What has no header was never begun; neither was what is nothing but zeros, as a power cut leaves files behind.
    if !fill(&mut log, &mut header)? || header == [0; HEADER_BYTES] {
        return Ok(None);
    }
    let magic = big(&header, 0);
    let page_bytes = big(&header, 8) as usize;
    let is_big = magic & 1 == 1;
    let mut sum = add((0, 0), &header[..24], is_big);
    if magic & !1 != MAGIC
        || sum != (big(&header, 24), big(&header, 28))
        || !(512..=PAGE_BYTES_MAX).contains(&page_bytes)
    {
        return Ok(Some("its header is no header of a log".to_owned()));
    }
    let mut frame = vec![0; FRAME_HEADER_BYTES + page_bytes];
    let mut broken = None;
    let mut ends_behind = 0;
    for at in 1_u64.. {
        if !fill(&mut log, &mut frame)? {
            break;
        }
        // What is left of an earlier round has another salt, and was in the database before this one began.
        let is_ours = frame[8..16] == header[16..24];
        if broken.is_none() {
            sum = add(add(sum, &frame[..8], is_big), &frame[FRAME_HEADER_BYTES..], is_big);
            if is_ours && sum == (big(&frame, 16), big(&frame, 20)) {
                continue;
            }
            broken = Some(at);
        }
        ends_behind += u32::from(is_ours && big(&frame, 4) != 0);
    }
    Ok(broken.filter(|_| ends_behind > 1).map(|at| format!("page {at} of it is broken, and later ones are not")))
}

/// Fills a buffer; says whether there was as much.
fn fill(log: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match log.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn big(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4].iter().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

/// Goes on with a checksum over whole pairs of numbers.
fn add(sum: (u32, u32), bytes: &[u8], is_big: bool) -> (u32, u32) {
    let number = |at: usize| if is_big { big(bytes, at) } else { big(bytes, at).swap_bytes() };
    (0..bytes.len() / 8).fold(sum, |(first, second), pair| {
        let first = first.wrapping_add(number(8 * pair)).wrapping_add(second);
        (first, second.wrapping_add(number(8 * pair + 4)).wrapping_add(first))
    })
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    /// The log of a few commits, as a process leaves it behind that was killed.
    fn log(commits: usize) -> Vec<u8> {
        let directory = tempfile::tempdir().unwrap();
        let connection = Connection::open(directory.path().join("a.db")).unwrap();
        connection.pragma_update(None, "journal_mode", "WAL").unwrap();
        connection.execute_batch("CREATE TABLE a (b)").unwrap();
        for _ in 1..commits {
            connection.execute("INSERT INTO a VALUES (randomblob(9000))", []).unwrap();
        }
        std::fs::read(directory.path().join("a.db-wal")).unwrap()
    }

    fn check(log: &[u8], expected: Option<&str>) {
        assert_eq!(examine(log).unwrap().as_deref(), expected);
    }

    #[test]
    fn what_was_damaged_is_told_from_what_was_torn() {
        let sound = log(4);
        check(&sound, None);
        check(&[], None);
        check(&sound[..20], None);
        check(&[0; 5000], None);
        check(&[b'x'; 5000], Some("its header is no header of a log"));
        let broken_at = |at: usize| {
            let mut log = sound.clone();
            log[at] ^= 1;
            log
        };
        check(&broken_at(17), Some("its header is no header of a log"));
        check(&broken_at(32 + 24 + 4096 - 1), Some("page 1 of it is broken, and later ones are not"));
        // The end of the last commit, and a commit that has no end.
        check(&broken_at(sound.len() - 1), None);
        check(&sound[..sound.len() - 100], None);
        // What is left of the round before.
        let (mut begun_anew, fresh) = (log(9), log(2));
        begun_anew[..fresh.len()].copy_from_slice(&fresh);
        check(&begun_anew, None);
    }
}
