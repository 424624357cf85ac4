//! What is left on a copy that is to stop, for people.

use std::fmt;

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::host) struct Waits {
    /// Requests and connections that are left.
    pub(in crate::host) left: u64,
    /// Those of them that have no end of their own.
    pub(in crate::host) streams: u64,
}

impl fmt::Display for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let requests = self.left.saturating_sub(self.streams);
        let requests = match requests {
            0 => None,
            1 => Some("1 request".to_owned()),
            several => Some(format!("{several} requests")),
        };
        let streams = match self.streams.min(self.left) {
            0 => None,
            1 => Some("1 WebSocket or event stream".to_owned()),
            several => Some(format!("{several} WebSockets or event streams")),
        };
        let parts: Vec<String> = streams.into_iter().chain(requests).collect();
        f.write_str(&parts.join(" and "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_told_apart_from_requests() {
        let said = |left, streams| Waits { left, streams }.to_string();
        assert_eq!(said(4, 3), "3 WebSockets or event streams and 1 request");
        assert_eq!(said(1, 1), "1 WebSocket or event stream");
        assert_eq!(said(2, 0), "2 requests");
    }
}
