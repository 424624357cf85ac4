//! Putting values into templates, as late as possible: when a process is started.

use std::path::Path;

use indexmap::IndexMap;
use windlass_core::journal::Fault;
use windlass_core::name::{Name, ReleaseId};
use windlass_core::spec::{Command, Env, PLACES, Reference, Resource, Template};
use zeroize::Zeroizing;

use crate::account::Account;
use crate::host::Host;
use crate::host::resource::lifecycle::{self, Facts};
use crate::host::settings::files;
use crate::host::settings::lookup::Settings;
use crate::host::settings::passed;
use crate::host::settings::values;
use crate::layout::Layout;
use crate::variables::Variables;

/// Whose templates are filled.
pub(in crate::host) struct Subject<'a> {
    /// The release whose settings it sees.
    pub(in crate::host) release: ReleaseId,
    /// The resources it may refer to.
    pub(in crate::host) resources: &'a IndexMap<Name, Resource>,
    pub(in crate::host) port: Option<u16>,
    pub(in crate::host) replica: u32,
    /// The account that it runs as, where that is another.
    pub(in crate::host) user: Option<&'a str>,
    /// What runs, such as `web.r12.1`.
    pub(in crate::host) label: &'a str,
}

impl Host {
    /// Looks up everything that templates of `subject` can refer to, and fills them.
    pub(in crate::host) async fn fill<T>(
        &self,
        subject: Subject<'_>,
        with: impl FnOnce(&Fill<'_>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let release = subject.release;
        let values = values::read(&self.layout, release)
            .map_err(|error| Fault::new(format!("the settings of {release} cannot be read: {error}"), ""))?;
        let known = self.settings(release);
        let settings = Settings { values: &values, known: &known };
        let facts = lifecycle::facts(self, subject.resources, settings).await?;
        let (app, environment) = self.names();
        with(&Fill {
            app: &app,
            environment: &environment,
            shared: &self.layout.shared(),
            settings,
            facts: &facts,
            layout: &self.layout,
            subject,
        })
    }
}

/// Everything that a template can refer to.
pub(in crate::host) struct Fill<'a> {
    app: &'a Name,
    environment: &'a Name,
    shared: &'a Path,
    settings: Settings<'a>,
    facts: &'a Facts,
    layout: &'a Layout,
    subject: Subject<'a>,
}

impl Fill<'_> {
    /// The text of a template.
    pub(in crate::host) fn text(&self, template: &Template) -> Result<String, Fault> {
        template.fill(|reference| self.value(reference))
    }

    /// Program and arguments of a command.
    pub(in crate::host) fn argv(&self, command: &Command) -> Result<Vec<String>, Fault> {
        match command {
            Command::Argv(words) => words.iter().map(|word| self.text(word)).collect(),
            Command::Shell(line) => Ok(vec!["/bin/sh".to_owned(), "-c".to_owned(), line.clone()]),
        }
    }

    /// The whole environment of a process: a few variables of the system, where programs are as of whoever deployed its
    /// release, its port, what the manifest says, which goes before both, and what it is told of itself.
    pub(in crate::host) fn environment(&self, declared: &Env) -> Result<Variables, Fault> {
        let mut variables = Variables::default();
        for kept in ["PATH", "LANG", "TZ", "HOME", "TMPDIR", "CARGO_HOME", "RUSTUP_HOME"] {
            if let Ok(value) = std::env::var(kept) {
                variables.set(kept, value);
            }
        }
        if let Some(places) = passed::places(self.settings.values) {
            PLACES.iter().for_each(|name| variables.remove(name));
            places.for_each(|(name, value)| variables.set(name, value));
        }
        if let Some(user) = self.subject.user {
            let name = match Account::to_become(user) {
                // What is ours is not for another account: it may not even look into our home.
                Ok(Some(account)) => {
                    for ours in ["TMPDIR", "CARGO_HOME", "RUSTUP_HOME"] {
                        variables.remove(ours);
                    }
                    variables.set("HOME", account.home);
                    account.name
                }
                _ => user.to_owned(),
            };
            variables.set("USER", name.as_str());
            variables.set("LOGNAME", name);
        }
        if let Some(port) = self.subject.port {
            variables.set("PORT", port.to_string());
        }
        for (key, template) in declared {
            variables.set(key, self.text(template)?);
        }
        // By these a rotation knows a process again: what only stands in .env must not stand in for them.
        for (key, value) in [
            ("WINDLASS_APP", self.app.to_string()),
            ("WINDLASS_ENVIRONMENT", self.environment.to_string()),
            ("WINDLASS_RELEASE", self.subject.release.to_string()),
            ("WINDLASS_INSTANCE", self.subject.label.to_owned()),
            ("WINDLASS_SHARED", self.shared.display().to_string()),
        ] {
            variables.set(key, value);
        }
        Ok(variables)
    }

    fn setting(&self, key: &str) -> Result<String, Fault> {
        self.settings
            .text(key, &|reference| self.value(reference))
            .map_err(|fault| Fault { message: format!("{}: {}", self.subject.label, fault.message), ..fault })
    }

    fn value(&self, reference: &Reference) -> Result<String, Fault> {
        let missing = |what: String, hint: &str| Fault::new(what, hint);
        Ok(match reference {
            Reference::Port => match self.subject.port {
                Some(port) => port.to_string(),
                None => {
                    let what = format!("{}: {{port}} is used, but no port is declared", self.subject.label);
                    return Err(missing(what, "add port = \"auto\" to the service"));
                }
            },
            Reference::Replica => self.subject.replica.to_string(),
            Reference::Release => self.subject.release.to_string(),
            Reference::App => self.app.to_string(),
            Reference::Environment => self.environment.to_string(),
            Reference::Shared => self.shared.display().to_string(),
            Reference::Setting(key) => self.setting(key)?,
            Reference::SettingFile(key) => {
                let (release, user) = (self.subject.release, self.subject.user);
                let value = Zeroizing::new(self.setting(key)?);
                let path = files::write(self.layout, release, user, key, &value);
                let path = path.map_err(|error| {
                    let what =
                        format!("{}: the file of {key} cannot be written: {error}", self.subject.label);
                    missing(what, "")
                })?;
                path.display().to_string()
            }
            Reference::Resource { name, field } => {
                let facts = self.facts.get(name.as_str());
                facts.and_then(|facts| facts.get(field)).cloned().ok_or_else(|| {
                    missing(format!("{}: the resource {name} has no {field}", self.subject.label), "")
                })?
            }
        })
    }
}
