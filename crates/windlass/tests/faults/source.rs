//! Sources that hold what no release should, and builds that leave such things behind.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, OFlags, makedev, mkdirat, mknodat, openat};
use windlass_testkit::sandbox::{Manifest, Sandbox};

use super::{WINDLASS, line};

/// What the build leaves in the directory that is carried over, once; and a link where a shared directory is to be.
const STEP: &str = "if ! test -e cache/left; then mkdir cache; mkfifo cache/pipe; ln -s /etc/passwd cache/away; \
                    ln -s nowhere cache/dangling; touch cache/left; chmod 400 cache/left; fi; \
                    if grep -q leave behaviour; then ln -s ../../../../../outside static; fi";

fn sandbox() -> Sandbox {
    let more = format!(
        "[build]\nsteps = [{{ shell = {STEP:?} }}]\ncache = [\"cache\"]\nshared = [\"static/media\"]\n"
    );
    let sandbox = Sandbox::with(WINDLASS, &Manifest { more, ..Manifest::small() });
    sandbox.write("behaviour", "");
    std::fs::create_dir_all(sandbox.root().join("outside/media/photo")).unwrap();
    sandbox
}

fn pipe(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RWXU, 0).unwrap();
}

/// All that the source may hold, in `release`.
fn holds_plain_files(sandbox: &Sandbox, release: &Path, outside: &Path) {
    for name in ["pipe", "device", "socket"] {
        assert!(release.join(name).symlink_metadata().is_err(), "{name}");
    }
    let facts = |name: &str| std::fs::symlink_metadata(release.join(name)).unwrap();
    for name in ["setuid", "open", "open/inside", "linked", "Case"] {
        let mode = facts(name).mode() & 0o7777;
        assert_eq!(mode & 0o7022, 0, "{name} is {mode:o}");
    }
    assert_ne!(facts("setuid").mode() & 0o100, 0, "it is a program still");
    std::fs::write(outside, "changed").unwrap();
    assert_eq!(facts("linked").nlink(), 1);
    let read = |name: &str| std::fs::read_to_string(release.join(name)).unwrap();
    assert_eq!(["linked", "Case", "case"].map(read), ["as it was", "upper", "lower"]);
    for (link, to) in [("dangling", "nowhere"), ("cache/dangling", "nowhere"), ("cache/away", "/etc/passwd")]
    {
        assert_eq!(std::fs::read_link(release.join(link)).unwrap(), Path::new(to));
    }
    assert_eq!(facts("cache/left").mode() & 0o777, 0o400);
    assert_eq!(
        std::fs::read_link(release.join("static/media")).unwrap(),
        sandbox.environment().join("shared/static/media")
    );
}

#[test]
fn what_is_odd_in_the_source_becomes_plain_files_or_stays_out() {
    let line = line("what_is_odd_in_the_source_becomes_plain_files_or_stays_out");
    let sandbox = sandbox();
    let source = sandbox.source();
    let mode = |name: &str, mode: u32| {
        std::fs::set_permissions(source.join(name), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    // What never ends, or waits for somebody, when it is read.
    pipe(&source.join("pipe"));
    let device = mknodat(CWD, source.join("device"), FileType::CharacterDevice, Mode::RWXU, makedev(1, 5));
    let _listener = UnixListener::bind(source.join("socket")).unwrap();
    sandbox.write("setuid", "#!/bin/sh\n");
    mode("setuid", 0o6777);
    std::fs::create_dir(source.join("open")).unwrap();
    sandbox.write("open/inside", "");
    mode("open", 0o3777);
    let outside = sandbox.root().join("as-it-was");
    std::fs::write(&outside, "as it was").unwrap();
    std::fs::hard_link(&outside, source.join("linked")).unwrap();
    symlink("nowhere", source.join("dangling")).unwrap();
    symlink(".", source.join("here")).unwrap();
    sandbox.write("Case", "upper");
    sandbox.write("case", "lower");
    let long = ["n".repeat(200).as_str(); 15].join("/");
    std::fs::create_dir_all(source.join(&long)).unwrap();
    sandbox.write(&format!("{long}/last"), "deep");

    let plan = sandbox.succeed(&["plan"]);
    for name in ["pipe", "device", "socket"] {
        let is_told = plan.all().contains(name);
        assert!(is_told || (name == "device" && device.is_err()), "{name}: {plan:#?}");
    }
    // Once to build it, once to carry over what that left.
    for release in ["r1", "r2"] {
        sandbox.change();
        std::fs::write(&outside, "as it was").unwrap();
        sandbox.succeed(&["deploy"]);
        let tree = sandbox.environment().join("releases").join(release);
        // The build has made it in the first one.
        assert_eq!(tree.join("cache/pipe").exists(), release == "r1");
        holds_plain_files(&sandbox, &tree, &outside);
        assert_eq!(std::fs::read_to_string(tree.join(&long).join("last")).unwrap(), "deep");
    }

    // What is refused, with its name, and nothing of it is read for ever.
    let refused = |what: &str, said: &str| {
        sandbox.change();
        for verb in ["check", "plan", "deploy"] {
            let output = sandbox.run(&[verb]);
            assert!(matches!(output.code, 1 | 2), "{what}: {verb}: {output:#?}");
            assert!(output.all().contains(said), "{what}: {verb}: {output:#?}");
        }
    };
    symlink("here/here/../../outside", source.join("round-about")).unwrap();
    refused("a link that leaves through others", "round-about: this is a link that leaves the project");
    std::fs::remove_file(source.join("round-about")).unwrap();
    pipe(&source.join("open/.gitignore"));
    refused("a pipe for an ignore file", "open/.gitignore: this ignore file is a pipe or a device");
    std::fs::remove_file(source.join("open/.gitignore")).unwrap();
    // Deeper than any path that the kernel takes.
    let mut deep = openat(CWD, &source, OFlags::DIRECTORY, Mode::empty()).unwrap();
    for _ in 0..25 {
        let deeper = "d".repeat(200);
        mkdirat(&deep, &deeper, Mode::RWXU).unwrap();
        deep = openat(&deep, &deeper, OFlags::DIRECTORY, Mode::empty()).unwrap();
    }
    refused("a path of 5000 bytes", "too long");
    std::fs::remove_dir_all(source.join("d".repeat(200))).unwrap();
    // One that is too long in the release alone.
    let length = 4090 - source.as_os_str().len();
    let mut longer = "m".repeat(100);
    while longer.len() + 102 <= length {
        longer += &format!("/{}", "m".repeat(100));
    }
    longer += &format!("/{}", "m".repeat(length - longer.len() - 1));
    std::fs::create_dir_all(source.join(&longer)).unwrap();
    sandbox.change();
    let output = sandbox.fail(&["deploy"], 1);
    assert!(output.stderr.contains("no path may be longer than 4095 bytes"), "{output:#?}");
    std::fs::remove_dir_all(source.join("m".repeat(100))).unwrap();
    // A shared directory, where the build has made a link of what is above it.
    sandbox.behave("leave");
    let output = sandbox.fail(&["deploy"], 1);
    assert!(output.stderr.contains("static leads out of the release, to "), "{output:#?}");
    assert!(sandbox.root().join("outside/media/photo").is_dir(), "it was replaced");

    sandbox.behave("");
    sandbox.succeed(&["deploy"]);
    line.is_sound(&sandbox, "an odd source");
    sandbox.down();
    line.held(
        "pipes, devices and sockets stay out and are told; setuid bits and open modes are dropped, hard links become files, \
         names that differ in case and paths of 3000 bytes stay; links that leave, be it through others, ignore files without \
         an end and paths of 5000 bytes are refused by name; what is carried over is files and links; a build's link lets \
         nothing outside be replaced",
    );
}
