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
    pub(super) fn of(unit: &Path, whose: Whose) -> Self {
        let directory = unit.parent().unwrap_or(Path::new("/")).to_owned();
        let name = unit.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self { directory, name, whose, offline: None }
    }

    /// Starts the unit, which starts a host side only where none is: one that was never started has nothing to
    /// stop when the machine goes down.
    fn begin(&self) -> Result<(), String> {
        match self.offline {
            Some(_) => Ok(()),
            None => self.systemctl(&["start", "--no-block", &self.name]).map(drop),
        }
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

/// What the unit of the environment in `root` is called. Another one's may be called the same, be it that of the
/// application `shop-eu` beside this one's environment `eu-...`, or in another home of Windlass: then this
/// one's name says which it is.
fn name(directory: &Path, app: &Name, environment: &Name, root: &str) -> String {
    let plain = format!("windlass-{app}-{environment}.service");
    let hash = blake3::hash(root.as_bytes()).to_hex();
    let own = format!("windlass-{app}-{environment}-{}.service", &hash[..8]);
    // One that it has stays its unit when the other environment is gone: two would start it, and one of them be
    // forgotten.
    if starts(&directory.join(&own), root) {
        return own;
    }
    let unit = directory.join(&plain);
    if !unit.exists() || starts(&unit, root) { plain } else { own }
}

/// Whether a unit starts the environment in this directory.
pub(super) fn starts(unit: &Path, root: &str) -> bool {
    let ours = format!(" host start {root}");
    let text = std::fs::read_to_string(unit).unwrap_or_default();
    text.lines().any(|line| line.starts_with("ExecStart=") && line.ends_with(&ours))
}

/// Where a unit can be put; `None` where systemd does not run this machine, or not for this account.
pub(super) fn place(app: &Name, environment: &Name, root: &str) -> Option<Place> {
    if !Path::new("/run/systemd/system").is_dir() {
        return None;
    }
    if is_root() {
        let directory = PathBuf::from("/etc/systemd/system");
        let name = name(&directory, app, environment, root);
        return Some(Place { directory, name, whose: Whose::System, offline: None });
    }
    let runs =
        std::env::var_os("XDG_RUNTIME_DIR").is_some_and(|dir| Path::new(&dir).join("systemd").is_dir());
    let config = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|dir| dir.is_absolute());
    let config = config.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".config")))?;
    let directory = config.join("systemd/user");
    let name = name(&directory, app, environment, root);
    runs.then_some(Place { directory, name, whose: Whose::Account, offline: None })
}

/// The unit's text.
///
/// The unit only starts the host side, which starts everything else; all of it then lives in the
/// unit's control group, where its limits are made (`Delegate`). When the machine goes down it is ended in
/// order (`ExecStop`); what is left of it then is ended at once. That something in it was killed for its memory is the host side's to mend.
pub(super) fn unit(app: &Name, environment: &Name, whose: Whose, program: &str, root: &str) -> String {
    let (network, target) = match whose {
        // Not after the clock is set: where no time server can be reached that would keep everything down.
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
         ExecStop={program} host halt {root}\n\
         Delegate=yes\n\
         TasksMax=infinity\n\
         OOMPolicy=continue\n\
         TimeoutStopSec=300\n\
         \n\
         [Install]\n\
         WantedBy={target}\n"
    )
}

/// Puts the unit in its place and has it start with the machine. Whether anything had to be done.
pub(super) fn install(place: &Place, text: &str) -> Result<bool, String> {
    // Also for a unit that is there: the call before may have failed at this.
    if place.whose == Whose::Account && place.offline.is_none() {
        linger()?;
    }
    let file = place.unit();
    let as_it_should_be = std::fs::read_to_string(&file).is_ok_and(|found| found == text);
    let enabled = || place.systemctl(&["is-enabled", &place.name]).is_ok();
    if as_it_should_be && enabled() {
        return place.begin().map(|()| false);
    }
    make_dir(&place.directory, 0o755)
        .and_then(|()| layout::replace_file(&file, text.as_bytes(), 0o644))
        .map_err(|error| format!("{} cannot be written: {error}", file.display()))?;
    if place.offline.is_none() {
        place.systemctl(&["daemon-reload"])?;
    }
    place.systemctl(&["enable", &place.name])?;
    place.begin().map(|()| true)
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

/// Takes the unit of the environment in `root` away; what it started goes on. Whether anything had to be done. That the account
/// lingers is left as it is: it may do so for others.
pub(super) fn remove(place: &Place, root: &str) -> Result<bool, String> {
    let file = place.unit();
    if !starts(&file, root) {
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
    fn the_unit_starts_the_host_side_and_ends_everything() {
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
             ExecStop=/usr/local/bin/windlass host halt /srv/shop/production\n\
             Delegate=yes\n\
             TasksMax=infinity\n\
             OOMPolicy=continue\n\
             TimeoutStopSec=300\n\
             \n\
             [Install]\n\
             WantedBy=multi-user.target\n"
        );
    }

    #[test]
    fn two_environments_whose_names_read_the_same_have_a_unit_each() {
        let place = tempfile::tempdir().unwrap();
        let name_of = |app: &str, environment: &str, root: &str| {
            name(place.path(), &Name::new(app).unwrap(), &Name::new(environment).unwrap(), root)
        };
        let first = name_of("shop", "eu-prod", "/w/shop/eu-prod");
        assert_eq!(first, "windlass-shop-eu-prod.service");
        let (app, environment) = names();
        let text = unit(&app, &environment, Whose::System, "/usr/bin/windlass", "/w/shop/eu-prod");
        std::fs::write(place.path().join(&first), text).unwrap();
        assert_eq!(name_of("shop", "eu-prod", "/w/shop/eu-prod"), first, "its own");
        let second = name_of("shop-eu", "prod", "/w/shop-eu/prod");
        assert!(second != first && second.starts_with("windlass-shop-eu-prod-"), "{second}");
        let text = unit(&app, &environment, Whose::System, "/usr/bin/windlass", "/w/shop-eu/prod");
        std::fs::write(place.path().join(&second), text).unwrap();
        assert!(starts(&place.path().join(&first), "/w/shop/eu-prod"));
        assert!(!starts(&place.path().join(&first), "/shop/eu-prod"));
        std::fs::remove_file(place.path().join(&first)).unwrap();
        assert_eq!(name_of("shop-eu", "prod", "/w/shop-eu/prod"), second, "it stays the only one");
    }

    /// systemd's own programs read the unit and enable it, in a file system of the test's own: nothing
    /// of it needs systemd to run this machine.
    #[test]
    fn systemd_takes_the_unit_enables_it_and_lets_it_go() {
        let runs = |program: &str, arguments: &[&str]| run(program, arguments, None).is_ok();
        if !runs("systemctl", &["--version"]) || !runs("systemd-analyze", &["--version"]) {
            let test = "systemd_takes_the_unit_enables_it_and_lets_it_go";
            return windlass_testkit::machine::lacks(test, "systemd's programs are not installed");
        }
        let (app, environment) = names();
        let root = tempfile::tempdir().unwrap();
        let program = std::env::current_exe().unwrap();
        for whose in [Whose::System, Whose::Account] {
            let place = Place {
                directory: root.path().join("etc/systemd/system"),
                name: name(root.path(), &app, &environment, "/srv"),
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
            assert_eq!(remove(&place, "/elsewhere"), Ok(false));
            assert_eq!(remove(&place, "/srv"), Ok(true));
            assert_eq!(remove(&place, "/srv"), Ok(false));
            assert!(!link.is_symlink() && !place.unit().exists());
        }
    }
}
