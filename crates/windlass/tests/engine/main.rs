//! The engine itself and its journal, a real file, over a world that exists in memory only.
//!
//! A story is a list of moves: somebody begins a run, one effect of one step happens or fails, the host side dies at
//! whatever the engine waits for, a power cut takes what was not synced, the journal's disk refuses a write, a person
//! cancels, resumes late, or begins something else meanwhile. After each move the world must be safe; when the faults
//! cease every run must end, wholly new or wholly old. Chance makes stories from seeds; one that once broke is kept as
//! what it was, plans and moves, in `stories/`, whatever becomes of the seeds.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "what stands around a test may end it as the test itself may"
)]

mod acting;
mod chance;
mod gate;
mod story;

use std::path::PathBuf;

use acting::Lie;
use chance::{Broken, play};
use story::{Move, Story, Tally};

/// How many seeds a run of all tests plays, beside the stories that are kept.
const SEEDS: u64 = 300;

/// Which seeds are played: `WINDLASS_SEEDS=FROM..TO` asks for others, to search for longer.
fn seeds() -> std::ops::Range<u64> {
    let Ok(asked) = std::env::var("WINDLASS_SEEDS") else { return 0..SEEDS };
    let (from, to) = asked.split_once("..").unwrap();
    from.parse().unwrap()..to.parse().unwrap()
}

/// Says how a story went wrong, and where it was written down.
fn tell(broken: &Broken) -> ! {
    let file = std::env::temp_dir().join(format!("story-{}.json", broken.seed));
    std::fs::write(&file, story::written(&broken.moves)).unwrap();
    panic!(
        "seed {}, move {}: {}\n{}\n\nThe story is in {}; once it is understood, keep it in tests/engine/stories.",
        broken.seed,
        broken.moves.len(),
        broken.what,
        broken.told,
        file.display()
    );
}

// proves: HS-17
#[test]
fn the_engine_and_its_journal_stay_safe_and_come_to_an_end() {
    let (range, began) = (seeds(), std::time::Instant::now());
    // Two halves on two threads: a story shares nothing with another.
    let halves: Vec<_> = (0..2)
        .map(|half| {
            let own = range.clone().filter(move |seed| seed % 2 == half);
            std::thread::spawn(move || {
                own.fold(Tally::default(), |total, seed| match play(seed, Lie::None) {
                    Ok(tally) => total.with(&tally),
                    Err(broken) => tell(&broken),
                })
            })
        })
        .collect();
    let total = halves.into_iter().map(|half| half.join().unwrap()).fold(Tally::default(), |a, b| a.with(&b));
    let count = range.end - range.start;
    println!("{:.0} stories a minute; {total:?}", count as f64 / began.elapsed().as_secs_f64() * 60.0);
    // Stories that are all alike would prove nothing.
    assert!(total.committed > count && total.rolled_back > count / 4, "{total:?}");
    assert!(total.crashes > count && total.refused > count / 20 && total.stuck > 0, "{total:?}");
    assert!(
        total.lost > count / 50 && total.cancelled > count / 20 && total.unknown > count / 20,
        "{total:?}"
    );
}

fn kept() -> Vec<(String, Vec<Move>)> {
    let below = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/engine/stories");
    let mut files: Vec<_> = std::fs::read_dir(below).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let read = |file: PathBuf| {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        (name, story::read(&std::fs::read_to_string(file).unwrap()))
    };
    files.into_iter().map(read).collect()
}

/// Their moves are made as long as they can be; then all goes well, and every run must end.
#[test]
fn stories_that_once_broke_hold() {
    let kept = kept();
    assert!(!kept.is_empty());
    for (name, moves) in kept {
        let mut story = Story::new(Lie::None);
        let held = story.tell(&moves).and_then(|()| chance::end_well(&mut story));
        assert_eq!(held, Ok(()), "{name}: {}", story.told());
    }
}

#[test]
fn the_same_seed_is_the_same_story() {
    for seed in 0..5 {
        assert_eq!(chance::moves(seed), chance::moves(seed));
    }
}

#[test]
fn a_story_that_was_written_down_is_read_again_as_it_was() {
    let moves = chance::moves(7);
    assert_eq!(story::read(&story::written(&moves)), moves);
}

/// The first seed at which a world that lies is found out, and at what.
fn caught(lie: Lie, most: u64, at: &str) {
    let found = (0..most).filter_map(|seed| play(seed, lie).err()).find(|broken| broken.what.starts_with(at));
    assert!(found.is_some(), "{lie:?} is not caught at {at:?} within {most} seeds");
}

#[test]
fn a_world_that_undoes_nothing_is_caught() {
    caught(Lie::UndoesNothing, 100, "old:");
}

#[test]
fn a_world_that_stops_nothing_before_the_commit_is_caught() {
    caught(Lie::StopsNothing, 200, "singleton:");
}

#[test]
fn a_world_that_never_finds_what_was_done_is_caught() {
    caught(Lie::FindsNothing, 500, "job ");
}
