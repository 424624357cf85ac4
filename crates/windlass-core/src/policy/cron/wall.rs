//! What a schedule means where clocks are put forward or back.

use croner::Cron;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp};

/// No clock is put back by more than this (but once, over a date line).
const MOST: SignedDuration = SignedDuration::from_hours(25);

/// Whether a schedule keeps a pace: it is due in every hour, or its minutes or seconds are steps from `*`.
/// It goes by the clock on the wall, whatever that does. Any other is due at times of the day, and each
/// time comes once a day.
pub(super) fn keeps_a_pace(text: &str) -> bool {
    let words: Vec<&str> = text.split_whitespace().collect();
    let (below, hour) = match words.as_slice() {
        [word] => return word.eq_ignore_ascii_case("@hourly"),
        [minute, hour, _, _, _] => (vec![*minute], *hour),
        [second, minute, hour, ..] => (vec![*second, *minute], *hour),
        _ => return true,
    };
    ["*", "*/1", "0-23", "?"].contains(&hour) || below.iter().any(|field| field.starts_with(['*', '?']))
}

/// The first instant after `after` at which one of the times of the day has come.
pub(super) fn next(cron: &Cron, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
    let mut from = zone.to_datetime(after);
    let mut inclusive = true;
    loop {
        from = cron.find_next_occurrence(&utc(from)?, inclusive).ok()?.datetime();
        inclusive = false;
        let tick = instant(zone, from)?;
        if tick > after {
            return Some(tick);
        }
    }
}

/// The last one up to and with `until`.
pub(super) fn last(cron: &Cron, zone: &TimeZone, until: Timestamp) -> Option<Timestamp> {
    let mut from = zone.to_datetime(until);
    if zone.to_ambiguous_timestamp(from).is_ambiguous() {
        // The second time that the clock shows this: what is later on it has been.
        from = from.checked_add(MOST).ok()?;
    }
    let mut inclusive = true;
    loop {
        from = cron.find_previous_occurrence(&utc(from)?, inclusive).ok()?.datetime();
        inclusive = false;
        let tick = instant(zone, from)?;
        if tick <= until {
            return Some(tick);
        }
    }
}

/// When the clock shows this: the first time where it does so twice, and where it never does, the instant
/// at which it is put forward. Later on the clock is never earlier in time.
fn instant(zone: &TimeZone, at: DateTime) -> Option<Timestamp> {
    let ambiguous = zone.to_ambiguous_timestamp(at);
    match ambiguous.offset() {
        AmbiguousOffset::Unambiguous { offset } | AmbiguousOffset::Fold { before: offset, .. } => {
            offset.to_timestamp(at).ok()
        }
        AmbiguousOffset::Gap { before, .. } => {
            let inside = before.to_timestamp(at).ok()?;
            // Strictly before: the gap may begin at this very instant.
            let behind = inside.checked_add(SignedDuration::from_nanos(1)).ok()?;
            zone.preceding(behind).next().map(|transition| transition.timestamp())
        }
    }
}

/// Times of the day as those of a zone whose clock is never put: the library then has nothing to decide.
fn utc(at: DateTime) -> Option<jiff::Zoned> {
    at.to_zoned(TimeZone::UTC).ok()
}
