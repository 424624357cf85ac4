//! Files that are damaged, from another version, or gone.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;
use windlass_testkit::sandbox::{CurrentWatch, Manifest, Sandbox, WayBack, get, kill, until};

use super::{deployed, exhaustive, line};

/// A copy of files, to put back.
pub(super) struct Copies(Vec<(PathBuf, Option<Vec<u8>>)>);

impl Copies {
    pub(super) fn of(paths: &[PathBuf]) -> Self {
        Self(paths.iter().map(|path| (path.clone(), std::fs::read(path).ok())).collect())
    }

    pub(super) fn put_back(&self) {
        for (path, bytes) in &self.0 {
            match bytes {
                Some(bytes) => std::fs::write(path, bytes).unwrap(),
                None => drop(std::fs::remove_file(path)),
            }
        }
    }
}

fn injure(path: &Path, how: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    if bytes.is_empty() {
        return;
    }
    let length = bytes.len();
    match how {
        0 => bytes.clear(),
        1 => bytes.truncate(length / 2),
        2 => bytes.truncate(length - 1),
        _ if how.is_multiple_of(2) => bytes.truncate(length * how / ways()),
        _ => bytes[(how - 3) * 7919 % length] ^= 1 << (how % 8),
    }
    std::fs::write(path, bytes).unwrap();
}

/// In how many ways a file is injured: cut off, or a bit of it another. That each byte counts is shown of what reads them.
fn ways() -> usize {
    if exhaustive() { 40 } else { 8 }
}

/// Ends the host side so that nothing of it writes any more, and keeps it from coming back.
pub(super) fn rest(sandbox: &Sandbox) {
    let host = |process: &windlass_testkit::sandbox::Process| {
        process.argv.iter().any(|word| word.contains("/host/keeper"))
    };
    // Looked for again until there is none: a keeper may have been starting it just then.
    until("the host side and its keeper to be gone", || {
        let keepers = sandbox.keepers().into_iter().filter(host).map(|keeper| keeper.pid);
        let left: Vec<i32> = keepers.chain(sandbox.host()).collect();
        left.iter().for_each(|pid| kill(*pid, Signal::KILL));
        left.is_empty().then_some(())
    });
}

#[test]
fn the_journal_is_damaged() {
    let line = line("the_journal_is_damaged");
    let sandbox = deployed(&Manifest::default());
    sandbox.change();
    sandbox.succeed(&["deploy"]);
    rest(&sandbox);
    let state = sandbox.environment().join("state");
    let paths = ["journal.db", "journal.db-wal", "journal.db-shm"].map(|name| state.join(name));
    let copies = Copies::of(&paths);
    let watch = line.watch_at_pace(&sandbox, Duration::from_millis(40));
    let (mut tried, mut refused) = (0, 0);
    for path in &paths[..2] {
        for how in 0..ways() {
            if std::fs::metadata(path).map_or(0, |file| file.len()) == 0 {
                continue;
            }
            injure(path, how);
            let output = sandbox.run(&["status", "--json"]);
            let context = format!("{} {how}: {output:#?}", path.display());
            assert!(!output.all().contains("panicked"), "{context}");
            if output.code == 0 {
                // It may have been no more than the last word that was lost; never all of it.
                assert!(!output.json()["release"].is_null(), "it began anew: {context}");
            } else {
                refused += 1;
                assert!(output.all().contains("state file") || output.all().contains("journal"), "{context}");
            }
            tried += 1;
            rest(&sandbox);
            copies.put_back();
        }
    }
    // Gone altogether.
    for path in &paths {
        let _gone = std::fs::remove_file(path);
    }
    let output = sandbox.run(&["deploy"]);
    assert_ne!(output.code, 0, "it began anew: {output:#?}");
    rest(&sandbox);
    copies.put_back();
    line.is_sound(&sandbox, "put back");
    watch.end_without_loss();
    assert!(refused > 0);
    sandbox.down();
    line.held(&format!(
        "{tried} damages and a missing file: refused, or nothing essential lost; never begun anew"
    ));
}

#[test]
fn the_journal_is_of_a_newer_version() {
    let line = line("the_journal_is_of_a_newer_version");
    let sandbox = deployed(&Manifest::small());
    rest(&sandbox);
    let journal = sandbox.environment().join("state/journal.db");
    let set = |version: i64| {
        let connection = rusqlite::Connection::open(&journal).unwrap();
        let before: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
        connection.pragma_update(None, "user_version", version).unwrap();
        before
    };
    let version = set(99);
    let watch = line.watch_at_pace(&sandbox, Duration::from_millis(40));
    sandbox.change();
    let way_back = WayBack::of(&sandbox);
    for verb in ["deploy", "status", "plan"] {
        let output = sandbox.run(&[verb]);
        assert_ne!(output.code, 0, "{verb}: {output:?}");
        assert!(output.stderr.contains("newer Windlass"), "{verb}: {output:?}");
    }
    // A list of what is written down here needs nobody else.
    let listed = sandbox.fail(&["secrets", "rotate"], 1);
    assert!(listed.stderr.contains("error: what is left unrevoked is not known: "), "{listed:?}");
    line.keeps_the_way_back(&sandbox, &way_back, "refused");
    rest(&sandbox);
    assert_eq!(set(version), 99);
    watch.end_without_loss();
    sandbox.succeed(&["deploy"]);
    line.is_sound(&sandbox, "the version is right again");
    sandbox.down();
    line.held("refused with the reason, 0 failed requests");
}

#[test]
fn a_record_of_the_journal_is_altered() {
    let line = line("a_record_of_the_journal_is_altered");
    let sandbox = deployed(&Manifest::default());
    sandbox.change();
    sandbox.die_at("after-result:6");
    let deploy = sandbox.start(&["deploy"]);
    let failpoint = sandbox.root().join("failpoint");
    until("the crash", || (!failpoint.exists()).then_some(()));
    deploy.signal(Signal::KILL);
    let _killed = deploy.finish();
    rest(&sandbox);
    let journal = rusqlite::Connection::open(sandbox.environment().join("state/journal.db")).unwrap();
    let altered = journal
        .execute(
            "UPDATE records SET at = at, body = replace(body, '\"step\":2', '\"step\":3') WHERE seq = 3",
            [],
        )
        .unwrap()
        + journal.execute("UPDATE records SET body = body || ' ' WHERE seq = 4", []).unwrap();
    assert!(altered >= 1);
    drop(journal);
    let watch = line.watch_at_pace(&sandbox, Duration::from_millis(40));
    let output = sandbox.run(&["resume"]);
    assert_ne!(output.code, 0, "{output:?}");
    assert!(output.all().contains("damaged"), "{output:?}");
    watch.end_without_loss();
    line.held("the chain of hashes is broken, and resume says so");
}

#[test]
fn what_is_on_record_of_past_runs_is_altered() {
    let line = line("what_is_on_record_of_past_runs_is_altered");
    let sandbox = deployed(&Manifest::small());
    sandbox.change();
    sandbox.succeed(&["deploy"]);
    let runs = sandbox.succeed(&["runs"]);
    let audit = sandbox.status()["audit"].clone();
    let last = audit["last"].as_str().unwrap();
    assert_eq!(audit["runs"], 2, "{audit}");
    assert!(runs.stderr.contains("2 runs are on record, as written down") && runs.stderr.contains(last));
    let state = sandbox.environment().join("state");
    let copies = Copies::of(&["journal.db", "journal.db-wal", "journal.db-shm"].map(|name| state.join(name)));
    let watch = line.watch_at_pace(&sandbox, Duration::from_millis(40));
    // Who asked, when, by which plan, how it ended, and that it was; and the newest with its link.
    let newest = "(SELECT max(rowid) FROM runs)";
    let edits = [
        format!("UPDATE runs SET asked_by = 'nobody' WHERE rowid = {newest}"),
        format!("UPDATE runs SET began = began - 1 WHERE rowid = {newest}"),
        format!("UPDATE runs SET plan = replace(plan, 'local', 'other') WHERE rowid = {newest}"),
        format!("UPDATE runs SET record = replace(record, 'done', 'failed') WHERE rowid = {newest}"),
        "UPDATE records SET at = at + 1 WHERE seq = 1".to_owned(),
        "DELETE FROM runs WHERE rowid = 1".to_owned(),
        "DELETE FROM audit WHERE seq = 2".to_owned(),
    ];
    for edit in &edits {
        rest(&sandbox);
        let journal = rusqlite::Connection::open(state.join("journal.db")).unwrap();
        journal.pragma_update(None, "foreign_keys", false).unwrap();
        assert!(journal.execute(edit, []).unwrap() > 0, "{edit}");
        drop(journal);
        for verb in ["runs", "status"] {
            let output = sandbox.fail(&[verb], 5);
            assert!(
                output.all().contains("the runs on record are not as they were written down"),
                "{edit}: {output:#?}"
            );
            assert!(output.all().contains("compare it with a backup"), "{edit}: {output:#?}");
        }
        let audit = sandbox.fail(&["status", "--json"], 5).json()["audit"].clone();
        assert_ne!(audit["faults"].as_array().unwrap().len(), 0, "{edit}: {audit}");
        sandbox.fail(&["runs", "--json"], 5);
        if edit == &edits[0] {
            // It keeps nobody from deploying, which hides nothing.
            sandbox.change();
            sandbox.succeed(&["deploy"]);
            sandbox.fail(&["runs"], 5);
            // Who knows of it says so, which is on record; and what is altered then is told again.
            let known = sandbox.succeed(&["runs", "--acknowledge"]);
            assert!(known.stdout.contains("acknowledged: what is written of the run of"), "{known:#?}");
            let runs = sandbox.succeed(&["runs"]);
            assert!(runs.stderr.contains("3 runs are on record, as written down but for what "), "{runs:#?}");
            assert_eq!(sandbox.status()["audit"]["acknowledged"][0]["faults"].as_array().unwrap().len(), 1);
            let nothing = sandbox.succeed(&["runs", "--acknowledge", "--json"]).json();
            assert_eq!(nothing, serde_json::json!({ "changed": false, "acknowledged": [] }));
            rest(&sandbox);
            let journal = rusqlite::Connection::open(state.join("journal.db")).unwrap();
            assert_eq!(journal.execute("UPDATE acknowledged SET by = 'nobody'", []).unwrap(), 1);
            drop(journal);
            sandbox.fail(&["runs"], 5);
        }
        rest(&sandbox);
        copies.put_back();
    }
    watch.end_without_loss();
    sandbox.succeed(&["runs"]);
    line.held(&format!(
        "{} edits: `runs` and `status` say so and exit with 5, until a person acknowledges them; deploys go on",
        edits.len()
    ));
}

#[test]
fn the_proxys_table_is_damaged() {
    let line = line("the_proxys_table_is_damaged");
    let sandbox = deployed(&Manifest::default());
    sandbox.change();
    sandbox.succeed(&["deploy"]);
    let current = CurrentWatch::begin(&sandbox);
    let proxy = sandbox.environment().join("proxy");
    let paths = [proxy.join("table.json"), proxy.join("table.last-good.json")];
    for both in [false, true] {
        for how in 0..4 {
            injure(&paths[0], how);
            if both {
                injure(&paths[1], how);
            }
            let before = sandbox.proxy().unwrap();
            kill(before, Signal::KILL);
            until("the release to answer", || {
                let reply = get(sandbox.port, "/version").ok()?;
                (reply.status == 200 && reply.body == "r2").then_some(())
            });
        }
    }
    sandbox.change();
    sandbox.succeed(&["deploy"]);
    line.was_finished(current);
    line.is_sound(&sandbox, "after the damage");
    sandbox.down();
    line.held("one or both files, 8 damages: the active release answers again by itself");
}

#[test]
fn an_instances_files_are_damaged() {
    let line = line("an_instances_files_are_damaged");
    // Each of its copies is damaged in its own way.
    let sandbox = deployed(&Manifest { replicas: 5, ..Manifest::default() });
    let mut tried = 0;
    for name in ["instance.json", "status.json", "launch.json"] {
        let watch = line.watch_at_pace(&sandbox, Duration::from_millis(40));
        let release = sandbox.release();
        for how in 0..5 {
            let copy = format!("instances/web.{release}.{}", how + 1);
            injure(&sandbox.environment().join(copy).join(name), how);
            tried += 1;
        }
        kill(sandbox.host().unwrap(), Signal::KILL);
        sandbox.change();
        let output = sandbox.run(&["deploy"]);
        assert_eq!(output.code, 0, "{name}: {output:#?}\n{}", sandbox.logs());
        watch.end_without_loss();
        line.is_sound(&sandbox, name);
    }
    sandbox.down();
    line.held(&format!(
        "{tried} damages of what stands beside the keepers, then a deploy: 0 failed requests"
    ));
}

#[test]
fn the_note_of_the_traffic_is_damaged() {
    let line = line("the_note_of_the_traffic_is_damaged");
    let sandbox = deployed(&Manifest::default());
    let watch = line.watch_at_pace(&sandbox, Duration::from_millis(40));
    for how in 0..5 {
        injure(&sandbox.environment().join("state/traffic.json"), how);
        kill(sandbox.host().unwrap(), Signal::KILL);
        sandbox.change();
        sandbox.succeed(&["deploy"]);
        line.is_sound(&sandbox, &format!("traffic.json {how}"));
    }
    watch.end_without_loss();
    sandbox.down();
    line.held("5 damages, each followed by a deploy: 0 failed requests");
}

#[test]
fn the_release_to_go_back_to_is_gone() {
    let line = line("the_release_to_go_back_to_is_gone");
    let sandbox = deployed(&Manifest::small());
    sandbox.change();
    sandbox.succeed(&["deploy"]);
    std::fs::remove_dir_all(sandbox.environment().join("releases/r1")).unwrap();
    let watch = line.watch_at_pace(&sandbox, Duration::from_millis(40));
    let way_back = WayBack::of(&sandbox);
    let output = sandbox.run(&["rollback"]);
    assert!(matches!(output.code, 1 | 2), "{output:?}");
    line.keeps_the_way_back(&sandbox, &way_back, "refused");
    watch.end_without_loss();
    assert_eq!(sandbox.answering(), "r2");
    // What was left of the one that is gone goes with the next run.
    sandbox.change();
    sandbox.succeed(&["deploy"]);
    line.is_sound(&sandbox, "nothing to go back to");
    sandbox.down();
    line.held("refused before anything changed");
}

#[test]
fn the_release_to_go_back_to_is_damaged() {
    let line = line("the_release_to_go_back_to_is_damaged");
    let steps = "mkdir -p out cache __pycache__; echo built > out/page; echo kept > cache/kept; \
                 echo compiled > __pycache__/a.pyc; cp /bin/true cache/program";
    let manifest = Manifest {
        more: format!(
            "[build]\nsteps = [{{ shell = {steps:?} }}]\ncache = [\"cache\"]\nshared = [\"media\"]\n\
             [jobs.own]\ncommand = [\"cache/program\"]\nwhen = \"manual\"\n"
        ),
        ..Manifest::small()
    };
    let sandbox = deployed(&manifest);
    sandbox.change();
    sandbox.succeed(&["deploy"]);
    let watch = line.watch_at_pace(&sandbox, Duration::from_millis(40));
    let tree = sandbox.environment().join("releases/r1");
    let refused = |damaged: &str| {
        let way_back = WayBack::of(&sandbox);
        let output = sandbox.fail(&["rollback"], 1);
        line.keeps_the_way_back(&sandbox, &way_back, damaged);
        assert!(output.stderr.contains("releases/r1 are not those that were built"), "{damaged}: {output:?}");
        assert!(output.stderr.contains(damaged), "{damaged}: {output:?}");
        assert!(output.stderr.contains("--anyway"), "{damaged}: {output:?}");
        assert_eq!(sandbox.answering(), "r2", "{damaged}");
    };
    let mut tried = 0;
    // What was in the source, what the build made, a program in a directory that builds carry on.
    for name in ["version", "out/page", "cache/program", ".windlass-contents"] {
        let copies = Copies::of(&[tree.join(name)]);
        for how in 0..6 {
            injure(&tree.join(name), how);
            refused(name);
            copies.put_back();
            tried += 1;
        }
        std::fs::remove_file(tree.join(name)).unwrap();
        refused(name);
        copies.put_back();
        let mode = if name == "cache/program" { 0o755 } else { 0o644 };
        std::fs::set_permissions(tree.join(name), PermissionsExt::from_mode(mode)).unwrap();
        tried += 1;
    }
    std::fs::set_permissions(tree.join("out/page"), PermissionsExt::from_mode(0o755)).unwrap();
    refused("out/page is not what it was");
    std::fs::set_permissions(tree.join("out/page"), PermissionsExt::from_mode(0o644)).unwrap();
    std::fs::rename(tree.join("out"), tree.join("away")).unwrap();
    refused("out/page is gone");
    std::fs::rename(tree.join("away"), tree.join("out")).unwrap();
    std::fs::remove_file(tree.join("media")).unwrap();
    refused("media is gone");
    std::os::unix::fs::symlink(sandbox.environment().join("shared/media"), tree.join("media")).unwrap();
    let seal = tree.join(".windlass-sealed");
    let copies = Copies::of(std::slice::from_ref(&seal));
    for how in 0..3 {
        injure(&seal, how);
        refused("its seal is damaged");
        copies.put_back();
    }
    tried += 6;

    // What the application adds, and what changes by itself, does not matter.
    std::fs::write(tree.join("media/upload"), "theirs").unwrap();
    std::fs::write(tree.join("cache/kept"), "other").unwrap();
    std::fs::write(tree.join("__pycache__/a.pyc"), "other").unwrap();
    std::fs::write(tree.join("added.log"), "theirs").unwrap();
    sandbox.succeed(&["rollback"]);
    assert_eq!(sandbox.status()["release"]["tree"], "r1");
    assert_eq!(sandbox.answering(), sandbox.release());

    // A deploy does not build upon it either: it says so once, and then makes the files anew.
    sandbox.succeed(&["rollback", "r2"]);
    injure(&tree.join("version"), 3);
    sandbox.write("version", "0");
    let output = sandbox.fail(&["deploy"], 1);
    assert!(output.stderr.contains("version is not what it was"), "{output:?}");
    sandbox.succeed(&["deploy"]);
    let status = sandbox.status();
    assert_eq!(status["release"]["tree"], status["release"]["release"], "{status}");
    assert_eq!(std::fs::read_to_string(sandbox.environment().join("current/version")).unwrap(), "0");

    // A person may know better.
    sandbox.change();
    sandbox.succeed(&["deploy"]);
    sandbox.fail(&["rollback", "r1"], 1);
    sandbox.succeed(&["rollback", "r1", "--anyway"]);
    watch.end_without_loss();
    line.is_sound(&sandbox, "back on damaged files");
    sandbox.down();
    line.held(&format!(
        "{tried} damages (deleted, cut, bits flipped, modes, links, the seal): refused with the file's name \
         before anything changed; the next deploy builds anew; 0 failed requests"
    ));
}

#[test]
fn the_release_that_a_deploy_would_go_back_to_is_damaged() {
    let line = line("the_release_that_a_deploy_would_go_back_to_is_damaged");
    let sandbox = deployed(&Manifest::default());
    let watch = line.watch_at_pace(&sandbox, Duration::from_millis(40));
    let tree = sandbox.environment().join("releases/r1");
    let paths = [tree.join("version"), tree.join(".windlass-sealed")];
    let copies = Copies::of(&paths);
    let mut tried = 0;
    for path in &paths {
        let is_seal = path.ends_with(".windlass-sealed");
        // Without a seal it would be no finished release.
        for how in 0..if is_seal { 3 } else { 4 } {
            match how {
                3 => std::fs::remove_file(path).unwrap(),
                how => {
                    let modified = path.metadata().unwrap().modified().unwrap();
                    injure(path, how);
                    // What decays keeps its time.
                    std::fs::File::options().write(true).open(path).unwrap().set_modified(modified).unwrap();
                }
            }
            sandbox.change();
            let output = sandbox.fail(&["deploy"], 1);
            for expected in ["a deploy that fails goes back to the active release", "releases/r1", "--anyway"]
            {
                assert!(output.stderr.contains(expected), "{} {how}: {output:#?}", path.display());
            }
            assert!(!output.stderr.contains("build  "), "before anything was built: {output:#?}");
            assert_eq!((sandbox.release().as_str(), sandbox.answering().as_str()), ("r1", "r1"));
            copies.put_back();
            tried += 1;
        }
    }
    // What the application has written to since is told of; the seal was put back only now.
    let seal = std::fs::File::options().write(true).open(&paths[1]).unwrap();
    seal.set_modified(std::time::SystemTime::now() - Duration::from_secs(60)).unwrap();
    std::fs::write(&paths[0], "another").unwrap();
    sandbox.change();
    let told = sandbox.succeed(&["deploy"]).stderr;
    assert!(told.contains("version is not what it was; files that the application itself changes"), "{told}");
    // Put right, it is asked nothing.
    sandbox.change();
    sandbox.succeed(&["deploy"]);
    // Whoever knows what that means may: one that fails leaves the old copies as they run.
    let tree = sandbox.environment().join("current").canonicalize().unwrap();
    std::fs::remove_file(tree.join("version")).unwrap();
    let active = sandbox.release();
    sandbox.behave("web.unready");
    sandbox.fail(&["deploy"], 1);
    sandbox.fail(&["deploy", "--anyway"], 3);
    assert_eq!(sandbox.answering(), active);
    sandbox.behave("");
    sandbox.succeed(&["deploy", "--anyway"]);
    sandbox.change();
    sandbox.succeed(&["deploy"]);
    watch.end_without_loss();
    line.is_sound(&sandbox, "on sound files again");
    sandbox.down();
    line.held(&format!(
        "{tried} damages (emptied, cut, deleted; a file, the seal): refused before anything was built; with --anyway a \
         failure leaves the old release as it runs, and a success makes a sound one; 0 failed requests"
    ));
}
