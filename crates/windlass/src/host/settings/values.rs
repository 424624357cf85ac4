//! Values of settings on disk: one 0600 file for each release, because a service must come back
//! when no controller is there to say them again.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use windlass_core::name::ReleaseId;
use windlass_core::plan::{Plan, Request, Rotated};
use windlass_core::protocol::{FingerprintKey, Values};
use windlass_core::settings::Secret;
use zeroize::Zeroizing;

use crate::checksummed;
use crate::layout::{self, Layout};

/// Writes a release's values.
///
/// # Errors
/// When they cannot be written.
pub(in crate::host) fn write(layout: &Layout, release: ReleaseId, values: &Values) -> io::Result<()> {
    checksummed::write(&layout.settings(release), values)
}

/// Reads a release's values; none when it has none.
///
/// # Errors
/// When the file cannot be read or is damaged, or others than its owner may read it.
pub fn read(layout: &Layout, release: ReleaseId) -> io::Result<Values> {
    let path = layout.settings(release);
    let values = match checksummed::read(&path) {
        Ok(Some(values)) => values,
        Ok(None) => return Ok(Values::default()),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            return Err(io::Error::new(
                error.kind(),
                format!(
                    "{error}: `windlass deploy` makes a release with the values of today; what runs goes on"
                ),
            ));
        }
        Err(error) => return Err(error),
    };
    let mode = std::fs::metadata(&path)?.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(io::Error::other(format!(
            "{} has mode {mode:o}, so others may have read its secrets: chmod 600 it, and change them",
            path.display()
        )));
    }
    Ok(values)
}

/// The values that a plan's release runs with: those that are given, those of the release that is gone
/// on with, or, where the plan says by its fingerprint that it is another one, that of the active
/// release. `None` where a plan has none of its own.
///
/// # Errors
/// When the value of the setting that is exchanged is not the one that the plan was made for.
pub(in crate::host) fn of_plan(
    layout: &Layout,
    plan: &Plan,
    given: Values,
    key: &FingerprintKey,
) -> Result<Option<Values>, String> {
    // Those who get the values of a release must not take what cannot be read for none.
    let kept = |release| read(layout, release).map_err(|error| format!("the settings of {release}: {error}"));
    let previous = || plan.previous.map(kept).transpose();
    match &plan.request {
        Request::Deploy => Ok(Some(given)),
        Request::Stop { .. } => Ok(None),
        Request::Restart { .. } | Request::Scale { .. } => previous(),
        Request::Rotate { what: Rotated::Resource(_) } => previous(),
        Request::Rotate { what: Rotated::Setting(name) } => {
            let mut values = previous()?;
            for name in plan.spec.exchanged(name) {
                let value = given.0.get(name).filter(|value| is(plan, name, value, key));
                let (Some(values), Some(value)) = (&mut values, value) else {
                    return Err(format!("the new value of {name} did not arrive"));
                };
                values.0.insert(name.to_owned(), value.clone());
            }
            Ok(values)
        }
        Request::Rollback { to, .. } => {
            let mut values = kept(*to)?;
            for name in plan.spec.revoked.keys() {
                let wanted = plan.spec.settings.get(name).filter(|setting| setting.composed.is_none());
                let own = values.0.get(name);
                if wanted.is_none() || own.is_none_or(|value| is(plan, name, value, key)) {
                    continue;
                }
                let previous = previous()?;
                let in_force = previous.as_ref().and_then(|previous| previous.0.get(name));
                let in_force = in_force.filter(|value| is(plan, name, value, key));
                let value = in_force.ok_or_else(|| {
                    format!(
                        "the value of {name} that is in force was not kept, and {to} ran with a replaced one"
                    )
                })?;
                values.0.insert(name.clone(), value.clone());
            }
            Ok(Some(values))
        }
    }
}

/// Whether the plan's release runs with this value of a setting.
fn is(plan: &Plan, name: &str, value: &str, key: &FingerprintKey) -> bool {
    let fingerprint = Secret::new(value).fingerprint(&key.0);
    plan.spec.settings.get(name).is_some_and(|setting| setting.fingerprint == fingerprint)
}

/// The releases that have values.
///
/// # Errors
/// When they cannot be listed.
pub(in crate::host) fn releases(layout: &Layout) -> io::Result<Vec<ReleaseId>> {
    let entries = match std::fs::read_dir(layout.state().join("settings")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut releases = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        releases.extend(name.to_str().and_then(|name| name.strip_suffix(".json")?.parse::<ReleaseId>().ok()));
    }
    releases.sort_unstable();
    Ok(releases)
}

/// Removes the values of releases that are gone.
pub(in crate::host) fn forget(layout: &Layout, release: ReleaseId) {
    let _ = std::fs::remove_file(layout.settings(release));
    crate::host::settings::files::forget(layout, release);
}

/// How many bytes of its hash stand behind the key.
const SUM: usize = 8;

/// The key of the environment's fingerprints, if it has one yet.
///
/// # Errors
/// When the file cannot be read or is damaged: another key would make every setting another one.
pub fn key(layout: &Layout) -> io::Result<Option<FingerprintKey>> {
    let path = key_path(layout);
    let bytes = match std::fs::read(&path).map(Zeroizing::new) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        bytes => bytes?,
    };
    // An earlier Windlass wrote the key alone.
    let key = bytes.split_first_chunk().filter(|(key, sum)| sum.is_empty() || **sum == sum_of(key));
    key.map(|(key, _)| Some(FingerprintKey(*key))).ok_or_else(|| {
        checksummed::damaged(
            &path,
            "restore it from a backup, or remove it: then the next `windlass deploy` takes every setting for a new \
             one, and starts anew what sees any",
        )
    })
}

/// Keeps the key.
pub(in crate::host) fn write_key(layout: &Layout, key: &FingerprintKey) -> io::Result<()> {
    let bytes = Zeroizing::new([&key.0[..], &sum_of(&key.0)].concat());
    layout::replace_file(&key_path(layout), &bytes, 0o600)
}

fn key_path(layout: &Layout) -> PathBuf {
    layout.state().join("fingerprint.key")
}

fn sum_of(key: &[u8; 32]) -> [u8; SUM] {
    let hash = blake3::hash(key);
    std::array::from_fn(|at| hash.as_bytes()[at])
}
