//! A plan in a file: `windlass plan --out` writes it, `windlass apply` reads it.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use windlass_core::plan::{PLAN_VERSION, Plan};
use windlass_core::protocol::FingerprintKey;

use crate::cli::failure::Failure;
use crate::layout;

/// What stands in the file. It holds no secret: without their key, fingerprints tell nothing. Only the
/// plan of an environment's first deploy has that key beside them, because no host has it yet; so it is
/// 0600.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli) struct PlanFile {
    pub(in crate::cli) windlass_plan: u32,
    /// The key that the environment will have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) key: Option<FingerprintKey>,
    pub(in crate::cli) plan: Plan,
}

impl PlanFile {
    pub(in crate::cli) fn write(path: &Path, plan: Plan, key: Option<FingerprintKey>) -> Result<(), Failure> {
        let file = Self { windlass_plan: PLAN_VERSION, key, plan };
        let text = serde_json::to_vec_pretty(&file)
            .map_err(|error| Failure::failed(format!("the plan cannot be written: {error}"), ""))?;
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        layout::replace_file(&path, &text, 0o600).map_err(|error| {
            let (shown, parent) = (path.display(), path.parent().unwrap_or(Path::new("/")));
            let (why, hint) = match error.kind() {
                _ if !parent.exists() => (
                    format!("there is no directory {}", parent.display()),
                    "make it, or name another file: windlass plan --out FILE",
                ),
                _ if !parent.is_dir() => (
                    format!("{} is no directory", parent.display()),
                    "name another file: windlass plan --out FILE",
                ),
                _ if path.is_dir() => {
                    ("that is a directory".to_owned(), "name a file in it: windlass plan --out FILE")
                }
                io::ErrorKind::PermissionDenied => (
                    format!("this account may not write in {}", parent.display()),
                    "name a file elsewhere: windlass plan --out FILE",
                ),
                _ => (error.to_string(), "name a file elsewhere: windlass plan --out FILE"),
            };
            Failure::usage(format!("the plan was not written to {shown}: {why}"), hint)
        })
    }

    pub(in crate::cli) fn read(path: &Path) -> Result<Self, Failure> {
        let wrong = |what: String| Failure::usage(what, "make one with windlass plan --out FILE");
        let text = std::fs::read_to_string(path).map_err(|error| {
            let shown = path.display();
            wrong(match error.kind() {
                io::ErrorKind::NotFound => format!("there is no plan {shown}"),
                io::ErrorKind::IsADirectory => format!("{shown} is a directory, and no plan"),
                io::ErrorKind::PermissionDenied => format!("this account may not read the plan {shown}"),
                io::ErrorKind::InvalidData => format!("{shown} is not a plan: it is no text"),
                _ => format!("the plan {shown} cannot be read: {error}"),
            })
        })?;
        let version: serde_json::Value = serde_json::from_str(&text)
            .map_err(|error| wrong(format!("{} is not a plan: {error}", path.display())))?;
        let found = version.get("windlass_plan").and_then(serde_json::Value::as_u64);
        let shown = path.display();
        let ours = u64::from(PLAN_VERSION);
        let Some(found) = found else { return Err(wrong(format!("{shown} is not a plan of Windlass"))) };
        if found != ours {
            let made_by = if found < ours { "an earlier" } else { "a later" };
            return Err(Failure::usage(
                format!(
                    "{shown} was made by {made_by} Windlass: its format is {found}, and this one's is {ours}"
                ),
                "make it anew with this one (windlass plan --out FILE), look at it, and apply that",
            ));
        }
        serde_json::from_str(&text)
            .map_err(|error| wrong(format!("{shown} was made by another Windlass, or is damaged: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_of_another_windlass_is_told_from_what_is_none() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("plan.json");
        let said = |text: &str| {
            std::fs::write(&path, text).unwrap();
            let failure = PlanFile::read(&path).err().unwrap();
            failure.message.replace(path.to_str().unwrap(), "plan.json")
        };
        assert_eq!(
            said("{\"windlass_plan\": 0, \"steps\": []}"),
            "plan.json was made by an earlier Windlass: its format is 0, and this one's is 1"
        );
        assert_eq!(
            said("{\"windlass_plan\": 2}"),
            "plan.json was made by a later Windlass: its format is 2, and this one's is 1"
        );
        assert_eq!(said("{\"version\": 1}"), "plan.json is not a plan of Windlass");
        let other = said("{\"windlass_plan\": 1, \"phases\": []}");
        assert!(
            other.starts_with("plan.json was made by another Windlass, or is damaged: unknown field"),
            "{other}"
        );
    }
}
