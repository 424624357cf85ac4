//! What stands in a manifest is text: it comes to where it belongs as it is, and nothing runs it.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use indexmap::IndexMap;
use windlass_core::manifest;
use windlass_core::plan::{Observed, Request, Source, Wanted, plan};
use windlass_core::resolve::resolve;
use windlass_testkit::sandbox::{Manifest, Sandbox, until};

use super::{WINDLASS, exhaustive, line, places};

/// What a shell, a format or a parser might take for more than text. What runs it makes a file `canary` where it works.
const TEXTS: [&str; 17] = [
    "; touch canary ;",
    "$(touch canary)",
    "`touch canary`",
    "| touch canary",
    "& touch canary &",
    "\ntouch canary\n",
    "' ; touch canary ; '",
    "\" ; touch canary ; \"",
    "x' || touch canary #",
    "-oProxyCommand=touch canary",
    "--upload-pack=touch canary",
    "../../../etc/passwd",
    "%i %n %s",
    "${PATH} *",
    "{{x}}",
    "\\ \u{202e}\u{7f}é",
    "-canary",
];

/// The same where it has to be a name of a file or a value of a header, and where it is part of an address.
const NAME: &str = "$(touch canary);`touch canary`|touch canary&canary";
const PATH: &str = "$(touch${IFS}canary);'canary'|&canary";

/// Keeps its words behind the first, and `$HERE`, in a file of that name; the service then stays.
const RECORD: &str = "#!/bin/sh
name=$1; shift
printf '%s\\0' \"$@\" \"$HERE\" >\"${WINDLASS_SHARED:-.}/$name.$$\"
mv \"${WINDLASS_SHARED:-.}/$name.$$\" \"${WINDLASS_SHARED:-.}/$name\"
echo 1
[ \"$name\" != service ] || exec sleep 1000
";

/// Every place where text is free; capital words stand for the texts.
const MANIFEST: &str = r#"
[app]
name = "fixture"

[env]
COMMON = TEXT

[settings]
DEFAULT = { default = TEXT, help = TEXT, category = TEXT }
ONE_OF = { type = "enum", values = [TEXT], default = TEXT }
LISTED = { type = "list", separator = "| touch canary", default = TEXT }
FILED = { file = true, default = TEXT }
GIVEN = { secret = true }
PUT_TOGETHER = { value = TEXT }
ADDRESS = { secret = false, url = { scheme = "postgresql", user = TEXT, password = TEXT, host = "x", name = TEXT, schema = TEXT, query = { q = TEXT, "NAME" = TEXT } } }
MATCHED = { pattern = "(?s).*canary.*", default = TEXT }
STORED = { from = "kept:NAME" }
TOKEN = { secret = true, rotate = { create = ["./record", "create", WORDS], verify = ["./record", "verify", WORDS], revoke = ["./record", "revoke", WORDS] } }

[stores.kept]
kind = "command"
command = ["./record", "store", "{path}", PLAIN]

[build]
steps = [["./record", "build", WORDS], { command = ["./record", "build-table", WORDS] }, { shell = "test ! -e \"$CACHE\"/kept || touch \"$CACHE\"/carried; touch \"$CACHE\"/kept" }]
exclude = ["NAME.excluded"]
include = ["NAME.included"]
shared = ["NAME.shared"]
cache = ["NAME.cache"]
env = { HERE = TEXT, CACHE = "NAME.cache" }

[services.web]
command = ["FIXTURE", "web", "web", WORDS]
port = "auto"
startup = { http = "/health?PATH", interval = "100ms" }
readiness = { http = "/health?PATH", interval = "100ms" }
liveness = { http = "/health?PATH", interval = "100ms" }
env = { OWN = TEXT }

[services.words]
command = ["./record", "service", WORDS]
directory = "NAME.directory"
files = ["NAME.directory", "behaviour"]
env = { HERE = TEXT }
startup = { command = ["./record", "startup", WORDS], interval = "100ms" }
readiness = { command = ["./record", "readiness", WORDS], interval = "100ms" }
liveness = { command = ["./record", "liveness", WORDS], interval = "100ms" }
stop = { signal = "KILL", quiet = { signal = "CONT", wait = "5s", idle = ["./record", "idle", WORDS] } }

[jobs.before]
command = ["./NAME.program", "before", WORDS]
directory = "NAME.directory"
when = "before-start"
env = { HERE = TEXT }
undo = { command = ["./record", "undo", WORDS] }

[jobs.schema]
command = "./record line '$(touch canary)' '; touch canary'"
when = "before-start"
schema = ["./record", "schema", WORDS]

[cron.often]
command = ["./record", "cron", WORDS]
directory = "NAME.directory"
schedule = "* * * * * *"
env = { HERE = TEXT }

[listen]
http = "127.0.0.1:PORT"

[[routes]]
path = "/"
service = "web"
headers = { X-Hostile = "NAME", "x-$`|canary" = "named" }

[[routes]]
path = "/PATH"
service = "web"
strip_prefix = true

[[routes]]
path = "/files"
files = "NAME.files"
fallback = "NAME.html"
cache_control = "NAME"

[[routes]]
path = "/away"
redirect = "https://example.org/PATH"

[deploy]
bake = "100ms"
drain = "1s"
min_free_disk = "1MiB"
max_p95_ratio = 100000.0
smoke = [{ service = "web", path = "/version?PATH" }, { service = "web", path = "/env?DEFAULT", contains = TEXT }]

[notify.somebody]
url = "http://127.0.0.1:LISTENER/PATH"
on = ["deployed"]

[environments.local]
env = { LAID = TEXT }
"#;

/// Where text is free as well, and why none is deployed here.
const ELSEWHERE: [(&str, &str); 8] = [
    ("environments.", "the same places once more; one is"),
    ("settings.*.url.scheme", "judged when the parts are put together"),
    ("settings.*.url.host", "judged when the parts are put together"),
    ("settings.*.url.port", "judged when the parts are put together"),
    ("stores.", "of stores that are asked by requests: tests/stores; a command is"),
    ("build.steps.[].shell", "a shell's by declaration"),
    ("resources.", "of servers: tests/resource"),
    ("listen.tls.[]", "paths of files that the proxy itself opens"),
];

/// What TEXT stands for.
fn text() -> String {
    TEXTS.join(" ")
}

/// Where references are replaced, double braces stand for single ones.
fn through(text: &str) -> String {
    text.replace("{{x}}", "{x}")
}

/// Those that the command of a store takes, where only `{path}` may stand in braces.
fn without_braces() -> Vec<&'static str> {
    TEXTS.into_iter().filter(|text| !text.contains('{')).collect()
}

/// As it is written in TOML.
pub(super) fn toml(text: &str) -> String {
    serde_json::to_string(text).unwrap().replace('\u{7f}', "\\u007f")
}

/// The application, with the files that its manifest names.
fn sandbox(listener: u16) -> (Sandbox, String) {
    let mut sandbox = Sandbox::with(WINDLASS, &Manifest::small());
    let list = |texts: &[&str]| texts.iter().map(|text| toml(text)).collect::<Vec<_>>().join(", ");
    let manifest = MANIFEST
        .replace("TEXT", &toml(&text()))
        .replace("WORDS", &list(&TEXTS))
        .replace("PLAIN", &list(&without_braces()))
        .replace("FIXTURE", sandbox.fixture().to_str().unwrap())
        .replace("LISTENER", &listener.to_string())
        .replace("PORT", &sandbox.port.to_string())
        .replace("NAME", NAME);
    // `${PATH}` is one of the texts.
    let manifest = manifest.replace("/PATH", &format!("/{PATH}")).replace("?PATH", &format!("?{PATH}"));
    for name in ["directory", "files", "cache"] {
        std::fs::create_dir(sandbox.source().join(format!("{NAME}.{name}"))).unwrap();
    }
    for script in
        ["record".to_owned(), format!("{NAME}.directory/record"), format!("{NAME}.directory/{NAME}.program")]
    {
        sandbox.write(&script, RECORD);
        let path = sandbox.source().join(script);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    sandbox.write(&format!("{NAME}.files/{NAME}.html"), "the page");
    sandbox.write(".gitignore", "*.included\n/store*\n");
    sandbox.write(&format!("{NAME}.included"), "");
    sandbox.write(&format!("{NAME}.excluded"), "");
    sandbox.write(".env", "TOKEN=first-token\n");
    sandbox.write("windlass.toml", &manifest);
    sandbox.set("GIVEN", &text());
    (sandbox, manifest)
}

/// What the recorder was given under this name: its words, and what it found in its environment.
fn recorded(directory: &Path, name: &str) -> (Vec<String>, String) {
    let file = directory.join(name);
    let all = until(&format!("the record of {name}"), || std::fs::read_to_string(&file).ok());
    let mut words: Vec<String> = all.split('\0').map(str::to_owned).collect();
    assert_eq!(words.pop().as_deref(), Some(""), "{name}");
    let here = words.pop().unwrap();
    (words, here)
}

/// Nothing was run: there is no canary.
pub(super) fn no_canary(sandbox: &Sandbox, context: &str) {
    let mut directories = vec![sandbox.root()];
    while let Some(directory) = directories.pop() {
        assert!(!directory.join("canary").exists(), "{context}: a canary in {}", directory.display());
        let inside = std::fs::read_dir(&directory).into_iter().flatten().flatten();
        let inside = inside.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        directories.extend(inside.map(|entry| entry.path()));
    }
    let home = std::env::var("HOME").unwrap_or_default();
    let outside = ["/", "/tmp", ".", &home];
    assert!(!outside.iter().any(|directory| Path::new(directory).join("canary").exists()), "{context}");
}

/// Neither is there a process but those that were asked for.
fn nothing_else_runs(sandbox: &Sandbox) {
    let processes = sandbox.processes();
    let programs = processes.iter().filter_map(|process| process.argv.first()?.rsplit('/').next());
    let others: Vec<&str> =
        programs.filter(|name| !["windlass", "fixture", "sleep", "sh", "mv"].contains(name)).collect();
    assert!(others.is_empty(), "{others:?} among {processes:#?}");
}

#[test]
fn hostile_text_is_deployed_and_comes_through_whole() {
    let line = line("hostile_text_is_deployed_and_comes_through_whole");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (sandbox, manifest) = sandbox(listener.local_addr().unwrap().port());
    let shared = sandbox.environment().join("shared");
    let current = sandbox.environment().join("current");
    let told = std::thread::spawn(move || {
        let mut reader = BufReader::new(listener.accept().unwrap().0);
        let mut request = String::new();
        reader.read_line(&mut request).unwrap();
        reader.get_mut().write_all(b"HTTP/1.1 200 .\r\nContent-Length: 0\r\n\r\n").unwrap();
        request
    });
    sandbox.succeed(&["deploy"]);
    no_canary(&sandbox, "deployed");
    nothing_else_runs(&sandbox);

    let words: Vec<String> = TEXTS.iter().map(|text| through(text)).collect();
    let here = through(&text());
    for name in ["build", "build-table", "service", "startup", "readiness", "liveness", "before", "cron"] {
        assert_eq!(recorded(&shared, name), (words.clone(), here.clone()), "{name}");
    }
    assert_eq!(recorded(&shared, "schema").0, words);
    assert_eq!(recorded(&shared, "line").0, ["$(touch canary)", "; touch canary"]);
    let asked = recorded(&sandbox.source(), "store").0;
    assert_eq!(asked, [vec![NAME], without_braces()].concat());

    let env = |name: &str| sandbox.get(&format!("/env?{name}")).body;
    for name in ["COMMON", "OWN", "LAID", "PUT_TOGETHER"] {
        assert_eq!(env(name), here, "{name}");
    }
    for name in ["DEFAULT", "ONE_OF", "LISTED", "MATCHED", "GIVEN"] {
        assert_eq!(env(name), text(), "{name}");
    }
    assert_eq!(std::fs::read_to_string(env("FILED_FILE")).unwrap(), text());
    assert_eq!(env("STORED"), "1");
    let encoded = env("ADDRESS");
    assert_eq!(encoded.matches("%24%28touch%20canary%29").count(), 6, "{encoded}");
    // In the server's options the schema has its blanks escaped first.
    assert_eq!(encoded.matches("%24%28touch%5C%20canary%29").count(), 1, "{encoded}");
    assert!(sandbox.get("/args").body.ends_with(&words.join("\n")));

    let reply = sandbox.get("/version");
    for header in [format!("x-hostile: {NAME}"), "x-$`|canary: named".to_owned()] {
        assert!(reply.headers.contains(&header.to_lowercase()), "{reply:?}");
    }
    assert_eq!(sandbox.get(&format!("/{PATH}/version")).body, "r1");
    let page = sandbox.get("/files/none");
    assert_eq!(page.body, "the page");
    assert!(page.headers.contains(&format!("cache-control: {NAME}")), "{page:?}");
    let away = sandbox.get("/away").headers;
    let leads = format!("location: https://example.org/{PATH}").to_lowercase();
    assert!(away.iter().any(|header| header.starts_with(&leads)), "{away:?}");
    let request = told.join().unwrap();
    assert!(request.contains(&format!("/{PATH} ")), "{request}");

    assert!(shared.join(format!("{NAME}.shared")).is_dir());
    assert!(current.join(format!("{NAME}.shared")).is_symlink());
    assert!(
        current.join(format!("{NAME}.included")).exists()
            && !current.join(format!("{NAME}.excluded")).exists()
    );

    // What runs on the way back, when an old copy is stopped, and when a value is exchanged.
    sandbox.behave("web.wrong");
    sandbox.fail(&["deploy"], 3);
    assert_eq!(recorded(&shared, "undo").0, words);
    sandbox.behave("");
    sandbox.succeed(&["deploy"]);
    assert_eq!(recorded(&shared, "idle").0, words);
    assert!(current.join(format!("{NAME}.cache/carried")).exists());
    sandbox.succeed(&["secrets", "rotate", "TOKEN"]);
    for name in ["create", "verify", "revoke"] {
        assert_eq!(recorded(&shared, name).0, words, "{name}");
    }
    no_canary(&sandbox, "deployed often");
    nothing_else_runs(&sandbox);
    sandbox.down();

    let free = free_places(&manifest);
    line.held(&format!(
        "{} kinds of text deployed in the {free} places of the manifest where text is free: each was seen where it \
         belongs as it is; none was run",
        TEXTS.len(),
    ));
}

/// How many places take one of the texts. Each of them must hold one here.
fn free_places(manifest: &str) -> usize {
    let deployed = toml::Value::Table(toml::from_str(manifest).unwrap());
    let texts = [NAME.to_owned(), format!("/{PATH}"), format!("https://x/{PATH}")];
    // Whatever else is wrong with such a manifest.
    let is_taken = |manifest: &str| {
        let at = manifest.find("canary").unwrap();
        !manifest::load(manifest).1.iter().any(|diag| diag.span.contains(&at))
    };
    let is_free = |place: &&places::Place| texts.iter().any(|text| is_taken(&place.with(text)));
    let all = places::all();
    let is_elsewhere = |place: &&places::Place| {
        let place = place.to_string();
        ELSEWHERE.iter().any(|(known, _)| place.starts_with(known))
    };
    let free: Vec<_> = all.iter().filter(|place| !is_elsewhere(place)).filter(is_free).collect();
    let hold = all.iter().filter(|place| place.holds(&deployed, |text| text.contains("canary")));
    let hold: BTreeSet<String> = hold.map(|place| place.to_string()).collect();
    // What may be a text, or a list or a table of them, need not be all of these.
    let is_part =
        |held: &String, place: &str| held.strip_prefix(place).is_some_and(|rest| rest.starts_with('.'));
    let is_missing = |place: &String| !hold.contains(place) && !hold.iter().any(|held| is_part(held, place));
    let missing: Vec<String> = free.iter().map(|place| place.to_string()).filter(is_missing).collect();
    assert!(missing.is_empty(), "text is free in these places, and none is deployed here: {missing:#?}");
    free.len()
}

/// Everywhere else, it is refused or harmless: in every place of every table that holds text.
#[test]
fn text_in_the_manifest_is_never_run() {
    let line = line("text_in_the_manifest_is_never_run");
    let sandbox = Sandbox::with(WINDLASS, &Manifest::small());
    let places = places::all();
    for (number, place) in places.iter().enumerate() {
        let tried: Vec<&str> = if exhaustive() {
            TEXTS.to_vec()
        } else {
            // Each in each place is planned below; those that would run something take turns with the others here.
            vec![TEXTS[if number % 2 == 0 { number % TEXTS.len() } else { number % 9 }]]
        };
        for text in tried {
            sandbox.write("windlass.toml", &place.with(text));
            let output = sandbox.run(&["plan"]);
            assert!(matches!(output.code, 0..=2), "{place} {text:?}: {output:?}");
            assert!(!output.all().contains("panicked"), "{place} {text:?}: {output:?}");
        }
        no_canary(&sandbox, &place.to_string());
    }
    let (planned, refused) = planned_or_refused(&places);
    line.held(&format!(
        "{} kinds of text in each of the {} places of the manifest that hold text: {planned} plans, in none of which a \
         text is part of a shell line, and {refused} refusals; {} of the kinds in each by `windlass plan`: none was run",
        TEXTS.len(),
        places.len(),
        if exhaustive() { TEXTS.len() } else { 1 },
    ));
}

/// Every text in every place, planned in this process, which runs nothing: how many are planned and how many refused.
fn planned_or_refused(places: &[places::Place]) -> (usize, usize) {
    let source = Source {
        path: "/src".to_owned(),
        digest: "digest".to_owned(),
        parts: IndexMap::new(),
        commit: None,
        dirty: false,
        without: Vec::new(),
    };
    let observed = Observed { next_release: 1, ..Observed::default() };
    let (mut planned, mut refused) = (0, 0);
    for place in places {
        // Declared a shell line, it is one.
        let is_shell = place.to_string().ends_with("shell");
        for text in TEXTS {
            let (manifest, diags) = manifest::load(&place.with(text));
            let spec = manifest.filter(|_| diags.iter().all(|diag| !diag.is_error()));
            let spec = spec.and_then(|manifest| resolve(&manifest, "local", &IndexMap::new()).ok());
            let wanted = |spec| Wanted { request: Request::Deploy, spec, source: source.clone() };
            let Some(plan) = spec.and_then(|spec| plan(&wanted(spec), &observed).ok()) else {
                refused += 1;
                continue;
            };
            planned += 1;
            let lines = shell_lines(&serde_json::to_value(&plan).unwrap());
            assert!(is_shell || !lines.iter().any(|line| line.contains(text)), "{place} {text:?}: {lines:?}");
        }
    }
    assert!(planned > 500 && refused > 500, "{planned} and {refused}");
    (planned, refused)
}

fn shell_lines(value: &serde_json::Value) -> Vec<String> {
    match value {
        serde_json::Value::Array(items) => items.iter().flat_map(shell_lines).collect(),
        serde_json::Value::Object(fields) => {
            let own = fields.get("shell").and_then(|line| line.as_str()).map(str::to_owned);
            own.into_iter().chain(fields.values().flat_map(shell_lines)).collect()
        }
        _ => Vec::new(),
    }
}
