//! Services that run as another account.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use windlass_testkit::machine;
use windlass_testkit::sandbox::{Manifest, Sandbox, until};

use super::WINDLASS;

/// What it prints once it has written to what releases share.
const UPLOADS: &str = r#"
[build]
shared = ["media"]
[services.uploads]
settle = "150ms"
user = "nobody"
command = { shell = "touch media/$WINDLASS_RELEASE && echo $USER at home in $HOME, wrote to media; exec sleep 1000" }
"#;

#[test]
fn a_service_with_an_account_has_its_home_and_may_write_to_what_is_shared() {
    if !machine::has_root("a_service_with_an_account_has_its_home_and_may_write_to_what_is_shared") {
        return;
    }
    let sandbox = Sandbox::with(WINDLASS, &Manifest::small());
    std::fs::set_permissions(sandbox.root(), PermissionsExt::from_mode(0o711)).unwrap();
    let said = |release: &str| {
        until("what it says", || {
            let said = sandbox.run(&["logs", "uploads", "--release", release]).stdout;
            (!said.is_empty()).then_some(said)
        })
    };
    // Made for nobody in particular first, with what the source ships.
    std::fs::create_dir(sandbox.source().join("media")).unwrap();
    sandbox.write("media/logo", "");
    sandbox.manifest(&Manifest { more: UPLOADS.replace("user = \"nobody\"\n", ""), ..Manifest::small() });
    sandbox.succeed(&["deploy"]);
    let media = sandbox.environment().join("shared/media");
    assert_eq!(media.metadata().unwrap().uid(), 0);
    // What it makes as root it goes on with as the account; but not with what has its name elsewhere too.
    std::fs::create_dir(media.join("photos")).unwrap();
    std::fs::write(media.join("photos/1"), "").unwrap();
    let second = sandbox.root().join("second");
    std::fs::write(&second, "").unwrap();
    std::fs::hard_link(&second, media.join("second")).unwrap();
    std::os::unix::fs::symlink(&second, media.join("link")).unwrap();
    sandbox.manifest(&Manifest { more: UPLOADS.to_owned(), ..Manifest::small() });
    sandbox.succeed(&["deploy"]);
    for path in ["photos", "photos/1", "logo", "r1", "."] {
        assert_ne!(media.join(path).metadata().unwrap().uid(), 0, "{path}");
    }
    assert_eq!(second.metadata().unwrap().uid(), 0);
    // One that is no root's is not given away while the old copies still write to it.
    sandbox.manifest(&Manifest { more: UPLOADS.replace("nobody", "daemon"), ..Manifest::small() });
    let refused = sandbox.run(&["deploy"]);
    let hint = format!("chown -R --from=nobody daemon: {}", media.display());
    assert!(
        refused.stderr.contains("who could not write there") && refused.stderr.contains(&hint),
        "{refused:#?}"
    );
    assert_eq!(media.metadata().unwrap().uid(), media.join("photos").metadata().unwrap().uid());
    let checked = sandbox.fail(&["check"], 1);
    assert!(checked.stderr.contains("who could not write there"), "{checked:#?}");
    sandbox.manifest(&Manifest { more: UPLOADS.to_owned(), ..Manifest::small() });
    assert_eq!(said("r2"), "nobody at home in /nonexistent, wrote to media\n");
    // Nothing is given away that lies elsewhere.
    let elsewhere = sandbox.root().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    std::fs::remove_dir_all(&media).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &media).unwrap();
    sandbox.change();
    sandbox.run(&["deploy"]);
    assert_eq!(elsewhere.metadata().unwrap().uid(), 0);
    // Where it is made anew, it is the account's with all that is in it.
    std::fs::remove_file(&media).unwrap();
    sandbox.change();
    sandbox.succeed(&["deploy"]);
    assert_ne!(media.join("logo").metadata().unwrap().uid(), 0);
    sandbox.down();
}

/// As a migration does that makes a database of SQLite, and as old copies do until they have stopped.
#[test]
fn what_root_makes_in_what_is_shared_becomes_the_accounts() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("passed over: only root can run a service as somebody else");
        return;
    }
    let sandbox = Sandbox::with(WINDLASS, &Manifest::small());
    std::fs::set_permissions(sandbox.root(), PermissionsExt::from_mode(0o711)).unwrap();
    let more = |user: &str, of_cron: &str| {
        format!(
            r#"
[build]
shared = ["data"]
[jobs.migrate]
when = "before-start"
command = {{ shell = "mkdir -p data/tables; echo migrated > data/tables/$WINDLASS_RELEASE; chmod 600 data/tables/*" }}
[jobs.broken]
when = "manual"
command = {{ shell = "touch data/broken; exit 7" }}
[cron.tick]
schedule = "@yearly"
{of_cron}
command = {{ shell = "touch data/ticks; while test -e data/wait; do sleep 0.05; done; touch data/late" }}
[services.notes]
settle = "150ms"
{user}
command = {{ shell = "trap 'touch data/last; exit 0' TERM; cat data/tables/*; echo up > data/tables/r1; while :; do sleep 0.1; done" }}
"#
        )
    };
    sandbox.manifest(&Manifest { more: more("", ""), ..Manifest::small() });
    sandbox.succeed(&["deploy"]);
    let data = sandbox.environment().join("shared/data");
    let owner = |path: &str| data.join(path).metadata().unwrap().uid();
    assert_eq!(owner("tables/r1"), 0);
    sandbox.manifest(&Manifest { more: more("user = \"nobody\"", ""), ..Manifest::small() });
    sandbox.change();
    sandbox.succeed(&["deploy"]);
    // By the job, and by the old copy when it was stopped.
    for path in [".", "tables", "tables/r1", "tables/r2", "last"] {
        assert_ne!(owner(path), 0, "{path}");
    }
    let wrote = until("the new copy", || {
        std::fs::read_to_string(data.join("tables/r1")).ok().filter(|text| text == "up\n")
    });
    assert_eq!(wrote, "up\n");
    // Nothing was root's before this one.
    sandbox.change();
    sandbox.succeed(&["deploy"]);
    assert_ne!(owner("tables/r3"), 0);
    sandbox.fail(&["run", "broken"], 7);
    assert_ne!(owner("broken"), 0);
    // A cron job made it, and goes on as root when the release is in force in which it is another's.
    std::fs::write(data.join("wait"), "").unwrap();
    let running = sandbox.start(&["run", "tick"]);
    until("its first file", || data.join("ticks").exists().then_some(()));
    assert_eq!(owner("ticks"), 0);
    let user = "user = \"nobody\"";
    let no_job = more(user, user).replace("before-start", "manual");
    sandbox.manifest(&Manifest { more: no_job, ..Manifest::small() });
    sandbox.succeed(&["deploy"]);
    assert_ne!(owner("ticks"), 0);
    std::fs::remove_file(data.join("wait")).unwrap();
    assert_eq!(running.finish().code, 0);
    until("its last file to be given away", || (owner("late") != 0).then_some(()));
    sandbox.succeed(&["run", "tick"]);
    sandbox.down();
}

/// As the Python of a virtual environment that was made by one below /root.
#[test]
fn a_program_behind_a_closed_directory_is_told_of_before_a_job_runs() {
    if !machine::has_root("a_program_behind_a_closed_directory_is_told_of_before_a_job_runs") {
        return;
    }
    let sandbox = Sandbox::with(WINDLASS, &Manifest::small());
    std::fs::set_permissions(sandbox.root(), PermissionsExt::from_mode(0o711)).unwrap();
    let closed = sandbox.root().join("closed");
    std::fs::create_dir(&closed).unwrap();
    std::fs::copy("/bin/sleep", closed.join("sleep")).unwrap();
    std::fs::set_permissions(&closed, PermissionsExt::from_mode(0o700)).unwrap();
    let more = format!(
        "[build]\nsteps = [\"ln -s {}/sleep rest\"]\n\
         [jobs.first]\nwhen = \"before-start\"\ncommand = \"touch {{shared}}/ran\"\n\
         [services.idle]\nsettle = \"150ms\"\nuser = \"nobody\"\ncommand = \"./rest 1000\"\n",
        closed.display()
    );
    sandbox.manifest(&Manifest { more, ..Manifest::small() });
    let refused = sandbox.run(&["deploy"]);
    let expected = format!("nobody may not run ./rest: {} does not let it in", closed.display());
    assert!(refused.stderr.contains(&expected), "{refused:#?}");
    assert!(!sandbox.environment().join("shared/ran").exists());
    std::fs::set_permissions(&closed, PermissionsExt::from_mode(0o711)).unwrap();
    sandbox.succeed(&["deploy"]);
    assert!(sandbox.environment().join("shared/ran").exists());
    sandbox.down();
}
