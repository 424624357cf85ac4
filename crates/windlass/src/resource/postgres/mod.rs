//! A private PostgreSQL.

mod leftover;
mod memory;
mod setup;

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use windlass_core::settings::Secret;
use windlass_core::spec::Engine;

use super::config::{Config, Syntax};
use super::fault::Fault;
use super::files;
use super::identity::Identity;
use super::locate::{Programs, locate};
use super::place::{self, Place};
use super::run::run;
use super::url::encoded;
use super::{Facts, Prepared, Private};
use crate::account::{self, Account};
use crate::failpoint;
pub(super) use memory::forget as forget_memory;
pub(super) use setup::Setup;

/// The superuser; the application's account is another, without its rights.
const ADMIN: &str = "postgres";

/// The longest path of a unix socket, in bytes, without the zero at its end.
const LONGEST_SOCKET: usize = 107;

/// The one option that is not the server's: names of extensions, separated by commas.
const EXTENSIONS: &str = "extensions";

/// Options that a manifest cannot set.
const OURS: [&str; 10] = [
    "port",
    "listen_addresses",
    "unix_socket_directories",
    "data_directory",
    "hba_file",
    "ident_file",
    "config_file",
    "password_encryption",
    "external_pid_file",
    "include*",
];

pub(super) fn check(private: &Private<'_>) -> Result<(), Fault> {
    let database = private.database;
    if database == ADMIN
        || database.starts_with("pg_")
        || ["template0", "template1", "public"].contains(&database)
    {
        return Err(Fault::new(
            format!("a database cannot be called {database}: PostgreSQL uses the name itself"),
            "choose another name, such as the application's",
        ));
    }
    Config::new(Syntax::Postgres).options(server_options(private), &OURS)
}

/// The options that go to the server's configuration.
fn server_options<'p>(private: &Private<'p>) -> impl Iterator<Item = (&'p String, &'p String)> + use<'p> {
    private.options.iter().filter(|(name, _)| *name != EXTENSIONS)
}

/// Has the server read the options, and answer one of them.
pub(super) fn try_options(private: &Private<'_>, directory: &Path, scratch: &Path) -> Result<(), Fault> {
    if server_options(private).next().is_none() {
        return Ok(());
    }
    let programs = locate(Engine::Postgres, wanted_version(&directory.join("data"), private.version)?)?;
    let mut config = Config::new(Syntax::Postgres);
    config.options(server_options(private), &OURS)?;
    files::private_directory(scratch, None)?;
    files::private_file(&scratch.join("postgresql.conf"), config.text().as_bytes(), None)?;
    files::private_file(&scratch.join("postgresql.auto.conf"), b"", None)?;
    let mut command = Command::new(&programs.server);
    command.args(["-C", "max_connections", "-D"]).arg(scratch).env_clear().envs(environment());
    let answer = run(&mut command, None, Duration::from_secs(10));
    files::remove_directory(scratch)?;
    answer.map(drop).map_err(|fault| {
        let said = fault.help.lines().find_map(|line| line.split_once("LOG:").map(|(_, said)| said.trim()));
        let said = said.unwrap_or(&fault.help).split(" in file ").next().unwrap_or_default();
        Fault::new(format!("PostgreSQL does not take these options: {said}"), "correct it in the manifest")
    })
}

pub(super) fn prepare(private: &Private<'_>, place: &Place) -> Result<Prepared, Fault> {
    let account = place::account("postgres")?;
    if account.is_none() && account::is_root() {
        return Err(Fault::new(
            "PostgreSQL does not run as root, and there is no account postgres",
            "run: adduser --system --group postgres; or run Windlass as an ordinary user",
        ));
    }
    let account = account.as_ref();
    let lock = place.lock(account)?;
    let data = place.directory.join("data");
    let programs = locate(Engine::Postgres, wanted_version(&data, private.version)?)?;
    if data.exists() && !place.directory.join("identity.json").exists() {
        // A new password would not open this data.
        return Err(Fault::new(
            format!("{} has data, but its identity.json is missing", place.directory.display()),
            "restore it from a backup; or, to begin with an empty resource, move its directory away",
        ));
    }
    let identity = Identity::of(&place.directory, Engine::Postgres, 1, private.credential)?;
    if !data.exists() {
        initialise(&programs, place, &data, &identity.admin, account, &lock)?;
    }
    let port = if private.port == 0 { identity.ports[0] } else { private.port };
    let (socket, configuration) = configure(private, place, port, programs.major, account)?;
    leftover::forget(&place.directory, port)?;
    let facts = facts(private, &identity, port, socket)?;
    let argv = vec![programs.server.display().to_string(), "-D".to_owned(), place.text("config")?];
    Ok(Prepared {
        engine: Engine::Postgres,
        launch: place.launch(argv, account, "INT"),
        env: environment(),
        setup: Some(Setup::new(&programs, place, private, &identity, port)?),
        facts,
        // After a crash the server replays its log before it serves.
        patience: Duration::from_secs(120),
        fingerprint: String::new(),
    }
    .fingerprinted(&[&configuration]))
}

fn environment() -> Vec<(String, String)> {
    [("PATH", "/usr/local/bin:/usr/bin:/bin"), ("LC_ALL", "C.UTF-8"), ("TZ", "UTC")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
}

/// The version that the data has, which must be the one that is wanted.
fn wanted_version(data: &Path, version: Option<u32>) -> Result<Option<u32>, Fault> {
    let path = data.join("PG_VERSION");
    let Ok(text) = fs::read_to_string(&path) else { return Ok(version) };
    let made_by: u32 = text.trim().parse().map_err(|_| {
        Fault::new(format!("{} is damaged", path.display()), "restore the data from a backup")
    })?;
    match version {
        Some(wanted) if wanted != made_by => Err(Fault::new(
            format!("the data in {} is of PostgreSQL {made_by}, not {wanted}", data.display()),
            format!(
                "keep version = {made_by}; or dump it, give the resource another name, and restore it there"
            ),
        )),
        _ => Ok(Some(made_by)),
    }
}

/// Runs initdb beside the place of the data, and moves the result there at once. The program is
/// given the lock, so that one that outlives us keeps the next attempt waiting.
fn initialise(
    programs: &Programs,
    place: &Place,
    data: &Path,
    admin: &Secret,
    account: Option<&Account>,
    lock: &File,
) -> Result<(), Fault> {
    let lock = lock.try_clone().map_err(Fault::at("lock", &place.directory))?;
    let partial = data.with_added_extension("partial");
    let password = place.directory.join("initdb.password");
    files::remove_directory(&partial)?;
    files::private_directory(&partial, account)?;
    files::private_file(&password, admin.expose().as_bytes(), account)?;
    let mut command = Command::new(programs.directory.join("initdb"));
    command
        .arg("--pgdata")
        .arg(&partial)
        .arg("--pwfile")
        .arg(&password)
        .args(["--username", ADMIN, "--encoding", "UTF8", "--locale", "C.UTF-8", "--data-checksums"])
        .args(["--auth-local", "scram-sha-256", "--auth-host", "scram-sha-256"])
        .current_dir(&place.directory)
        .env_clear()
        .envs(environment())
        .stdin(lock);
    if let Some(account) = account {
        command.uid(account.uid).gid(account.gid);
    }
    run(&mut command, None, Duration::from_secs(120))?;
    fs::remove_file(&password).map_err(Fault::at("remove", &password))?;
    failpoint::around(|| {
        fs::rename(&partial, data).map_err(Fault::at("rename", &partial))?;
        files::sync_parent(data).map_err(Fault::at("write", data))
    })
}

/// Writes the server's configuration; the directory of its socket, where there can be one, and the
/// main file's text.
fn configure(
    private: &Private<'_>,
    place: &Place,
    port: u16,
    major: Option<u32>,
    account: Option<&Account>,
) -> Result<(Option<String>, String), Fault> {
    let directory = place.directory.join("config");
    files::passable_directory(&directory, account)?;
    let run = place.text("run")?;
    let socket = (run.len() + format!("/.s.PGSQL.{port}.lock").len() <= LONGEST_SOCKET).then_some(run);
    if let Some(socket) = &socket {
        // Services have accounts of their own, and whoever comes is asked for a password.
        files::entered_directory(Path::new(socket), account)?;
    }
    let mut config = Config::new(Syntax::Postgres);
    config.set("data_directory", &place.text("data")?)?;
    config.set("hba_file", &place.text("config/pg_hba.conf")?)?;
    config.set("ident_file", &place.text("config/pg_ident.conf")?)?;
    config.set("listen_addresses", "127.0.0.1")?;
    config.set("port", &port.to_string())?;
    config.set("unix_socket_directories", socket.as_deref().unwrap_or_default())?;
    config.set("unix_socket_permissions", "0777")?;
    config.set("password_encryption", "scram-sha-256")?;
    config.set("cluster_name", &place.label())?;
    config.set("log_destination", "stderr")?;
    config.set("log_line_prefix", "%m [%p] %q%u@%d ")?;
    config.set("timezone", "UTC")?;
    config.set("log_timezone", "UTC")?;
    config.set("datestyle", "iso, mdy")?;
    config.set("max_connections", "100")?;
    if major.is_some_and(|major| major >= 14) {
        // A migration that was ended while it waited for a lock must not change the schema later, when
        // it gets the lock: a server that does not look finds out only when it wants to answer.
        config.set("client_connection_check_interval", "1s")?;
    }
    if let Some(memory) = private.memory {
        // The proportions that PostgreSQL's documentation gives as a start.
        let kilobytes = |bytes: u64| format!("{}kB", (bytes >> 10).max(1024));
        config.set("shared_buffers", &kilobytes(memory.0 / 4))?;
        config.set("effective_cache_size", &kilobytes(memory.0 / 4 * 3))?;
        config.set("maintenance_work_mem", &kilobytes(memory.0 / 16))?;
    }
    config.options(server_options(private), &OURS)?;
    files::private_file(&directory.join("postgresql.conf"), config.text().as_bytes(), account)?;
    let hba = "# Written by Windlass at every start; changes here are lost.\n\
               local all all scram-sha-256\n\
               host all all 127.0.0.1/32 scram-sha-256\n";
    files::private_file(&directory.join("pg_hba.conf"), hba.as_bytes(), account)?;
    files::private_file(&directory.join("pg_ident.conf"), b"", account)?;
    Ok((socket, config.text().to_owned()))
}

fn facts(
    private: &Private<'_>,
    identity: &Identity,
    port: u16,
    socket: Option<String>,
) -> Result<Facts, Fault> {
    let (user, database) = (private.user(private.credential), private.database);
    let password = identity.password(private.credential)?.expose();
    let url =
        format!("postgres://{}:{}@127.0.0.1:{port}/{}", encoded(&user), encoded(password), encoded(database));
    let facts = [
        ("url", url),
        ("host", "127.0.0.1".to_owned()),
        ("port", port.to_string()),
        ("user", user),
        ("password", password.to_owned()),
        ("database", database.to_owned()),
        // libpq takes either a directory or an address as its host.
        ("socket", socket.unwrap_or_else(|| "127.0.0.1".to_owned())),
    ];
    Ok(facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}
