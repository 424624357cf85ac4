//! The values on their way out of the encrypted file.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::kit::{Project, mode};

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

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

// proves: DC-10
#[test]
fn an_export_to_a_file_is_for_one_account() {
    let (_project, ada) = Project::begun(&[("TRAP", TRAP), ("KEY", KEY)]);
    let file = ada.project.join("shop.env");
    let said = ada.secrets(&["export", "--format", "systemd", "--out", "shop.env"]).exits(0);
    assert_eq!(said.out, format!("{} has 2 values, for your account alone.\n", file.display()));
    let printed = ada.secrets(&["export", "--format", "systemd"]).exits(0).out;
    assert_eq!((fs::read_to_string(&file).unwrap(), mode(&file)), (printed, 0o600));

    // Another one takes its place; whoever has the old one open reads on in that.
    chmod(&file, 0o644);
    let before = fs::metadata(&file).unwrap().ino();
    let said = ada.secrets(&["export", "--json", "--out", "shop.env"]).exits(0).json();
    assert_eq!(said, serde_json::json!({ "file": file, "values": 2 }));
    assert!(fs::read_to_string(&file).unwrap().ends_with("\"}\n"));
    assert_eq!((mode(&file), fs::metadata(&file).unwrap().ino() == before), (0o600, false));

    for (name, why) in [("link", "is a link"), ("directory", "is no file"), ("dangling", "is a link")] {
        let place = ada.project.join(name);
        match name {
            "directory" => fs::create_dir(&place).unwrap(),
            "link" => symlink("windlass.toml", &place).unwrap(),
            _ => symlink("nothing", &place).unwrap(),
        }
        let said = ada.secrets(&["export", "--out", name]).exits(2);
        assert!(said.out.is_empty() && said.err.contains(why), "{said:?}");
    }
    assert!(!ada.project.join("nothing").exists());
    let manifest = fs::read_to_string(ada.project.join("windlass.toml")).unwrap();
    assert!(manifest.starts_with("[app]"), "{manifest}");
    if fs::metadata(&file).unwrap().uid() == 0 {
        chown(&file, Some(1), None).unwrap();
        let said = ada.secrets(&["export", "--out", "shop.env"]).exits(2);
        assert!(said.err.contains("belongs to another account (uid 1)"), "{said:?}");
    }
}

#[test]
fn an_export_into_a_file_that_others_may_read_is_warned_of() {
    let (_project, ada) = Project::begun(&[("KEY", KEY)]);
    let printed = |mode: u32, more: &[&str]| {
        let path = ada.project.join("printed");
        let file = fs::File::create(&path).unwrap();
        chmod(&path, mode);
        let mut command = ada.command(&[&["export"], more].concat());
        let output = command.stdout(file).stderr(Stdio::piped()).output().unwrap();
        assert!(output.status.success() && fs::read_to_string(&path).unwrap().contains("BEGIN"));
        String::from_utf8(output.stderr).unwrap()
    };
    let warning = "warning: other accounts may read the file that standard output goes to (mode 0640): chmod 600 it, and \
                   next time write it with --out FILE\n";
    assert_eq!(printed(0o640, &[]), warning);
    assert_eq!(printed(0o640, &["--json"]), warning);
    assert_eq!(printed(0o640, &["--quiet"]), "");
    assert_eq!(printed(0o600, &[]), "");
}

// proves: DC-10
#[test]
fn credentials_are_files_of_which_a_unit_is_told() {
    let (_project, ada) = Project::begun(&[("TRAP", TRAP), ("KEY", KEY)]);
    let said = ada.secrets(&["export", "--format", "credentials"]).exits(2);
    assert!(said.err.contains("--out DIRECTORY"), "{said:?}");
    let export = |directory: &str| ada.secrets(&["export", "--format", "credentials", "--out", directory]);
    let place = ada.project.join("90% of it");
    let lines: Vec<String> = ["TRAP", "KEY"]
        .map(|name| format!("LoadCredential={name}:{}/90%% of it/{name}\n", ada.project.display()))
        .into();
    assert_eq!(export("90% of it").exits(0).out, lines.concat());
    let kept = |name: &str| (fs::read_to_string(place.join(name)).unwrap(), mode(&place.join(name)));
    assert_eq!((kept("TRAP"), kept("KEY")), ((TRAP.into(), 0o600), (KEY.into(), 0o600)));
    assert_eq!(mode(&place), 0o700);

    // What is no value any more is left, and told of.
    ada.secrets(&["unset", "KEY"]).exits(0);
    ada.set("TRAP", "another");
    let said = export("90% of it").exits(0);
    assert!(said.err.contains("has what is no value of the file, and was left: \"KEY\""), "{said:?}");
    assert_eq!((said.out, kept("TRAP").0), (lines[0].clone(), "another".to_owned()));

    chmod(&place, 0o710);
    let said = export("90% of it").exits(2);
    assert!(said.err.contains("may be entered by other accounts (mode 0710)"), "{said:?}");
    chmod(&place, 0o700);
    symlink("90% of it", ada.project.join("link")).unwrap();
    assert!(export("link").exits(2).err.contains("is a link"));
    assert!(export("windlass.toml").exits(2).err.contains("is no directory"));
    assert!(export("a\nb").exits(2).err.contains("cannot be told to systemd"));
}
