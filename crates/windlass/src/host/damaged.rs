//! What the host side makes of its files when they are damaged.

use jiff::Timestamp;
use windlass_core::journal::Record;
use windlass_core::name::{InstanceId, Name, ReleaseId};
use windlass_core::plan::Traffic;
use windlass_core::protocol::{FingerprintKey, Values};

use super::Host;
use super::cron::queue::Queue;
use super::cron::schedules::Schedules;
use super::instance::identity::Identity;
use super::instance::restarts::Restarts;
use super::run::half_done::{self, Which};
use super::settings::rotation::{Owed, Pair};
use super::settings::{files, masked, values};
use super::testing;
use super::world::Sent;
use crate::damaged::{Damaged, Read, Sample};
use crate::layout::Layout;

const RELEASE: ReleaseId = ReleaseId(12);

/// Its files.
pub(crate) fn samples() -> Vec<Sample> {
    let state = [
        Sample {
            page: "state/journal.db",
            path: "state/journal.db".into(),
            // The rest is cut where the journal is: this is what makes a file of it.
            first: Some(100),
            make: |layout| journal(layout),
            read: |layout| {
                for beside in ["journal.db-wal", "journal.db-shm"] {
                    let _not_there = std::fs::remove_file(layout.state().join(beside));
                }
                Read::of(Host::open(layout.clone()).and_then(|host| {
                    let journal = host.journal.borrow();
                    Ok((journal.active()?.map(|active| active.release.id), journal.records("a")?))
                }))
            },
            then: Damaged::Refused(""),
        },
        Sample {
            make: |layout| {
                let traffic = Traffic { release: Some(RELEASE), ..Traffic::default() };
                Sent { generation: 7, run: "a".to_owned(), traffic }.write(layout).unwrap();
            },
            read: |layout| Read::Found(format!("{:?}", Sent::read(layout))),
            then: Damaged::Otherwise("None"),
            ..Sample::of("state/traffic.json")
        },
        Sample {
            make: |layout| values::write_key(layout, &FingerprintKey([42; 32])).unwrap(),
            read: |layout| Read::of(values::key(layout).map(|key| key.map(|key| key.0))),
            then: Damaged::Refused("or remove it"),
            ..Sample::of("state/fingerprint.key")
        },
        Sample {
            make: |layout| Queue::read(layout).put_in(&name("bill")),
            read: |layout| Read::Found(format!("{:?}", Queue::read(layout).names().collect::<Vec<_>>())),
            then: Damaged::Otherwise("[]"),
            ..Sample::of("state/cron-queue.json")
        },
        Sample {
            make: |layout| {
                Schedules::read(layout).since(&name("bill"), &testing::cron("@daily"), Timestamp::UNIX_EPOCH);
            },
            read: |layout| Read::Found(Schedules::read(layout).shown()),
            then: Damaged::Otherwise("{}"),
            ..Sample::of("state/cron-schedules.json")
        },
        Sample {
            make: |layout| assert!(!Host::open(layout.clone()).unwrap().is_of_a_new_boot()),
            read: |layout| {
                let host = Host::open_to_read(layout.clone()).unwrap();
                Read::Found(host.is_of_a_new_boot().to_string())
            },
            then: Damaged::Otherwise("true"),
            ..Sample::of("state/boot")
        },
        half_done("state/half-done.json", |layout| note_half_done(layout, Which::Undoable)),
        half_done("state/half-done-for-good.json", |layout| note_half_done(layout, Which::ForGood)),
        Sample {
            make: |layout| {
                let given = [("PASSWORD", "Zk31"), ("PORT", "4711")];
                let given = given.map(|(name, value)| (name.to_owned(), value.to_owned()));
                values::write(layout, RELEASE, &Values(given.into_iter().collect())).unwrap();
            },
            read: |layout| Read::of(values::read(layout, RELEASE).map(|values| values.0.clone())),
            then: Damaged::Refused("`windlass deploy`"),
            ..Sample::of("state/settings/r12.json")
        },
        Sample {
            make: |layout| masked::keep(layout, ["Zk31blau"]).unwrap(),
            read: |layout| {
                let masked = masked::read(layout);
                Read::of(masked.map(|all| all.iter().map(|one| one.expose().to_owned()).collect::<Vec<_>>()))
            },
            then: Damaged::Refused("masked.json is damaged"),
            ..Sample::of("state/masked.json")
        },
        Sample {
            page: "state/unrevoked/",
            path: "state/unrevoked/PASSWORD.r12".into(),
            make: |layout| {
                let pair = Pair { old: "Zk31".to_owned(), new: "Fx77".to_owned(), urls: None };
                Owed::new(layout, "PASSWORD", RELEASE).keep(&pair).unwrap();
            },
            read: |layout| match Owed::new(layout, "PASSWORD", RELEASE).read() {
                Ok(pair) => {
                    Read::Found(format!("{:?}", pair.map(|pair| (pair.old.clone(), pair.new.clone()))))
                }
                Err(fault) => Read::Refused(format!("{}: {}", fault.message, fault.hint)),
            },
            then: Damaged::Refused("take the old value away at its source yourself"),
            ..Sample::of("")
        },
        Sample {
            make: |layout| drop(files::write(layout, RELEASE, None, "KEY", "Zk31").unwrap()),
            read: |layout| {
                let path = files::write(layout, RELEASE, None, "KEY", "Zk31").unwrap();
                let found = std::fs::read_to_string(&path).unwrap();
                files::forget_all(layout);
                Read::Found(format!("{found} {}", path.display()))
            },
            then: Damaged::Same,
            ..Sample::of("state/settings/place")
        },
    ];
    let copy = [
        Sample {
            page: "instances/web.r12.1/",
            path: "instances/web.r12.1/instance.json".into(),
            make: |layout| {
                let identity = Identity {
                    id: copy(),
                    digest: "d".to_owned(),
                    tree: RELEASE,
                    port: Some(4711),
                    service: windlass_testkit::sample::web("web"),
                    resources: indexmap::IndexMap::new(),
                };
                identity.write(layout).unwrap();
            },
            read: |layout| Read::Found(format!("{:?}", Identity::all(layout).unwrap())),
            then: Damaged::Otherwise("[]"),
            ..Sample::of("")
        },
        Sample {
            page: "instances/web.r12.1/",
            path: "instances/web.r12.1/restarts.json".into(),
            make: |layout| {
                let directory = layout.instance(&copy());
                std::fs::create_dir_all(&directory).unwrap();
                Restarts { count: 3, reason: "killed".to_owned() }.write(&directory);
            },
            read: |layout| Read::Found(Restarts::read(&layout.instance(&copy())).count.to_string()),
            then: Damaged::Otherwise("0"),
            ..Sample::of("")
        },
    ];
    state.into_iter().chain(copy).collect()
}

fn half_done(page: &'static str, make: fn(&Layout)) -> Sample {
    Sample {
        make,
        read: |layout| {
            let host = Host::open_to_read(layout.clone()).unwrap();
            let told = host.half_done_jobs().join("; ");
            if !told.contains("is damaged") {
                return Read::Found(told);
            }
            // Then nothing may be removed that is needed to undo one.
            if told.contains("half-done.json") {
                host.kept_to_undo().unwrap_err();
                host.half_done_in(&name("migrate")).unwrap_err();
            }
            Read::Refused(told)
        },
        then: Damaged::Refused("restore it from a backup; or look (`windlass runs`)"),
        ..Sample::of(page)
    }
}

fn note_half_done(layout: &Layout, which: Which) {
    drop(Host::open(layout.clone()).unwrap());
    half_done::write(layout, which, &[(name("migrate"), RELEASE)].into()).unwrap();
}

/// A journal of a deployed application, whole in its file.
fn journal(layout: &Layout) {
    std::os::unix::fs::symlink("releases/r12", layout.current()).unwrap();
    let mut journal = crate::engine::Journal::open(&layout.journal()).unwrap();
    journal.begin("a", &testing::first(|_| ()), "somebody").unwrap();
    journal.append("a", &[Record::Turned(windlass_core::journal::Turn::Unclaimed)]).unwrap();
    journal.activate(&testing::row(12), false).unwrap();
}

fn copy() -> InstanceId {
    "web.r12.1".parse().unwrap()
}

fn name(name: &str) -> Name {
    Name::new(name).unwrap()
}
