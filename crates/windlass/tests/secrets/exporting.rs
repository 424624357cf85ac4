//! The values on their way out of the encrypted file.

use std::fs;
use std::process::Command;

use crate::kit::Project;

const TRAP: &str = "it's `touch ran` & $(touch ran)\\";
const KEY: &str = "-----BEGIN-----\nab=\n-----END-----\n";

// proves: DC-10
#[test]
fn an_export_is_taken_by_a_shell_and_taken_back() {
    let (_project, ada) = Project::begun(&[("TRAP", TRAP), ("KEY", KEY), ("URL", "db://u:p@h/d?a=b&c=d")]);
    let said = ada.secrets(&["export"]).exits(0);
    let escaped = "TRAP=\"it's \\0140touch ran\\0140 & \\$(touch ran)\\\\\" #\"\n";
    assert_eq!(said.out, format!("{escaped}KEY='{KEY}'\nURL='db://u:p@h/d?a=b&c=d'\n"));
    assert_eq!(
        said.err,
        "warning: TRAP: a shell, python-dotenv, npm's dotenv and systemd would read another value in this file; docker \
         compose and Windlass read it, and --format sh, json and systemd are other forms\n"
    );
    fs::write(ada.project.join("out.env"), &said.out).unwrap();
    let told = ada.secrets(&["import", "out.env"]).exits(0);
    assert!(told.out.contains("The same already: TRAP, KEY, URL."), "{}", told.out);

    let sh = ada.secrets(&["export", "--format", "sh"]).exits(0);
    assert_eq!(sh.err, "");
    fs::write(ada.project.join("out.sh"), &sh.out).unwrap();
    let empty = ada.home.join("empty");
    fs::create_dir(&empty).unwrap();
    for (shell, file, shown) in [("sh", "out.sh", TRAP), ("bash", "out.sh", TRAP), ("sh", "out.env", KEY)] {
        let name = if shown == KEY { "KEY" } else { "TRAP" };
        let script = format!(". ../../shop/{file}; printf %s \"${name}\"");
        let output = Command::new(shell).args(["-c", &script]).current_dir(&empty).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), shown, "{shell} {file}: {output:?}");
        assert_eq!(fs::read_dir(&empty).unwrap().count(), 0, "{shell} has run a part of a value");
    }

    let json = ada.secrets(&["export", "--format", "json"]).exits(0);
    assert_eq!(json.json()["TRAP"], TRAP);
    assert_eq!(ada.secrets(&["export", "--json"]).exits(0).out, json.out);
    let systemd = ada.secrets(&["export", "--format", "systemd"]).exits(0);
    assert!(
        systemd.out.starts_with("TRAP=\"it's \\`touch ran\\` & \\$(touch ran)\\\\\"\n"),
        "{}",
        systemd.out
    );
    ada.set("MARK", "\u{feff}x");
    let said = ada.secrets(&["export", "--format", "systemd"]).exits(1);
    assert!(
        said.out.is_empty() && said.err.contains("MARK holds a character that systemd takes"),
        "{said:?}"
    );
}
