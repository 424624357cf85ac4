//! The worker, the scheduler and the jobs.

mod support;

use std::fs;

use support::{Guestbook, wait_until};

#[test]
fn a_quiet_worker_takes_no_more_work_and_ends_when_asked() {
    for quiet in ["TSTP", "USR1"] {
        let book = Guestbook::migrated();
        let mut worker = book.start("worker", &[]);
        book.run("greet");
        wait_until("the first entry is published", || book.count("entries") == 1);

        worker.signal(quiet);
        wait_until("the worker is quiet", || worker.log().contains("\"event\":\"quiet\""));
        book.run("greet");
        worker.signal("TERM");
        assert_eq!(worker.exit_code(), Some(0));
        assert_eq!((book.count("incoming"), book.count("entries")), (1, 1));
    }
}

#[test]
fn a_stopped_worker_finishes_the_entry_that_it_holds() {
    let book = Guestbook::migrated();
    book.run("greet");
    book.run("greet");
    let mut worker = book.start("worker", &[("GUESTBOOK_WORK_MS", "700")]);
    wait_until("the worker works", || worker.log().contains("\"event\":\"working\""));
    worker.signal("TERM");
    assert_eq!(worker.exit_code(), Some(0));
    assert!(book.count("entries") <= 1);
    assert_eq!(book.count("entries") + book.count("incoming"), 2);
}

#[test]
fn workers_that_are_killed_lose_and_repeat_nothing() {
    let book = Guestbook::migrated();
    for _ in 0..20 {
        book.run("greet");
    }
    for round in 1..=5 {
        let workers = [0, 1].map(|_| book.start("worker", &[("GUESTBOOK_WORK_MS", "2")]));
        wait_until("some entries are published", || book.count("entries") >= round * 2);
        drop(workers);
        assert!(book.count("entries") + book.count("incoming") >= 20);
    }
    let _last = book.start("worker", &[("GUESTBOOK_WORK_MS", "0")]);
    wait_until("all entries are published", || book.count("incoming") == 0);
    assert_eq!(book.count("entries"), 20);
}

#[test]
fn the_scheduler_writes_down_when_it_ran() {
    let book = Guestbook::migrated();
    let ticks = || fs::read_to_string(book.path("ticks")).unwrap_or_default();
    let mut scheduler = book.start("scheduler", &[("GUESTBOOK_TICK_MS", "5"), ("WINDLASS_RELEASE", "r3")]);
    wait_until("it ticked", || ticks().lines().count() > 5);
    scheduler.signal("TERM");
    assert_eq!(scheduler.exit_code(), Some(0));

    let (text, pid) = (ticks(), format!("\"pid\":{}", scheduler.pid()));
    assert!(text.lines().all(|line| line.contains(&pid) && line.contains("\"release\":\"r3\"")), "{text}");
    assert!(text.lines().next().unwrap().contains("\"event\":\"start\""));
    assert!(text.lines().last().unwrap().contains("\"event\":\"stop\""));
}

#[test]
fn jobs_can_be_repeated() {
    let book = Guestbook::migrated();
    book.run("migrate");
    book.run("greet");
    book.run("cleanup");
    assert_eq!(book.count("incoming"), 1);
}
