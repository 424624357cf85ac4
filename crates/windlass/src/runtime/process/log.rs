//! Reading the logs that keepers rotate: `NAME` is the live one, `NAME.1.gz` the newest rotated one.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use windlass_core::launch::Log;

use crate::keeper::log;

/// Where the first line of a live log begins. Before it may be a hole, which reads as zeros, or a
/// line that stands for rotated ones.
///
/// # Errors
/// Those of reading the file.
pub fn first_line(log: &File) -> io::Result<u64> {
    log::start(log)
}

/// How many bytes have been cut from the front of a live log in its life. A follower counts its place
/// from the log's birth: it adds this to an offset to get a place, and takes it from a place to get
/// the offset. It asks before and after it reads, and reads again when the answers differ.
///
/// # Errors
/// Those of reading the file.
pub fn gone(log: &File) -> io::Result<u64> {
    log::gone(log)
}

/// Whether a keeper wrote this line, not the process: it says where lines went that were here.
#[must_use]
pub fn is_note(line: &str) -> bool {
    line.starts_with(log::MARK)
}

/// Rotates a log that is due, as its keeper does: for one that has no keeper any more. Archives that
/// are too old go.
///
/// # Errors
/// Those of the file system; the log is then as it was, or the next rotation finishes this one.
pub fn rotate(log: &Log) -> io::Result<()> {
    log::rotate(log)
}

/// Compresses what former builds rotated uncompressed, as `NAME.1` and so on, behind what is rotated
/// already: it goes when it is too old, as that does.
///
/// # Errors
/// Those of the file system.
pub fn compress_former(path: &Path) -> io::Result<()> {
    log::compress_former(path)
}

/// Today, as rotation counts days.
#[must_use]
pub fn today() -> i64 {
    log::today()
}

/// The files of a log that are there: itself, then the rotated ones.
///
/// # Errors
/// When the directory cannot be listed.
pub fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    log::files(path)
}
