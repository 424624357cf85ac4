//! A copy that listens elsewhere than where it is asked.

use std::fmt;
use std::net::SocketAddr;

use windlass_core::name::Name;
use windlass_core::spec::Port;

use crate::ports;

/// How many places are told.
const FEW: usize = 3;

/// For a copy that was not ready in time.
pub(super) const LONGER: &str = "give it longer with start_period if it only needs more time";

/// Where a copy listens, none of which is where it is asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Astray {
    port: u16,
    at: Vec<SocketAddr>,
}

impl Astray {
    /// Of a copy that is asked at `port` and listens `at` these; `None` where one of them is that, or there is none.
    pub(super) fn of(port: u16, mut at: Vec<SocketAddr>) -> Option<Self> {
        if at.iter().any(|at| at.port() == port && ports::answers_here(at.ip())) {
            return None;
        }
        // Its own port at another address says most.
        at.sort_by_key(|at| at.port() != port);
        (!at.is_empty()).then_some(Self { port, at })
    }

    /// What to do.
    pub(super) fn hint(&self, service: &Name, port: Option<Port>) -> String {
        if self.at.iter().any(|at| at.port() == self.port) {
            return "have it listen on 127.0.0.1".to_owned();
        }
        let mut found: Vec<u16> = self.at.iter().map(SocketAddr::port).collect();
        found.sort_unstable();
        found.dedup();
        // Of several, one may be for metrics or a debugger: which is for requests only people know.
        let found = match found.as_slice() {
            [port] => format!("port = {port}"),
            several => {
                let several: Vec<String> = several.iter().take(FEW).map(u16::to_string).collect();
                format!("which of its ports is for requests ({}), as port", several.join(", "))
            }
        };
        // One that is for something else may be open long before.
        let longer = format!("or {LONGER}");
        match port {
            Some(Port::Fixed(_)) => {
                format!("write {found} in [services.{service}], or have it listen on {}, {longer}", self.port)
            }
            _ => format!(
                "have it listen on $PORT, or write {found} in [services.{service}], and strategy = \"recreate\"; {longer}"
            ),
        }
    }
}

/// As the end of a sentence about the copy: `listens at 127.0.0.1:3000, and not at its port, 31281`.
impl fmt::Display for Astray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at: Vec<String> = self.at.iter().take(FEW).map(SocketAddr::to_string).collect();
        let more = if self.at.len() > FEW { " and elsewhere" } else { "" };
        write!(f, "listens at {}{more}, and not at 127.0.0.1:{}, where it is asked", at.join(", "), self.port)
    }
}

#[cfg(test)]
mod tests {
    use windlass_testkit::sample::name;

    use super::*;

    fn of(port: u16, at: &[&str]) -> Option<Astray> {
        Astray::of(port, at.iter().map(|at| at.parse().unwrap()).collect())
    }

    #[test]
    fn a_copy_is_astray_where_it_listens_and_nowhere_that_it_is_asked() {
        for (at, is_astray) in [
            (&[][..], false),
            (&["127.0.0.1:3000"], true),
            (&["127.0.0.1:3000", "127.0.0.1:31281"], false),
            (&["0.0.0.0:31281"], false),
            (&["[::]:31281"], false),
            (&["[::1]:31281"], true),
            (&["127.0.0.2:31281"], true),
        ] {
            assert_eq!(of(31281, at).is_some(), is_astray, "{at:?}");
        }
    }

    #[test]
    fn it_is_told_where_it_listens_and_what_to_write() {
        let astray = of(31281, &["127.0.0.1:3000"]).unwrap();
        assert_eq!(
            astray.to_string(),
            "listens at 127.0.0.1:3000, and not at 127.0.0.1:31281, where it is asked"
        );
        assert_eq!(
            astray.hint(&name("web"), Some(Port::Automatic)),
            "have it listen on $PORT, or write port = 3000 in [services.web], and strategy = \"recreate\"; \
             or give it longer with start_period if it only needs more time"
        );
        assert_eq!(
            astray.hint(&name("web"), Some(Port::Fixed(31281))),
            "write port = 3000 in [services.web], or have it listen on 31281, \
             or give it longer with start_period if it only needs more time"
        );
        let several = of(31281, &["127.0.0.1:9229", "127.0.0.1:9090", "[::1]:9090"]).unwrap();
        assert_eq!(
            several.hint(&name("web"), Some(Port::Automatic)),
            "have it listen on $PORT, or write which of its ports is for requests (9090, 9229), as port in [services.web], and \
             strategy = \"recreate\"; or give it longer with start_period if it only needs more time"
        );
        let many = of(31281, &["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3", "[::1]:31281"]).unwrap();
        assert_eq!(many.hint(&name("web"), Some(Port::Automatic)), "have it listen on 127.0.0.1");
        assert_eq!(
            many.to_string(),
            "listens at [::1]:31281, 127.0.0.1:1, 127.0.0.1:2 and elsewhere, and not at 127.0.0.1:31281, where it is asked"
        );
    }
}
