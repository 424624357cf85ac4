//! Which of two values of a setting a file is to have: settled by looking.
//!
//! A rotation notes that it exchanges a value before its run begins, and is followed by the file when
//! the run is over. Whatever dies between the two, the fingerprint of the active release says which of
//! the two values is in force.
//!
//! ```text
//! encrypted file   the new value stands there as pending, and is promoted or dropped
//! .env             a note of both fingerprints; the value comes from what the host kept of the release
//! ```

mod note;

use std::fs::File;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use windlass_core::plan::Observed;
use windlass_core::protocol::{Answer, Ask, FingerprintKey};
use windlass_core::settings::Secret;
use windlass_core::settings::sealed::Settled;

pub(in crate::cli) use note::{Note, check_owner, read, rewritten};

use super::context::Context;
use super::failure::{Failure, REFUSED};
use super::project::Project;
use super::verbs::request;
use super::verbs::secrets::trouble;
use crate::cli::wait::Patience;
use crate::layout::{self, Layout};
use crate::settings::sealed::{Place, today};

/// Keeps everybody else from settling what a rotation has not yet begun or ended.
pub(in crate::cli) struct Held(#[expect(dead_code, reason = "its end frees the lock")] File);

impl Held {
    pub(in crate::cli) fn take(layout: &Layout) -> Result<Self, Failure> {
        let path = directory(layout);
        let failed = |error: std::io::Error| {
            Failure::failed(format!("{} cannot be used: {error}", path.display()), "free some disk space")
        };
        layout::make_dir(&path, 0o700).map_err(failed)?;
        let file = File::open(&path).map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self(file)),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(Failure::new(
                REFUSED,
                "a value is being rotated by another windlass",
                "wait until it is over (`windlass status`)",
            )),
            Err(error) => Err(failed(error.into())),
        }
    }
}

/// Where notes of rotations lie.
fn directory(layout: &Layout) -> PathBuf {
    layout.state().join("rotating")
}

/// A setting of which two values are waiting.
pub(in crate::cli) struct Open {
    pub(in crate::cli) setting: String,
    /// The file that has the old value still; empty where that is not known.
    pub(in crate::cli) file: String,
}

impl Open {
    /// What of it is open, and what to do, for people.
    pub(in crate::cli) fn told(&self) -> (String, &'static str) {
        let file = if self.file.is_empty() { "the file" } else { &self.file };
        let what = format!(
            "a rotation of {} was interrupted, or is under way: {file} may have its old value still",
            self.setting
        );
        (what, "the next `windlass deploy` settles which of its two values holds, and puts that there")
    }
}

/// The settings of which two values are waiting.
pub(in crate::cli) fn unsettled(project: &Project) -> Vec<Open> {
    let file = Place::new(&project.directory, project.environment.as_str()).file();
    let pending = pending(project).into_iter().map(|setting| Open { setting, file: file.clone() });
    let noted = Note::names(&project.layout).into_iter().map(|setting| {
        // One that cannot be read is told of by whoever settles it.
        let note = Note::read(&project.layout, &setting).ok().flatten();
        let name = note.as_ref().and_then(|note| note.file.file_name());
        Open { file: name.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(), setting }
    });
    pending.chain(noted).collect()
}

/// Those whose new value waits in the encrypted file. What is wrong with that is told by its readers.
fn pending(project: &Project) -> Vec<String> {
    let place = Place::new(&project.directory, project.environment.as_str());
    // Most files have none, which is seen sooner than all of their values are read.
    if !place.text().ok().flatten().is_some_and(|text| text.contains(".pending = ")) {
        return Vec::new();
    }
    let document = place.parsed().ok().flatten().and_then(|parsed| parsed.document);
    let entries = document.map(|document| document.entries).unwrap_or_default();
    entries.into_iter().filter(|entry| entry.label.pending).map(|entry| entry.label.name).collect()
}

/// Says that it is not yet known which of two values of a setting holds.
pub(in crate::cli) fn tell_unsettled(context: &Context, open: &[Open]) {
    for open in open {
        let (what, help) = open.told();
        context.say(&format!("note: {what}; {help}"));
    }
}

/// Settles what an interrupted rotation left, before the files are read. Costs a look where there is none.
pub(in crate::cli) async fn settle(context: &Context, project: &Project) -> Result<(), Failure> {
    if unsettled(project).is_empty() {
        return Ok(());
    }
    // Of what was never deployed here the file's own value is taken.
    if !project.layout.journal().exists() {
        tell_unsettled(context, &unsettled(project));
        return Ok(());
    }
    let held = Held::take(&project.layout)?;
    settle_held(context, project, &held).await
}

/// The same for whoever keeps others out already.
pub(in crate::cli) async fn settle_held(
    context: &Context,
    project: &Project,
    _held: &Held,
) -> Result<(), Failure> {
    if unsettled(project).is_empty() {
        return Ok(());
    }
    let mut client = request::settled(context, project, Patience::Long).await?;
    if let Answer::Status(status) = client.ask(&Ask::Status).await?
        && let Some(run) = status.run
    {
        return Err(Failure::new(
            REFUSED,
            format!("{} is under way; only its end says which value holds", run.headline),
            "wait until it is over (`windlass status`), or follow it with `windlass resume`",
        ));
    }
    let (observed, key) = client.observe().await?;
    let Some(key) = key else { return Ok(()) };
    let names = pending(project);
    if !names.is_empty() {
        settle_pending(context, project, &names, (&observed, &key))?;
    }
    let notes = Note::names(&project.layout).into_iter().map(|name| Note::read(&project.layout, &name));
    let notes: Vec<Note> = notes.filter_map(Result::transpose).collect::<Result<_, _>>()?;
    // What stands in one file, such as a password and the name of its account, is written at once.
    let mut files: Vec<&Path> = notes.iter().map(|note| note.file.as_path()).collect();
    files.sort_unstable();
    files.dedup();
    for file in files {
        let notes: Vec<&Note> = notes.iter().filter(|note| note.file == file).collect();
        settle_notes(context, project, &notes, (&observed, &key))?;
    }
    Ok(())
}

/// The fingerprint of the value that the active release runs with.
fn in_force<'o>(observed: &'o Observed, name: &str) -> Option<&'o str> {
    let setting = observed.active.as_ref()?.spec.settings.get(name)?;
    setting.composed.is_none().then_some(setting.fingerprint.as_str())
}

fn settle_pending(
    context: &Context,
    project: &Project,
    names: &[String],
    (observed, key): (&Observed, &FingerprintKey),
) -> Result<(), Failure> {
    let place = Place::new(&project.directory, project.environment.as_str());
    let keyring = context.keyring().map_err(|fault| context.refuse(project, &[fault], &[]))?;
    let changed = place.change(keyring, |editing, random| {
        let settled =
            names.iter().map(|name| editing.settle(name, in_force(observed, name), &key.0, today(), random));
        settled.collect::<Result<Vec<Settled>, _>>()
    });
    let settled = changed.map_err(|why| trouble(context, &place, why))?.answer;
    for (name, settled) in names.iter().zip(settled) {
        tell(context, name, &place.file(), settled);
    }
    Ok(())
}

/// Settles the notes of one file.
fn settle_notes(
    context: &Context,
    project: &Project,
    notes: &[&Note],
    seen: (&Observed, &FingerprintKey),
) -> Result<(), Failure> {
    let settled =
        notes.iter().map(|note| settle_note(project, note, seen)).collect::<Result<Vec<_>, Failure>>()?;
    let new: Vec<(&Note, &Secret)> =
        notes.iter().zip(&settled).filter_map(|(note, (_, value))| Some((*note, value.as_ref()?))).collect();
    Note::rewrite(&new, seen.1)?;
    for (note, (settled, _)) in notes.iter().zip(settled) {
        note.remove(&project.layout)?;
        tell(context, &note.setting, &note.file_name(), settled);
    }
    Ok(())
}

/// Which of its two values holds; the new one, where it is that.
fn settle_note(
    project: &Project,
    note: &Note,
    (observed, key): (&Observed, &FingerprintKey),
) -> Result<(Settled, Option<Secret>), Failure> {
    let (name, file) = (note.setting.as_str(), note.file_name());
    Ok(match in_force(observed, name) {
        Some(active) if active == note.new => {
            let release = observed.active.as_ref().map(|active| active.release);
            let kept = release.and_then(|release| crate::host::kept_values(&project.layout, release).ok());
            let value = kept.and_then(|mut values| values.0.shift_remove(name)).map(Secret::new);
            let value = value.filter(|value| value.fingerprint(&key.0) == note.new);
            let Some(value) = value else {
                return Err(Failure::failed(
                    format!("the host has not kept the new value of {name}"),
                    format!(
                        "put it into {file} yourself, and remove {}",
                        note.path(&project.layout).display()
                    ),
                ));
            };
            (Settled::New, Some(value))
        }
        Some(active) if active == note.old => (Settled::Old, None),
        _ => (Settled::Neither, None),
    })
}

fn tell(context: &Context, name: &str, file: &str, settled: Settled) {
    context.say(&match settled {
        Settled::New => format!("{file} has the new value of {name}"),
        Settled::Old => format!("{file} has the old value of {name}: the rotation went back"),
        Settled::Neither => format!(
            "warning: the active release runs with neither of the two values of {name} that a rotation of {file} \
             knew; give it the right one"
        ),
    });
}
