//! The quick start, and every row of its table "Break it".

use std::path::Path;

use crate::http::get;
use crate::load::{Load, Seen};
use crate::place::{Place, Said};

/// The guestbook, deployed well as r1.
fn deployed() -> Place {
    let place = Place::of_example("guestbook");
    place.windlass(&["deploy"]).exits(0);
    assert_eq!(get(place.port, "/version").body.trim(), "r1");
    place
}

/// Deploys with a fault while visitors ask for `/version`.
fn deploy_with(place: &mut Place, fault: &str, arguments: &[&str]) -> (Said, Seen) {
    place.set("GUESTBOOK_FAULT", Some(fault));
    let load = Load::start(place.port, "/version", 50);
    load.answers(10);
    let said = place.windlass(arguments);
    load.answers(10);
    place.set("GUESTBOOK_FAULT", None);
    (said, load.stop())
}

#[track_caller]
fn assert_old_serves(seen: &Seen) {
    assert!(seen.lost.is_empty(), "{} lost of {}: {:?}", seen.lost.len(), seen.answered, seen.lost);
    assert_eq!(seen.bodies.keys().map(|body| body.trim()).collect::<Vec<_>>(), ["r1"]);
}

// proves: HS-7, APE-15
#[test]
fn every_way_to_break_it_ends_as_its_readme_says() {
    let mut place = deployed();

    let (said, seen) = deploy_with(&mut place, "never-ready", &["deploy"]);
    said.exits(3);
    assert_old_serves(&seen);

    let (said, seen) = deploy_with(&mut place, "crash", &["deploy"]);
    said.exits(3);
    assert_old_serves(&seen);

    // Nothing of the new release was started.
    let (said, seen) = deploy_with(&mut place, "migrate", &["deploy"]);
    let said = said.exits(3);
    assert!(!said.err.contains("start web"), "{}", said.err);
    assert_old_serves(&seen);

    // The visitors see its errors until there are enough of them to judge by; then never again.
    let (said, seen) = deploy_with(&mut place, "errors", &["deploy"]);
    let said = said.exits(3);
    assert!(said.err.contains("failed (100.0 %"), "{}", said.err);
    assert!(seen.lost.iter().all(|lost| lost.starts_with("500 GUESTBOOK_FAULT=errors")), "{:?}", seen.lost);
    assert_eq!(get(place.port, "/version").body.trim(), "r1");

    place.down();
}

#[test]
fn a_release_that_ignores_the_signal_to_end_is_killed_after_its_grace() {
    let mut place = deployed();
    let grace = "grace = \"3s\"";
    for long in ["grace = \"35s\"", "grace = \"30s\"", "grace = \"10s\""] {
        place.edit("windlass.toml", long, grace);
    }
    let (said, seen) = deploy_with(&mut place, "ignore-term", &["deploy"]);
    said.exits(0);
    assert!(seen.lost.is_empty(), "{:?}", seen.lost);
    let stubborn = [place.pids("web"), place.pids("scheduler")].concat();
    assert_eq!(stubborn.len(), 3);

    let (said, seen) = deploy_with(&mut place, "", &["deploy"]);
    said.exits(0);
    assert!(seen.lost.is_empty(), "{:?}", seen.lost);
    for pid in stubborn {
        assert!(!Path::new(&format!("/proc/{pid}")).exists(), "{pid} still runs");
    }
    place.down();
}
