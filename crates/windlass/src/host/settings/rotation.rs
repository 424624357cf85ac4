//! Values of settings that come and go while everything runs.

use std::borrow::Cow;
use std::fs;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use windlass_core::journal::Fault;
use windlass_core::name::ReleaseId;
use windlass_core::plan::Plan;
use windlass_core::protocol::FingerprintKey;
use windlass_core::resolve::setting_of;
use windlass_core::settings::Secret;

use crate::checksummed;
use crate::host::Host;
use crate::host::settings::in_use::{self, Given};
use crate::host::settings::values;
use crate::layout::{self, Layout};
use crate::settings::Redactor;

/// Two values of a setting. Never shown.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::host) struct Pair {
    pub(in crate::host) old: String,
    pub(in crate::host) new: String,
    /// The URLs that the application signs in by with each, where the setting is the password alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::host) urls: Option<Urls>,
}

/// Two URLs of an application. Never shown.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::host) struct Urls {
    pub(in crate::host) old: String,
    pub(in crate::host) new: String,
}

impl Drop for Urls {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.old);
        zeroize::Zeroize::zeroize(&mut self.new);
    }
}

impl Pair {
    /// The same for going back.
    pub(in crate::host) fn exchanged(mut self) -> Self {
        std::mem::swap(&mut self.old, &mut self.new);
        if let Some(urls) = &mut self.urls {
            std::mem::swap(&mut urls.old, &mut urls.new);
        }
        self
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.old);
        zeroize::Zeroize::zeroize(&mut self.new);
    }
}

/// The record of a value that is to be revoked: 0600, there until it is. The release that ran with it
/// may be forgotten before.
pub(in crate::host) struct Owed(PathBuf);

impl Owed {
    pub(in crate::host) fn new(layout: &Layout, setting: &str, of: ReleaseId) -> Self {
        Self(directory(layout).join(format!("{setting}.{of}")))
    }

    pub(in crate::host) fn keep(&self, pair: &Pair) -> Result<(), Fault> {
        let above = self.0.parent().map_or(Ok(()), |above| layout::make_dir(above, 0o700));
        above
            .and_then(|()| checksummed::write(&self.0, pair))
            .map_err(|error| self.fault("written", &error, "see that file"))
    }

    pub(in crate::host) fn read(&self) -> Result<Option<Pair>, Fault> {
        let hint = "restore it from a backup; or take the old value away at its source yourself, and remove the file";
        checksummed::read(&self.0).map_err(|error| self.fault("read", &error, hint))
    }

    pub(in crate::host) fn forget(&self) -> Result<(), Fault> {
        match fs::remove_file(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(self.fault("removed", &error, "see that file"))
            }
            _ => Ok(()),
        }
    }

    fn fault(&self, how: &str, error: &io::Error, hint: &str) -> Fault {
        Fault::new(format!("{} cannot be {how}: {error}", self.0.display()), hint)
    }
}

fn directory(layout: &Layout) -> PathBuf {
    layout.state().join("unrevoked")
}

/// What rotations could not revoke: settings, each with the release that brought another value.
pub(crate) fn unrevoked(layout: &Layout) -> Vec<(String, ReleaseId)> {
    let entries = fs::read_dir(directory(layout)).into_iter().flatten().flatten();
    let mut found: Vec<_> = entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let (setting, release) = name.rsplit_once('.')?;
            Some((setting.to_owned(), release.parse().ok()?))
        })
        .filter(|(setting, _)| !setting.is_empty() && !setting.starts_with('.'))
        .collect();
    found.sort();
    found
}

fn unreadable(error: &io::Error) -> Fault {
    Fault::new(format!("the settings cannot be read: {error}"), "")
}

impl Host {
    /// The value of a setting before a plan's release, and its own.
    pub(in crate::host) fn pair(&self, plan: &Plan, setting: &str) -> Result<Pair, Fault> {
        let of = |release: Option<ReleaseId>| {
            let values = release
                .map(|release| values::read(&self.layout, release).map_err(|error| unreadable(&error)))
                .transpose()?;
            let value = values.and_then(|mut values| values.0.shift_remove(setting));
            value.ok_or_else(|| {
                let release = release.map(|release| release.to_string()).unwrap_or_default();
                Fault::new(format!("{release} has no value of {setting}"), "see the directory state/settings")
            })
        };
        Ok(Pair { old: of(plan.previous)?, new: of(Some(plan.release))?, urls: None })
    }

    /// The pair with the value that a release runs with as the new one.
    pub(in crate::host) fn with_new_of(
        &self,
        mut pair: Pair,
        release: ReleaseId,
        setting: &str,
    ) -> Result<Pair, Fault> {
        let mut values = values::read(&self.layout, release).map_err(|error| unreadable(&error))?;
        if let Some(value) = values.0.shift_remove(setting) {
            zeroize::Zeroize::zeroize(&mut pair.new);
            pair.new = value;
        }
        Ok(pair)
    }

    /// Refuses to take away what the active release runs with.
    pub(in crate::host) fn refuse_in_force(&self, setting: &str, value: &str) -> Result<(), Fault> {
        let active = self.journal.borrow().active();
        let active = active.map_err(|error| Fault::new(error.to_string(), ""))?;
        // What cannot be read may be just that value.
        let values = active
            .map(|active| values::read(&self.layout, active.release.id).map_err(|error| unreadable(&error)));
        match values.transpose()?.and_then(|values| values.0.get(setting).map(|kept| kept == value)) {
            Some(true) => Err(Fault::new(
                format!("that value of {setting} is in force, and stays"),
                "please report this",
            )),
            _ => Ok(()),
        }
    }

    /// Waits until nothing that runs was given the value: a cron job or a command that began before may
    /// still work with it.
    pub(in crate::host) async fn until_not_given(&self, setting: &str, value: &str) -> Result<String, Fault> {
        let what = format!("the value of {setting}");
        // Where there is no key, nothing was ever given.
        let Some(key) = values::key(&self.layout).map_err(|error| unreadable(&error))? else {
            return Ok(String::new());
        };
        in_use::until_unused(&what, || self.given(setting, value, &key)).await
    }

    /// What runs and was given the value.
    fn given(&self, setting: &str, value: &str, key: &FingerprintKey) -> Vec<String> {
        let fingerprint = Secret::new(value).fingerprint(&key.0);
        let had = |release: ReleaseId| {
            self.settings(release).get(setting).is_some_and(|setting| setting.fingerprint == fingerprint)
        };
        // A short one turns up by chance; a longer one in the forms that it has inside of others.
        let mask = Redactor::of_whole(value);
        let holds = |part: &[u8]| {
            part == value.as_bytes() || matches!(mask.redact(&String::from_utf8_lossy(part)), Cow::Owned(_))
        };
        self.users(&Given {
            wanted: &|reference| setting_of(reference) == Some(setting),
            by_instance: &|identity| had(identity.id.release),
            by_release: &had,
            holds: &holds,
            is_unmistakable: false,
        })
    }
}
