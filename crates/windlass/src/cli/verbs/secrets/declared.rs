//! What the manifest says of the values that go into the file: the next deploy would refuse the same.

use indexmap::IndexMap;
use windlass_core::diag::Severity;
use windlass_core::manifest::{self, Manifest};
use windlass_core::settings::audit::{Audited, Finding, is_for_others, why_weak_sealed};
use windlass_core::settings::{Declared, Lost, Misfit, Sealed, Secret};

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::settings::{Below, load};

/// The declarations of an environment.
pub(super) struct Declarations<'c> {
    /// `None` where it cannot be read, or does not have the environment. One that is faulty is told of by
    /// others.
    manifest: Option<(Manifest, IndexMap<String, Declared>)>,
    environment: &'c str,
}

impl<'c> Declarations<'c> {
    pub(super) fn of(context: &'c Context) -> Self {
        let environment = context.options.environment.as_str();
        let known = |manifest: &Manifest| manifest.environments().iter().any(|known| known == environment);
        let text = context.manifest_path().ok().and_then(|path| std::fs::read_to_string(path).ok());
        let manifest = text.and_then(|text| manifest::load(&text).0).filter(known);
        // Once, and not for each of the values of an import.
        let declared = |manifest: Manifest| {
            let settings = manifest.settings(environment);
            (manifest, settings)
        };
        Self { manifest: manifest.map(declared), environment }
    }

    /// What is declared of a setting.
    pub(super) fn get(&self, name: &str) -> Option<Declared> {
        self.manifest.as_ref()?.1.get(name).cloned()
    }

    /// Why a value is not what is declared; the value is not shown.
    pub(super) fn misfits(&self, name: &str, value: &Secret) -> Vec<Misfit> {
        // What goes into this file is shown nowhere, whatever else is declared.
        let declared = self.get(name).map(|declared| Declared { secret: true, ..declared });
        declared.map(|declared| declared.misfits(value)).unwrap_or_default()
    }

    /// Whether the manifest knows the name, and if not, what to do; `None` where that cannot be said.
    pub(super) fn knows(&self, name: &str) -> Option<Result<(), String>> {
        let (manifest, declared) = self.manifest.as_ref()?;
        if declared.contains_key(name) || manifest.refers_to_setting(self.environment, name) {
            return Some(Ok(()));
        }
        Some(Err(match manifest::nearest(name, declared.keys().map(String::as_str)) {
            Some(meant) => format!("did you mean {meant}?"),
            None => "declare it under [settings]".to_owned(),
        }))
    }

    /// Warns of a value that can be guessed, in the words of the deploy that would refuse it. Answers whether it can.
    pub(super) fn warn_weak(&self, context: &Context, name: &str, value: &Secret) -> bool {
        let app = self.manifest.as_ref().and_then(|(manifest, _)| manifest.app());
        let app = app.as_ref().map_or("", |app| app.as_str());
        let Some(why) = why_weak_sealed(app, name, value.expose(), self.get(name).as_ref()) else {
            return false;
        };
        let then = match is_for_others(self.environment) {
            true => format!("a deploy of {} refuses it, so make another one", self.environment),
            false => "make another one".to_owned(),
        };
        context.say(&format!("warning: {name}: {why}; {then}: windlass secrets set {name} --generate"));
        true
    }

    /// Warns of values that the file is to hold and that a higher layer covers here. Answers which they are.
    pub(super) fn warn_covered<'v>(
        &self,
        context: &Context,
        file: &str,
        values: impl IntoIterator<Item = (&'v str, &'v Secret)>,
    ) -> Result<Vec<String>, Failure> {
        let entries: IndexMap<_, _> =
            values.into_iter().map(|(name, value)| (name.to_owned(), (value.clone(), 0))).collect();
        let own: Vec<String> = entries.keys().cloned().collect();
        let sealed = Some(Sealed { file: file.to_owned(), entries, warnings: vec![] });
        let undeclared = IndexMap::new();
        let declared = self.manifest.as_ref().map_or(&undeclared, |(_, declared)| declared);
        let (project, environment) = (context.project_directory()?, self.environment);
        let env = |name: &str| std::env::var(name).ok();
        let below = Below { sealed, ..Below::default() };
        let assembled = load(&project, environment, declared, &env, Lost::default(), below).assembled;
        let manifest = "windlass.toml";
        let audited = Audited { app: "", environment, declared, assembled: &assembled, manifest };
        let mut covered = audited.covered();
        covered.retain(|finding| own.contains(&finding.setting));
        for Finding { severity, fault, .. } in &covered {
            let then = match severity {
                Severity::Error => format!("; a deploy of {environment} refuses it"),
                _ => String::new(),
            };
            context.say(&format!("warning: {fault}{then}"));
        }
        Ok(covered.into_iter().map(|finding| finding.setting).collect())
    }

    /// Warns of a name that the manifest does not know. Answers whether it does, where that can be said.
    pub(super) fn warn_of(&self, context: &Context, name: &str) -> Option<bool> {
        let known = self.knows(name)?;
        if let Err(help) = &known {
            context.say(&format!("warning: {name} is declared nowhere in the manifest; {help}"));
        }
        Some(known.is_ok())
    }
}
