//! When the lines of a log were written, as far as they say so themselves.

mod stamp;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};

use stamp::Stamp;

/// How much later than the last change of its file a line may seem to be: clocks of files are coarse, and
/// more may be written while it is looked at. Milliseconds.
const SLACK: i64 = 2_000;

/// How long after its time a line is written at the most, where the file was last changed by it. Milliseconds.
const PROMPT: i64 = 5_000;

/// Offsets are multiples of this, in milliseconds, between the two that follow.
const QUARTER: i64 = 15 * 60_000;
const WESTMOST: i64 = -12 * 3_600_000;
const EASTMOST: i64 = 14 * 3_600_000;

/// When each of a log's `lines` was written, the oldest first: milliseconds since 1970. A line that does not say
/// belongs to the one above it, as a traceback does; those before the first that says get its time; those
/// behind the last were written until the file was `changed`. `None` where no line says.
///
/// A time without an offset is in `zone`, unless it cannot be: a program may have a zone of its own.
/// See [`zone_of`].
#[must_use]
pub fn dates<'a>(
    lines: impl IntoIterator<Item = &'a str>,
    zone: &TimeZone,
    changed: Timestamp,
) -> Vec<Option<i64>> {
    let stamps: Vec<_> = lines.into_iter().map(|line| stamp::find(line, changed)).collect();
    let changed = changed.as_millisecond();
    let zone = zone_of(&stamps, zone, changed);
    let own = |stamp: &Option<Stamp>| {
        let at = match (*stamp)? {
            Stamp::At(at) => at,
            Stamp::Local(local) => moment(local, &zone)?,
        };
        // What is still to come when the file was last written to, such as an expiry, is of something else.
        (at <= changed + SLACK).then_some(at)
    };
    let mut times: Vec<_> = stamps.iter().map(own).collect();
    let behind = times.iter().rposition(Option::is_some).map_or(times.len(), |last| last + 1);
    let mut last = times.iter().copied().flatten().next();
    for time in &mut times {
        last = time.or(last);
        *time = last;
    }
    times[behind..].fill(last.map(|last| last.max(changed)));
    times
}

/// The zone of the times that do not say it. The last of them was written before the next moment that is
/// certain, and, where a file is changed by each line and none without a time follows, just before it was: a time
/// that is later than that is of a zone further east, and one that is earlier by just a number of quarter hours
/// of another one.
fn zone_of(stamps: &[Option<Stamp>], usual: &TimeZone, changed: i64) -> TimeZone {
    let mut certain = changed;
    let last = stamps.iter().enumerate().rev().find_map(|(at, stamp)| match (*stamp)? {
        Stamp::At(moment) => {
            certain = certain.min(moment);
            None
        }
        Stamp::Local(local) => {
            let as_utc = moment(local, &TimeZone::UTC)?;
            (as_utc - certain <= EASTMOST + SLACK).then_some((at, local, as_utc))
        }
    });
    let Some((at, local, as_utc)) = last else { return usual.clone() };
    let Some(usually) = moment(local, usual) else { return usual.clone() };
    if (-SLACK..QUARTER - SLACK).contains(&(certain - usually)) {
        return usual.clone();
    }
    // The smallest that makes it no later than certain.
    let offset = -((certain + SLACK - as_utc).div_euclid(QUARTER)) * QUARTER;
    // What follows without a time may have come at any.
    let is_followed = matches!(stamps.get(at + 1), Some(None));
    let is_prompt = !is_followed && certain - (as_utc - offset) < PROMPT;
    let is_of_the_future = usually > certain + SLACK;
    let fixed = || Some(TimeZone::fixed(Offset::from_seconds(i32::try_from(offset / 1000).ok()?).ok()?));
    let is_some = (WESTMOST..=EASTMOST).contains(&offset) && (is_prompt || is_of_the_future);
    is_some.then(fixed).flatten().unwrap_or_else(|| usual.clone())
}

fn moment(local: DateTime, zone: &TimeZone) -> Option<i64> {
    Some(zone.to_timestamp(local).ok()?.as_millisecond())
}

#[cfg(test)]
mod tests;
