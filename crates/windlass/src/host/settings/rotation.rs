//! Values of settings that come and go while everything runs.

use std::borrow::Cow;
use std::fs;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use windlass_core::journal::Fault;
use windlass_core::name::ReleaseId;
use windlass_core::plan::Plan;
use windlass_core::resolve::setting_of;
use windlass_core::settings::Secret;

use crate::host::Host;
use crate::host::settings::in_use::{self, Given};
use crate::host::settings::values;
use crate::layout::{self, Layout};
use crate::settings::Redactor;
use crate::wiped::to_json;

/// Two values of a setting. Never shown.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::host) struct Pair {
    pub(in crate::host) old: String,
    pub(in crate::host) new: String,
}

impl Pair {
    /// The same for going back.
    pub(in crate::host) fn exchanged(mut self) -> Self {
        std::mem::swap(&mut self.old, &mut self.new);
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
        let written = self.0.parent().map_or(Ok(()), |above| layout::make_dir(above, 0o700)).and_then(|()| {
            let text = to_json(pair)?;
            layout::replace_file(&self.0, &text, 0o600)
        });
        written.map_err(|error| self.fault("written", &error))
    }

    pub(in crate::host) fn read(&self) -> Result<Option<Pair>, Fault> {
        match fs::read(&self.0).map(zeroize::Zeroizing::new) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            read => read
                .and_then(|text| serde_json::from_slice(&text).map_err(io::Error::other))
                .map(Some)
                .map_err(|error| self.fault("read", &error)),
        }
    }

    pub(in crate::host) fn forget(&self) -> Result<(), Fault> {
        match fs::remove_file(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.fault("removed", &error)),
            _ => Ok(()),
        }
    }

    fn fault(&self, how: &str, error: &io::Error) -> Fault {
        Fault::new(format!("{} cannot be {how}: {error}", self.0.display()), "see that file")
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

impl Host {
    /// The value of a setting before a plan's release, and its own.
    pub(in crate::host) fn pair(&self, plan: &Plan, setting: &str) -> Result<Pair, Fault> {
        let of = |release: Option<ReleaseId>| {
            let values = release.and_then(|release| values::read(&self.layout, release).ok());
            let value = values.and_then(|mut values| values.0.shift_remove(setting));
            value.ok_or_else(|| {
                let release = release.map(|release| release.to_string()).unwrap_or_default();
                Fault::new(format!("{release} has no value of {setting}"), "see the directory state/settings")
            })
        };
        Ok(Pair { old: of(plan.previous)?, new: of(Some(plan.release))? })
    }

    /// The pair with the value that a release runs with as the new one.
    pub(in crate::host) fn with_new_of(&self, mut pair: Pair, release: ReleaseId, setting: &str) -> Pair {
        let values = values::read(&self.layout, release).ok();
        if let Some(value) = values.and_then(|mut values| values.0.shift_remove(setting)) {
            zeroize::Zeroize::zeroize(&mut pair.new);
            pair.new = value;
        }
        pair
    }

    /// Refuses to take away what the active release runs with.
    pub(in crate::host) fn refuse_in_force(&self, setting: &str, value: &str) -> Result<(), Fault> {
        let active = self.journal.borrow().active().ok().flatten();
        let values = active.and_then(|active| values::read(&self.layout, active.release.id).ok());
        match values.and_then(|values| values.0.get(setting).map(|kept| kept == value)) {
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
        in_use::until_unused(&what, || self.given(setting, value)).await
    }

    /// What runs and was given the value.
    fn given(&self, setting: &str, value: &str) -> Vec<String> {
        let Some(key) = values::key(&self.layout) else { return Vec::new() };
        let fingerprint = Secret::new(value).fingerprint(&key.0);
        let had = |release: ReleaseId| {
            self.settings(release).get(setting).is_some_and(|setting| setting.fingerprint == fingerprint)
        };
        // A short one turns up by chance; a longer one in the forms that it has inside of others.
        let mask = Redactor::new([value]);
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
