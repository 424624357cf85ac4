//! Proposing manifests: for each project of `fixtures/`, the proposal is written down literally in
//! `fixtures/NAME.expected`, and passes the check. `BLESS=1 cargo test -p windlass --test init`
//! writes what is proposed now.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::{Path, PathBuf};

use windlass::project::adopt;
use windlass::project::init::propose;
use windlass::project::load::load;
use windlass_core::diag::Severity;

fn fixtures() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut projects: Vec<PathBuf> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    projects.sort();
    projects
}

#[test]
fn every_project_gets_a_manifest_that_passes_the_check() {
    let mut differences = String::new();
    for project in fixtures() {
        let proposal = propose(&project, |_| false, false).unwrap();
        let notes: String = proposal.notes.iter().map(|note| format!("{note}\n")).collect();
        let printed = format!("{}\n=== notes\n{notes}", proposal.text);
        let (_, diags) = windlass_core::manifest::load(&proposal.text);
        let errors: Vec<_> = diags.iter().filter(|diag| diag.severity == Severity::Error).collect();
        assert!(errors.is_empty(), "{}\n{}\n{errors:#?}", project.display(), proposal.text);
        assert!(diags.is_empty(), "{}\n{}\n{diags:#?}", project.display(), proposal.text);
        let expected = project.with_extension("expected");
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&expected, &printed).unwrap();
        }
        let written = std::fs::read_to_string(&expected).unwrap_or_default();
        if written != printed {
            differences.push_str(&format!(
                "=== {}\n--- written down\n{written}\n+++ proposed\n{printed}",
                project.display()
            ));
        }
    }
    assert!(differences.is_empty(), "{differences}");
}

#[test]
fn a_manifest_that_is_there_is_kept_unless_forced() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("index.html"), "hello").unwrap();
    let first = adopt::init(directory.path(), false).unwrap();
    std::fs::write(&first.path, "mine").unwrap();
    let refused = adopt::init(directory.path(), false).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::AlreadyExists);
    assert!(refused.to_string().contains("--force"), "{refused}");
    assert_eq!(std::fs::read_to_string(&first.path).unwrap(), "mine");
    adopt::init(directory.path(), true).unwrap();
    assert_eq!(load(&first.path).unwrap().diags, []);
}

#[test]
fn what_is_made_goes_where_it_says() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("compose.yaml"), "services:\n  web:\n    command: ./serve\n")
        .unwrap();
    for args in [&["init"][..], &["import", "compose", "compose.yaml"]] {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_windlass"));
        let output =
            command.args(args).args(["--file", "x.toml"]).current_dir(directory.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("not x.toml"), "{output:?}");
    }
    assert!(!directory.path().join("windlass.toml").exists());
}

#[test]
fn a_full_disk_leaves_no_half_of_a_manifest() {
    let directory = tempfile::tempdir().unwrap();
    let init = |more: &str| {
        let windlass = env!("CARGO_BIN_EXE_windlass");
        // No file may grow, as on a full disk.
        let script = format!("trap '' XFSZ; ulimit -f 0; exec {windlass} init {more}");
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", &script]).current_dir(directory.path()).output().unwrap()
    };
    let names = || {
        let entries = std::fs::read_dir(directory.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(init("").status.code(), Some(2));
    assert!(names().is_empty(), "{:?}", names());
    let manifest = directory.path().join("windlass.toml");
    std::fs::write(&manifest, "mine").unwrap();
    assert_eq!(init("--force").status.code(), Some(2));
    assert_eq!(
        (names(), std::fs::read_to_string(manifest).unwrap().as_str()),
        (vec!["windlass.toml".into()], "mine")
    );
}

#[test]
fn a_compose_file_is_imported_beside_itself() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("compose.yaml");
    std::fs::write(&file, "services:\n  web:\n    command: ./serve\n    labels: [a]\n").unwrap();
    let written = adopt::import(&file, false).unwrap();
    assert_eq!(written.imported.notes.iter().map(|note| note.line).collect::<Vec<_>>(), [4]);
    assert_eq!(load(&written.path).unwrap().diags, []);
    assert!(matches!(adopt::import(&file, false), Err(adopt::NotImported::Unwritten(_))));
    std::fs::write(&file, "services: [").unwrap();
    assert!(matches!(adopt::import(&file, true), Err(adopt::NotImported::Fault(_))));
}

#[test]
fn what_compose_reads_beside_its_file_is_heeded() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write(
        "compose.yaml",
        "services:\n  web:\n    command: ./serve\n    ports: [\"${FRONT_OF_IT:-80}:3000\"]\n    env_file: web.env\n",
    );
    write(".env", "FRONT_OF_IT=8099\n");
    write("web.env", "API_URL=http://127.0.0.1:${FRONT_OF_IT}/\n");
    write("compose.override.yaml", "");
    let file = directory.path().join("compose.yaml");
    let (_, imported) = adopt::convert(&file).unwrap();
    for expected in [":8099\"", "env = { API_URL = \"http://127.0.0.1:8099/\" }"] {
        assert!(imported.text.contains(expected), "{}", imported.text);
    }
    let notes: Vec<String> = imported.notes.iter().map(ToString::to_string).collect();
    let expected = ["docker compose reads compose.override.yaml too", "FRONT_OF_IT is taken as"];
    for expected in expected {
        assert!(notes.iter().any(|note| note.contains(expected)), "{notes:?}");
        assert!(imported.annotated().contains(expected), "{}", imported.annotated());
    }
    let proposed = propose(directory.path(), |_| false, false).unwrap();
    assert_eq!(proposed.text, imported.annotated(), "init makes the same of it");
    // Compose reads nothing beside one that it is told.
    let other = directory.path().join("other.yaml");
    std::fs::copy(&file, &other).unwrap();
    let (_, of_other) = adopt::convert(&other).unwrap();
    assert!(!of_other.annotated().contains("compose.override.yaml"), "{}", of_other.annotated());
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_windlass"));
    let printed = command.args(["import", "compose", "--stdout"]).arg(&file).output().unwrap();
    assert_eq!(String::from_utf8(printed.stdout).unwrap(), imported.annotated());
    assert!(!directory.path().join("windlass.toml").exists());
}

#[test]
fn where_all_would_run_as_root_an_account_is_proposed() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/django-celery");
    let proposed = |as_root| propose(&project, |_| false, as_root).unwrap().text.matches("# user = ").count();
    // Three services, and the job that makes what they write to.
    assert_eq!((proposed(false), proposed(true)), (0, 4));
}

#[test]
fn tools_of_node_beside_containers_are_no_reason_to_begin_again() {
    let files =
        [("compose.yaml", "services: {web: {command: ./web}}\n"), ("Dockerfile", "FROM x\nCMD [\"/web\"]\n")];
    for (name, text) in files {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(name), text).unwrap();
        std::fs::write(directory.path().join("package.json"), "{\"devDependencies\": {\"prettier\": \"3\"}}")
            .unwrap();
        let proposal = propose(directory.path(), |_| false, false).unwrap();
        assert!(proposal.text.contains("[services."), "{}", proposal.text);
        assert!(!proposal.notes.iter().any(|note| note.contains("package.json")), "{:?}", proposal.notes);
    }
}

#[test]
fn a_file_that_cannot_be_imported_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let import = |file: &str| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_windlass"))
            .args(["import", "compose", file])
            .current_dir(directory.path())
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let write = |name: &str, text: &[u8]| std::fs::write(directory.path().join(name), text).unwrap();
    assert_eq!(
        import("compose.yml"),
        (
            Some(2),
            "error: compose.yml cannot be read: there is no such file\n  \
             hint: name the compose file: windlass import compose FILE\n"
                .to_owned()
        )
    );
    write("docker-compose.yml", b"services: [\n");
    let hint = "  hint: name the compose file: windlass import compose ";
    assert_eq!(
        import("compose.yml").1,
        format!("error: compose.yml cannot be read: there is no such file\n{hint}docker-compose.yml\n")
    );
    assert_eq!(
        import("."),
        (Some(2), format!("error: . cannot be read: it is a directory\n{hint}./docker-compose.yml\n"))
    );
    let (code, said) = import("docker-compose.yml");
    assert_eq!(code, Some(2));
    assert!(said.starts_with("error: docker-compose.yml cannot be imported: line "), "{said}");
    write("docker-compose.yml", &[0xff]);
    assert!(import("docker-compose.yml").1.contains("it is not UTF-8 text"));
    write("docker-compose.yml", b"services: {web: {command: ./web}}\n");
    assert_eq!(import("docker-compose.yml").0, Some(0));
    let (code, said) = import("docker-compose.yml");
    assert!(code == Some(2) && said.contains("windlass.toml exists; --force writes over it"), "{said}");
}

#[test]
fn a_compose_file_with_a_fault_is_told_of() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write("compose.yaml", "services:\n  web:\n\tcommand: ./serve\n");
    let notes = || propose(directory.path(), |_| false, false).unwrap().notes;
    let is_told = |note: &String| note.starts_with("compose.yaml was not used: line 3: ");
    assert!(matches!(notes().as_slice(), [note] if is_told(note)), "{:?}", notes());
    write("Dockerfile", "FROM x\nCMD [\"./web\"]\n");
    assert!(notes().iter().any(is_told), "{:?}", notes());
}

#[test]
fn hostile_files_make_no_hostile_manifest() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write(
        "Procfile",
        "web: run \"\n]; $(touch /tmp/x) {settings.A} {prot}\nwork: '''\nx: \\\n\": \"\n[a]: b\n",
    );
    write("package.json", "{\"scripts\": 3}");
    let proposal = propose(directory.path(), |_| false, false).unwrap();
    let (_, diags) = windlass_core::manifest::load(&proposal.text);
    assert!(!windlass_core::diag::any_error(&diags), "{}\n{diags:#?}", proposal.text);
}

#[test]
fn hostile_dockerfiles_make_no_hostile_manifest() {
    let directory = tempfile::tempdir().unwrap();
    for text in [
        "",
        "ENV A=1\nCMD x",
        "FROM x\nENV\nENV A\nENV A=${\nENV B=${é:-ü}\nENV C=$é\nENV D=${A:-${B}}\nENV 1=2 =3 a.b=4 \"x y\"=5",
        "FROM x\nENV A='\nENV B=\\\nENV C={settings.X} D={{port}} E={port} PORT_SECRET=x F=\u{1b}[31m",
        "FROM x\nWORKDIR ${X}\nWORKDIR ../../..\nCOPY . .\nVOLUME [\"/\", \"..\", \"\\u0000\", \"\\n]\"]\nVOLUME [\nUSER \"]\n[x]",
        "FROM x\nWORKDIR /a\nCOPY ../ /a\nCOPY / /a/b\nCOPY\nCOPY a\nCOPY --from=x\nVOLUME /a /a/b /a/../.. a\nCMD [\"/a\"]",
        "FROM x\nEXPOSE 99999 0 80/udp $PORT\nEXPOSE x\nSTOPSIGNAL SIGWHAT\nCMD [\"\"]\nENTRYPOINT [",
        "FROM\nFROM a AS\nFROM a AS a\nFROM a\nRUN <<EOF\nCMD x",
        "FROM x\nEXPOSE 80\nENV PORT=0 HTTP_PORT=80 X=:80 Y=0.0.0.0\nCMD [\"80\", \"é80\", \"=80\"]\\",
    ] {
        std::fs::write(directory.path().join("Dockerfile"), text).unwrap();
        let proposal = propose(directory.path(), |_| false, false).unwrap();
        let (_, diags) = windlass_core::manifest::load(&proposal.text);
        assert!(!windlass_core::diag::any_error(&diags), "{text}\n{}\n{diags:#?}", proposal.text);
        let compose = directory.path().join("compose.yaml");
        std::fs::write(&compose, "services: {web: {build: .}, up: {build: ..}}\n").unwrap();
        let proposal = propose(directory.path(), |_| false, false).unwrap();
        let (_, diags) = windlass_core::manifest::load(&proposal.text);
        assert!(!windlass_core::diag::any_error(&diags), "{text}\n{}\n{diags:#?}", proposal.text);
        std::fs::remove_file(&compose).unwrap();
    }
}

#[test]
fn no_secret_of_a_container_is_written_into_the_manifest() {
    for (name, text) in [
        (
            "Dockerfile",
            "FROM x\nENV SECRET_KEY=planted CACHE=redis://:planted@h LEVEL=info\nCMD [\"./web\"]\n",
        ),
        (
            "compose.yaml",
            "services:\n  web:\n    command: ./web\n    environment:\n      SECRET_KEY: planted\n      \
             CACHE: ${CACHE:-redis://:planted@h}\n      LEVEL: info\n",
        ),
    ] {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(name), text).unwrap();
        let proposal = propose(directory.path(), |_| false, false).unwrap();
        let told = proposal.notes.concat();
        assert!(!proposal.text.contains("planted") && !told.contains("planted"), "{}{told}", proposal.text);
        assert!(
            proposal.text.contains("LEVEL = \"info\"") && told.contains("SECRET_KEY"),
            "{}{told}",
            proposal.text
        );
        assert!(told.contains("CACHE"), "{told}");
    }
}
