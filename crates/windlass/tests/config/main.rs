//! `windlass config`: what is shown, where it came from, and what is wrong with it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what stands around a test may end it")]

mod committed;
mod production;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

const SECRET: &str = "n4Vw0qkTz8Lr2XyBf6HsJd1PmC5gAeUo";

const MANIFEST: &str = r#"
[app]
name = "shop"

[services.web]
command = "sleep 1000"

[settings]
LEVEL = { type = "enum", values = ["debug", "info"], default = "info", category = "Web", help = "How much is said." }
SITE = { type = "url", schemes = ["https"], category = "Web" }
KEY = { secret = true, min_length = 16, category = "Web" }
DB_PASSWORD = { secret = true, category = "Database", services = [] }
DB_URL = { category = "Database", url = { scheme = "db", password = "{settings.DB_PASSWORD}", host = "h" } }
NOBODY = { default = 1, services = [] }

[environments.staging]
settings.LEVEL = "debug"

[environments.production]
"#;

struct Project(TempDir);

struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Project {
    fn new() -> Self {
        let project = Self(tempfile::Builder::new().prefix("wl-config-").tempdir().unwrap());
        project.write("windlass.toml", MANIFEST);
        project.write(
            ".env",
            &format!("SITE=https://shop.internal\nKEY={SECRET}\nDB_PASSWORD=Zk31-blau-Fenster\n"),
        );
        project.write(".gitignore", ".env*\n");
        project
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn run(&self, env: &[(&str, &str)], args: &[&str]) -> Said {
        let home = self.0.path().join("home");
        let output = Command::new(env!("CARGO_BIN_EXE_windlass"))
            .args(args)
            .current_dir(self.0.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", &home)
            .env("WINDLASS_HOME", &home)
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let said =
            Said { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) };
        assert!(!said.out.contains(SECRET) && !said.err.contains(SECRET), "{args:?} shows a secret");
        assert!(!said.out.contains("Zk31") && !said.err.contains("Zk31"), "{args:?} shows a secret");
        assert!(!home.exists(), "{args:?} only looks");
        said
    }

    fn config(&self, args: &[&str]) -> Said {
        self.run(&[], &[&["config"], args].concat())
    }

    fn json(&self, args: &[&str]) -> serde_json::Value {
        let said = self.config(&[args, &["--json"]].concat());
        serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {}{}", said.out, said.err))
    }
}

fn git(directory: &Path, args: &[&str]) {
    let identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"];
    let done = Command::new("git").args(identity).args(args).current_dir(directory).output().unwrap();
    assert!(done.status.success(), "git {args:?}: {done:?}");
}

// proves: DC-11, APE-3
#[test]
fn the_list_says_where_each_value_came_from() {
    let project = Project::new();
    project.write(".env.staging", "KEY=\nEXTRA=not-shown\n");
    let said = project.run(&[("SITE", "https://from.environment")], &["config", "--env", "staging"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let lines: Vec<String> =
        said.out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        lines,
        [
            "Web",
            "LEVEL debug windlass.toml:17",
            "SITE https://from.environment environment",
            "KEY (secret) .env.staging:1",
            "",
            "Database",
            "DB_PASSWORD (secret) .env:3",
            "DB_URL db://:{settings.DB_PASSWORD|url}@h windlass.toml:13",
            "",
            "Others",
            "NOBODY 1 windlass.toml:14",
            "EXTRA (secret) .env.staging:2 (not declared)",
        ]
    );
    let json = project.json(&["list"]);
    let row =
        |name: &str| json["settings"].as_array().unwrap().iter().find(|row| row["name"] == name).unwrap();
    assert_eq!((&row("LEVEL")["value"], &row("LEVEL")["layer"]), (&"info".into(), &"default".into()));
    assert_eq!((&row("KEY")["value"], &row("KEY")["source"]), (&serde_json::Value::Null, &".env:2".into()));
    assert_eq!(row("DB_URL")["secret"], true);
}

#[test]
fn a_password_in_a_url_is_not_shown_and_a_weak_one_is_refused() {
    let project = Project::new();
    project.write(
        "windlass.toml",
        &format!("{MANIFEST}\n[environments.production.settings]\nDSN = {{ type = \"url\" }}\n"),
    );
    project.write(
        ".env.production",
        "DSN=postgres://shop:Zk31-blau@db/shop\nSMTP_PASS=changeme\nREQUIRE_TOKEN=true\n",
    );
    let said = project.config(&["--env", "production"]);
    let line = said.out.lines().find(|line| line.starts_with("DSN")).unwrap_or_default();
    assert!(line.contains("(secret)") && said.code == 0, "{}{}", said.out, said.err);
    let check = project.config(&["check", "--env", "production"]);
    let errors: Vec<&str> = check.err.lines().filter(|line| line.starts_with("error")).collect();
    assert_eq!(
        errors,
        [
            "error[weak-secret]: .env.production:2: SMTP_PASS: it is one of the passwords that are tried first; \
             make another one: openssl rand -base64 32"
        ]
    );
    let literal = MANIFEST
        .replace("KEY = { secret = true, min_length = 16,", "KEY = { secret = true, value = \"changeme\",");
    project.write("windlass.toml", &literal);
    let check = project.config(&["check", "--env", "production"]);
    assert!(check.code == 2 && check.err.contains("secret-default"), "{}", check.err);
}

#[test]
fn the_check_tells_of_all_that_is_wrong_with_the_manifest() {
    let project = Project::new();
    let literal = MANIFEST.replace(
        "command = \"sleep 1000\"",
        "command = \"sleep 1000\"\nenv = { API_TOKEN = \"Zk31-literal\" }",
    );
    project.write("windlass.toml", &literal);
    let check = project.config(&["check"]);
    assert!(
        check.err.contains("warning[literal-secret]") && check.out.contains("0 errors, 2 warnings"),
        "{}{}",
        check.out,
        check.err
    );
    let json = project.json(&["check"]);
    let codes: Vec<_> =
        json["findings"].as_array().unwrap().iter().map(|finding| finding["code"].clone()).collect();
    assert_eq!(
        (codes, &json["warnings"]),
        (vec!["unused-setting".into(), "literal-secret".into()], &2.into())
    );
    assert_eq!(project.config(&["check", "--strict"]).code, 2);
    // Where the manifest is at fault, its settings are looked at all the same.
    project.write("windlass.toml", &MANIFEST.replace("command =", "comand ="));
    project.write(".env", "SITE=nowhere\n");
    let check = project.config(&["check"]);
    let told = ["unknown-key", "SITE: \"nowhere\" is not a URL", "the setting KEY has no value"];
    assert!(check.code == 2 && told.iter().all(|told| check.err.contains(told)), "{}", check.err);
    let counted = |err: &str| err.lines().filter(|line| line.starts_with("error")).count();
    // The last line counts what was told in any form.
    for verb in [&["config", "check"][..], &["check"], &["deploy"]] {
        let said = project.run(&[], verb);
        assert!(said.err.ends_with("\n4 errors\n") && counted(&said.err) == 4, "{verb:?}: {}", said.err);
    }
    // So it is where only values are missing; and what nobody gets is told beside them.
    project
        .write("windlass.toml", &MANIFEST.replace("NOBODY = { default = 1,", "NOBODY = { required = false,"));
    let check = project.config(&["check"]);
    assert!(
        check.err.contains("warning[unused-setting]: windlass.toml:14: NOBODY: no service"),
        "{}",
        check.err
    );
    assert!(
        check.out.starts_with("3 errors, 1 warning in") && counted(&check.err) == 3,
        "{}{}",
        check.out,
        check.err
    );
    assert!(!check.err.lines().any(|line| line.ends_with(" errors")), "one count: {}", check.err);
}

#[test]
fn a_secret_that_is_too_short_to_be_masked_is_told() {
    let project = Project::new();
    let settings = "PIN = { secret = true, min_length = 4 }\nWEAK = { secret = true }\n";
    project.write("windlass.toml", &format!("{MANIFEST}\n[environments.production.settings]\n{settings}"));
    project.write(".env.production", "PIN=8301\nWEAK=k3!x\nEXTRA=1\n");
    let check = project.config(&["check", "--env", "production"]);
    let told: Vec<&str> = check.err.lines().filter(|line| line.contains("unmasked-secret")).collect();
    assert_eq!(
        told,
        [
            "warning[unmasked-secret]: .env.production:1: PIN: it has fewer than 6 bytes, and is not masked where programs \
             print it; make a longer one, or say secret = false where it is none"
        ],
        "{}",
        check.err
    );
    assert!(!check.err.contains("8301") && check.err.contains("error[weak-secret]"), "{}", check.err);
}

#[test]
fn a_password_that_was_not_encoded_is_shown_nowhere() {
    let project = Project::new();
    let settings = "U = { type = \"url\" }\nV = { type = \"url\" }\nCACHES = { type = \"list\" }\nBOX = { type = \"json\" }\n";
    project.write("windlass.toml", &format!("{MANIFEST}\n[environments.production.settings]\n{settings}"));
    let values = "U=postgres://shop:Hunt/Zk31-x@db:1/x\nV=postgres://u:1234/Zk31-rest@h/db\nCACHES=http://a,redis://:Zk31-x@h/0\n\
                  BOX={\"mail\": {\"url\": \"smtp://u:Zk31-x@h\"}}\n";
    project.write(".env.production", values);
    // None of them shows what stands for a secret here.
    for args in [&["config"][..], &["config", "--json"], &["config", "explain", "U"], &["check"], &["deploy"]]
    {
        project.run(&[], &[args, &["--env", "production"]].concat());
    }
    let said = project.config(&["--env", "production"]);
    for name in ["U", "V", "CACHES", "BOX"] {
        let line = said.out.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap_or_default();
        assert!(line.contains("(secret)"), "{}", said.out);
    }
}

#[test]
fn what_env_puts_together_from_a_secret_is_shown_nowhere() {
    let project = Project::new();
    let settings = "LINE = {}\nDEEP = { type = \"host\" }\n";
    project.write("windlass.toml", &format!("{MANIFEST}\n[environments.production.settings]\n{settings}"));
    project.write(".env.production", "LINE=\"db ${DB_PASSWORD}\"\nDEEP=<${LINE}>\n");
    let looks = [&["config"][..], &["config", "--json"], &["config", "explain", "DEEP"], &["check"]];
    for args in looks {
        project.run(&[], &[args, &["--env", "production"]].concat());
    }
    project.run(&[], &["config", "diff", "staging", "production"]);
    let said = project.config(&["--env", "production"]);
    let secrets = said.out.lines().filter(|line| line.starts_with("LINE") || line.starts_with("DEEP"));
    assert_eq!(secrets.filter(|line| line.contains("(secret)")).count(), 2, "{}", said.out);
}

// proves: DC-11
#[test]
fn an_explanation_shows_each_layer_and_which_one_holds() {
    let project = Project::new();
    project.write(".env.staging", "LEVEL=loud\n");
    let said = project.run(&[("LEVEL", "info")], &["config", "explain", "LEVEL", "--env", "staging"]);
    assert_eq!(
        said.out,
        "LEVEL: enum, optional, debug or info\n  How much is said.\n\
         holds     environment  info\nover      .env.staging:1  loud\nover      windlass.toml:17  debug\n\
         goes to   every service, job, cron and build step\n"
    );
    let said = project.config(&["explain", "LEVEL", "--env", "staging"]);
    assert!(
        said.out.ends_with("wrong     \"loud\" is not one of its values; write debug or info\n"),
        "{}",
        said.out
    );
    // What the check finds of it stands there too.
    project.write(".env.production", "DB_PASSWORD=changeme\nSITE=https://localhost\n");
    for (name, told) in [
        (
            "DB_PASSWORD",
            "\nwrong     it is one of the passwords that are tried first; make another one: openssl rand -base64 32\n",
        ),
        ("SITE", "\ndoubtful  it points at localhost, this machine itself; set SITE for production\n"),
    ] {
        let said = project.config(&["explain", name, "--env", "production"]);
        assert!(said.out.ends_with(told), "{}", said.out);
    }
    let said = project.config(&["explain", "LEVLE"]);
    assert_eq!((said.code, said.err.contains("did you mean LEVEL?")), (2, true), "{}", said.err);
    let manifest = MANIFEST.replace(
        "[settings]",
        "env = { LANG = \"de\" }\n[env]\nLANG = \"C\"\nAPI_TOKEN = \"Zk31\"\n[settings]",
    );
    project.write("windlass.toml", &manifest);
    let said = project.config(&["explain", "LANG"]);
    assert_eq!(
        said.out,
        "LANG: no setting, but a variable of the manifest\n\
         given     windlass.toml:10  C  by [env], to every service, job and cron\n\
         given     windlass.toml:8  de  by [services.web.env], to web\n"
    );
    let said = project.config(&["explain", "API_TOKEN"]);
    assert!(said.out.contains("given     windlass.toml:11  (secret)  by [env]"), "{}", said.out);
    assert_eq!(project.json(&["explain", "LANG"])["given"][0]["table"], "env");
    let json = project.json(&["explain", "DB_PASSWORD"]);
    assert_eq!(
        (&json["holds"]["source"], &json["holds"]["value"]),
        (&".env:3".into(), &serde_json::Value::Null)
    );
}

// proves: APE-3, CM-6
#[test]
fn a_template_is_filled_in_and_then_all_is_good() {
    let project = Project::new();
    let template = project.config(&["template", "--env", "production"]);
    assert!(template.out.starts_with("# Settings of shop for production.\n"), "{}", template.out);
    assert!(
        template.out.contains("\n## Database\n") && template.out.contains("\n#LEVEL=info\n"),
        "{}",
        template.out
    );
    let filled = template
        .out
        .replace("\nSITE=\n", "\nSITE=https://shop.internal\n")
        .replace("\nKEY=\n", &format!("\nKEY={SECRET}\n"))
        .replace("\nDB_PASSWORD=\n", "\nDB_PASSWORD=Zk31-blau-Fenster\n");
    project.write(".env", "");
    assert_eq!(project.config(&["check", "--env", "production"]).code, 2);
    project.write(".env.production", &filled);
    let said = project.config(&["check", "--env", "production"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert_eq!(project.config(&["template", "--env", "prod"]).code, 2);
}

#[test]
fn a_difference_shows_both_sides_and_no_secret() {
    let project = Project::new();
    project.write(".env.production", &format!("SITE=https://shop.de\nKEY={SECRET}-other\nONLY=x\n"));
    let said = project.config(&["diff", "staging", "production"]);
    assert!(
        said.out.starts_with(
            "LEVEL\n  staging     debug  windlass.toml:17\n  production  info  windlass.toml:9\n\
             SITE\n  staging     https://shop.internal  .env:1\n  production  https://shop.de  .env.production:1\n\
             KEY\n  staging     (secret)  .env:2\n  production  (secret)  .env.production:2\n"
        ),
        "{}",
        said.out
    );
    let json = project.json(&["diff", "staging", "production"]);
    let names: Vec<&str> =
        json["differences"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["LEVEL", "SITE", "KEY", "ONLY"]);
    assert_eq!(project.config(&["diff", "staging", "nowhere"]).code, 2);
    assert!(project.config(&["diff", "staging", "staging"]).out.contains("are the same"));
}

#[test]
fn a_store_that_is_another_one_elsewhere_is_asked_there() {
    let project = Project::new();
    project.write(
        "windlass.toml",
        "[app]\nname = \"shop\"\n[services.web]\ncommand = \"web\"\n\
         [settings]\nLEVEL = { from = \"keys:level\", secret = false }\n\
         [stores.keys]\nkind = \"command\"\ncommand = [\"cat\", \"keys-{path}\"]\n\
         [environments.staging]\n\
         [environments.production.stores.keys]\ncommand = [\"cat\", \"other-{path}\"]\n",
    );
    project.write("keys-level", "info");
    project.write("other-level", "debug");
    let said = project.config(&["diff", "staging", "production"]);
    assert!(said.out.contains("staging     info") && said.out.contains("production  debug"), "{}", said.out);
}

/// It may be the rest of a value that was broken in two.
#[test]
fn a_line_of_the_settings_that_says_nothing_is_warned_of_and_not_shown() {
    let project = Project::new();
    project.write(".env", &format!("SITE=https://shop.internal\nKEY={SECRET}\ndef456\n"));
    let said = project.config(&["check"]);
    assert!(said.err.contains(".env:3:1: there is no = in this line"), "{}", said.err);
    assert!(!said.err.contains("def456"), "{}", said.err);
}

/// Nor is what stands below quotes that nobody closed, though it looks like names.
#[test]
fn what_looks_like_a_name_in_a_faulty_file_is_shown_nowhere() {
    let project = Project::new();
    let pieces = ["abcDEF123secretpiece", "c2VjcmV0a2V5c2VjcmV0a2V5"];
    let text = format!("TOKEN=\n{} # prod\nPEM=\"-----BEGIN\n{}==\n", pieces[0], pieces[1]);
    project.write(".env", &text);
    for args in [
        &["list"][..],
        &["list", "--json"],
        &["check"],
        &["diff", "local", "production"],
        &["explain", "c2VjcmV0a2V5c2VjcmV0a2V6"],
        &["explain", "abcDEF123secretpiecf"],
    ] {
        let said = project.config(args);
        assert_eq!(said.code, 2, "{args:?}");
        let shown = pieces.iter().any(|piece| said.out.contains(piece) || said.err.contains(piece));
        assert!(!shown, "{args:?}: {}{}", said.out, said.err);
    }
    let said = project.config(&["list"]);
    assert!(said.out.ends_with("and 2 undeclared ones in .env, not shown\n"), "{}", said.out);
    assert_eq!(project.json(&["list"])["not_shown"][".env"], 2);
    assert_eq!(project.json(&["diff", "local", "production"])["not_shown"]["left"][".env"], 2);
}

#[test]
fn the_check_tells_of_all_that_is_wrong_beside_a_line_that_cannot_be_read() {
    let project = Project::new();
    project.write(".env", "SITE=nowhere\nKEY=short-one\ndef456\nEXTRA=1\n");
    project.write(".env.staging", "DB_PASSWORD=\"never closed\n");
    let said = project.config(&["check", "--env", "staging"]);
    let told: Vec<&str> = said.err.lines().map(|line| line.split("; ").next().unwrap()).collect();
    assert_eq!(
        told,
        [
            "error[unreadable]: .env.staging:1:13: the quotes are not closed",
            "error[bad-value]: .env:1: SITE: \"nowhere\" is not a URL",
            "error[bad-value]: .env:2: KEY: its value is too short: 9 characters",
            "warning[unknown-setting]: .env:4: EXTRA: it is declared nowhere, and handed to every process",
            "warning[unused-setting]: windlass.toml:14: NOBODY: no service, job, cron, build step or template gets it",
            "warning[doubtful]: .env:3:1: there is no = in this line, and the environment has nothing of this name",
        ],
        "{}",
        said.err
    );
    assert_eq!(said.code, 2, "{}", said.out);
    let json = project.json(&["check", "--env", "staging"]);
    let codes: Vec<_> = json["findings"].as_array().unwrap().iter().map(|one| one["code"].clone()).collect();
    assert_eq!(
        codes,
        ["unreadable", "bad-value", "bad-value", "unknown-setting", "unused-setting", "doubtful"]
    );
}

/// What a source cannot give is marked, and hides nothing of what others have.
#[test]
fn what_can_be_known_is_shown_beside_what_cannot() {
    let project = Project::new();
    project.write(
        "windlass.toml",
        "[app]\nname = \"shop\"\n[services.web]\ncommand = \"sleep 1000\"\n\
         [stores.kv]\nkind = \"command\"\ncommand = [\"cat\", \"{path}\"]\n\
         [settings]\nLEVEL = \"info\"\nSITE = { type = \"url\" }\nTOKEN = { from = \"kv:token\" }\n\
         [environments.staging]\n",
    );
    project.write(".env", "SITE=https://shop.internal\n");
    let said = project.config(&[]);
    assert_eq!(said.code, 1, "{}", said.err);
    assert!(
        said.out.starts_with("LEVEL  info                   windlass.toml:9\nSITE   https://shop.internal")
    );
    assert!(
        said.out.contains("TOKEN  (not known)            the store kv did not get token: "),
        "{}",
        said.out
    );
    assert!(
        said.err.starts_with("error: windlass.toml:11: no value for TOKEN: the store kv"),
        "{}",
        said.err
    );

    project.write(".env.staging", "SITE=\"never closed\n");
    let staging = |args: &[&str]| project.config(&[args, &["--env", "staging"]].concat());
    let said = staging(&["list"]);
    assert!(said.out.contains("LEVEL  info         windlass.toml:9\n"), "{}", said.out);
    assert!(said.out.contains("SITE   (not known)  .env.staging has a fault\n"), "{}", said.out);
    assert!(said.out.contains("TOKEN  (not known)  its store was not asked\n"), "{}", said.out);
    let last = said.err.lines().last().unwrap();
    assert!(last.starts_with("error: .env.staging:1:6: the quotes are not closed; "), "{}", said.err);
    assert_eq!(said.code, 2);

    let said = staging(&["explain", "SITE"]);
    assert!(said.out.contains("\nnot known .env.staging has a fault\n"), "{}", said.out);
    assert_eq!(said.code, 2);
    assert!(staging(&["explain", "LEVEL"]).out.contains("holds     windlass.toml:9  info"));

    let said = project.config(&["diff", "local", "staging"]);
    assert!(
        said.out.starts_with(
            "SITE\n  local    https://shop.internal  .env:1\n  staging  (not known)  .env.staging has a fault\n\
             TOKEN\n  local    (not known)  the store kv did not get token"
        ),
        "{}",
        said.out
    );
    assert_eq!((said.code, said.err.matches("error: ").count()), (2, 2), "{}", said.err);
    let json = project.run(&[], &["config", "diff", "local", "staging", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["differences"][0]["right"]["unknown"], ".env.staging has a fault");
    assert_eq!(json["faults"].as_array().unwrap().len(), 2);
}

#[test]
fn a_difference_shows_the_fingerprints_that_the_list_shows() {
    let project = Project::new();
    project.write(".env.production", &format!("KEY={SECRET}-other\n"));
    let home = project.0.path().join("deployed");
    for (environment, byte) in [("staging", 1), ("production", 2)] {
        let state = home.join("shop").join(environment).join("state");
        std::fs::create_dir_all(&state).unwrap();
        std::fs::write(state.join("fingerprint.key"), [byte; 32]).unwrap();
    }
    let env = [("WINDLASS_HOME", home.to_str().unwrap())];
    let json = |args: &[&str]| -> serde_json::Value {
        serde_json::from_str(&project.run(&env, &[&["config", "--json"], args].concat()).out).unwrap()
    };
    let listed = |environment: &str| {
        let list = json(&["list", "--env", environment]);
        let rows = list["settings"].as_array().unwrap();
        rows.iter().find(|row| row["name"] == "KEY").unwrap()["fingerprint"].clone()
    };
    let difference = json(&["diff", "staging", "production"]);
    let key = difference["differences"].as_array().unwrap().iter().find(|one| one["name"] == "KEY").unwrap();
    assert!(listed("staging").is_string());
    assert_eq!(key["left"]["fingerprint"], listed("staging"));
    assert_eq!(key["right"]["fingerprint"], listed("production"));
    assert_ne!(key["left"]["fingerprint"], key["right"]["fingerprint"]);
}

// proves: DC-11
#[test]
fn a_default_holds_where_the_store_has_nothing_and_not_where_it_cannot_be_asked() {
    let project = Project::new();
    project.write(
        "windlass.toml",
        "[app]\nname = \"shop\"\n[services.web]\ncommand = \"sleep 1000\"\n\
         [stores.kv]\nkind = \"command\"\ncommand = [\"cat\", \"{path}\"]\n\
         [settings]\nLEVEL = { from = \"kv:level\", secret = false, default = \"info\" }\n",
    );
    project.write("level", "");
    let said = project.config(&["explain", "LEVEL"]);
    assert_eq!(
        (said.out.as_str(), said.err.as_str(), said.code),
        (
            "LEVEL: string, optional\nstore     kv:level\n\
             default   because the store kv did not get level: cat printed nothing\n\
             holds     windlass.toml:9  info\ngoes to   every service, job, cron and build step\n",
            "",
            0
        )
    );
    assert_eq!(project.config(&["check"]).code, 0);
    project.write("level", "debug\n");
    assert!(
        project
            .config(&["explain", "LEVEL"])
            .out
            .contains("holds     kv:level  debug\nover      windlass.toml:9  info\n")
    );

    std::fs::remove_file(project.0.path().join("level")).unwrap();
    let said = project.run(&[], &["check"]);
    assert!(
        said.code == 1 && said.err.contains("no value for LEVEL: the store kv did not get level"),
        "{}",
        said.err
    );
    let said = project.config(&["explain", "LEVEL"]);
    assert!(
        said.out.contains("not known the store kv did not") && !said.out.contains("info"),
        "{}",
        said.out
    );
    assert_eq!(said.code, 1);
    let said = project.run(&[], &["config", "explain", "LEVEL", "--offline"]);
    assert!(said.out.contains("not known its store was not asked"), "{}", said.out);
    assert_eq!(said.code, 0);
}

/// A deploy found them, one after the other, when the servers were asked.
#[test]
fn a_wrong_address_of_a_resource_is_told_at_its_line_with_all_else() {
    let project = Project::new();
    let manifest = "[app]\nname = \"shop\"\n[services.web]\ncommand = \"sleep 1000\"\n\
         [resources.db]\nengine = \"postgres\"\nurl = \"{settings.DATABASE_URL}\"\n\
         [resources.mq]\nengine = \"rabbitmq\"\nurl = \"amqp://shop:{settings.DB_PASSWORD}@mq\"\n\
         [resources.cache]\nengine = \"redis\"\nurl = \"redis://cache:port/0\"\n\
         [settings]\nDB_PASSWORD = { secret = true }\nDATABASE_URL = { secret = true }\n";
    project.write("windlass.toml", manifest);
    project.write(
        ".env",
        "DATABASE_URL=postgresql://shop:Zk31-blau-Fenster@:5432/shop\nDB_PASSWORD=Zk31/blau-Fenster\n",
    );
    let in_settings = [
        ".env:1: DATABASE_URL: it is the address of the resource db, and has no host; write it like",
        "windlass.toml:10: resources.mq.url: with the values of its settings it has a user name or a password with",
    ];
    for args in [["check"].as_slice(), &["plan"], &["deploy"]] {
        let said = project.run(&[], args);
        assert_eq!(said.code, 2, "{args:?}: {}", said.err);
        let all =
            [in_settings.as_slice(), &["this address has a port that is none", "--> windlass.toml:13:7"]];
        for expected in all.concat() {
            assert!(said.err.contains(expected), "{args:?}: {expected}: {}", said.err);
        }
    }
    project.write("windlass.toml", &manifest.replace("cache:port", "cache:1"));
    let said = project.config(&["check"]);
    assert_eq!(said.code, 2);
    for expected in in_settings {
        assert!(said.err.contains(&format!("error[bad-address]: {expected}")), "{expected}: {}", said.err);
    }
    project.write(
        ".env",
        "DATABASE_URL=postgresql://shop:Zk31-blau-Fenster@db/shop\nDB_PASSWORD=Zk31-blau-Fenster\n",
    );
    assert_eq!(project.run(&[], &["check"]).code, 0);
}

#[test]
fn warnings_count_where_they_are_asked_to() {
    let project = Project::new();
    assert_eq!(project.config(&["check"]).code, 0);
    let said = project.config(&["check", "--strict"]);
    assert_eq!(said.code, 2, "{}", said.err);
    assert!(said.err.contains("NOBODY: no service"), "{}", said.err);
    project.write("windlass.toml", &MANIFEST.replace("NOBODY = { default = 1, services = [] }\n", ""));
    let said = project.config(&["check", "--strict"]);
    assert_eq!((said.code, said.out.trim()), (0, "The settings of shop (local) are good."), "{}", said.err);
}

#[test]
fn an_environment_that_nobody_wrote_is_refused_by_every_verb() {
    let project = Project::new();
    for verb in
        [&["config"][..], &["config", "check"], &["config", "explain", "KEY"], &["config", "template"]]
    {
        let said = project.run(&[], &[verb, &["--env", "prodution"]].concat());
        assert_eq!(said.code, 2, "{verb:?}: {}", said.out);
        assert!(said.err.contains("did you mean production?"), "{verb:?}: {}", said.err);
    }
}

#[test]
fn options_may_stand_before_the_verb_that_is_below() {
    let project = Project::new();
    let said = project.run(&[], &["config", "--json", "explain", "LEVEL"]);
    assert!(said.code == 0 && said.out.starts_with('{'), "{}{}", said.out, said.err);
}

#[test]
fn arguments_that_cannot_be_read_are_told_in_json_where_that_is_asked_for() {
    let project = Project::new();
    let said = project.run(&[], &["config", "--json", "explain"]);
    let told: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((said.code, &told["exit_code"], said.err.as_str()), (2, &2.into(), ""));
    assert!(told["error"].as_str().unwrap().contains("<SETTING>"), "{told}");
    let said = project.run(&[], &["run", "web", "--wrong", "--", "--json"]);
    assert!(said.code == 2 && said.out.is_empty(), "{}", said.out);
}

#[test]
fn a_value_that_is_no_text_is_not_passed_over() {
    use std::os::unix::ffi::OsStrExt as _;
    let project = Project::new();
    let output = Command::new(env!("CARGO_BIN_EXE_windlass"))
        .args(["config", "check"])
        .current_dir(project.0.path())
        .env("KEY", std::ffi::OsStr::from_bytes(b"caf\xe9"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("the value of KEY is not UTF-8 text"), "{said}");
}
