//! Private resources, with the real servers. A server that is not installed fails its tests.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of a test fails the test")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use indexmap::IndexMap;
use windlass::resource::account::Account;
use windlass::resource::{self, Place, Prepared, after_start, facts_of_url, prepare, ready};
use windlass_core::launch::Log;
use windlass_core::name::Name;
use windlass_core::spec::{Engine, Resource, Source};
use windlass_core::units::Bytes;

const SHORT: Duration = Duration::from_secs(5);

/// A directory that the servers' accounts can pass.
fn directory() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o711)).unwrap();
    dir
}

fn place(dir: &Path, name: &str) -> Place {
    let log = Log { path: dir.join("log").display().to_string(), rotate_at: Bytes(1 << 20), keep: 1 };
    let directory = dir.join(name);
    Place {
        app: Name::new("shop").unwrap(),
        environment: Name::new("test").unwrap(),
        name: Name::new(name).unwrap(),
        directory,
        log,
    }
}

fn resource(engine: Engine, database: &str, options: &[(&str, &str)]) -> Resource {
    let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let memory = Some(Bytes(256 << 20));
    Resource {
        engine,
        source: Source::Private { version: None, database: database.into(), port: 0, options, memory },
    }
}

/// A server that runs. However the test ends, nothing of it is left.
struct Server {
    child: Child,
    prepared: Prepared,
    log: PathBuf,
}

impl Server {
    fn start(prepared: Prepared) -> Self {
        let log = PathBuf::from(&prepared.launch.log.path);
        let output = fs::File::options().create(true).append(true).open(&log).unwrap();
        let mut command = Command::new(&prepared.launch.argv[0]);
        command
            .args(&prepared.launch.argv[1..])
            .current_dir(&prepared.launch.directory)
            .env_clear()
            .envs(prepared.env.iter().cloned())
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .process_group(0);
        if let Some(account) =
            prepared.launch.user.as_deref().and_then(|user| Account::to_become(user).unwrap())
        {
            command.uid(account.uid).gid(account.gid);
        }
        Self { child: command.spawn().unwrap(), prepared, log }
    }

    fn await_ready(&mut self) {
        let deadline = Instant::now() + self.prepared.patience;
        while let Err(why) = ready(self.prepared.engine, &self.prepared.facts, SHORT) {
            let ended = self.child.try_wait().unwrap();
            let log = || fs::read_to_string(&self.log).unwrap();
            assert!(ended.is_none() && Instant::now() < deadline, "{why} {ended:?}\n{}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([format!("-{signal}"), pid]).status().unwrap().success());
    }

    /// Stops it as its launch says; the exit code.
    fn stop(&mut self) -> Option<i32> {
        self.signal(&self.prepared.launch.stop.signal.clone());
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < deadline, "it does not stop");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // First the group, as long as its number is known to be its own.
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        let _ = self.child.wait();
        // What has left the server's group (Erlang's port mapper does) is known by the directory
        // in its environment or its working directory.
        let directory = &self.prepared.launch.directory;
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
            let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
            let in_it = String::from_utf8_lossy(&environment).contains(&format!("={directory}/"));
            let works_in_it =
                fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(directory));
            if pid != std::process::id() && (in_it || works_in_it) {
                let _ = Command::new("kill").args(["-KILL", &pid.to_string()]).stderr(Stdio::null()).status();
            }
        }
    }
}

/// Runs a client program as a template's facts would have it; what it printed.
fn client(program: &str, args: &[&str], env: &[(&str, &str)]) -> Result<String, String> {
    let output =
        Command::new(program).args(args).envs(env.iter().copied()).stdin(Stdio::null()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// That no file with `secret` in it can be read by others, and that no process has it as an argument.
fn assert_private(directory: &Path, secret: &str) {
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            let Ok(facts) = path.symlink_metadata() else { continue };
            if facts.is_dir() {
                directories.push(path);
            } else if facts.is_file()
                && fs::read(&path).is_ok_and(|b| String::from_utf8_lossy(&b).contains(secret))
            {
                assert_eq!(facts.permissions().mode() & 0o077, 0, "{}", path.display());
            }
        }
    }
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let argv = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&argv).contains(secret), "{:?}", entry.path());
    }
}

fn sql(facts: &IndexMap<String, String>, statement: &str) -> Result<String, String> {
    client("psql", &["-XAtqc", statement, &facts["url"]], &[])
}

#[test]
fn postgres_is_initialised_once_serves_and_keeps_its_data() {
    let dir = directory();
    let place = place(dir.path(), "db");
    let wanted = resource(
        Engine::Postgres,
        "shop",
        &[
            ("extensions", "pg_trgm, citext"),
            ("application_name", "it's \\n \"x\""),
            ("max_connections", "20"),
        ],
    );
    // What a crash in the middle of initdb leaves is done again.
    fs::create_dir_all(place.directory.join("data.partial/base")).unwrap();
    let mut server = Server::start(prepare(&wanted, &place).unwrap());
    server.await_ready();
    after_start(&server.prepared).unwrap();
    after_start(&server.prepared).unwrap();

    let facts = server.prepared.facts.clone();
    assert!(Engine::Postgres.facts().iter().all(|fact| facts.contains_key(*fact)));
    assert_eq!(facts_of_url(Engine::Postgres, &facts["url"]).unwrap()["password"], facts["password"]);
    sql(&facts, "CREATE TABLE orders AS SELECT 42 AS n").unwrap();
    assert_eq!(sql(&facts, "SHOW max_connections"), Ok("20".into()));
    assert_eq!(sql(&facts, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"), Ok("f".into()));
    assert_eq!(sql(&facts, "SELECT similarity('word', 'word'), 'A'::citext = 'a'"), Ok("1|t".into()));
    let by_socket = client(
        "psql",
        &["-XAtqc", "SELECT 1"],
        &[
            ("PGHOST", facts["socket"].as_str()),
            ("PGPORT", &facts["port"]),
            ("PGUSER", "shop"),
            ("PGDATABASE", "shop"),
            ("PGPASSWORD", &facts["password"]),
        ],
    );
    if facts["socket"].starts_with('/') && server.prepared.launch.user.is_none() {
        assert_eq!(by_socket, Ok("1".into()));
    }
    let mut wrong = facts.clone();
    wrong.insert("url".into(), facts["url"].replace(&facts["password"], "wrong"));
    assert!(sql(&wrong, "SELECT 1").unwrap_err().contains("password authentication failed"));
    assert_private(&place.directory, &facts["password"]);
    assert!(!fs::read_to_string(&server.log).unwrap().contains(&facts["password"]));

    // Preparing again, also while it runs, changes nothing.
    let again = prepare(&wanted, &place).unwrap();
    assert_eq!((&again.launch, &again.facts), (&server.prepared.launch, &facts));
    assert_eq!(again.fingerprint, server.prepared.fingerprint);
    let other = prepare(&resource(Engine::Postgres, "shop", &[("max_connections", "30")]), &place).unwrap();
    assert_eq!(other.launch, again.launch);
    assert_ne!(other.fingerprint, again.fingerprint);
    assert_eq!(server.stop(), Some(0));
    let mut server = Server::start(prepare(&wanted, &place).unwrap());
    server.await_ready();
    after_start(&server.prepared).unwrap();
    assert_eq!(sql(&facts, "SELECT n FROM orders"), Ok("42".into()));

    // After a kill the data is there as well.
    drop(server);
    let mut server = Server::start(prepare(&wanted, &place).unwrap());
    server.await_ready();
    assert_eq!(sql(&facts, "SELECT n FROM orders"), Ok("42".into()));
    assert_eq!(server.stop(), Some(0));
    assert!(!fs::read_to_string(&server.log).unwrap().contains("could not receive data"));
    let directory = place.directory.clone();
    drop(server);
    resource::remove(&directory).unwrap();
    assert!(!directory.exists());
    resource::remove(&directory).unwrap();
}

#[test]
fn hostile_names_of_databases_are_only_names() {
    let dir = directory();
    let name = "a\"b'c;\\! touch /tmp/x $(id) :name";
    let mut server =
        Server::start(prepare(&resource(Engine::Postgres, name, &[]), &place(dir.path(), "db")).unwrap());
    server.await_ready();
    after_start(&server.prepared).unwrap();
    assert_eq!(sql(&server.prepared.facts, "SELECT current_database() = current_user"), Ok("t".into()));
    assert_eq!(sql(&server.prepared.facts, "SELECT current_user"), Ok(name.into()));
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_made() {
    let dir = directory();
    let place = place(dir.path(), "db");
    let fault = |engine, database: &str, options: &[(&str, &str)]| {
        prepare(&resource(engine, database, options), &place).unwrap_err().to_string()
    };
    assert!(fault(Engine::Postgres, "postgres", &[]).contains("PostgreSQL uses the name itself"));
    assert!(fault(Engine::Postgres, "a\nb", &[]).contains("cannot be the database"));
    assert!(!place.directory.exists());
    assert!(fault(Engine::Redis, "0", &[("requirepass", "x")]).contains("Windlass's own to decide"));
    let injected = fault(Engine::Redis, "0", &[("maxclients", "1\nrename-command PING \"\"")]);
    assert!(injected.contains("leave out line ends"), "{injected}");
}

#[test]
fn data_of_another_version_is_not_touched() {
    let dir = directory();
    let place = place(dir.path(), "db");
    fs::create_dir_all(place.directory.join("data")).unwrap();
    fs::write(place.directory.join("data/PG_VERSION"), "9\n").unwrap();
    let mut wanted = resource(Engine::Postgres, "shop", &[]);
    let Source::Private { version, .. } = &mut wanted.source else { unreachable!() };
    *version = Some(15);
    let fault = prepare(&wanted, &place).unwrap_err().to_string();
    assert!(fault.contains("is of PostgreSQL 9, not 15; keep version = 9"), "{fault}");
}

#[test]
fn redis_serves_and_keeps_its_data() {
    let dir = directory();
    let place = place(dir.path(), "cache");
    let wanted = resource(Engine::Redis, "2", &[("appendonly", "yes"), ("save", "900 1")]);
    let mut server = Server::start(prepare(&wanted, &place).unwrap());
    server.await_ready();
    after_start(&server.prepared).unwrap();
    let facts = server.prepared.facts.clone();
    assert!(Engine::Redis.facts().iter().all(|fact| facts.contains_key(*fact)));
    let cli = |words: &[&str]| {
        let args = [&["-p", &facts["port"], "-n", "2", "--no-auth-warning"], words].concat();
        client("redis-cli", &args, &[("REDISCLI_AUTH", &facts["password"])])
    };
    assert_eq!(cli(&["SET", "k", "v"]), Ok("OK".into()));
    assert_eq!(cli(&["CONFIG", "GET", "maxmemory"]), Ok(format!("maxmemory\n{}", 192 << 20)));
    assert_eq!(cli(&["CONFIG", "GET", "save"]), Ok("save\n900 1".into()));
    let mut wrong = facts.clone();
    wrong.insert("password".into(), "wrong".into());
    let refused = ready(Engine::Redis, &wrong, SHORT).unwrap_err().reason;
    assert!(refused.contains("it answers WRONGPASS") && !refused.contains("wrong\""), "{refused}");
    assert_private(&place.directory, &facts["password"]);

    let again = prepare(&wanted, &place).unwrap();
    assert_eq!((&again.launch, &again.facts), (&server.prepared.launch, &facts));
    assert_eq!(server.stop(), Some(0));
    assert!(ready(Engine::Redis, &facts, SHORT).unwrap_err().reason.contains("cannot connect"));
    let mut server = Server::start(again);
    server.await_ready();
    assert_eq!(cli(&["GET", "k"]), Ok("v".into()));
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn rabbitmq_serves_apart_from_any_other() {
    let dir = directory();
    let place = place(dir.path(), "mq");
    let wanted = resource(Engine::Rabbitmq, "shop", &[("channel_max", "100")]);
    let began = Instant::now();
    let mut server = Server::start(prepare(&wanted, &place).unwrap());
    server.await_ready();
    eprintln!("rabbitmq was ready after {:?}", began.elapsed());
    after_start(&server.prepared).unwrap();
    let facts = server.prepared.facts.clone();
    assert!(Engine::Rabbitmq.facts().iter().all(|fact| facts.contains_key(*fact)));
    let mut wrong = facts.clone();
    wrong.insert("password".into(), "wrong".into());
    let refused = ready(Engine::Rabbitmq, &wrong, SHORT).unwrap_err().reason;
    assert!(refused.contains("it refuses: ACCESS_REFUSED"), "{refused}");
    let mut wrong = facts.clone();
    wrong.insert("vhost".into(), "other".into());
    let refused = ready(Engine::Rabbitmq, &wrong, SHORT).unwrap_err().reason;
    assert!(refused.contains("it refuses: NOT_ALLOWED"), "{refused}");
    assert_private(&place.directory, &facts["password"]);
    assert_eq!(server.stop(), Some(0));
    // A second start finds what the first one made.
    let mut server = Server::start(prepare(&wanted, &place).unwrap());
    assert_eq!(server.prepared.facts, facts);
    server.await_ready();
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn whatever_else_answers_is_not_taken_for_the_server() {
    use std::io::{Read, Write};
    for engine in [Engine::Postgres, Engine::Redis, Engine::Rabbitmq] {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 512]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        });
        let facts = [
            ("host", "127.0.0.1"),
            ("port", port.as_str()),
            ("user", "u"),
            ("password", "p"),
            ("vhost", "/"),
        ];
        let facts = facts.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let why = ready(engine, &facts, SHORT).unwrap_err().reason;
        assert!(why.contains("what answers there is not"), "{engine:?}: {why}");
        server.join().unwrap();
    }
}

#[test]
fn a_silent_server_is_given_up_in_time() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let facts = IndexMap::from([("host".to_owned(), "127.0.0.1".to_owned()), ("port".into(), port)]);
    let began = Instant::now();
    let why = ready(Engine::Rabbitmq, &facts, Duration::from_millis(200)).unwrap_err().reason;
    assert!(why.ends_with("it does not answer in time"), "{why}");
    assert!(began.elapsed() < SHORT);
}

/// Not a test of its own: what `a_kill_at_any_write_is_made_good` runs and kills.
#[test]
#[ignore = "run by another test"]
fn prepare_and_be_killed() {
    let directory = std::env::var("WINDLASS_TEST_DIRECTORY").unwrap();
    let engine = serde_json::from_str(&std::env::var("WINDLASS_TEST_ENGINE").unwrap()).unwrap();
    prepare(&resource(engine, "shop", &[]), &place(Path::new(&directory), "db")).unwrap();
}

/// Kills the preparation at its first, second, ... system call of a kind, until it gets through;
/// after each, another preparation must succeed. Returns how often it was killed.
fn kill_at_every(engine: Engine, calls: &str) -> usize {
    for killed in 0..100 {
        let dir = directory();
        let output = Command::new("strace")
            .args(["-f", "-b", "execve", "-qq", "-o", "/dev/null", "-e", &format!("trace={calls}")])
            .args(["-e", &format!("inject={calls}:signal=KILL:when={}", killed + 1)])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "prepare_and_be_killed", "--ignored", "--test-threads=1"])
            .env("WINDLASS_TEST_DIRECTORY", dir.path())
            .env("WINDLASS_TEST_ENGINE", serde_json::to_string(&engine).unwrap())
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|error| panic!("strace: {error}; apt-get install strace"));
        let prepared = prepare(&resource(engine, "shop", &[]), &place(dir.path(), "db")).unwrap();
        let again = prepare(&resource(engine, "shop", &[]), &place(dir.path(), "db")).unwrap();
        assert_eq!((&prepared.facts, &prepared.fingerprint), (&again.facts, &again.fingerprint));
        let left: Vec<_> =
            fs::read_dir(dir.path().join("db")).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert!(!left.iter().any(|name| name.to_string_lossy().ends_with("partial")), "{left:?}");
        if output.status.success() {
            return killed;
        }
    }
    panic!("it never got through");
}

/// strace counts each kind of call by itself.
fn kill_everywhere(engine: Engine, at_least: usize) {
    let killed: usize = ["fsync", "rename", "mkdir"].iter().map(|call| kill_at_every(engine, call)).sum();
    assert!(killed >= at_least, "it was killed {killed} times only");
}

#[test]
fn a_kill_at_any_write_of_redis_is_made_good() {
    kill_everywhere(Engine::Redis, 6);
}

#[test]
fn a_kill_at_any_write_of_rabbitmq_is_made_good() {
    kill_everywhere(Engine::Rabbitmq, 20);
}

#[test]
fn a_kill_at_any_write_of_postgres_is_made_good() {
    kill_everywhere(Engine::Postgres, 15);
}

#[test]
fn an_initdb_that_outlives_its_windlass_is_waited_for() {
    let dir = directory();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "prepare_and_be_killed", "--ignored"])
        .env("WINDLASS_TEST_DIRECTORY", dir.path())
        .env("WINDLASS_TEST_ENGINE", "\"postgres\"")
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let begun = dir.path().join("db/data.partial/base");
    let deadline = Instant::now() + Duration::from_secs(30);
    while !begun.exists() {
        assert!(Instant::now() < deadline, "initdb does not begin");
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let mut server =
        Server::start(prepare(&resource(Engine::Postgres, "shop", &[]), &place(dir.path(), "db")).unwrap());
    server.await_ready();
    after_start(&server.prepared).unwrap();
    assert_eq!(sql(&server.prepared.facts, "SELECT 1"), Ok("1".into()));
    assert_eq!(server.stop(), Some(0));
}
