use jiff::civil::date;
use proptest::prelude::*;

use super::*;

/// The last change of the file in these tests, of which each line counts its seconds back.
fn changed() -> Timestamp {
    "2026-11-30T03:00:24Z".parse().unwrap()
}

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap()
}

/// How many seconds before the last change each line was written.
fn ages(lines: &[&str], zone: &TimeZone) -> Vec<Option<i64>> {
    let times = dates(lines.iter().copied(), zone, changed());
    times.into_iter().map(|time| time.map(|time| (changed().as_millisecond() - time) / 1000)).collect()
}

#[test]
fn lines_without_a_time_belong_to_the_one_above() {
    let lines = ["first", "2026-11-30T02:00:00Z a", "  traceback", "2026-11-30T03:00:20Z b", "  traceback"];
    assert_eq!(ages(&lines, &TimeZone::UTC), [Some(3624), Some(3624), Some(3624), Some(4), Some(0)]);
    assert_eq!(ages(&["one", "two"], &TimeZone::UTC), [None, None]);
}

/// Only the start says when.
#[test]
fn lines_behind_the_last_time_were_written_until_the_file_changed() {
    let lines = ["2026-11-01T00:00:00Z listening", "GET /", "GET /"];
    assert_eq!(ages(&lines, &TimeZone::UTC)[1..], [Some(0), Some(0)]);
}

#[test]
fn a_time_is_in_the_zone_of_the_program_whatever_the_machine_has() {
    let celery = ["[2026-11-29 21:00:24,000: INFO] a", "[2026-11-29 22:00:23,500: INFO] b"];
    let expected = [Some(3600), Some(0)];
    for machine in ["America/New_York", "UTC", "Asia/Tokyo", "Asia/Kathmandu", "America/Los_Angeles"] {
        assert_eq!(ages(&celery, &zone(machine)), expected, "{machine}");
    }
    let east = ["[2026-11-30 11:00:24,000: INFO] a", "[2026-11-30 12:00:23,500: INFO] b"];
    assert_eq!(ages(&east, &TimeZone::UTC), expected);
}

/// It is not known when the undated line was written: the zone that is known is the best guess.
#[test]
fn an_old_time_is_not_taken_for_another_zones() {
    let lines = ["2026-11-29 23:53:00 started", "GET /"];
    assert_eq!(ages(&lines, &TimeZone::UTC)[0], Some(3 * 3600 + 7 * 60 + 24));
    let lines = ["2026-11-30 02:45:20 started", "GET / a quarter of an hour later"];
    assert_eq!(ages(&lines, &TimeZone::UTC)[0], Some(15 * 60 + 4));
    assert_eq!(ages(&["2026-10-29 23:53:00 started"], &TimeZone::UTC)[0].map(|age| age / 86_400), Some(31));
}

#[test]
fn a_time_of_the_future_is_of_another_zone_or_of_something_else() {
    let lines = ["2026-11-30 05:53:00 started", "GET /"];
    assert_eq!(ages(&lines, &TimeZone::UTC)[0], Some(7 * 60 + 24));
    let lines = ["2026-11-30 03:00:20 the certificate ends soon", "2027-01-01 00:00:00 is its end"];
    assert_eq!(ages(&lines, &TimeZone::UTC), [Some(4), Some(0)]);
    assert_eq!(ages(&["2027-01-01T00:00:00Z"], &TimeZone::UTC), [None]);
}

/// The server says its offset, the application does not.
#[test]
fn lines_of_two_kinds_are_one_log() {
    let lines = [
        "[2026-11-29 22:00:10,000: INFO] view",
        "[2026-11-29 22:00:11 -0500] [1] [INFO] worker",
        "[2026-11-29 22:00:12,000: INFO] view",
        "[2026-11-29 22:00:12 -0500] [1] [INFO] worker",
        "GET / an hour later",
    ];
    assert_eq!(ages(&lines, &TimeZone::UTC), [Some(14), Some(13), Some(12), Some(12), Some(0)]);
}

#[test]
fn a_zone_that_fits_has_its_summer_time() {
    let summer = date(2026, 10, 20).at(12, 0, 0, 0).to_zoned(zone("Europe/Berlin")).unwrap().timestamp();
    let lines = ["2026-10-20 12:00:00 a", "2026-11-30 04:00:24 b"];
    let times = dates(lines, &zone("Europe/Berlin"), changed());
    assert_eq!(times[0], Some(summer.as_millisecond()));
}

proptest! {
    #[test]
    fn whatever_the_zones_a_line_just_written_was_just_written(
        quarters in -48_i32..=56,
        machine in prop::sample::select(vec!["UTC", "America/New_York", "Asia/Kolkata", "Pacific/Chatham"]),
        ago in 0_i64..4_000,
        before in 0_i64..86_400,
    ) {
        let own = TimeZone::fixed(Offset::from_seconds(quarters * 900).unwrap());
        let line = |ago: i64| {
            let at = Timestamp::from_millisecond(changed().as_millisecond() - ago).unwrap();
            format!("{} x", at.to_zoned(own.clone()).strftime("%Y-%m-%d %H:%M:%S,%3f"))
        };
        let lines = [line(before * 1000), line(ago)];
        let times = dates(lines.iter().map(String::as_str), &zone(machine), changed());
        let expected = [before * 1000, ago].map(|ago| Some(changed().as_millisecond() - ago));
        prop_assert_eq!(times, expected);
    }
}
