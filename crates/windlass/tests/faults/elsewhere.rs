//! Windlass itself exchanges what an application signs in by to servers that are somebody else's; and
//! whatever dies meanwhile, one credential holds in the end: at the server, in the file, in what runs.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;
use std::sync::Mutex;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use windlass::resource::{facts_of_url, ready};
use windlass_core::spec::Engine;
use windlass_testkit::outside::{ADMIN, Certificate, FIRST, Postgres, Rabbitmq, Redis};
use windlass_testkit::sandbox::score::{Invariant, Running};
use windlass_testkit::sandbox::{Manifest, Output, Sandbox, until};

use super::dying::{Case, PER_SANDBOX, crash, in_ways, of_steps};
use super::forms::Wanted;
use super::{WINDLASS, exhaustive, line};

const ROTATE: [&str; 3] = ["secrets", "rotate", "SERVER_LOGIN"];

/// A server, and what the application knows of it.
enum Server {
    Postgres(Postgres),
    Redis(Redis),
    Rabbitmq(Rabbitmq),
}

impl Server {
    fn word(&self) -> &'static str {
        match self {
            Self::Postgres(_) => "postgres",
            Self::Redis(_) => "redis",
            Self::Rabbitmq(_) => "rabbitmq",
        }
    }

    fn first(&self) -> String {
        match self {
            Self::Postgres(server) => server.url(FIRST, "fixture"),
            Self::Redis(server) => server.url(FIRST),
            Self::Rabbitmq(server) => server.url(FIRST),
        }
    }

    fn admin(&self) -> String {
        match self {
            Self::Postgres(server) => server.url(ADMIN, ""),
            Self::Redis(server) => server.url(ADMIN),
            Self::Rabbitmq(server) => server.management_url(ADMIN),
        }
    }

    /// How the application is told: by facts of a resource, as one that wants user and password apart.
    fn env(&self) -> &'static str {
        match self {
            Self::Postgres(_) => {
                "PGHOST = \"{resources.it.host}\", PGPORT = \"{resources.it.port}\", \
                 PGUSER = \"{resources.it.user}\", PGPASSWORD = \"{resources.it.password}\", \
                 PGDATABASE = \"{resources.it.database}\""
            }
            Self::Redis(_) => {
                "REDIS_PORT = \"{resources.it.port}\", REDIS_PASSWORD = \"{resources.it.password}\""
            }
            Self::Rabbitmq(_) => "AMQP_PASSWORD = \"{resources.it.password}\"",
        }
    }

    fn lets_in(&self, url: &str) -> bool {
        let engine = match self {
            Self::Postgres(server) => return server.ask_as(url, "SELECT 1").is_ok(),
            Self::Redis(_) => Engine::Redis,
            Self::Rabbitmq(_) => Engine::Rabbitmq,
        };
        ready(engine, &facts_of_url(engine, url).unwrap(), Duration::from_secs(10)).is_ok()
    }

    /// How many credentials of the application the server knows.
    fn credentials(&self) -> usize {
        match self {
            Self::Postgres(server) => server.roles().len(),
            Self::Redis(server) => server.passwords(),
            Self::Rabbitmq(server) => server.users().len(),
        }
    }
}

/// What is exchanged.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// The URL.
    Whole,
    /// A password and the name of its account, of which the URL is put together; in one file.
    Parts,
    /// The same in two files, which cannot be written at once.
    Apart,
    /// The same in the encrypted file.
    Sealed,
}

/// A URL's user, its password, and what stands around them.
fn parts(url: &str) -> [&str; 4] {
    let (scheme, rest) = url.split_once("://").unwrap();
    let (account, behind) = rest.split_once('@').unwrap();
    let (user, password) = account.split_once(':').unwrap();
    [scheme, user, password, behind]
}

/// An application that signs in for every request; its worker sees nothing of it.
fn manifest(server: &Server, form: Form, worker: Option<String>) -> Manifest {
    let word = server.word();
    let [scheme, _, _, behind] = parts(&server.first()).map(str::to_owned);
    let (kind, more, others, url) = match form {
        Form::Whole => ("type = \"url\"\n", "", String::new(), "SERVER_LOGIN"),
        Form::Parts | Form::Apart | Form::Sealed => (
            "",
            ", user = \"SERVER_USER\", url = \"SERVER_ADDRESS\"",
            format!(
                "SERVER_USER = {{ services = [] }}\nSERVER_ADDRESS = {{ type = \"url\", services = [], value = \
                 \"{scheme}://{{settings.SERVER_USER|url}}:{{settings.SERVER_LOGIN|url}}@{behind}\" }}\n"
            ),
            "SERVER_ADDRESS",
        ),
    };
    Manifest {
        top: format!(
            "[settings]\nADMIN_URL = {{}}\n{others}[settings.SERVER_LOGIN]\n{kind}secret = true\nservices = []\n\
             rotate = {{ at = \"{word}\", admin = \"ADMIN_URL\", timeout = \"20s\"{more} }}\n"
        ),
        web: format!("env = {{ {}, SIGN_IN = \"1\" }}", server.env()),
        deploy: "bake = \"50ms\"\nsmoke = [{ service = \"web\", path = \"/version\" }]".into(),
        more: format!("[resources.it]\nengine = \"{word}\"\nurl = \"{{settings.{url}}}\"\n"),
        worker,
        scheduler: None,
        migrate: None,
        ..Manifest::default()
    }
}

struct Place {
    server: Server,
    form: Form,
    sandbox: Sandbox,
}

impl Place {
    fn new(server: Server, form: Form, worker: Option<String>) -> Self {
        let mut sandbox = Sandbox::with(WINDLASS, &manifest(&server, form, worker));
        if form == Form::Sealed {
            let home = sandbox.root().join("person");
            std::fs::create_dir(&home).unwrap();
            sandbox.set("HOME", home.to_str().unwrap());
            sandbox.succeed(&["secrets", "init"]);
        }
        let place = Self { server, form, sandbox };
        place.write(&place.server.first(), &place.server.admin());
        place.sandbox.succeed(&["deploy"]);
        place
    }

    fn write(&self, url: &str, admin: &str) {
        let [_, user, password, _] = parts(url);
        let (mut first, mut second) = (format!("ADMIN_URL={admin}\n"), String::new());
        match self.form {
            Form::Whole => first.push_str(&format!("SERVER_LOGIN={url}\n")),
            Form::Parts => first.push_str(&format!("SERVER_USER={user}\nSERVER_LOGIN={password}\n")),
            Form::Apart => {
                first.push_str(&format!("SERVER_LOGIN={password}\n"));
                second.push_str(&format!("SERVER_USER={user}\n"));
            }
            Form::Sealed => {
                self.give("SERVER_USER", user);
                self.give("SERVER_LOGIN", password);
            }
        }
        for (file, text) in [(".env", first), (".env.local", second)] {
            self.sandbox.write(file, &text);
            let mode = std::fs::Permissions::from_mode(0o600);
            std::fs::set_permissions(self.sandbox.source().join(file), mode).unwrap();
        }
    }

    /// Puts a value into the encrypted file.
    fn give(&self, name: &str, value: &str) {
        let mut command = self.sandbox.command(&["secrets", "set", name]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(value.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success(), "{}", self.sandbox.logs());
    }

    /// The URL in the files.
    fn value(&self) -> String {
        if self.form == Form::Sealed {
            let listed = self.sandbox.succeed(&["secrets", "list", "--json"]).json();
            let values = listed["values"].as_array().unwrap();
            assert!(values.len() == 2 && values.iter().all(|value| value["pending"].is_null()), "{listed}");
            let [user, login] = ["SERVER_USER", "SERVER_LOGIN"]
                .map(|name| self.sandbox.succeed(&["secrets", "get", name]).stdout);
            let first = self.server.first();
            let [scheme, _, _, behind] = parts(&first);
            return format!("{scheme}://{user}:{login}@{behind}");
        }
        let read = |file| std::fs::read_to_string(self.sandbox.source().join(file)).unwrap();
        let text = read(".env") + &read(".env.local");
        let of = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        let login = of("SERVER_LOGIN").unwrap();
        match self.form {
            Form::Whole => login.to_owned(),
            Form::Parts | Form::Apart | Form::Sealed => {
                let first = self.server.first();
                let [scheme, _, _, behind] = parts(&first);
                format!("{scheme}://{}:{login}@{behind}", of("SERVER_USER").unwrap())
            }
        }
    }

    /// One credential holds: in the file, at the server, which knows no other, and in what runs.
    fn one_holds(&self, context: &str) -> String {
        let (sandbox, value) = (&self.sandbox, self.value());
        let logs = || sandbox.logs();
        assert!(
            self.server.lets_in(&value),
            "{context}: the server does not know what the file has\n{}",
            logs()
        );
        assert_eq!(self.server.credentials(), 1, "{context}\n{}", logs());
        for process in sandbox.running("web") {
            let told = process.env.iter().find(|variable| variable.contains("PASSWORD="));
            let password = told.and_then(|variable| variable.split_once('=')).unwrap().1;
            assert!(value.contains(password), "{context}: {process:?}");
            assert!(!process.env.iter().any(|variable| variable.contains(ADMIN.1)), "{context}: {process:?}");
        }
        assert_eq!(sandbox.get("/version").status, 200, "{context}\n{}", logs());
        let state = sandbox.environment().join("state");
        for place in ["rotating", "unrevoked"] {
            let left = std::fs::read_dir(state.join(place)).into_iter().flatten().count();
            assert_eq!(left, 0, "{context}: something is left in {place}");
        }
        value
    }

    fn pids(&self, service: &str) -> Vec<i32> {
        self.sandbox.running(service).iter().map(|process| process.pid).collect()
    }

    /// Whether a password stands anywhere but where it belongs.
    fn leaks(&self, line: &Running, urls: &[String], said: &[Output]) {
        let password = |url: &String| url.split(['@', ':']).nth(2).unwrap().to_owned();
        let passwords: Vec<String> = urls.iter().map(password).chain([ADMIN.1.to_owned()]).collect();
        let wanted: Vec<_> = passwords.iter().map(|password| ("of the server", password.as_str())).collect();
        let wanted = Wanted::new(&wanted);
        for output in said {
            let found = wanted.found(output.all().as_bytes());
            line.holds(Invariant::I9, found.is_none(), || format!("a password was printed: {output:?}"));
        }
        let mut directories = vec![self.sandbox.environment()];
        while let Some(directory) = directories.pop() {
            for entry in std::fs::read_dir(directory).unwrap().flatten() {
                let (path, kind) = (entry.path(), entry.file_type().unwrap());
                if kind.is_dir() && !path.ends_with("state/settings") {
                    directories.push(path);
                } else if kind.is_file() {
                    let bytes = std::fs::read(&path).unwrap_or_default();
                    let found = wanted.found(&bytes);
                    line.holds(Invariant::I9, found.is_none(), || format!("it stands in {}", path.display()));
                }
            }
        }
    }
}

fn exchanged_without_loss(line: &Running, server: Server, form: Form) -> Place {
    let place = Place::new(server, form, Some(String::new()));
    let sandbox = &place.sandbox;
    let (first, worker) = (place.value(), place.pids("worker"));
    let watch = line.watch_at_pace(sandbox, Duration::from_millis(150));
    let mut said = vec![sandbox.succeed(&ROTATE)];
    let second = place.one_holds("rotated");
    assert!(second != first && !place.server.lets_in(&first), "{said:?}");
    assert_eq!(place.pids("worker"), worker, "it sees nothing of it");
    said.push(sandbox.succeed(&[ROTATE.as_slice(), &["--json"]].concat()));
    watch.end_without_loss();
    let third = place.one_holds("rotated again");
    assert!(!place.server.lets_in(&second));
    let nothing = sandbox.succeed(&["deploy"]);
    assert!(nothing.stdout.contains("Nothing to do"), "{nothing:?}");
    said.push(sandbox.succeed(&["rollback", "r1", "--yes"]));
    assert_eq!(place.one_holds("rolled back"), third);
    sandbox.change();
    said.push(sandbox.succeed(&["deploy"]));
    said.push(sandbox.succeed(&["config"]));
    place.leaks(line, &[first, second, third], &said);
    place
}

// proves: HS-19
#[test]
fn a_role_of_an_outside_postgres_is_exchanged_without_losing_a_request() {
    let line = line("a_role_of_an_outside_postgres_is_exchanged_without_losing_a_request");
    let server = Postgres::new();
    // What is set for the role, and what it owns, must be so for whoever takes over.
    server.ask("ALTER ROLE fixture SET search_path = shop, pg_catalog").unwrap();
    let url = server.url(FIRST, "fixture");
    server.ask_as(&url, "CREATE SCHEMA shop").unwrap();
    server.ask_as(&url, "CREATE TABLE kept AS SELECT 1 AS n").unwrap();
    // Functions of the application's own are not the administrator's to run.
    server.ask_as(&url, "ALTER DATABASE fixture SET search_path = shop, pg_catalog").unwrap();
    for function in ["format(text, text)", "set_config(text, text, boolean)", "hashtext(text)"] {
        let trap = "RETURNS text LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''run as %'', current_user; END'";
        server.ask_as(&url, &format!("CREATE FUNCTION shop.{function} {trap}")).unwrap();
    }
    let place = exchanged_without_loss(&line, Server::Postgres(server), Form::Whole);
    let (now, Server::Postgres(server)) = (place.value(), &place.server) else { unreachable!() };
    server.ask_as(&now, "ALTER TABLE kept ADD more text; CREATE TABLE made (n int)").unwrap();
    assert_eq!(server.ask_as(&now, "SHOW search_path").unwrap(), "shop, pg_catalog");
    let owners = "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'shop'";
    assert_eq!(server.ask_as(&now, owners).unwrap(), "fixture");
    // The second role is gone, the first is locked and goes on owning.
    let roles = "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'fixture%'";
    assert_eq!(server.ask(roles).unwrap(), "2");
    // It takes no superuser.
    server.ask("CREATE ROLE keeper LOGIN CREATEROLE PASSWORD 'nothing-at-all'").unwrap();
    place.write(&now, &server.url(("keeper", "nothing-at-all"), ""));
    place.sandbox.succeed(&["deploy"]);
    let output = place.sandbox.succeed(&ROTATE);
    assert!(!output.all().contains("could not be dropped"), "{output:?}");
    assert_ne!(place.one_holds("asked by who may make roles"), now);
    let log = server.log();
    let password = now.split([':', '@']).nth(2).unwrap();
    assert!(log.contains("SCRAM-SHA-256") && !log.contains(password), "{log}");
    place.sandbox.down();
    line.held("a role that is a member takes over, the old one is locked: 0 failed requests");
}

/// Each way to fail leaves the old credential alone, and who runs with it.
fn old_stays_when_it_fails(line: &Running, place: &Place, refusals: &[(String, &str)]) {
    let sandbox = &place.sandbox;
    let (first, web) = (place.value(), place.pids("web"));
    let status = sandbox.status();
    let tree = sandbox.environment().join("releases").join(status["release"]["tree"].as_str().unwrap());
    for behaviour in ["web.unready", "web.crash:20"] {
        std::fs::write(tree.join("behaviour"), behaviour).unwrap();
        let watch = line.watch_at_pace(sandbox, Duration::from_millis(150));
        let output = sandbox.fail(&ROTATE, 3);
        watch.end_without_loss();
        let context = format!("{behaviour}: {output:?}");
        assert_eq!(place.one_holds(&context), first, "{context}");
        assert_eq!(place.pids("web"), web, "{context}");
        line.is_sound(sandbox, &context);
        std::fs::remove_file(tree.join("behaviour")).unwrap();
    }
    // Whoever administers it cannot: told before anything begins.
    for (admin, why) in refusals {
        place.write(&first, admin);
        sandbox.succeed(&["deploy"]);
        let release = sandbox.release();
        let output = sandbox.fail(&ROTATE, 1);
        assert!(output.all().contains(why) && output.all().contains("nothing changed"), "{why}: {output:?}");
        assert_eq!((place.one_holds(why), sandbox.release()), (first.clone(), release), "{output:?}");
        assert_eq!(place.pids("web"), web, "{output:?}");
    }
    place.write(&first, &place.server.admin());
    sandbox.succeed(&["deploy"]);
}

/// It begins, and leaves the old credential alone.
fn goes_back(place: &Place, why: &str) {
    let (first, web) = (place.value(), place.pids("web"));
    let output = place.sandbox.fail(&ROTATE, 3);
    assert!(output.all().contains(why), "{output:?}");
    assert_eq!((place.one_holds(why), place.pids("web")), (first, web), "{output:?}");
}

// proves: HS-19
#[test]
fn a_rotation_at_an_outside_postgres_that_fails_leaves_the_old_role() {
    let line = line("a_rotation_at_an_outside_postgres_that_fails_leaves_the_old_role");
    let server = Postgres::new();
    server.ask("CREATE ROLE plain LOGIN PASSWORD 'nothing-at-all'").unwrap();
    let refusals = [
        (server.url((ADMIN.0, "wrong-password"), ""), "password authentication failed for user \"boss\""),
        (server.url(("plain", "nothing-at-all"), ""), "permission denied to create role"),
        (server.url(FIRST, ""), "the application signs in as the administrator, fixture"),
        ("postgresql://boss:nothing@127.0.0.1:1/".to_owned(), "Connection refused"),
        ("mysql://boss:nothing@127.0.0.1:1/".to_owned(), "the URL in ADMIN_URL has a scheme of another kind"),
    ];
    let place = Place::new(Server::Postgres(server), Form::Parts, Some(String::new()));
    old_stays_when_it_fails(&line, &place, &refusals);
    let Server::Postgres(server) = &place.server else { unreachable!() };
    // What cannot be revoked is revoked by the next run, and told of.
    let first = place.value();
    let rotation = place.sandbox.start(&ROTATE);
    until("a new copy", || (place.pids("web").len() > 2).then_some(()));
    server.ask("ALTER ROLE boss PASSWORD 'another-password'").unwrap();
    let output = rotation.finish();
    assert!(output.code == 5 && place.server.lets_in(&first), "{output:?}");
    let again = format!("ALTER ROLE boss PASSWORD '{}'", ADMIN.1);
    server.ask_as(&server.url((ADMIN.0, "another-password"), "postgres"), &again).unwrap();
    let next = place.sandbox.succeed(&["deploy"]);
    assert!(next.all().contains("revoke the value of SERVER_LOGIN that r"), "{next:?}");
    assert_ne!(place.one_holds("revoked at last"), first);
    server.keep_out_others();
    goes_back(&place, "the new value of SERVER_LOGIN does not sign in to PostgreSQL");
    place.sandbox.down();
    line.held("8 ways to fail: the old role alone, the old processes, 0 failed requests; what is not revoked is, next time");
}

// proves: HS-19
#[test]
fn a_password_of_an_outside_redis_is_exchanged_and_kept() {
    let line = line("a_password_of_an_outside_redis_is_exchanged_and_kept");
    let mut place = exchanged_without_loss(&line, Server::Redis(Redis::new()), Form::Whole);
    let value = place.value();
    // It is written down for the server's next start.
    let Server::Redis(server) = &mut place.server else { unreachable!() };
    server.restart();
    assert!(place.server.lets_in(&value) && place.server.credentials() == 1);
    place.sandbox.down();
    line.held("a second password beside the first: 0 failed requests, and the server's next start knows it");
}

// proves: HS-19
#[test]
fn a_rotation_at_an_outside_redis_that_fails_leaves_the_old_password() {
    let line = line("a_rotation_at_an_outside_redis_that_fails_leaves_the_old_password");
    let (server, other) = (Redis::new(), Redis::new());
    let _ok = server.ask(&["ACL", "SETUSER", "plain", "on", ">nothing-at-all", "+@read"]);
    let refusals = [
        (server.url((ADMIN.0, "wrong-password")), "WRONGPASS"),
        (server.url(("plain", "nothing-at-all")), "NOPERM"),
        ("redis://boss:nothing@127.0.0.1:1/".to_owned(), "Connection refused"),
    ];
    let place = Place::new(Server::Redis(server), Form::Whole, Some(String::new()));
    old_stays_when_it_fails(&line, &place, &refusals);
    // Another server than the application's is told.
    place.write(&place.value(), &other.url(ADMIN));
    place.sandbox.succeed(&["deploy"]);
    goes_back(&place, "the new value of SERVER_LOGIN does not sign in to Redis");
    assert_eq!(other.passwords(), 1);
    let _ok = other.ask(&["ACL", "SETUSER", "default", "resetpass", ">something-else"]);
    let output = place.sandbox.fail(&ROTATE, 1);
    assert!(output.all().contains("is no password of the user default"), "{output:?}");
    let _ok = other.ask(&["ACL", "SETUSER", "default", "nopass"]);
    let output = place.sandbox.fail(&ROTATE, 1);
    assert!(output.all().contains("the user default is let in with any password"), "{output:?}");
    place.sandbox.down();
    line.held("8 ways to fail: the old password alone, the old processes, 0 failed requests");
}

// proves: HS-19
#[test]
fn a_user_of_an_outside_rabbitmq_is_exchanged_with_its_rights() {
    let line = line("a_user_of_an_outside_rabbitmq_is_exchanged_with_its_rights");
    let place =
        exchanged_without_loss(&line, Server::Rabbitmq(Rabbitmq::encrypted(&certificate())), Form::Sealed);
    let Server::Rabbitmq(server) = &place.server else { unreachable!() };
    let by_https = server.management_url(ADMIN);
    let user = server.users().remove(0);
    assert_eq!(server.get(&format!("/api/users/{user}"))["tags"], serde_json::json!(["policymaker"]));
    let rights = server.get(&format!("/api/permissions/fixture/{user}"));
    assert_eq!((rights["configure"].as_str(), rights["read"].as_str()), (Some("^fixture"), Some(".*")));
    let topics = server.get(&format!("/api/topic-permissions/fixture/{user}"));
    assert_eq!(
        (topics[0]["exchange"].as_str(), topics[0]["write"].as_str()),
        (Some("amq.topic"), Some("^a"))
    );
    let refusals = [
        (server.management_url((ADMIN.0, "wrong-password")), "it does not let this user in"),
        (server.management_url(("fixture_none", "x")), "it does not let this user in"),
        ("http://boss:nothing@127.0.0.1:1".to_owned(), "cannot be reached"),
        (by_https.split('?').next().unwrap().to_owned(), "of an authority that is not trusted here"),
        (
            "amqp://boss:nothing@127.0.0.1:1".to_owned(),
            "the URL in ADMIN_URL is not that of RabbitMQ's management",
        ),
    ];
    old_stays_when_it_fails(&line, &place, &refusals);
    place.sandbox.down();
    line.held(
        "asked by HTTPS: another user with the same tags and permissions, 7 ways to fail: 0 failed requests",
    );
}

/// That of a `localhost` which nobody knows, by its own authority.
fn certificate() -> Certificate {
    let mut authority = CertificateParams::new(vec![]).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let own =
        CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    Certificate { own: own.pem(), key: key.serialize_pem(), authority: authority.pem() }
}

/// Before, in and behind each step of a rotation's plan that tells the server. The other steps are those of any
/// setting, and tried with one (`rotated_setting`); in exhaustive runs here too.
fn cases(make: fn() -> Server) -> Vec<Case> {
    let place = Place::new(make(), Form::Whole, None);
    let places = of_steps(&place.sandbox, &ROTATE, |line| exhaustive() || line.contains("SERVER_LOGIN"));
    place.sandbox.down();
    assert!(places.len() >= 9, "{places:?}");
    in_ways(places)
}

/// Answers how many crashes there were.
fn one_holds_whatever_dies(line: &Running, make: fn() -> Server) -> usize {
    let all = cases(make);
    let crashes = all.len();
    let chunks: Vec<Vec<Case>> = all.chunks(PER_SANDBOX).map(<[Case]>::to_vec).collect();
    // An account with one password is exchanged in each of the forms; the steps are the same.
    let forms = [Form::Apart, Form::Whole, Form::Parts].into_iter().cycle();
    let chunks = Mutex::new(chunks.into_iter().zip(forms));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some((chunk, form)) = chunks.lock().unwrap().next() else { return };
                    let server = make();
                    let form = if matches!(server, Server::Redis(_)) { Form::Whole } else { form };
                    let place = Place::new(server, form, None);
                    let watch = line.watch_at_pace(&place.sandbox, Duration::from_millis(150));
                    for (at, verb) in chunk {
                        let context = format!("{at}, then {verb:?}");
                        crash(&place.sandbox, &ROTATE, &at, verb, &context);
                        let status = place.sandbox.status();
                        assert!(status["run"].is_null(), "{context}: a run is left: {status}");
                        assert_eq!(place.pids("web").len(), 2, "{context}: {}", place.sandbox.logs());
                        place.one_holds(&context);
                        line.is_sound(&place.sandbox, &context);
                    }
                    watch.end_without_loss();
                    place.sandbox.down();
                }
            });
        }
    });
    crashes
}

// proves: HS-19
#[test]
fn whatever_dies_in_a_rotation_at_an_outside_postgres_one_role_holds() {
    let line = line("whatever_dies_in_a_rotation_at_an_outside_postgres_one_role_holds");
    let crashes = one_holds_whatever_dies(&line, || Server::Postgres(Postgres::new()));
    line.held(&format!(
        "{crashes} crashes, at each step that tells the server: 0 failed requests; one role signs in, in the file and \
         in what runs"
    ));
}

// proves: HS-19
#[test]
fn whatever_dies_in_a_rotation_at_an_outside_redis_one_password_holds() {
    let line = line("whatever_dies_in_a_rotation_at_an_outside_redis_one_password_holds");
    let crashes = one_holds_whatever_dies(&line, || Server::Redis(Redis::new()));
    line.held(&format!(
        "{crashes} crashes, at each step that tells the server: 0 failed requests; one password holds at the server, in \
         the file and in what runs"
    ));
}

// proves: HS-19
#[test]
fn whatever_dies_in_a_rotation_at_an_outside_rabbitmq_one_user_holds() {
    let line = line("whatever_dies_in_a_rotation_at_an_outside_rabbitmq_one_user_holds");
    let crashes = one_holds_whatever_dies(&line, || Server::Rabbitmq(Rabbitmq::new()));
    line.held(&format!(
        "{crashes} crashes, at each step that tells the server: 0 failed requests; one user holds at the server, in the \
         file and in what runs"
    ));
}
