//! The time of day jumps, for the host side and for whoever asks it (libfaketime).

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use jiff::Timestamp;
use rustix::process::Signal;
use windlass_testkit::sandbox::{Manifest, Sandbox, WayBack, kill, until};

use super::{WINDLASS, line};

const HOUR: i64 = 3600;

/// A sandbox whose host side and commands see another time of day; the clocks that only count see
/// none of it, nor do the keepers, the proxy and the application.
struct Elsewhen {
    sandbox: Sandbox,
    clock: PathBuf,
    host: Option<HostSide>,
}

/// The host side, which this test started itself; ended when dropped.
struct HostSide(Child);

impl Drop for HostSide {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _ended = self.0.wait();
        forget_memory_of(self.0.id());
    }
}

/// The library shares memory among a process and those it starts, which only the end in order of the first takes with it.
fn forget_memory_of(killed: u32) {
    for name in ["faketime_shm_", "sem.faketime_sem_"] {
        let _none_there = std::fs::remove_file(format!("/dev/shm/{name}{killed}"));
    }
}

impl Elsewhen {
    fn new(library: &Path, manifest: &Manifest) -> Self {
        let mut sandbox = Sandbox::with(WINDLASS, manifest);
        let clock = sandbox.root().join("clock");
        sandbox.set("LD_PRELOAD", library.to_str().unwrap());
        sandbox.set("FAKETIME_TIMESTAMP_FILE", clock.to_str().unwrap());
        sandbox.set("FAKETIME_NO_CACHE", "1");
        sandbox.set("DONT_FAKE_MONOTONIC", "1");
        let mut elsewhen = Self { sandbox, clock, host: None };
        elsewhen.jump(0);
        elsewhen.start_host();
        elsewhen
    }

    /// The clock is so many seconds wrong from now on.
    fn jump(&self, seconds: i64) {
        std::fs::write(&self.clock, format!("{seconds:+}")).unwrap();
    }

    /// A controller starts the host side without what would make it see another time, so it is there
    /// before any.
    fn start_host(&mut self) {
        let environment = self.sandbox.environment();
        std::fs::create_dir_all(environment.join("logs")).unwrap();
        let mut command = self.sandbox.command(&["host", environment.to_str().unwrap()]);
        let log = std::fs::File::options().create(true).append(true).open(environment.join("logs/host.log"));
        command.stdout(Stdio::null()).stderr(log.unwrap());
        self.host = Some(HostSide(command.spawn().unwrap()));
        until("the host side", || environment.join("host/sock").exists().then_some(()));
    }

    fn kill_host(&mut self) {
        drop(self.host.take());
        let _gone = std::fs::remove_file(self.sandbox.environment().join("host/sock"));
    }
}

fn library() -> Option<PathBuf> {
    let name = "faketime/libfaketimeMT.so.1";
    let below = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib"];
    below.iter().map(|directory| Path::new(directory).join(name)).find(|path| path.exists())
}

#[test]
fn the_clock_jumps() {
    let line = line("the_clock_jumps");
    let Some(library) = library() else { return line.skipped("libfaketime is not installed") };
    let manifest = Manifest { deploy: "bake = \"50ms\"".into(), ..Manifest::small() };
    let mut elsewhen = Elsewhen::new(&library, &manifest);
    elsewhen.sandbox.succeed(&["deploy"]);
    let watch = line.watch_at_pace(&elsewhen.sandbox, Duration::from_millis(40));

    // Between deploys, an hour back and forth: the order of releases is that of their numbers, and the
    // five latest by number are kept.
    for (deploy, offset) in [HOUR, -HOUR, 0, -2 * HOUR, 2 * HOUR, -HOUR].into_iter().enumerate() {
        elsewhen.jump(offset);
        elsewhen.sandbox.change();
        elsewhen.sandbox.succeed(&["deploy"]);
        assert_eq!(elsewhen.sandbox.release(), format!("r{}", deploy + 2));
    }
    let releases = elsewhen.sandbox.succeed(&["releases", "--json"]).json();
    let all: Vec<(&str, bool)> = releases
        .as_array()
        .unwrap()
        .iter()
        .map(|release| (release["release"].as_str().unwrap(), release["available"].as_bool().unwrap()))
        .collect();
    let kept = [("r7", true), ("r6", true), ("r5", true), ("r4", true), ("r3", true)];
    assert_eq!(all[..5], kept, "{releases}");
    assert!(all[5..].iter().all(|(_, available)| !available), "{releases}");
    let times: Vec<i64> =
        releases.as_array().unwrap().iter().map(|release| release["activated"].as_i64().unwrap()).collect();
    assert!(!times.is_sorted_by(|a, b| a >= b), "the clock did not jump: {releases}");
    let runs = elsewhen.sandbox.succeed(&["runs", "--json"]).json();
    assert_eq!(runs[0]["release"], "r7", "{runs}");
    elsewhen.sandbox.succeed(&["rollback"]);
    assert!(elsewhen.sandbox.release() == "r8" && elsewhen.sandbox.answering() == "r8");
    watch.end_without_loss();

    // In a bake: it is neither cut short by a jump ahead nor drawn out by one back, so a release that
    // turns bad a second later is found out.
    for offset in [HOUR, -HOUR] {
        elsewhen.jump(0);
        let before = elsewhen.sandbox.release();
        let way_back = WayBack::of(&elsewhen.sandbox);
        let watch = line.watch(&elsewhen.sandbox);
        elsewhen
            .sandbox
            .manifest(&Manifest { deploy: "bake = \"20s\"\nmin_requests = 5".into(), ..Manifest::small() });
        elsewhen.sandbox.behave("web.bad-after:4000");
        let deploy = elsewhen.sandbox.start(&["deploy"]);
        until("the new release to answer", || {
            (windlass_testkit::sandbox::get(elsewhen.sandbox.port, "/version").unwrap().body != before)
                .then_some(())
        });
        elsewhen.jump(offset);
        let output = deploy.finish();
        assert_eq!(output.code, 3, "{output:#?}\n{}", elsewhen.sandbox.logs());
        watch.end();
        assert_eq!(elsewhen.sandbox.release(), before);
        line.keeps_the_way_back(&elsewhen.sandbox, &way_back, "went back");
    }

    // In a lease: a jump ahead does not end it, so the run can still be claimed; one back does not
    // keep it for ever.
    for (offset, claimed) in [(HOUR, true), (-HOUR, false)] {
        elsewhen.jump(0);
        elsewhen.sandbox.lease((!claimed).then_some(5));
        let before = elsewhen.sandbox.release();
        elsewhen.sandbox.manifest(&Manifest { deploy: "bake = \"3s\"".into(), ..Manifest::small() });
        elsewhen.sandbox.behave("");
        let deploy = elsewhen.sandbox.start(&["deploy"]);
        until("the new release to answer", || (elsewhen.sandbox.answering() != before).then_some(()));
        kill(deploy.pid(), Signal::KILL);
        let killed = deploy.pid().unsigned_abs();
        drop(deploy);
        forget_memory_of(killed);
        elsewhen.kill_host();
        elsewhen.start_host();
        until("the run to wait", || elsewhen.sandbox.status()["run"]["settles_at"].is_i64().then_some(()));
        elsewhen.jump(offset);
        if claimed {
            let output = elsewhen.sandbox.succeed(&["resume"]);
            assert_ne!(elsewhen.sandbox.release(), before, "{output:#?}");
        } else {
            until("the run to be settled", || elsewhen.sandbox.status()["run"].is_null().then_some(()));
            assert_eq!(elsewhen.sandbox.release(), before);
        }
        line.is_sound(&elsewhen.sandbox, &format!("{offset} seconds"));
    }
    elsewhen.kill_host();
    elsewhen.sandbox.down();
    line.held(
        "1 and 2 hours back and forth, between deploys, in bakes and in leases: releases are in the order of \
         their numbers, 5 are kept, a bake watches on, a lease lasts as long as it says; 0 failed requests",
    );
}

/// Five and a half hours ahead of UTC, all year.
const ZONE: &str = "Asia/Kolkata";

#[test]
fn a_cron_job_goes_by_its_zone_and_makes_up_once_for_what_nobody_watched() {
    let line = line("a_cron_job_goes_by_its_zone_and_makes_up_once_for_what_nobody_watched");
    let Some(library) = library() else { return line.skipped("libfaketime is not installed") };
    let due = Timestamp::now() + jiff::SignedDuration::from_hours(2);
    let due = due.in_tz(ZONE).unwrap().with().second(0).subsec_nanosecond(0).build().unwrap();
    let job = |name: &str, zone: &str, missed: &str| {
        format!(
            "[cron.{name}]\ncommand = [\"sh\", \"-c\", \"echo ran >> {{shared}}/{name}\"]\n\
             schedule = \"{} {} * * *\"\ntime_zone = \"{zone}\"\nmissed = \"{missed}\"\n\n",
            due.minute(),
            due.hour()
        )
    };
    let more = job("made-up", ZONE, "once") + &job("left-out", ZONE, "skip") + &job("later", "UTC", "once");
    let mut elsewhen = Elsewhen::new(&library, &Manifest { more, ..Manifest::small() });
    elsewhen.sandbox.succeed(&["deploy"]);
    elsewhen.kill_host();
    elsewhen.jump(3 * HOUR);
    elsewhen.start_host();
    let cron = |sandbox: &Sandbox, name: &str| {
        let status = sandbox.status();
        let crons = status["crons"].as_array().unwrap();
        crons.iter().find(|cron| cron["name"] == name).unwrap().clone()
    };
    let ran = |sandbox: &Sandbox, name: &str| sandbox.shared(name).lines().count();
    let sandbox = &elsewhen.sandbox;
    line.comes("the missed run", || (ran(sandbox, "made-up") == 1).then_some(()));
    let said = cron(sandbox, "left-out")["outcome"].clone();
    assert_eq!(said, "left out: it was due while nobody watched");
    // The same time of day comes later in UTC.
    let later = cron(sandbox, "later");
    assert!(later["last"].is_null(), "{later}");
    let hours = |seconds: i64| seconds as f64 / HOUR as f64;
    let next = later["next"].as_i64().unwrap() / 1000 - due.timestamp().as_second();
    assert!((hours(next) - 5.5).abs() < 0.01, "{later}");

    // A day later somebody watches, and each is on time; only that in UTC came when nobody did.
    let tomorrow = due.timestamp().as_second() + 24 * HOUR;
    elsewhen.jump(tomorrow - 2 - Timestamp::now().as_second());
    let sandbox = &elsewhen.sandbox;
    for (name, times) in [("left-out", 1), ("made-up", 2), ("later", 1)] {
        until(name, || (ran(sandbox, name) == times).then_some(()));
        let last = cron(sandbox, name)["last"].as_i64().unwrap() / 1000;
        let expected = if name == "later" { tomorrow - 24 * HOUR + 11 * HOUR / 2 } else { tomorrow };
        assert_eq!(last, expected, "{name}");
    }
    elsewhen.kill_host();
    elsewhen.sandbox.down();
    line.held("a missed run is made up for once or left out, as it says, and by its own zone; a day later each is on time");
}
