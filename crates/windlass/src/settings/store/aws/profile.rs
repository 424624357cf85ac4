//! The shared files of AWS's tools: `~/.aws/credentials` and `~/.aws/config`.

use std::path::PathBuf;

use indexmap::IndexMap;
use windlass_core::settings::Secret;

use super::super::surroundings::Surroundings;

/// Profiles by name, with their keys; the credentials file wins over the other.
#[derive(Default)]
pub(super) struct Profiles(IndexMap<String, IndexMap<String, Secret>>);

impl Profiles {
    /// Reads both files; one that is not there has no profiles.
    pub(super) fn read(around: &Surroundings) -> Self {
        let text = |variable: &str, usual: &str| {
            let path = around.get(variable).map(PathBuf::from).or_else(|| around.at_home(usual));
            path.and_then(|path| std::fs::read_to_string(path).ok())
                .map(zeroize::Zeroizing::new)
                .unwrap_or_default()
        };
        let mut profiles = Self::default();
        profiles.add(&text("AWS_CONFIG_FILE", ".aws/config"));
        profiles.add(&text("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials"));
        profiles
    }

    /// A key of a profile.
    pub(super) fn get(&self, profile: &str, key: &str) -> Option<&str> {
        self.0.get(profile)?.get(key).map(Secret::expose).filter(|value| !value.is_empty())
    }

    pub(super) fn has(&self, profile: &str) -> bool {
        self.0.contains_key(profile)
    }

    fn add(&mut self, text: &str) {
        let mut section: Option<String> = None;
        for line in text.lines() {
            // An indented line is part of a nested table, of which none is of use here.
            if line.starts_with([' ', '\t', '#', ';']) {
                continue;
            }
            if let Some(name) = line.trim().strip_prefix('[').and_then(|rest| rest.split(']').next()) {
                // "[profile NAME]" in the one file, "[NAME]" in the other.
                let name = name.trim();
                section = Some(name.strip_prefix("profile ").unwrap_or(name).trim().to_owned());
                self.0.entry(section.clone().unwrap_or_default()).or_default();
            } else if let (Some(section), Some((key, value))) = (&section, line.split_once('=')) {
                let keys = self.0.entry(section.clone()).or_default();
                keys.insert(key.trim().to_ascii_lowercase(), Secret::new(value.trim()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_files_make_one_profile() {
        let mut profiles = Profiles::default();
        profiles.add("# ours\n[default]\nregion=eu-west-1\n[profile deploy]\nregion = eu-central-1\ns3 =\n  region = no\naws_access_key_id = old\n");
        profiles.add("[deploy]\r\naws_access_key_id = AKIA=1\r\naws_secret_access_key=x+/=\r\n");
        let get = |profile, key| profiles.get(profile, key);
        assert_eq!(get("default", "region"), Some("eu-west-1"));
        assert_eq!(get("deploy", "region"), Some("eu-central-1"));
        assert_eq!(get("deploy", "aws_access_key_id"), Some("AKIA=1"));
        assert_eq!(get("deploy", "aws_secret_access_key"), Some("x+/="));
        assert_eq!((get("deploy", "s3"), get("nobody", "region")), (None, None));
    }
}
