//! The project that a call is about: where it is, and what its manifest says.

use std::path::{Path, PathBuf};

use windlass_core::diag::Diag;
use windlass_core::manifest::Manifest;
use windlass_core::name::Name;
use windlass_core::resolve::no_environment;

use super::args::Options;
use super::context::Context;
use super::elsewhere;
use super::failure::Failure;
use crate::deployed;
use crate::layout::Layout;
use crate::project::load::{self, FILE, Loaded};
use crate::project::version::Checkout;
use crate::settings::sealed::Place;

/// A project, as far as it can be known without its environment.
pub(super) struct Project {
    pub(super) directory: PathBuf,
    pub(super) checkout: Checkout,
    /// The manifest's path as people should see it.
    pub(super) file: String,
    pub(super) manifest: Manifest,
    /// Whether all of that could be read; otherwise only the name was.
    pub(super) is_whole: bool,
    /// What is wrong with it, for whoever says what is wrong with its settings, too.
    pub(super) faults: Vec<Diag>,
    /// What is doubtful in it.
    pub(super) warnings: Vec<Diag>,
    pub(super) app: Name,
    pub(super) environment: Name,
    pub(super) layout: Layout,
}

/// What of a manifest must be readable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whole {
    /// All of it, as TOML.
    Manifest,
    /// The application's name.
    Name,
}

impl Project {
    /// Where another of its environments has its state.
    pub(super) fn layout_of(&self, environment: &str) -> Result<Layout, Failure> {
        layout(&self.app, &named(environment)?)
    }

    /// Refuses an environment that the manifest does not know.
    pub(super) fn must_know(&self, environment: &str) -> Result<(), Failure> {
        if self.manifest.environments().iter().any(|known| known == environment) {
            return Ok(());
        }
        let Diag { message, label, help, .. } = no_environment(&self.manifest, environment);
        let hints: Vec<String> =
            Some(label).filter(|meant| !meant.is_empty()).into_iter().chain(help).collect();
        Err(Failure::usage(message, hints.join(" ")))
    }
}

impl Context {
    /// Finds and reads the manifest, reporting its faults.
    pub(super) fn project(&self) -> Result<Project, Failure> {
        let project = self.draft()?;
        match project.faults.as_slice() {
            [] => Ok(project),
            faults => Err(self.report(faults, project.manifest.text(), &project.file)),
        }
    }

    /// The same, for a verb that needs the values of its settings: where there are faults, those of the
    /// settings are reported with them.
    pub(super) fn project_with_settings(&self) -> Result<Project, Failure> {
        let project = self.draft()?;
        if !project.faults.is_empty() {
            self.known(&project)?;
        }
        Ok(project)
    }

    /// The same, for a verb that deploys: the faults of the source are reported with them, too.
    pub(super) fn project_to_deploy(&self) -> Result<Project, Failure> {
        let project = self.draft()?;
        if !project.faults.is_empty() {
            self.specification(&project)?;
        }
        Ok(project)
    }

    /// The project as far as it must be known for what is deployed already: its name and its place. A
    /// manifest that somebody is editing, or that a merge has left in pieces, must not stand in the way of
    /// looking, going back and stopping.
    pub(super) fn place(&self) -> Result<Project, Failure> {
        let project = self.read(Whole::Name)?;
        if !project.faults.is_empty() {
            let (file, app) = (&project.file, &project.app);
            self.say(&format!(
                "note: {file} has faults (windlass check); this goes by what is deployed of {app}"
            ));
        }
        Ok(project)
    }

    /// Finds and reads the manifest, right or wrong, unless it is no TOML.
    pub(super) fn draft(&self) -> Result<Project, Failure> {
        self.read(Whole::Manifest)
    }

    fn read(&self, whole: Whole) -> Result<Project, Failure> {
        let path = self.manifest_path()?;
        let file = self.options.file.as_deref().unwrap_or(Path::new(FILE)).display().to_string();
        let Loaded { text, manifest, diags, .. } = load::load(&path).map_err(|error| {
            Failure::usage(format!("{file} cannot be read: {error}"), "name the manifest with --file")
        })?;
        let (faults, warnings): (Vec<_>, Vec<_>) = diags.into_iter().partition(Diag::is_error);
        let is_whole = manifest.is_some();
        let salvaged = || (whole == Whole::Name).then(|| load::salvage(&text)).flatten();
        let Some(mut manifest) = manifest.or_else(salvaged) else {
            return Err(self.report(&faults, &text, &file));
        };
        // Without a name of its own it has no place, and nothing beyond the manifest is looked at.
        let Some(app) = manifest.app() else { return Err(self.report(&faults, &text, &file)) };
        let environment = named(&self.options.environment)?;
        let layout = layout(&app, &environment)?;
        let directory = path.parent().map(Path::to_path_buf).unwrap_or_default();
        if Place::new(&directory, environment.as_str()).path().exists() {
            manifest.has_encrypted_file(environment.as_str());
        }
        let checkout = Checkout::of(&directory);
        Ok(Project {
            directory,
            checkout,
            file,
            manifest,
            is_whole,
            faults,
            warnings,
            app,
            environment,
            layout,
        })
    }

    /// The directory of the manifest, whatever stands in that.
    pub(super) fn project_directory(&self) -> Result<PathBuf, Failure> {
        Ok(self.manifest_path()?.parent().map(Path::to_path_buf).unwrap_or_default())
    }

    /// Refuses --file for a verb that makes a manifest: it would go elsewhere than it says.
    pub(super) fn takes_no_manifest(&self, verb: &str) -> Result<(), Failure> {
        match &self.options.file {
            None => Ok(()),
            Some(file) => Err(Failure::usage(
                format!("windlass {verb} makes a {FILE} in the project, and not {}", file.display()),
                "leave --file out, and rename what was made",
            )),
        }
    }

    /// Whether this call is about no project: nothing was named, and there is none here. Who names an environment
    /// means a project's.
    pub(super) fn is_outside(&self) -> bool {
        let find = |here: PathBuf| load::find(&here).is_none();
        let Options { file, names_environment, .. } = &self.options;
        file.is_none() && !names_environment && std::env::current_dir().is_ok_and(find)
    }

    /// Where the manifest is.
    pub(super) fn manifest_path(&self) -> Result<PathBuf, Failure> {
        let here = std::env::current_dir()
            .map_err(|error| Failure::failed(format!("there is no current directory: {error}"), ""))?;
        let path = match &self.options.file {
            Some(file) => Some(here.join(file))
                .filter(|path| path.is_file())
                .ok_or_else(|| Failure::usage(format!("there is no {}", file.display()), "see --file"))?,
            None => load::find(&here).ok_or_else(|| {
                Failure::usage(
                    format!("there is no {FILE} here or in a directory above"),
                    format!(
                        "run `windlass init` in your project, or name the manifest with --file{}",
                        elsewhere::hint(&deployed::here())
                    ),
                )
            })?,
        };
        // The same project is the same on whatever way it was reached: deploys remember where they came from.
        let directory = path.parent().unwrap_or(Path::new("/")).canonicalize().map_err(|error| {
            Failure::usage(format!("the directory of {} cannot be found: {error}", path.display()), "")
        })?;
        Ok(directory.join(path.file_name().unwrap_or_default()))
    }
}

/// An environment by its name.
fn named(environment: &str) -> Result<Name, Failure> {
    Name::new(environment).map_err(|error| Failure::usage(format!("--env: {error}"), ""))
}

/// Where an environment has its state.
fn layout(app: &Name, environment: &Name) -> Result<Layout, Failure> {
    Layout::of(app, environment)
        .map_err(|error| Failure::failed(format!("there is no place for the state: {error}"), ""))
}
