//! What a client says about a file that it knows already: conditions and ranges (RFC 9110).

use std::ops::Range;
use std::time::{SystemTime, UNIX_EPOCH};

use http::header::{
    HeaderMap, HeaderName, HeaderValue, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
    IF_UNMODIFIED_SINCE, RANGE,
};

use crate::proxy::request::compress::Encoding;

/// Changes with every change that the file system notices.
pub(in crate::proxy) fn etag(length: u64, modified: SystemTime, encoding: Option<Encoding>) -> String {
    let nanos = modified.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let encoding = encoding.map_or("", Encoding::token);
    format!("\"{nanos:x}-{:x}{encoding}\"", length)
}

/// Whether the client says under which conditions it wants the file at all.
pub(in crate::proxy) fn are_in(headers: &HeaderMap) -> bool {
    [IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE]
        .iter()
        .any(|name| headers.contains_key(name))
}

/// Whether the client wants the file only as it was, and it is another by now.
pub(in crate::proxy) fn is_another(headers: &HeaderMap, tag: &str, modified: SystemTime) -> bool {
    if headers.contains_key(IF_MATCH) {
        return !tags(headers, IF_MATCH).any(|known| known == "*" || known == tag);
    }
    date(headers.get(IF_UNMODIFIED_SINCE)).is_some_and(|since| seconds(modified) > seconds(since))
}

/// Whether the client has the file already.
pub(in crate::proxy) fn is_unchanged(headers: &HeaderMap, tag: &str, modified: SystemTime) -> bool {
    if headers.contains_key(IF_NONE_MATCH) {
        return tags(headers, IF_NONE_MATCH)
            .any(|known| known == "*" || known.trim_start_matches("W/") == tag);
    }
    date(headers.get(IF_MODIFIED_SINCE)).is_some_and(|since| seconds(modified) <= seconds(since))
}

fn tags(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|value| value.split(',').map(str::trim))
}

fn date(value: Option<&HeaderValue>) -> Option<SystemTime> {
    httpdate::parse_http_date(value?.to_str().ok()?).ok()
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// What a client wants of a file.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::proxy) enum Wanted {
    All,
    Part(Range<u64>),
    /// A range that the file does not have.
    Nothing,
}

/// `modified` is the file's date as it stands in `Last-Modified`.
pub(in crate::proxy) fn wanted(headers: &HeaderMap, tag: &str, modified: &str, length: u64) -> Wanted {
    if let Some(condition) = headers.get(IF_RANGE)
        && condition.as_bytes() != tag.as_bytes()
        && condition.as_bytes() != modified.as_bytes()
    {
        return Wanted::All;
    }
    match headers.get(RANGE).map(HeaderValue::to_str) {
        Some(Ok(range)) => parse_range(range, length),
        _ => Wanted::All,
    }
}

/// One range. Several at once, or what is no range, is answered with the whole file, as RFC 9110
/// allows.
fn parse_range(text: &str, length: u64) -> Wanted {
    let Some((first, last)) = text.strip_prefix("bytes=").and_then(|range| range.trim().split_once('-'))
    else {
        return Wanted::All;
    };
    let range = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => first..last.saturating_add(1).min(length),
        (Ok(first), Err(_)) if last.is_empty() => first..length,
        (Err(_), Ok(count)) if first.is_empty() => length.saturating_sub(count)..length,
        _ => return Wanted::All,
    };
    if range.is_empty() { Wanted::Nothing } else { Wanted::Part(range) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        for (text, expected) in [
            ("bytes=0-4", Wanted::Part(0..5)),
            ("bytes=5-", Wanted::Part(5..10)),
            ("bytes=-3", Wanted::Part(7..10)),
            ("bytes=-30", Wanted::Part(0..10)),
            ("bytes=8-100", Wanted::Part(8..10)),
            ("bytes=10-", Wanted::Nothing),
            ("bytes=-0", Wanted::Nothing),
            ("bytes=4-2", Wanted::All),
            ("bytes=0-1,3-4", Wanted::All),
            ("lines=0-1", Wanted::All),
            ("bytes=x", Wanted::All),
        ] {
            assert_eq!(parse_range(text, 10), expected, "{text}");
        }
    }
}
