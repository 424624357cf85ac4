//! What masks secrets in what is shown and sent on. What cannot be masked, because the values are not known, is not
//! shown.

use std::collections::HashMap;
use std::io;
use std::rc::Rc;

use indexmap::IndexMap;
use windlass_core::name::{Name, ReleaseId};
use windlass_core::settings::{Member, Secret, members};
use windlass_core::spec::Setting;

use crate::host::Host;
use crate::host::settings::{masked, passed, values};
use crate::resource;
use crate::settings::Redactor;

/// Redactors that were made already.
#[derive(Default)]
pub(in crate::host) struct Masks {
    of_release: HashMap<ReleaseId, Rc<Redactor>>,
    /// Of all secrets that are known here, and the releases whose values it was made of.
    of_all: Option<(Vec<ReleaseId>, Rc<Redactor>)>,
}

/// Why something cannot be masked.
type Unmasked = String;

impl Host {
    /// What masks the values of a release's secret settings, the passwords of all resources, and what was
    /// forgotten lately.
    pub(in crate::host) fn redactor(&self, release: ReleaseId) -> Rc<Redactor> {
        if let Some(known) = self.masks.borrow().of_release.get(&release) {
            return known.clone();
        }
        let secrets = self.secrets_of(release).and_then(|mut secrets| {
            secrets.extend(self.lasting_secrets()?);
            Ok(secrets)
        });
        self.made(secrets, |masks, redactor| {
            masks.of_release.insert(release, redactor);
        })
    }

    /// What masks all secrets that are known here: a log goes back further than a release.
    pub(in crate::host) fn mask_of_all(&self) -> Rc<Redactor> {
        let releases = match values::releases(&self.layout) {
            Ok(releases) => releases,
            Err(error) => return Rc::new(refusing(&format!("state/settings cannot be read: {error}"))),
        };
        if let Some((of, known)) = &self.masks.borrow().of_all
            && *of == releases
        {
            return known.clone();
        }
        let secrets = self.lasting_secrets().and_then(|mut secrets| {
            for release in &releases {
                secrets.extend(self.secrets_of(*release)?);
            }
            Ok(secrets)
        });
        self.made(secrets, |masks, redactor| masks.of_all = Some((releases, redactor)))
    }

    /// Why the log of a release cannot be shown: its secrets are known to nobody any more.
    pub(in crate::host) fn unmasked(&self, release: ReleaseId) -> Option<Rc<Redactor>> {
        Some(self.redactor(release)).filter(|redactor| redactor.refusal().is_some())
    }

    /// Makes a redactor, and keeps it; not one that shows nothing, because it may be better the next time.
    fn made(
        &self,
        secrets: Result<Vec<Secret>, Unmasked>,
        keep: impl FnOnce(&mut Masks, Rc<Redactor>),
    ) -> Rc<Redactor> {
        match secrets {
            Ok(secrets) => {
                let redactor = Rc::new(Redactor::new(secrets.iter().map(Secret::expose)));
                keep(&mut self.masks.borrow_mut(), redactor.clone());
                redactor
            }
            Err(why) => Rc::new(refusing(&why)),
        }
    }

    /// The values of a release's secret settings.
    fn secrets_of(&self, release: ReleaseId) -> Result<Vec<Secret>, Unmasked> {
        let mut values = values::read(&self.layout, release)
            .map_err(|error| format!("the settings of {release} cannot be read: {error}"))?;
        let row = self.journal.borrow().release(release);
        let row = row.map_err(|error| format!("the journal cannot be read: {error}"))?;
        let settings = row.map_or_else(|| self.settings(release), |row| row.spec.settings);
        self.miss(release, &settings, |name| values.0.contains_key(name))?;
        let mut secrets = passed::secrets(&passed::take(&mut values));
        secrets.extend(masked_of(std::mem::take(&mut values.0), &settings));
        Ok(secrets)
    }

    /// Refuses where a secret of a release is not known, not even as one that was forgotten.
    fn miss(
        &self,
        release: ReleaseId,
        settings: &IndexMap<String, Setting>,
        is_known: impl Fn(&str) -> bool,
    ) -> Result<(), Unmasked> {
        let is_missing = |(name, setting): &(&String, &Setting)| {
            let has_value = setting.composed.is_none() && !setting.fingerprint.is_empty();
            setting.secret && has_value && !is_known(name)
        };
        let missing: Vec<(&String, &Setting)> = settings.iter().filter(is_missing).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let Some(key) = values::key(&self.layout).map_err(|error| error.to_string())? else {
            return Err(
                "the key of the fingerprints is gone, so that it is not known what to mask".to_owned()
            );
        };
        // Others may run with the same value, or it may be an empty one.
        let mut known = masked::read(&self.layout).map_err(|error| unreadable(&error))?;
        let releases = values::releases(&self.layout).unwrap_or_default();
        let of_others = releases.into_iter().filter_map(|other| values::read(&self.layout, other).ok());
        known.extend(
            of_others.flat_map(|mut values| std::mem::take(&mut values.0).into_values()).map(Secret::new),
        );
        known.push(Secret::default());
        let fingerprints: Vec<String> = known.iter().map(|secret| secret.fingerprint(&key.0)).collect();
        let lost = missing.into_iter().find(|(_, setting)| !fingerprints.contains(&setting.fingerprint));
        match lost {
            None => Ok(()),
            Some((name, _)) => {
                Err(format!("the value of {name} in {release} is known no more, and cannot be masked"))
            }
        }
    }

    /// The passwords of all private resources that were ever made here, and the values that were forgotten.
    fn lasting_secrets(&self) -> Result<Vec<Secret>, Unmasked> {
        let mut secrets = masked::read(&self.layout).map_err(|error| unreadable(&error))?;
        let entries = match std::fs::read_dir(self.layout.root().join("resources")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(secrets),
            entries => entries.map_err(|error| format!("resources cannot be listed: {error}"))?,
        };
        for entry in entries {
            let directory = entry.map_err(|error| format!("resources cannot be listed: {error}"))?.path();
            let known = resource::secrets(&directory);
            secrets.extend(known.map_err(|error| {
                format!("the passwords of {} cannot be read: {error}", directory.display())
            })?);
        }
        Ok(secrets)
    }

    /// Forgets the values of a release that nobody can go back to, but for masking them in logs.
    pub(in crate::host) fn forget_values(&self, release: ReleaseId, settings: &IndexMap<String, Setting>) {
        let Ok(mut values) = values::read(&self.layout, release) else { return };
        let passed = passed::secrets(&passed::take(&mut values));
        let secrets = masked_of(std::mem::take(&mut values.0), settings);
        let secrets = secrets.iter().chain(&passed).map(Secret::expose);
        // Where they cannot be kept so, they stay until they can.
        if masked::keep(&self.layout, secrets).is_ok() {
            values::forget(&self.layout, release);
            *self.masks.borrow_mut() = Masks::default();
        }
    }

    /// A resource has a password that it did not have: what knows of none but the old ones is made anew.
    pub(in crate::host) fn secrets_changed(&self, resource: &Name) {
        self.prepared.borrow_mut().retain(|(name, _), _| name != resource);
        *self.masks.borrow_mut() = Masks::default();
    }
}

/// The values that are masked, and of lists the items: what nobody declared to be harmless.
fn masked_of(values: IndexMap<String, String>, settings: &IndexMap<String, Setting>) -> Vec<Secret> {
    let mut secrets = Vec::with_capacity(values.len());
    for (name, value) in values {
        let setting = settings.get(&name);
        let value = Secret::new(value);
        if setting.is_some_and(|setting| !setting.secret) {
            continue;
        }
        if let Some(separator) = setting.and_then(|setting| setting.separator.as_deref()) {
            let items = members(value.expose(), Some(separator)).into_iter().filter(Member::is_mask);
            secrets.extend(items.map(|item| Secret::new(item.text.as_str())));
        }
        secrets.push(value);
    }
    secrets
}

fn refusing(why: &str) -> Redactor {
    Redactor::refusing(format!("{why}; what cannot be masked is not shown"))
}

fn unreadable(error: &io::Error) -> String {
    format!(
        "{error}: restore it from a backup, or remove it, and with it all logs that may hold values that no release \
         has any more"
    )
}
