use proptest::prelude::*;

use super::*;

/// Berlin's rule, without a look into the machine's time zone database.
fn berlin() -> TimeZone {
    TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
}

fn schedule(text: &str) -> Schedule {
    Schedule::parse(text, berlin()).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn ticks(text: &str, from: &str, until: &str) -> Vec<String> {
    let schedule = schedule(text);
    std::iter::successors(schedule.next(at(from)), |&tick| schedule.next(tick))
        .take_while(|&tick| tick <= at(until))
        .map(|tick| tick.to_string())
        .collect()
}

/// Longer than any machine takes to be told the time.
const LONG: SignedDuration = SignedDuration::from_hours(24);

fn history(since: &str, last: Option<&str>, running: Running) -> History {
    History { since: at(since), last: last.map(at), watched: None, up: LONG, running }
}

fn decide(text: &str, history: &History, now: &str, missed: Missed, overlap: Overlap) -> Decision {
    due(&schedule(text), history, at(now), missed, overlap)
}

#[test]
fn schedules_are_read_or_refused_with_a_reason() {
    for text in ["*/5 * * * *", "0 30 2 * * *", "@daily", "0 0 * * MON-FRI", "0 0 1,15 * *", "0 0 L * *"] {
        assert!(Schedule::parse(text, TimeZone::UTC).is_ok(), "{text}");
    }
    for text in ["", "* * * *", "61 * * * *", "every day", "* * * * * * 2027", "@sometimes"] {
        assert!(Schedule::parse(text, TimeZone::UTC).is_err(), "{text}");
    }
}

#[test]
fn what_is_never_due_is_known() {
    for text in ["0 0 30 2 *", "0 0 31 2,4,6,9,11 *", "0 0 30 2 +MON"] {
        assert!(!schedule(text).is_ever_due(), "{text}");
        assert_eq!(schedule(text).next(at("2026-01-01T00:00:00Z")), None);
    }
    // The rarest: a 29th of February that is a Monday; a day of the week is another way to be due.
    for text in
        ["* * * * *", "0 0 29 2 *", "0 0 29 2 +MON#5", "0 0 31 2 MON", "0 0 L 2 *", "59 59 23 31 12 *"]
    {
        assert!(schedule(text).is_ever_due(), "{text}");
    }
}

#[test]
fn a_refusal_names_the_field() {
    for (text, reason, part) in [
        ("61 * * * *", "the minute \"61\" is wrong", Some("61")),
        ("0 24 * * *", "the hour \"24\" is wrong", Some("24")),
        ("0 0 0 * *", "the day of the month \"0\" is wrong", None),
        ("0 0 * 13 *", "the month \"13\" is wrong", Some("13")),
        ("0 0 * * 8", "the day of the week \"8\" is wrong", Some("8")),
        ("0 0 * * MONDAY", "the day of the week \"MONDAY\" is wrong", Some("MONDAY")),
        ("60 0 0 * * *", "the second \"60\" is wrong", Some("60")),
        ("a 0 99 * *", "the minute \"a\" and the day of the month \"99\" are wrong", None),
        ("*/0 * * * *", "the minute \"*/0\" is wrong", Some("*/0")),
        ("5-1 * * * *", "the minute \"5-1\" is wrong", Some("5-1")),
        ("* * * *", "it has 4 fields, and not five", None),
        ("* * * * * * 2027", "it has 7 fields, and not five", None),
        ("", "it is empty", None),
        ("@sometimes", "@sometimes is no word for one", None),
    ] {
        let refused = Schedule::parse(text, TimeZone::UTC).expect_err(text);
        assert_eq!((refused.reason.as_str(), refused.part.as_deref()), (reason, part), "{text}");
    }
}

#[test]
fn a_fixed_time_in_the_gap_runs_once_after_it() {
    // Clocks go from 02:00 to 03:00 on 2026-03-29, at 01:00 UTC.
    assert_eq!(
        ticks("30 2 * * *", "2026-03-28T00:00:00Z", "2026-03-31T00:00:00Z"),
        ["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]
    );
}

#[test]
fn a_fixed_time_in_the_repeated_hour_runs_once() {
    // Clocks go from 03:00 back to 02:00 on 2026-10-25, at 01:00 UTC.
    assert_eq!(
        ticks("30 2 * * *", "2026-10-24T00:00:00Z", "2026-10-27T00:00:00Z"),
        ["2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
    );
}

#[test]
fn a_pace_is_kept_through_both_changes() {
    for (from, until) in
        [("2026-03-28T23:00:00Z", "2026-03-29T04:00:00Z"), ("2026-10-24T22:00:00Z", "2026-10-25T03:00:00Z")]
    {
        let ticks = ticks("*/20 * * * *", from, until);
        assert_eq!(ticks.len(), 15, "{ticks:?}");
    }
}

#[test]
fn what_is_due_runs_and_the_next_is_announced() {
    let history = history("2026-06-01T00:00:00Z", Some("2026-06-01T10:00:00Z"), Running::Nothing);
    let decision = decide("0 * * * *", &history, "2026-06-01T10:59:59Z", Missed::Once, Overlap::Skip);
    assert_eq!((decision.action, decision.next), (Action::Wait, Some(at("2026-06-01T11:00:00Z"))));
    let decision = decide("0 * * * *", &history, "2026-06-01T11:00:00Z", Missed::Once, Overlap::Skip);
    let wanted = Decision {
        action: Action::Start,
        last: Some(at("2026-06-01T11:00:00Z")),
        missed: 0,
        next: Some(at("2026-06-01T12:00:00Z")),
    };
    assert_eq!(decision, wanted);
}

#[test]
fn a_new_job_has_missed_nothing() {
    let history = history("2026-06-01T10:30:00Z", None, Running::Nothing);
    let decision = decide("0 * * * *", &history, "2026-06-01T10:30:00Z", Missed::Once, Overlap::Skip);
    assert_eq!(decision.action, Action::Wait);
}

#[test]
fn missed_ticks_are_left_out_or_made_up_for_once() {
    let history = history("2026-06-01T00:00:00Z", Some("2026-06-01T10:00:00Z"), Running::Nothing);
    for (missed, action) in [(Missed::Skip, Action::SkipMissed), (Missed::Once, Action::Start)] {
        let decision = decide("0 * * * *", &history, "2026-06-01T14:30:00Z", missed, Overlap::Skip);
        assert_eq!(
            (decision.action, decision.missed, decision.last),
            (action, 3, Some(at("2026-06-01T14:00:00Z")))
        );
    }
    // One that is on time runs, whatever was missed before.
    let decision = decide("0 * * * *", &history, "2026-06-01T14:00:03Z", Missed::Skip, Overlap::Skip);
    assert_eq!((decision.action, decision.missed), (Action::Start, 3));
    // Years of seconds are not counted one by one.
    let decision = decide("* * * * * *", &history, "2031-06-01T14:00:30Z", Missed::Once, Overlap::Skip);
    assert_eq!((decision.action, decision.missed), (Action::Start, MOST_COUNTED));
}

#[test]
fn what_was_due_while_nobody_watched_is_missed_and_what_was_due_while_somebody_was_late_is_not() {
    use Action::{SkipMissed, Start};
    let unwatched = history("2026-06-01T00:00:00Z", Some("2026-06-01T10:00:00Z"), Running::Nothing);
    for (watched, now, action) in [
        // The host side has just come.
        (None, "11:00:00", Start),
        (None, "11:00:05", Start),
        (None, "11:00:06", SkipMissed),
        (None, "11:00:28", SkipMissed),
        // It lives, and was late: the machine is busy, or another job was being started.
        (Some("10:59:59"), "11:00:28", Start),
        (Some("10:59:30"), "11:00:30", Start),
        // It slept with the machine, or the clock was set.
        (Some("10:59:30"), "11:00:31", SkipMissed),
        (Some("02:00:00"), "11:00:28", SkipMissed),
        (Some("02:00:00"), "11:00:03", Start),
        // It saw the tick and left it alone, because it was not meant to run then.
        (Some("11:00:10"), "11:00:28", SkipMissed),
        // A clock that was set back tells nothing.
        (Some("11:30:00"), "11:00:28", SkipMissed),
    ] {
        let moment = |time: &str| format!("2026-06-01T{time}Z");
        let history = History { watched: watched.map(|time| at(&moment(time))), ..unwatched };
        let skip = decide("0 * * * *", &history, &moment(now), Missed::Skip, Overlap::Skip);
        assert_eq!((skip.action, skip.last), (action, Some(at("2026-06-01T11:00:00Z"))), "{watched:?} {now}");
        let once = decide("0 * * * *", &history, &moment(now), Missed::Once, Overlap::Skip);
        assert_eq!(once.action, Start, "{watched:?} {now}");
    }
}

#[test]
fn a_run_that_still_runs_is_met_as_the_job_says() {
    for (overlap, running, action) in [
        (Overlap::Skip, Running::One, Action::SkipRunning),
        (Overlap::Queue, Running::One, Action::Queue),
        (Overlap::Queue, Running::OneAndOneWaits, Action::SkipRunning),
        (Overlap::Replace, Running::One, Action::Replace),
        (Overlap::Allow, Running::One, Action::Start),
        (Overlap::Queue, Running::Nothing, Action::Start),
    ] {
        let history = history("2026-06-01T00:00:00Z", Some("2026-06-01T10:00:00Z"), running);
        let decision = decide("0 * * * *", &history, "2026-06-01T11:00:01Z", Missed::Once, overlap);
        assert_eq!(decision.action, action, "{overlap:?} {running:?}");
    }
}

#[test]
fn a_clock_that_goes_back_repeats_nothing_and_a_wrong_one_is_forgotten() {
    let an_hour_ahead = history("2026-06-01T00:00:00Z", Some("2026-06-01T12:00:00Z"), Running::Nothing);
    let decision = decide("0 * * * *", &an_hour_ahead, "2026-06-01T11:00:10Z", Missed::Once, Overlap::Skip);
    assert_eq!((decision.action, decision.next), (Action::Wait, Some(at("2026-06-01T13:00:00Z"))));
    let years_ahead = history("2026-06-01T00:00:00Z", Some("2040-06-01T12:00:00Z"), Running::Nothing);
    let decision = decide("0 * * * *", &years_ahead, "2026-06-01T11:00:10Z", Missed::Once, Overlap::Skip);
    assert_eq!((decision.action, decision.next), (Action::Wait, Some(at("2026-06-01T12:00:00Z"))));
    // From then on it runs again.
    let corrected = History { last: decision.last, ..years_ahead };
    let decision = decide("0 * * * *", &corrected, "2026-06-01T12:00:00Z", Missed::Once, Overlap::Skip);
    assert_eq!((decision.action, decision.missed), (Action::Start, 0));
}

#[test]
fn a_clock_that_is_not_set_yet_when_the_machine_starts_has_nothing_run_again() {
    let last = "2026-06-01T10:00:00Z";
    let started = History {
        up: SignedDuration::from_secs(30),
        ..history("2026-01-01T00:00:00Z", Some(last), Running::Nothing)
    };
    let decision = decide("0 12 * * *", &started, "1970-01-01T00:00:30Z", Missed::Once, Overlap::Skip);
    assert_eq!((decision.action, decision.last), (Action::Wait, None));
    let decision = decide("0 12 * * *", &started, "2026-06-01T10:30:00Z", Missed::Once, Overlap::Skip);
    assert_eq!(decision.action, Action::Wait, "today's was dealt with");
}

#[test]
fn a_new_schedule_was_never_due_before_it_was_there() {
    // It ran at half past ten, and got a schedule at noon by which it would have been due at eleven (by UTC; it
    // goes by Berlin).
    let moved = history("2026-06-01T12:00:00Z", Some("2026-06-01T10:30:00Z"), Running::Nothing);
    for missed in [Missed::Once, Missed::Skip] {
        let decision = decide("0 13 * * *", &moved, "2026-06-01T12:00:01Z", missed, Overlap::Skip);
        assert_eq!((decision.action, decision.next), (Action::Wait, Some(at("2026-06-02T11:00:00Z"))));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// However the clock jumps (by up to an hour each time), no tick is dealt with twice.
    #[test]
    fn no_tick_is_dealt_with_twice(
        steps in prop::collection::vec(-3_600..7_200_i64, 1..80),
        text in prop::sample::select(vec!["*/7 * * * *", "30 2 * * *", "0 * * * *", "15,45 1-4 * * *"]),
        start in prop::sample::select(vec!["2026-03-28T20:00:00Z", "2026-10-24T20:00:00Z"]),
    ) {
        let schedule = schedule(text);
        let mut now = at(start);
        let mut history = History { since: now, last: None, watched: None, up: LONG, running: Running::Nothing };
        let mut dealt = vec![];
        for step in steps {
            now += SignedDuration::from_secs(step);
            let decision = due(&schedule, &history, now, Missed::Once, Overlap::Skip);
            if let Some(tick) = decision.last {
                history.last = Some(tick);
                dealt.push(tick);
            }
        }
        prop_assert!(dealt.windows(2).all(|pair| pair[0] < pair[1]), "{dealt:?}");
    }

    /// Asked once a minute or more often, every tick is started, each once.
    #[test]
    fn none_is_lost(
        steps in prop::collection::vec(1..60_i64, 1..400),
        text in prop::sample::select(vec!["*/7 * * * *", "30 2 * * *", "0 * * * *", "15,45 1-4 * * *"]),
        start in prop::sample::select(vec!["2026-03-28T23:30:00Z", "2026-10-24T23:30:00Z"]),
    ) {
        let schedule = schedule(text);
        let begin = at(start);
        let mut now = begin;
        let mut history = History { since: now, last: None, watched: Some(now), up: LONG, running: Running::Nothing };
        let mut started = vec![];
        for step in steps {
            now += SignedDuration::from_secs(step);
            let decision = due(&schedule, &history, now, Missed::Skip, Overlap::Skip);
            history.watched = Some(now);
            prop_assert_eq!(decision.missed, 0);
            prop_assert!(decision.next.is_none_or(|next| next > now));
            if decision.action == Action::Start {
                started.extend(decision.last);
                history.last = decision.last;
            }
        }
        let all: Vec<_> =
            std::iter::successors(schedule.next(begin), |&tick| schedule.next(tick)).take_while(|&t| t <= now).collect();
        prop_assert_eq!(started, all);
    }
}
