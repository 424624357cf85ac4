//! Programs that this machine cannot run.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use windlass_testkit::sandbox::{Manifest, Output, Sandbox, WayBack};

use super::line;

/// What is done to a program's bytes.
type Change = fn(&mut Vec<u8>);

/// What a real program becomes.
fn helper(sandbox: &Sandbox, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read("/bin/sleep").unwrap();
    change(&mut bytes);
    let path = sandbox.source().join("helper");
    std::fs::write(&path, bytes).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    sandbox.change();
}

/// Whether the deploy came so far.
fn came_to(output: &Output, phase: &str) -> bool {
    let events = output.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    events.into_iter().any(|event| event["event"]["step_began"]["phase"] == phase)
}

/// Deploys with a host side that sees who else the kernel has run programs, and that nobody is registered. Containers
/// often do not show it: then a mount namespace of its own does.
fn deploy_where_it_is_seen(sandbox: &Sandbox) -> Result<(), String> {
    const SCRIPT: &str = "cd /proc/sys/fs/binfmt_misc && { test -e register || mount -t binfmt_misc none .; } && \
                          test \"$(ls /proc/sys/fs/binfmt_misc | wc -l)\" = 2 && exec \"$@\"";
    if !matches!(std::env::consts::ARCH, "x86_64" | "aarch64") {
        return Err("nobody knows what this processor runs".to_owned());
    }
    let apart = ["--mount", "sh", "-c", SCRIPT, "sh", super::WINDLASS, "deploy"];
    let file = sandbox.source().join("windlass.toml");
    let mut command = sandbox.command_of(Path::new("unshare"), &apart);
    let output = command.arg("--file").arg(file).output().map_err(|error| error.to_string())?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

#[test]
fn a_program_for_another_machine_is_refused() {
    let line = line("a_program_for_another_machine_is_refused");
    // The number of RISC-V, where the header has the processor's.
    let spoil = "printf '\\363' | dd of=helper bs=1 seek=18 conv=notrunc status=none";
    let shell = format!("if grep -q spoil behaviour; then {spoil}; fi; true");
    let more = format!(
        "[services.helper]\ncommand = [\"./helper\", \"1000\"]\nsettle = \"150ms\"\n\
         [jobs.spoil]\ncommand = {{ shell = {shell:?} }}\nwhen = \"before-start\"\n"
    );
    let sandbox = Sandbox::with(super::WINDLASS, &Manifest { more, ..Manifest::small() });
    sandbox.write("behaviour", "");
    helper(&sandbox, |_| ());
    if let Err(why) = deploy_where_it_is_seen(&sandbox) {
        return line.skipped(&why);
    }
    let watch = line.watch_at_pace(&sandbox, Duration::from_millis(40));
    let way_back = WayBack::of(&sandbox);

    // Known from its header: nothing is started, and no job has run.
    let changes: [(Change, &str); 4] = [
        (|bytes| bytes[18] = 243, "is built for RISC-V"),
        (|bytes| bytes.truncate(40), "is cut short"),
        (|bytes| bytes[16] = 1, "it has yet to be linked"),
        (|bytes| bytes[..4].copy_from_slice(&[0xcf, 0xfa, 0xed, 0xfe]), "is built for macOS"),
    ];
    for (change, why) in changes {
        helper(&sandbox, change);
        let output = sandbox.fail(&["deploy", "--json"], 1);
        assert!(
            output.stdout.contains("services.helper: ./helper") && output.stdout.contains(why),
            "{output:#?}"
        );
        assert!(output.stdout.contains("build it on this machine"), "{output:#?}");
        assert!(came_to(&output, "build") && !came_to(&output, "migrate"), "{output:#?}");
    }
    // Known when it is started, because a job has made it so since it was built.
    helper(&sandbox, |_| ());
    sandbox.behave("spoil");
    let output = sandbox.fail(&["deploy", "--json"], 3);
    assert!(output.stdout.contains("./helper is built for RISC-V, and this machine is"), "{output:#?}");
    assert!(came_to(&output, "start") && !came_to(&output, "switch"), "{output:#?}");
    // Not known, as its header is right: it ends, and how it ended is told.
    helper(&sandbox, |bytes| bytes.truncate(bytes.len() / 2));
    sandbox.write("behaviour", "");
    let output = sandbox.fail(&["deploy", "--json"], 3);
    // Before it is ready, or where all is slow a moment later.
    let ended = ["ended before it was ready: ", "helper.r7.1 ended while the release was watched: "];
    assert!(ended.iter().any(|how| output.stdout.contains(how)), "{output:#?}");
    assert_eq!((sandbox.answering(), sandbox.release()), ("r1".into(), "r1".into()));
    line.keeps_the_way_back(&sandbox, &way_back, "refused and gone back");
    // What is looked for knows the fixture's own services.
    sandbox.manifest(&Manifest::small());
    sandbox.succeed(&["deploy"]);
    watch.end_without_loss();
    line.is_sound(&sandbox, "without it");
    sandbox.down();
    line.held(
        "for another processor, another system, cut short, not linked: refused after the build with the reason; what a \
         job spoils, or cannot be known, goes back; 0 failed requests",
    );
}
