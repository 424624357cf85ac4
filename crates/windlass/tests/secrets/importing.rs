//! What other tools have.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::kit::{Person, Project};

fn import(person: &Person, name: &str, text: &str, from: &str) -> crate::kit::Said {
    fs::write(person.project.join(name), text).unwrap();
    person.secrets(&["import", "--from", from, name])
}

#[test]
fn a_settings_file_is_taken_over() {
    let (_project, ada) = Project::begun(&[("A", "one"), ("B", "two")]);
    let text = "export A=one\nB='zwei'\nCERT=\"x\ny\"\nURL=\"http://${A}/\"\n";
    let said = import(&ada, ".env", text, "env").exits(0);
    assert!(said.out.contains("New in secrets.production.enc: CERT, URL."), "{}", said.out);
    assert!(said.out.contains("Changed: B.") && said.out.contains("The same already: A."), "{}", said.out);
    assert_eq!(
        (ada.get("CERT"), ada.get("URL"), ada.get("B")),
        ("x\ny".into(), "http://one/".into(), "zwei".into())
    );
    let before = ada.text();
    let said = import(&ada, ".env", "C=x\nD=pa$word\n", "env").exits(2);
    assert!(said.err.contains(".env:2") && said.err.contains("word"), "{}", said.err);
    assert_eq!(ada.text(), before);
    ada.secrets(&["import", "no-such-file"]).exits(2);
    let said = import(&ada, "some.env", "C: x\napi-key=y\nD\n", "env").exits(0);
    assert_eq!(
        said.err,
        "Not taken over from some.env:\n  line 2: no setting can have the name in this line, which is passed over\n  \
         line 3: there is no = in this line\n"
    );
    assert_eq!(ada.get("C"), "x");
}

#[test]
fn json_is_taken_over_and_what_is_not_simple_is_named() {
    let (_project, ada) = Project::begun(&[]);
    let text = r#"{"A": "one", "N": 5432, "db": {"user": "x"}, "LIST": [1], "F": 1.5, "a-b": "x"}"#;
    let said = import(&ada, "settings.json", text, "json").exits(0);
    assert_eq!((ada.get("A"), ada.get("N")), ("one".into(), "5432".into()));
    for what in [
        "db: it has names below it",
        "LIST: it is a list",
        "F: it is a number with a fraction",
        "\"a-b\": it is not a name",
    ] {
        assert!(said.err.contains(what), "{what}: {}", said.err);
    }
    assert!(import(&ada, "settings.json", "{", "json").exits(2).err.contains("not an object of JSON"));
}

/// As `sops -d` prints it for a file of each of its kinds.
#[test]
fn what_sops_has_decrypted_is_taken_over() {
    let (_project, ada) = Project::begun(&[]);
    import(&ada, "a.yaml", "DB_PASSWORD: 'pa: ss'\nPORT: 05432\n", "sops").exits(0);
    import(&ada, "b.json", "{\n\t\"TOKEN\": \"t\\u003ct\"\n}", "sops").exits(0);
    import(&ada, "c.env", "KEY=value with spaces\n", "sops").exits(0);
    let got = ["DB_PASSWORD", "PORT", "TOKEN", "KEY"].map(|name| ada.get(name));
    assert_eq!(got, ["pa: ss", "05432", "t<t", "value with spaces"]);
}

/// A file that sops 3.9 has encrypted; its metadata shortened.
const ENCRYPTED: &str = "DB_PASSWORD: ENC[AES256_GCM,data:p673w==,iv:YY=,aad:UQ=,tag:A=]\nsops:\n    \
                         mac: ENC[AES256_GCM,data:4HDY=,iv:ae=,tag:Rg==,type:str]\n    version: 3.9.0\n";

#[test]
fn without_sops_its_encrypted_files_cannot_be_read_and_that_is_told() {
    let (_project, ada) = Project::begun(&[]);
    let empty = ada.home.join("empty");
    fs::create_dir(&empty).unwrap();
    let said = import(&ada.with("PATH", empty.to_str().unwrap()), "secrets.yaml", ENCRYPTED, "sops").exits(2);
    assert!(said.err.contains("sops cannot be run") && said.err.contains("sops -d"), "{}", said.err);
}

/// What the program is asked, and what becomes of its answer: a program of that name stands in for
/// it, because what is tested is this side of the call.
#[test]
fn sops_is_asked_for_json_by_plain_arguments() {
    let (_project, ada) = Project::begun(&[]);
    let bin = ada.home.join("bin");
    fs::create_dir(&bin).unwrap();
    let script = "#!/bin/sh\n[ \"$#\" = 4 ] && [ \"$1 $2 $3\" = '--decrypt --output-type json' ] || exit 9\n\
                  grep -q 'ENC\\[' \"$4\" || exit 8\nprintf '{\"DB_PASSWORD\": \"from sops\"}'\n";
    fs::write(bin.join("sops"), script).unwrap();
    fs::set_permissions(bin.join("sops"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    import(&ada.with("PATH", &path), "-secrets $(x).yaml", ENCRYPTED, "sops");
    fs::write(ada.project.join("it's.yaml"), ENCRYPTED).unwrap();
    ada.with("PATH", &path).secrets(&["import", "--from", "sops", "it's.yaml"]).exits(0);
    assert_eq!(ada.get("DB_PASSWORD"), "from sops");
}

#[test]
fn what_would_wipe_or_hide_a_value_is_not_taken_over() {
    let (_project, ada) = Project::begun(&[("A", "one")]);
    let said = import(&ada, "some.env", "A=\nB=two\nC=\n", "env").exits(0);
    assert!(said.err.contains("A: it is empty") && !said.out.contains("Then remove"), "{said:?}");
    assert_eq!((ada.get("A"), ada.get("B"), ada.get("C")), ("one".into(), "two".into(), String::new()));
    let before = ada.text();
    let sealed = "A=ENC[AES256_GCM,data:x,iv:x,tag:x,type:str]\nsops_version=3.9.0\n";
    let said = import(&ada, "sealed.env", sealed, "env").exits(2);
    assert!(said.err.contains("sops has encrypted it") && said.err.contains("--from sops"), "{said:?}");
    assert_eq!(ada.text(), before);
}

#[test]
fn what_is_not_as_it_is_declared_is_not_taken_over() {
    let (_project, ada) = Project::begun(&[("PORT", "80")]);
    ada.declare("PORT = { type = \"port\" }\nAPI_KEY = { secret = true, min_length = 40 }");
    let before = ada.text();
    let said = import(&ada, "some.env", "PORT=http\nAPI_KEY=hunter2\nOTHER=x\n", "env").exits(2);
    assert_eq!(
        said.err,
        "error: some.env: PORT: its value is not a port, 1 to 65535; write a port, 1 to 65535; nothing was changed\n\
         error: some.env: API_KEY: its value is too short: 7 characters; it needs at least 40; nothing was changed\n"
    );
    assert!(!said.out.contains("Then remove"), "{}", said.out);
    assert_eq!(ada.text(), before);
    let said = import(&ada, "some.env", "PORT=443\nAPI_KYE=x\nAPI_KEY=\n", "env").exits(0);
    assert!(
        said.err.contains("warning: API_KYE is declared nowhere in the manifest; did you mean API_KEY?")
            && said.err.contains("API_KEY: it is empty, and must have a value"),
        "{}",
        said.err
    );
    assert_eq!((ada.get("PORT"), ada.get("API_KYE")), ("443".into(), "x".into()));
    ada.secrets(&["get", "API_KEY"]).exits(2);
}
