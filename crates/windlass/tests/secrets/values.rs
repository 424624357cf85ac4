//! Setting, getting, listing, removing.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use proptest::prelude::*;

use crate::kit::{FILE, Person, Project, mode};

// proves: DC-10
#[test]
fn a_key_and_a_file_are_made_and_nobody_else_reads_the_key() {
    let project = Project::new();
    let ada = project.person("ada");
    let said = ada.secrets(&["init"]).exits(0);
    for what in [
        "Made your key",
        "Made secrets.production.enc for ada (wlpub1_",
        "Commit: secrets.production.enc .gitattributes",
    ] {
        assert!(said.out.contains(what), "{what}: {}", said.out);
    }
    assert_eq!((mode(&ada.key_file()), mode(ada.key_file().parent().unwrap())), (0o600, 0o700));
    assert_eq!(
        fs::read_to_string(ada.project.join(".gitattributes")).unwrap(),
        "secrets.*.enc -text merge=windlass-secrets\n"
    );
    assert!(!said.out.contains(&ada.key()));
    // Once more does no harm.
    let before = ada.text();
    let said = ada.secrets(&["init", "--json"]).exits(0).json();
    assert_eq!((said["created"].clone(), said["key_file"].clone()), (false.into(), serde_json::Value::Null));
    assert_eq!(ada.text(), before);
    assert_eq!(fs::read_to_string(ada.project.join(".gitattributes")).unwrap().lines().count(), 1);
}

#[test]
fn a_name_that_nobody_declared_is_warned_of_and_kept() {
    let (_project, ada) = Project::begun(&[]);
    let manifest = ada.project.join("windlass.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    let settings = "[settings]\nDB_PASSWORD = { secret = true }\n[environments.production]\n";
    fs::write(&manifest, format!("{text}{settings}")).unwrap();
    let set = |name: &str, more: &[&str]| {
        ada.secrets_with(&[&["set", name], more].concat(), b"Zk31-blau-Fenster").exits(0)
    };
    let said = set("DB_PASWORD", &[]);
    assert_eq!(
        said.err,
        "warning: DB_PASWORD is declared nowhere in the manifest; did you mean DB_PASSWORD?\n"
    );
    assert_eq!(ada.get("DB_PASWORD"), "Zk31-blau-Fenster");
    assert!(set("OTHER", &[]).err.ends_with("in the manifest; declare it under [settings]\n"));
    assert_eq!(set("DB_PASSWORD", &[]).err, "");
    assert_eq!(set("OTHER", &["--json"]).json()["declared"], false);
    // What it is no matter of is not looked at: the manifest need not be right.
    fs::write(&manifest, "[app\n").unwrap();
    assert_eq!(set("ANOTHER", &[]).err, "");
    assert!(set("ANOTHER", &["--json"]).json()["declared"].is_null());
}

#[test]
fn a_value_that_is_not_what_is_declared_is_refused() {
    let (_project, ada) = Project::begun(&[]);
    let manifest = ada.project.join("windlass.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    let settings = "[settings]\nAPI_KEY = { secret = true, min_length = 40 }\nCODE = { pattern = \"[A-Z]+\" }\n\
                    [environments.production]\nsettings.API_KEY.max_length = 60\n";
    fs::write(&manifest, format!("{text}{settings}")).unwrap();
    let before = ada.text();
    let said = ada.secrets_with(&["set", "API_KEY"], b"hunter2").exits(2);
    assert_eq!(
        said.err,
        "error: API_KEY: its value is too short: 7 characters\n  hint: it needs at least 40; nothing was changed\n"
    );
    let said = ada.secrets_with(&["set", "CODE"], b"hunter2").exits(2);
    assert!(said.err.contains("CODE: its value does not match its pattern"), "{}", said.err);
    let said = ada.secrets(&["set", "API_KEY", "--generate"]).exits(2);
    assert!(said.err.ends_with("hint: nothing was changed; say --length 40\n"), "{}", said.err);
    assert_eq!(ada.text(), before);
    ada.secrets(&["set", "API_KEY", "--generate", "--length", "50"]).exits(0);
    ada.secrets_with(&["set", "CODE"], b"ABC\n").exits(0);
}

#[test]
fn a_value_is_set_changed_got_listed_and_removed() {
    let (_project, ada) = Project::begun(&[]);
    let said = ada.secrets_with(&["set", "DB_PASSWORD"], b"hunter2\n").exits(0);
    assert!(said.out.contains("Set DB_PASSWORD in secrets.production.enc"), "{}", said.out);
    ada.set("TOKEN", "two\nlines\n");
    assert_eq!((ada.get("DB_PASSWORD"), ada.get("TOKEN")), ("hunter2".into(), "two\nlines\n".into()));
    assert_eq!(ada.secrets(&["get", "TOKEN", "--json"]).exits(0).json()["value"], "two\nlines\n");
    assert!(!ada.text().contains("hunter2"));

    let (other, old) = (ada.line("TOKEN"), ada.line("DB_PASSWORD"));
    let said = ada.secrets_with(&["set", "DB_PASSWORD"], b"hunter2").exits(0);
    assert!(said.out.contains("has this value already"), "{}", said.out);
    assert_eq!(ada.line("DB_PASSWORD"), old);
    let said = ada.secrets_with(&["set", "DB_PASSWORD", "--json"], b"hunter3").exits(0).json();
    assert_eq!((said["changed"].clone(), said["new"].clone()), (true.into(), false.into()));
    assert_eq!(ada.get("DB_PASSWORD"), "hunter3");
    assert_eq!(ada.line("TOKEN"), other);

    let said = ada.secrets(&["list"]).exits(0);
    assert!(said.out.contains("DB_PASSWORD  20") && said.out.contains("ada  20"), "{}", said.out);
    assert!(!said.out.contains("hunter") && !said.err.contains("hunter"));
    let list = ada.secrets(&["list", "--json"]).exits(0).json();
    assert_eq!(list["values"][1]["name"], "TOKEN");
    assert_eq!(list["epoch"], 4);

    ada.secrets(&["unset", "TOKEN"]).exits(0);
    let said = ada.secrets(&["get", "TOKEN"]).exits(2);
    assert!(said.err.contains("has no TOKEN"), "{}", said.err);
    ada.secrets(&["unset", "TOKEN"]).exits(2);
}

#[test]
fn a_value_is_made_up_and_not_shown() {
    let (_project, ada) = Project::begun(&[]);
    let said = ada.secrets(&["set", "KEY", "--generate", "--length", "50"]).exits(0);
    let value = ada.get("KEY");
    assert!(value.len() == 50 && value.bytes().all(|b| b.is_ascii_alphanumeric()), "{value}");
    assert!(!said.out.contains(&value));
    ada.secrets(&["set", "KEY", "--generate"]).exits(0);
    assert_eq!(ada.get("KEY").len(), 32);
    ada.secrets(&["set", "KEY", "--length", "50"]).exits(2);
    ada.secrets(&["set", "KEY", "hunter2"]).exits(2);
}

#[test]
fn what_cannot_be_a_value_is_refused_without_being_shown() {
    let (_project, ada) = Project::begun(&[]);
    let before = ada.text();
    for (name, value, what) in [
        ("A", &b"hunter2\0"[..], "NUL"),
        ("A", b"hunter2\xff", "not UTF-8"),
        ("A", b"", "has no value"),
        ("A-B", b"hunter2", "cannot be the name"),
        ("A", &[b'x'; (64 << 10) + 1], "more than the 65536 allowed"),
    ] {
        let said = ada.secrets_with(&["set", name], value).exits(2);
        assert!(said.err.contains(what) && !said.err.contains("hunter2"), "{what}: {}", said.err);
    }
    assert_eq!(ada.text(), before);
    assert!(ada.secrets(&["get", "A", "--json"]).exits(2).json()["error"].as_str().unwrap().contains("no A"));
}

#[test]
fn what_is_exported_is_what_was_set() {
    let nasty = "a \"b\" 'c' $D ${E} %F \\ # g\nh\té\r";
    let (_project, ada) = Project::begun(&[("PLAIN", "x"), ("NASTY", nasty)]);
    let text = ada.secrets(&["export"]).exits(0).out;
    let parsed = windlass_core::settings::dotenv::parse(".env", &text, &|_| None, &|_| None);
    let values: Vec<_> =
        parsed.entries.iter().map(|entry| (entry.name.as_str(), entry.value.expose())).collect();
    assert_eq!(values, [("PLAIN", "x"), ("NASTY", nasty)]);
    assert_eq!(ada.secrets(&["export", "--json"]).exits(0).json()["NASTY"], nasty);
}

#[test]
fn two_writers_do_not_lose_each_others_values() {
    let (_project, ada) = Project::begun(&[]);
    let children: Vec<_> = (0..8)
        .map(|number| {
            let name = format!("N{number}");
            let mut command = ada.command(&["set", &name, "--generate"]);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let list = ada.secrets(&["list", "--json"]).exits(0).json();
    assert_eq!((list["values"].as_array().unwrap().len(), list["epoch"].clone()), (8, 9.into()));
    let left: Vec<_> = fs::read_dir(&ada.project).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 3, "nothing lies about: {left:?}");
}

#[test]
fn the_file_of_another_environment_is_not_taken_for_this_one() {
    let (_project, ada) = Project::begun(&[("A", "1")]);
    fs::copy(ada.project.join(FILE), ada.project.join("secrets.staging.enc")).unwrap();
    let mut command = ada.command_in("staging", &["get", "A"]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("secrets.staging.enc:3: this is the file of production, not of staging"), "{said}");
}

#[test]
fn without_a_file_the_way_to_one_is_told() {
    let project = Project::new();
    let ada = project.person("ada");
    for arguments in
        [&["list"][..], &["get", "A"], &["unset", "A"], &["rekey"], &["export"], &["audit"], &["recipients"]]
    {
        let said = ada.secrets(arguments).exits(2);
        assert!(said.err.contains("windlass secrets init --env production"), "{arguments:?}: {}", said.err);
    }
}

#[test]
fn old_values_are_told() {
    let (_project, ada) = Project::begun(&[("A", "1")]);
    assert!(ada.secrets(&["audit"]).exits(0).out.contains("No value is older than 90 days"));
    let audit = ada.secrets(&["audit", "--older-than", "0", "--json"]).exits(0).json();
    assert_eq!(audit["old"], serde_json::json!([]));
    assert_eq!(audit["recipients"][0]["name"], "ada");
}

// proves: APE-3
#[test]
fn what_can_be_guessed_is_warned_of_where_it_comes_in() {
    let (_project, ada) = Project::begun(&[]);
    ada.declare("DB_PASSWORD = { secret = true }\nPORT = { type = \"port\" }\nCODE = { secret = true }");
    let refused = "; a deploy of production refuses it, so make another one: windlass secrets set \
                   --env production DB_PASSWORD --generate";
    let said = ada.secrets_with(&["set", "DB_PASSWORD"], b"changeme").exits(0);
    assert!(said.err.contains("warning: DB_PASSWORD: ") && said.err.contains(refused), "{}", said.err);
    assert!(!said.err.contains("changeme"), "{}", said.err);
    let deploy = ada.check();
    assert!(deploy.exits(2).err.contains("DB_PASSWORD"), "a deploy says the same");
    assert_eq!(ada.secrets_with(&["set", "CODE", "--json"], b"hunter2").exits(0).json()["weak"], true);
    assert_eq!(ada.secrets_with(&["set", "PORT", "--json"], b"8080").exits(0).json()["weak"], false);
    let said = ada.secrets(&["set", "DB_PASSWORD", "--generate"]).exits(0);
    assert!(!said.err.contains("warning"), "{}", said.err);

    fs::write(
        ada.project.join("some.env"),
        "DB_PASSWORD=postgres\nCODE=Zk31-blau-Fenster-7\nSMTP_PASSWORD=qwerty\n",
    )
    .unwrap();
    let said = ada.secrets(&["import", "some.env", "--json"]).exits(0);
    assert_eq!(said.json()["weak"], serde_json::json!(["SMTP_PASSWORD", "DB_PASSWORD"]));
    assert!(
        ada.secrets(&["import", "some.env"]).exits(0).err.is_empty(),
        "what is there already was told of"
    );
    let editor = ada.with("EDITOR", "sed -i s/Zk31-blau-Fenster-7/letmein/");
    let said = editor.secrets(&["edit"]).exits(0);
    assert!(said.err.contains("warning: CODE: ") && !said.err.contains("letmein"), "{}", said.err);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    // proves: DC-10
    #[test]
    fn any_value_survives_set_and_get(value in "[^\\x00]{1,200}|[\n\r\t'\"$%\\\\=#; é\u{1f600}]{1,40}") {
        let (_project, ada) = Project::begun(&[("VALUE", &value)]);
        prop_assert_eq!(ada.get("VALUE"), value);
    }
}

#[test]
fn the_largest_value_survives_set_and_get() {
    let value: String = "é\n$\"'".chars().cycle().take(54_000).collect();
    assert!(value.len() <= 64 << 10 && value.len() > 60_000);
    let (_project, ada) = Project::begun(&[("VALUE", &value)]);
    assert_eq!(ada.get("VALUE"), value);
}

/// As who developed with a `.env` does who goes into production.
#[test]
fn what_stands_in_env_does_not_take_the_place_of_a_secret_in_silence() {
    let (_project, ada) = Project::begun(&[]);
    ada.declare("TOKEN = { secret = true }");
    fs::write(ada.project.join(".env"), "TOKEN=dev-Zk31-blau-Fenster\n").unwrap();
    fs::set_permissions(ada.project.join(".env"), fs::Permissions::from_mode(0o600)).unwrap();
    let value = b"Ahx7Zk2qLw-prod-9";
    let set = |ada: &Person| ada.secrets_with(&["set", "TOKEN"], value).exits(0).err;
    let covered = |ada: &Person| {
        let said = ada.secrets_with(&["set", "TOKEN", "--json"], value).exits(0);
        said.json()["covered"].clone()
    };
    let told = "warning: .env:1: TOKEN: in production too this value holds, over another value in secrets.production.enc; \
                move it to .env.local, which `local` alone reads; if production is to have it, to .env.production; a \
                deploy of production refuses it\n";
    assert_eq!((set(&ada).as_str(), covered(&ada)), (told, true.into()));
    assert!(ada.check().exits(2).err.contains(".env:1: TOKEN: in production too this value holds"));
    let said = ada.program_says(&["config", "check", "--env", "production"]).exits(2);
    assert!(said.err.contains("error[covered-value]: .env:1: TOKEN: "), "{}", said.err);
    let said = ada.program_says(&["config", "explain", "TOKEN", "--env", "production"]).exits(0);
    assert!(
        said.out.contains("\nwrong     in production too this value holds, over another value in"),
        "{}",
        said.out
    );
    // Whoever hands it over by the environment means it.
    let of_ci = ada.with("TOKEN", "Ahx7Zk2qLw-ci-7");
    let told = "secrets.production.enc: the environment has another TOKEN, which holds; unset TOKEN if the encrypted value is \
                meant\n";
    assert_eq!(set(&of_ci), format!("warning: {told}"));
    assert!(of_ci.check().exits(0).err.contains("the environment has another TOKEN, which holds"));
    fs::rename(ada.project.join(".env"), ada.project.join(".env.local")).unwrap();
    assert_eq!((set(&ada).as_str(), covered(&ada)), ("", false.into()));
    let said = ada.check().exits(0);
    assert!(!said.err.contains("TOKEN"), "{}", said.err);
}
