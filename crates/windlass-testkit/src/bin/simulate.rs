//! Plays stories and says how many a minute, and which broke: `simulate FROM TO`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "its answer is what it prints")]

use std::process::ExitCode;
use std::time::Instant;

use windlass_testkit::simulator::{Flaw, Tally, run};

fn main() -> ExitCode {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<u64>());
    let (Some(Ok(from)), Some(Ok(to))) = (numbers.next(), numbers.next()) else {
        eprintln!("usage: simulate FROM TO");
        return ExitCode::from(2);
    };
    let begun = Instant::now();
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as u64;
    let (total, broken) = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|first| {
                scope.spawn(move || play((from + first..to).step_by(threads as usize), to - from == 1))
            })
            .collect();
        workers.into_iter().fold((Tally::default(), 0), |(total, broken), worker| match worker.join() {
            Ok((tally, more)) => (total.with(&tally), broken + more),
            Err(_) => (total, broken + 1),
        })
    });
    let rate = (to - from) as f64 / begun.elapsed().as_secs_f64() * 60.0;
    println!("{} schedules, {broken} broken, {rate:.0} a minute; {total:?}", to - from);
    if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Plays these seeds; what they were about, and how many broke.
fn play(seeds: impl Iterator<Item = u64>, in_full: bool) -> (Tally, u64) {
    let (mut total, mut broken) = (Tally::default(), 0);
    for seed in seeds {
        match run(seed, Flaw::None) {
            Ok(tally) => total = total.with(&tally),
            Err(why) => {
                broken += 1;
                println!("seed {seed} breaks after {} events: {}", why.event, why.what);
                if in_full {
                    println!("{}", why.told);
                }
            }
        }
    }
    (total, broken)
}
