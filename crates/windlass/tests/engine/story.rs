//! One story: the real engine, the real journal, and the moves that happen to them.

use std::cell::RefCell;
use std::path::PathBuf;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use tokio::sync::watch;
use windlass::engine::{Engine, Interrupt, Journal};
use windlass_core::event::{Event, RunRecord, What};
use windlass_core::journal::{Direction, Record, Turn, Verdict};
use windlass_core::name::{InstanceId, Name};
use windlass_core::plan::Plan;
use windlass_testkit::simulator::check;
use windlass_testkit::world::World;

use crate::acting::{Acting, Lie};
use crate::gate::{Fate, Gate, Who};

/// One thing that happens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Move {
    /// Somebody begins a run.
    Begin(Box<Plan>),
    /// One of those who wait gets its turn.
    Go(Who, Fate),
    /// The run that is over is written off, and its lock freed.
    Finish(usize),
    /// Somebody cancels it.
    Cancel(usize, Turn),
    /// The host side dies, and with the power goes this many of the last results that were not synced.
    Crash(usize),
    /// A run that nobody drives is taken up, and may be turned back.
    Resume(usize, Option<Turn>),
    /// The journal's disk takes no records, or takes them again.
    Refuse(bool),
    /// A copy ends by itself.
    Die(InstanceId),
    /// A job ends, well or not, whether anybody waits for it or not; `true` for its undo.
    JobEnds(usize, Name, bool, bool),
}

/// The text of a story: a move a line.
pub(crate) fn written(moves: &[Move]) -> String {
    moves.iter().map(|one| serde_json::to_string(one).unwrap() + "\n").collect()
}

/// A story from its text.
pub(crate) fn read(text: &str) -> Vec<Move> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What stories were about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) moves: u64,
    /// Runs by how they ended.
    pub(crate) committed: u64,
    pub(crate) rolled_back: u64,
    pub(crate) unchanged: u64,
    pub(crate) stuck: u64,
    /// Drivers that died with the host side.
    pub(crate) crashes: u64,
    /// Results that a power cut took.
    pub(crate) lost: u64,
    /// Drivers that ended because the journal took no record.
    pub(crate) refused: u64,
    /// Drivers that ended because nobody could tell what became of a step.
    pub(crate) unknown: u64,
    /// Runs that were cancelled while they were under way.
    pub(crate) cancelled: u64,
}

impl Tally {
    pub(crate) const fn with(self, other: &Self) -> Self {
        Self {
            moves: self.moves + other.moves,
            committed: self.committed + other.committed,
            rolled_back: self.rolled_back + other.rolled_back,
            unchanged: self.unchanged + other.unchanged,
            stuck: self.stuck + other.stuck,
            crashes: self.crashes + other.crashes,
            lost: self.lost + other.lost,
            refused: self.refused + other.refused,
            unknown: self.unknown + other.unknown,
            cancelled: self.cancelled + other.cancelled,
        }
    }
}

/// How a run came to its end.
type Ended = Result<Verdict, Interrupt>;

/// Whoever drives a run.
struct Driver {
    run: usize,
    /// `None`: it is over, and only that has to be written.
    engine: Option<Pin<Box<dyn Future<Output = Ended>>>>,
    cancel: watch::Sender<Option<Turn>>,
}

/// A story as far as it was told.
pub(crate) struct Story {
    _place: TempDir,
    path: PathBuf,
    journal: Rc<RefCell<Journal>>,
    /// Looks at the journal's file, and does to it what a disk or a power cut would.
    beside: Rc<Connection>,
    pub(crate) world: Rc<RefCell<World>>,
    pub(crate) gate: Gate,
    drivers: Vec<Driver>,
    /// The last record that was seen of each run.
    seen: Vec<i64>,
    finished: Vec<bool>,
    /// Results that are not synced yet.
    unsynced: Vec<(usize, i64)>,
    refuses: bool,
    /// An event that was emitted before its record was written.
    hasty: Rc<RefCell<Option<String>>>,
    lie: Lie,
    pub(crate) moves: Vec<Move>,
    pub(crate) tally: Tally,
}

impl Story {
    pub(crate) fn new(lie: Lie) -> Self {
        // Memory, where there is a file system in it: nothing here is about the disk's own time.
        let memory = PathBuf::from("/dev/shm");
        let below = if memory.is_dir() { memory } else { std::env::temp_dir() };
        let place = tempfile::Builder::new().prefix("wl-story-").tempdir_in(below).unwrap();
        let path = place.path().join("journal.db");
        let journal = Rc::new(RefCell::new(Journal::open(&path).unwrap()));
        let beside = Rc::new(Connection::open(&path).unwrap());
        Self {
            _place: place,
            path,
            journal,
            beside,
            world: Rc::new(RefCell::new(World::new())),
            gate: Gate::default(),
            drivers: Vec::new(),
            seen: Vec::new(),
            finished: Vec::new(),
            unsynced: Vec::new(),
            refuses: false,
            hasty: Rc::default(),
            lie,
            moves: Vec::new(),
            tally: Tally::default(),
        }
    }

    /// Makes moves; one that is not possible any more is passed over.
    pub(crate) fn tell(&mut self, moves: &[Move]) -> Result<(), String> {
        moves.iter().try_for_each(|one| self.make(one.clone()))
    }

    /// Makes one move, and looks whether all is safe.
    ///
    /// # Errors
    /// What does not hold.
    pub(crate) fn make(&mut self, one: Move) -> Result<(), String> {
        self.moves.push(one.clone());
        self.tally.moves += 1;
        match one {
            Move::Begin(plan) => self.begin(&plan)?,
            Move::Go(who, fate) => {
                if self.gate.let_pass(who, fate) {
                    self.poll(who.0)?;
                }
            }
            Move::Finish(run) => self.finish(run)?,
            Move::Cancel(run, turn) => {
                if let Some(driver) = self.drivers.iter().find(|driver| driver.run == run) {
                    driver.cancel.send_replace(Some(turn));
                    self.tally.cancelled += 1;
                    self.poll(run)?;
                }
            }
            Move::Crash(lost) => self.crash(lost)?,
            Move::Resume(run, turn) => {
                if self.orphans().contains(&run) {
                    self.drive(run, turn)?;
                }
            }
            Move::Refuse(refuses) => self.refuse(refuses),
            Move::Die(instance) => self.world.borrow_mut().die(&instance),
            Move::JobEnds(run, job, undo, well) => {
                self.world.borrow_mut().finish_job(run, &job, undo, well);
            }
        }
        if let Some(hasty) = self.hasty.borrow_mut().take() {
            return Err(hasty);
        }
        check::safety(&self.world.borrow())
    }

    /// Runs that are not over.
    pub(crate) fn open(&self) -> Vec<usize> {
        (0..self.finished.len()).filter(|run| !self.finished[*run]).collect()
    }

    /// Those that nobody drives.
    pub(crate) fn orphans(&self) -> Vec<usize> {
        let is_driven = |run: &usize| self.drivers.iter().any(|driver| driver.run == *run);
        self.open().into_iter().filter(|run| !is_driven(run)).collect()
    }

    /// Those that are driven, and whether only their end is to be written.
    pub(crate) fn driven(&self) -> Vec<(usize, bool)> {
        self.drivers.iter().map(|driver| (driver.run, driver.engine.is_none())).collect()
    }

    /// Whether a step is being undone.
    pub(crate) fn goes_back(&self, run: usize, step: u32) -> bool {
        let world = self.world.borrow();
        let intent = world.runs[run].records.iter().rev().find_map(|record| match record {
            Record::Intent { step: of, direction } if *of == step => Some(*direction),
            _ => None,
        });
        intent == Some(Direction::Back)
    }

    /// Whether the journal's disk takes no records.
    pub(crate) const fn refuses(&self) -> bool {
        self.refuses
    }

    /// Every plan and journal so far.
    pub(crate) fn told(&self) -> String {
        let world = self.world.borrow();
        let runs = world.runs.iter().enumerate().map(|(index, run)| {
            let records: String = run.records.iter().map(|record| format!("{record:?}\n")).collect();
            format!("\n--- run {index}\n{}\n{records}", run.plan)
        });
        runs.collect()
    }

    /// A number that is taken is refused, as by the host side.
    fn begin(&mut self, plan: &Plan) -> Result<(), String> {
        let Ok(run) = self.world.borrow_mut().begin(plan.clone()) else { return Ok(()) };
        self.journal.borrow_mut().begin(&run.to_string(), plan, "ada").map_err(|error| error.to_string())?;
        self.unsynced.clear();
        self.seen.push(0);
        self.finished.push(false);
        self.drive(run, None)
    }

    fn drive(&mut self, run: usize, turn: Option<Turn>) -> Result<(), String> {
        let (world, journal) = (self.world.clone(), self.journal.clone());
        let session = world.borrow_mut().claim(run);
        let plan = world.borrow().runs[run].plan.clone();
        let acting =
            Acting { world, journal: journal.clone(), gate: self.gate.clone(), run, session, lie: self.lie };
        let (cancel, cancelled) = watch::channel(turn);
        let (hasty, beside) = (self.hasty.clone(), self.beside.clone());
        let engine = async move {
            let id = run.to_string();
            let emit = |event: Event| {
                let last = last_record(&beside, &id);
                if !is_of(last.as_ref(), &event.what) {
                    *hasty.borrow_mut() =
                        Some(format!("event: {:?} before its record; {last:?}", event.what));
                }
            };
            let (world, cancel) = (&acting, cancelled);
            let mut engine =
                Engine { run: &id, plan: &plan, journal: journal.clone(), world, emit: &emit, cancel };
            engine.run().await
        };
        self.drivers.push(Driver { run, engine: Some(Box::pin(engine)), cancel });
        self.poll(run)
    }

    fn poll(&mut self, run: usize) -> Result<(), String> {
        let Some(at) = self.drivers.iter().position(|driver| driver.run == run) else { return Ok(()) };
        let Some(engine) = &mut self.drivers[at].engine else { return Ok(()) };
        let mut context = Context::from_waker(Waker::noop());
        let mut polled = engine.as_mut().poll(&mut context);
        if polled.is_pending() && !self.gate.waiting().iter().any(|who| who.0 == run) {
            // Those that act at the same time take turns of their own.
            polled = engine.as_mut().poll(&mut context);
        }
        self.take_note(run)?;
        match polled {
            Poll::Pending if self.gate.waiting().iter().any(|who| who.0 == run) => {}
            Poll::Pending => return Err(format!("liveness: run {run} waits for nobody")),
            Poll::Ready(Ok(verdict)) => {
                let world = self.world.borrow();
                if world.runs[run].verdict() != Some(&verdict) {
                    return Err(format!(
                        "ended: run {run} is said to have ended {verdict:?}, and the journal differs"
                    ));
                }
                self.drivers[at].engine = None;
            }
            Poll::Ready(Err(Interrupt::Journal(_))) if self.refuses => {
                self.drivers.swap_remove(at);
                self.tally.refused += 1;
            }
            Poll::Ready(Err(Interrupt::Unknown(_))) => {
                self.drivers.swap_remove(at);
                self.tally.unknown += 1;
            }
            Poll::Ready(Err(interrupt)) => return Err(format!("journal: run {run}: {interrupt}")),
        }
        Ok(())
    }

    /// Reads what the engine has written of a run.
    fn take_note(&mut self, run: usize) -> Result<(), String> {
        let read = "SELECT seq, body FROM records WHERE run = ?1 AND seq > ?2 ORDER BY seq";
        let mut statement = self.beside.prepare_cached(read).unwrap();
        let rows = statement.query_map(params![run.to_string(), self.seen[run]], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
        });
        let new: Vec<(i64, Record)> = rows
            .unwrap()
            .map(|row| row.map(|(seq, body)| (seq, serde_json::from_str(&body).unwrap())).unwrap())
            .collect();
        for (seq, record) in new {
            if waits(&record) {
                self.unsynced.push((run, seq));
            } else {
                self.unsynced.clear();
            }
            self.seen[run] = seq;
            let ends = matches!(record, Record::Ended(_));
            self.world.borrow_mut().runs[run].records.push(record);
            if ends {
                check::wholeness(&self.world.borrow(), run)?;
                self.no_job_goes_on(run)?;
            }
        }
        Ok(())
    }

    /// A job is waited for or ended, whatever becomes of its run.
    fn no_job_goes_on(&self, run: usize) -> Result<(), String> {
        let world = self.world.borrow();
        let release = world.runs[run].plan.release;
        match world.jobs.iter().find(|((of, ..), job)| *of == release && job.running) {
            Some(((_, job, _), _)) => Err(format!("job {job} of run {run} goes on although that is over")),
            None => Ok(()),
        }
    }

    fn finish(&mut self, run: usize) -> Result<(), String> {
        let is_it = |driver: &Driver| driver.run == run && driver.engine.is_none();
        let Some(at) = self.drivers.iter().position(is_it) else { return Ok(()) };
        self.drivers.swap_remove(at);
        let mut world = self.world.borrow_mut();
        let verdict = world.runs[run].verdict().cloned();
        match &verdict {
            Some(Verdict::Done | Verdict::DoneWithProblems(_)) => self.tally.committed += 1,
            Some(Verdict::RolledBack(_)) => self.tally.rolled_back += 1,
            Some(Verdict::Stuck { .. }) => self.tally.stuck += 1,
            _ => self.tally.unchanged += 1,
        }
        let record = RunRecord { run: run.to_string(), verdict, ..RunRecord::default() };
        self.journal.borrow_mut().end(&run.to_string(), &record).map_err(|error| error.to_string())?;
        self.unsynced.clear();
        self.finished[run] = true;
        let session = world.runs[run].session;
        let _freed = world.release_lock(run, session);
        let holder = self.journal.borrow().lock_holder().map_err(|error| error.to_string())?;
        if holder == Some(run.to_string()) {
            return Err(format!("lock: run {run} is over and holds it"));
        }
        check::lock_is_free(&world, run)
    }

    /// The host side is started again at once; nobody drives any run.
    fn crash(&mut self, lost: usize) -> Result<(), String> {
        self.tally.crashes += self.drivers.len() as u64;
        self.drivers.clear();
        for _ in 0..lost.min(self.unsynced.len()) {
            let Some((run, seq)) = self.unsynced.pop() else { break };
            let delete = "DELETE FROM records WHERE run = ?1 AND seq = ?2";
            self.beside.execute(delete, params![run.to_string(), seq]).unwrap();
            self.world.borrow_mut().runs[run].records.pop();
            self.seen[run] = seq - 1;
            self.tally.lost += 1;
        }
        self.unsynced.clear();
        self.journal.replace(Journal::open(&self.path).map_err(|error| error.to_string())?);
        let open = self.journal.borrow().open_runs().map_err(|error| error.to_string())?;
        let open: Vec<usize> = open.iter().map(|row| row.id.parse().unwrap()).collect();
        if open != self.open() {
            return Err(format!("journal: the runs {:?} are open, and it says {open:?}", self.open()));
        }
        Ok(())
    }

    fn refuse(&mut self, refuses: bool) {
        let sql = if refuses {
            "CREATE TRIGGER IF NOT EXISTS refuse BEFORE INSERT ON records BEGIN SELECT RAISE(ABORT, 'no room'); END"
        } else {
            "DROP TRIGGER IF EXISTS refuse"
        };
        self.beside.execute_batch(sql).unwrap();
        self.refuses = refuses;
    }
}

fn last_record(beside: &Connection, id: &str) -> Option<Record> {
    let read = "SELECT body FROM records WHERE run = ?1 ORDER BY seq DESC LIMIT 1";
    let body: Option<String> = beside.prepare_cached(read).unwrap().query_row([id], |row| row.get(0)).ok();
    body.map(|body| serde_json::from_str(&body).unwrap())
}

/// Whether a record is not synced before another is.
const fn waits(record: &Record) -> bool {
    matches!(record, Record::Done { .. } | Record::Ended(_))
}

/// Whether an event tells of what the journal has last.
fn is_of(last: Option<&Record>, what: &What) -> bool {
    match (what, last) {
        (What::StepDone { step, direction, .. }, Some(Record::Done { step: of, direction: way, .. }))
        | (What::StepFailed { step, direction, .. }, Some(Record::Failed { step: of, direction: way, .. })) => {
            step == of && direction == way
        }
        (What::TurnedBack { why }, Some(Record::Turned(turn))) => why == turn,
        // Those of one stage are written together.
        (What::StepBegan { direction, .. }, Some(Record::Intent { direction: way, .. })) => direction == way,
        _ => false,
    }
}
