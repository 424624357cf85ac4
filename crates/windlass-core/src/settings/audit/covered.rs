//! Values that hold in place of others which an environment was given for itself.

use super::{Audited, Finding, is_for_others};
use crate::diag::Severity;
use crate::settings::{Fault, Provenance, Resolved};

/// The file that every environment reads.
const SHARED: &str = ".env";

const CODE: &str = "covered-value";

impl Audited<'_> {
    /// Settings whose value for this environment, in its encrypted file or a store, does not hold, as another layer has
    /// another. `.env` is read by all environments, so what stands there is an error where this one is for others. What the
    /// process's environment has may be meant, as in CI. `.env.ENVIRONMENT` is there to hold.
    #[must_use]
    pub fn covered(&self) -> Vec<Finding> {
        let settings = &self.assembled.settings;
        settings.iter().filter_map(|(name, resolved)| self.covering(name, resolved)).collect()
    }

    fn covering(&self, name: &str, resolved: &Resolved) -> Option<Finding> {
        match &resolved.value.provenance {
            Provenance::Environment => {
                let (file, line) = hidden(resolved)?.place();
                let message = format!("the environment has another {name}, which holds");
                let help = format!("unset {name} if the encrypted value is meant");
                let fault = Fault { file, line, column: 0, message, help };
                Some(Finding { code: CODE, severity: Severity::Warning, setting: name.to_owned(), fault })
            }
            Provenance::File { name: file, .. } if file == SHARED => self.shared(name, resolved),
            _ => None,
        }
    }

    fn shared(&self, name: &str, resolved: &Resolved) -> Option<Finding> {
        let environment = self.environment;
        let for_others = is_for_others(environment);
        let (severity, what) = match hidden(resolved) {
            Some(place) if for_others => (Severity::Error, format!("another value in {place}")),
            Some(place) => (Severity::Warning, format!("another value in {place}")),
            // Whether the store has another is not known: it is not asked.
            None => {
                let place = self.declared.get(name)?.from.as_ref().filter(|_| for_others)?;
                (Severity::Warning, format!("{place}, which is not asked"))
            }
        };
        let why = format!("in {environment} too this value holds, over {what}");
        let help = match for_others {
            true => format!(
                "move it to .env.local, which `local` alone reads; if {environment} is to have it, to .env.{environment}"
            ),
            false => "take out the one that is not meant".to_owned(),
        };
        Some(self.finding(CODE, severity, name, resolved, &why, &help))
    }
}

/// Where the encrypted file has another value than the one that holds.
fn hidden(resolved: &Resolved) -> Option<&Provenance> {
    let mut overruled = resolved.overruled.iter();
    let sealed = overruled.find(|value| matches!(value.provenance, Provenance::Sealed { .. }))?;
    (sealed.text != resolved.value.text).then_some(&sealed.provenance)
}
