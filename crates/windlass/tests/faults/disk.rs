//! Disks that are full, or fail.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use windlass_testkit::sandbox::{Manifest, Process, Sandbox, WayBack, kill, until};

use super::mount::Mount;
use super::strace::{Strace, traced};
use super::{WINDLASS, chance, exhaustive, line};

fn fill(path: &Path) {
    let mut file = File::create(path).unwrap();
    for size in [1 << 16, 4096, 1] {
        let chunk = vec![1_u8; size];
        while file.write_all(&chunk).is_ok() {}
    }
}

#[test]
fn the_disk_is_full_before_a_deploy() {
    let line = line("the_disk_is_full_before_a_deploy");
    let mount = match Mount::memory("size=32m") {
        Ok(mount) => mount,
        Err(why) => return line.skipped(&why),
    };
    let sandbox = Sandbox::below(WINDLASS, mount.path(), &Manifest::default());
    sandbox.succeed(&["deploy"]);
    sandbox.change();
    let watch = line.watch_at_pace(&sandbox, Duration::from_millis(40));
    let way_back = WayBack::of(&sandbox);
    let filler = mount.path().join("filler");
    fill(&filler);
    let output = sandbox.run(&["deploy"]);
    assert_ne!(output.code, 0, "{output:?}");
    line.keeps_the_way_back(&sandbox, &way_back, "refused");
    assert!(output.stderr.contains("free") || output.stderr.contains("full"), "{output:?}");
    assert_eq!(sandbox.answering(), "r1");
    std::fs::remove_file(&filler).unwrap();
    sandbox.succeed(&["deploy"]);
    watch.end_without_loss();
    line.is_sound(&sandbox, "there is room again");
    sandbox.down();
    line.held("refused before anything changed, 0 failed requests, the next deploy works");
}

#[test]
fn the_disk_fills_up_in_a_deploy() {
    let line = line("the_disk_fills_up_in_a_deploy");
    // In the build, in the migration, and while the new release already serves: what is left to do is written down.
    for part in ["build", "migrate", "bake"] {
        let mount = match Mount::memory("size=32m") {
            Ok(mount) => mount,
            Err(why) => return line.skipped(&why),
        };
        let filler = mount.path().join("filler");
        let shell =
            format!("if grep -q {part}.fill behaviour; then cat /dev/zero > {}; fi; true", filler.display());
        let more = match part {
            "build" => format!("[build]\nsteps = [{{ shell = {shell:?} }}]\n"),
            _ => format!("[jobs.fill]\ncommand = {{ shell = {shell:?} }}\nwhen = \"before-start\"\n"),
        };
        let deploy = if part == "bake" { "bake = \"2s\"".to_owned() } else { String::new() };
        let manifest = Manifest { more, deploy, ..Manifest::default() };
        let sandbox = Sandbox::below(WINDLASS, mount.path(), &manifest);
        sandbox.succeed(&["deploy"]);
        let watch = line.watch_at_pace(&sandbox, Duration::from_millis(40));
        let way_back = WayBack::of(&sandbox);
        // In the bake it is somebody else.
        sandbox.behave(&if part == "bake" { String::new() } else { format!("{part}.fill") });
        let running = sandbox.start(&["deploy"]);
        if part == "bake" {
            until("the new release to answer", || (sandbox.answering() == "r2").then_some(()));
            fill(&filler);
        }
        let output = running.finish();
        line.keeps_the_way_back(&sandbox, &way_back, part);
        // Where the last has room that is to be written, it is done; else what is kept back has room to go back.
        let now = sandbox.answering();
        let is_well = match output.code {
            0 => part == "bake" && now == "r2",
            code => matches!(code, 1 | 3) && now == "r1",
        };
        assert!(is_well, "{part}: {now} answers: {output:#?}");
        std::fs::remove_file(&filler).unwrap();
        sandbox.behave("");
        sandbox.succeed(&["deploy"]);
        watch.end_without_loss();
        line.is_sound(&sandbox, "there is room again");
        sandbox.down();
    }
    line.held(
        "in the build and in a migration: the old release goes on; in the bake: one of them does; 0 failed requests, the \
         next deploy works",
    );
}

#[test]
fn a_rollback_on_a_disk_without_a_free_byte() {
    let line = line("a_rollback_on_a_disk_without_a_free_byte");
    let mount = match Mount::memory("size=48m") {
        Ok(mount) => mount,
        Err(why) => return line.skipped(&why),
    };
    // As much is wanted as nobody has: what is kept back has to do.
    let manifest = Manifest { deploy: "min_free_disk = \"9MiB\"".into(), ..Manifest::default() };
    let sandbox = Sandbox::below(WINDLASS, mount.path(), &manifest);
    sandbox.succeed(&["deploy"]);
    sandbox.change();
    sandbox.succeed(&["deploy"]);
    let reserve = sandbox.environment().join("state/reserve");
    let kept = || std::fs::metadata(&reserve).map_or(0, |file| file.len());
    let whole = kept();
    assert!(whole > 1 << 20, "{whole} bytes are kept back");
    let watch = line.watch_at_pace(&sandbox, Duration::from_millis(40));
    let filler = mount.path().join("filler");
    fill(&filler);
    sandbox.succeed(&["rollback"]);
    assert_eq!(sandbox.status()["release"]["tree"], "r1");
    assert!(kept() < whole, "it did without, so that this shows nothing");
    line.is_sound(&sandbox, "on a full disk");
    // The next run keeps it back again.
    std::fs::remove_file(&filler).unwrap();
    sandbox.change();
    sandbox.succeed(&["deploy"]);
    until("as much to be kept back again", || (kept() == whole).then_some(()));
    watch.end_without_loss();
    line.is_sound(&sandbox, "there is room again");
    sandbox.down();
    line.held("what is kept back is given up for it, 0 failed requests; the next run keeps it back again");
}

#[test]
fn the_inodes_are_used_up() {
    let line = line("the_inodes_are_used_up");
    let mount = match Mount::memory("size=64m,nr_inodes=11000") {
        Ok(mount) => mount,
        Err(why) => return line.skipped(&why),
    };
    let sandbox = Sandbox::below(WINDLASS, mount.path(), &Manifest::default());
    sandbox.succeed(&["deploy"]);
    sandbox.change();
    let watch = line.watch_at_pace(&sandbox, Duration::from_millis(40));
    let many = mount.path().join("many");
    use_up_inodes(&many);
    let way_back = WayBack::of(&sandbox);
    let output = sandbox.run(&["deploy"]);
    assert_ne!(output.code, 0, "{output:?}");
    line.keeps_the_way_back(&sandbox, &way_back, "refused");
    assert_eq!(sandbox.answering(), "r1");
    std::fs::remove_dir_all(&many).unwrap();
    sandbox.succeed(&["deploy"]);
    watch.end_without_loss();
    goes_on_without_logs(&sandbox, &many);
    line.is_sound(&sandbox, "there are inodes again");
    sandbox.down();
    line.held(
        "refused, 0 failed requests, the next deploy works; a proxy and a copy that are killed then serve without logs, which \
         is told, and have them again afterwards",
    );
}

fn use_up_inodes(many: &Path) {
    std::fs::create_dir(many).unwrap();
    let mut number = 0;
    while File::create(many.join(number.to_string())).is_ok() {
        number += 1;
    }
}

/// A copy and the proxy are started again while no file can be made for their logs, which are gone.
fn goes_on_without_logs(sandbox: &Sandbox, many: &Path) {
    let logs = sandbox.environment().join("logs");
    let (copy, proxy) = (sandbox.running("web").remove(0).pid, sandbox.proxy().unwrap());
    // They are there still, for whoever has them open, and so are their inodes.
    let mut gone = Vec::new();
    for entry in std::fs::read_dir(&logs).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        if name == "proxy.log" || name.starts_with("web.") {
            gone.push(File::open(entry.path()).unwrap());
            std::fs::remove_file(entry.path()).unwrap();
        }
    }
    use_up_inodes(many);
    [copy, proxy].into_iter().for_each(|pid| kill(pid, Signal::KILL));
    let told = || sandbox.status()["problems"].to_string();
    let without = until("what is told of logs", || {
        let told = told();
        (told.matches("goes on, but it runs without its log").count() == 2).then_some(told)
    });
    assert!(without.contains("windlass restart web puts that right"), "{without}");
    assert!(without.contains("the proxy goes on, but it runs without its log"), "{without}");
    drop(gone);
    std::fs::remove_dir_all(many).unwrap();
    until("the proxy's log", || (!told().contains("the proxy goes on")).then_some(()));
    assert!(logs.join("proxy.log").is_file());
    // Whoever runs the application's program cannot open files in its stead.
    assert!(told().contains("windlass restart web puts that right"), "{}", told());
    sandbox.succeed(&["restart", "web"]);
    assert!(!told().contains("runs without its log"), "{}", told());
}

#[test]
fn the_file_system_turns_read_only() {
    let line = line("the_file_system_turns_read_only");
    let steps = "[build]\nsteps = [{ shell = \"if grep -q build.slow behaviour; then sleep 2; fi\" }]\n";
    let manifest = Manifest {
        worker: None,
        scheduler: None,
        migrate: None,
        deploy: "bake = \"3s\"".into(),
        more: steps.into(),
        ..Manifest::default()
    };
    for moment in ["at rest", "in the build", "in the bake"] {
        let mount = match Mount::ext4(96) {
            Ok(mount) => mount,
            Err(why) => return line.skipped(&why),
        };
        let sandbox = Sandbox::below(WINDLASS, mount.path(), &manifest);
        sandbox.write("behaviour", "");
        sandbox.succeed(&["deploy"]);
        sandbox.behave(if moment == "in the build" { "build.slow" } else { "" });
        // The project is not what is tried here.
        mount.settle();
        let watch = line.watch_at_pace(&sandbox, Duration::from_millis(40));
        let running = (moment != "at rest").then(|| sandbox.start(&["deploy"]));
        match moment {
            "in the build" => until("the build", || {
                let sleeps = |process: &Process| process.argv.first().is_some_and(|word| word == "sleep");
                sandbox.processes().iter().any(sleeps).then_some(())
            }),
            "in the bake" => {
                until("the new release to answer", || (sandbox.answering() == "r2").then_some(()));
            }
            _ => {}
        }
        if let Err(why) = mount.fail() {
            return line.skipped(&why);
        }
        let running = running.unwrap_or_else(|| sandbox.start(&["deploy"]));
        let output = line.ends(running, Duration::from_secs(60));
        let context = format!("{moment}: {output:#?}");
        assert!(matches!(output.code, 1 | 3 | 4 | 5), "{context}");
        assert!(output.all().to_lowercase().contains("read-only"), "it does not say why: {context}");
        // Whoever serves goes on, though nothing can be written any more.
        watch.end_without_loss();
        let last = sandbox.answering();
        let expected: &[&str] = if moment == "in the bake" { &["r1", "r2"] } else { &["r1"] };
        assert!(expected.contains(&last.as_str()), "{last}: {context}");
        if moment == "at rest" {
            comes_back_without_a_disk(&sandbox);
        }
        // The machine is switched off and repaired.
        until("silence", || {
            let mut all = sandbox.processes();
            all.sort_by_key(|process| !process.is("windlass", "keeper"));
            all.iter().for_each(|process| kill(process.pid, Signal::KILL));
            all.is_empty().then_some(())
        });
        mount.repair();
        let output = sandbox.run(&["resume"]);
        assert!(matches!(output.code, 0..=3 | 6), "{moment}: {output:#?}");
        until(&format!("an answer {moment}: {output:#?}\n{}", sandbox.logs()), || {
            let reply = windlass_testkit::sandbox::get(sandbox.port, "/version").ok()?;
            (reply.status == 200 && sandbox.running("web").len() == 2).then_some(())
        });
        line.is_sound(&sandbox, moment);
        sandbox.down();
    }
    line.held(
        "at rest, in the build and in the bake: the deploy ends and says why, 0 failed requests; a proxy and a copy that \
         are killed then serve again; after the repair it ends in the old or the new release",
    );
}

/// Whoever serves is killed, and serves again, though it can write neither a log nor what it is.
fn comes_back_without_a_disk(sandbox: &Sandbox) {
    let web: Vec<i32> = sandbox.running("web").iter().map(|process| process.pid).collect();
    let proxy = sandbox.proxy().unwrap();
    web.iter().chain([&proxy]).for_each(|pid| kill(*pid, Signal::KILL));
    until("the application without a disk", || {
        let others = sandbox.running("web").into_iter().filter(|process| !web.contains(&process.pid)).count();
        let reply = windlass_testkit::sandbox::get(sandbox.port, "/version").ok()?;
        (others == web.len() && sandbox.proxy() != Some(proxy) && reply.status == 200).then_some(())
    });
    // Their keepers tell, which can write down nothing.
    let status = until("what is told of logs", || {
        let status = sandbox.status();
        let told = status["problems"].to_string();
        (told.matches("goes on, but it runs without its log").count() == web.len() + 1).then_some(status)
    });
    assert!(status["degraded_proxy"].as_str().unwrap().contains("Read-only file system"), "{status}");
    let copies = status["services"][0]["instances"].as_array().unwrap();
    assert!(copies.iter().all(|copy| copy["ready"] == true && copy["degraded"].is_string()), "{status}");
    // What an earlier command line reads stays as it knows it.
    assert!(copies.iter().all(|copy| copy["status"].get("degraded").is_none()), "{status}");
}

/// The calls of which each puts something on the disk for good.
const DURABLE: [&str; 2] = ["fsync,fdatasync", "rename,renameat,renameat2"];

/// How many injuries a sample has.
const SAMPLE: usize = 12;

#[test]
fn the_disk_fails_the_host_side_at_a_write() {
    let line = line("the_disk_fails_the_host_side_at_a_write");
    let begin = || {
        let manifest = Manifest { deploy: "bake = \"50ms\"".into(), ..Manifest::default() };
        let sandbox = Sandbox::with(WINDLASS, &manifest);
        sandbox.succeed(&["deploy"]);
        sandbox
    };
    let attach =
        |sandbox: &Sandbox, how: &[String]| Strace::attach(&[sandbox.host().unwrap()], &sandbox.root(), how);
    let sandbox = begin();
    let mut cases = Vec::new();
    for calls in DURABLE {
        sandbox.change();
        let Some(strace) = attach(&sandbox, &traced(calls)) else {
            return line.skipped("strace cannot attach here");
        };
        sandbox.succeed(&["deploy"]);
        let last = strace.end().most_of_one();
        assert!(last > 0, "no {calls} in a whole deploy");
        for how in ["EIO", "ENOSPC"] {
            cases.extend((1..=last).map(|when| (calls, how, when)));
        }
    }
    sandbox.down();
    let every = if exhaustive() { 1 } else { cases.len().div_ceil(SAMPLE) };
    let chosen: Vec<_> = cases.into_iter().skip(chance(every)).step_by(every).collect();
    let mut injured = 0;
    for chunk in chosen.chunks(6) {
        let sandbox = begin();
        let watch = line.watch_at_pace(&sandbox, Duration::from_millis(40));
        for (calls, how, when) in chunk {
            sandbox.change();
            let inject = format!("inject={calls}:error={how}:when={when}");
            let strace = attach(&sandbox, &[traced(calls), vec!["-e".to_owned(), inject]].concat()).unwrap();
            let output = sandbox.start(&["deploy"]).finish();
            let log = strace.end();
            let context = format!("{how} at {calls} {when}: {output:#?}");
            // Not every deploy makes the last of them.
            assert!(log.injected() > 0 || log.most_of_one() < *when, "nothing failed: {context}");
            injured += usize::from(log.injected() > 0);
            if output.code == 4 {
                let output = sandbox.run(&["resume"]);
                assert!(matches!(output.code, 0..=3), "{context}: {output:#?}");
            }
            if output.code == 1 {
                // What was written for a run that could not be begun goes when a host side starts, or the next run ends.
                // That it was begun may be in the journal all the same: the system has refused only to say so.
                kill(sandbox.host().unwrap(), Signal::KILL);
                let output = sandbox.run(&["resume"]);
                assert!(matches!(output.code, 0..=3), "{context}: {output:#?}");
            }
            line.is_sound(&sandbox, &context);
        }
        watch.end_without_loss();
        sandbox.down();
    }
    assert!(injured > 0, "nothing failed");
    let how = if exhaustive() { "each" } else { "a sample, another each time" };
    line.held(&format!("EIO and ENOSPC at fsync and rename, {how}: 0 failed requests"));
}

/// Has these calls of a process fail; where a file is named, only those that concern that.
fn injure(sandbox: &Sandbox, pid: i32, calls: &str, injury: &str, file: Option<&Path>) -> Option<Strace> {
    let mut how = traced(calls);
    how.extend(["-e".to_owned(), format!("inject={calls}:{injury}")]);
    how.extend(file.iter().flat_map(|file| ["-P".to_owned(), file.display().to_string()]));
    Strace::attach(&[pid], &sandbox.root(), &how)
}

/// What it writes for each table is written aside and synced, put in its place, and settled.
#[test]
fn the_proxys_writes_to_disk_fail() {
    let line = line("the_proxys_writes_to_disk_fail");
    let manifest =
        Manifest { deploy: "bake = \"50ms\"".into(), worker: None, scheduler: None, ..Manifest::default() };
    let sandbox = Sandbox::with(WINDLASS, &manifest);
    sandbox.succeed(&["deploy"]);
    let watch = line.watch_at_pace(&sandbox, Duration::from_millis(40));
    let proxy = sandbox.proxy().unwrap();
    let [sync, rename] = DURABLE;
    for (calls, injury) in [
        (sync, "error=EIO:when=2"),
        (sync, "error=EIO"),
        (sync, "error=ENOSPC"),
        (rename, "error=EIO:when=2"),
        (rename, "error=EIO"),
    ] {
        let context = format!("{calls}:{injury}");
        let before = sandbox.release();
        sandbox.change();
        let Some(strace) = injure(&sandbox, proxy, calls, injury, None) else {
            return line.skipped("strace cannot attach here");
        };
        let output = sandbox.run(&["deploy"]);
        let seen = strace.end();
        assert!(seen.injected() > 0, "{context}: it was not injured: {output:#?}\n{seen:?}");
        // Once the release is the active one, what fails is told and nothing goes back.
        let is_known = output.code == 3 || (injury.contains("when") && matches!(output.code, 0 | 5));
        assert!(is_known, "{context}: {output:#?}\n{seen:?}\n{}", sandbox.logs());
        let (said, now) = (output.all(), sandbox.release());
        assert!(output.code == 0 || said.contains("the table cannot be written"), "{context}: {said}");
        assert_eq!(now == before, output.code == 3, "{context}: {said}");
        line.is_sound(&sandbox, &context);
    }
    // Its log: requests are answered all the same, and it tells later how much it has not told.
    let log = sandbox.environment().join("logs/access.log");
    let strace = injure(&sandbox, proxy, "write,writev", "error=EIO", Some(&log)).unwrap();
    until("requests that are not told of", || (strace.seen().injected() > 2).then_some(()));
    strace.end();
    until("how many they were", || {
        let _asked = sandbox.answering();
        std::fs::read_to_string(&log).unwrap().contains("{\"dropped_lines\":").then_some(())
    });
    assert_eq!(sandbox.proxy(), Some(proxy), "it is the same one");
    watch.end_without_loss();
    sandbox.down();
    line.held(
        "EIO and ENOSPC, once and for ever, at each durable write: the deploy goes back and says why, or ends well; EIO for \
         its log: lines are dropped and counted; 0 failed requests",
    );
}
