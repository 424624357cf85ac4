//! What every verb needs: the options, the settings of its project, and a way to print.

use std::cell::{Cell, OnceCell, RefCell};
use std::io::{self, IsTerminal, Write};

use windlass_core::diag::{Diag, Severity, summary, tally};
use windlass_core::plan::{Request, Source, Wanted};
use windlass_core::protocol::FingerprintKey;
use windlass_core::settings::audit::{Audited, is_for_others};
use windlass_core::settings::{Fault, Lost};
use windlass_core::store::Place;

use super::args::Options;
use super::commands;
use super::failure::{FAILED, Failure, USAGE};
use super::interrupts::Interrupts;
use super::judged::Judged;
use super::other_source::Origin;
use super::print::{print_line, printed, put_line};
use super::project::Project;
use super::source;
use super::specified::Specified;
use super::stored::Stored;
use crate::account::Account;
use crate::layout::Layout;
use crate::observe::{printable, printable_json};
use crate::project::diag as project_diag;
use crate::project::version::{Keeping, Version};
use crate::settings::sealed::{self, Keyring};
use crate::settings::{self, Below, Found, Loaded, Unstored};

/// The options of this call.
pub(super) struct Context {
    pub(super) options: Options,
    /// Found when they are first needed, and once: a person is not asked twice.
    keyring: OnceCell<Keyring>,
    /// What external stores answered.
    stored: Stored,
    /// Who wants all of it to end.
    pub(super) interrupts: Interrupts,
    /// Whether what another project has deployed under the name may be changed: a person is asked once.
    pub(super) may_change_others: Cell<bool>,
    /// Where what is there came from, as far as that was judged.
    pub(super) origin: RefCell<Option<Origin>>,
    /// The environment whose host side this call has started.
    pub(super) started: RefCell<Option<Layout>>,
}

impl Context {
    pub(super) fn new(options: Options) -> Result<Self, Failure> {
        if options.no_color {
            console::set_colors_enabled(false);
            console::set_colors_enabled_stderr(false);
        }
        let stored = Stored::new(options.offline);
        let may_change_others = Cell::new(options.allow_other_source);
        Ok(Self {
            options,
            keyring: OnceCell::new(),
            stored,
            interrupts: Interrupts::default(),
            may_change_others,
            origin: RefCell::default(),
            started: RefCell::default(),
        })
    }

    /// Who asks, for the records: account and machine.
    pub(super) fn who(&self) -> String {
        let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
        format!("{}@{machine}", self.account())
    }

    /// The account of whoever asks.
    pub(super) fn account(&self) -> String {
        let uid = rustix::process::getuid().as_raw();
        let named = || Account::named(&uid.to_string()).ok().flatten().map(|account| account.name);
        let user = std::env::var("SUDO_USER").ok().or_else(named).or_else(|| std::env::var("USER").ok());
        user.unwrap_or_else(|| format!("uid {uid}"))
    }

    /// Whether progress may move on the terminal.
    pub(super) fn is_live(&self) -> bool {
        !self.options.json && !self.options.quiet && io::stderr().is_terminal() && !console::is_dumb()
    }

    /// Prints what became of what was asked for: JSON, or text for people. It is done, printed or not.
    pub(super) fn print(&self, value: &impl serde::Serialize, text: impl FnOnce() -> String) {
        let _ = self.put(value, text);
    }

    /// Prints the document that was asked for, and that is all there is to do.
    pub(super) fn answer(
        &self,
        value: &impl serde::Serialize,
        text: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        printed(self.put(value, text))
    }

    fn put(&self, value: &impl serde::Serialize, text: impl FnOnce() -> String) -> io::Result<()> {
        match self.options.json {
            true => put_line(&printable_json(&serde_json::to_string(value).unwrap_or_default())),
            false => put_line(text().trim_end()),
        }
    }

    /// Says something beside what was asked for.
    pub(super) fn say(&self, line: &str) {
        if !self.options.quiet && !self.options.json {
            complain(line);
        }
    }

    /// The keys of whoever runs this.
    pub(super) fn keyring(&self) -> Result<&Keyring, Fault> {
        if let Some(keyring) = self.keyring.get() {
            return Ok(keyring);
        }
        let keyring = Keyring::find(&|name| std::env::var_os(name))?;
        Ok(self.keyring.get_or_init(|| keyring))
    }

    /// Prints faults of the manifest, and answers the failure that they are.
    pub(super) fn report(&self, diags: &[Diag], text: &str, file: &str) -> Failure {
        if self.options.json {
            let faults = project_diag::to_json(&complete(diags), text, file);
            print_line(&serde_json::json!({ "exit_code": USAGE, "faults": faults }).to_string());
        } else {
            self.draw(diags, text, file);
            complain(&summary(diags));
        }
        Failure::told(USAGE)
    }

    /// Draws faults and warnings, each at its line. Who tells them counts them, with whatever else there is.
    pub(super) fn draw(&self, diags: &[Diag], text: &str, file: &str) {
        let terminal = console::Term::stderr();
        let color = terminal.is_term() && console::colors_enabled_stderr();
        let style = project_diag::Style { color, width: usize::from(terminal.size().1) };
        // Drawn by our own hand: what it quotes of the manifest is made visible there.
        let _ = write!(io::stderr(), "{}", project_diag::render(&complete(diags), text, file, style));
    }

    /// The specification and the values of all its settings, as a run needs them. All that is wrong
    /// with either is told at once, and the source's faults with it.
    pub(super) fn specification(&self, project: &Project) -> Result<Specified, Failure> {
        let environment = project.environment.as_str();
        let files = [".env".to_owned(), format!(".env.{environment}")];
        let keeping = is_for_others(environment).then(|| Keeping::of(&project.directory, &files));
        let mut judged = Judged::of(self, project);
        // Otherwise they are told when it is listed, which looks at each file anyway.
        if judged.is_refused() {
            judged.examine_source(project);
        }
        let specified = judged.settle(self, project)?;
        // Values of secrets are looked for by `config check` alone, which reads all that git keeps.
        for name in
            keeping.into_iter().flat_map(Keeping::kept).filter(|name| specified.found().has_secret_in(name))
        {
            self.say(&format!(
                "warning: {name}: git keeps it, so everybody who has the source has its secrets; run: git rm --cached {name}, add it \
                 to .gitignore, change its secrets, and see `windlass config check --env {environment}`"
            ));
        }
        if specified.left_out().is_empty() {
            return Ok(specified);
        }
        let message =
            format!("--offline leaves out {}, which only a store has", specified.left_out().join(", "));
        Err(Failure::usage(message, "call again without --offline, or set them in the environment"))
    }

    /// The same without those that only a store has, where no store may be asked; and without the source.
    pub(super) fn known(&self, project: &Project) -> Result<Specified, Failure> {
        Judged::of(self, project).settle(self, project)
    }

    /// The settings of the environment, from all their layers, where all of them can be read.
    pub(super) fn settings(&self, project: &Project) -> Result<Found, Vec<Fault>> {
        let mut found = self.read_settings(project, project.environment.as_str());
        match found.faults.is_empty() {
            true => Ok(found),
            false => Err(std::mem::take(&mut found.faults)),
        }
    }

    /// The settings of an environment, as far as they can be read.
    pub(super) fn read_settings(&self, project: &Project, environment: &str) -> Found {
        let declared = project.manifest.settings(environment);
        let (mut faults, mut unread) = (vec![], Lost::default());
        for name in declared.keys() {
            if let Some(fault) = unreadable(name) {
                faults.push(fault);
                unread.name(name);
            }
        }
        let env = |name: &str| std::env::var(name).ok();
        let sealed = sealed::layer(&project.directory, environment, || self.keyring());
        faults.extend(sealed.faults);
        let unstored = RefCell::new(Unstored::default());
        // Nobody is asked over the network for what has to be mended first.
        let nobody = Stored::new(true);
        let stored = if project.faults.is_empty() && faults.is_empty() { &self.stored } else { &nobody };
        let stores =
            |wanted: &[(&str, &Place)]| stored.values(project, environment, &declared, wanted, &unstored);
        let below = Below { sealed: sealed.sealed, unsealed: sealed.lost, stores: Some(&stores) };
        let loaded = settings::load(&project.directory, environment, &declared, &env, unread, below);
        let Loaded { mut assembled, faults: of_files, lost, unnamed, unasked } = loaded;
        faults.extend(of_files);
        let environments = project.manifest.environments();
        assembled.warnings.extend(settings::misspelt(&project.directory, environment, &environments));
        let addresses = project.manifest.addresses(environment);
        let (app, manifest) = (project.app.as_str(), project.file.as_str());
        let covered =
            Audited { app, environment, declared: &declared, assembled: &assembled, manifest }.covered();
        let covered = covered.into_iter().filter(|finding| finding.severity == Severity::Warning);
        assembled.warnings.extend(covered.map(|finding| finding.fault));
        let (mut unstored, fingerprint_key, sealed) =
            (unstored.into_inner(), sealed.fingerprint_key, sealed.version);
        unstored.left_out.extend(unasked);
        Found { unstored, assembled, addresses, declared, faults, lost, unnamed, sealed, fingerprint_key }
    }

    /// Prints the document that was asked for, and below it why it is not whole. The exit code says whether it is.
    pub(super) fn answer_as_known(
        &self,
        of: &[&Found],
        mut document: serde_json::Value,
        text: impl FnOnce() -> String,
    ) -> Result<u8, Failure> {
        // What several have is at fault once.
        let mut faults: Vec<Fault> = vec![];
        for fault in of.iter().flat_map(|found| found.unread()) {
            if !faults.contains(&fault) {
                faults.push(fault);
            }
        }
        document["faults"] = faults_to_json(&faults).into();
        self.answer(&document, text)?;
        for found in of {
            self.tell_left_out(&found.unstored.left_out);
        }
        if !self.options.json {
            faults.iter().for_each(|fault| complain(&format!("error: {fault}")));
        }
        let are_of_stores = of.iter().all(|found| found.unstored.are_all(&found.unread()));
        Ok(match (faults.is_empty(), are_of_stores) {
            (true, _) => 0,
            (false, true) => FAILED,
            (false, false) => USAGE,
        })
    }

    /// Says which settings were not looked up.
    pub(super) fn tell_left_out(&self, names: &[String]) {
        if !names.is_empty() {
            self.say(&format!("note: no store was asked for: {}", names.join(", ")));
        }
    }

    /// Prints faults of settings, and those of the manifest, and answers the failure that they are.
    pub(super) fn refuse(&self, project: &Project, faults: &[Fault], diags: &[Diag]) -> Failure {
        self.fail(USAGE, project, faults, diags)
    }

    /// The same with another exit code.
    pub(super) fn fail(&self, code: u8, project: &Project, faults: &[Fault], diags: &[Diag]) -> Failure {
        let (text, file) = (project.manifest.text(), project.file.as_str());
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
                let errors = diags.iter().filter(|diag| diag.is_error()).count();
                complain(&tally(errors + faults.len(), diags.len() - errors));
            }
        }
        Failure::told(code)
    }

    /// What a deploy of the project wants of an environment with this key. The source is that `without` some files.
    pub(super) fn wanted(
        &self,
        project: &Project,
        specified: &Specified,
        key: &FingerprintKey,
        without: Vec<String>,
    ) -> Result<Wanted, Failure> {
        let spec = specified.under(key);
        let listing = source::list(self, project, &spec, without.clone())?;
        let Version { commit, changed } = project.checkout.version();
        // What is no longer there would have been taken, as far as can be known.
        let is_part =
            |path: &String| listing.has(path) || project.directory.join(path).symlink_metadata().is_err();
        let dirty = commit.is_some() && changed.iter().any(is_part);
        if let Some(commit) = commit.as_deref().filter(|_| dirty) {
            let commit = commit.get(..9).unwrap_or(commit);
            self.say(&format!("note: the release has changes that are not in its commit {commit}"));
        }
        let source = Source {
            path: project.directory.display().to_string(),
            digest: listing.digest(&spec),
            parts: listing.parts(&spec),
            commit,
            dirty,
            without,
        };
        Ok(Wanted { request: Request::Deploy, spec, source })
    }
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
