//! When a line of a log was written, where it says so itself.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// How far into a line its time is looked for: after a level or a `{"time":"`, not in the text.
const WITHIN: usize = 64;

/// The first date and time in the beginning of a line, milliseconds since 1970: as in
/// `2026-11-21T01:02:03.004Z`, `2026-11-21 01:02:03,004` or `{"at":"2026-11-21T01:02:03+01:00"`.
/// One without an offset is in `zone`.
#[must_use]
pub fn written_at(line: &str, zone: &TimeZone) -> Option<i64> {
    let bytes = line.as_bytes();
    let starts = bytes.iter().take(WITHIN).enumerate().filter(|(_, byte)| byte.is_ascii_digit());
    starts.map(|(at, _)| at).find_map(|at| {
        // Only at the beginning of a number: the 26 of 2026 is none.
        let fresh = at == 0 || !bytes.get(at - 1).is_some_and(u8::is_ascii_digit);
        let text = line.get(at..).filter(|_| fresh)?;
        let shape = |place: usize, byte: u8| text.as_bytes().get(place) == Some(&byte);
        if !(shape(4, b'-') && shape(7, b'-') && (shape(10, b'T') || shape(10, b' ')) && shape(13, b':')) {
            return None;
        }
        let end = text.find(|c: char| !(c.is_ascii_digit() || "-:.,+TZ ".contains(c))).unwrap_or(text.len());
        parse(&text[..end].replace(',', "."), zone)
    })
}

fn parse(text: &str, zone: &TimeZone) -> Option<i64> {
    // What follows the time may look like more of it: the longest text that is a time counts.
    (19..=text.len().min(35)).rev().filter(|end| text.is_char_boundary(*end)).find_map(|end| {
        let text = text[..end].trim();
        let with_offset = text.parse::<Timestamp>().ok();
        let local =
            || text.parse::<DateTime>().ok()?.to_zoned(zone.clone()).ok().map(|zoned| zoned.timestamp());
        with_offset.or_else(local).map(Timestamp::as_millisecond)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(line: &str) -> Option<i64> {
        written_at(line, &TimeZone::UTC)
    }

    #[test]
    fn usual_lines_say_when_they_were_written() {
        let moment = Some(1_795_222_923_004);
        assert_eq!(at("2026-11-21T01:02:03.004Z started"), moment);
        assert_eq!(at(r#"{"at":"2026-11-21T01:02:03.004Z","event":"x"}"#), moment);
        assert_eq!(at("[2026-11-21 01:02:03,004: INFO/MainProcess] ready"), moment);
        assert_eq!(at("INFO 2026-11-21T02:02:03.004+01:00 x"), moment);
        assert_eq!(at("2026-11-21 01:02:03 17 requests"), Some(1_795_222_923_000));
    }

    #[test]
    fn other_lines_do_not() {
        for line in ["", "listening on 8080", "12026-11-21T01:02:03Z", "2026-13-41T01:02:03Z", "2026-11-21"] {
            assert_eq!(at(line), None, "{line:?}");
        }
    }

    proptest! {
        #[test]
        fn no_line_is_too_odd(line in ".*", date in "[0-9T:., -]{0,40}") {
            let _ = at(&line);
            let _ = at(&date);
        }
    }
}
