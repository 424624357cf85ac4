//! A RabbitMQ with its management, an administrator, and an application's user.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::{ADMIN, FIRST, Server, as_account, free_port};
use crate::sandbox::kill;
use crate::watchdog::watch_over;

/// The administrator, as HTTP's basic authentication has it.
const BASIC: &str = "Ym9zczpUaGUxUGFzc3dvcmQyT2YzVGhlNEJvc3M=";

/// What a server shows of itself where it is asked by HTTPS, in PEM.
pub struct Certificate {
    /// The certificate of `localhost`.
    pub own: String,
    /// Its key.
    pub key: String,
    /// The certificate of its authority.
    pub authority: String,
}

/// See the module.
pub struct Rabbitmq {
    /// Where it listens for AMQP, on the loopback address.
    pub port: u16,
    /// Where its management listens.
    pub management: u16,
    /// Where that listens by HTTPS, where it does.
    encrypted: Option<u16>,
    server: Option<Server>,
    directory: tempfile::TempDir,
}

impl Rabbitmq {
    /// Starts one.
    #[must_use]
    pub fn new() -> Self {
        Self::start(None)
    }

    /// Starts one whose management is asked by HTTPS.
    #[must_use]
    pub fn encrypted(certificate: &Certificate) -> Self {
        Self::start(Some(certificate))
    }

    fn start(certificate: Option<&Certificate>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        watch_over(root);
        let [port, management, distribution, mapper] = [(); 4].map(|()| free_port());
        let user = |(name, password): (&str, &str), tags: &str| json!({"name": name, "password": password, "tags": tags});
        let rights = json!({"user": FIRST.0, "vhost": "fixture", "configure": "^fixture", "write": ".*", "read": ".*"});
        let topics = json!({"user": FIRST.0, "vhost": "fixture", "exchange": "amq.topic", "write": "^a", "read": "^b"});
        let definitions = json!({
            "users": [user(ADMIN, "administrator"), user(FIRST, "policymaker")],
            "vhosts": [{"name": "fixture"}],
            "permissions": [rights],
            "topic_permissions": [topics],
        });
        let encrypted = certificate.map(|_| free_port());
        let mut config = format!(
            "listeners.tcp.local = 127.0.0.1:{port}\nmanagement.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {management}\n\
             load_definitions = {}/definitions.json\nlog.console = true\nlog.file = false\n",
            root.display()
        );
        if let (Some(Certificate { own, key, authority }), Some(port)) = (certificate, encrypted) {
            config.push_str(&format!("management.ssl.ip = 127.0.0.1\nmanagement.ssl.port = {port}\n"));
            for (option, name, text) in [
                ("cacertfile", "ca.pem", authority),
                ("certfile", "cert.pem", own),
                ("keyfile", "key.pem", key),
            ] {
                std::fs::write(root.join(name), text).unwrap();
                config.push_str(&format!("management.ssl.{option} = {}/{name}\n", root.display()));
            }
        }
        for (name, text) in [
            ("definitions.json", definitions.to_string()),
            ("rabbitmq.conf", config),
            ("plugins", "[rabbitmq_management].\n".to_owned()),
            ("advanced.config", "[].\n".to_owned()),
            ("env.conf", String::new()),
        ] {
            std::fs::write(root.join(name), text).unwrap();
        }
        if rustix::process::getuid().is_root() {
            let owned = Command::new("chown").args(["-R", "rabbitmq"]).arg(root).status().unwrap();
            assert!(owned.success());
        }
        let mut command = Command::new(program());
        command.env_clear().env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        let at = |name: &str| root.join(name).display().to_string();
        for (name, value) in [
            ("LC_ALL", "C.UTF-8".to_owned()),
            ("HOME", root.display().to_string()),
            ("RABBITMQ_NODENAME", format!("outside{port}@localhost")),
            ("RABBITMQ_NODE_PORT", port.to_string()),
            ("RABBITMQ_DIST_PORT", distribution.to_string()),
            ("ERL_EPMD_PORT", mapper.to_string()),
            ("ERL_EPMD_ADDRESS", "127.0.0.1".to_owned()),
            ("RABBITMQ_MNESIA_BASE", at("data")),
            ("RABBITMQ_MNESIA_DIR", at("data/mnesia")),
            ("RABBITMQ_LOG_BASE", at("log")),
            ("RABBITMQ_LOGS", "-".to_owned()),
            ("RABBITMQ_PID_FILE", at("pid")),
            ("RABBITMQ_CONFIG_FILE", at("rabbitmq.conf")),
            ("RABBITMQ_ADVANCED_CONFIG_FILE", at("advanced.config")),
            ("RABBITMQ_CONF_ENV_FILE", at("env.conf")),
            ("RABBITMQ_ENABLED_PLUGINS_FILE", at("plugins")),
            ("RABBITMQ_FEATURE_FLAGS_FILE", at("features")),
            ("RUNNING_UNDER_SYSTEMD", "true".to_owned()),
        ] {
            command.env(name, value);
        }
        as_account(&mut command, "rabbitmq");
        let said = root.join("said");
        let output = std::fs::File::create(&said).unwrap();
        command.current_dir(root).stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
        let server = Some(Server(command.spawn().unwrap()));
        let mut rabbit = Self { port, management, encrypted, server, directory };
        let end = Instant::now() + Duration::from_secs(200);
        while !rabbit.answers() {
            let ended = rabbit.server.as_mut().and_then(|server| server.0.try_wait().unwrap());
            let said = || std::fs::read_to_string(&said).unwrap();
            assert!(ended.is_none(), "RabbitMQ ended ({ended:?}):\n{}", said());
            assert!(Instant::now() < end, "RabbitMQ does not answer:\n{}", said());
            std::thread::sleep(Duration::from_millis(50));
        }
        rabbit
    }

    /// Whether it has read its definitions, and shows them.
    fn answers(&self) -> bool {
        let listens = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok();
        listens && self.get("/api/vhosts/fixture")["name"].is_string()
    }

    /// The URL of an account.
    #[must_use]
    pub fn url(&self, (user, password): (&str, &str)) -> String {
        format!("amqp://{user}:{password}@127.0.0.1:{}/fixture", self.port)
    }

    /// The URL of the management, for an account.
    #[must_use]
    pub fn management_url(&self, (user, password): (&str, &str)) -> String {
        if let Some(port) = self.encrypted {
            let authority = self.directory.path().join("ca.pem");
            return format!("https://{user}:{password}@localhost:{port}/?cacertfile={}", authority.display());
        }
        format!("http://{user}:{password}@127.0.0.1:{}", self.management)
    }

    /// What the management answers the administrator; null where that is nothing.
    #[must_use]
    pub fn get(&self, path: &str) -> Value {
        let asked = || -> std::io::Result<Value> {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.management))?;
            stream.set_read_timeout(Some(Duration::from_secs(20)))?;
            write!(stream, "GET {path} HTTP/1.0\r\nAuthorization: Basic {BASIC}\r\n\r\n")?;
            let mut text = String::new();
            stream.read_to_string(&mut text)?;
            let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
            Ok(serde_json::from_str(body).unwrap_or_default())
        };
        asked().unwrap_or_default()
    }

    /// The users, but for the administrator.
    #[must_use]
    pub fn users(&self) -> Vec<String> {
        let all = self.get("/api/users");
        let names = all.as_array().unwrap().iter().map(|user| user["name"].as_str().unwrap().to_owned());
        names.filter(|name| name != ADMIN.0).collect()
    }
}

impl Default for Rabbitmq {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Rabbitmq {
    fn drop(&mut self) {
        self.server = None;
        // Erlang's port mapper, and whatever else has left the server: known by its environment.
        let own = self.directory.path().display().to_string();
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let Ok(pid) = entry.file_name().to_string_lossy().parse::<i32>() else { continue };
            let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
            if String::from_utf8_lossy(&environment).contains(&format!("HOME={own}\0")) {
                kill(pid, Signal::KILL);
            }
        }
    }
}

/// The server's own script: on Debian what stands in the PATH insists on root.
fn program() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/rabbitmq/lib").into_iter().flatten().flatten();
    let found =
        versions.map(|version| version.path().join("sbin/rabbitmq-server")).find(|path| path.exists());
    found.unwrap_or_else(|| PathBuf::from("rabbitmq-server"))
}
