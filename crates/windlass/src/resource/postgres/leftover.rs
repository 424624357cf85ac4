//! Lock files of a server that was killed, or whose machine lost its power.
//!
//! They name the server's number. When that is another process's by now, of the same account, as it often is
//! after the machine has started, PostgreSQL takes that one for its server and never starts again.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::resource::fault::Fault;

/// Removes them where they name a process that is no server of this data. What names nobody is PostgreSQL's
/// own to remove: it looks whether a part of the old server lives on.
pub(super) fn forget(resource: &Path, port: u16) -> Result<(), Fault> {
    let data = resource.join("data");
    let socket = resource.join("run").join(format!(".s.PGSQL.{port}.lock"));
    for file in [data.join("postmaster.pid"), socket] {
        // Each process of a server works in its data, and does so before it makes these files.
        if names(&file).is_some_and(lives) && !works_anybody_in(&data) {
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

fn lives(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

fn works_anybody_in(directory: &Path) -> bool {
    let Ok(directory) = directory.canonicalize() else { return true };
    let Ok(all) = fs::read_dir("/proc") else { return true };
    let works_in = |process: PathBuf| fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd == directory);
    all.flatten().any(|process| works_in(process.path()))
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

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
