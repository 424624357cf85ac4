//! Any program: what it prints is the value, and what it complains of is masked.

use std::fs;

use crate::kit::{ask_in, fault, values};

const PATH: (&str, &str) = ("PATH", "/usr/bin:/bin");

fn store(words: &[&str], more: &str) -> String {
    format!("[stores.op]\nkind = \"command\"\ncommand = {words:?}\n{more}")
}

fn project() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("plain"), "hunter2-value\n").unwrap();
    fs::write(directory.path().join("lines"), " a\nb\n\n").unwrap();
    fs::write(directory.path().join("windows"), "value\r\n").unwrap();
    fs::write(directory.path().join("item.json"), r#"{"login":{"user":"ada"},"password":"p"}"#).unwrap();
    fs::write(directory.path().join("empty"), "\n").unwrap();
    fs::write(directory.path().join("bytes"), b"\xff\xfe").unwrap();
    fs::write(directory.path().join("large"), vec![b'x'; (1 << 20) + 1]).unwrap();
    directory
}

#[test]
fn what_it_prints_is_the_value_without_the_last_line_break() {
    let project = project();
    let places = ["op:plain", "op:lines", "op:windows", "op:item.json#password", "op:item.json#login"];
    let fetched = ask_in(project.path(), &store(&["cat", "{path}"], ""), &places, &[PATH]);
    assert_eq!(
        values(&fetched),
        [
            "op:plain=hunter2-value",
            "op:lines= a\nb\n",
            "op:windows=value",
            "op:item.json#password=p",
            "op:item.json#login={\"user\":\"ada\"}"
        ]
    );
}

/// Security check T1: a path is one word of the command, whatever is in it.
#[test]
fn a_path_is_never_read_by_a_shell() {
    let project = project();
    let hostile = "x; touch marker $(touch marker) `touch marker` | touch marker & ' \" * ~ \\ %";
    let fetched = ask_in(
        project.path(),
        &store(&["printf", "%s", "a{path}b"], ""),
        &[&format!("op:{hostile}")],
        &[PATH],
    );
    assert_eq!(values(&fetched), [format!("op:{hostile}=a{hostile}b")]);
    assert!(!project.path().join("marker").exists());
}

#[test]
fn what_goes_wrong_is_told_with_what_to_do() {
    let project = project();
    let complaining = "echo value-of-it; echo \"no: value-of-it $OP_TOKEN $1\" >&2; exit 3";
    for (words, more, place, expected) in [
        (
            &["sh", "-c", complaining, "sh", "{path}"][..],
            "",
            "op:shop",
            "the store op did not get shop: sh ended with exit code 3, and said: no: *** *** shop; run it by hand to \
             see what it lacks",
        ),
        (
            &["sh", "-c", "head -c 20000 /dev/zero; echo hunter2-value >&2; exit 3", "{path}"],
            "",
            "op:shop",
            "the store op did not get shop: sh ended with exit code 3; run it by hand to see what it lacks",
        ),
        (
            &["sh", "-c", "kill -9 $$", "{path}"],
            "",
            "op:shop",
            "the store op did not get shop: sh was killed by signal 9; run it by hand to see what it lacks",
        ),
        (
            &["no-such-program", "{path}"],
            "",
            "op:shop",
            "the store op needs the program no-such-program, which is not there; install no-such-program, or name it \
             with its whole path",
        ),
        (
            &["cat", "{path}"],
            "",
            "op:empty",
            "the store op did not get empty: cat printed nothing; is there a value at that path?",
        ),
        (
            &["cat", "{path}"],
            "",
            "op:bytes",
            "the store op did not get bytes: cat printed what is no text; have it print the value as text, such as base64",
        ),
        (
            &["cat", "{path}"],
            "",
            "op:large",
            "the store op did not get large: cat printed more than a setting can be; does it print the value, and \
             nothing else?",
        ),
        (
            &["sleep", "{path}"],
            "timeout = \"300ms\"\n",
            "op:1000",
            "the store op did not get 1000: sleep did not end within 300ms and was killed; does it wait for somebody to \
             unlock it? Run it by hand once; timeout = \"1m\" waits longer",
        ),
    ] {
        let env = [PATH, ("OP_TOKEN", "tok-8b1f3c9d")];
        let fetched = ask_in(project.path(), &store(words, more), &[place], &env);
        assert_eq!(fault(&fetched).to_string(), expected);
    }
}

/// What it started is ended with it, also when that keeps its output open.
#[test]
fn a_program_that_is_given_up_leaves_nothing_behind() {
    let project = project();
    let script = "sleep 1000 & echo $! > child; echo value; wait";
    let stores = store(&["sh", "-c", script, "{path}"], "timeout = \"500ms\"\n");
    let said = fault(&ask_in(project.path(), &stores, &["op:shop"], &[PATH])).to_string();
    assert!(said.contains("did not end within 500ms and was killed"), "{said}");
    let child: i32 = fs::read_to_string(project.path().join("child")).unwrap().trim().parse().unwrap();
    let gone = (0..400).any(|_| {
        let state = fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        let gone = state.is_empty() || state.contains(") Z ");
        if !gone {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        gone
    });
    assert!(gone, "process {child} is still there");
}

#[test]
fn it_is_not_told_what_opens_the_encrypted_file() {
    let project = project();
    let keys =
        [PATH, ("WINDLASS_KEY", "wlkey1_x"), ("WINDLASS_PASSPHRASE", "correct horse"), ("OP_TOKEN", "t")];
    let words = ["sh", "-c", "echo \"$WINDLASS_KEY$WINDLASS_PASSPHRASE$OP_TOKEN\"", "{path}"];
    let fetched = ask_in(project.path(), &store(&words, ""), &["op:x"], &keys);
    assert_eq!(values(&fetched), ["op:x=t"]);
}
