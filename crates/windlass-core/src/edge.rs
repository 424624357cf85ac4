//! What the proxy is told: a complete table of where requests go. The proxy knows neither manifest
//! nor plan, only this; a new table replaces the old one at one instant.

mod users;

use std::collections::BTreeSet;
use std::net::SocketAddr;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::spec::{Header, Listen, RateLimit, Statuses};
use crate::units::{Bytes, Span};

pub use users::{amiss, users};

/// Everything the proxy has to know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Grows with every table; an older one is refused.
    pub generation: u64,
    /// Where to listen.
    pub listen: Listen,
    /// The routes, the most specific first.
    pub routes: Vec<TableRoute>,
    /// The pools that routes send to, by name.
    pub pools: IndexMap<String, Pool>,
    /// How long requests in flight and open connections get to leave an endpoint that is gone from
    /// the table.
    pub drain: Span,
}

/// One route.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableRoute {
    /// The label of its counters, unique in the table.
    pub name: String,
    /// The host name, `*.example.org`, or `None` for any.
    pub host: Option<String>,
    /// The path prefix, at a `/` boundary.
    pub path: String,
    /// Whether the prefix is taken off.
    pub strip_prefix: bool,
    /// Where to.
    pub to: Target,
    /// The largest request body.
    pub body_limit: Bytes,
    /// How long the answer may take to begin.
    pub timeout: Span,
    /// How long a connection may be silent.
    pub idle_timeout: Span,
    /// Headers set on every answer; an empty value removes one.
    pub headers: Vec<Header>,
    /// Whether the usual security headers are set where the application did not.
    pub security_headers: bool,
    /// Whether answers are compressed on the fly.
    pub compress: bool,
    /// How many requests one client may make.
    pub rate_limit: Option<RateLimit>,
    /// Networks in CIDR form that are admitted; empty: all.
    pub allow: Vec<String>,
    /// `user:password-hash` pairs for basic authentication; empty: none is asked for. The hash is
    /// what [`hash_password`] makes.
    pub basic_auth: Vec<String>,
    /// How many requests wait while no endpoint is ready, and how long.
    pub hold: u32,
    /// See [`hold`](Self::hold).
    pub hold_timeout: Span,
}

/// Where a route leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// To a pool of [`Table::pools`].
    Pool(String),
    /// To files below an absolute directory.
    Files {
        /// The directory.
        root: String,
        /// Answered for pages that do not exist, relative to the directory.
        fallback: Option<String>,
        /// The same directories of other releases, the newest first: pages that came from them still ask
        /// for files whose names have a hash of what is in them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        others: Vec<String>,
        /// The `Cache-Control` of what is answered.
        cache_control: Option<String>,
    },
    /// To this redirect; the path, less a prefix that is stripped, is appended.
    Redirect {
        /// The target.
        to: String,
        /// The status.
        status: u16,
        /// To the target alone: nothing is appended.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        exact: bool,
    },
    /// To the aggregate health page: asked of the host side's socket at this path.
    Health {
        /// A unix socket that answers HTTP.
        socket: String,
    },
    /// To the proxy's own counters, in Prometheus' text format.
    Metrics,
}

/// Endpoints that can answer the same requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// The label of this pool's release in counters and the access log, such as `r12`.
    pub release: String,
    /// The endpoints.
    pub endpoints: Vec<Endpoint>,
    /// Endpoints of the release before, still warm while the new one bakes: an idempotent request
    /// whose answer from the new release is missing or a 5xx is asked of them once more. They get
    /// no other requests.
    pub fallback: Vec<Endpoint>,
    /// The active health check, where there is one.
    pub check: Option<EndpointCheck>,
    /// Whether nothing is meant to answer: requests are refused at once, and not held.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stopped: bool,
}

/// One instance that answers.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// The instance, such as `web.r12.1`.
    pub instance: String,
    /// Where it listens.
    pub address: SocketAddr,
}

/// The active health check of a pool's endpoints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndpointCheck {
    /// The path of an HTTP check; `None` for a TCP check.
    pub path: Option<String>,
    /// The `Host` header.
    pub host: Option<String>,
    /// The healthy statuses; `None` for any from 200 to 399.
    pub status: Option<Statuses>,
    /// How often.
    pub interval: Span,
    /// How long one answer may take.
    pub timeout: Span,
    /// Successes in a row that make it healthy again.
    pub healthy_after: u32,
    /// Failures in a row that make it unhealthy.
    pub unhealthy_after: u32,
}

/// A request to the proxy's admin socket: one JSON value a line; the answer is one [`Answer`] a line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// Write this table to the disk, so that switching to it need not wait for that. Changes nothing.
    Prepare(Box<Table>),
    /// Switch to this table, prepared or not. Answered when it is in force and the next start will
    /// find it; a power cut within the next milliseconds may bring the one before back.
    Apply(Box<Table>),
    /// What is in force and how it goes.
    Report,
    /// Whether an endpoint that left the table has no request or connection left.
    Drained {
        /// The instances that are asked about.
        instances: Vec<String>,
    },
    /// The counters in Prometheus' text format.
    Metrics,
    /// Keep requests from these instances, whatever the table, and from no others that were named before:
    /// checks say that they are not ready which the proxy cannot ask itself.
    Unready {
        /// All of them.
        instances: BTreeSet<String>,
        /// Those of which nothing comes any more by itself: requests are refused at once where all of a pool
        /// are such, and not held.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        ended: BTreeSet<String>,
    },
    /// Whether a table could ask for this address, be it one that overlaps what is listened on now.
    /// Opens nothing.
    Probe {
        /// The address.
        address: String,
    },
}

/// What the proxy answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The table lies ready.
    Prepared {
        /// Its generation.
        generation: u64,
    },
    /// The table is in force; the nanoseconds that requests were kept from choosing an endpoint.
    Applied {
        /// The generation in force.
        generation: u64,
        /// How long the switch held the lock.
        switch_nanos: u64,
    },
    /// See [`Report`].
    Report(Box<Report>),
    /// Requests and connections that are left on each instance that was asked about.
    Drained {
        /// How many are left, by instance.
        left: IndexMap<String, u64>,
        /// How many of them are event streams or upgraded connections, without an end of their own. An earlier
        /// proxy does not say.
        #[serde(default)]
        streams: IndexMap<String, u64>,
    },
    /// The counters.
    Metrics {
        /// In Prometheus' text format.
        text: String,
    },
    /// No request that comes from now on goes to the instances named.
    Noted,
    /// The address can be had.
    Free,
    /// It was refused, and nothing changed.
    Refused {
        /// Why, and what to do.
        reason: String,
    },
}

/// How the proxy is doing. Counters only grow while the proxy lives.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Report {
    /// The generation in force; 0 before the first.
    pub generation: u64,
    /// The addresses it listens on, as bound.
    pub listening: Vec<String>,
    /// Counters by pool release, such as `r12`.
    pub releases: IndexMap<String, Counters>,
    /// Counts of what each route answered, by its name.
    #[serde(default)]
    pub routes: IndexMap<String, RouteCounts>,
    /// Health and load of each endpoint, by instance.
    pub endpoints: IndexMap<String, EndpointReport>,
    /// The longest time in which no answer began although several requests waited, or one was held
    /// because nothing was ready, since the table in force was applied.
    pub longest_gap_micros: u64,
    /// Requests that are being held because nothing is ready.
    pub held: u64,
    /// What is wrong although the table is in force, such as a certificate that cannot be used.
    #[serde(default)]
    pub problems: Vec<String>,
    /// Those of them that are about certificates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<String>,
    /// The instances of [`Ask::Unready`].
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub unready: BTreeSet<String>,
    /// Those of them that have ended.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub ended: BTreeSet<String>,
}

/// Counts of what a release answered.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Counters {
    /// Answers begun.
    pub served: u64,
    /// 5xx by the application.
    pub server_errors: u64,
    /// 4xx by the application.
    #[serde(default)]
    pub client_errors: u64,
    /// Requests that got no answer of the application's (502, 503, 504 by the proxy).
    pub failed: u64,
    /// Of the application's 5xx, those that nobody saw: the release before answered instead.
    #[serde(default)]
    pub server_errors_rescued: u64,
    /// Of the requests without an answer, those that the release before answered instead.
    #[serde(default)]
    pub failed_rescued: u64,
    /// Requests that an instance had in flight when the table left it, and that were finished.
    pub drained: u64,
    /// Answers that ended before they were whole, and not by the client. They are among those served.
    #[serde(default)]
    pub cut: u64,
    /// Of these, the ones whose copy was to go and whose drain time was over.
    #[serde(default)]
    pub cut_at_drain: u64,
    /// Of these, the ones that were 5xx by the application, and are counted there already.
    #[serde(default)]
    pub cut_server_errors: u64,
    /// Requests that wait for their answer now. The only one of these that also falls.
    #[serde(default)]
    pub waiting: u64,
    /// Latency to the first byte of the answer, microseconds: how many were at most each of
    /// [`LATENCY_BOUNDS_MICROS`], and one more for the rest. Not cumulative.
    pub latency: Vec<u64>,
}

impl Counters {
    /// The requests that did not go well, each once.
    #[must_use]
    pub const fn bad(&self) -> u64 {
        self.server_errors + self.failed + self.cut.saturating_sub(self.cut_server_errors)
    }
}

/// Counts of what a route answered, whoever made the answer: the application, or the proxy itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RouteCounts {
    /// All answers.
    pub answers: u64,
    /// 5xx among them.
    pub server_errors: u64,
}

/// Upper bounds of the latency histogram.
pub const LATENCY_BOUNDS_MICROS: [u64; 20] = [
    100, 250, 500, 1_000, 2_000, 3_000, 5_000, 7_500, 10_000, 15_000, 25_000, 50_000, 75_000, 100_000,
    250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000,
];

/// Health and load of one endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct EndpointReport {
    /// Whether it gets requests.
    pub healthy: bool,
    /// Why not.
    pub reason: Option<String>,
    /// Requests and upgraded connections in flight.
    pub in_flight: u64,
}

/// The hash of a password for [`TableRoute::basic_auth`]: `salt$hash`, where the hash is BLAKE3 in
/// hexadecimal, keyed with a key that is derived from the salt. The salt may be any text without `$`
/// that differs from user to user.
#[must_use]
pub fn hash_password(salt: &str, password: &str) -> String {
    let key = blake3::derive_key("windlass 2026 proxy basic authentication", salt.as_bytes());
    format!("{salt}${}", blake3::keyed_hash(&key, password.as_bytes()).to_hex())
}
