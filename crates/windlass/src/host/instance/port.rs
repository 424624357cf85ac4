//! The port of a copy: chosen, and its own only if what listens there is the copy's.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use windlass_core::journal::Fault;
use windlass_core::launch::ProcessState;
use windlass_core::name::InstanceId;
use windlass_core::spec::Port;

use crate::account::{self, Account};
use crate::host::Host;
use crate::host::instance::astray::Astray;
use crate::host::instance::identity::Identity;
use crate::host::instance::lifecycle::lives;
use crate::host::preflight::machine::port_of_another;
use crate::host::world::Sent;
use crate::keeper::tree;
use crate::ports::{self, Holder};
use crate::processes;
use crate::runtime::process;

/// What listens for containers, some of them long before there is one.
const FORWARDERS: [&str; 7] =
    ["docker-proxy", "dockerd", "rootlesskit", "rootlessport", "conmon", "slirp4netns", "pasta"];

/// Who answers whoever asks at a copy's port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::host) enum Listener {
    /// Nobody, or the system does not say.
    Nobody,
    /// A process of the copy's.
    Own,
    /// One that is no process of the copy's as far as can be seen, and came when it had been started: a
    /// container's port is listened on by the container's own program.
    Untold(Holder),
    /// One that was there before the copy, or belongs to another.
    Another(Holder),
}

/// What is known of a copy's processes.
struct Kin<'d> {
    directory: &'d Path,
    /// Its process with its start, in clock ticks since boot, while it runs.
    process: Option<(i32, u64)>,
    /// Whatever forks in a session of its own, and whose parent ends, is this one's child.
    keeper: Option<i32>,
    account: String,
}

impl<'d> Kin<'d> {
    /// Of the copy in this directory, whose service runs as `user`.
    fn of(directory: &'d Path, user: Option<&str>) -> Self {
        let seen = process::observe(directory);
        let keeper = seen.as_ref().filter(|seen| seen.keeper_alive);
        let keeper = keeper.and_then(|seen| Some(seen.status.as_ref()?.keeper));
        let process = seen.filter(|seen| seen.process_alive).and_then(|seen| match seen.status?.state {
            ProcessState::Running { pid, start_ticks } => Some((pid, start_ticks)),
            _ => None,
        });
        let user = user.map_or_else(|| rustix::process::geteuid().as_raw().to_string(), str::to_owned);
        Self { directory, process, keeper, account: account::name(&user) }
    }

    /// Whom to look at first.
    fn own(&self) -> Vec<i32> {
        self.process.iter().map(|(pid, _)| *pid).collect()
    }

    fn judge(&self, by: Holder) -> Listener {
        let came_with_it = match &by {
            Holder::Process { pid, .. } if self.is_its(*pid) => return Listener::Own,
            Holder::Process { pid, name } => {
                !tree::is_of_any(*pid) && (self.is_no_older(*pid) || FORWARDERS.contains(&name.as_str()))
            }
            // In most containers not even root may see what a process of another account has open.
            Holder::Of(account) if *account == self.account => return Listener::Own,
            Holder::Of(account) => self.may_have_come(account),
        };
        if came_with_it { Listener::Untold(by) } else { Listener::Another(by) }
    }

    fn is_its(&self, pid: i32) -> bool {
        let parent = |pid: &i32| processes::stat(*pid).map(|stat| stat.parent).filter(|parent| *parent > 1);
        let is_known = |pid: i32| self.process.is_some_and(|(own, _)| own == pid) || self.keeper == Some(pid);
        // Some write over the environment that they were started with.
        std::iter::successors(Some(pid), parent).any(|pid| is_known(pid) || tree::is_of(pid, self.directory))
    }

    /// Where any process of its listens.
    fn listens(&self) -> Vec<SocketAddr> {
        let its: Vec<i32> = processes::all().into_iter().filter(|pid| self.is_its(*pid)).collect();
        ports::listened_at(&its)
    }

    fn is_no_older(&self, pid: i32) -> bool {
        let start = processes::stat(pid).map(|stat| stat.start_ticks);
        self.process.is_some_and(|(_, own)| start.is_some_and(|start| start >= own))
    }

    /// Whether any process of an account came when this one had been started; where none is seen, nobody knows.
    fn may_have_come(&self, account: &str) -> bool {
        let uid = Account::named(account).ok().flatten().map(|account| account.uid);
        let Some(uid) = uid.or_else(|| account.parse().ok()) else { return self.process.is_some() };
        let is_its = |pid: &i32| std::fs::metadata(format!("/proc/{pid}")).is_ok_and(|of| of.uid() == uid);
        let mut its = processes::all().into_iter().filter(is_its).peekable();
        self.process.is_some() && (its.peek().is_none() || its.any(|pid| self.is_no_older(pid)))
    }
}

/// Of several who share a port all have to be the copy's: each of them would get some of the requests.
fn of_all(all: impl Iterator<Item = Listener>) -> Listener {
    all.fold(Listener::Nobody, |so_far, next| match (so_far, next) {
        (another @ Listener::Another(_), _) | (_, another @ Listener::Another(_)) => another,
        (Listener::Own, Listener::Untold(by)) | (Listener::Untold(by), Listener::Own) => {
            Listener::Another(by)
        }
        (Listener::Nobody, next) => next,
        (so_far, _) => so_far,
    })
}

impl Host {
    /// Who listens on the port of a copy, if it has one.
    pub(in crate::host) fn listener(&self, identity: &Identity) -> Listener {
        let Some(port) = identity.port else { return Listener::Nobody };
        let directory = self.layout.instance(&identity.id);
        let kin = Kin::of(&directory, identity.service.user.as_deref());
        let holders = ports::answering(port, &kin.own());
        of_all(holders.into_iter().map(|by| kin.judge(by)))
    }

    /// Who has the port of a copy that is not ready, so that it cannot be; as far as can be told. A port that was
    /// chosen may be that of somebody's connection, where all ports are handed out for these.
    pub(super) fn rival(&self, identity: &Identity) -> Option<Holder> {
        let another = |listener| match listener {
            Listener::Another(by) => Some(by),
            _ => None,
        };
        let listens = another(self.listener(identity));
        if listens.is_some() || matches!(identity.service.port, Some(Port::Fixed(_))) {
            return listens;
        }
        let directory = self.layout.instance(&identity.id);
        let kin = Kin::of(&directory, identity.service.user.as_deref());
        let occupants = ports::occupants(identity.port?, &kin.own());
        occupants.into_iter().find_map(|by| another(kin.judge(by)))
    }

    /// Where a copy that is not ready listens instead of at its port, as far as can be told.
    pub(super) fn astray(&self, identity: &Identity) -> Option<Astray> {
        let directory = self.layout.instance(&identity.id);
        let at = Kin::of(&directory, identity.service.user.as_deref()).listens();
        Astray::of(identity.port?, at)
    }

    pub(super) fn choose_port(&self, port: Port) -> Result<u16, Fault> {
        if let Port::Fixed(port) = port {
            return Ok(port);
        }
        let taken: Vec<u16> =
            Identity::all(&self.layout).unwrap_or_default().into_iter().filter_map(|i| i.port).collect();
        let port = ports::free(1, &taken).map(|ports| ports[0]);
        port.map_err(|error| Fault::new(error.to_string(), "stop what uses them"))
    }

    /// A copy as it can be started: where its port was chosen, and somebody has taken it since, with another. Not where the
    /// proxy was told of the one that it has.
    pub(super) fn at_a_free_port<'i>(&self, identity: &'i Identity) -> Result<Cow<'i, Identity>, Fault> {
        match (identity.service.port, identity.port) {
            (Some(Port::Automatic), Some(port))
                if !lives(&self.layout.instance(&identity.id))
                    && ports::is_taken(port)
                    && !self.gets_requests(&identity.id) =>
            {
                self.at_another_port(identity).map(Cow::Owned)
            }
            _ => Ok(Cow::Borrowed(identity)),
        }
    }

    /// Whether the proxy was told where the copy listens.
    pub(super) fn gets_requests(&self, id: &InstanceId) -> bool {
        Sent::read(&self.layout).is_some_and(|sent| sent.names(id))
    }

    /// Chooses another port for a copy that does not run.
    fn at_another_port(&self, identity: &Identity) -> Result<Identity, Fault> {
        let moved = Identity { port: Some(self.choose_port(Port::Automatic)?), ..identity.clone() };
        moved.write(&self.layout).map_err(|error| {
            let what = format!("{}: its description cannot be written: {error}", identity.id);
            Fault::new(what, "free some disk space")
        })?;
        Ok(moved)
    }

    /// Stops a copy whose port somebody else has, and starts it at another. Answers its port.
    pub(super) async fn move_away(&self, id: &InstanceId) -> Result<Option<u16>, Fault> {
        let directory = self.layout.instance(id);
        let identity = Identity::read(&directory)
            .map_err(|error| Fault::new(format!("{id} cannot be described: {error}"), ""))?;
        let stop = &identity.service.stop;
        process::stop(&directory, &stop.signal, stop.grace).await.map_err(|error| {
            Fault::new(format!("{id} cannot be stopped: {error}"), error.hint().unwrap_or_default())
        })?;
        self.start_instance(&self.at_another_port(&identity)?).await?;
        // It may have had to move once more.
        Ok(Identity::read(&directory).ok().and_then(|identity| identity.port))
    }
}

/// That somebody else has the port of a copy, and what to do.
pub(in crate::host) fn taken_by(identity: &Identity, by: &Holder) -> (String, String) {
    let port = identity.port.unwrap_or_default();
    let service = identity.id.service.as_str();
    match identity.service.port {
        Some(Port::Fixed(_)) => port_of_another(service, port, Some(by)),
        _ => (
            format!("something else has port {port}, which was chosen for {}: {by}", identity.id),
            "deploy again: another port is chosen each time".to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whom_nobody_may_look_at_is_told_by_his_account_and_by_when_he_can_have_come() {
        let place = tempfile::tempdir().unwrap();
        let own = account::name(&rustix::process::geteuid().as_raw().to_string());
        let me = processes::stat(std::process::id().cast_signed()).unwrap().start_ticks;
        for (by, user, began, is_another) in [
            ("nobody", Some("nobody"), None, false),
            ("root", Some("0"), None, false),
            (&own, None, None, false),
            // Nobody's has come since.
            ("daemon", Some("nobody"), None, true),
            (&own, Some("daemon"), Some(u64::MAX), true),
            // This very process has.
            (&own, Some("daemon"), Some(me), false),
        ] {
            let process = began.map(|began| (i32::MAX, began));
            let kin = Kin { process, ..Kin::of(place.path(), user) };
            let judged = kin.judge(Holder::Of(by.to_owned()));
            assert_eq!(matches!(judged, Listener::Another(_)), is_another, "{by} for {user:?}: {judged:?}");
        }
    }

    #[test]
    fn where_a_copy_listens_instead_of_at_its_port_is_seen() {
        let place = tempfile::tempdir().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let me = std::process::id().cast_signed();
        let of = |process| Kin { process, ..Kin::of(place.path(), None) }.listens();
        let start = processes::stat(me).unwrap().start_ticks;
        assert!(of(Some((me, start))).contains(&at));
        assert!(!of(None).contains(&at), "nobody's");
    }

    #[test]
    fn a_port_that_is_shared_with_somebody_is_not_the_copys_own() {
        let by = || Holder::Of("daemon".to_owned());
        let (untold, another) = (|| Listener::Untold(by()), || Listener::Another(by()));
        for (all, expected) in [
            (vec![], Listener::Nobody),
            (vec![Listener::Own, Listener::Own], Listener::Own),
            (vec![untold(), untold()], untold()),
            (vec![Listener::Own, untold()], another()),
            (vec![untold(), Listener::Own], another()),
            (vec![another(), Listener::Own], another()),
        ] {
            assert_eq!(of_all(all.clone().into_iter()), expected, "{all:?}");
        }
    }
}
