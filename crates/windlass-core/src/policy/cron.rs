//! When a cron job runs.
//!
//! [`due`] is asked whenever time may have passed, with the last tick that was dealt with, and
//! answers what to do now. A tick is the instant that the schedule names, not the instant at which
//! the job was started; because ticks are counted from the last one that was dealt with, none is
//! run twice and none is lost, however the clock is set in between.
//!
//! When clocks go forward, a job at fixed times of the day that are left out runs once, at the instant of
//! the change. When they go back, it runs once for each time, at the first of the two instants. A job that
//! keeps a pace goes on by the clock on the wall: what is left out there is left out, and what comes
//! twice runs twice. So do Vixie cron and its successors.

mod field;
mod wall;

use std::fmt;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::spec::{Missed, Overlap};

/// Whoever looks again within this time has watched meanwhile, however busy the machine was.
const WATCHING: SignedDuration = SignedDuration::from_secs(60);

/// A tick that is no older than this is on time also for who begins to watch: a host side that ends is
/// started again at once, and gives way to another build.
const ON_TIME: SignedDuration = SignedDuration::from_secs(5);

/// When the last tick lies further ahead of the clock than this, the clock was wrong when it was
/// dealt with, and it tells nothing.
const BELIEVABLE: SignedDuration = SignedDuration::from_hours(24);

/// A machine that has run for less than this may not have been told the time yet: many have no clock of their
/// own that goes on without power, and ask the network.
const UNSET: SignedDuration = SignedDuration::from_mins(10);

/// Missed ticks are counted up to this number.
const MOST_COUNTED: u32 = 1000;

/// A schedule in its time zone.
#[derive(Debug, Clone)]
pub struct Schedule {
    cron: Cron,
    zone: TimeZone,
    keeps_a_pace: bool,
}

/// Why a text is not a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotASchedule {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
    /// What to write.
    pub help: String,
    /// The part of the text that is wrong, where it is one.
    pub part: Option<String>,
}

impl fmt::Display for NotASchedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a schedule: {}; {}", self.text, self.reason, self.help)
    }
}

impl std::error::Error for NotASchedule {}

fn parser() -> CronParser {
    CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build()
}

impl Schedule {
    /// Reads five fields, six of which the first are seconds, or `@daily` and the like.
    ///
    /// # Errors
    /// [`NotASchedule`] with the reason.
    pub fn parse(text: &str, zone: TimeZone) -> Result<Self, NotASchedule> {
        let cron = parser().parse(text).map_err(|error| field::fault(text, &error.to_string()))?;
        Ok(Self { cron, zone, keeps_a_pace: wall::keeps_a_pace(text) })
    }

    /// Whether there is a tick at all: none is on the 30th of February.
    #[must_use]
    pub fn is_ever_due(&self) -> bool {
        // The calendar repeats itself after 400 years, and the library looks as far as the year 5000.
        let begin = jiff::civil::date(4600, 1, 1).to_zoned(TimeZone::UTC);
        begin.is_ok_and(|begin| self.cron.find_next_occurrence(&begin, true).is_ok())
    }

    /// The first tick after `after`; `None` when there is none, as for the 30th of February.
    #[must_use]
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        if !self.keeps_a_pace {
            return wall::next(&self.cron, &self.zone, after);
        }
        let after = after.to_zoned(self.zone.clone());
        self.cron.find_next_occurrence(&after, false).ok().map(|tick| tick.timestamp())
    }

    /// The last tick up to and with `until`.
    #[must_use]
    pub fn last(&self, until: Timestamp) -> Option<Timestamp> {
        if !self.keeps_a_pace {
            return wall::last(&self.cron, &self.zone, until);
        }
        let until = until.to_zoned(self.zone.clone());
        self.cron.find_previous_occurrence(&until, true).ok().map(|tick| tick.timestamp())
    }
}

/// What has become of a job so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct History {
    /// When the job came into being, or got the schedule that it has: no tick before it was ever due.
    pub since: Timestamp,
    /// The last tick that was dealt with, whatever was done about it.
    pub last: Option<Timestamp>,
    /// When it was looked at before, by whoever looks now and while it was meant to run; `None`: this is
    /// the first look.
    pub watched: Option<Timestamp>,
    /// How long the machine has run.
    pub up: SignedDuration,
    /// What runs now.
    pub running: Running,
}

impl History {
    /// Whether somebody watched when this tick came: it then is on time, and not missed.
    fn is_on_time(&self, tick: Timestamp, now: Timestamp) -> bool {
        let watched =
            self.watched.is_some_and(|before| before < tick && now.duration_since(before) <= WATCHING);
        watched || now.duration_since(tick) <= ON_TIME
    }
}

/// What runs of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Running {
    /// Nothing.
    Nothing,
    /// A run.
    One,
    /// A run, and another waits for its end.
    OneAndOneWaits,
}

/// What to do about a job now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// What to do.
    pub action: Action,
    /// The new [`History::last`], to be recorded before the job starts: the tick that the action is
    /// about. `None`: it stays as it is.
    pub last: Option<Timestamp>,
    /// How many earlier ticks were missed and are made up for by nothing but this; at most 1,000
    /// are counted.
    pub missed: u32,
    /// When to ask again; `None`: there is no further tick.
    pub next: Option<Timestamp>,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Nothing is due.
    Wait,
    /// Start a run.
    Start,
    /// Stop the run, then start another.
    Replace,
    /// Start a run when the present one has ended.
    Queue,
    /// Leave it out: the host was away when it was due.
    SkipMissed,
    /// Leave it out: the one before still runs.
    SkipRunning,
}

/// Decides about a job at `now`.
#[must_use]
pub fn due(
    schedule: &Schedule,
    history: &History,
    now: Timestamp,
    missed: Missed,
    overlap: Overlap,
) -> Decision {
    let from = match history.last {
        // A clock that was ahead when it got its schedule says nothing.
        Some(last) if history.since <= now => last.max(history.since),
        Some(last) => last,
        None => history.since,
    };
    if from.duration_since(now) > BELIEVABLE {
        // Nothing is made up for after such a clock: nobody knows what was due. But right after the machine's
        // start it is more likely the present one that is wrong, and what is recorded stays.
        let last = (history.up >= UNSET).then_some(now);
        return Decision { action: Action::Wait, last, missed: 0, next: schedule.next(now) };
    }
    let Some(tick) = schedule.last(now).filter(|&tick| tick > from) else {
        return Decision { action: Action::Wait, last: None, missed: 0, next: schedule.next(from.max(now)) };
    };
    let action = if !history.is_on_time(tick, now) && missed == Missed::Skip {
        Action::SkipMissed
    } else {
        match (history.running, overlap) {
            (Running::Nothing, _) | (_, Overlap::Allow) => Action::Start,
            (_, Overlap::Replace) => Action::Replace,
            (Running::One, Overlap::Queue) => Action::Queue,
            (_, Overlap::Skip) | (Running::OneAndOneWaits, Overlap::Queue) => Action::SkipRunning,
        }
    };
    let mut earlier = 0;
    let mut at = schedule.next(from);
    while let Some(missed) = at.filter(|&at| at < tick && earlier < MOST_COUNTED) {
        earlier += 1;
        at = schedule.next(missed);
    }
    Decision { action, last: Some(tick), missed: earlier, next: schedule.next(now) }
}

#[cfg(test)]
mod clocks;
#[cfg(test)]
mod tests;
