//! Reading the logs that keepers rotate: `NAME` is the live one, `NAME.1.gz` the newest rotated one.

use std::fs::File;
use std::io;

use crate::keeper::log;

/// Where the first line of a live log begins. Before it may be a hole, which reads as zeros, or a
/// line that stands for rotated ones.
///
/// While a log is followed its front may be cut off: a reader whose place is beyond the file's end
/// begins here again.
///
/// # Errors
/// Those of reading the file.
pub fn first_line(log: &File) -> io::Result<u64> {
    log::start(log)
}

/// Whether a keeper wrote this line, not the process: it says where lines went that were here.
#[must_use]
pub fn is_note(line: &str) -> bool {
    line.starts_with(log::MARK)
}
