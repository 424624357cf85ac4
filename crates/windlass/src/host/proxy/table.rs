//! From routes and instances to the proxy's table.

use std::net::{Ipv4Addr, SocketAddr};

use indexmap::IndexMap;
use windlass_core::edge::{Endpoint, EndpointCheck, Pool, Table, TableRoute, Target, hash_password, users};
use windlass_core::journal::Fault;
use windlass_core::name::{InstanceId, ReleaseId};
use windlass_core::plan::{Plan, Traffic};
use windlass_core::spec::{Destination, Listen, Probe, Reference, Route, Spec};

use crate::host::Host;
use crate::host::instance::identity::Identity;
use crate::host::settings::lookup::Settings;
use crate::host::settings::values;

impl Host {
    /// The table that sends requests as `traffic` says.
    pub(in crate::host) fn table(
        &self,
        plan: &Plan,
        traffic: &Traffic,
        generation: u64,
    ) -> Result<Table, Fault> {
        let Some(release) = traffic.release else {
            return Ok(Table {
                generation,
                listen: Listen::default(),
                routes: Vec::new(),
                pools: IndexMap::new(),
                drain: plan.spec.deploy.drain,
            });
        };
        let (spec, tree) = self.specification(plan, release)?;
        self.table_of(&spec, tree, traffic, generation)
    }

    /// The table of a specification.
    pub(in crate::host) fn table_of(
        &self,
        spec: &Spec,
        tree: ReleaseId,
        traffic: &Traffic,
        generation: u64,
    ) -> Result<Table, Fault> {
        let release = traffic.release.unwrap_or(ReleaseId(0));
        let values = values::read(&self.layout, release)
            .map_err(|error| Fault::new(format!("the settings of {release} cannot be read: {error}"), ""))?;
        let mut pools = IndexMap::new();
        for (name, service) in spec.services.iter().filter(|(_, service)| service.port.is_some()) {
            let ids = traffic.pools.get(name).map(Vec::as_slice).unwrap_or_default();
            let warm = traffic.fallback.get(name).map(Vec::as_slice).unwrap_or_default();
            let newest = ids.iter().map(|id| id.release).max().unwrap_or(release);
            let pool = Pool {
                release: newest.to_string(),
                endpoints: self.endpoints(ids),
                stopped: !traffic.pools.contains_key(name),
                fallback: self.endpoints(warm),
                check: service.checks.readiness.as_ref().and_then(|check| {
                    let (path, host, status) = match &check.probe {
                        Probe::Http { path, status, host } => (Some(path.clone()), host.clone(), *status),
                        Probe::Tcp => (None, None, None),
                        // The proxy runs no commands; it goes by what it sees of the requests.
                        Probe::Command(_) => return None,
                    };
                    Some(EndpointCheck {
                        path,
                        host,
                        status,
                        interval: check.interval,
                        timeout: check.timeout,
                        healthy_after: check.healthy_after,
                        unhealthy_after: check.unhealthy_after,
                    })
                }),
            };
            pools.insert(name.to_string(), pool);
        }
        let routes = spec.routes.iter().enumerate();
        let settings = Settings { values: &values, known: &spec.settings };
        let routes = routes
            .map(|(n, route)| self.route(label(&spec.routes, n), route, tree, settings))
            .collect::<Result<_, _>>()?;
        Ok(Table { generation, listen: spec.listen.clone(), routes, pools, drain: spec.deploy.drain })
    }

    fn specification(&self, plan: &Plan, release: ReleaseId) -> Result<(Spec, ReleaseId), Fault> {
        if release == plan.release && plan.previous != Some(release) {
            return Ok((plan.spec.clone(), plan.tree.id));
        }
        let row = self.journal.borrow().release(release);
        match row {
            Ok(Some(row)) => Ok((row.spec, row.tree)),
            Ok(None) => Err(Fault::new(format!("the ledger does not know {release}"), "")),
            Err(error) => Err(Fault::new(error.to_string(), "")),
        }
    }

    fn endpoints(&self, ids: &[InstanceId]) -> Vec<Endpoint> {
        let known = ids.iter().filter_map(|id| {
            let port = Identity::read(&self.layout.instance(id)).ok()?.port?;
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            Some(Endpoint { instance: id.to_string(), address })
        });
        known.collect()
    }

    fn route(
        &self,
        name: String,
        route: &Route,
        tree: ReleaseId,
        settings: Settings<'_>,
    ) -> Result<TableRoute, Fault> {
        let to = match &route.to {
            Destination::Service(name) => Target::Pool(name.to_string()),
            Destination::Files { root, fallback, cache_control } => Target::Files {
                root: self.files_root(root, tree),
                fallback: fallback.clone(),
                others: self.other_roots(root, tree),
                cache_control: cache_control.clone(),
            },
            Destination::Health => Target::Health { socket: "../host/health".to_owned() },
            Destination::Metrics => Target::Metrics,
            Destination::Redirect { to, status, exact } => {
                Target::Redirect { to: to.clone(), status: *status, exact: *exact }
            }
        };
        let users = route.access.basic_auth.as_ref();
        let users = users.map(|key| hashed(key, &settings.text(key, &early)?)).transpose()?;
        Ok(TableRoute {
            name,
            host: route.host.clone(),
            path: route.path.clone(),
            strip_prefix: route.strip_prefix,
            to,
            body_limit: route.body_limit,
            timeout: route.timeout,
            idle_timeout: route.idle_timeout,
            headers: route.headers.clone(),
            security_headers: route.security_headers,
            compress: route.compress,
            rate_limit: route.rate_limit,
            allow: route.access.allow.clone(),
            basic_auth: users.unwrap_or_default(),
            hold: route.hold,
            hold_timeout: route.hold_timeout,
        })
    }

    /// Where the other releases that are kept have the same files.
    fn other_roots(&self, root: &str, tree: ReleaseId) -> Vec<String> {
        if root.starts_with("shared:") {
            return Vec::new();
        }
        let mut trees: Vec<ReleaseId> = Vec::new();
        for (_, other) in self.journal.borrow().trees().unwrap_or_default() {
            if other != tree && !trees.contains(&other) && self.layout.is_sealed(other) {
                trees.push(other);
            }
        }
        trees.into_iter().map(|tree| self.files_root(root, tree)).collect()
    }

    fn files_root(&self, root: &str, tree: ReleaseId) -> String {
        let directory = match root.strip_prefix("shared:") {
            Some(shared) => self.layout.shared().join(shared),
            None => self.layout.tree(tree).join(root),
        };
        directory.display().to_string()
    }
}

/// What counters and the access log call a route, and by what it is known again in the next table: not by its
/// place, which changes when another is put before it.
pub(in crate::host) fn label(routes: &[Route], number: usize) -> String {
    let written = |route: &Route| format!("{}{}", route.host.as_deref().unwrap_or_default(), route.path);
    let label = written(&routes[number]);
    match routes[..number].iter().filter(|before| written(before) == label).count() {
        0 => label,
        before => format!("{label} ({})", before + 1),
    }
}

/// Who may pass is known before any process starts.
pub(in crate::host) fn early(reference: &Reference) -> Result<String, Fault> {
    Err(Fault::new(format!("{{{reference}}} is not known to basic_auth"), ""))
}

/// `user:password` lines as `user:salt$hash` pairs, so that the proxy's state holds no password. A
/// setting without any would leave the route open to everybody, so it is refused.
fn hashed(key: &str, lines: &str) -> Result<Vec<String>, Fault> {
    let users: Vec<String> = users(lines)
        .map(|(user, password)| {
            let salt = uuid::Uuid::now_v7().simple().to_string();
            format!("{user}:{}", hash_password(&salt, password))
        })
        .collect();
    if users.is_empty() {
        let what = format!("the setting {key}, which says who may pass, names nobody");
        return Err(Fault::new(what, "write a line user:password for each who may"));
    }
    Ok(users)
}

/// Where the application answers, for people.
pub(in crate::host) fn addresses(spec: &Spec, listening: &[String]) -> Vec<String> {
    if spec.routes.is_empty() {
        return Vec::new();
    }
    let secure = spec.listen.https.iter().map(|address| ("https", address));
    let clear = spec.listen.http.iter().map(|address| ("http", address));
    let all = secure.chain(clear).map(|(scheme, address)| {
        // Port 0 asks for any; the proxy knows which it got.
        let bound = if address.ends_with(":0") { listening.first().unwrap_or(address) } else { address };
        let shown = bound.replace("0.0.0.0:", "localhost:").replace("[::]:", "localhost:");
        format!(
            "{scheme}://{}",
            shown.trim_end_matches(match scheme {
                "http" => ":80",
                _ => ":443",
            })
        )
    });
    all.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_keeps_its_name_when_another_is_put_before_it() {
        let text = "[app]\nname = \"shop\"\n[services.web]\ncommand = [\"web\"]\nport = \"auto\"\n\
                    [[routes]]\nhost = \"shop.example\"\nservice = \"web\"\n\
                    [[routes]]\npath = \"/api\"\nservice = \"web\"\n";
        let manifest = windlass_core::manifest::load(text).0.unwrap();
        let spec = windlass_core::resolve::resolve(&manifest, "local", &IndexMap::new()).unwrap();
        let routes = [&spec.routes[..], &spec.routes[1..]].concat();
        assert_eq!(label(&routes, 0), "shop.example/");
        assert_eq!(label(&routes, 1), "/api");
        assert_eq!(label(&routes, 2), "/api (2)");
        assert_eq!(label(&routes[1..], 0), "/api");
    }
}
