//! A Django application that nobody here wrote: deployed, updated and taken back under load.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::http::{Browser, get};
use crate::load::{Load, Seen};
use crate::needs::{Need, are_met};
use crate::place::{Place, wait_for};
use crate::processes;

const PAGE: &str = "/account/login/";
const PASSWORD: &str = "correct horse battery staple";

/// Watches how many schedulers run at the same time.
struct BeatWatch {
    stop: Arc<AtomicBool>,
    watcher: Option<JoinHandle<usize>>,
}

impl BeatWatch {
    fn start(place: &Place) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, home) = (stop.clone(), place.home());
        let watcher = std::thread::spawn(move || {
            let mut most = 0;
            while !stopped.load(Ordering::Relaxed) {
                most = most.max(beats(&home));
                std::thread::sleep(Duration::from_millis(20));
            }
            most
        });
        Self { stop, watcher: Some(watcher) }
    }

    /// The most that ran at once.
    fn most(mut self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.watcher.take().unwrap().join().unwrap()
    }
}

impl Drop for BeatWatch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn beats(home: &std::path::Path) -> usize {
    processes::count(home, " -m celery -A portal beat ")
}

#[track_caller]
fn assert_none_lost(seen: &Seen) {
    assert!(
        seen.lost.is_empty(),
        "{} lost beside {} answered: {:?}",
        seen.lost.len(),
        seen.answered,
        seen.lost
    );
}

/// How often each migration was applied, as the database has it.
fn migrations(place: &Place) -> BTreeMap<String, u32> {
    let script = "from django.db import connection as c\n\
        with c.cursor() as q:\n    q.execute('select app, name from django_migrations')\n    \
        [print('applied', *row) for row in q.fetchall()]";
    let said =
        place.windlass(&["run", "--", ".venv/bin/python", "-m", "django", "shell", "-c", script]).exits(0);
    let mut applied = BTreeMap::new();
    for line in said.out.lines().filter(|line| line.starts_with("applied ")) {
        *applied.entry(line.to_owned()).or_default() += 1;
    }
    applied
}

/// Has the worker carry out a task, and waits for its result in the worker's log.
fn work(place: &Place) {
    let script = "from allianceauth.authentication.tasks import check_all_character_ownership as t\nprint('task', t.delay().id)";
    let said =
        place.windlass(&["run", "--", ".venv/bin/python", "-m", "django", "shell", "-c", script]).exits(0);
    let id =
        said.out.lines().find_map(|line| line.strip_prefix("task ")).unwrap_or_else(|| panic!("{said:?}"));
    wait_for("the worker carries out a task", Duration::from_secs(30), || {
        let log = place.windlass(&["logs", "worker", "-n", "500"]).exits(0).out;
        log.lines().any(|line| line.contains(id) && line.contains("succeeded"))
    });
}

fn log_in(place: &Place) -> Browser {
    let mut browser = Browser::default();
    let form = browser.get(place.port, "/admin/login/?next=/admin/");
    assert_eq!(form.status, 200);
    let token = browser.cookie("csrftoken").to_owned();
    let fields = format!(
        "csrfmiddlewaretoken={token}&username=ada&password={}&next=/admin/",
        PASSWORD.replace(' ', "+")
    );
    let answer = browser.post(place.port, "/admin/login/?next=/admin/", &fields);
    assert_eq!((answer.status, answer.header("location")), (302, Some("/admin/")), "{}", answer.body);
    browser
}

/// The release that serves, and the version of the application that it runs.
fn versions(place: &Place) -> (String, String) {
    let said = place
        .windlass(&[
            "run",
            "--",
            ".venv/bin/python",
            "-c",
            "import allianceauth; print(allianceauth.__version__)",
        ])
        .exits(0);
    let release = place.status()["release"]["release"].as_str().unwrap().to_owned();
    (release, said.out.trim().to_owned())
}

// proves: HS-5, HS-7, HS-8, HS-17, CM-1, CM-8, MDC-2, APE-14
#[test]
fn a_django_application_is_updated_and_taken_back_without_losing_a_request() {
    const NAME: &str = "allianceauth";
    let needs =
        [Need::Python, Need::Postgres, Need::Program("redis-server"), Need::PyPi("allianceauth==5.0.0")];
    if !are_met(NAME, &needs) {
        return;
    }
    let place = Place::of_example(NAME);
    place.write(".env", "SECRET_KEY=for-this-test-only-0123456789abcdefghijklmnopqrstuvwxyz\n");

    place.windlass(&["deploy"]).exits(0);
    let page = get(place.port, PAGE);
    assert_eq!(page.status, 200);
    assert!(page.body.contains("Alliance Auth"), "{}", page.body);
    let sheet = static_file(&page.body);
    let answer = get(place.port, &sheet);
    assert_eq!(answer.status, 200, "{sheet}");
    assert_eq!(versions(&place), ("r1".to_owned(), "5.0.0".to_owned()));
    place
        .windlass(&[
            "run",
            "--",
            "env",
            &format!("DJANGO_SUPERUSER_PASSWORD={PASSWORD}"),
            ".venv/bin/python",
            "-m",
            "django",
            "createsuperuser",
            "--no-input",
            "--username",
            "ada",
            "--email",
            "ada@example.org",
        ])
        .exits(0);
    let mut ada = log_in(&place);
    work(&place);
    let before = migrations(&place);

    let watch = BeatWatch::start(&place);
    let load = Load::start(place.port, PAGE, 20);
    place.edit("requirements.txt", "allianceauth==5.0.0", "allianceauth==5.1.0");
    place.windlass(&["deploy"]).exits(0);
    load.answers(40);
    assert_eq!(versions(&place), ("r2".to_owned(), "5.1.0".to_owned()));
    let after = migrations(&place);
    assert!(after.values().all(|times| *times == 1), "{after:?}");
    let new: Vec<&String> = after.keys().filter(|name| !before.contains_key(*name)).collect();
    assert!(new.iter().any(|name| name.starts_with("applied eveonline 0022")), "{new:?}");
    assert_eq!(ada.get(place.port, "/admin/").status, 200, "the session outlives the update");
    work(&place);

    place.windlass(&["rollback"]).exits(0);
    load.answers(40);
    let (release, version) = versions(&place);
    assert_eq!((release.as_str(), version.as_str()), ("r3", "5.0.0"));
    assert_eq!(ada.get(place.port, "/admin/").status, 200, "the session outlives going back");
    work(&place);

    // The update once more, from the tree that is there still, and its gate expects what 5.1.0 does not show.
    place.edit("windlass.toml", "contains = \"Alliance Auth\"", "contains = \"Alliance Auth 6\"");
    let failed = place.windlass(&["deploy"]).exits(3);
    assert!(failed.err.contains("Alliance Auth 6"), "{failed:?}");
    load.answers(40);
    assert_eq!(versions(&place), ("r3".to_owned(), "5.0.0".to_owned()));
    assert_eq!(ada.get(place.port, "/admin/").status, 200, "the session outlives an update that fails");
    assert_none_lost(&load.stop());
    assert_eq!(watch.most(), 1, "schedulers at the same time");
    assert_eq!(migrations(&place), after);

    place.down();
}

/// The first file of the page that the proxy answers.
fn static_file(page: &str) -> String {
    let start = page.find("\"/static/").unwrap_or_else(|| panic!("no static file in {page}"));
    page[start + 1..].split('"').next().unwrap().to_owned()
}
