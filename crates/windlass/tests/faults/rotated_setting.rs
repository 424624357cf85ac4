//! A setting is exchanged at its own source, and whatever dies meanwhile, one value holds in the end: at
//! the source, in the file, and in what runs.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use rustix::process::Signal;
use windlass_core::settings::dotenv;
use windlass_testkit::ports::free_port;
use windlass_testkit::sandbox::score::{Invariant, Running};
use windlass_testkit::sandbox::{Manifest, Output, Sandbox, until};
use windlass_testkit::watchdog::watch_over;

use super::dying::{Case, PER_SANDBOX, crash, in_ways, of_steps};
use super::forms::Wanted;
use super::{WINDLASS, chance, exhaustive, line};

/// What the application signs in with at first.
const FIRST: &str = "The1First2Of3Its4Passwords";

/// The setting's own commands. They say what they know, as such scripts do.
const SCRIPT: &str = r#"set -eu
as() { REDISCLI_AUTH="$1" redis-cli --no-auth-warning -p "$REDIS_PORT"; }
good() { test "$(echo PING | as "$1")" = PONG; }
echo "$1: from $OLD_VALUE to $NEW_VALUE" >&2
test ! -e "fail-$1"
if test -e "lie-$1"; then exit 0; fi
case "$1" in
create) printf 'ACL SETUSER default >%s\n' "$NEW_VALUE" | as "$OLD_VALUE" | grep -q OK ;;
verify) good "$NEW_VALUE" ;;
revoke) if good "$OLD_VALUE"; then printf 'ACL SETUSER default <%s\n' "$OLD_VALUE" | as "$NEW_VALUE" | grep -q OK; fi ;;
esac
"#;

/// A server that nobody but the test runs, and that knows as many passwords as it is told.
struct Redis {
    server: Child,
    port: u16,
    _directory: tempfile::TempDir,
}

impl Redis {
    fn new() -> Self {
        let port = free_port();
        let directory = tempfile::tempdir().unwrap();
        watch_over(directory.path());
        let mut command = Command::new("redis-server");
        command.args([
            "--port",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--requirepass",
            FIRST,
        ]);
        command.current_dir(directory.path()).stdout(Stdio::null());
        let redis = Self { server: command.spawn().unwrap(), port, _directory: directory };
        until("Redis", || redis.knows(FIRST).then_some(()));
        redis
    }

    fn ask(&self, password: &str, what: &str) -> String {
        let mut command = Command::new("redis-cli");
        command.args(["--no-auth-warning", "-p", &self.port.to_string()]).env("REDISCLI_AUTH", password);
        let mut command =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        command.stdin.take().unwrap().write_all(what.as_bytes()).unwrap();
        String::from_utf8(command.wait_with_output().unwrap().stdout).unwrap()
    }

    fn knows(&self, password: &str) -> bool {
        self.ask(password, "PING").trim() == "PONG"
    }

    /// How many passwords there are.
    fn passwords(&self, password: &str) -> usize {
        let hashes = self.ask(password, "ACL GETUSER default");
        let is_hash = |line: &&str| line.len() == 64 && line.bytes().all(|byte| byte.is_ascii_hexdigit());
        hashes.lines().map(str::trim).filter(is_hash).count()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _gone = self.server.kill();
        let _gone = self.server.wait();
    }
}

/// Where the value is kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kept {
    DotEnv,
    Sealed,
}

/// An application that signs in to Redis for every request; its worker sees nothing of it.
fn manifest(redis: &Redis, worker: Option<String>) -> Manifest {
    let told = r#"REDISCLI_AUTH="$REDIS_PASSWORD" redis-cli -p "$REDIS_PORT""#;
    let late = serde_json::to_string(&format!("sleep 3; echo PING | {told}")).unwrap();
    Manifest {
        top: format!(
            "[settings]\nREDIS_PORT = {{ default = \"{}\" }}\nSIGN_IN = {{ default = \"1\", services = [\"web\"] }}\n\
             [settings.REDIS_PASSWORD]\nsecret = true\nservices = [\"web\", \"late\"]\n\
             rotate = {{ create = [\"sh\", \"rotate.sh\", \"create\"], verify = [\"sh\", \"rotate.sh\", \"verify\"], \
             revoke = [\"sh\", \"rotate.sh\", \"revoke\"], timeout = \"20s\" }}\n",
            redis.port
        ),
        deploy: "bake = \"50ms\"\nsmoke = [{ service = \"web\", path = \"/version\" }]".into(),
        more: format!("[jobs.late]\ncommand = [\"sh\", \"-c\", {late}]\nwhen = \"manual\"\n"),
        worker,
        scheduler: None,
        migrate: None,
        ..Manifest::default()
    }
}

pub(super) struct Place {
    redis: Redis,
    pub(super) sandbox: Sandbox,
    kept: Kept,
}

impl Place {
    fn new(kept: Kept) -> Self {
        Self::with(kept, Some(String::new()))
    }

    pub(super) fn with(kept: Kept, worker: Option<String>) -> Self {
        let redis = Redis::new();
        let mut sandbox = Sandbox::with(WINDLASS, &manifest(&redis, worker));
        sandbox.write("rotate.sh", SCRIPT);
        let home = sandbox.root().join("person");
        std::fs::create_dir(&home).unwrap();
        sandbox.set("HOME", home.to_str().unwrap());
        let place = Self { redis, sandbox, kept };
        match kept {
            Kept::DotEnv => {
                place
                    .sandbox
                    .write(".env", &format!("# kept\nREDIS_PASSWORD={FIRST}  # why\nOTHER=\"a b\"\n"));
                let mode = std::fs::Permissions::from_mode(0o600);
                std::fs::set_permissions(place.sandbox.source().join(".env"), mode).unwrap();
            }
            Kept::Sealed => {
                place.sandbox.succeed(&["secrets", "init"]);
                place.give(&["secrets", "set", "REDIS_PASSWORD"], FIRST);
            }
        }
        place.sandbox.succeed(&["deploy"]);
        place
    }

    fn give(&self, args: &[&str], value: &str) {
        let mut command =
            self.sandbox.command(args).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        command.stdin.take().unwrap().write_all(value.as_bytes()).unwrap();
        assert!(command.wait().unwrap().success(), "{args:?}\n{}", self.sandbox.logs());
    }

    /// The value in the file.
    pub(super) fn value(&self) -> String {
        match self.kept {
            Kept::DotEnv => {
                let text = std::fs::read_to_string(self.sandbox.source().join(".env")).unwrap();
                let read = dotenv::parse(".env", &text, &|_| None, &|_| None);
                let entry = read.entries.into_iter().find(|entry| entry.name == "REDIS_PASSWORD");
                entry.unwrap().value.expose().to_owned()
            }
            Kept::Sealed => self.sandbox.succeed(&["secrets", "get", "REDIS_PASSWORD"]).stdout,
        }
    }

    /// One value holds: in the file, at the source, which knows no other, and in what runs.
    pub(super) fn one_holds(&self, context: &str) -> String {
        let (sandbox, value) = (&self.sandbox, self.value());
        let logs = || sandbox.logs();
        assert!(self.redis.knows(&value), "{context}: the file has what Redis does not know\n{}", logs());
        assert_eq!(self.redis.passwords(&value), 1, "{context}\n{}", logs());
        let told = format!("REDIS_PASSWORD={value}");
        for process in sandbox.running("web") {
            assert!(process.env.contains(&told), "{context}: {process:?}");
        }
        assert_eq!(sandbox.get("/version").status, 200, "{context}\n{}", logs());
        let state = sandbox.environment().join("state");
        for place in ["rotating", "unrevoked"] {
            let left = std::fs::read_dir(state.join(place)).into_iter().flatten().count();
            assert_eq!(left, 0, "{context}: something is left in {place}");
        }
        match self.kept {
            Kept::DotEnv => {
                let file = sandbox.source().join(".env");
                let text = std::fs::read_to_string(&file).unwrap();
                assert!(
                    text.starts_with("# kept\n") && text.ends_with("\nOTHER=\"a b\"\n"),
                    "{context}: {text}"
                );
                assert_eq!(
                    std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
                    0o600,
                    "{context}"
                );
            }
            Kept::Sealed => {
                let listed = sandbox.succeed(&["secrets", "list", "--json"]).json();
                assert!(listed["values"][0]["pending"].is_null(), "{context}: {listed}");
            }
        }
        value
    }

    /// Where the value is kept, in words.
    pub(super) fn kept(&self) -> String {
        format!("{:?}", self.kept)
    }

    /// Has Redis know this password and no other, as whoever administers it would.
    pub(super) fn forget_others(&self, password: &str) {
        let _ok = self.redis.ask(password, &format!("ACL SETUSER default resetpass >{password}"));
    }

    pub(super) fn pids(&self, service: &str) -> Vec<i32> {
        self.sandbox.running(service).iter().map(|process| process.pid).collect()
    }

    /// A rotation of which nobody hears the end: whoever asks is told, until a deploy settles it. Answers what was said.
    fn told_while_it_is_open(&self) -> Vec<Output> {
        let sandbox = &self.sandbox;
        let rotation = sandbox.start(&ROTATE);
        until("the run", || (!sandbox.status()["run"].is_null()).then_some(()));
        rotation.signal(Signal::KILL);
        let mut said = vec![rotation.finish()];
        until("its end", || sandbox.status()["run"].is_null().then_some(()));
        let file = match self.kept {
            Kept::DotEnv => ".env",
            Kept::Sealed => "secrets.local.enc",
        };
        let told =
            format!("REDIS_PASSWORD was interrupted, or is under way: {file} may have its old value still");
        for args in [
            &["config", "explain", "REDIS_PASSWORD"][..],
            &["config", "check"],
            &["config", "check", "--json"],
            &["config"],
            &["status"],
            &["status", "--json"],
        ] {
            let output = sandbox.succeed(args);
            assert!(output.all().contains(&told), "{args:?}: {output:?}");
            assert!(output.all().contains("windlass deploy"), "{args:?}: {output:?}");
            said.push(output);
        }
        let explained = sandbox.succeed(&["config", "explain", "REDIS_PASSWORD", "--json"]).json();
        assert_eq!(explained["rotating"], true, "{explained}");
        said.push(sandbox.succeed(&["deploy"]));
        let output = sandbox.succeed(&["status"]);
        assert!(!output.all().contains("a rotation of"), "{output:?}");
        said
    }

    /// Whether a value stands anywhere but where it belongs.
    fn leaks(&self, line: &Running, values: &[String], said: &[Output]) {
        let wanted: Vec<_> = values.iter().map(|value| ("of the setting", value.as_str())).collect();
        let wanted = Wanted::new(&wanted);
        for output in said {
            let found = wanted.found(output.all().as_bytes());
            line.holds(Invariant::I9, found.is_none(), || format!("a value was printed: {output:?}"));
        }
        let logs = self.sandbox.run(&["logs", "-n", "1000", "r2.REDIS_PASSWORD.create"]);
        assert!(logs.stdout.contains("create: from *** to ***"), "{logs:?}");
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

pub(super) const ROTATE: [&str; 3] = ["secrets", "rotate", "REDIS_PASSWORD"];

// proves: HS-19
#[test]
fn a_setting_is_exchanged_at_its_source_without_losing_a_request() {
    let line = line("a_setting_is_exchanged_at_its_source_without_losing_a_request");
    for kept in [Kept::DotEnv, Kept::Sealed] {
        let place = Place::new(kept);
        let sandbox = &place.sandbox;
        let worker = place.pids("worker");
        let watch = line.watch_at_pace(sandbox, Duration::from_millis(50));
        // What began before works with what it was given until it ends.
        let late = sandbox.start(&["run", "late"]);
        until("the job to run", || {
            sandbox.processes().iter().any(|process| process.is("sleep", "3")).then_some(())
        });
        let mut said = vec![sandbox.succeed(&ROTATE)];
        let late = late.finish();
        assert!(late.code == 0 && late.stdout.contains("PONG"), "{late:?}");
        let second = place.one_holds("rotated");
        assert_eq!((second.len(), place.redis.knows(FIRST)), (32, false));
        assert_eq!(place.pids("worker"), worker, "it sees nothing of it");
        said.push(sandbox.succeed(&[ROTATE.as_slice(), &["--json"]].concat()));
        watch.end_without_loss();
        let third = place.one_holds("rotated again");
        assert_ne!(second, third);

        // Neither a deploy nor going back brings an old one back.
        let nothing = sandbox.succeed(&["deploy"]);
        assert!(nothing.stdout.contains("Nothing to do"), "{nothing:?}");
        said.push(sandbox.succeed(&["rollback", "r1", "--yes"]));
        assert_eq!(place.one_holds("rolled back"), third);
        // Nor does a file from before, of whatever kind.
        let file = sandbox.source().join(".env");
        let now = std::fs::read_to_string(&file).ok();
        sandbox.write(".env", &format!("REDIS_PASSWORD={second}\n"));
        let refused = sandbox.fail(&["deploy"], 2);
        assert!(
            refused.stderr.contains("the value of REDIS_PASSWORD was replaced by a rotation"),
            "{refused:?}"
        );
        match now {
            Some(text) => std::fs::write(&file, text).unwrap(),
            None => std::fs::remove_file(&file).unwrap(),
        }
        said.push(refused);
        sandbox.change();
        said.push(sandbox.succeed(&["plan", "--out", "../plan"]));
        said.push(sandbox.succeed(&["apply", "../plan"]));
        assert_eq!(place.one_holds("applied"), third);

        place.give(&[ROTATE.as_slice(), &["--value-from-stdin"]].concat(), "A-value/that?a=console&made");
        let fourth = place.one_holds("given");
        assert_eq!(fourth, "A-value/that?a=console&made");
        said.push(sandbox.succeed(&["config"]));
        said.extend(place.told_while_it_is_open());
        place.one_holds("settled");
        place.leaks(&line, &[FIRST.to_owned(), second, third, fourth], &said);
        place.sandbox.down();
    }
    line.held("Redis told by the setting's own commands, .env and the encrypted file: 0 failed requests");
}

// proves: HS-19
#[test]
fn a_rotation_of_a_setting_that_fails_leaves_the_old_value() {
    let line = line("a_rotation_of_a_setting_that_fails_leaves_the_old_value");
    for kept in [Kept::DotEnv, Kept::Sealed] {
        let place = Place::new(kept);
        let sandbox = &place.sandbox;
        let web = place.pids("web");
        let tree = sandbox.environment().join("releases/r1");
        let ways: [&[(&str, &str)]; 5] = [
            &[("fail-create", "")],
            &[("fail-verify", "")],
            // The source does not know the new value, and says that it does.
            &[("lie-create", ""), ("lie-verify", "")],
            &[("behaviour", "web.unready")],
            &[("behaviour", "web.crash:20")],
        ];
        for way in ways {
            way.iter().for_each(|(file, text)| std::fs::write(tree.join(file), text).unwrap());
            let watch = line.watch_at_pace(sandbox, Duration::from_millis(50));
            let output = sandbox.fail(&ROTATE, 3);
            watch.end_without_loss();
            let context = format!("{kept:?} {way:?}: {output:?}");
            assert_eq!(place.one_holds(&context), FIRST, "{context}");
            assert_eq!(place.pids("web"), web, "{context}");
            assert!(!output.all().contains(FIRST), "{context}");
            line.is_sound(sandbox, &context);
            way.iter().for_each(|(file, _)| std::fs::remove_file(tree.join(file)).unwrap());
        }
        // What cannot be revoked is revoked by the next run, and told of.
        std::fs::write(tree.join("fail-revoke"), "").unwrap();
        let output = sandbox.fail(&ROTATE, 5);
        assert!(output.all().contains("revoking the value of REDIS_PASSWORD failed"), "{output:?}");
        assert!(place.redis.knows(FIRST) && place.redis.knows(&place.value()));
        let release = sandbox.release();
        let status = sandbox.status();
        assert_eq!(
            status["unrevoked"],
            serde_json::json!([{ "setting": "REDIS_PASSWORD", "release": release }]),
            "{status}"
        );
        let left = format!("the value of REDIS_PASSWORD that {release} left could not be revoked");
        assert!(status["problems"].to_string().contains(&left), "{status}");
        assert!(sandbox.succeed(&["status"]).stdout.contains(&left));
        let listed = sandbox.succeed(&["secrets", "rotate"]).stdout;
        assert!(listed.contains(&format!("; the value that {release} left is good still")), "{listed}");
        std::fs::remove_file(tree.join("fail-revoke")).unwrap();
        let next = sandbox.succeed(&["deploy"]);
        assert!(next.all().contains("revoke the value of REDIS_PASSWORD that r"), "{next:?}");
        assert_ne!(place.one_holds("revoked at last"), FIRST);
        assert_eq!(sandbox.status()["unrevoked"], serde_json::json!([]));
        assert!(!sandbox.succeed(&["secrets", "rotate"]).stdout.contains("good still"));
        place.sandbox.down();
    }
    line.held("6 ways to fail, .env and the encrypted file: the old value alone, the old processes, 0 failed requests");
}

// proves: HS-19
#[test]
fn a_rotation_of_a_setting_that_cannot_be_is_refused() {
    let line = line("a_rotation_of_a_setting_that_cannot_be_is_refused");
    let place = Place::new(Kept::DotEnv);
    let sandbox = &place.sandbox;
    let refused = |args: &[&str], variables: &[(&str, &str)], says: &str| {
        let mut command = sandbox.command(args);
        let output = command.envs(variables.iter().copied()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && said.contains(says), "{args:?}: {said}");
    };
    refused(&ROTATE, &[("REDIS_PASSWORD", FIRST)], "comes from the environment of this command");
    refused(&["secrets", "rotate", "SIGN_IN"], &[], "the manifest does not say how SIGN_IN is rotated");
    refused(&["secrets", "rotate", "NOTHING"], &[], "there is no setting NOTHING");
    refused(&["secrets", "rotate", "db"], &[], "there is no private resource db");
    refused(&[ROTATE.as_slice(), &["--value-from-stdin"]].concat(), &[], "standard input has no value");
    let with = |more: &str| sandbox.write(".env", &format!("REDIS_PASSWORD={FIRST}\n{more}"));
    with("URL=redis://:${REDIS_PASSWORD}@h\n");
    refused(&ROTATE, &[], "URL in .env is put together from REDIS_PASSWORD");
    sandbox.write(".env", "REDIS_PASSWORD=another\n");
    refused(&ROTATE, &[], "REDIS_PASSWORD has another value here than r1 runs with");
    with("");
    let text = std::fs::read_to_string(sandbox.source().join("windlass.toml")).unwrap();
    sandbox.write(
        "windlass.toml",
        &text.replace("secret = true", "secret = true\npattern = '[a-z]{4,6}'\nmax_length = 40"),
    );
    refused(&ROTATE, &[], "what REDIS_PASSWORD must be: its value does not match its pattern");
    sandbox.write(
        "windlass.toml",
        &text.replace("[settings]", "[settings]\nLATER = { secret = true, rotate = \"generate\" }"),
    );
    with("LATER=something-or-other\n");
    refused(&["secrets", "rotate", "LATER"], &[], "the active release does not say how LATER is rotated");
    sandbox.write("windlass.toml", &text);
    with("");
    assert!(place.redis.knows(FIRST) && place.redis.passwords(FIRST) == 1);
    assert_eq!(sandbox.release(), "r1");
    line.is_sound(sandbox, "refused");
    place.sandbox.down();
    line.held("9 ways to mean nothing: refused with what to do, nothing changed");
}

/// Every step of a rotation's plan; and every place beside a write that must outlive a power cut, of the
/// command line, the host side and the proxy, or a sample of them; each in one way or in every way.
fn cases(kept: Kept) -> [Vec<Case>; 2] {
    let place = Place::with(kept, None);
    let of_steps = of_steps(&place.sandbox, &ROTATE, |_| true);
    let writes = place.sandbox.writes_of(|| drop(place.sandbox.succeed(&ROTATE)));
    assert!(writes > 10, "only {writes} writes");
    place.sandbox.down();
    // The strides have no common factor with the places of a step or with the ways.
    let (every, of_writes) = match (exhaustive(), kept) {
        (true, _) => (1, 1),
        (false, Kept::DotEnv) => (1, 7),
        (false, Kept::Sealed) => (5, 7),
    };
    let writes = (1..=writes).skip(chance(of_writes)).step_by(of_writes);
    let writes = writes.map(|write| format!("write:{write}"));
    [in_ways(of_steps.into_iter().step_by(every).collect()), in_ways(writes.collect())]
}

// proves: HS-19
#[test]
fn whatever_dies_in_the_rotation_of_a_setting_one_value_holds() {
    let line = line("whatever_dies_in_the_rotation_of_a_setting_one_value_holds");
    let mut all = Vec::new();
    for kept in [Kept::DotEnv, Kept::Sealed] {
        for cases in cases(kept) {
            all.extend(cases.chunks(PER_SANDBOX).map(|chunk| (kept, chunk.to_vec())).collect::<Vec<_>>());
        }
    }
    let chunks = Mutex::new(all.into_iter());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some((kept, chunk)) = chunks.lock().unwrap().next() else { return };
                    let place = Place::with(kept, None);
                    // A proxy that dies in a write takes the requests with it that it has begun with.
                    let serves = chunk.iter().all(|(at, _)| !at.starts_with("write:"));
                    let watch =
                        serves.then(|| line.watch_at_pace(&place.sandbox, Duration::from_millis(100)));
                    for (at, verb) in chunk {
                        let context = format!("{kept:?}: {at}, then {verb:?}");
                        crash(&place.sandbox, &ROTATE, &at, verb, &context);
                        let status = place.sandbox.status();
                        assert!(status["run"].is_null(), "{context}: a run is left: {status}");
                        // The deploy may have made a release of what ran already.
                        assert_eq!(place.pids("web").len(), 2, "{context}: {}", place.sandbox.logs());
                        place.one_holds(&context);
                        line.is_sound(&place.sandbox, &context);
                    }
                    if let Some(watch) = watch {
                        watch.end_without_loss();
                    }
                    place.sandbox.down();
                }
            });
        }
    });
    line.held("at each step 0 failed requests; one value holds at the source, in the file and in what runs");
}
