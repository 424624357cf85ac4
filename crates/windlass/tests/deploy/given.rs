//! What each kind of process is given of a setting, byte by byte, from each kind of source.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;

use windlass_core::settings::{dotenv, write};
use windlass_testkit::sandbox::{Manifest, Sandbox, until};

use super::WINDLASS;

/// Writes down what it was given, each in a file of its own that is there whole or not at all.
const RECORD: &str = r#"
import os, sys
place, kind = sys.argv[1:]
def keep(name, value):
    path = f"{place}/{kind}.{name}"
    with open(f"{path}.{os.getpid()}", "wb") as file:
        file.write(value)
    os.replace(f"{path}.{os.getpid()}", path)
for name in ("DOT", "SEALED", "STORED", "NEW_VALUE"):
    if name.encode() in os.environb:
        keep(name, os.environb[name.encode()])
    path = os.environ.get(f"F_{name}_FILE")
    if path:
        keep(f"F_{name}", open(path, "rb").read())
"#;

/// A value with all that means something to a shell, a unit file or a `.env` file, nearly so many bytes long.
fn value(of: &str, length: usize) -> String {
    let signs =
        " \n'q\" $HOME ${X:-y} $(id) `id` %s %% {port} \\n \\\\ ü\u{1f511}\t\r\n # ; & | ~ * \u{7f}\\";
    let mut text = of.to_owned();
    while text.len() + signs.len() <= length {
        text += signs;
    }
    text
}

fn manifest(record: &str) -> Manifest {
    let setting = |name: &str, from: &str| {
        format!("{name} = {{ secret = true{from} }}\nF_{name} = {{ secret = true, file = true{from} }}\n")
    };
    let settings = ["DOT", "SEALED"].map(|name| setting(name, "")).concat();
    let stored = setting("STORED", ", from = \"shelf:stored\"");
    let command = |kind: &str| format!("command = [\"python3\", {record}, {kind:?}]\n");
    Manifest {
        top: format!(
            "[settings]\n{settings}{stored}\
             [settings.TURNED]\nsecret = true\nservices = [\"web\"]\n[settings.TURNED.rotate]\ncreate = [\"python3\", {record}, \"rotation\"]\n\
             [stores.shelf]\nkind = \"command\"\ncommand = [\"cat\", \"../{{path}}\"]\n"
        ),
        more: format!(
            "[build]\nsteps = [[\"python3\", {record}, \"build\"]]\n\
             [jobs.once]\n{}when = \"before-start\"\n\
             [cron.often]\n{}schedule = \"* * * * * *\"\noverlap = \"skip\"\n\
             [services.probed]\ncommand = [\"sleep\", \"100000\"]\nreadiness = {{ {}, interval = \"500ms\", timeout = \"20s\" }}\n\
             [services.kept]\ncommand = {{ shell = \"python3 {} service; exec sleep 100000\" }}\nsettle = \"100ms\"\n",
            command("job"),
            command("cron"),
            command("probe").trim(),
            record.replace("\", \"", " ").trim_matches('"'),
        ),
        ..Manifest::small()
    }
}

fn recorded(place: &Path, kind: &str, name: &str) -> Option<String> {
    std::fs::read(place.join(format!("{kind}.{name}"))).ok().map(|bytes| String::from_utf8(bytes).unwrap())
}

// proves: DC-9, DC-10
#[test]
fn every_kind_of_process_gets_every_byte_from_every_source() {
    let mut sandbox = Sandbox::with(WINDLASS, &Manifest::small());
    let place = sandbox.root().join("recorded");
    std::fs::create_dir(&place).unwrap();
    let script = sandbox.root().join("record.py");
    std::fs::write(&script, RECORD).unwrap();
    sandbox.manifest(&manifest(&format!("\"{}\", \"{}\"", script.display(), place.display())));
    // Longer ones are elsewhere: the host masks each in many forms, which takes its time.
    let [dot, sealed, stored, turned] = ["d", "e", "s", "t"].map(|of| value(of, 512));
    let settings = [("DOT", dot.as_str()), ("F_DOT", dot.as_str()), ("TURNED", "at-first-8Zk31blau")];
    sandbox.write(".env", &write(settings).unwrap());
    let dotfile = sandbox.source().join(".env");
    std::fs::set_permissions(&dotfile, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(sandbox.root().join("stored"), format!("{stored}\n")).unwrap();
    sandbox.set("HOME", place.parent().unwrap().to_str().unwrap());
    sandbox.succeed(&["secrets", "init"]);
    let given = |args: &[&str], value: &str| {
        let mut command = sandbox.command(args);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(value.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success(), "{args:?}\n{}", sandbox.logs());
    };
    for name in ["SEALED", "F_SEALED"] {
        given(&["secrets", "set", name, "--exact"], &sealed);
    }

    sandbox.succeed(&["deploy"]);
    sandbox.succeed(&["run", "--", "python3", script.to_str().unwrap(), place.to_str().unwrap(), "run"]);
    given(&["secrets", "rotate", "TURNED", "--value-from-stdin"], &turned);
    until("cron to run", || recorded(&place, "cron", "F_STORED"));
    let values = [("DOT", &dot), ("SEALED", &sealed), ("STORED", &stored)];
    for kind in ["build", "job", "service", "probe", "cron", "run", "rotation"] {
        for (name, value) in values {
            for name in [name.to_owned(), format!("F_{name}")] {
                let given = recorded(&place, kind, &name);
                assert!(given.as_ref() == Some(value), "{kind} got another {name}: {given:.80?}");
            }
        }
    }
    assert!(recorded(&place, "rotation", "NEW_VALUE").as_ref() == Some(&turned), "what is rotated to");
    let text = std::fs::read_to_string(&dotfile).unwrap();
    let parsed = dotenv::parse(".env", &text, &|_| None, &|_| None);
    let left: Vec<&str> = parsed.entries.iter().map(|entry| entry.value.expose()).collect();
    assert!(left == [&dot, &dot, &turned], "the file has the new value, and the others as they were");
    sandbox.down();
}
