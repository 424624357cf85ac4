//! Stories from seeds.

use windlass_core::journal::Turn;
use windlass_core::plan::{Observed, plan};
use windlass_testkit::simulator::{Random, Scenario};

use crate::acting::Lie;
use crate::gate::Fate;
use crate::story::{Move, Story, Tally};

/// How many moves a run may take once the faults have ceased.
const BOUND: usize = 4_000;

/// How a story went wrong.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) seed: u64,
    /// What did not hold.
    pub(crate) what: String,
    /// Every plan and journal until then.
    pub(crate) told: String,
    /// What led there.
    pub(crate) moves: Vec<Move>,
}

/// Plays the story of a seed.
///
/// # Errors
/// The first thing that does not hold.
pub(crate) fn play(seed: u64, lie: Lie) -> Result<Tally, Broken> {
    let mut story = Story::new(lie);
    match tell(seed, &mut story) {
        Ok(()) => Ok(story.tally),
        Err(what) => Err(Broken { seed, what, told: story.told(), moves: story.moves }),
    }
}

/// The moves of the story of a seed.
pub(crate) fn moves(seed: u64) -> Vec<Move> {
    let mut story = Story::new(Lie::None);
    tell(seed, &mut story).unwrap();
    story.moves
}

/// Goes on without a fault until every run is over.
///
/// # Errors
/// What does not hold, or that it does not end.
pub(crate) fn end_well(story: &mut Story) -> Result<(), String> {
    Dice { random: Random::new(0), rate: Rates::default() }.go_on(story, 0)
}

fn tell(seed: u64, story: &mut Story) -> Result<(), String> {
    let mut random = Random::new(seed);
    let mut scenario = Scenario::new(Random::new(random.next_u64()));
    let rate = Rates::of(&mut random);
    let mut dice = Dice { random, rate };
    for _ in 0..2 + dice.random.below(4) {
        let early = story.world.borrow().observe();
        begin(story, &mut scenario, &early)?;
        // Who planned at the same time is refused at once, because the number is taken; who plans a little later
        // meets the lock, or a world that has moved.
        if dice.random.chance(dice.rate.rival) {
            let seen = if dice.random.chance(300) { early } else { story.world.borrow().observe() };
            begin(story, &mut scenario, &seen)?;
        }
        let faulty = dice.random.below(400);
        dice.go_on(story, faulty)?;
    }
    Ok(())
}

fn begin(story: &mut Story, scenario: &mut Scenario, seen: &Observed) -> Result<(), String> {
    let wanted = scenario.wish(&story.world.borrow());
    match plan(&wanted, seen) {
        Ok(plan) if !plan.is_empty() => story.make(Move::Begin(Box::new(plan))),
        _ => Ok(()),
    }
}

/// How often what goes wrong, per thousand moves.
#[derive(Default)]
struct Rates {
    crash: usize,
    fail: usize,
    doubt: usize,
    die: usize,
    cancel: usize,
    refuse: usize,
    sleep: usize,
    rival: usize,
}

impl Rates {
    fn of(random: &mut Random) -> Self {
        let mut one = |most: usize| if random.chance(350) { 0 } else { random.below(most) };
        Self {
            crash: one(60),
            fail: one(40),
            doubt: one(200),
            die: one(6),
            cancel: one(12),
            refuse: one(20),
            sleep: one(15),
            rival: one(600),
        }
    }
}

struct Dice {
    random: Random,
    rate: Rates,
}

impl Dice {
    /// Lets the runs go on; in the first moves, so many, faults happen.
    fn go_on(&mut self, story: &mut Story, faulty: usize) -> Result<(), String> {
        // The run whose driver gets no turn, and until when.
        let mut asleep = (usize::MAX, 0);
        for at in 0..faulty + BOUND {
            if at < faulty {
                self.misfortune(story, at, &mut asleep)?;
            } else if story.refuses() {
                story.make(Move::Refuse(false))?;
            }
            if story.open().is_empty() {
                return Ok(());
            }
            self.end_a_job(story, if at < faulty { 700 } else { 1000 })?;
            self.take_up(story)?;
            let awake = |run: usize| run != asleep.0 || at >= asleep.1;
            let ended = story.driven().into_iter().filter(|(run, over)| *over && awake(*run));
            let finish = ended.map(|(run, _)| Move::Finish(run));
            let waiting = story.gate.waiting().into_iter().filter(|who| awake(who.0));
            let fate = self.fate(at < faulty);
            let gentle = self.random.chance(875);
            let possible: Vec<Move> = waiting
                .map(|who| match who.1 {
                    // A look is doubted more often than an act fails: there are few of them.
                    None => Move::Go(who, if at < faulty { self.doubt() } else { Fate::Happens }),
                    // Undoing fails seldom, or every way back would get stuck.
                    Some(step) if gentle && story.goes_back(who.0, step) => Move::Go(who, Fate::Happens),
                    Some(_) => Move::Go(who, fate),
                })
                .chain(finish)
                .collect();
            if let Some(next) = self.random.pick(&possible) {
                story.make(next.clone())?;
            }
        }
        Err(format!("liveness: the runs {:?} do not end", story.open()))
    }

    fn fate(&mut self, faulty: bool) -> Fate {
        match faulty && self.random.chance(self.rate.fail) {
            false => Fate::Happens,
            true if self.random.chance(500) => Fate::Fails,
            true => Fate::HappensAndFails,
        }
    }

    fn doubt(&mut self) -> Fate {
        if self.random.chance(self.rate.doubt) { Fate::Fails } else { Fate::Happens }
    }

    fn misfortune(
        &mut self,
        story: &mut Story,
        at: usize,
        asleep: &mut (usize, usize),
    ) -> Result<(), String> {
        if self.random.chance(self.rate.crash) && !story.driven().is_empty() {
            let lost = if self.random.chance(300) { 1 + self.random.below(4) } else { 0 };
            story.make(Move::Crash(lost))?;
        }
        let driven = story.driven();
        let run = self.random.pick(&driven).map(|(run, _)| *run);
        if let Some(run) = run.filter(|_| self.random.chance(self.rate.sleep)) {
            *asleep = (run, at + 1 + self.random.below(120));
        }
        if let Some(run) = run.filter(|_| self.random.chance(self.rate.cancel)) {
            story.make(Move::Cancel(run, Turn::Cancelled { by: "ada".into() }))?;
        }
        if self.random.chance(self.rate.refuse * if story.refuses() { 10 } else { 1 }) {
            let refuses = !story.refuses();
            story.make(Move::Refuse(refuses))?;
        }
        if self.random.chance(self.rate.die) {
            let running: Vec<_> = story.world.borrow().running().into_iter().collect();
            if let Some(id) = self.random.pick(&running) {
                story.make(Move::Die(id.clone()))?;
            }
        }
        Ok(())
    }

    /// Jobs end by themselves, whether anybody waits for them or not.
    fn end_a_job(&mut self, story: &mut Story, succeeds: usize) -> Result<(), String> {
        let running: Vec<_> = {
            let world = story.world.borrow();
            let of = |release| world.runs.iter().position(|run| run.plan.release == release);
            let jobs = world.jobs.iter().filter(|(_, job)| job.running);
            jobs.filter_map(|((release, job, undo), _)| Some((of(*release)?, job.clone(), *undo))).collect()
        };
        for (run, job, undo) in running {
            if self.random.chance(300) {
                let well = self.random.chance(succeeds);
                story.make(Move::JobEnds(run, job, undo, well))?;
            }
        }
        Ok(())
    }

    /// A run that nobody drives is resumed or aborted by a person, or given up when its lease is over: at once, or
    /// late, when others have begun and ended meanwhile.
    fn take_up(&mut self, story: &mut Story) -> Result<(), String> {
        for run in story.orphans() {
            let turn = match self.random.below(40) {
                0..=2 => None,
                3 => Some(Turn::Cancelled { by: "ada".into() }),
                4 => Some(Turn::Unclaimed),
                _ => continue,
            };
            story.make(Move::Resume(run, turn))?;
        }
        Ok(())
    }
}
