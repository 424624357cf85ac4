//! PostgreSQL, and what all engines have in common.

use std::fs;

use indexmap::IndexMap;
use windlass::account::Account;
use windlass::resource::{self, after_start, check, facts_of_url, prepare};
use windlass_core::spec::{Engine, Source};

use crate::server::{Server, assert_private, client, directory, place, resource, sql};

// proves: DC-2, DC-12, HS-14, CM-7, MDC-2, APE-2, APE-12
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
fn what_a_killed_server_has_in_memory_goes_with_its_data() {
    let dir = directory();
    let place = place(dir.path(), "db");
    let mut server = Server::start(prepare(&resource(Engine::Postgres, "shop", &[]), &place).unwrap());
    server.await_ready();
    let maps = fs::read_to_string(format!("/proc/{}/maps", server.child.id())).unwrap();
    let named = |begin: &str| {
        let lines = maps.lines().filter_map(|line| line.split_ascii_whitespace().nth(5));
        let found: Vec<String> = lines.filter(|name| name.starts_with(begin)).map(str::to_owned).collect();
        assert!(!found.is_empty(), "{maps}");
        found
    };
    let (memory, _) = (named("/dev/shm/PostgreSQL."), named("/SYSV"));
    let maker = server.child.id().to_string();
    let made = || {
        let all = fs::read_to_string("/proc/sysvipc/shm").unwrap();
        all.lines().filter(|line| line.split_ascii_whitespace().nth(4) == Some(maker.as_str())).count()
    };
    let left = || memory.iter().filter(|path| fs::exists(path).unwrap()).count() + made();
    assert_eq!(left(), memory.len() + 1);
    resource::forget_memory(&place.directory);
    assert_eq!(left(), memory.len() + 1, "it runs");
    server.kill_all();
    assert_eq!(left(), memory.len() + 1, "it was killed");
    resource::remove(&place.directory).unwrap();
    assert_eq!(left(), 0);
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
    assert_schemas_are_found(&server.prepared.facts);
}

/// A server takes the names of schemas that stand in a URL for those that were meant.
fn assert_schemas_are_found(facts: &IndexMap<String, String>) {
    let mut facts = facts.clone();
    for (given, schemas) in [
        ("shop", &["shop"][..]),
        ("Shop", &["Shop"]),
        ("my shop, public", &["my shop", "public"]),
        (" \"a,b\" , \"c\"\"d\"", &["a,b", "c\"d"]),
        ("e\\f\tg'$h%20{}, täglich", &["e\\f\tg'$h%20{}", "täglich"]),
    ] {
        for schema in schemas {
            let quoted = schema.replace('"', "\"\"");
            sql(&facts, &format!("CREATE SCHEMA IF NOT EXISTS \"{quoted}\"")).unwrap();
        }
        let plain = facts["url"].clone();
        // As it stands in the manifest, and as the value of a setting.
        for (written, value) in [(given, ""), ("{settings.S}", given), ("{settings.S},public", given)] {
            let url = composed(&plain, written, value);
            facts.insert("url".into(), url);
            let expected = match (written, schemas.contains(&"public")) {
                ("{settings.S},public", false) => [schemas, &["public"]].concat(),
                _ => schemas.to_vec(),
            };
            let names = "SELECT array_to_string(current_schemas(false), E'\\n')";
            assert_eq!(sql(&facts, names), Ok(expected.join("\n")), "{written} {value}");
        }
        facts.insert("url".into(), plain);
    }
}

/// The URL with `schema` in it, as a setting is put together.
fn composed(url: &str, schema: &str, value: &str) -> String {
    let schema = schema.replace('\\', "\\\\").replace('"', "\\\"").replace('\t', "\\t");
    let text = format!(
        "[app]\nname = \"shop\"\n[services.web]\ncommand = \"true\"\n[settings]\nS = \"\"\n\
         URL = {{ url = {{ scheme = \"postgresql\", host = \"h\", schema = \"{schema}\" }} }}\n"
    );
    let (manifest, diags) = windlass_core::manifest::load(&text);
    assert!(diags.is_empty(), "{}", windlass_core::diag::render_all(&diags, &text, "windlass.toml"));
    let settings = manifest.unwrap().settings("local");
    let template = settings["URL"].composed.as_ref().unwrap();
    let made = template.fill(|_| Ok::<_, ()>(value.to_owned())).unwrap();
    format!("{url}{}", made.strip_prefix("postgresql://h").unwrap())
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
    assert!(fault(Engine::Redis, "0", &[("requirepass", "x")]).contains("Windlass's own to decide"));
    for (engine, option) in [
        (Engine::Redis, "rename-command"),
        (Engine::Redis, "TLS-port"),
        (Engine::Rabbitmq, "listeners.tcp.other"),
        (Engine::Rabbitmq, "listeners.ssl.default"),
        (Engine::Postgres, "include"),
        (Engine::Postgres, "include_if_exists"),
    ] {
        assert!(fault(engine, "shop", &[(option, "1")]).contains("Windlass's own to decide"), "{option}");
    }
    let injected = fault(Engine::Redis, "0", &[("maxclients", "1\nrename-command PING \"\"")]);
    assert!(injected.contains("leave out line ends"), "{injected}");
    assert!(fault(Engine::Redis, "4096", &[]).contains("use 0 to 1023"));
    assert!(
        fault(Engine::Rabbitmq, "shop", &[("load_definitions", "x")]).contains("Windlass's own to decide")
    );
    assert!(!place.directory.exists());
    assert!(check(&resource(Engine::Postgres, "a\nb", &[])).is_err());
    assert_eq!(check(&resource(Engine::Postgres, "shop", &[("work_mem", "8MB")])), Ok(()));
}

#[test]
fn its_socket_is_there_for_services_with_accounts_of_their_own_and_asks_for_a_password() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;

    let dir = directory();
    let place = place(dir.path(), "db");
    let mut server = Server::start(prepare(&resource(Engine::Postgres, "shop", &[]), &place).unwrap());
    server.await_ready();
    after_start(&server.prepared).unwrap();
    let facts = &server.prepared.facts;
    let is_root = rustix::process::geteuid().is_root();
    let mode = |path: &str| fs::metadata(place.directory.join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("run"), if is_root { 0o711 } else { 0o700 });
    assert_eq!(mode(&format!("run/.s.PGSQL.{}", facts["port"])), 0o777);
    assert_eq!(fs::metadata(place.directory.join("lock")).unwrap().permissions().mode() & 0o777, 0o600);
    let ask = |password: &str| {
        let mut psql = std::process::Command::new("psql");
        psql.args([
            "-h",
            &facts["socket"],
            "-p",
            &facts["port"],
            "-U",
            &facts["user"],
            "-d",
            &facts["database"],
        ])
        .args(["-w", "-At", "-c", "SELECT 42"])
        .current_dir("/")
        .env("PGPASSWORD", password);
        if is_root {
            // Nobody's account, as a service of its own has one.
            psql.uid(65_534).gid(65_534);
        }
        let output = psql.output().unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned())
    };
    assert_eq!(ask(&facts["password"]).as_deref(), Some("42"));
    assert_eq!(ask("wrong"), None);
}

// proves: DC-18
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
fn data_without_its_password_is_not_touched() {
    let dir = directory();
    let place = place(dir.path(), "db");
    let wanted = resource(Engine::Postgres, "shop", &[]);
    prepare(&wanted, &place).unwrap();
    fs::remove_file(place.directory.join("identity.json")).unwrap();
    let fault = prepare(&wanted, &place).unwrap_err().to_string();
    assert!(fault.contains("has data, but its identity.json is missing"), "{fault}");
}

#[test]
fn a_lock_file_that_names_somebody_elses_process_keeps_nothing_down() {
    use std::os::unix::process::CommandExt;

    let dir = directory();
    let place = place(dir.path(), "db");
    let wanted = resource(Engine::Postgres, "shop", &[]);
    let mut server = Server::start(prepare(&wanted, &place).unwrap());
    server.await_ready();
    let facts = server.prepared.facts.clone();
    let user = server.prepared.launch.user.clone();
    // It is killed, and its number is another's when the machine has started again.
    drop(server);
    let mut other = std::process::Command::new("sleep");
    if let Some(account) = user.and_then(|user| Account::to_become(&user).unwrap()) {
        other.uid(account.uid).gid(account.gid);
    }
    let mut other = other.arg("600").current_dir("/").spawn().unwrap();
    for file in ["data/postmaster.pid".to_owned(), format!("run/.s.PGSQL.{}.lock", facts["port"])] {
        let file = place.directory.join(file);
        let text = fs::read_to_string(&file).unwrap();
        let (_, rest) = text.split_once('\n').unwrap();
        fs::write(&file, format!("{}\n{rest}", other.id())).unwrap();
    }
    let mut server = Server::start(prepare(&wanted, &place).unwrap());
    server.await_ready();
    // What a server that runs has written stays.
    prepare(&wanted, &place).unwrap();
    assert!(place.directory.join("data/postmaster.pid").exists());
    other.kill().unwrap();
    other.wait().unwrap();
    assert_eq!(server.stop(), Some(0));
}
