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
    let mut total = Tally::default();
    let mut broken = 0;
    for seed in from..to {
        match run(seed, Flaw::None) {
            Ok(tally) => total = total.with(&tally),
            Err(why) => {
                broken += 1;
                println!("seed {seed} breaks after {} events: {}", why.event, why.what);
                if to - from == 1 {
                    println!("{}", why.told);
                }
            }
        }
    }
    let rate = (to - from) as f64 / begun.elapsed().as_secs_f64() * 60.0;
    println!("{} schedules, {broken} broken, {rate:.0} a minute; {total:?}", to - from);
    if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
