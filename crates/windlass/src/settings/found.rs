//! The settings of an environment as they were found, beside what is declared of them.

use indexmap::{IndexMap, IndexSet};
use windlass_core::diag::Severity;
use windlass_core::protocol::FingerprintKey;
use windlass_core::settings::audit::Audited;
use windlass_core::settings::{
    Address, Assembled, Declared, Fault, Lost, Provenance, Secret, Value, check, is_secret, misaddressed,
    too_large,
};
use windlass_core::spec::{SealedVersion, Setting, Spec};

use super::room::room;

/// What is declared, and what was found.
#[derive(Debug)]
pub struct Found {
    /// The declarations.
    pub declared: IndexMap<String, Declared>,
    /// Where somebody else's resources are, as far as settings say it.
    pub addresses: Vec<Address>,
    /// The values and where they came from.
    pub assembled: Assembled,
    /// Why some of them cannot be read.
    pub faults: Vec<Fault>,
    /// Which ones.
    pub lost: Lost,
    /// How many of these nobody declared, by their faulty file: what they are called is not shown.
    pub unnamed: IndexMap<String, usize>,
    /// The encrypted file that was read, and as of which write.
    pub sealed: Option<SealedVersion>,
    /// The key of fingerprints that everybody has who can open that file.
    pub fingerprint_key: Option<FingerprintKey>,
    /// What external stores should have and did not give.
    pub unstored: Unstored,
}

/// Settings without a value because of an external store.
#[derive(Debug, Default)]
pub struct Unstored {
    /// Why they have none.
    pub faults: Vec<Fault>,
    /// Whether any of these is a fault of the manifest.
    pub of_manifest: bool,
    /// Those that were not asked for.
    pub left_out: Vec<String>,
    /// Those that were asked for in vain, and why.
    pub missing: IndexMap<String, String>,
    /// Those that their store does not have, and whose default holds therefore: what it said.
    pub defaulted: IndexMap<String, String>,
}

impl Unstored {
    /// Whether there is nothing wrong beside what stores and the way to them are to blame for.
    #[must_use]
    pub fn are_all(&self, faults: &[Fault]) -> bool {
        !self.of_manifest && faults.len() == self.faults.len()
    }
}

impl Found {
    /// What stands in the way of a deploy of `app` to `environment`: values that are not what was declared, and,
    /// where others depend on them, secrets that can be guessed and those that `.env` hides. `manifest` is what its file is called.
    #[must_use]
    pub fn errors(&self, app: &str, environment: &str, manifest: &str) -> Vec<Fault> {
        let (declared, assembled) = (&self.declared, &self.assembled);
        let mistyped = self.mistyped(manifest);
        let audited = Audited { app, environment, declared, assembled, manifest };
        let covered = audited.covered().into_iter().filter(|finding| finding.severity == Severity::Error);
        let weak = audited.weak().into_iter().filter(|finding| {
            // What is not even of the right form need not be told twice.
            let start = format!("{}: ", finding.setting);
            finding.severity == Severity::Error
                && !mistyped.iter().any(|fault| fault.message.starts_with(&start))
        });
        let mut faults = self.unread();
        faults.extend(self.misaddressed(manifest));
        faults.extend(covered.map(|finding| finding.fault));
        faults.extend(weak.map(|finding| finding.fault));
        faults.extend(mistyped);
        faults.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        faults
    }

    /// Why some values are not known, be it a source's fault or a store's.
    #[must_use]
    pub fn unread(&self) -> Vec<Fault> {
        [self.faults.as_slice(), &self.unstored.faults].concat()
    }

    /// Why it is not known which value a setting has, where that is so.
    #[must_use]
    pub fn unknown(&self, name: &str) -> Option<String> {
        if self.assembled.has(name) {
            return None;
        }
        if self.lost.is_any() || self.lost.has(name) {
            let files: IndexSet<&str> = self.faults.iter().map(|fault| fault.file.as_str()).collect();
            let files: Vec<&str> = files.into_iter().collect();
            return Some(match files.as_slice() {
                [one] => format!("{one} has a fault"),
                many => format!("{} have faults", many.join(", ")),
            });
        }
        let is_left_out = self.unstored.left_out.iter().any(|other| other == name);
        let left_out = is_left_out.then(|| "its store was not asked".to_owned());
        left_out.or_else(|| self.unstored.missing.get(name).cloned())
    }

    /// The names of all settings that are declared, or that some source has. What is lost and not declared is not among
    /// them: its name may be a piece of a value.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let names = self.declared.keys().chain(self.assembled.settings.keys()).map(String::as_str);
        names.collect::<IndexSet<&str>>().into_iter()
    }

    /// Values that are not what was declared. `manifest` is what its file is called.
    #[must_use]
    pub fn mistyped(&self, manifest: &str) -> Vec<Fault> {
        check(&self.declared, &self.assembled, manifest)
    }

    /// Values that nobody of `spec` can be given when it starts. `manifest` is what its file is called.
    #[must_use]
    pub fn oversized(&self, spec: &Spec, manifest: &str) -> Vec<Fault> {
        too_large(spec, &self.declared, &self.assembled, manifest, room())
    }

    /// Whether the settings file `name` has a secret, be it one that another layer overrules.
    #[must_use]
    pub fn has_secret_in(&self, name: &str) -> bool {
        let is_of_file =
            |value: &&Value| matches!(&value.provenance, Provenance::File { name: file, .. } if file == name);
        self.assembled.settings.iter().any(|(setting, resolved)| {
            let declared = self.declared.get(setting);
            let mut values = std::iter::once(&resolved.value).chain(&resolved.overruled).filter(is_of_file);
            values.any(|value| is_secret(setting, declared, value))
        })
    }

    /// Addresses of resources that are none.
    #[must_use]
    pub fn misaddressed(&self, manifest: &str) -> Vec<Fault> {
        let (declared, assembled) = (&self.declared, &self.assembled);
        let mut faults = misaddressed(&self.addresses, declared, assembled, manifest);
        if !faults.is_empty() {
            // What is not even of the right form need not be told twice.
            let mistyped = self.mistyped(manifest);
            let name = |fault: &Fault| fault.message.split_once(": ").map(|(name, _)| name.to_owned());
            faults.retain(|fault| !mistyped.iter().any(|other| name(other) == name(fault)));
        }
        faults
    }

    /// What a specification may know of the settings that have a value, but for the fingerprints: those
    /// are made with the key of the environment that it is for. What may stand where it could not be read
    /// counts as found: that is told, and nothing is deployed.
    #[must_use]
    pub fn known(&self) -> IndexMap<String, Setting> {
        let settings = &self.assembled.settings;
        let known = settings.iter().filter(|(_, resolved)| resolved.value.text.known().is_some());
        let known = known.map(|(name, resolved)| {
            let declared = self.declared.get(name);
            let setting = Setting {
                secret: is_secret(name, declared, &resolved.value),
                fingerprint: String::new(),
                composed: None,
                file: declared.is_some_and(|declared| declared.file),
                // The manifest says it, and is read again.
                separator: None,
            };
            (name.clone(), setting)
        });
        let lost = self.lost.named().map(str::to_owned);
        let declared = self.declared.keys().filter(|name| self.lost.is_any() || self.lost.has(name));
        let lost: Vec<String> = lost.chain(declared.cloned()).collect();
        let mut known: IndexMap<String, Setting> = known.collect();
        for name in lost {
            let declared = self.declared.get(&name);
            known.entry(name).or_insert_with(|| Setting {
                secret: declared.is_some_and(|declared| declared.secret),
                fingerprint: String::new(),
                composed: None,
                file: declared.is_some_and(|declared| declared.file),
                separator: None,
            });
        }
        known
    }

    /// The values, by name. What is put together where a process starts has none yet.
    pub fn values(&self) -> impl Iterator<Item = (&str, &Secret)> {
        let settings = self.assembled.settings.iter();
        settings.filter_map(|(name, resolved)| Some((name.as_str(), resolved.value.text.known()?)))
    }
}

/// A fault for programs.
#[must_use]
pub fn fault_to_json(fault: &Fault) -> serde_json::Value {
    serde_json::json!({
        "file": fault.file, "line": fault.line, "column": fault.column,
        "message": fault.message, "help": fault.help,
    })
}
