//! A private Redis.

mod appending;

use std::path::Path;
use std::time::Duration;

use windlass_core::settings::Growing;
use windlass_core::spec::Engine;
use zeroize::Zeroizing;

use super::config::{Config, Syntax};
use super::fault::Fault;
use super::files;
use super::identity::Identity;
use super::locate::locate;
use super::place::{self, Place};
use super::{Prepared, Private, protocol};
use appending::{APPENDONLY, Persistence};

/// Options that a manifest cannot set.
const OURS: [&str; 17] = [
    "port",
    "bind",
    "protected-mode",
    "dir",
    "daemonize",
    "pidfile",
    "logfile",
    "requirepass",
    "user",
    "aclfile",
    "include",
    "unixsocket",
    "supervised",
    "replicaof",
    "slaveof",
    "rename-command",
    "tls-port",
];

/// The first version that has accounts.
const WITH_ACCOUNTS: u32 = 6;

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The most databases that a server is given: each costs memory, used or not.
const MOST_DATABASES: u32 = 1024;

pub(super) fn check(private: &Private<'_>) -> Result<(), Fault> {
    if private.database.parse().is_ok_and(|number: u64| number >= MOST_DATABASES.into()) {
        return Err(Fault::new(
            format!("the Redis database {} is too high a number", private.database),
            format!("use 0 to {}", MOST_DATABASES - 1),
        ));
    }
    let appends = private.options.iter().find(|(name, _)| name.eq_ignore_ascii_case(APPENDONLY));
    if let Some((name, value)) = appends
        && !["yes", "no"].contains(&value.trim().to_ascii_lowercase().as_str())
    {
        return Err(Fault::new(format!("the option {name} is {value:?}"), "write \"yes\" or \"no\""));
    }
    Config::new(Syntax::Redis).options(private.options, &OURS)
}

/// That it can go on with the data that it has. Nothing is changed.
pub(super) fn try_options(private: &Private<'_>, directory: &Path) -> Result<(), Fault> {
    knows_accounts(locate(Engine::Redis, private.version)?.known_major())?;
    Persistence::of(private, directory).map(drop)
}

/// Accounts, which older ones do not have, let the password be exchanged while the server runs.
fn knows_accounts(major: Option<u32>) -> Result<(), Fault> {
    match major {
        Some(old @ ..WITH_ACCOUNTS) => Err(Fault::new(
            format!("Redis {old} knows no accounts"),
            format!("install version {WITH_ACCOUNTS} or newer, or name an external address"),
        )),
        _ => Ok(()),
    }
}

pub(super) fn prepare(private: &Private<'_>, place: &Place) -> Result<Prepared, Fault> {
    // Redis's databases have no names: a resource that is given one uses the first.
    let number: Option<u32> = private.database.parse().ok();
    let account = place::account("redis")?;
    let account = account.as_ref();
    let _lock = place.lock(account)?;
    let programs = locate(Engine::Redis, private.version)?;
    let identity = Identity::of(&place.directory, Engine::Redis, 1, private.credential)?;
    let port = if private.port == 0 { identity.ports[0] } else { private.port };
    files::passable_directory(&place.directory.join("config"), account)?;
    let persistence = Persistence::of(private, &place.directory)?;
    persistence.remember(&place.directory)?;
    files::private_directory(&place.directory.join("data"), account)?;
    let password = identity.password(private.credential)?.expose();

    let mut config = Config::new(Syntax::Redis);
    config.set("bind", "127.0.0.1")?;
    config.set("protected-mode", "yes")?;
    config.set("port", &port.to_string())?;
    config.set("daemonize", "no")?;
    config.set("supervised", "no")?;
    config.set("logfile", "")?;
    config.set("databases", &number.map_or(16, |number| number.saturating_add(1).max(16)).to_string())?;
    // Queues are kept in it as often as caches: nothing is dropped unless the manifest says so.
    config.set("maxmemory-policy", "noeviction")?;
    config.set("appendfsync", "everysec")?;
    if let Some(memory) = private.memory {
        // The rest is for the copy that is written to the disk, and for buffers of clients.
        config.set("maxmemory", &(memory.0 / 4 * 3).to_string())?;
    }
    let others = private.options.iter().filter(|(name, _)| !name.eq_ignore_ascii_case(APPENDONLY));
    config.options(others, &OURS)?;
    let path = place.directory.join("config/redis.conf");
    let directory = directory_line(&place.text("data")?)?;
    let text = format!("{}{directory}", config.text());
    // What is asked of a server that runs when a password comes or goes stands here for its next
    // start; it is no reason for one, so it is no part of the fingerprint.
    let mut written = Growing::default();
    [text.as_str(), persistence.line(), "user default"].iter().for_each(|part| written.push_str(part));
    for right in rights(&identity) {
        written.push(' ');
        written.push_str(&right);
    }
    written.push('\n');
    files::private_file(&path, written.as_str().as_bytes(), account)?;

    let database = number.unwrap_or(0).to_string();
    let facts = [
        // Named: without a name some clients, such as redis-cli 7.0, ask for the user "".
        ("url", format!("redis://default:{password}@127.0.0.1:{port}/{database}")),
        ("host", "127.0.0.1".to_owned()),
        ("port", port.to_string()),
        ("password", password.to_owned()),
        ("database", database),
    ];
    let argv = vec![programs.server.display().to_string(), place.text("config/redis.conf")?];
    Ok(Prepared {
        engine: Engine::Redis,
        launch: place.launch(argv, account, "TERM"),
        env: [("PATH", "/usr/local/bin:/usr/bin:/bin"), ("LC_ALL", "C.UTF-8")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
        facts: facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        // It reads all its data before it serves.
        patience: Duration::from_secs(60),
        fingerprint: String::new(),
        setup: None,
    }
    .fingerprinted(&[&text, persistence.line()]))
}

/// What the one user may do, and the passwords that let it in: Redis knows several for an account,
/// so the application needs no other name for the new one.
fn rights(identity: &Identity) -> Vec<Zeroizing<String>> {
    let passwords = identity.accounts.iter().map(|(_, password)| [">", password.expose()].concat());
    let before = ["reset", "on"].map(str::to_owned).into_iter();
    before.chain(passwords).chain(["~*", "&*", "+@all"].map(str::to_owned)).map(Zeroizing::new).collect()
}

/// Lets those passwords in, and no others, that the identity says. The server takes them at once,
/// all or none; whoever is signed in stays so.
pub(super) fn settle(private: &Private<'_>, place: &Place) -> Result<(), Fault> {
    let identity = Identity::of(&place.directory, Engine::Redis, 1, private.credential)?;
    let port = if private.port == 0 { identity.ports[0] } else { private.port };
    let rights = rights(&identity);
    let words: Vec<&str> =
        ["ACL", "SETUSER", "default"].into_iter().chain(rights.iter().map(|right| right.as_str())).collect();
    let mut why = String::new();
    // Which of them the server knows depends on where a former attempt ended.
    for (_, password) in identity.accounts.iter().chain(&identity.revoked) {
        match protocol::redis_command(port, password.expose(), &words, PATIENCE) {
            Ok(()) => return Ok(()),
            Err(refused) => why = refused.reason,
        }
    }
    Err(Fault::new(
        format!("{} does not take its passwords: {why}", place.name),
        "see its log; it must be one that Windlass started",
    ))
}

/// The line that names the directory: one word, whatever stands in the path.
fn directory_line(path: &str) -> Result<String, Fault> {
    if path.chars().any(char::is_control) {
        return Err(Fault::new(
            format!("the path {path:?} has control characters"),
            "choose another directory",
        ));
    }
    Ok(format!("dir \"{}\"\n", path.replace('\\', r"\\").replace('"', "\\\"")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_without_accounts_is_refused() {
        assert!(knows_accounts(Some(5)).unwrap_err().message.contains("Redis 5 knows no accounts"));
        assert!(knows_accounts(Some(6)).is_ok());
        assert!(knows_accounts(None).is_ok(), "it may be any");
    }
}
