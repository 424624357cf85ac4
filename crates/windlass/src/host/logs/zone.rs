//! In which zone a process tells the time.

use std::path::Path;

use jiff::tz::TimeZone;

use crate::processes;
use crate::runtime::process;

/// The zone of the process that a keeper's directory tells of, by its `TZ`; else the machine's.
pub(super) fn of(directory: &Path) -> TimeZone {
    let own = || {
        let environment = processes::environment(process::observe(directory)?.pid()?).ok()?;
        named(std::str::from_utf8(environment.get("TZ")?).ok()?)
    };
    own().unwrap_or_else(TimeZone::system)
}

/// The zone that a value of `TZ` means, as far as it is known.
fn named(name: &str) -> Option<TimeZone> {
    match name.trim_start_matches(':') {
        "" => Some(TimeZone::UTC),
        name => TimeZone::get(name).or_else(|_| TimeZone::posix(name)).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_known_by_its_name_or_its_rule() {
        let hours =
            |name: &str| named(name).map(|zone| zone.to_offset(jiff::Timestamp::UNIX_EPOCH).seconds() / 3600);
        for (name, expected) in
            [("", Some(0)), ("UTC", Some(0)), (":Asia/Tokyo", Some(9)), ("EST5", Some(-5)), ("/x", None)]
        {
            assert_eq!(hours(name), expected, "{name:?}");
        }
    }
}
