//! Shared memory of a server that was killed. The next start of the same data clears it away; where there is none,
//! because the data is deleted, nobody would before the machine starts again.
//!
//! `postmaster.pid`, which a server that ends in order removes, names a small System V segment. That names the
//! one in `/dev/shm` in which stand all others.

use std::fs;
use std::path::Path;

use super::leftover;
use crate::sys;

/// Where they lie on Linux.
const MEMORY: &str = "/dev/shm";

/// The beginning of the System V segment, as PostgreSQL has it since 8.2: its mark, who made it, two sizes, and the
/// handle of the segment with the list.
const HEADER: usize = 28;
const MARK: u32 = 679_834_894;
const HANDLE: usize = 24;

/// The beginning of the list: its mark, how many entries it has, and how many it has room for; and how long an entry is
/// that begins with a handle (since PostgreSQL 14; those before kept none that outlasts a query).
const LIST_MARK: u32 = 0x9a50_3d32;
const LIST: usize = 16;
const ENTRY: usize = 40;

/// Clears away what the server of this resource has left, if it is PostgreSQL's and has ended.
pub(in crate::resource) fn forget(resource: &Path) {
    let data = resource.join("data");
    let Some((server, segment)) = named(&data) else { return };
    if leftover::may_anybody_work_in(&data, server.unsigned_abs()) {
        return;
    }
    let Some(header) = sys::left_memory::<HEADER>(segment, server) else { return };
    if word(&header, 0) != Some(MARK) {
        return;
    }
    if let Some(list) = word(&header, HANDLE).filter(|handle| *handle != 0) {
        forget_all(Path::new(MEMORY), list);
    }
    sys::remove_memory(segment);
}

/// The server and its System V segment.
fn named(data: &Path) -> Option<(i32, i32)> {
    let text = fs::read_to_string(data.join("postmaster.pid")).ok()?;
    let mut lines = text.lines();
    let server = lines.next()?.trim().parse::<i32>().ok()?;
    let segment = lines.nth(5)?.split_whitespace().nth(1)?.parse().ok()?;
    Some((server.checked_abs()?, segment))
}

/// Removes those in a list, and the list.
fn forget_all(memory: &Path, list: u32) {
    let path = |handle: u32| memory.join(format!("PostgreSQL.{handle}"));
    let text = fs::read(path(list)).unwrap_or_default();
    if word(&text, 0) == Some(LIST_MARK) {
        let count = word(&text, 4).and_then(|count| usize::try_from(count).ok()).unwrap_or_default();
        let entries = text.get(LIST..).unwrap_or_default().chunks_exact(ENTRY).take(count);
        // Odd ones lie in the server's own memory.
        for handle in entries.filter_map(|entry| word(entry, 0)).filter(|handle| handle % 2 == 0) {
            let _none_any_more = fs::remove_file(path(handle));
        }
    }
    let _none_any_more = fs::remove_file(path(list));
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_the_list_goes_with_it_and_nothing_else() {
        let memory = tempfile::tempdir().unwrap();
        let put = |handle: u32, text: &[u8]| {
            fs::write(memory.path().join(format!("PostgreSQL.{handle}")), text).unwrap();
        };
        let list = |handles: &[u32]| {
            let mut text =
                [LIST_MARK, u32::try_from(handles.len()).unwrap(), 64, 0].map(u32::to_ne_bytes).concat();
            for handle in handles.iter().chain([&8]) {
                text.extend(handle.to_ne_bytes());
                text.extend([0; ENTRY - 4]);
            }
            text
        };
        for handle in [2, 4, 5, 8] {
            put(handle, b"");
        }
        put(6, &list(&[2, 4, 5]));
        put(10, b"no list");
        let left = |handle: u32| {
            forget_all(memory.path(), handle);
            let mut left: Vec<_> =
                fs::read_dir(memory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            left.sort();
            left
        };
        assert_eq!(left(6), ["PostgreSQL.10", "PostgreSQL.5", "PostgreSQL.8"]);
        assert_eq!(left(10), ["PostgreSQL.5", "PostgreSQL.8"]);
        assert_eq!(left(10), ["PostgreSQL.5", "PostgreSQL.8"], "it is gone already");
    }

    #[test]
    fn a_lock_file_names_the_server_and_its_segment() {
        let data = tempfile::tempdir().unwrap();
        let named_in = |text: &str| {
            fs::write(data.path().join("postmaster.pid"), text).unwrap();
            named(data.path())
        };
        let whole = "4711\n/data\n1700000000\n5432\n/run\n127.0.0.1\n  5432001    131085\nready   \n";
        assert_eq!(named_in(whole), Some((4711, 131_085)));
        assert_eq!(named_in("4711\n/data\n1700000000\n5432\n"), None, "it had none yet");
    }
}
