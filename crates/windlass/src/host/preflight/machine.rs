//! What this machine lacks for a specification, as far as that is known without a host side: asked by a deploy
//! before anything changes, and by `windlass check`.

use std::collections::BTreeSet;
use std::io::{Error, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;

use rustix::process::{Resource, getrlimit};
use tokio_rustls::rustls::pki_types::UnixTime;
use windlass_core::edge::amiss;
use windlass_core::spec::{Port, Spec, Tls, When};

use crate::account::{self, Account};
use crate::certificate::{self, Lapse};
use crate::deployed::Deployed;
use crate::engine::Journal;
use crate::host::by_hand::command::is_under_way;
use crate::host::instance::identity::Outline;
use crate::host::instance::lifecycle::lives;
use crate::host::preflight::disk::Free;
use crate::host::preflight::{programs, shared};
use crate::host::world::by_hand;
use crate::keeper::limits::{self, By, Capabilities};
use crate::layout::Layout;
use crate::ports::{Holder, holder};
use crate::processes;
use crate::programs::path;
use crate::runtime::process;

/// With fewer open files the proxy cannot even be kept, and with a few more it serves nobody.
const FEWEST_FILES: u64 = 128;

/// Something that a release needs and that is not there, or not right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lack {
    /// A stable name for this kind.
    pub code: &'static str,
    /// Where the manifest asks for it: keys, from the outermost; none where no part of it does.
    pub at: Vec<String>,
    /// What it is.
    pub what: String,
    /// What to do.
    pub hint: String,
}

impl Lack {
    pub(super) fn new(
        code: &'static str,
        at: &str,
        what: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        let at = at.split('.').filter(|key| !key.is_empty()).map(str::to_owned).collect();
        Self { code, at, what: what.into(), hint: hint.into() }
    }
}

/// What was found.
#[derive(Debug, Default)]
pub struct Looked {
    /// What stops a deploy.
    pub lacks: Vec<Lack>,
    /// What would stop one that came now, and passes when somebody else ends.
    pub passing: Vec<Lack>,
    /// What this process lacks, and the host side that runs may have: a control group of its own, open files.
    pub own: Vec<Lack>,
    /// What stops nothing, each with the name of its kind.
    pub notes: Vec<(&'static str, String)>,
}

/// Looks at all of it, for an environment in `layout` and whatever of it runs. Unless `build_is_known`, nothing is said
/// of programs, which it may bring along.
pub fn look(spec: &Spec, layout: &Layout, build_is_known: bool) -> Looked {
    let mut own: Vec<Lack> = open_files().into_iter().collect();
    own.extend(held(spec, &limits::capabilities()));
    let mut looked = Looked { lacks: no_place(layout).into_iter().collect(), ..Looked::default() };
    match process::is_kept(&layout.host().join("keeper")) {
        true => looked.own = own,
        false => looked.lacks.extend(own),
    }
    if build_is_known {
        // Of whoever deploys, as we would.
        looked.lacks.extend(programs::commands(spec, !spec.build.steps.is_empty(), &path()));
    }
    looked.lacks.extend(memory(spec));
    looked.lacks.extend(accounts(spec));
    let shown = certificates(spec, &|_| false, &mut looked.lacks);
    looked.notes = shown.into_iter().map(|note| ("certificate", note)).collect();
    let active = Journal::open_to_read(&layout.journal()).and_then(|journal| journal.active()).ok().flatten();
    let shares = shared::look(spec, layout, active.as_ref().map(|active| &active.release.spec));
    looked.lacks.extend(shares.lacks);
    looked.notes.extend(shares.notes.into_iter().map(|note| ("shared-of-another", note)));
    looked.lacks.extend(programs::out_of_reach(spec, None));
    looked.passing.extend(jobs_by_hand(spec, layout));
    looked.lacks.extend(programs::servers(spec, layout, &std::env::temp_dir()));
    looked.passing.extend(disk(spec, layout.root()));
    looked.passing.extend(fixed_ports(spec, layout));
    // What stands in the way of a proxy that runs may be itself.
    let has_proxy = process::is_kept(&layout.proxy().join("keeper"));
    for address in spec.listen.http.iter().chain(&spec.listen.https) {
        match TcpListener::bind(address.as_str()) {
            Err(error) if error.kind() != ErrorKind::AddrInUse => {
                looked.lacks.push(cannot_listen(address, &error));
            }
            Err(error) if !has_proxy => looked.passing.push(cannot_listen(address, &error)),
            _ => {}
        }
    }
    looked
}

/// Why no host side can be started for the environment in `layout`.
pub fn before_the_start(layout: &Layout) -> Vec<Lack> {
    no_place(layout).into_iter().chain(open_files()).collect()
}

fn no_place(layout: &Layout) -> Option<Lack> {
    let error = layout.fits().err()?;
    let what = format!("{} cannot be used: {error}", layout.root().display());
    Some(Lack::new("home", "", what, home_hint(&error)))
}

/// What to do where the directory of an environment cannot be used.
pub fn home_hint(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "free some disk space, then call again",
        ErrorKind::InvalidFilename => "set WINDLASS_HOME to a directory with a shorter path",
        _ => "set WINDLASS_HOME to a directory that this account can write",
    }
}

pub(super) fn open_files() -> Option<Lack> {
    let may = getrlimit(Resource::Nofile).current.filter(|may| *may < FEWEST_FILES)?;
    let what =
        format!("a process may open {may} files here, and Windlass needs {FEWEST_FILES} at the very least");
    let hint = "raise it, better to 1024 or more (`ulimit -n 1024`, or LimitNOFILE= of the unit), and end what was \
                started with it (`windlass down`)";
    Some(Lack::new("open-files", "", what, hint))
}

/// What is short where the environment lies, or will.
fn disk(spec: &Spec, root: &Path) -> Vec<Lack> {
    let there = root.ancestors().find_map(|there| Some((there, Free::at(there)?)));
    let short = there.map(|(there, free)| free.short(there, spec, true)).unwrap_or_default();
    let stops = short.into_iter().filter(|short| short.stops);
    stops.map(|short| Lack::new("disk", "", short.what, short.hint)).collect()
}

pub(super) fn memory(spec: &Spec) -> Option<Lack> {
    let asked: u64 = spec
        .services
        .values()
        .map(|service| service.limits.memory.map_or(0, |bytes| bytes.0) * u64::from(service.replicas))
        .sum();
    let total = rustix::system::sysinfo().totalram * u64::from(rustix::system::sysinfo().mem_unit);
    (asked > total).then(|| {
        let what = format!(
            "the services may use {} MB of memory, and this machine has {} MB",
            asked >> 20,
            total >> 20
        );
        Lack::new("too-little-memory", "services", what, "lower their limits, or run fewer copies")
    })
}

/// The keeper refuses to start what it cannot limit: that must be known before the first change.
pub(super) fn held(spec: &Spec, here: &Capabilities) -> Vec<Lack> {
    let of_nothing = |limits::Held { whose, what, by }: limits::Held| {
        let By::Nothing { why, remedy } = by else { return None };
        let message = format!("the {what} limit of {whose} cannot be held here: {why}");
        Some(Lack::new("limit-not-held", &format!("{whose}.limits.{what}"), message, remedy))
    };
    limits::held(spec, here).into_iter().filter_map(of_nothing).collect()
}

pub(super) fn accounts(spec: &Spec) -> Vec<Lack> {
    let services = spec.services.iter().map(|(name, service)| (format!("services.{name}"), &service.user));
    let jobs = spec.jobs.iter().map(|(name, job)| (format!("jobs.{name}"), &job.user));
    let crons = spec.crons.iter().map(|(name, cron)| (format!("cron.{name}"), &cron.user));
    let mut lacks: Vec<Lack> = Vec::new();
    for (whose, user) in services.chain(jobs).chain(crons) {
        let Some(user) = user else { continue };
        let (what, hint) = if !account::is_root() {
            (
                format!("user = {user:?} needs root to change to it"),
                "remove it, or run Windlass as root".to_owned(),
            )
        } else if !matches!(Account::named(user), Ok(Some(_))) {
            (format!("there is no account {user:?}"), format!("create it: useradd --system {user}"))
        } else {
            continue;
        };
        // Many run as the same account.
        if !lacks.iter().any(|lack| lack.what == what) {
            lacks.push(Lack::new("no-account", &format!("{whose}.user"), what, hint));
        }
    }
    lacks
}

/// One that cannot be used stops the run, unless it `may_stay`: the proxy has read it before, and nothing new is
/// deployed. One that is out of date, or whose key is no secret, stops nothing: what runs shows it already.
pub(super) fn certificates(
    spec: &Spec,
    may_stay: &dyn Fn(&Tls) -> bool,
    lacks: &mut Vec<Lack>,
) -> Vec<String> {
    let mut notes = Vec::new();
    for tls in &spec.listen.tls {
        if certificate::is_open(&tls.key) {
            notes.push(format!("everybody on this machine may read the key {0}: chmod 600 {0}", tls.key));
        }
        match certificate::read(tls) {
            Err(why) if may_stay(tls) => notes.push(why),
            Err(why) => {
                let hint = "mend the file, or correct [listen] tls";
                lacks.push(Lack::new("certificate", "listen.tls", why, hint));
            }
            Ok(pair) => notes.extend(match certificate::lapse(&pair, UnixTime::now()) {
                Some(Lapse::Expired(day)) => Some(format!("{} expired on {day}", tls.certificate)),
                Some(Lapse::NotYet(day)) => Some(format!("{} is not valid before {day}", tls.certificate)),
                None => None,
            }),
        }
    }
    notes
}

/// The jobs of a deploy that somebody runs now.
fn jobs_by_hand(spec: &Spec, layout: &Layout) -> Vec<Lack> {
    let of_deploys = spec.jobs.iter().filter(|(_, job)| job.when != When::Manual);
    let under_way = of_deploys.filter(|(name, _)| is_under_way(layout, name));
    let lack = |(name, _)| {
        let fault = by_hand(name);
        Lack::new("job", &format!("jobs.{name}"), fault.message, fault.hint)
    };
    under_way.map(lack).collect()
}

/// The ports of the copies that live.
fn own_ports(layout: &Layout) -> Vec<u16> {
    let all = Outline::all(layout).unwrap_or_default();
    all.iter().filter(|copy| lives(&layout.instance(&copy.id))).filter_map(|copy| copy.port).collect()
}

/// A copy with a port of its own can be asked there only if nobody else answers there.
pub(super) fn fixed_ports(spec: &Spec, layout: &Layout) -> Vec<Lack> {
    let fixed = spec.services.iter().filter_map(|(name, service)| match service.port {
        Some(Port::Fixed(port)) => Some((name, port)),
        _ => None,
    });
    let fixed: Vec<_> = fixed.collect();
    if fixed.is_empty() {
        return Vec::new();
    }
    let ours = own_ports(layout);
    let others = fixed.into_iter().filter(|(_, port)| !ours.contains(port));
    let taken = others.filter_map(|(name, port)| {
        let (what, hint) = port_taken(name.as_str(), port)?;
        Some(Lack::new("port-taken", &format!("services.{name}.port"), what, hint))
    });
    taken.collect()
}

/// That somebody listens on the port of a service, who that is, and what to do.
pub(in crate::host) fn port_taken(service: &str, port: u16) -> Option<(String, String)> {
    let error = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).err()?;
    (error.kind() == ErrorKind::AddrInUse)
        .then(|| port_of_another(service, port, holder(Ipv4Addr::LOCALHOST.into(), port).as_ref()))
}

/// The same of somebody who is known.
pub(in crate::host) fn port_of_another(service: &str, port: u16, by: Option<&Holder>) -> (String, String) {
    let what = format!("something else listens on port {port}, which {service} is to have{}", named(by));
    let hint = match by {
        Some(Holder::Process { .. }) => "stop it, or use port = \"auto\"".to_owned(),
        _ => format!("see who has it with `ss -ltnp sport = :{port}` and stop it, or use port = \"auto\""),
    };
    (what, hint)
}

/// That nobody can listen on an address of the manifest.
pub(super) fn cannot_listen(address: &str, error: &Error) -> Lack {
    let by = || {
        let (_, port) = address.rsplit_once(':')?;
        let at = address.parse().map_or(Ipv4Addr::UNSPECIFIED.into(), |address: SocketAddr| address.ip());
        holder(at, port.parse().ok()?)
    };
    let (by, hint) = match error.kind() {
        ErrorKind::PermissionDenied => {
            (None, "ports below 1024 need root: listen on a higher one".to_owned())
        }
        ErrorKind::AddrInUse => {
            let by = by();
            let first = match &by {
                Some(Holder::Process { pid, .. }) => match of_a_proxy(&processes::arguments(*pid)) {
                    Some(layout) => stop_the_proxy_of(&layout),
                    None => "stop it".to_owned(),
                },
                _ => "see who has it with `ss -ltnp`".to_owned(),
            };
            (by, format!("{first}, or choose another in [listen] (not {address})"))
        }
        _ => (None, "choose another address in [listen]".to_owned()),
    };
    let what = format!("cannot listen on {address}: {error}{}", named(by.as_ref()));
    Lack::new("cannot-listen", "listen", what, hint)
}

/// Where the environment lies of which this is the proxy, or the keeper that has its sockets too, by its arguments;
/// `None` where it is something else.
fn of_a_proxy(argv: &[String]) -> Option<Layout> {
    let [_, part, directory, ..] = argv else { return None };
    let directory = Path::new(directory);
    let directory = match part.as_str() {
        "proxy" => directory,
        "keeper" => directory.parent()?,
        _ => return None,
    };
    let layout = Layout::at(directory.parent()?);
    (layout.proxy() == directory).then_some(layout)
}

/// How to stop the proxy of another environment: its keeper would start it again.
fn stop_the_proxy_of(layout: &Layout) -> String {
    let Some(deployed) = Deployed::at(layout) else {
        return format!(
            "it is the proxy of {}: `windlass down` in its project stops it",
            layout.root().display()
        );
    };
    let Deployed { app, environment, .. } = &deployed;
    let place = deployed.directory.as_ref().map_or_else(
        || "in its project".to_owned(),
        |directory| format!("in its project ({})", directory.display()),
    );
    format!("it is the proxy of {app} ({environment}): `windlass down --env {environment}` {place} stops it")
}

fn named(by: Option<&Holder>) -> String {
    by.map(|by| format!(": {by}")).unwrap_or_default()
}

/// What is wrong with those who may pass a route, with the setting that names them. `text` answers its text,
/// where it is known.
pub fn users<'s>(
    spec: &'s Spec,
    mut text: impl FnMut(&str) -> Option<String>,
) -> Vec<(&'s str, String, &'static str)> {
    let keys: BTreeSet<&str> =
        spec.routes.iter().filter_map(|route| route.access.basic_auth.as_deref()).collect();
    let wrong = |key: &'s str| {
        let amiss = text(key).map(|lines| amiss(&lines)).unwrap_or_default();
        amiss.into_iter().map(move |(what, help)| {
            (key, format!("the setting {key}, which says who may pass, {what}"), help)
        })
    };
    keys.into_iter().flat_map(wrong).collect()
}

#[cfg(test)]
mod tests {
    use indexmap::IndexMap;

    use super::*;

    #[test]
    fn a_proxy_is_known_by_its_arguments() {
        let of = |argv: &[&str]| {
            let argv: Vec<String> = argv.iter().map(|word| (*word).to_owned()).collect();
            of_a_proxy(&argv).map(|layout| layout.root().to_owned())
        };
        let root = Path::new("/srv/state/shop/production").to_owned();
        let directory = Layout::at(&root).proxy().display().to_string();
        assert_eq!(of(&["/opt/windlass", "proxy", &directory, "--access-log", "x"]), Some(root.clone()));
        assert_eq!(of(&["/opt/windlass", "keeper", &format!("{directory}/keeper")]), Some(root));
        assert_eq!(of(&["/opt/windlass", "keeper", "/srv/state/shop/production/host/keeper"]), None);
        assert_eq!(of(&["/opt/windlass", "host", &directory]), None);
        assert_eq!(of(&["proxy", "proxy", "/etc/other"]), None);
        assert_eq!(of(&["nginx"]), None);
    }

    const MANIFEST: &str = r#"
        [app]
        name = "shop"

        [services.web]
        command = "sleep 1000"
        limits = { cpu = 0.5, memory = "64MiB", files = 1024 }

        [jobs.migrate]
        command = "true"
        limits = { cpu = 1, files = 1025 }
    "#;

    fn lacking_where_cpu_is_held_by(cpu: By) -> Vec<String> {
        let (manifest, diags) = windlass_core::manifest::load(MANIFEST);
        assert_eq!(diags, []);
        let settings = IndexMap::new();
        let spec = windlass_core::resolve::resolve(&manifest.unwrap(), "local", &settings).unwrap();
        let here = Capabilities {
            cpu,
            memory: By::Each { limit: "RLIMIT_DATA" },
            files: By::Each { limit: "RLIMIT_NOFILE" },
            files_max: Some(1024),
            processes: By::Account { limit: "RLIMIT_NPROC" },
        };
        held(&spec, &here).into_iter().map(|lack| format!("{}: {}", lack.at.join("."), lack.what)).collect()
    }

    #[test]
    fn a_limit_that_nothing_holds_is_refused() {
        let too_many = "jobs.migrate.limits.files: the files limit of jobs.migrate cannot be held here: it is more than \
                        this account may allow";
        let no_group = "cannot be held here: no control group can be made here";
        assert_eq!(
            lacking_where_cpu_is_held_by(By::Nothing {
                why: "no control group can be made here",
                remedy: ""
            }),
            [
                format!("services.web.limits.cpu: the cpu limit of services.web {no_group}"),
                format!("jobs.migrate.limits.cpu: the cpu limit of jobs.migrate {no_group}"),
                too_many.to_owned(),
            ]
        );
        assert_eq!(lacking_where_cpu_is_held_by(By::ControlGroup { version: 2 }), [too_many]);
    }
}
