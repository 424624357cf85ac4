//! One JSON object a line, on standard output.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::settings;

static SERVICE: OnceLock<String> = OnceLock::new();

/// Says once which part of the application this process is.
pub fn set_service(name: &str) {
    SERVICE.get_or_init(|| name.to_owned());
}

/// Writes one line.
pub fn event(event: &str, fields: &[(&str, &str)]) {
    let line = line(event, fields);
    // Whoever reads the log may be gone; that is no reason to stop serving.
    let _ = std::io::stdout().lock().write_all(line.as_bytes());
}

/// The line for an event, with its line feed: one write keeps it whole beside those of others.
pub fn line(event: &str, fields: &[(&str, &str)]) -> String {
    let service = SERVICE.get().map_or("", String::as_str);
    let mut line = String::from("{");
    let _ = write!(line, "\"at\":{}", quoted(&timestamp(now_millis())));
    let _ = write!(line, ",\"service\":{},\"pid\":{}", quoted(service), std::process::id());
    let _ = write!(line, ",\"release\":{},\"event\":{}", quoted(&settings::release()), quoted(event));
    for (name, value) in fields {
        let _ = write!(line, ",{}:{}", quoted(name), quoted(value));
    }
    line.push_str("}\n");
    line
}

/// `text` as a JSON string.
pub fn quoted(text: &str) -> String {
    let mut json = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            c if c.is_control() => {
                let _ = write!(json, "\\u{:04x}", u32::from(c));
            }
            c => json.push(c),
        }
    }
    json.push('"');
    json
}

/// Milliseconds since 1970.
pub fn now_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Milliseconds since 1970 as RFC 3339 in UTC.
pub fn timestamp(millis: u64) -> String {
    let (days, of_day) = (millis / 86_400_000, millis % 86_400_000);
    let (year, month, day) = civil(days);
    let (hour, minute) = (of_day / 3_600_000, of_day / 60_000 % 60);
    let (second, milli) = (of_day / 1000 % 60, of_day % 1000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

/// The date of a day since 1970, in years that begin in March so that the leap day comes last.
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_right_at_the_edges() {
        assert_eq!(timestamp(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(timestamp(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(timestamp(1_767_225_599_999), "2025-12-31T23:59:59.999Z");
    }

    #[test]
    fn strings_are_valid_json() {
        assert_eq!(quoted("a\"b\\c\n"), r#""a\"b\\c\u000a""#);
    }
}
