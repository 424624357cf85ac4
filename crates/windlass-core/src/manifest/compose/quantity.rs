//! Quantities as compose writes them, as the manifest does.

use crate::units::{Bytes, Span};

/// `1m30s`, `1.5s`, `30` (seconds).
pub(super) fn duration(text: &str) -> Option<Span> {
    if let Ok(span) = text.parse() {
        return Some(span);
    }
    let seconds: f64 = text.trim_end_matches('s').parse().ok()?;
    // A length of time in a compose file is far below 2^52 milliseconds.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    (seconds.is_finite() && (0.0..1e9).contains(&seconds))
        .then(|| Span::from_millis((seconds * 1000.0) as u64))
}

/// `512M`, `1g`, `64kb`: powers of 1024 all.
pub(super) fn bytes(text: &str) -> Option<Bytes> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').len();
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" => 10,
        "m" | "mb" => 20,
        "g" | "gb" => 30,
        _ => return None,
    };
    let number: f64 = number.parse().ok()?;
    // Checked to be far below 2^63 first.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    (0.0..1e6)
        .contains(&number)
        .then(|| Bytes((number * (1u64 << shift) as f64) as u64))
        .or_else(|| (number.fract() == 0.0 && number < 1e15 && shift == 0).then_some(Bytes(number as u64)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compose_has_units_of_its_own() {
        assert_eq!(duration("1m30s"), Some(Span::from_secs(90)));
        assert_eq!(duration("1.5s"), Some(Span::from_millis(1500)));
        assert_eq!(duration("soon"), None);
        assert_eq!(bytes("512M"), Some(Bytes(512 << 20)));
        assert_eq!(bytes("1.5gb"), Some(Bytes(3 << 29)));
        assert_eq!(bytes("536870912"), Some(Bytes(512 << 20)));
        assert_eq!(bytes("lots"), None);
    }
}
