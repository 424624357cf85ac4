//! What is decided under every kind of crash: see `windlass_testkit::simulator`. The engine that carries it out, and
//! its journal, have stories of their own: `windlass/tests/engine`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use windlass_testkit::simulator::{Flaw, Tally, run};

/// How many seeds every test run plays.
const SEEDS: u64 = 3_000;

// proves: HS-17
#[test]
fn every_story_stays_safe_and_comes_to_an_end() {
    // Two halves on two threads: a story shares nothing with another.
    let halves: Vec<_> = (0..2)
        .map(|half| {
            std::thread::spawn(move || {
                (0..SEEDS).filter(|seed| seed % 2 == half).fold(Tally::default(), |total, seed| {
                    match run(seed, Flaw::None) {
                        Ok(tally) => total.with(&tally),
                        Err(why) => panic!("seed {seed}, event {}: {}\n{}", why.event, why.what, why.told),
                    }
                })
            })
        })
        .collect();
    let total = halves.into_iter().map(|half| half.join().unwrap()).fold(Tally::default(), |a, b| a.with(&b));
    // A simulator whose stories are all alike would prove nothing.
    assert!(total.committed > SEEDS && total.rolled_back > SEEDS / 2, "{total:?}");
    assert!(total.crashes > SEEDS && total.fenced > SEEDS / 10 && total.stuck > 0, "{total:?}");
}

/// Seeds beyond those that broke once.
const BROKE: [u64; 1] = [
    // A table that a deploy could not clear up, and then a stop of a service that gets no requests.
    8_510,
];

#[test]
fn what_broke_once_stays_whole() {
    for seed in BROKE {
        if let Err(why) = run(seed, Flaw::None) {
            panic!("seed {seed}, event {}: {}\n{}", why.event, why.what, why.told);
        }
    }
}

#[test]
fn the_same_seed_is_the_same_story() {
    for seed in 0..50 {
        assert_eq!(run(seed, Flaw::None), run(seed, Flaw::None));
    }
}

/// The first seed below `most` at which a flawed engine is caught, and at what.
fn caught(flaw: Flaw, most: u64, at: &str) {
    let found = (0..most).filter_map(|seed| run(seed, flaw).err()).find(|why| why.what.starts_with(at));
    assert!(found.is_some(), "{flaw:?} is not caught at {at:?} within {most} seeds");
}

#[test]
fn an_engine_that_skips_compensation_is_caught() {
    caught(Flaw::SkipsCompensation, 50, "old:");
}

// proves: HS-17
#[test]
fn an_engine_that_starts_a_singleton_before_the_old_one_stopped_is_caught() {
    caught(Flaw::StartsBeforeStop, 100, "singleton:");
}

#[test]
fn an_engine_that_does_not_look_after_a_crash_is_caught() {
    caught(Flaw::NeverLooks, 500, "job ");
}

#[test]
fn an_engine_that_acts_before_its_intent_is_written_is_caught() {
    caught(Flaw::ActsBeforeIntent, 500, "old:");
}

#[test]
fn a_host_that_does_not_check_fencing_numbers_is_caught() {
    caught(Flaw::Unfenced, 500, "");
}
