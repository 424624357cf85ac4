//! A private RabbitMQ.
//!
//! It is a world of its own: node name, cookie, home, and three ports, of which one is for Erlang's
//! port mapper (epmd), so that neither a RabbitMQ of the system nor another environment's is met.
//! Users come from a definitions file that is read at every start.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde::Serialize;
use windlass_core::launch::Launch;
use windlass_core::spec::Engine;
use windlass_core::units::Span;
use zeroize::Zeroizing;

use super::config::{Config, Syntax};
use super::fault::Fault;
use super::files;
use super::identity::Identity;
use super::locate::locate;
use super::place::{self, Place};
use super::run::run;
use super::url::encoded;
use super::{Prepared, Private};
use crate::wiped::to_json;

/// Options that a manifest cannot set.
const OURS: [&str; 5] = [
    // Any name of a listener opens one, and on all addresses.
    "listeners.*",
    "load_definitions",
    "definitions.local.path",
    "definitions.import_backend",
    "log.console",
];

pub(super) fn check(private: &Private<'_>) -> Result<(), Fault> {
    Config::new(Syntax::Rabbitmq).options(private.options, &OURS)
}

pub(super) fn prepare(private: &Private<'_>, place: &Place) -> Result<Prepared, Fault> {
    let account = place::account("rabbitmq")?;
    let account = account.as_ref();
    let _lock = place.lock(account)?;
    let programs = locate(Engine::Rabbitmq, private.version)?;
    let identity = Identity::of(&place.directory, Engine::Rabbitmq, 3, private.credential)?;
    let port = if private.port == 0 { identity.ports[0] } else { private.port };
    for below in ["config", "home"] {
        files::passable_directory(&place.directory.join(below), account)?;
    }
    for below in ["data", "run"] {
        files::private_directory(&place.directory.join(below), account)?;
    }
    let password = identity.password(private.credential)?.expose();
    let vhost = private.database;
    let user = private.user(private.credential);

    let mut config = Config::new(Syntax::Rabbitmq);
    config.set("listeners.tcp.local", &format!("127.0.0.1:{port}"))?;
    config.set("load_definitions", &place.text("config/definitions.json")?)?;
    config.set("log.console", "true")?;
    config.set("log.console.level", "info")?;
    config.set("log.file", "false")?;
    if let Some(memory) = private.memory {
        // Publishers are held back from here on, long before the memory is used up.
        config.set("vm_memory_high_watermark.absolute", &(memory.0 / 5 * 3).to_string())?;
    }
    config.options(private.options, &OURS)?;
    // Accounts come and go while it runs: they are no reason to start it again.
    let path = place.directory.join("config/definitions.json");
    let definitions = definitions(private, &identity)
        .map_err(|error| Fault::at("write", &path)(std::io::Error::other(error)))?;
    files::private_file(&path, &definitions, account)?;
    let write = |below: &str, content: &str| {
        files::private_file(&place.directory.join(below), content.as_bytes(), account)
    };
    write("config/rabbitmq.conf", config.text())?;
    write("config/enabled_plugins", "[].\n")?;
    write("config/rabbitmq-env.conf", "")?;
    write("config/advanced.config", "[].\n")?;
    write("home/.erlang.cookie", identity.admin.expose())?;
    let cookie = place.directory.join("home/.erlang.cookie");
    std::fs::set_permissions(&cookie, std::fs::Permissions::from_mode(0o400))
        .map_err(Fault::at("set the mode of", &cookie))?;

    let url = format!("amqp://{}:{}@127.0.0.1:{port}/{}", encoded(&user), encoded(password), encoded(vhost));
    // Until Erlang's signal server is there, SIGTERM is lost: a stop would then wait for its whole grace.
    let stop_again = Span::from_secs(1);
    let launch = place.launch(vec![programs.server.display().to_string()], account, "TERM");
    let facts = [
        ("url", url),
        ("host", "127.0.0.1".to_owned()),
        ("port", port.to_string()),
        ("user", user),
        ("password", password.to_owned()),
        ("vhost", vhost.to_owned()),
    ];
    Ok(Prepared {
        engine: Engine::Rabbitmq,
        launch: Launch { stop_again, ..launch },
        env: environment(place, port, &identity)?,
        facts: facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        patience: Duration::from_secs(180),
        fingerprint: String::new(),
        setup: None,
    }
    .fingerprinted(&[config.text(), vhost]))
}

/// What is written of accounts.
#[derive(Serialize)]
struct Definitions<'a> {
    users: Vec<User<'a>>,
    vhosts: [VirtualHost<'a>; 1],
    permissions: Vec<Permission<'a>>,
}

#[derive(Serialize)]
struct User<'a> {
    name: String,
    password: &'a str,
    tags: [&'a str; 0],
}

#[derive(Serialize)]
struct VirtualHost<'a> {
    name: &'a str,
}

#[derive(Serialize)]
struct Permission<'a> {
    user: String,
    vhost: &'a str,
    configure: &'a str,
    write: &'a str,
    read: &'a str,
}

fn definitions(private: &Private<'_>, identity: &Identity) -> serde_json::Result<Zeroizing<Vec<u8>>> {
    let vhost = private.database;
    let users = identity.accounts.iter().map(|(credential, password)| User {
        name: private.user(*credential),
        password: password.expose(),
        tags: [],
    });
    let all = ".*";
    let permissions = identity.accounts.iter().map(|(credential, _)| Permission {
        user: private.user(*credential),
        vhost,
        configure: all,
        write: all,
        read: all,
    });
    to_json(&Definitions {
        users: users.collect(),
        vhosts: [VirtualHost { name: vhost }],
        permissions: permissions.collect(),
    })
}

/// Makes the accounts that the identity says in a server that runs, and removes those that it says
/// are revoked, which closes what is signed in with them.
pub(super) fn settle(private: &Private<'_>, place: &Place) -> Result<(), Fault> {
    let account = place::account("rabbitmq")?;
    let programs = locate(Engine::Rabbitmq, private.version)?;
    let identity = Identity::of(&place.directory, Engine::Rabbitmq, 3, private.credential)?;
    let port = if private.port == 0 { identity.ports[0] } else { private.port };
    let environment = environment(place, port, &identity)?;
    let control = |words: &[&str]| {
        let mut command = Command::new(programs.directory.join("rabbitmqctl"));
        command
            .args(["--quiet", "--timeout", "30"])
            .args(words)
            .current_dir(&place.directory)
            .env_clear()
            .envs(environment.iter().cloned())
            .stdin(Stdio::null());
        if let Some(account) = &account {
            command.uid(account.uid).gid(account.gid);
        }
        run(&mut command, None, Duration::from_secs(60))
    };
    control(&["import_definitions", &place.text("config/definitions.json")?])?;
    if identity.revoked.is_empty() {
        return Ok(());
    }
    let there = control(&["list_users", "--no-table-headers"])?;
    for (credential, _) in &identity.revoked {
        let user = private.user(*credential);
        // A name stands at the beginning of its line, and a tab after it.
        if there.lines().any(|line| line.split('\t').next() == Some(user.as_str())) {
            control(&["delete_user", "--", &user])?;
        }
    }
    Ok(())
}

fn environment(place: &Place, port: u16, identity: &Identity) -> Result<Vec<(String, String)>, Fault> {
    let mut env: Vec<(String, String)> = vec![];
    let mut set = |name: &str, value: String| env.push((name.to_owned(), value));
    set("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned());
    set("LC_ALL", "C.UTF-8".to_owned());
    set("HOME", place.text("home")?);
    // A host name that always resolves, and to this machine only.
    set("RABBITMQ_NODENAME", format!("{}@localhost", place.label()));
    set("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1".to_owned());
    set("RABBITMQ_NODE_PORT", port.to_string());
    set("RABBITMQ_DIST_PORT", identity.ports[1].to_string());
    set("ERL_EPMD_PORT", identity.ports[2].to_string());
    set("ERL_EPMD_ADDRESS", "127.0.0.1".to_owned());
    set("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-kernel inet_dist_use_interface {127,0,0,1}".to_owned());
    set("RABBITMQ_MNESIA_BASE", place.text("data")?);
    set("RABBITMQ_MNESIA_DIR", place.text("data/mnesia")?);
    set("RABBITMQ_LOG_BASE", place.text("run")?);
    set("RABBITMQ_LOGS", "-".to_owned());
    set("RABBITMQ_PID_FILE", place.text("run/pid")?);
    set("RABBITMQ_CONFIG_FILE", place.text("config/rabbitmq.conf")?);
    set("RABBITMQ_ADVANCED_CONFIG_FILE", place.text("config/advanced.config")?);
    set("RABBITMQ_CONF_ENV_FILE", place.text("config/rabbitmq-env.conf")?);
    set("RABBITMQ_ENABLED_PLUGINS_FILE", place.text("config/enabled_plugins")?);
    set("RABBITMQ_FEATURE_FLAGS_FILE", place.text("data/feature_flags")?);
    // The script then becomes the server instead of waiting beside it, so that signals reach it.
    set("RUNNING_UNDER_SYSTEMD", "true".to_owned());
    Ok(env)
}
