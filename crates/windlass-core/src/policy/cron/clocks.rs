//! Clocks that are put forward and back, by an hour and by half an hour: against what is written down, and
//! against a count of all minutes.

use std::collections::BTreeSet;

use jiff::civil::DateTime;
use proptest::prelude::*;

use super::*;

/// Berlin, New York, Lord Howe: their rules, without a look into the machine's time zone database.
const ZONES: [&str; 3] =
    ["CET-1CEST,M3.5.0,M10.5.0/3", "EST5EDT,M3.2.0,M11.1.0", "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0"];

/// In 2026 they go forward and back at these instants.
const SWITCHES: [[&str; 2]; 3] = [
    ["2026-03-29T01:00:00Z", "2026-10-25T01:00:00Z"],
    ["2026-03-08T07:00:00Z", "2026-11-01T06:00:00Z"],
    ["2026-10-03T15:30:00Z", "2026-04-04T15:00:00Z"],
];

fn zone(index: usize) -> TimeZone {
    TimeZone::posix(ZONES[index]).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// What a schedule is due at within five hours on either side of a switch: time of the day, and minutes
/// from the switch.
fn around(text: &str, index: usize, switch: usize) -> Vec<String> {
    let schedule = Schedule::parse(text, zone(index)).unwrap();
    let switch = at(SWITCHES[index][switch]);
    let (from, until) = (switch - SignedDuration::from_hours(5), switch + SignedDuration::from_hours(5));
    std::iter::successors(schedule.next(from), |&tick| schedule.next(tick))
        .take_while(|&tick| tick <= until)
        .map(|tick| {
            let minutes = tick.duration_since(switch).as_mins();
            format!("{} {minutes:+}", tick.to_zoned(zone(index)).strftime("%H:%M"))
        })
        .collect()
}

#[test]
fn clocks_that_go_forward() {
    for (text, index, expected) in [
        // From 02:00 to 03:00.
        ("30 2 * * *", 0, vec!["03:00 +0"]),
        ("30 2 * * *", 1, vec!["03:00 +0"]),
        ("0 2 * * *", 1, vec!["03:00 +0"]),
        ("0 3 * * *", 0, vec!["03:00 +0"]),
        // Several times of the day that are left out are one run; so is one with that at the change itself.
        ("0,30 2 * * *", 0, vec!["03:00 +0"]),
        ("30 2,3 * * *", 0, vec!["03:00 +0", "03:30 +30"]),
        ("0 2,3 * * *", 1, vec!["03:00 +0"]),
        (
            "0 */2 * * *",
            0,
            vec!["22:00 -240", "00:00 -120", "03:00 +0", "04:00 +60", "06:00 +180", "08:00 +300"],
        ),
        // What keeps a pace leaves out what the clock leaves out.
        (
            "30 * * * *",
            1,
            vec![
                "21:30 -270",
                "22:30 -210",
                "23:30 -150",
                "00:30 -90",
                "01:30 -30",
                "03:30 +30",
                "04:30 +90",
                "05:30 +150",
                "06:30 +210",
                "07:30 +270",
            ],
        ),
        ("*/30 1-3 * * *", 0, vec!["01:00 -60", "01:30 -30", "03:00 +0", "03:30 +30"]),
        // From 02:00 to 02:30.
        ("15 2 * * *", 2, vec!["02:30 +0"]),
        ("45 2 * * *", 2, vec!["02:45 +15"]),
        ("0 2 * * *", 2, vec!["02:30 +0"]),
        ("0,15,30 2 * * *", 2, vec!["02:30 +0"]),
        ("*/20 1,2 * * *", 2, vec!["01:00 -60", "01:20 -40", "01:40 -20", "02:40 +10"]),
    ] {
        assert_eq!(around(text, index, 0), expected, "{text} in {}", ZONES[index]);
    }
}

#[test]
fn clocks_that_go_back() {
    for (text, index, expected) in [
        // From 03:00 to 02:00; in New York from 02:00 to 01:00.
        ("30 2 * * *", 0, vec!["02:30 -30"]),
        ("30 1 * * *", 1, vec!["01:30 -30"]),
        ("0 3 * * *", 0, vec!["03:00 +60"]),
        ("0 2 * * *", 0, vec!["02:00 -60"]),
        ("0 2 * * *", 1, vec!["02:00 +60"]),
        // Each of several times once.
        ("0,30 2 * * *", 0, vec!["02:00 -60", "02:30 -30"]),
        ("30 2,3 * * *", 0, vec!["02:30 -30", "03:30 +90"]),
        ("15-20/5 1 * * *", 1, vec!["01:15 -45", "01:20 -40"]),
        ("0 */2 * * *", 0, vec!["00:00 -180", "02:00 -60", "04:00 +120", "06:00 +240"]),
        // What keeps a pace goes through both.
        (
            "30 * * * *",
            1,
            vec![
                "21:30 -270",
                "22:30 -210",
                "23:30 -150",
                "00:30 -90",
                "01:30 -30",
                "01:30 +30",
                "02:30 +90",
                "03:30 +150",
                "04:30 +210",
                "05:30 +270",
            ],
        ),
        ("*/30 2 * * *", 0, vec!["02:00 -60", "02:30 -30", "02:00 +0", "02:30 +30"]),
        // From 02:00 to 01:30.
        ("45 1 * * *", 2, vec!["01:45 -15"]),
        ("30 1 * * *", 2, vec!["01:30 -30"]),
        ("15 1 * * *", 2, vec!["01:15 -45"]),
        ("0 2 * * *", 2, vec!["02:00 +30"]),
        ("0,30,45 1 * * *", 2, vec!["01:00 -60", "01:30 -30", "01:45 -15"]),
        ("*/20 1 * * *", 2, vec!["01:00 -60", "01:20 -40", "01:40 -20", "01:40 +10"]),
    ] {
        assert_eq!(around(text, index, 1), expected, "{text} in {}", ZONES[index]);
    }
}

/// Some values of a field, as text.
fn field(values: &BTreeSet<u32>) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// When a clock first shows each minute of some days, or is put past it: found by watching the clock.
fn watched(
    zone: &TimeZone,
    from: Timestamp,
    until: Timestamp,
    is_due: impl Fn(DateTime) -> bool,
) -> BTreeSet<Timestamp> {
    let minute = SignedDuration::from_mins(1);
    let mut due = BTreeSet::new();
    // The latest time that the clock has shown.
    let mut shown = zone.to_datetime(from);
    let mut now = from;
    while now < until {
        now += minute;
        let clock = zone.to_datetime(now);
        while shown < clock {
            shown = shown.checked_add(minute).unwrap();
            if is_due(shown) {
                due.insert(now);
            }
        }
    }
    due
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Times of the day come once each, in every zone, whatever its clock does; and looking back finds what
    /// looking ahead found.
    #[test]
    fn times_of_the_day_are_what_a_watcher_of_the_clock_finds(
        minutes in prop::collection::btree_set(0..60_u32, 1..5),
        hours in prop::collection::btree_set(0..6_u32, 1..4),
        index in 0..3_usize,
        switch in 0..2_usize,
        looks in prop::collection::vec(0..2160_i64, 1..20),
    ) {
        let text = format!("{} {} * * *", field(&minutes), field(&hours));
        let schedule = Schedule::parse(&text, zone(index)).unwrap();
        let middle = at(SWITCHES[index][switch]);
        let (from, until) = (middle - SignedDuration::from_hours(18), middle + SignedDuration::from_hours(18));
        let expected = watched(&zone(index), from, until, |clock| {
            minutes.contains(&(clock.minute() as u32)) && hours.contains(&(clock.hour() as u32))
        });
        let found: BTreeSet<Timestamp> = std::iter::successors(schedule.next(from), |&tick| schedule.next(tick))
            .take_while(|&tick| tick <= until)
            .collect();
        prop_assert_eq!(&found, &expected, "{}", &text);
        for look in looks {
            let now = from + SignedDuration::from_mins(look);
            let seen = expected.range(..=now).next_back().copied();
            if let Some(seen) = seen {
                prop_assert_eq!(schedule.last(now), Some(seen), "{} at {}", &text, now);
            }
            prop_assert_eq!(schedule.next(now), expected.range(now + SignedDuration::from_secs(1)..).next().copied()
                .or_else(|| schedule.next(until)), "{} at {}", &text, now);
        }
    }

    /// What keeps a pace is due whenever the clock on the wall shows it.
    #[test]
    fn a_pace_is_what_the_clock_on_the_wall_shows(
        step in prop::sample::select(vec![1_u32, 5, 7, 15, 20, 30]),
        hours in prop::option::of(prop::collection::btree_set(0..6_u32, 1..4)),
        index in 0..3_usize,
        switch in 0..2_usize,
    ) {
        let hour = hours.as_ref().map_or_else(|| "*".to_owned(), field);
        let text = format!("*/{step} {hour} * * *");
        let schedule = Schedule::parse(&text, zone(index)).unwrap();
        let middle = at(SWITCHES[index][switch]);
        let (from, until) = (middle - SignedDuration::from_hours(4), middle + SignedDuration::from_hours(4));
        let minutes = std::iter::successors(Some(from + SignedDuration::from_mins(1)), |&now| {
            Some(now + SignedDuration::from_mins(1))
        });
        let expected: Vec<Timestamp> = minutes
            .take_while(|&now| now <= until)
            .filter(|&now| {
                let clock = zone(index).to_datetime(now);
                (clock.minute() as u32).is_multiple_of(step)
                    && hours.as_ref().is_none_or(|hours| hours.contains(&(clock.hour() as u32)))
            })
            .collect();
        let found: Vec<Timestamp> = std::iter::successors(schedule.next(from), |&tick| schedule.next(tick))
            .take_while(|&tick| tick <= until)
            .collect();
        prop_assert_eq!(&found, &expected, "{}", &text);
        for &now in &expected {
            prop_assert_eq!(schedule.last(now + SignedDuration::from_secs(30)), Some(now), "{}", &text);
        }
    }
}
