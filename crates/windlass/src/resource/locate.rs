//! Finding the servers that are installed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use windlass_core::spec::Engine;

use super::fault::Fault;
use crate::programs;

/// The programs of one engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programs {
    /// The engine.
    pub engine: Engine,
    /// Its major version, where it is known without running it.
    pub major: Option<u32>,
    /// The server.
    pub server: PathBuf,
    /// The directory of the server and its tools.
    pub directory: PathBuf,
}

/// Finds the programs of `engine`, of the major version `version` where one is named, else of the
/// newest.
///
/// # Errors
/// A [`Fault`] that says which package to install.
pub fn locate(engine: Engine, version: Option<u32>) -> Result<Programs, Fault> {
    locate_in(engine, version, Path::new("/"), &programs::path())
}

fn locate_in(engine: Engine, version: Option<u32>, root: &Path, path: &[PathBuf]) -> Result<Programs, Fault> {
    let mut found: Vec<Programs> = candidates(engine, root, path)
        .into_iter()
        .filter_map(|(directory, major)| {
            let server = directory.join(server(engine));
            programs::is_program(&server).then_some(Programs { engine, major, server, directory })
        })
        .collect();
    // The newest first; those of unknown version, in the order of the search, after them.
    found.sort_by_key(|programs| std::cmp::Reverse(programs.major));
    if version.is_some() {
        for programs in found.iter_mut().filter(|programs| programs.major.is_none()) {
            programs.major = told(programs);
        }
    }
    let right =
        |programs: &Programs| version.is_none_or(|wanted| programs.major.is_none_or(|major| major == wanted));
    if let Some(at) = found.iter().position(right) {
        return Ok(found.swap_remove(at));
    }
    let name = engine.name();
    let package = match engine {
        Engine::Postgres => version.map_or("postgresql".into(), |v| format!("postgresql-{v}")),
        Engine::Redis => "redis-server".into(),
        Engine::Rabbitmq => "rabbitmq-server".into(),
    };
    let wanted = version.map_or_else(|| name.to_owned(), |version| format!("{name} {version}"));
    let there: Vec<String> =
        found.iter().filter_map(|programs| programs.major).map(|v| v.to_string()).collect();
    let there =
        if there.is_empty() { String::new() } else { format!(" (there is version {})", there.join(", ")) };
    Err(Fault::new(
        format!("{wanted} is not installed{there}"),
        format!("install it (Debian, Ubuntu: apt-get install {package}), or name an external address"),
    ))
}

impl Programs {
    /// The major version, which is asked for where the path does not tell it.
    pub(super) fn known_major(&self) -> Option<u32> {
        self.major.or_else(|| told(self))
    }
}

/// The major version that the program says of itself, where its path does not. RabbitMQ's would start all
/// of Erlang for that.
fn told(programs: &Programs) -> Option<u32> {
    if programs.engine == Engine::Rabbitmq {
        return None;
    }
    let output = Command::new(&programs.server).arg("--version").stdin(Stdio::null()).output().ok()?;
    major_in(&String::from_utf8_lossy(&output.stdout))
}

/// The first number of the first word that looks like a version: `v=7.0.15`, `15.4`, `16beta1`.
fn major_in(text: &str) -> Option<u32> {
    text.split_ascii_whitespace().find_map(|word| {
        let word = word.trim_start_matches("v=");
        let digits = &word[..word.find(|c: char| !c.is_ascii_digit()).unwrap_or(word.len())];
        digits.parse().ok()
    })
}

const fn server(engine: Engine) -> &'static str {
    match engine {
        Engine::Postgres => "postgres",
        Engine::Redis => "redis-server",
        Engine::Rabbitmq => "rabbitmq-server",
    }
}

/// Directories that may hold the server, with the major version where the path tells it.
fn candidates(engine: Engine, root: &Path, path: &[PathBuf]) -> Vec<(PathBuf, Option<u32>)> {
    let mut candidates = vec![];
    match engine {
        Engine::Postgres => {
            candidates.extend(versioned(&root.join("usr/lib/postgresql"), "", "bin"));
            candidates.extend(versioned(&root.join("usr"), "pgsql-", "bin"));
        }
        Engine::Redis => {}
        Engine::Rabbitmq => {
            // On Debian, what stands in the PATH insists on root and a fixed account; the real
            // scripts are here.
            candidates.extend(versioned(&root.join("usr/lib/rabbitmq/lib"), "rabbitmq_server-", "sbin"));
            candidates.push((root.join("opt/rabbitmq/sbin"), None));
        }
    }
    candidates.extend(path.iter().map(|directory| (directory.clone(), None)));
    let system = ["usr/local/bin", "usr/bin", "usr/local/sbin", "usr/sbin"];
    candidates.extend(system.iter().map(|directory| (root.join(directory), None)));
    candidates
}

fn versioned(parent: &Path, prefix: &str, sub: &str) -> Vec<(PathBuf, Option<u32>)> {
    let entries = std::fs::read_dir(parent).into_iter().flatten().filter_map(Result::ok);
    entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let major = name.strip_prefix(prefix)?.split('.').next()?.parse().ok()?;
            Some((entry.path().join(sub), Some(major)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn install(root: &Path, program: &str) {
        let path = root.join(program);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn a_program_says_which_version_it_is() {
        assert_eq!(major_in("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.2.1 bits=64"), Some(7));
        assert_eq!(major_in("postgres (PostgreSQL) 15.4 (Debian 15.4-1)"), Some(15));
        assert_eq!(major_in("postgres (PostgreSQL) 17beta2"), Some(17));
        assert_eq!(major_in("what"), None);
    }

    #[test]
    fn the_newest_or_the_named_version_is_found() {
        let root = tempfile::tempdir().unwrap();
        for version in [9, 15, 16] {
            install(root.path(), &format!("usr/lib/postgresql/{version}/bin/postgres"));
        }
        let found = |version| locate_in(Engine::Postgres, version, root.path(), &[]).map(|p| p.major);
        assert_eq!(found(None), Ok(Some(16)));
        assert_eq!(found(Some(15)), Ok(Some(15)));
        assert_eq!(
            found(Some(14)).unwrap_err().to_string(),
            "PostgreSQL 14 is not installed (there is version 16, 15, 9); install it (Debian, Ubuntu: apt-get \
             install postgresql-14), or name an external address"
        );
    }

    #[test]
    fn what_is_missing_is_named_with_its_package() {
        let root = tempfile::tempdir().unwrap();
        let missing = |engine| locate_in(engine, None, root.path(), &[]).unwrap_err().to_string();
        assert!(missing(Engine::Redis).starts_with(
            "Redis is not installed; install it (Debian, Ubuntu: apt-get install redis-server)"
        ));
        assert!(missing(Engine::Rabbitmq).contains("apt-get install rabbitmq-server"));
    }
}
