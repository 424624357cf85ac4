//! Journals that another build of the program wrote.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::types::Value;
use rustix::process::Signal;
use windlass_testkit::sandbox::{Manifest, Sandbox, WayBack, until};

use super::damage::{Copies, rest};
use super::{deployed, line};

/// A journal of format 1 with a run that was interrupted after its migration. It was written once, by
/// the program of its day (`BLESS=1` where there is none), and is never written again: the point of it is that it is old.
fn kept() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/journals/format-1.sql")
}

/// What differs from sandbox to sandbox, and what stands for it in the file.
fn places(sandbox: &Sandbox) -> [(String, &'static str); 3] {
    [
        (sandbox.fixture().display().to_string(), "@FIXTURE@"),
        (sandbox.root().display().to_string(), "@ROOT@"),
        (format!("127.0.0.1:{}", sandbox.port), "@ADDRESS@"),
    ]
}

fn journal(sandbox: &Sandbox) -> PathBuf {
    sandbox.environment().join("state/journal.db")
}

/// Leaves a deploy as it is right after the result of its migration.
fn interrupt(sandbox: &Sandbox) {
    sandbox.change();
    let plan = sandbox.succeed(&["plan", "--json"]).json();
    let is_job = |step: &serde_json::Value| step["phase"] == "migrate";
    let step = plan["steps"].as_array().unwrap().iter().position(is_job).unwrap();
    sandbox.die_at(&format!("after-result:{step}"));
    let deploy = sandbox.start(&["deploy"]);
    until("the crash", || sandbox.has_crashed_or_ended(&deploy).then_some(()));
    deploy.signal(Signal::KILL);
    let _killed = deploy.finish();
    assert!(sandbox.died());
    rest(sandbox);
}

/// A journal as the SQL that makes it again.
fn dump(sandbox: &Sandbox) -> String {
    let connection = Connection::open(journal(sandbox)).unwrap();
    let mut text = String::new();
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    writeln!(text, "PRAGMA user_version = {version};").unwrap();
    let mut tables = connection.prepare("SELECT name, sql FROM sqlite_master WHERE type = 'table'").unwrap();
    let tables: Vec<(String, String)> =
        tables.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect();
    for (_, sql) in &tables {
        writeln!(text, "{sql};").unwrap();
    }
    for (name, _) in &tables {
        let mut rows = connection.prepare(&format!("SELECT * FROM {name}")).unwrap();
        let columns: Vec<String> = rows.column_names().map(str::to_owned).collect();
        let mut rows = rows.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let values: Vec<String> = columns
                .iter()
                .enumerate()
                .map(|(at, column)| match row.get(at).unwrap() {
                    Value::Text(_) if column == "asked_by" => "'somebody'".to_owned(),
                    Value::Text(text) => format!("'{}'", text.replace('\'', "''")),
                    Value::Integer(number) => number.to_string(),
                    _ => "NULL".to_owned(),
                })
                .collect();
            writeln!(text, "INSERT INTO {name} VALUES ({});", values.join(", ")).unwrap();
        }
    }
    places(sandbox).into_iter().fold(text, |text, (here, place)| text.replace(&here, place))
}

/// The text of the file, written first where there is none.
fn text() -> String {
    let path = kept();
    if !path.exists() && std::env::var_os("BLESS").is_some() {
        let sandbox = deployed(&Manifest::default());
        interrupt(&sandbox);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, dump(&sandbox)).unwrap();
    }
    std::fs::read_to_string(&path).unwrap()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => copy(&entry.path(), &target),
            _ => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}

#[test]
fn an_interrupted_run_of_an_earlier_program_is_resumed() {
    let line = line("an_interrupted_run_of_an_earlier_program_is_resumed");
    let text = text();
    let sandbox = deployed(&Manifest::default());
    let watch = line.watch_at_pace(&sandbox, Duration::from_millis(40));
    rest(&sandbox);
    // The world as that program left it: the second release is built and its migration has run.
    for name in ["journal.db", "journal.db-wal", "journal.db-shm"] {
        let _gone = std::fs::remove_file(sandbox.environment().join("state").join(name));
    }
    let text = places(&sandbox).into_iter().fold(text, |text, (here, place)| text.replace(place, &here));
    Connection::open(journal(&sandbox)).unwrap().execute_batch(&text).unwrap();
    let releases = sandbox.environment().join("releases");
    copy(&releases.join("r1"), &releases.join("r2"));
    let output = sandbox.succeed(&["resume"]);
    assert_eq!(sandbox.release(), "r2", "{output:#?}");
    line.is_sound(&sandbox, "resumed");
    assert_eq!(sandbox.shared("migrate").trim(), "migrate r1", "the migration was not run again");
    // Its runs are linked from now on, the one that had ended before with them.
    let audit = sandbox.status()["audit"].clone();
    assert_eq!((audit["runs"].as_u64(), audit["faults"].as_array().unwrap().len()), (Some(2), 0), "{audit}");
    sandbox.change();
    sandbox.succeed(&["deploy"]);
    watch.end_without_loss();
    line.is_sound(&sandbox, "the next deploy");
    sandbox.down();
    line.held("it goes on to the new release without running the migration again; 0 failed requests");
}

#[test]
fn an_interrupted_run_of_another_format_is_refused() {
    let line = line("an_interrupted_run_of_another_format_is_refused");
    let sandbox = deployed(&Manifest::default());
    interrupt(&sandbox);
    let state = sandbox.environment().join("state");
    let copies = Copies::of(&["journal.db", "journal.db-wal", "journal.db-shm"].map(|name| state.join(name)));
    let altered = Connection::open(journal(&sandbox))
        .unwrap()
        .execute("UPDATE runs SET plan = json_set(plan, '$.version', 2) WHERE ended IS NULL", [])
        .unwrap();
    assert_eq!(altered, 1);
    let watch = line.watch_at_pace(&sandbox, Duration::from_millis(40));
    let way_back = WayBack::of(&sandbox);
    for verb in ["resume", "deploy"] {
        let output = sandbox.fail(&[verb], 1);
        assert!(
            output.stderr.contains("was begun by another Windlass and is not over"),
            "{verb}: {output:?}"
        );
        assert!(output.stderr.contains("its plan has format 2, this one knows 1"), "{verb}: {output:?}");
    }
    watch.end_without_loss();
    line.keeps_the_way_back(&sandbox, &way_back, "refused");
    assert_eq!(sandbox.answering(), "r1");
    rest(&sandbox);
    copies.put_back();
    sandbox.succeed(&["resume"]);
    line.is_sound(&sandbox, "the version that began it is back");
    sandbox.down();
    line.held("refused with what to do, 0 failed requests; the version that began it goes on with it");
}
