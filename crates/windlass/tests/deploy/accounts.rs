//! Services that run as another account.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

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
    if !rustix::process::geteuid().is_root() {
        eprintln!("passed over: only root can run a service as somebody else");
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
    sandbox.manifest(&Manifest { more: UPLOADS.to_owned(), ..Manifest::small() });
    sandbox.succeed(&["deploy"]);
    assert_eq!(said("r2"), "nobody at home in /nonexistent, wrote to media\n");
    assert_eq!(media.join("logo").metadata().unwrap().uid(), 0, "what was in it is left as it is");
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
