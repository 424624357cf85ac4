//! One seed's story, from an empty host to the end of its last run.

use windlass_core::journal::{Record, Turn, Verdict};
use windlass_core::plan::{Observed, plan};
use windlass_core::spec::Spec;

use super::deployer::Progress;
use super::{Deployer, Flaw, Random, check, scenario};
use crate::world::{LEASE, World};

/// How many events a run may take once the faults have ceased.
const BOUND: usize = 3_000;

/// What a story was about, summed over seeds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Events.
    pub events: u64,
    /// Runs that ended on the new release.
    pub committed: u64,
    /// Runs that ended on the old one after they had changed something.
    pub rolled_back: u64,
    /// Runs that ended before they changed anything that runs.
    pub unchanged: u64,
    /// Runs that could not go back wholly, because undoing failed as well.
    pub stuck: u64,
    /// Deployers that died.
    pub crashes: u64,
    /// Deployers that woke late and were refused.
    pub fenced: u64,
}

impl Tally {
    /// Both together.
    #[must_use]
    pub const fn with(self, other: &Self) -> Self {
        Self {
            events: self.events + other.events,
            committed: self.committed + other.committed,
            rolled_back: self.rolled_back + other.rolled_back,
            unchanged: self.unchanged + other.unchanged,
            stuck: self.stuck + other.stuck,
            crashes: self.crashes + other.crashes,
            fenced: self.fenced + other.fenced,
        }
    }
}

/// How a story went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Its seed.
    pub seed: u64,
    /// After how many events.
    pub event: u64,
    /// What did not hold.
    pub what: String,
    /// Every plan and journal until then.
    pub told: String,
}

/// Plays the story of `seed` with deployers that have this flaw.
///
/// # Errors
/// [`Broken`] at the first thing that does not hold.
pub fn run(seed: u64, flaw: Flaw) -> Result<Tally, Broken> {
    let mut random = Random::new(seed);
    let spec = scenario::spec(&mut random);
    let mut world = World::new();
    world.unfenced = flaw == Flaw::Unfenced;
    let mut story = Story {
        world,
        rate: Rates::of(&mut random),
        random,
        spec,
        flaw,
        deployers: Vec::new(),
        tally: Tally::default(),
    };
    match story.play() {
        Ok(()) => Ok(story.tally),
        Err(what) => Err(Broken { seed, event: story.tally.events, what, told: told(&story.world) }),
    }
}

fn told(world: &World) -> String {
    let mut text = String::new();
    for (index, run) in world.runs.iter().enumerate() {
        text.push_str(&format!("\n--- run {index}\n{}\n", run.plan));
        for record in &run.records {
            text.push_str(&format!("{record:?}\n"));
        }
    }
    text
}

/// How often what goes wrong, per thousand events.
struct Rates {
    crash: usize,
    sleep: usize,
    fail: usize,
    die: usize,
    cancel: usize,
    rival: usize,
}

impl Rates {
    fn of(random: &mut Random) -> Self {
        let mut one = |most: usize| if random.chance(350) { 0 } else { random.below(most) };
        Self { crash: one(60), sleep: one(15), fail: one(40), die: one(6), cancel: one(10), rival: one(600) }
    }
}

struct Story {
    world: World,
    random: Random,
    spec: Spec,
    rate: Rates,
    flaw: Flaw,
    deployers: Vec<Deployer>,
    tally: Tally,
}

impl Story {
    fn play(&mut self) -> Result<(), String> {
        for _ in 0..2 + self.random.below(4) {
            let early = self.world.observe();
            self.begin(&early);
            if self.random.chance(self.rate.rival) {
                self.begin(&early);
            }
            self.until_quiet()?;
        }
        Ok(())
    }

    /// Somebody wants something, and begins. The second of two who planned at the same time is
    /// refused at once, because the release's number is taken; one who plans later meets the lock.
    fn begin(&mut self, observed: &Observed) {
        let wanted = scenario::wish(&mut self.random, &mut self.spec, &self.world);
        let Ok(plan) = plan(&wanted, observed) else { return };
        if plan.is_empty() {
            return;
        }
        if let Ok(run) = self.world.begin(plan) {
            let session = self.world.runs[run].session;
            self.deployers.push(Deployer::new(run, session, self.flaw));
        }
    }

    fn until_quiet(&mut self) -> Result<(), String> {
        let faulty = self.random.below(400);
        for event in 0..faulty + BOUND {
            self.world.now += 1;
            self.tally.events += 1;
            if event < faulty {
                self.misfortune();
            }
            self.claim_orphans(event < faulty);
            let failing = if event < faulty { self.rate.fail } else { 0 };
            if !self.advance_one(failing)? && self.open_runs().is_empty() && self.deployers.is_empty() {
                return Ok(());
            }
            check::safety(&self.world)?;
        }
        Err(format!("liveness: the runs {:?} do not end", self.open_runs()))
    }

    fn open_runs(&self) -> Vec<usize> {
        let open = |run: &usize| self.world.runs[*run].verdict().is_none() || self.world.holds_lock(*run);
        (0..self.world.runs.len()).filter(open).collect()
    }

    fn misfortune(&mut self) {
        if self.random.chance(self.rate.crash) && !self.deployers.is_empty() {
            let at = self.random.below(self.deployers.len());
            let dead = self.deployers.swap_remove(at);
            self.world.runs[dead.run].torn = self.random.chance(300);
            self.tally.crashes += 1;
        }
        let at = self.random.below(self.deployers.len());
        if self.random.chance(self.rate.sleep)
            && let Some(deployer) = self.deployers.get_mut(at)
        {
            deployer.asleep_until = self.world.now + 1 + self.random.below(3 * LEASE as usize) as u64;
        }
        if self.random.chance(self.rate.cancel)
            && let Some(deployer) = self.deployers.get_mut(at)
        {
            deployer.write_first(Record::Turned(Turn::Cancelled { by: "ada".into() }));
        }
        if self.random.chance(self.rate.die) {
            let running: Vec<_> = self.world.running().into_iter().collect();
            if let Some(id) = self.random.pick(&running) {
                self.world.die(id);
            }
        }
        if self.random.chance(self.rate.rival / 20) && self.deployers.len() < 3 {
            let observed = self.world.observe();
            self.begin(&observed);
        }
    }

    /// Jobs end by themselves, whether anybody waits for them or not.
    fn end_a_job(&mut self, succeeds: usize) {
        let running: Vec<_> =
            self.world.jobs.iter().filter(|(_, job)| job.running).map(|(key, _)| key.clone()).collect();
        for (release, job, undo) in running {
            let run = self.world.runs.iter().position(|run| run.plan.release == release);
            if let Some(run) = run.filter(|_| self.random.chance(300)) {
                let success = self.random.chance(succeeds);
                self.world.finish_job(run, &job, undo, success);
            }
        }
    }

    /// A run that nobody drives is resumed or aborted by a person, or, when its lease has passed,
    /// taken by the host itself. One whose driver sleeps can be taken then as well.
    fn claim_orphans(&mut self, faulty: bool) {
        self.end_a_job(if faulty { 700 } else { 1000 });
        for run in self.open_runs() {
            let session = self.world.runs[run].session;
            let driven = self.deployers.iter().any(|d| d.run == run && d.session == session);
            let expired = self.world.is_expired(run);
            if driven && !expired {
                continue;
            }
            let turn = match self.random.below(20) {
                0 if !driven => None,
                1 if !driven => Some(Turn::Cancelled { by: "ada".into() }),
                2 if expired => None,
                _ if expired => Some(Turn::Unclaimed),
                _ => continue,
            };
            let session = self.world.claim(run);
            let mut deployer = Deployer::new(run, session, self.flaw);
            if let Some(turn) = turn.filter(|_| self.world.runs[run].verdict().is_none()) {
                deployer.write_first(Record::Turned(turn));
            }
            self.deployers.push(deployer);
        }
    }

    /// Lets one of those who are awake do one thing; says whether there was one.
    fn advance_one(&mut self, failing: usize) -> Result<bool, String> {
        let now = self.world.now;
        let awake: Vec<usize> =
            (0..self.deployers.len()).filter(|at| self.deployers[*at].asleep_until <= now).collect();
        let Some(&at) = self.random.pick(&awake) else { return Ok(false) };
        let run = self.deployers[at].run;
        let was_over = self.world.runs[run].verdict().is_some();
        let progress = self.deployers[at].advance(&mut self.world, &mut self.random, failing);
        if !was_over && self.world.runs[run].verdict().is_some() {
            check::wholeness(&self.world, run)?;
            self.count(run);
        }
        match progress {
            Progress::Working => {}
            Progress::FencedOff => {
                self.deployers.swap_remove(at);
                self.tally.fenced += 1;
            }
            Progress::Finished => {
                self.deployers.swap_remove(at);
                check::lock_is_free(&self.world, run)?;
            }
        }
        Ok(true)
    }

    fn count(&mut self, run: usize) {
        match self.world.runs[run].verdict() {
            Some(Verdict::Done | Verdict::DoneWithProblems(_)) => self.tally.committed += 1,
            Some(Verdict::RolledBack(_)) => self.tally.rolled_back += 1,
            Some(Verdict::Stuck { .. }) => self.tally.stuck += 1,
            Some(Verdict::Failed(_) | Verdict::Refused(_)) => self.tally.unchanged += 1,
            None => {}
        }
    }
}
