//! What every verb needs: the project, its manifest and settings, and a way to print.

use std::cell::{OnceCell, RefCell};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use windlass_core::diag::Diag;
use windlass_core::manifest::Manifest;
use windlass_core::name::Name;
use windlass_core::plan::{Request, Source, Wanted};
use windlass_core::protocol::{FingerprintKey, Values};
use windlass_core::resolve::{examine_values, no_environment, resolve};
use windlass_core::settings::Fault;
use windlass_core::store::Place;

use super::args::Options;
use super::commands;
use super::failure::{FAILED, Failure, USAGE};
use super::source;
use super::specified::Specified;
use super::stored::Stored;
use crate::account::Account;
use crate::layout::Layout;
use crate::observe::printable;
use crate::project::diag as project_diag;
use crate::project::load::{self, FILE, Loaded};
use crate::project::version::Checkout;
use crate::settings::sealed::{self, Keyring};
use crate::settings::{self, Below, Found, Unstored};

/// The options of this call.
pub(super) struct Context {
    pub(super) options: Options,
    /// Found when they are first needed, and once: a person is not asked twice.
    keyring: OnceCell<Keyring>,
    /// What external stores answered.
    stored: Stored,
}

/// A project, as far as it can be known without its environment.
pub(super) struct Project {
    pub(super) directory: PathBuf,
    checkout: Checkout,
    /// The manifest's path as people should see it.
    pub(super) file: String,
    pub(super) manifest: Manifest,
    /// What is wrong with it, for whoever says what is wrong with its settings, too.
    faults: Vec<Diag>,
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
    pub(super) fn new(options: Options) -> Result<Self, Failure> {
        if options.no_color {
            console::set_colors_enabled(false);
            console::set_colors_enabled_stderr(false);
        }
        let stored = Stored::new(options.offline);
        Ok(Self { options, keyring: OnceCell::new(), stored })
    }

    /// Who asks, for the records: account and machine.
    pub(super) fn who(&self) -> String {
        let uid = rustix::process::getuid().as_raw();
        let named = || Account::named(&uid.to_string()).ok().flatten().map(|account| account.name);
        let user = std::env::var("SUDO_USER").ok().or_else(named).or_else(|| std::env::var("USER").ok());
        let user = user.unwrap_or_else(|| format!("uid {uid}"));
        let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
        format!("{user}@{machine}")
    }

    /// Whether progress may move on the terminal.
    pub(super) fn is_live(&self) -> bool {
        !self.options.json && !self.options.quiet && io::stderr().is_terminal()
    }

    /// Prints the document that was asked for: JSON, or text for people.
    pub(super) fn print(&self, value: &impl serde::Serialize, text: impl FnOnce() -> String) {
        if self.options.json {
            print_line(&serde_json::to_string(value).unwrap_or_default());
        } else {
            print_line(text().trim_end());
        }
    }

    /// Says something beside what was asked for.
    pub(super) fn say(&self, line: &str) {
        if !self.options.quiet && !self.options.json {
            complain(line);
        }
    }

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
        project.checkout.ask_ahead();
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
    fn draft(&self) -> Result<Project, Failure> {
        self.read(Whole::Manifest)
    }

    fn read(&self, whole: Whole) -> Result<Project, Failure> {
        let path = self.manifest_path()?;
        let file = self.options.file.as_deref().unwrap_or(Path::new(FILE)).display().to_string();
        let Loaded { text, manifest, diags, .. } = load::load(&path).map_err(|error| {
            Failure::usage(format!("{file} cannot be read: {error}"), "name the manifest with --file")
        })?;
        let (faults, warnings): (Vec<_>, Vec<_>) = diags.into_iter().partition(Diag::is_error);
        let salvaged = || (whole == Whole::Name).then(|| load::salvage(&text)).flatten();
        let Some(manifest) = manifest.or_else(salvaged) else {
            return Err(self.report(&faults, &text, &file));
        };
        // Without a name of its own it has no place, and nothing beyond the manifest is looked at.
        let Some(app) = manifest.app() else { return Err(self.report(&faults, &text, &file)) };
        let environment = named(&self.options.environment)?;
        let layout = layout(&app, &environment)?;
        let directory = path.parent().map(Path::to_path_buf).unwrap_or_default();
        let checkout = Checkout::of(&directory);
        Ok(Project { directory, checkout, file, manifest, faults, warnings, app, environment, layout })
    }

    /// The keys of whoever runs this.
    pub(super) fn keyring(&self) -> Result<&Keyring, Fault> {
        if let Some(keyring) = self.keyring.get() {
            return Ok(keyring);
        }
        let keyring = Keyring::find(&|name| std::env::var_os(name))?;
        Ok(self.keyring.get_or_init(|| keyring))
    }

    /// The directory of the manifest, whatever stands in that.
    pub(super) fn project_directory(&self) -> Result<PathBuf, Failure> {
        Ok(self.manifest_path()?.parent().map(Path::to_path_buf).unwrap_or_default())
    }

    /// Where the manifest is.
    pub(super) fn manifest_path(&self) -> Result<PathBuf, Failure> {
        let here = std::env::current_dir()
            .map_err(|error| Failure::failed(format!("there is no current directory: {error}"), ""))?;
        if let Some(file) = &self.options.file {
            let path = here.join(file);
            if path.is_file() {
                return Ok(path);
            }
            return Err(Failure::usage(format!("there is no {}", file.display()), "see --file"));
        }
        load::find(&here).ok_or_else(|| {
            Failure::usage(
                format!("there is no {FILE} here or in a directory above"),
                "run `windlass init` in your project, or name the manifest with --file",
            )
        })
    }

    /// Prints faults of the manifest, and answers the failure that they are.
    pub(super) fn report(&self, diags: &[Diag], text: &str, file: &str) -> Failure {
        if self.options.json {
            let faults = project_diag::to_json(&complete(diags), text, file);
            print_line(&serde_json::json!({ "exit_code": USAGE, "faults": faults }).to_string());
        } else {
            self.draw(diags, text, file);
        }
        Failure::told(USAGE)
    }

    /// Draws faults and warnings, each at its line.
    pub(super) fn draw(&self, diags: &[Diag], text: &str, file: &str) {
        let terminal = console::Term::stderr();
        let color = terminal.is_term() && console::colors_enabled_stderr();
        let style = project_diag::Style { color, width: usize::from(terminal.size().1) };
        // Drawn by our own hand: what it quotes of the manifest is made visible there.
        let _ = write!(io::stderr(), "{}", project_diag::render(&complete(diags), text, file, style));
    }

    /// The specification and the values of all its settings, as a run needs them. All that is wrong
    /// with either is told at once.
    pub(super) fn specification(&self, project: &Project) -> Result<Specified, Failure> {
        let specified = self.known(project)?;
        if specified.left_out().is_empty() {
            return Ok(specified);
        }
        let message =
            format!("--offline leaves out {}, which only a store has", specified.left_out().join(", "));
        Err(Failure::usage(message, "call again without --offline, or set them in the environment"))
    }

    /// The same without those that only a store has, where no store may be asked.
    pub(super) fn known(&self, project: &Project) -> Result<Specified, Failure> {
        let environment = project.environment.as_str();
        let found =
            self.settings(project).map_err(|faults| self.refuse(project, &faults, &project.faults))?;
        for warning in &found.assembled.warnings {
            self.say(&format!("warning: {warning}"));
        }
        let faults = found.errors(environment, &project.file);
        if !project.faults.is_empty() {
            let mut diags = project.faults.clone();
            examine_values(&project.manifest, environment, &found.known(), &mut diags);
            return Err(self.refuse(project, &faults, &diags));
        }
        match resolve(&project.manifest, environment, &found.known()) {
            Ok(spec) if faults.is_empty() => Ok(Specified::new(spec, found)),
            // The manifest is right, and may go as it is another time.
            Ok(_) if found.unstored.are_all(&faults) => Err(self.fail(FAILED, project, &faults, &[])),
            Ok(_) => Err(self.refuse(project, &faults, &[])),
            Err(diags) => Err(self.refuse(project, &faults, &diags)),
        }
    }

    /// The settings of the environment, from all their layers.
    pub(super) fn settings(&self, project: &Project) -> Result<Found, Vec<Fault>> {
        self.settings_of(project, project.environment.as_str())
    }

    /// The same, of another environment.
    pub(super) fn settings_of(&self, project: &Project, environment: &str) -> Result<Found, Vec<Fault>> {
        let declared = project.manifest.settings(environment);
        let unreadable: Vec<_> = declared.keys().filter_map(|name| unreadable(name)).collect();
        if !unreadable.is_empty() {
            return Err(unreadable);
        }
        let env = |name: &str| std::env::var(name).ok();
        let (sealed, version) = sealed::layer(&project.directory, environment, || self.keyring())?.unzip();
        let unstored = RefCell::new(Unstored::default());
        // Nobody is asked over the network for a manifest that has to be mended first.
        let nobody = Stored::new(true);
        let stored = if project.faults.is_empty() { &self.stored } else { &nobody };
        let stores =
            |wanted: &[(&str, &Place)]| stored.values(project, environment, &declared, wanted, &unstored);
        let below = Below { sealed, stores: Some(&stores) };
        let assembled = settings::load(&project.directory, environment, &declared, &env, below)?;
        let addresses = project.manifest.addresses(environment);
        Ok(Found { unstored: unstored.into_inner(), assembled, addresses, declared, sealed: version })
    }

    /// Says which settings have no value because of a store, where that stops nothing.
    pub(super) fn tell_unstored(&self, found: &Found) {
        for fault in &found.unstored.faults {
            self.say(&format!("warning: {fault}"));
        }
        self.tell_left_out(&found.unstored.left_out);
    }

    /// Says which settings were not looked up.
    pub(super) fn tell_left_out(&self, names: &[String]) {
        if !names.is_empty() {
            self.say(&format!("note: not looked up, because only a store has them: {}", names.join(", ")));
        }
    }

    /// Prints faults of settings, and those of the manifest, and answers the failure that they are.
    pub(super) fn refuse(&self, project: &Project, faults: &[Fault], diags: &[Diag]) -> Failure {
        self.fail(USAGE, project, faults, diags)
    }

    fn fail(&self, code: u8, project: &Project, faults: &[Fault], diags: &[Diag]) -> Failure {
        let (text, file) = (project.manifest.text(), project.file.as_str());
        if faults.is_empty() {
            return self.report(diags, text, file);
        }
        if self.options.json {
            let mut all = faults_to_json(faults);
            all.extend(project_diag::to_json(&complete(diags), text, file));
            print_line(&serde_json::json!({ "exit_code": code, "faults": all }).to_string());
        } else {
            for fault in faults {
                complain(&format!("error: {fault}"));
            }
            if !diags.is_empty() {
                self.draw(diags, text, file);
            }
        }
        Failure::told(code)
    }

    /// What a deploy of the project wants of an environment with this key, and the values of its
    /// settings. The source is that `without` some files.
    pub(super) fn wanted(
        &self,
        project: &Project,
        specified: &Specified,
        key: &FingerprintKey,
        without: Vec<String>,
    ) -> Result<(Wanted, Values), Failure> {
        let (spec, values) = specified.under(key);
        let listing = source::list(self, project, &spec, without.clone())?;
        let version = project.checkout.version();
        let source = Source {
            path: project.directory.display().to_string(),
            digest: listing.digest(&spec),
            parts: listing.parts(&spec),
            commit: version.commit,
            dirty: version.dirty,
            without,
        };
        Ok((Wanted { request: Request::Deploy, spec, source }, values))
    }
}

/// Prints a line of what was asked for. A reader that has gone is no failure: what was begun goes on.
pub(super) fn print_line(line: &str) {
    let _ = writeln!(io::stdout(), "{}", printable(line));
}

/// Prints a line for the person beside it. Commands that it names are about what this one is about.
pub(super) fn complain(line: &str) {
    let _ = writeln!(io::stderr(), "{}", printable(&commands::complete(line)));
}

/// Faults of settings for programs.
pub(super) fn faults_to_json(faults: &[Fault]) -> Vec<serde_json::Value> {
    let complete = |fault: &Fault| {
        let mut fault = fault.clone();
        commands::complete_in_place(&mut fault.help);
        fault
    };
    faults.iter().map(|fault| settings::fault_to_json(&complete(fault))).collect()
}

/// Faults of the manifest with the commands they name completed.
fn complete(diags: &[Diag]) -> Vec<Diag> {
    let mut diags = diags.to_vec();
    diags.iter_mut().filter_map(|diag| diag.help.as_mut()).for_each(commands::complete_in_place);
    diags
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

/// A variable that would be passed over because it is no text: what another layer has would hold.
fn unreadable(name: &str) -> Option<Fault> {
    let is_text = std::env::var_os(name).is_none_or(|value| value.to_str().is_some());
    (!is_text).then(|| Fault {
        file: "the environment".to_owned(),
        line: 0,
        column: 0,
        message: format!("the value of {name} is not UTF-8 text"),
        help: "write it in UTF-8, or encode it, for example in base64".to_owned(),
    })
}
