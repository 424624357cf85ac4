//! What must not be seen.

use std::collections::BTreeSet;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use windlass_testkit::sandbox::score::Invariant;
use windlass_testkit::sandbox::{Manifest, Sandbox};

use super::{WINDLASS, deployed, line};

/// All files below a directory.
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

#[test]
fn secrets_stay_where_they_belong() {
    let line = line("secrets_stay_where_they_belong");
    const CANARY: &str = "canary-5f2b7e91-and-some-more";
    static ENOUGH: AtomicBool = AtomicBool::new(false);
    let watcher = std::thread::spawn(|| {
        let mut seen = BTreeSet::new();
        while !ENOUGH.load(Ordering::Relaxed) {
            for entry in std::fs::read_dir("/proc").unwrap().flatten() {
                let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
                let line = String::from_utf8_lossy(&line).into_owned();
                if line.contains(CANARY) {
                    seen.insert(line);
                }
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        seen
    });
    let top = "[settings]\nTOKEN = { secret = true }\n[env]\nURL = \"http://user:{settings.TOKEN}@x/\"\n";
    // The build sees it too, and tells it to whoever listens.
    let more = "[build]\nenv = { BUILD_TOKEN = \"{settings.TOKEN}\" }\n\
                steps = [{ shell = \"echo building with $BUILD_TOKEN; echo $BUILD_TOKEN >&2; ! grep -q build.fail behaviour\" }]\n\
                [jobs.tell]\ncommand = [\"sh\", \"-c\", \"echo token=$TOKEN; echo $TOKEN | base64\"]\n\
                [jobs.fail]\ncommand = [\"sh\", \"-c\", \"echo $TOKEN >&2; exit 1\"]\n\
";
    let sandbox =
        Sandbox::with(WINDLASS, &Manifest { top: top.into(), more: more.into(), ..Manifest::default() });
    sandbox.write(".env", &format!("TOKEN={CANARY}\n"));
    sandbox.write("behaviour", "");
    let mut said = String::new();
    let mut keep = |sandbox: &Sandbox, args: &[&str]| said += &sandbox.run(args).all();
    keep(&sandbox, &["check"]);
    keep(&sandbox, &["plan"]);
    keep(&sandbox, &["deploy"]);
    assert_eq!(sandbox.get("/env?TOKEN").body, CANARY);
    sandbox.change();
    keep(&sandbox, &["plan", "--json", "--out", "../plan.json"]);
    keep(&sandbox, &["deploy", "--json"]);
    sandbox.behave("web.crash:20");
    keep(&sandbox, &["deploy"]);
    sandbox.behave("migrate.exit:3");
    keep(&sandbox, &["deploy", "--json"]);
    // The end of a failed step's output is shown.
    sandbox.behave("build.fail");
    keep(&sandbox, &["deploy"]);
    keep(&sandbox, &["deploy", "--json"]);
    sandbox.behave("");
    for args in [
        ["rollback", "--yes"],
        ["run", "tell"],
        ["run", "fail"],
        ["status", "--json"],
        ["status", "--no-color"],
        ["releases", "--json"],
        ["runs", "--json"],
        ["logs", "--json"],
        ["restart", "web"],
        ["scale", "web=1"],
        ["stop", "worker"],
        ["run", "--json"],
    ] {
        keep(&sandbox, &args);
    }
    let printed = said.lines().find(|line| line.contains(CANARY));
    line.holds(Invariant::I9, printed.is_none(), || format!("printed: {printed:?}"));
    let mut allowed = 0;
    let mut below = files(&sandbox.home());
    below.push(sandbox.root().join("plan.json"));
    for file in below {
        let text = String::from_utf8_lossy(&std::fs::read(&file).unwrap_or_default()).into_owned();
        if !text.contains(CANARY) {
            continue;
        }
        // What the build itself said stands in the build's own log, as it said it.
        let said = file.file_name().unwrap().to_string_lossy().contains(".build.");
        // A release that failed has no values any more, but for masking what it said.
        let kept = file.parent().unwrap().ends_with("state/settings") || file.ends_with("state/masked.json");
        line.holds(Invariant::I9, kept || said, || format!("{} holds it", file.display()));
        assert_eq!(
            std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o600,
            "{}",
            file.display()
        );
        allowed += 1;
    }
    assert!(allowed > 0);
    sandbox.down();
    ENOUGH.store(true, Ordering::Relaxed);
    let seen = watcher.join().unwrap();
    line.holds(Invariant::I9, seen.is_empty(), || format!("in arguments: {seen:?}"));
    line.held(
        "20 verbs, failing ones and a build that echoes it among them: in no output, no arguments, no file but \
         0600 in state/settings and in the log of what said it itself",
    );
}

#[test]
fn files_are_closed_whatever_the_umask() {
    let line = line("files_are_closed_whatever_the_umask");
    let sandbox = Sandbox::with(WINDLASS, &Manifest::default());
    // Whoever made a link where a file is to be written does not get it.
    let victim = sandbox.root().join("victim");
    std::fs::write(&victim, "theirs").unwrap();
    let plan = sandbox.root().join("plan.json");
    for umask in ["077", "000"] {
        let _none_yet = std::fs::remove_file(&plan);
        std::os::unix::fs::symlink(&victim, &plan).unwrap();
        for verb in ["plan --out ../plan.json", "deploy"] {
            let command = format!("umask {umask}; exec \"$0\" {verb}");
            let mut shell = sandbox.command_of(Path::new("/bin/sh"), &["-c", &command, WINDLASS]);
            let output = shell.output().unwrap();
            assert!(output.status.success(), "{output:?}");
        }
        let facts = std::fs::symlink_metadata(&plan).unwrap();
        assert!(facts.is_file() && facts.permissions().mode() & 0o777 == 0o600, "{umask}: {facts:?}");
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "theirs");
        sandbox.change();
    }
    let root = sandbox.environment();
    // Private databases work below it under their own accounts.
    for passable in [root.parent().unwrap(), &root, &root.join("resources")] {
        let mode = std::fs::metadata(passable).unwrap().permissions().mode() & 0o777;
        line.holds(Invariant::I9, mode == 0o755, || format!("{} is {mode:o}", passable.display()));
    }
    let mut looked = 0;
    let mut directories = vec![root.clone()];
    while let Some(directory) = directories.pop() {
        let open = directory == root;
        for entry in std::fs::read_dir(&directory).unwrap().flatten() {
            let (kind, name) = (entry.file_type().unwrap(), entry.file_name());
            if kind.is_symlink() || (open && ["shared"].iter().any(|known| name == *known)) {
                continue;
            }
            let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
            let path = entry.path();
            let is_release = path.starts_with(root.join("releases")) || path == root.join("resources");
            let wrong = if is_release { mode & 0o022 } else { mode & 0o077 };
            // Sockets are guarded by their directory.
            let is_closed = wrong == 0 || kind.is_socket();
            line.holds(Invariant::I9, is_closed, || format!("{} is {mode:o}", path.display()));
            looked += 1;
            if kind.is_dir() {
                directories.push(path);
            }
        }
    }
    assert!(looked > 20);
    sandbox.down();
    line.held(
        "umask 077 and 000: state is 0600 in 0700, releases cannot be written by others, links are replaced",
    );
}

#[test]
fn only_what_is_declared_a_shell_line_is_one() {
    let line = line("only_what_is_declared_a_shell_line_is_one");
    let manifest = Manifest {
        top: "[env]\nHOSTILE = \"$(touch marker); `touch marker`\"\n".into(),
        more: "[jobs.line]\ncommand = { shell = \"echo \\\"$HOSTILE\\\"\" }\n".into(),
        ..Manifest::small()
    };
    let sandbox = deployed(&manifest);
    let output = sandbox.succeed(&["run", "line"]);
    assert_eq!(output.stdout.trim(), "$(touch marker); `touch marker`");
    assert!(!sandbox.environment().join("current/marker").exists());
    sandbox.write("windlass.toml", "[app]\nname = \"fixture\"\n[services.web]\ncommand = \"a | b\"\n");
    sandbox.fail(&["check"], 2);
    sandbox.manifest(&manifest);
    sandbox.down();
    line.held("values reach a shell line in its environment only; pipes in plain commands are errors");
}
