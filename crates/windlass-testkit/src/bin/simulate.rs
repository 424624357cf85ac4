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
    let a_minute = |seconds: f64| (to - from) as f64 / seconds * 60.0;
    // On a machine that others load too the clock says little; the processors' time says what is ours.
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let used = used.tv_sec as f64 + used.tv_nsec as f64 / 1e9;
    println!(
        "{} schedules, {broken} broken, {:.0} a minute by the clock, {:.0} a minute of a processor's time; \
         {total:?}",
        to - from,
        a_minute(begun.elapsed().as_secs_f64()),
        a_minute(used)
    );
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
