//! A table made ready for use: everything parsed, compiled and found before a request needs it.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use http::{HeaderName, HeaderValue, StatusCode};
use indexmap::IndexMap;
use windlass_core::edge::{Endpoint, EndpointCheck, Table, TableRoute, Target};

use crate::proxy::connection::tls::Certificates;
use crate::proxy::control::last_good::LastGood;
use crate::proxy::endpoint::backend::Backend;
use crate::proxy::measure::metrics::{Release, RouteCounters};
use crate::proxy::request::auth::Credentials;
use crate::proxy::request::files::Place;
use crate::proxy::request::limit::{Limiter, Networks};
use crate::proxy::request::route::{self, Pattern};

/// The table in force.
pub(super) struct Live {
    pub(super) table: Table,
    pub(super) routes: Vec<LiveRoute>,
    pub(super) pools: Vec<LivePool>,
    /// The proxies before this one.
    pub(super) trusted: Networks,
    pub(super) certificates: Certificates,
    /// Where clear-text requests are sent when they must come by TLS: the port, unless it is 443.
    pub(super) https_port: Option<u16>,
}

/// A route.
pub(super) struct LiveRoute {
    pub(super) name: String,
    pub(super) pattern: Pattern,
    pub(super) target: LiveTarget,
    pub(super) strip_prefix: bool,
    pub(super) body_limit: u64,
    pub(super) timeout: Duration,
    pub(super) idle_timeout: Duration,
    /// Headers set on answers; `None` removes one.
    pub(super) headers: Vec<(HeaderName, Option<HeaderValue>)>,
    pub(super) security_headers: bool,
    pub(super) compress: bool,
    pub(super) limiter: Option<Arc<Limiter>>,
    pub(super) networks: Networks,
    pub(super) credentials: Credentials,
    pub(super) hold: u32,
    pub(super) hold_timeout: Duration,
    /// How many requests are held.
    pub(super) held: AtomicU32,
    pub(super) counters: Arc<RouteCounters>,
}

/// Where a route leads.
pub(super) enum LiveTarget {
    /// To this of [`Live::pools`].
    Pool(usize),
    /// To files.
    Files { place: Arc<Place>, cache_control: Option<HeaderValue> },
    /// Elsewhere.
    Redirect { to: String, status: StatusCode, exact: bool },
    /// To the host side.
    Health { socket: String },
    /// To the proxy's own counters.
    Metrics,
}

/// A pool.
pub(super) struct LivePool {
    pub(super) name: String,
    pub(super) release: Arc<Release>,
    pub(super) endpoints: Vec<Arc<Backend>>,
    pub(super) fallback: Vec<Arc<Backend>>,
    pub(super) check: Option<EndpointCheck>,
    pub(super) stopped: bool,
}

impl Live {
    /// The state before the first table.
    pub(super) fn empty() -> Self {
        Self {
            table: Table {
                generation: 0,
                listen: windlass_core::spec::Listen::default(),
                routes: Vec::new(),
                pools: IndexMap::new(),
                drain: windlass_core::units::Span::from_secs(30),
            },
            routes: Vec::new(),
            pools: Vec::new(),
            trusted: Networks::default(),
            certificates: Certificates::none(),
            https_port: None,
        }
    }

    /// Compiles a table. What of `before` is still in it (endpoints, counters, limits) goes on.
    ///
    /// # Errors
    /// What is wrong with the table.
    pub(super) fn compile(
        table: Table,
        before: &Self,
        releases: &mut IndexMap<String, Arc<Release>>,
        last_good: &LastGood,
    ) -> Result<Self, String> {
        let mut known = before.backends();
        let mut backend = |endpoint: &Endpoint| {
            known.iter().find(|backend| backend.is(endpoint)).cloned().unwrap_or_else(|| {
                let backend = Arc::new(Backend::new(endpoint));
                known.push(Arc::clone(&backend));
                backend
            })
        };
        let pools = table
            .pools
            .iter()
            .map(|(name, pool)| LivePool {
                name: name.clone(),
                release: Arc::clone(
                    releases
                        .entry(pool.release.clone())
                        .or_insert_with(|| Arc::new(Release::new(&pool.release))),
                ),
                endpoints: pool.endpoints.iter().map(&mut backend).collect(),
                fallback: pool.fallback.iter().map(&mut backend).collect(),
                check: pool.check.clone(),
                stopped: pool.stopped,
            })
            .collect();
        let routes = table
            .routes
            .iter()
            .map(|route| {
                LiveRoute::compile(route, &table, before)
                    .map_err(|why| format!("route {:?}: {why}", route.name))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let trusted = Networks::parse(&table.listen.trusted_proxies)?;
        let certificates = Certificates::load(&table.listen.tls, &before.certificates, last_good);
        let https_port = table
            .listen
            .https
            .first()
            .and_then(|address| address.rsplit(':').next()?.parse().ok())
            .filter(|port| *port != 443);
        Ok(Self { routes, pools, trusted, certificates, https_port, table })
    }

    /// The route that a request takes.
    pub(super) fn find(&self, host: &str, path: &str) -> Option<usize> {
        let host = route::host_name(host);
        self.routes.iter().position(|route| route.pattern.matches(host, path))
    }

    /// Every endpoint, those of fallbacks among them, once.
    pub(super) fn backends(&self) -> Vec<Arc<Backend>> {
        let mut all: Vec<Arc<Backend>> = Vec::new();
        for backend in self.pools.iter().flat_map(|pool| pool.endpoints.iter().chain(&pool.fallback)) {
            if !all.iter().any(|known| known.id == backend.id) {
                all.push(Arc::clone(backend));
            }
        }
        all
    }
}

impl LiveRoute {
    fn compile(route: &TableRoute, table: &Table, before: &Live) -> Result<Self, String> {
        let old = before.table.routes.iter().position(|old| old.name == route.name);
        let limiter = route.rate_limit.map(|limit| {
            old.filter(|index| before.table.routes[*index].rate_limit == Some(limit))
                .and_then(|index| before.routes[index].limiter.clone())
                .unwrap_or_else(|| Arc::new(Limiter::new(limit)))
        });
        Ok(Self {
            name: route.name.clone(),
            pattern: Pattern::new(route.host.as_deref(), &route.path),
            target: LiveTarget::compile(&route.to, table)?,
            strip_prefix: route.strip_prefix,
            body_limit: route.body_limit.0,
            timeout: route.timeout.as_duration(),
            idle_timeout: route.idle_timeout.as_duration(),
            headers: route
                .headers
                .iter()
                .map(|header| {
                    let name = HeaderName::try_from(&header.name)
                        .map_err(|_| format!("{:?} is not a header name", header.name))?;
                    let value = HeaderValue::try_from(&header.value).map_err(|_| {
                        format!("the value of header {name} has characters that it may not have")
                    })?;
                    Ok((name, (!value.is_empty()).then_some(value)))
                })
                .collect::<Result<_, String>>()?,
            security_headers: route.security_headers,
            compress: route.compress,
            limiter,
            networks: Networks::parse(&route.allow)?,
            credentials: Credentials::parse(&route.basic_auth)?,
            hold: route.hold,
            hold_timeout: route.hold_timeout.as_duration(),
            held: AtomicU32::new(0),
            counters: old.map(|index| Arc::clone(&before.routes[index].counters)).unwrap_or_default(),
        })
    }
}

impl LiveTarget {
    fn compile(target: &Target, table: &Table) -> Result<Self, String> {
        Ok(match target {
            Target::Pool(name) => Self::Pool(
                table
                    .pools
                    .get_index_of(name)
                    .ok_or_else(|| format!("there is no pool {name:?} in the table"))?,
            ),
            Target::Files { root, fallback, others, cache_control } => Self::Files {
                place: Arc::new(Place {
                    root: root.clone(),
                    others: others.clone(),
                    fallback: fallback.clone(),
                }),
                cache_control: cache_control
                    .as_deref()
                    .map(HeaderValue::try_from)
                    .transpose()
                    .map_err(|_| "cache_control is not a header value".to_owned())?,
            },
            Target::Redirect { to, status, exact } => Self::Redirect {
                to: to.clone(),
                exact: *exact,
                status: StatusCode::from_u16(*status)
                    .ok()
                    .filter(StatusCode::is_redirection)
                    .ok_or_else(|| format!("{status} is not the status of a redirect"))?,
            },
            Target::Health { socket } => Self::Health { socket: socket.clone() },
            Target::Metrics => Self::Metrics,
        })
    }
}
