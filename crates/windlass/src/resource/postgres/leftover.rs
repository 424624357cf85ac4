//! Lock files of a server that was killed, or whose machine lost its power.
//!
//! They name the server's number. When that is another process's by now, of the same account, as it often is
//! after the machine has started, PostgreSQL takes that one for its server and never starts again.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::processes;
use crate::resource::fault::Fault;

/// What all processes of a server are called.
const SERVER: &str = "postgres";

/// Removes them where they name a process that is no server of this data. What names nobody is PostgreSQL's
/// own to remove: it looks whether a part of the old server lives on.
pub(super) fn forget(resource: &Path, port: u16) -> Result<(), Fault> {
    let data = resource.join("data");
    let socket = resource.join("run").join(format!(".s.PGSQL.{port}.lock"));
    for file in [data.join("postmaster.pid"), socket] {
        // Each process of a server works in its data, and does so before it makes these files.
        let named = names(&file).filter(|pid| processes::exists(*pid));
        if named.is_some_and(|named| !may_anybody_work_in(&data, named)) {
            match fs::remove_file(&file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(Fault::at("remove", &file)(error));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// The process that a lock file names.
fn names(file: &Path) -> Option<u32> {
    // That of a server for one person alone is negative.
    let number: i32 = fs::read_to_string(file).ok()?.lines().next()?.trim().parse().ok()?;
    Some(number.unsigned_abs())
}

/// Whether a server works there, or may: a running one that loses its lock file ends itself.
pub(super) fn may_anybody_work_in(data: &Path, named: u32) -> bool {
    let Ok(directory) = data.canonicalize() else { return true };
    let all = processes::all();
    all.is_empty()
        || all.into_iter().any(|pid| {
            let is_suspect = match processes::name(pid) {
                Ok(name) => name == SERVER,
                Err(_) => pid.unsigned_abs() == named,
            };
            may_work_in(&directory, processes::directory(pid), is_suspect)
        })
}

/// Whether a process may work in a directory, by what there is to read of where it works. Where processes
/// cannot be traced, as in most containers, root may not read that of other accounts: only one that is seen
/// to be elsewhere, or to be gone, is.
fn may_work_in(directory: &Path, works_in: io::Result<PathBuf>, is_suspect: bool) -> bool {
    match works_in {
        Ok(elsewhere) => elsewhere == directory,
        Err(error) => is_suspect && error.kind() != io::ErrorKind::NotFound,
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn only_who_is_seen_elsewhere_is_elsewhere() {
        let data = Path::new("/data");
        let unreadable = || io::Error::from_raw_os_error(libc::EACCES);
        for (works_in, is_suspect, may) in [
            (Ok("/data".into()), false, true),
            (Ok("/data".into()), true, true),
            (Ok("/".into()), true, false),
            (Err(unreadable()), true, true),
            (Err(unreadable()), false, false),
            (Err(io::Error::from_raw_os_error(libc::ENOENT)), true, false),
        ] {
            let case = format!("{works_in:?} {is_suspect}");
            assert_eq!(may_work_in(data, works_in, is_suspect), may, "{case}");
        }
    }

    #[test]
    fn only_what_names_a_process_that_is_no_server_of_the_data_goes() {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir(place.path().join("data")).unwrap();
        let file = place.path().join("data/postmaster.pid");
        let stays = |pid: i64| {
            fs::write(&file, format!("{pid}\n/data\n")).unwrap();
            forget(place.path(), 5432).unwrap();
            file.exists()
        };
        let me = i64::from(std::process::id());
        assert!(!stays(me) && !stays(-me));
        assert!(stays(i64::from(i32::MAX)), "nobody");
        // A part of the server that the file names, or of one before it.
        let mut server = Command::new("sleep");
        let mut server =
            server.arg("60").current_dir(place.path().join("data")).stdin(Stdio::null()).spawn().unwrap();
        assert!(stays(i64::from(server.id())) && stays(me));
        server.kill().unwrap();
        server.wait().unwrap();
        assert!(!stays(me));
    }
}
