//! Secrets of every source, every verb, and a search through all that is left of it.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use windlass_testkit::sandbox::score::Invariant;
use windlass_testkit::sandbox::{Manifest, Process, Sandbox};

use super::exec_trace::ExecTrace;
use super::forms::Wanted;
use super::{WINDLASS, line};

/// What is planted: each with what shells, JSON and URLs write otherwise.
const FROM_ENVIRONMENT: &str = "canary-env 4f\"1b$7e'&+/=91\\x";
const FROM_DOTENV: &str = "canary-dot ü8c\"2d$5a'&+/=37\\y";
const SEALED: &str = "canary-seal 2a\"7f$4c'&+/=68\\w";
const IN_A_STORE: &str = "canary-store 9d\"6a$1f'&+/=84\\v";
const IN_A_FILE: &str = "canary-file 6b\"9e$3c'&+/=52\\z";
const ROTATED: &str = "canary-rot 7d\"1a$8f'&+/=23\\t";
/// What another line of `.env` is made of, which is declared as no secret.
const WITHIN_A_LINE: &str = "canary-part 3f\"8c$2b'&+/=47\\u";
/// What programs name of a value by itself: a text of a document, an item of a list, what stands between blanks.
const IN_A_DOCUMENT: &str = "canary-doc 5e\"9b$3f&+/=14\\k";
const IN_A_LIST: &str = "canary-item 8a\"2d$6c'&+/=59\\j";
const BETWEEN_BLANKS: &str = "canary-blank-7c4e\"1f$9a&+/=38";
/// A setting of its own: the others are in paths by their other forms.
const OF_THE_PATH: &str = "canary-path-9d3b5f7a21";
/// What Windlass itself signs in with.
const OF_THE_PROXY: &str = "canary-proxy-6e1d8b3f52";
const VAULT_TOKEN: &str = "canary-vault-4b7f1c9e63";
/// Nobody listens there.
const WEBHOOK: &str = "http://127.0.0.1:9/canary-hook-3e9b0c7d/41a6";
/// In a compose file, once as a value and once in a URL.
const COMPOSED: &str = "canary-comp 8e\"3b'&+/=19\\s";
const COMPOSED_URL: &str = "canary-url-5c2d7a1f";
const IMPORTED: &str = "canary-json 1b\"6f$8d'&+/=52\\r";
const EDITED: &str = "canary-edit 9c\"4a$2e\u{e9}&+/=83\\q";
const MERGED: &str = "canary-merge 6d\"1c$7f'&+/=34\\p";
/// What a deploy refuses: of another type than is declared, and one that everybody tries.
const MISTYPED: &str = "canary-type 3a\"9d$5b'&+/=65\\o";
const WEAK: &str = "changeme-canary-weak 2f\"8b$4c'&+/=96\\n";
const NEW_PASSPHRASE: &str = "canary-glass 7e\"2a$6d'&+/=27\\m";
const PASSPHRASE: &str = "canary-pass 5a\"3d$9b'&+/=76\\u";

/// Stands for a public key in a call.
const BOB: &str = "(the key of bob)";

/// What has no call that ends well: there is nothing to take up, and the end comes last.
const FAILING: [&str; 4] = ["abort", "resume", "down", "no-such-verb"];

/// Every verb, as it is called here, and how it may end. What has verbs below it lists those.
const CALLS: &[(&str, &[&str])] = &[
    ("init", &["init", "../elsewhere"]),
    ("import", &["import", "compose", "no-such-file.yaml"]),
    ("import", &["import", "compose", "../composed/compose.yaml"]),
    ("import", &["import", "compose", "../composed/compose.yaml", "--stdout"]),
    ("check", &["check"]),
    ("check", &["check", "--json"]),
    ("plan", &["plan", "--out", "../plan.json"]),
    ("apply", &["apply", "../plan.json"]),
    ("plan", &["plan", "--json"]),
    ("apply", &["apply", "no-such-plan"]),
    ("deploy", &["deploy"]),
    ("deploy", &["deploy", "--json"]),
    // Refused for a value that is not of its type, and for one that can be guessed.
    ("deploy", &["deploy", "--env", "production"]),
    ("deploy", &["deploy", "--env", "production", "--json"]),
    ("check", &["check", "--env", "production"]),
    ("config check", &["config", "check", "--env", "production"]),
    ("config explain", &["config", "explain", "MISTYPED", "--env", "production"]),
    ("config list", &["config", "list", "--env", "production", "--json"]),
    // Its store is asked with a token, and does not answer.
    ("config list", &["config", "list", "--env", "closed"]),
    ("rollback", &["rollback", "--yes"]),
    ("rollback", &["rollback", "r99"]),
    ("restart", &["restart", "web"]),
    ("stop", &["stop", "talker"]),
    ("restart", &["restart", "talker"]),
    ("scale", &["scale", "web=1"]),
    ("scale", &["scale", "web=many"]),
    ("resume", &["resume"]),
    ("abort", &["abort"]),
    ("status", &["status", "--json"]),
    ("status", &["status"]),
    ("releases", &["releases", "--json"]),
    ("runs", &["runs", "--json"]),
    ("logs", &["logs", "-n", "1000"]),
    ("logs", &["logs", "--json", "talker"]),
    ("logs", &["logs", "-n", "1000", "access"]),
    ("run", &["run", "tell"]),
    ("run", &["run", "fail"]),
    ("run", &["run", "--", "sh", "-c", "printf '%s\\n' \"$TOKEN\" \"$DOT\" \"$PGPASSWORD\" >&2; exit 3"]),
    ("run", &["run", "--json", "nothing"]),
    ("config list", &["config", "list"]),
    ("config list", &["config", "--json"]),
    (
        "run",
        &[
            "run",
            "--",
            "sh",
            "-c",
            "printf '%s\\n' \"$DSN_LINE\" \"${DSN_LINE#*=}\" >&2; printf %s \"$DSN_LINE\" | base64",
        ],
    ),
    ("config explain", &["config", "explain", "DOT"]),
    ("config explain", &["config", "explain", "DSN_LINE"]),
    ("config explain", &["config", "explain", "ADDRESS", "--json"]),
    ("config template", &["config", "template"]),
    ("config diff", &["config", "diff", "local", "production"]),
    ("config check", &["config", "check", "--strict"]),
    ("config check", &["config", "check"]),
    ("secrets init", &["secrets", "init"]),
    ("secrets set", &["secrets", "set", "OTHER", "--generate"]),
    ("secrets list", &["secrets", "list"]),
    ("secrets list", &["secrets", "list", "--json"]),
    ("secrets get", &["secrets", "get", "SEALED"]),
    ("secrets get", &["secrets", "get", "NOTHING"]),
    ("secrets edit", &["secrets", "edit"]),
    ("secrets unset", &["secrets", "unset", "OTHER"]),
    ("secrets rekey", &["secrets", "rekey"]),
    ("secrets recipients list", &["secrets", "recipients", "list"]),
    ("secrets recipients add", &["secrets", "recipients", "add", "bob", "no-key"]),
    ("secrets recipients add", &["secrets", "recipients", "add", "bob", BOB]),
    ("secrets recipients add", &["secrets", "recipients", "add", "glass", "--passphrase"]),
    ("secrets audit", &["secrets", "audit", "--json"]),
    ("secrets recipients remove", &["secrets", "recipients", "remove", "bob"]),
    ("secrets recipients remove", &["secrets", "recipients", "remove", "nobody"]),
    ("secrets import", &["secrets", "import", ".env"]),
    ("secrets import", &["secrets", "import", "--from", "json", ".env"]),
    ("secrets import", &["secrets", "import", "--from", "json", "../imported.json"]),
    ("secrets export", &["secrets", "export", "--yes", "--format", "sh"]),
    ("secrets export", &["secrets", "export", "--yes"]),
    ("secrets repair", &["secrets", "repair"]),
    ("secrets merge", &["secrets", "merge", "no", "such", "files"]),
    ("secrets merge", &["secrets", "merge", "../base.enc", "../ours.enc", "../theirs.enc"]),
    ("secrets keygen", &["secrets", "keygen", "../other.key"]),
    ("secrets audit", &["secrets", "audit"]),
    ("secrets rotate", &["secrets", "rotate", "db"]),
    ("secrets rotate", &["secrets", "rotate", "cache", "--json"]),
    ("secrets rotate", &["secrets", "rotate", "TOKEN"]),
    ("secrets rotate", &["secrets", "rotate", "ROTATED"]),
    ("secrets rotate", &["secrets", "rotate", "ROTATED", "--json"]),
    ("logs", &["logs", "-n", "1000"]),
    ("deploy", &["deploy", "--no-color"]),
    ("host enable", &["host", "enable", "--file", "no-such-manifest"]),
    ("host enable", &["host", "enable"]),
    ("host status", &["host", "status"]),
    ("host disable", &["host", "disable", "--file", "no-such-manifest"]),
    ("host disable", &["host", "disable"]),
    ("schema", &["schema"]),
    ("completion", &["completion", "bash"]),
    ("help", &["help"]),
    ("down", &["down", "--no-such-option"]),
    ("no-such-verb", &["no-such-verb"]),
];

fn manifest() -> Manifest {
    // It prints what it knows, as applications do.
    let print = "printf '%s\\n' \"$TOKEN\" \"$DOT\" \"$SEALED\" \"$STORED\" \"$PGPASSWORD\" \"$DSN_LINE\"; printf %s \"$DOT\" | base64; \
                 python3 -c 'import json,os; d=os.environ[\"DOT\"]; j=json.dumps(d); \
                 print(json.loads(os.environ[\"ACCOUNT\"])[\"private_key\"]); print(os.environ[\"KEYS\"].split(\",\")[1].strip()); \
                 print(os.environ[\"SPACED\"].strip()); \
                 print(j, j.replace(\"/\",\"\\\\/\"), j.replace(\"&\",\"\\\\u0026\"), d.encode().hex(), repr(d))'";
    let quoted = |line: &str| serde_json::to_string(line).unwrap();
    let talk = quoted(&format!("cat \"$KEPT_FILE\"; while :; do {print}; sleep 1; done"));
    let fail = quoted(&format!("{print} >&2; exit 1"));
    let print = quoted(print);
    let settings = "[settings]\nTOKEN = { secret = true }\nDOT = { secret = true }\n\
                    SEALED = { secret = true }\nSTORED = { secret = true, from = \"shelf:stored\" }\nKEPT = { secret = true, file = true }\n\
                    ROTATED = { secret = true, rotate = \"generate\", services = [\"talker\"] }\nPW = { secret = true, services = [] }\nDSN_LINE = {}\n\
                    ACCOUNT = { type = \"json\", secret = true }\nKEYS = { type = \"list\", secret = true }\nSPACED = { secret = true }\nHOOK_KEY = { secret = true }\nHOOK = { secret = true, services = [] }\n\
                    MISTYPED = { type = \"port\", secret = true, required = false }\nWEAK = { secret = true, required = false }\n\
                    ADDRESS = { secret = true, value = \"x://u:{settings.DOT|url}@h/{resources.db.password}\" }\n";
    let seen = "[env]\nTOKEN = \"{settings.TOKEN}\"\nDOT = \"{settings.DOT}\"\nSEALED = \"{settings.SEALED}\"\nSTORED = \"{settings.STORED}\"\nADDRESS = \"{settings.ADDRESS}\"\n\
                PGPASSWORD = \"{resources.db.password}\"\nPGHOST = \"{resources.db.host}\"\n\
                PGPORT = \"{resources.db.port}\"\nPGUSER = \"{resources.db.user}\"\n\
                PGDATABASE = \"{resources.db.database}\"\nREDIS_PORT = \"{resources.cache.port}\"\n\
                REDIS_PASSWORD = \"{resources.cache.password}\"\nKEPT_FILE = \"{settings.KEPT.file}\"\n";
    let more = format!(
        "[build]\nsteps = [[\"sh\", \"-c\", \"echo built; printf '%s\\\\n' \\\"$T\\\"\"]]\n\
         env = {{ T = \"{{settings.TOKEN}}\" }}\n\
         [services.talker]\ncommand = [\"sh\", \"-c\", {talk}]\nsettle = \"100ms\"\nstop = {{ grace = \"1s\" }}\n\
         [jobs.migrate]\ncommand = [\"sh\", \"-c\", {print}]\nwhen = \"before-start\"\n\
         [jobs.tell]\ncommand = [\"sh\", \"-c\", {print}]\nwhen = \"manual\"\n\
         [jobs.fail]\ncommand = [\"sh\", \"-c\", {fail}]\nwhen = \"manual\"\n\
         [notify.hook]\nurl = \"{{settings.HOOK}}\"\non = [\"deployed\", \"failed\", \"rolled-back\"]\n\
         [stores.shelf]\nkind = \"command\"\ncommand = [\"cat\", \"../person/{{path}}\"]\n\
         [resources.db]\nengine = \"postgres\"\n[resources.cache]\nengine = \"redis\"\n[stores.safe]\nkind = \"vault\"\naddress = \"http://127.0.0.1:9\"\n\
         [environments.production]\n[environments.closed]\nsettings.STORED = {{ secret = true, from = \"safe:shop/db#password\" }}\n"
    );
    Manifest {
        top: format!("{settings}{seen}"),
        more,
        worker: None,
        scheduler: None,
        migrate: None,
        ..Manifest::default()
    }
}

/// The password of the proxy that leads out of here. The host side is told of it in its environment, and keeps it for the
/// machine's next start (`host/environment.json`): it sends messages through it.
const PROXYS: &str = "of the machine's proxy";

/// Looks at every process while the verbs run: no secret may be an argument of any, nor stand in the
/// environment of Windlass's own, but for a keeper's, which hands over what its process is given.
struct Watch {
    enough: Arc<AtomicBool>,
    wanted: Arc<Mutex<Wanted>>,
    thread: std::thread::JoinHandle<(u64, BTreeSet<String>)>,
}

impl Watch {
    fn begin() -> Self {
        let enough = Arc::new(AtomicBool::new(false));
        let wanted = Arc::new(Mutex::new(Wanted::new(&[
            ("of the environment", FROM_ENVIRONMENT),
            ("of .env", FROM_DOTENV),
            ("of the encrypted file", SEALED),
            ("of a store", IN_A_STORE),
            ("of a file", IN_A_FILE),
            ("that is rotated", ROTATED),
            ("within a line of .env", WITHIN_A_LINE),
            ("of a webhook", WEBHOOK),
            ("of a document", IN_A_DOCUMENT),
            ("of a list", IN_A_LIST),
            ("of a path", OF_THE_PATH),
            ("between blanks", BETWEEN_BLANKS),
            (PROXYS, OF_THE_PROXY),
            ("of the vault", VAULT_TOKEN),
            ("that is a passphrase", PASSPHRASE),
            ("that is another passphrase", NEW_PASSPHRASE),
            ("of a compose file", COMPOSED),
            ("of a compose file's URL", COMPOSED_URL),
            ("of a JSON file", IMPORTED),
            ("of an editor", EDITED),
            ("that is merged", MERGED),
            ("of the wrong type", MISTYPED),
            ("that can be guessed", WEAK),
        ])));
        let (until, known) = (enough.clone(), wanted.clone());
        let thread = std::thread::spawn(move || {
            let (mut looked, mut seen) = (0, BTreeSet::new());
            while !until.load(Ordering::Relaxed) {
                let known = known.lock().unwrap().clone();
                for entry in std::fs::read_dir("/proc").unwrap().flatten() {
                    let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
                    if line.is_empty() {
                        continue;
                    }
                    looked += 1;
                    let words = String::from_utf8_lossy(&line).replace('\0', " ");
                    if let Some(name) = known.found(&line) {
                        seen.insert(format!("the secret {name} is an argument: {words}"));
                    }
                    let program = words.split(' ').next().unwrap_or_default();
                    let own = program.ends_with("/windlass")
                        && [" host /", " proxy /"].iter().any(|part| words.contains(part));
                    let read = |what: &str| std::fs::read(entry.path().join(what)).unwrap_or_default();
                    // What the host side starts has its arguments until it becomes another program, with an environment
                    // of its own: this one was its only if it has the same arguments still.
                    if own
                        && let Some(name) = known
                            .found_but(&read("environ"), if words.contains(" host /") { PROXYS } else { "" })
                        && read("cmdline") == line
                    {
                        seen.insert(format!("the secret {name} is in the environment of: {words}"));
                    }
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            (looked, seen)
        });
        Self { enough, wanted, thread }
    }

    fn end(self) -> (u64, BTreeSet<String>) {
        self.enough.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// Programs that stand in for a person's editor and, where the machine has no systemd, for its crontab. Answers whether
/// it has.
fn programs(directory: &Path) -> bool {
    std::fs::create_dir(directory).unwrap();
    let edit = format!("#!/bin/sh\ncat >> \"$1\" <<'END'\nEDITED='{EDITED}'\nEND\n");
    let crontab =
        "#!/bin/sh\nif [ \"$1\" = -l ]; then cat \"$HOME/crontab\"; else cat > \"$HOME/crontab\"; fi\n";
    for (name, text) in [("set-one-more", edit.as_str()), ("crontab", crontab)] {
        std::fs::write(directory.join(name), text).unwrap();
        std::fs::set_permissions(directory.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    std::fs::write(directory.with_file_name("crontab"), "").unwrap();
    Path::new("/run/systemd/system").exists()
}

/// The passwords of the resources now: they are made, so nobody could plant them.
fn passwords(sandbox: &Sandbox) -> Vec<String> {
    let mut found = Vec::new();
    for resource in ["db", "cache"] {
        let path = sandbox.environment().join("resources").join(resource).join("identity.json");
        let text = std::fs::read_to_string(path).unwrap();
        // Its second line is a checksum.
        let identity: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        let accounts = identity["accounts"].as_array().unwrap();
        found.extend(accounts.iter().map(|account| account["password"].as_str().unwrap().to_owned()));
        found.push(identity["admin"].as_str().unwrap().to_owned());
    }
    found
}

/// The value of a setting in `.env`, where it is one that was made up.
fn value_of(sandbox: &Sandbox, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(sandbox.source().join(".env")).unwrap();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
    value.bytes().all(|b| b.is_ascii_alphanumeric()).then(|| value.to_owned())
}

/// What lies in memory that is called after Windlass, but for the files of other environments than that of `place`:
/// whoever else runs this test at the same time plants the same.
fn in_memory(place: &Path) -> Vec<PathBuf> {
    let entries = |place| std::fs::read_dir(place).into_iter().flatten().flatten();
    let own = |entry: &std::fs::DirEntry| entry.file_name().to_string_lossy().contains("windlass");
    let found = ["/dev/shm", "/run"].into_iter().flat_map(entries).filter(own).map(|entry| entry.path());
    let all = found.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] });
    let is_anothers = |path: &PathBuf| path.starts_with(place.parent().unwrap()) && !path.starts_with(place);
    all.filter(|path| !is_anothers(path)).collect()
}

/// The verbs that the program itself lists, those below others among them.
fn listed(sandbox: &Sandbox, above: &[&str]) -> BTreeSet<String> {
    let help = sandbox.succeed(&[above, &["--help"]].concat()).stdout;
    let list = help.split("Commands:\n").nth(1).unwrap_or_default();
    let mut verbs = BTreeSet::new();
    // One a line, two spaces before it; what goes on in the next line stands further in.
    let names = list.lines().take_while(|line| !line.is_empty()).filter(|line| !line.starts_with("   "));
    for name in names.filter_map(|line| line.split_whitespace().next()) {
        let path = [above, &[name]].concat();
        let below = if name == "help" { BTreeSet::new() } else { listed(sandbox, &path) };
        if below.is_empty() && (above.is_empty() || name != "help") {
            verbs.insert(path.join(" "));
        }
        verbs.extend(below);
    }
    verbs
}

/// Where a secret may be: files that only their owner reads, whose purpose it is.
fn may_hold(environment: &Path, path: &Path) -> bool {
    let Ok(below) = path.strip_prefix(environment) else { return false };
    let below = below.to_string_lossy();
    let resource = below.starts_with("resources/")
        && (below.ends_with("/identity.json")
            || below.ends_with("/admin.pgpass")
            || below.contains("/config/"));
    // The application's own output, as it came.
    let log = below.starts_with("logs/")
        && ["talker", "migrate", "build", "tell", "fail", "run"]
            .iter()
            .any(|program| below.contains(program));
    // Who asked for what, as it came: the proxy that writes it knows no secrets, so that whoever breaks into it finds none.
    let log = log || below == "logs/access.log" || below == "host/environment.json";
    // What was forgotten, for masking.
    let values = below.starts_with("state/settings/") || below == "state/masked.json";
    values || resource || log
}

fn files(below: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(below).into_iter().flatten().flatten() {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found.extend(files(&entry.path()));
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
    found
}

// proves: HS-19
#[test]
fn no_verb_leaks_a_secret_of_any_source() {
    let line = line("no_verb_leaks_a_secret_of_any_source");
    let mut sandbox = Sandbox::with(WINDLASS, &manifest());
    let watch = Watch::begin();
    std::fs::set_permissions(sandbox.root(), std::fs::Permissions::from_mode(0o711)).unwrap();
    sandbox.set("WINDLASS_LOG", "debug");
    sandbox.set("RUST_BACKTRACE", "full");
    sandbox.set("TOKEN", FROM_ENVIRONMENT);
    sandbox.set("WINDLASS_PASSPHRASE", PASSPHRASE);
    sandbox.set("WINDLASS_NEW_PASSPHRASE", NEW_PASSPHRASE);
    sandbox.set("VAULT_TOKEN", VAULT_TOKEN);
    sandbox.set("HTTPS_PROXY", &format!("http://shop:{OF_THE_PROXY}@127.0.0.1:9"));
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$");
    sandbox.write(
        ".env",
        &format!(
            "DOT=\"{}\"\nKEPT=\"{}\"\nROTATED=\"{}\"\nHOOK={WEBHOOK}\nPW=\"{}\"\n\
             DSN_LINE=\"host=db password=${{PW}}\"\nACCOUNT='{{\"type\": \"account\", \"private_key\": {}}}'\nKEYS=\"true, {}\"\nSPACED=\" {} \"\nHOOK_KEY={OF_THE_PATH}\n",
            quoted(FROM_DOTENV),
            quoted(IN_A_FILE),
            quoted(ROTATED),
            quoted(WITHIN_A_LINE),
            serde_json::to_string(IN_A_DOCUMENT).unwrap(),
            quoted(IN_A_LIST),
            quoted(BETWEEN_BLANKS)
        ),
    );
    sandbox
        .write(".env.production", &format!("MISTYPED=\"{}\"\nWEAK=\"{}\"\n", quoted(MISTYPED), quoted(WEAK)));
    for name in [".env", ".env.production"] {
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(sandbox.source().join(name), private).unwrap();
    }

    // A person with a key, who seals one more.
    let home = sandbox.root().join("person");
    std::fs::create_dir(&home).unwrap();
    sandbox.set("HOME", home.to_str().unwrap());
    let bin = home.join("bin");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    sandbox.set("PATH", &path);
    sandbox.set("EDITOR", "set-one-more");
    let has_systemd = programs(&bin);
    std::fs::write(home.join("stored"), IN_A_STORE).unwrap();
    sandbox.succeed(&["secrets", "init"]);
    let set = |name: &str, value: &str| {
        let mut set = sandbox.command(&["secrets", "set", name]).stdin(Stdio::piped()).spawn().unwrap();
        set.stdin.take().unwrap().write_all(value.as_bytes()).unwrap();
        assert!(set.wait().unwrap().success());
    };
    set("SEALED", SEALED);
    let sealed = sandbox.source().join("secrets.local.enc");
    let kept = |name: &str| {
        std::fs::copy(&sealed, sandbox.root().join(name)).unwrap();
    };
    kept("base.enc");
    set("THEIRS", MERGED);
    kept("theirs.enc");
    std::fs::copy(sandbox.root().join("base.enc"), &sealed).unwrap();
    set("OURS", MERGED);
    kept("ours.enc");
    std::fs::write(
        sandbox.root().join("imported.json"),
        serde_json::json!({ "IMPORTED": IMPORTED }).to_string(),
    )
    .unwrap();
    let composed = sandbox.root().join("composed");
    std::fs::create_dir(&composed).unwrap();
    let yaml = format!(
        "services:\n  web:\n    image: shop\n    command: web\n    environment:\n      API_TOKEN: {}\n      \
         DATABASE_URL: postgres://u:{COMPOSED_URL}@h/d\n",
        serde_json::to_string(COMPOSED).unwrap().replace('$', "$$")
    );
    std::fs::write(composed.join("compose.yaml"), yaml).unwrap();
    let elsewhere = sandbox.root().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    std::fs::write(elsewhere.join("Procfile"), "web: python3 -m http.server $PORT\n").unwrap();
    std::fs::write(elsewhere.join(".env"), format!("API_TOKEN=\"{}\"\n", quoted(COMPOSED))).unwrap();
    let public = sandbox.succeed(&["secrets", "keygen", "../bob.key"]).stdout;
    let public = public.split_whitespace().find(|word| word.starts_with("wlpub1_")).unwrap().to_owned();
    let bob = std::fs::read_to_string(sandbox.root().join("bob.key")).unwrap();
    watch.wanted.lock().unwrap().add("that is Bob's key", bob.lines().last().unwrap());
    let key = std::fs::read_to_string(home.join(".config/windlass/key")).unwrap();
    let key = key.lines().rfind(|line| !line.starts_with('#')).unwrap().to_owned();
    assert!(key.len() > 40);
    watch.wanted.lock().unwrap().add("that is the key", &key);
    sandbox.set("WINDLASS_KEY", &key);

    let called: BTreeSet<&str> = CALLS.iter().map(|(verb, _)| *verb).collect();
    let missing: Vec<String> =
        listed(&sandbox, &[]).into_iter().filter(|verb| !called.contains(verb.as_str())).collect();
    assert!(missing.is_empty(), "add calls of {missing:?} to CALLS");

    let mut said: Vec<(String, String)> = Vec::new();
    let trace = ExecTrace::new();
    let first = trace.call(&sandbox, &["deploy"]);
    assert_eq!(first.code, 0, "{first:?}\n{}", sandbox.logs());
    // What is searched below has the debug log in it.
    for line in [
        " debug client: ask begin",
        " debug client: step 1 begins: ",
        " debug stores: shelf: read stored: answered",
    ] {
        assert!(first.stderr.contains(line), "{line}: {}", first.stderr);
    }
    let log = std::fs::read_to_string(sandbox.environment().join("logs/host.log")).unwrap();
    assert!(log.contains(" debug host: ask begin") && log.contains(" debug host: step 1 begins: "), "{log}");
    said.push(("deploy".to_owned(), first.all()));
    assert_eq!(sandbox.get("/env?TOKEN").body, FROM_ENVIRONMENT);
    assert_eq!(sandbox.get("/env?DOT").body, FROM_DOTENV);
    assert_eq!(sandbox.get("/env?SEALED").body, SEALED);
    assert_eq!(sandbox.get("/env?STORED").body, IN_A_STORE);
    assert_eq!(sandbox.get("/env?DSN_LINE").body, format!("host=db password={WITHIN_A_LINE}"));
    // What whoever calls writes into a path is in the log of requests.
    assert!(sandbox.get(&format!("/hook/{OF_THE_PATH}")).status < 500);
    let kept = PathBuf::from(sandbox.get("/env?KEPT_FILE").body);
    assert_eq!(std::fs::read_to_string(&kept).unwrap(), IN_A_FILE);
    let mut made: BTreeSet<String> = passwords(&sandbox).into_iter().collect();
    let look_for = |made: &BTreeSet<String>| {
        let mut wanted = watch.wanted.lock().unwrap();
        made.iter().for_each(|password| wanted.add("of a resource", password));
    };
    look_for(&made);

    let (mut codes, mut succeeded, mut rotated) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for (number, (verb, args)) in CALLS.iter().enumerate() {
        if matches!(*verb, "plan" | "deploy") {
            sandbox.change();
        }
        if has_systemd && verb.starts_with("host ") && args.len() == 2 {
            continue;
        }
        let args: Vec<&str> =
            args.iter().map(|word| if *word == BOB { public.as_str() } else { *word }).collect();
        let output = trace.call(&sandbox, &args);
        assert!(!output.all().contains("panicked"), "{verb}: {output:?}");
        if output.code == 0 {
            succeeded.insert(*verb);
        }
        if args.contains(&"production") && *verb == "deploy" {
            let refused = ["MISTYPED: ", "WEAK: "].iter().all(|name| output.all().contains(name));
            assert!(refused && output.code == 2, "{output:?}");
        }
        codes.insert(output.code);
        // These are asked for a value, and answer with it.
        if !matches!(*verb, "secrets get" | "secrets export") {
            said.push((format!("{number}: {}", args.join(" ")), output.all()));
        }
        made.extend(passwords(&sandbox));
        rotated.extend(value_of(&sandbox, "ROTATED"));
    }
    let skipped = |verb: &&&str| !(has_systemd && verb.starts_with("host "));
    let failing: Vec<_> =
        called.difference(&succeeded).filter(|verb| !FAILING.contains(*verb)).filter(skipped).collect();
    assert!(failing.is_empty(), "no call of these went well: {failing:?}\n{said:#?}");
    assert!(rotated.len() >= 2, "what is rotated got other values");
    // A job has no terminal, also where whoever runs it has one; what is typed has it, and is asked for no secret here.
    for (call, says) in
        [("run tell", "***"), ("run -- sh -c 'test -t 0 && test -t 1 && echo has one'", "has one")]
    {
        let call = format!("{WINDLASS} {call}");
        let mut terminal = sandbox
            .command_of(Path::new("script"), &["--quiet", "--return", "--command", &call, "/dev/null"]);
        let output = terminal.output().unwrap();
        let shown = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && shown.contains(says), "{call}: {shown}");
        said.push((format!("{call} at a terminal"), shown));
    }
    // Failures, before and after anything has changed; and a host side that dies in the middle.
    for how in ["web.crash:20", "web.wrong"] {
        sandbox.behave(how);
        let output = trace.call(&sandbox, &["deploy", "--json"]);
        said.push((format!("deploy of {how}"), output.all()));
    }
    sandbox.behave("");
    for place in ["after-act:7", "panic after-act:7"] {
        sandbox.change();
        sandbox.die_at(place);
        said.push((format!("deploy with a crash {place}"), trace.call(&sandbox, &["deploy"]).all()));
        assert!(sandbox.died(), "it was not reached");
    }
    let log = std::fs::read_to_string(sandbox.environment().join("logs/host.log")).unwrap();
    assert!(log.contains("the place after-act:7 was reached"), "it did not panic");
    said.push(("status".to_owned(), trace.call(&sandbox, &["status"]).all()));
    said.push(("logs".to_owned(), trace.call(&sandbox, &["logs", "-n", "1000"]).all()));
    look_for(&made);
    rotated.iter().for_each(|value| watch.wanted.lock().unwrap().add("that is rotated", value));
    assert!(codes.contains(&0) && codes.contains(&2), "{codes:?}");

    let wanted = watch.wanted.lock().unwrap().clone();
    for (call, text) in &said {
        let found = wanted.found(text.as_bytes());
        line.holds(Invariant::I9, found.is_none(), || format!("{found:?} was printed by {call}:\n{text}"));
    }
    let masked = said.iter().filter(|(_, text)| text.contains("***")).count();
    assert!(masked >= 4, "what prints secrets was shown, masked: {masked}");
    let environment = sandbox.environment();
    let (root, source) = (sandbox.root(), sandbox.source());
    // Where the values came from.
    let is_source = |path: &Path| {
        path == source.join(".env")
            || path == source.join(".env.production")
            || path.starts_with(&home)
            || ["other.key", "bob.key", "imported.json", "composed/compose.yaml", "elsewhere/.env"]
                .iter()
                .any(|name| path == root.join(name))
    };
    // Where the files of settings are, of all releases.
    let place = kept.ancestors().nth(3).unwrap().to_owned();
    let (mut looked, mut kept_in) = (0, BTreeSet::new());
    let mut all = files(&sandbox.root());
    all.push(kept.clone());
    all.extend(in_memory(&place));
    for path in all {
        let Ok(bytes) = std::fs::read(&path) else { continue };
        looked += 1;
        let Some(name) = wanted.found(&bytes).filter(|_| !is_source(&path)) else { continue };
        let belongs = may_hold(&environment, &path) || path.starts_with(&place);
        line.holds(Invariant::I9, belongs, || format!("the secret {name} is in {}", path.display()));
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode & 0o077, 0, "{} is {mode:o}", path.display());
        kept_in.insert(path);
    }
    for place in ["logs/access.log", "host/environment.json"] {
        assert!(kept_in.contains(&environment.join(place)), "{place} may hold what it does not");
    }
    assert!(looked > 40 && kept_in.len() > 4, "{looked} files, secrets in {kept_in:?}");
    let is_ours = |process: &&Process| process.argv.first().is_some_and(|word| word.ends_with("/windlass"));
    for process in sandbox.processes().iter().filter(is_ours) {
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", process.pid)).unwrap_or_default();
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap_or_default();
        // One byte, which also keeps the kernel from handing a dump to a program; none where that much is not allowed.
        let none = |limit: Option<&str>| matches!(limit, Some("0" | "1"));
        assert!(core.is_empty() || none(core.split_whitespace().nth(4)), "{process:?}: {core}");
    }
    let down = sandbox.succeed(&["down", "--delete-data", "--yes"]);
    assert!(wanted.found(down.all().as_bytes()).is_none(), "{down:?}");
    assert!(!kept.exists(), "{} is left", kept.display());
    for path in files(&root).into_iter().chain(in_memory(&place)) {
        let Some(name) = std::fs::read(&path).ok().and_then(|bytes| wanted.found(&bytes).map(str::to_owned))
        else {
            continue;
        };
        assert!(is_source(&path), "after the end the secret {name} is in {}", path.display());
    }
    sandbox.until_nothing_runs();
    assert!(!environment.exists(), "{} is left", environment.display());
    let (looked, seen) = watch.end();
    line.holds(Invariant::I9, looked > 1000 && seen.is_empty(), || format!("{seen:#?}"));
    // And every program that any of it has started.
    let started = trace.started();
    for words in &started {
        let name = wanted.found(words);
        assert!(name.is_none(), "the secret {name:?} is an argument: {}", String::from_utf8_lossy(words));
    }
    let is_seen = |words: &str| started.iter().any(|found| String::from_utf8_lossy(found).contains(words));
    for words in [" keeper ", "cat ../person/stored", "set-one-more", "postgres", "redis"] {
        assert!(!trace.works() || is_seen(words), "the trace has not seen {words:?}");
    }
    line.held("every verb there is, failing ones among them, secrets of ten sources in all forms, before and after the end: only where they belong");
}
