//! The time that stands in a line.

use jiff::civil::DateTime;
use jiff::tz::Offset;
use jiff::{Span, Timestamp};

/// How far into a line its time is looked for: after a level or a name, not in the text.
const WITHIN: usize = 64;

/// What programs call the time in a line of JSON.
const KEYS: [&str; 6] =
    [r#""time":"#, r#""ts":"#, r#""timestamp":"#, r#""@timestamp":"#, r#""asctime":"#, r#""at":"#];

const MONTHS: [&[u8]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

/// A smaller number than this, as seconds since 1970, is a length of time.
const FIRST_EPOCH: f64 = 1e9;

/// A time as a line says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stamp {
    /// A moment, milliseconds since 1970.
    At(i64),
    /// One whose offset the line does not say.
    Local(DateTime),
}

/// The time that a line says. The year that some leave out is the one that ends soonest before `latest`.
pub(super) fn find(line: &str, latest: Timestamp) -> Option<Stamp> {
    let bytes = line.as_bytes();
    of_json(line, latest).or_else(|| {
        (0..bytes.len().min(WITHIN))
            // Only where a word or a number begins: the 26 of 2026 is none.
            .filter(|at| bytes[*at].is_ascii_alphanumeric())
            .filter(|at| *at == 0 || !continues(bytes[at - 1], bytes[*at]))
            .find_map(|at| date_and_time(&bytes[at..], at == 0, latest))
    })
}

/// Whether a letter or a digit belongs to what stands before it. A colour ends with a letter.
fn continues(before: u8, byte: u8) -> bool {
    if byte.is_ascii_digit() { before.is_ascii_digit() } else { before.is_ascii_alphanumeric() }
}

fn of_json(line: &str, latest: Timestamp) -> Option<Stamp> {
    if !line.trim_start().starts_with('{') {
        return None;
    }
    KEYS.into_iter().find_map(|key| {
        let value = line[line.find(key)? + key.len()..].trim_start();
        match value.strip_prefix('"') {
            Some(text) => date_and_time(text.as_bytes(), false, latest).or_else(|| since_1970(text)),
            None => since_1970(value),
        }
    })
}

/// Seconds since 1970, or thousandths, millionths or billionths of them.
fn since_1970(text: &str) -> Option<Stamp> {
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let number: f64 = text[..end].parse().ok().filter(|number| *number >= FIRST_EPOCH)?;
    let seconds = [1e9, 1e12, 1e15, 1e18].into_iter().rev().find(|least| number >= *least)?;
    #[expect(clippy::cast_possible_truncation, reason = "what is too big for it is no time, and saturates")]
    Some(Stamp::At((number / (seconds / FIRST_EPOCH) * 1000.0).round() as i64))
}

/// A date and a time in one of the usual shapes, at the beginning of a text.
fn date_and_time(text: &[u8], is_whole: bool, latest: Timestamp) -> Option<Stamp> {
    year_first(&mut Scan(text))
        .or_else(|| day_first(&mut Scan(text)))
        .or_else(|| month_first(&mut Scan(text), latest))
        .or_else(|| is_whole.then(|| level_first(&mut Scan(text), latest))?)
}

/// `2026-11-29T22:00:24.123Z`, `2026/11/29 22:00:24,123 -0500`
fn year_first(text: &mut Scan<'_>) -> Option<Stamp> {
    let year = text.digits(4)?;
    text.one_of(b"-/")?;
    let month = text.digits(2)?;
    text.one_of(b"-/")?;
    let day = text.digits(2)?;
    text.one_of(b"T ")?;
    text.time()?.on(year, month, day)?.stamp(text)
}

/// `29/Nov/2026:22:00:24 -0500`, `29 Nov 2026 22:00:24.123`
fn day_first(text: &mut Scan<'_>) -> Option<Stamp> {
    let day = text.digits(2).or_else(|| text.digits(1))?;
    text.one_of(b"/- ")?;
    let month = text.month()?;
    text.one_of(b"/- ")?;
    let year = text.digits(4)?;
    text.one_of(b": ")?;
    text.time()?.on(year, month, day)?.stamp(text)
}

/// `Nov 29 22:00:24`, `Nov  9 22:00:24`
fn month_first(text: &mut Scan<'_>, latest: Timestamp) -> Option<Stamp> {
    let month = text.month()?;
    text.one_of(b" ")?;
    let _wide = text.one_of(b" ");
    let day = text.digits(2).or_else(|| text.digits(1))?;
    text.one_of(b" ")?;
    text.time()?.latest_on(month, day, latest)?.stamp(text)
}

/// `I1129 22:00:24.123456`
fn level_first(text: &mut Scan<'_>, latest: Timestamp) -> Option<Stamp> {
    text.one_of(b"DIWEF")?;
    let day = text.digits(4)?;
    text.one_of(b" ")?;
    text.time()?.latest_on(day / 100, day % 100, latest)?.stamp(text)
}

/// A time of a day: hour, minute, second, nanosecond.
#[derive(Clone, Copy)]
struct Time(i32, i32, i32, i32);

impl Time {
    fn on(self, year: i32, month: i32, day: i32) -> Option<DateTime> {
        let small = |number: i32| i8::try_from(number).ok();
        let Self(hour, minute, second, nanosecond) = self;
        // A leap second is the end of the one before it.
        let second = second.min(59);
        DateTime::new(
            i16::try_from(year).ok()?,
            small(month)?,
            small(day)?,
            small(hour)?,
            small(minute)?,
            small(second)?,
            nanosecond,
        )
        .ok()
    }

    /// On that day of the year that makes it the latest, but not later than anywhere on earth.
    fn latest_on(self, month: i32, day: i32, latest: Timestamp) -> Option<DateTime> {
        let last = Offset::UTC.to_datetime(latest).checked_add(Span::new().hours(15)).ok()?;
        let year = i32::from(last.year());
        [year, year - 1].into_iter().find_map(|year| self.on(year, month, day).filter(|at| *at <= last))
    }
}

/// A way of finishing what was read with the offset that follows it.
trait Stamped {
    fn stamp(self, rest: &mut Scan<'_>) -> Option<Stamp>;
}

impl Stamped for DateTime {
    fn stamp(self, rest: &mut Scan<'_>) -> Option<Stamp> {
        match rest.offset() {
            Some(seconds) => {
                let offset = Offset::from_seconds(seconds).ok()?;
                Some(Stamp::At(offset.to_timestamp(self).ok()?.as_millisecond()))
            }
            None => Some(Stamp::Local(self)),
        }
    }
}

/// What is not read yet of a text. Each part moves on only over what it has read.
struct Scan<'a>(&'a [u8]);

impl Scan<'_> {
    fn one_of(&mut self, any: &[u8]) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        any.contains(first).then(|| {
            self.0 = rest;
            *first
        })
    }

    /// A number of exactly so many digits.
    fn digits(&mut self, count: usize) -> Option<i32> {
        let (number, rest) = self.0.split_at_checked(count)?;
        let whole = number.iter().all(u8::is_ascii_digit) && !rest.first().is_some_and(u8::is_ascii_digit);
        whole.then(|| self.0 = rest)?;
        Some(number.iter().fold(0, |sum, digit| sum * 10 + i32::from(digit - b'0')))
    }

    fn month(&mut self) -> Option<i32> {
        let (name, rest) = self.0.split_at_checked(3)?;
        let month = MONTHS.iter().position(|month| *month == name)?;
        self.0 = rest;
        i32::try_from(month + 1).ok()
    }

    fn time(&mut self) -> Option<Time> {
        let hour = self.digits(2)?;
        self.one_of(b":")?;
        let minute = self.digits(2)?;
        self.one_of(b":")?;
        let second = self.digits(2)?;
        Some(Time(hour, minute, second, self.fraction()))
    }

    /// The fraction of a second that may follow one, in nanoseconds.
    fn fraction(&mut self) -> i32 {
        let [b'.' | b',', rest @ ..] = self.0 else { return 0 };
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let digits = rest[..count].iter().chain([b'0'; 9].iter()).take(9);
        self.0 = &rest[count..];
        digits.fold(0, |sum, digit| sum * 10 + i32::from(digit - b'0'))
    }

    /// The offset that may follow a time, in seconds. Behind a blank only one that cannot be anything else.
    fn offset(&mut self) -> Option<i32> {
        let apart = self.one_of(b" ").is_some();
        for name in [&b"UTC"[..], b"GMT", b"Z"] {
            let rest = self.0.strip_prefix(name);
            if rest.is_some_and(|rest| !rest.first().is_some_and(u8::is_ascii_alphanumeric)) {
                return Some(0);
            }
        }
        let sign = if self.one_of(b"+-")? == b'-' { -1 } else { 1 };
        let (hours, minutes) = match self.digits(4) {
            Some(both) => (both / 100, both % 100),
            None => {
                let hours = self.digits(2)?;
                match self.one_of(b":") {
                    Some(_) => (hours, self.digits(2)?),
                    None if apart => return None,
                    None => (hours, 0),
                }
            }
        };
        Some(sign * (hours * 3600 + minutes * 60))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a line says: a moment in full, or a local time without its offset.
    fn said(line: &str) -> String {
        match find(line, "2026-11-30T03:00:24Z".parse().unwrap()) {
            Some(Stamp::At(at)) => Timestamp::from_millisecond(at).unwrap().to_string(),
            Some(Stamp::Local(at)) => at.to_string(),
            None => String::new(),
        }
    }

    #[test]
    fn usual_lines_say_when_they_were_written() {
        for (line, expected) in [
            ("2026-11-21T01:02:03.004Z started", "2026-11-21T01:02:03.004Z"),
            (r#"{"at":"2026-11-21T01:02:03.004Z","event":"x"}"#, "2026-11-21T01:02:03.004Z"),
            ("INFO 2026-11-21T02:02:03.004+01:00 x", "2026-11-21T01:02:03.004Z"),
            ("\u{fffd}[32m2026-11-21T02:02:03+01 x", "2026-11-21T01:02:03Z"),
            ("2026-11-21 01:02:03 17 requests", "2026-11-21T01:02:03"),
            ("2026-11-21 01:02:03 -5 degrees", "2026-11-21T01:02:03"),
            // gunicorn
            ("[2026-11-29 22:00:24 -0500] [1] [INFO] Booting", "2026-11-30T03:00:24Z"),
            // Celery, Django
            ("[2026-11-29 22:00:25,123: INFO/MainProcess] ready", "2026-11-29T22:00:25.123"),
            // PostgreSQL
            ("2026-11-29 22:00:25.123 UTC [17] LOG:  ready", "2026-11-29T22:00:25.123Z"),
            // nginx, Go
            ("2026/11/29 22:00:24 [error] 17#17", "2026-11-29T22:00:24"),
            // access logs
            (r#"::1 - - [29/Nov/2026:22:00:24 -0500] "GET / HTTP/1.1" 200"#, "2026-11-30T03:00:24Z"),
            (r#"127.0.0.1 - - [29/Nov/2026 22:00:24] "GET / HTTP/1.1" 200 -"#, "2026-11-29T22:00:24"),
            // Redis
            ("1:M 29 Nov 2026 22:00:24.123 * Ready", "2026-11-29T22:00:24.123"),
            ("Sun, 29 Nov 2026 22:00:24 GMT ready", "2026-11-29T22:00:24Z"),
            // syslog, glog: of the year that is the latest
            ("Nov 29 22:00:24 shop web[1]: ready", "2026-11-29T22:00:24"),
            ("Dec  1 22:00:24 shop web[1]: ready", "2025-12-01T22:00:24"),
            ("I1129 22:00:24.123456 17 main.go:7] ready", "2026-11-29T22:00:24.123456"),
            // zap, pino, logrus, structlog
            (r#"{"level":"info","ts":1764500000.123,"msg":"x"}"#, "2025-11-30T10:53:20.123Z"),
            (r#"{"level":30,"time":1764500000123,"pid":1}"#, "2025-11-30T10:53:20.123Z"),
            (r#"{"ts":1764500000123456789}"#, "2025-11-30T10:53:20.123Z"),
            (r#"{"timestamp": "2026-11-29 22:00:24,123"}"#, "2026-11-29T22:00:24.123"),
            (
                r#"{"msg":"a text that is longer than what is looked at for a time in others","time":"2026-11-29T22:00:24-05:00"}"#,
                "2026-11-30T03:00:24Z",
            ),
            ("2026-11-29T22:00:60Z leap", "2026-11-29T22:00:59Z"),
        ] {
            assert_eq!(said(line), expected, "{line:?}");
        }
    }

    #[test]
    fn other_lines_do_not() {
        for line in [
            "",
            "listening on 8080",
            "12026-11-21T01:02:03Z",
            "2026-13-41T01:02:03Z",
            "2026-11-21",
            r#"{"msg":"GET /","time":12.5}"#,
            r#"{"msg":"x","ts":-1764500000}"#,
            "Summary 29 22:00:24",
            "BI1129 22:00:24.123",
            "Feb 30 22:00:24",
        ] {
            assert_eq!(said(line), "", "{line:?}");
        }
    }

    proptest! {
        #[test]
        fn no_line_is_too_odd(line in ".*", date in "[0-9T:., /Novan+-]{0,40}", number in "[0-9.]{0,400}") {
            for text in [line, date, format!("{{\"ts\":{number}}}")] {
                let _ = said(&text);
            }
        }
    }
}
