//! A unit of systemd that starts the host side.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use windlass_core::name::Name;

use super::entry::run;
use crate::account::{Account, is_root};
use crate::layout::{self, make_dir};

/// Whose systemd it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whose {
    /// The system's.
    System,
    /// The account's own, which lingers: it runs from the machine's start on, whether or not somebody
    /// logs in.
    Account,
}

/// Where a unit stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    directory: PathBuf,
    name: String,
    pub(super) whose: Whose,
    /// Another file system's systemd than the one that runs.
    offline: Option<PathBuf>,
}

impl Place {
    /// The file.
    pub(super) fn unit(&self) -> PathBuf {
        self.directory.join(&self.name)
    }

    /// The place of a unit whose file is known.
    pub(super) fn of(unit: &Path, whose: Whose, app: &Name, environment: &Name) -> Self {
        let directory = unit.parent().unwrap_or(Path::new("/")).to_owned();
        Self { directory, name: name(app, environment), whose, offline: None }
    }

    fn systemctl(&self, arguments: &[&str]) -> Result<String, String> {
        let root = self.offline.as_ref().map(|root| format!("--root={}", root.display()));
        let which = match (&root, self.whose) {
            (Some(root), _) => Some(root.as_str()),
            (None, Whose::Account) => Some("--user"),
            (None, Whose::System) => None,
        };
        let arguments: Vec<&str> = which.into_iter().chain(arguments.iter().copied()).collect();
        run("systemctl", &arguments, None)
    }
}

fn name(app: &Name, environment: &Name) -> String {
    format!("windlass-{app}-{environment}.service")
}

/// Where a unit can be put; `None` where systemd does not run this machine, or not for this account.
pub(super) fn place(app: &Name, environment: &Name) -> Option<Place> {
    if !Path::new("/run/systemd/system").is_dir() {
        return None;
    }
    let name = name(app, environment);
    if is_root() {
        let directory = PathBuf::from("/etc/systemd/system");
        return Some(Place { directory, name, whose: Whose::System, offline: None });
    }
    let runs =
        std::env::var_os("XDG_RUNTIME_DIR").is_some_and(|dir| Path::new(&dir).join("systemd").is_dir());
    let config = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|dir| dir.is_absolute());
    let config = config.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".config")))?;
    let directory = config.join("systemd/user");
    runs.then_some(Place { directory, name, whose: Whose::Account, offline: None })
}

/// The unit's text.
///
/// The unit only starts the host side, which starts everything else; all of it then lives in the
/// unit's control group, where its limits are made (`Delegate`) and where it is asked to end when the
/// machine goes down. That something in it was killed for its memory is the host side's to mend.
pub(super) fn unit(app: &Name, environment: &Name, whose: Whose, program: &str, root: &str) -> String {
    let (network, target) = match whose {
        Whose::System => ("Wants=network-online.target\nAfter=network-online.target\n", "multi-user.target"),
        // The account's systemd does not know the machine's network.
        Whose::Account => ("", "default.target"),
    };
    format!(
        "# Written by `windlass host enable`; `windlass host disable` takes it away.\n\
         [Unit]\n\
         Description={app} ({environment}), kept by Windlass\n\
         {network}RequiresMountsFor={root}\n\
         \n\
         [Service]\n\
         Type=oneshot\n\
         RemainAfterExit=yes\n\
         ExecStart={program} host start {root}\n\
         Delegate=yes\n\
         TasksMax=infinity\n\
         OOMPolicy=continue\n\
         TimeoutStopSec=120\n\
         \n\
         [Install]\n\
         WantedBy={target}\n"
    )
}

/// Puts the unit in its place and has it start with the machine. Whether anything had to be done.
pub(super) fn install(place: &Place, text: &str) -> Result<bool, String> {
    let file = place.unit();
    let as_it_should_be = std::fs::read_to_string(&file).is_ok_and(|found| found == text);
    let enabled = || place.systemctl(&["is-enabled", &place.name]).is_ok();
    if as_it_should_be && enabled() {
        return Ok(false);
    }
    make_dir(&place.directory, 0o755)
        .and_then(|()| layout::replace_file(&file, text.as_bytes(), 0o644))
        .map_err(|error| format!("{} cannot be written: {error}", file.display()))?;
    if place.offline.is_none() {
        place.systemctl(&["daemon-reload"])?;
    }
    place.systemctl(&["enable", &place.name])?;
    if place.whose == Whose::Account && place.offline.is_none() {
        linger()?;
    }
    Ok(true)
}

/// Has the account's systemd run without a login, which may never come.
fn linger() -> Result<(), String> {
    // By its name: without one it is that of the login session, and a shell of sudo or cron has none.
    let number = rustix::process::getuid().as_raw().to_string();
    let account = Account::named(&number).ok().flatten().map_or(number, |account| account.name);
    if Path::new("/var/lib/systemd/linger").join(&account).exists() {
        return Ok(());
    }
    run("loginctl", &["enable-linger", &account], None).map(drop).map_err(|error| {
        format!(
            "{error}; this account may not start things with the machine: have root run `loginctl enable-linger {account}`, and call again"
        )
    })
}

/// Takes the unit away; what it started goes on. Whether anything had to be done. That the account
/// lingers is left as it is: it may do so for others.
pub(super) fn remove(place: &Place) -> Result<bool, String> {
    let file = place.unit();
    if !file.exists() {
        return Ok(false);
    }
    place.systemctl(&["disable", &place.name])?;
    std::fs::remove_file(&file).map_err(|error| format!("{} cannot be removed: {error}", file.display()))?;
    if place.offline.is_none() {
        place.systemctl(&["daemon-reload"])?;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> (Name, Name) {
        (Name::new("shop").unwrap(), Name::new("production").unwrap())
    }

    #[test]
    fn the_unit_starts_the_host_side_and_nothing_else() {
        let (app, environment) = names();
        let text = unit(&app, &environment, Whose::System, "/usr/local/bin/windlass", "/srv/shop/production");
        assert_eq!(
            text,
            "# Written by `windlass host enable`; `windlass host disable` takes it away.\n\
             [Unit]\n\
             Description=shop (production), kept by Windlass\n\
             Wants=network-online.target\n\
             After=network-online.target\n\
             RequiresMountsFor=/srv/shop/production\n\
             \n\
             [Service]\n\
             Type=oneshot\n\
             RemainAfterExit=yes\n\
             ExecStart=/usr/local/bin/windlass host start /srv/shop/production\n\
             Delegate=yes\n\
             TasksMax=infinity\n\
             OOMPolicy=continue\n\
             TimeoutStopSec=120\n\
             \n\
             [Install]\n\
             WantedBy=multi-user.target\n"
        );
    }

    /// systemd's own programs read the unit and enable it, in a file system of the test's own: nothing
    /// of it needs systemd to run this machine.
    #[test]
    fn systemd_takes_the_unit_enables_it_and_lets_it_go() {
        let runs = |program: &str, arguments: &[&str]| run(program, arguments, None).is_ok();
        if !runs("systemctl", &["--version"]) || !runs("systemd-analyze", &["--version"]) {
            eprintln!("SKIPPED: systemd's programs are not installed");
            return;
        }
        let (app, environment) = names();
        let root = tempfile::tempdir().unwrap();
        let program = std::env::current_exe().unwrap();
        for whose in [Whose::System, Whose::Account] {
            let place = Place {
                directory: root.path().join("etc/systemd/system"),
                name: name(&app, &environment),
                whose,
                offline: Some(root.path().to_owned()),
            };
            let text = unit(&app, &environment, whose, program.to_str().unwrap(), "/srv");
            assert_eq!(install(&place, &text), Ok(true));
            assert_eq!(install(&place, &text), Ok(false), "it is as it should be");
            let target = if whose == Whose::System { "multi-user" } else { "default" };
            let link = root.path().join(format!("etc/systemd/system/{target}.target.wants/{}", place.name));
            assert!(link.is_symlink(), "{} is not there", link.display());
            let said = run("systemd-analyze", &["verify", "--man=no", place.unit().to_str().unwrap()], None);
            assert_eq!(said.as_deref(), Ok(""), "systemd has something to say about {text}");
            assert_eq!(remove(&place), Ok(true));
            assert_eq!(remove(&place), Ok(false));
            assert!(!link.is_symlink() && !place.unit().exists());
        }
    }
}
