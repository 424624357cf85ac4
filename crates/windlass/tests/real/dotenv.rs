//! What is written for shells, and as `.env`, read by those who read such files.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use windlass_core::settings::{Reader, dotenv, write, write_shell};

use crate::environment_file;
use crate::needs::{Need, are_met};
use crate::stores::{installed, run};

/// The largest value that Windlass keeps, in bytes.
const LARGEST: usize = 64 << 10;

/// Prints what is in its environment, in hex.
const ENVIRONMENT: &str = "
import os
for name, value in os.environb.items():
    print((name + b'=' + value).hex())
";

/// Prints what python-dotenv reads in a file.
const PYTHON: &str = "
import dotenv, sys
for name, value in dotenv.dotenv_values(sys.argv[1]).items():
    print((name + '=' + (value or '')).encode().hex())
";

/// Prints what npm's dotenv reads in a file.
const NODE: &str = "
const found = require('dotenv').parse(require('fs').readFileSync(process.argv[1]));
for (const name in found) console.log(Buffer.from(name + '=' + found[name]).toString('hex'));
";

/// Values in which everything stands that means something to a reader, and what would be noticed if it were run.
fn values() -> Vec<String> {
    let signs = "[ \\t\\r\\n\"'\\\\$`%#;&|<>*?~=!{}()é𝄞:]";
    let any = format!(
        "({signs}|`touch ran`|\\$\\(touch ran\\)|[;&|\\n] ?touch ran[;&]|> ?ran|\\$\\{{HOME\\}}|\\\\n|[^\\x00]){{0,8}}"
    );
    let mut runner = TestRunner::deterministic();
    let mut values: Vec<String> = (0..600).map(|_| any.new_tree(&mut runner).unwrap().current()).collect();
    for quote in ["", "'", "\"", "'\"", "\\", "'\\", "'`", "\r"] {
        for run in ["`touch ran`", "$(touch ran)", "& touch ran", "\ntouch ran\n", "; touch ran #", "\\\\"] {
            values.extend([
                format!("{quote}{run}"),
                format!("{run}{quote}"),
                format!("a {quote} {run} {quote} b"),
            ]);
        }
    }
    for unit in ["a", "\\", "\"", "'", "\n", "`", "\n\"x", "'$`\\\"%\n\t ", "ä\\\n", "a b "] {
        values.push(unit.repeat(LARGEST / unit.len()));
    }
    values
}

type Settings = Vec<(String, String)>;

fn pairs(settings: &Settings) -> impl Iterator<Item = (&str, &str)> {
    settings.iter().map(|(name, value)| (name.as_str(), value.as_str()))
}

/// What a reader printed: names with their values, in hex.
#[track_caller]
fn read(command: &mut Command) -> BTreeMap<String, String> {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    let byte = |at: usize, line: &str| u8::from_str_radix(&line[at..at + 2], 16).unwrap();
    let text = |line: &str| (0..line.len()).step_by(2).map(|at| byte(at, line)).collect::<Vec<u8>>();
    let lines = String::from_utf8(output.stdout).unwrap();
    let found = lines.lines().map(|line| String::from_utf8_lossy(&text(line)).into_owned());
    found
        .filter_map(|pair| pair.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())))
        .collect()
}

/// A shell that takes the file for a script, in a directory of its own, in which nothing was made afterwards.
#[track_caller]
fn sourced(shell: &str, file: &Path, script: &str) -> BTreeMap<String, String> {
    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new(shell);
    command
        .args(["-c", script, shell])
        .arg(file)
        .args(["python3", "-c", ENVIRONMENT])
        .current_dir(directory.path());
    let found = read(&mut command);
    let left: Vec<_> = std::fs::read_dir(directory.path()).unwrap().flatten().collect();
    assert!(left.is_empty(), "{shell} has run a part of a value: {left:?}");
    found
}

/// Every value that the reader is said to carry is read as it is, and no other setting is lost.
#[track_caller]
fn assert_read(reader: Reader, settings: &Settings, found: &BTreeMap<String, String>) {
    let (mut carried, mut lost) = (0, 0);
    for (name, value) in settings {
        if !reader.carries(value) {
            lost += 1;
            continue;
        }
        carried += 1;
        let read = found.get(name);
        assert!(read == Some(value), "{} reads {value:?} as {read:?}", reader.name());
    }
    assert!(carried > lost && lost > 0, "{}: {carried} carried, {lost} lost", reader.name());
}

fn numbered(values: Vec<String>) -> Settings {
    values.into_iter().enumerate().map(|(at, value)| (format!("N{at}"), value)).collect()
}

const DOTENV: &str = "file=$1; shift; set -a; . \"$file\"; exec \"$@\"";

// proves: DC-9
#[test]
fn a_shell_reads_what_was_written_and_runs_none_of_it() {
    if !are_met("dotenv", &[Need::Program("dash"), Need::Program("bash"), Need::Program("python3")]) {
        return;
    }
    let settings = numbered(values());
    let directory = tempfile::tempdir().unwrap();
    let (dotenv, script) = (directory.path().join(".env"), directory.path().join("export"));
    std::fs::write(&dotenv, write(pairs(&settings)).unwrap().as_bytes()).unwrap();
    std::fs::write(&script, write_shell(pairs(&settings)).unwrap().as_bytes()).unwrap();
    for shell in ["dash", "bash"] {
        assert_read(Reader::Shell, &settings, &sourced(shell, &dotenv, DOTENV));
        for script_of in [
            "file=$1; shift; . \"$file\"; exec \"$@\"",
            "all=$(cat \"$1\"); shift; eval \"$all\"; exec \"$@\"",
        ] {
            let found = sourced(shell, &script, script_of);
            for (name, value) in &settings {
                assert!(found.get(name) == Some(value), "{shell} reads {value:?} as {:?}", found.get(name));
            }
        }
    }
}

/// Lines of which all readers make the same value of `A`.
const AGREED: &[(&str, &str)] = &[
    ("A=b", "b"),
    ("A = b", "b"),
    (" A=b", "b"),
    ("export A=b", "b"),
    ("A=b=c", "b=c"),
    ("A='b c'", "b c"),
    ("A=\"b c\"", "b c"),
    ("A=b c", "b c"),
    ("A=  b  ", "b"),
    ("A=\" b \"", " b "),
    ("A=b # c", "b"),
    ("A=b\t# c", "b"),
    ("A= #b", ""),
    ("A=\"b\" # c", "b"),
    ("A='b # c'", "b # c"),
    ("A=\"x\\ny\"", "x\ny"),
    ("A='x\\ny'", "x\\ny"),
    ("A=x\\ny", "x\\ny"),
    ("A=\"x\ny\"", "x\ny"),
    ("A='x\ny'", "x\ny"),
    ("A=\"x\\dy\"", "x\\dy"),
    ("B=1\nA='$B'", "$B"),
    ("A=", ""),
    ("A=''", ""),
    ("A=b\r\nC=d", "b"),
    ("\u{feff}A=b", "b"),
    ("A=1\nA=2", "2"),
    ("# A=b\nA=c", "c"),
    ("A=é", "é"),
    ("A=b,c:d/e@f%+g&h", "b,c:d/e@f%+g&h"),
    ("A={\"x\": 1}", "{\"x\": 1}"),
    ("A=it's", "it's"),
    ("A=-----x\\n-----y", "-----x\\n-----y"),
];

/// Lines of which they make different ones, which the guide lists: of ours, python-dotenv and npm's dotenv. `None` where
/// there is none.
type Differ = (&'static str, Option<&'static str>, Option<&'static str>, Option<&'static str>);
const DIFFERENT: &[Differ] = &[
    ("A=b#c", Some("b#c"), Some("b#c"), Some("b")),
    ("A=#b", Some("#b"), Some("#b"), Some("")),
    ("B=1\nA=$B", Some("1"), Some("$B"), Some("$B")),
    ("B=1\nA=${B}", Some("1"), Some("1"), Some("${B}")),
    ("B=1\nA=\"${B}\"", Some("1"), Some("1"), Some("${B}")),
    ("B=1\nA='${B}'", Some("${B}"), Some("1"), Some("${B}")),
    ("A=${N:-d}", Some("d"), Some("d"), Some("${N:-d}")),
    ("A=${N-d}", Some("d"), Some(""), Some("${N-d}")),
    ("A=$$N", Some("$N"), Some("$$N"), Some("$$N")),
    ("A=\"\\$N\"", Some("$N"), Some("\\$N"), Some("\\$N")),
    ("A=\"x\\ty\"", Some("x\ty"), Some("x\ty"), Some("x\\ty")),
    ("A=\"x\\\\y\"", Some("x\\y"), Some("x\\y"), Some("x\\\\y")),
    ("A='x\\\\y'", Some("x\\\\y"), Some("x\\y"), Some("x\\\\y")),
    ("A=\"x\\\"y\"", Some("x\"y"), Some("x\"y"), Some("x\\\"y")),
    ("A='x\\'y'", Some("x'y"), Some("x'y"), Some("x\\'y")),
    ("A=\"x\\0140y\"", Some("x`y"), Some("x\\0140y"), Some("x\\0140y")),
    ("A=`b c`", Some("`b c`"), Some("`b c`"), Some("b c")),
    ("A: b", Some("b"), None, Some("b")),
    ("A", None, None, None),
    ("A='b' c", None, None, Some("'b' c")),
    ("A=\"b", None, None, Some("\"b")),
];

/// Prints what they read as `A` in each of the files, as a list of JSON.
const PYTHON_ALL: &str = "import dotenv, json, sys; print(json.dumps([dotenv.dotenv_values(file).get('A') for file in sys.argv[1:]]))";
const NODE_ALL: &str = "const read = file => require('dotenv').parse(require('fs').readFileSync(file)).A;
console.log(JSON.stringify(process.argv.slice(1).map(file => read(file) ?? null)))";

/// Every line of the two lists is read as it stands there.
#[track_caller]
fn assert_lines_are_read(directory: &Path, python: &Path) {
    let agreed = AGREED.iter().map(|(line, value)| (*line, Some(*value), Some(*value), Some(*value)));
    let lines: Vec<Differ> = agreed.chain(DIFFERENT.iter().copied()).collect();
    let file = |(at, (line, ..)): (usize, &Differ)| {
        let path = directory.join(format!("{at}.env"));
        std::fs::write(&path, format!("{line}\n")).unwrap();
        path
    };
    let files: Vec<_> = lines.iter().enumerate().map(file).collect();
    let list = |command: &mut Command| -> Vec<Option<String>> {
        serde_json::from_str(&run(command.args(&files).current_dir(directory))).unwrap()
    };
    let python = list(Command::new(python).args(["-c", PYTHON_ALL]));
    let node = list(Command::new("node").args(["-e", NODE_ALL]));
    for (at, (line, ours, of_python, of_node)) in lines.iter().enumerate() {
        let parsed = dotenv::parse(".env", &format!("{line}\n"), &|_| None, &|_| None);
        let entry = parsed.entries.iter().find(|entry| entry.name == "A");
        assert_eq!(entry.map(|entry| entry.value.expose()), *ours, "{line:?}, read by Windlass");
        assert_eq!(python[at].as_deref(), *of_python, "{line:?}, read by python-dotenv");
        assert_eq!(node[at].as_deref(), *of_node, "{line:?}, read by npm's dotenv");
    }
}

// proves: DC-9
#[test]
fn other_readers_of_such_files_read_what_they_are_said_to() {
    let needs = [Need::Python, Need::PyPi("python-dotenv"), Need::Program("node"), Need::Npm("dotenv")];
    if !are_met("dotenv", &needs) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let python_of_venv = installed(directory.path(), "python-dotenv").join("python");
    let install = ["install", "--silent", "--no-audit", "--no-fund", "--prefix", ".", "dotenv"];
    run(Command::new("npm").args(install).current_dir(directory.path()));
    assert_lines_are_read(directory.path(), &python_of_venv);

    let settings = numbered(values());
    let file = directory.path().join("settings.env");
    std::fs::write(&file, write(pairs(&settings)).unwrap().as_bytes()).unwrap();
    let mut python = Command::new(&python_of_venv);
    assert_read(Reader::PythonDotenv, &settings, &read(python.args(["-c", PYTHON]).arg(&file)));
    let mut node = Command::new("node");
    let found = read(node.args(["-e", NODE]).arg(&file).current_dir(directory.path()));
    assert_read(Reader::NpmDotenv, &settings, &found);
    if let Some(library) = environment_file::library() {
        let mut systemd = Command::new("python3");
        let found = read(systemd.args(["-c", environment_file::READ]).arg(library).arg(&file));
        assert_read(Reader::Systemd, &settings, &found);
    }
    // What they are said to lose, they lose; without that nobody need be warned.
    let lost = numbered(["'\"", "'$A", "'`", "a\\\\b", "${A}", "a\r", "\u{feff}"].map(str::to_owned).into());
    std::fs::write(&file, write(pairs(&lost)).unwrap().as_bytes()).unwrap();
    let mut python = Command::new(&python_of_venv);
    let python = read(python.args(["-c", PYTHON]).arg(&file));
    let mut node = Command::new("node");
    let node = read(node.args(["-e", NODE]).arg(&file).current_dir(directory.path()));
    for (name, value) in &lost {
        assert_eq!(python.get(name) == Some(value), Reader::PythonDotenv.carries(value), "{value:?}");
        assert_eq!(node.get(name) == Some(value), Reader::NpmDotenv.carries(value), "{value:?}");
    }
}
