//! Which requests go where.

use serde::{Deserialize, Serialize};

use crate::name::Name;
use crate::units::{Bytes, Span};

/// Where the proxy listens.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// Addresses for clear-text HTTP, such as `127.0.0.1:8080`.
    pub http: Vec<String>,
    /// Addresses for TLS.
    pub https: Vec<String>,
    /// The certificates, chosen by server name; the first is the default.
    pub tls: Vec<Tls>,
    /// Whether clear-text requests are redirected to HTTPS.
    pub redirect_to_https: bool,
    /// Networks in CIDR form of proxies before this one, which are believed what they say of the client.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trusted_proxies: Vec<String>,
    /// How long clients are waited for.
    #[serde(default)]
    pub patience: ClientPatience,
}

/// How long the proxy waits for a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientPatience {
    /// For one request's head, and for the first byte of a new connection.
    pub head: Span,
    /// For the next request on a kept connection (HTTP/1).
    pub keep: Span,
    /// For it to take any of the answer that is ready for it (HTTP/1).
    pub write: Span,
}

impl Default for ClientPatience {
    /// What holds where the manifest says nothing.
    fn default() -> Self {
        Self { head: Span::from_secs(20), keep: Span::from_secs(75), write: Span::from_secs(60) }
    }
}

/// A certificate and its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The chain in PEM, an absolute path.
    pub certificate: String,
    /// The key in PEM, an absolute path.
    pub key: String,
}

/// Requests with this host and path prefix go to this destination.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The host name, `*.example.org` for all below it, or `None` for any.
    pub host: Option<String>,
    /// The path prefix, at a `/` boundary; `/` for all.
    pub path: String,
    /// Whether the prefix is taken off before the request is handed on.
    pub strip_prefix: bool,
    /// Where to.
    pub to: Destination,
    /// The largest body that is accepted.
    pub body_limit: Bytes,
    /// How long the destination may take to begin its answer.
    pub timeout: Span,
    /// How long a connection may be silent, WebSockets and event streams among them.
    pub idle_timeout: Span,
    /// Headers set on every answer; an empty value removes one.
    pub headers: Vec<Header>,
    /// Whether the usual security headers are set where the application does not set them itself.
    pub security_headers: bool,
    /// Whether answers are compressed where the client can read it and the application did not.
    pub compress: bool,
    /// How many requests one client may make.
    pub rate_limit: Option<RateLimit>,
    /// Who may make them.
    pub access: Access,
    /// How many requests wait, at the most, while no instance is ready.
    pub hold: u32,
    /// How long they wait.
    pub hold_timeout: Span,
}

/// Where requests go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Destination {
    /// To the ready copies of a service.
    Service(Name),
    /// To files.
    Files {
        /// The directory, relative to the release; `shared:media` for one that releases share.
        root: String,
        /// The file that is answered for paths that do not exist, for single-page applications.
        fallback: Option<String>,
        /// The `Cache-Control` of what is answered.
        cache_control: Option<String>,
    },
    /// To the aggregate health of the application.
    Health,
    /// To the proxy's metrics, in Prometheus's text format.
    Metrics,
    /// Elsewhere, by a redirect.
    Redirect {
        /// The target; the path, less a prefix that is stripped, is appended.
        to: String,
        /// The status: 301, 302, 307 or 308.
        status: u16,
        /// To the target alone: nothing is appended.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        exact: bool,
    },
}

/// A header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The name.
    pub name: String,
    /// The value.
    pub value: String,
}

/// How many requests one client address may make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// This many ...
    pub requests: u32,
    /// ... in this time.
    pub per: Span,
    /// How many at once beyond the even pace.
    pub burst: u32,
}

/// Who may make requests; empty lists admit everybody.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Access {
    /// Networks in CIDR form. When any stand here, others are refused.
    pub allow: Vec<String>,
    /// Name of the setting that holds `user:password` lines for basic authentication.
    pub basic_auth: Option<String>,
}
