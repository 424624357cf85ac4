//! Files of settings that lie in the machine's memory, outside of the sandbox.

use std::path::{Path, PathBuf};

/// Removes those of all environments of a sandbox, which nobody has taken down.
pub(crate) fn forget_files_of_settings(root: &Path) {
    for environment in inside(&root.join("home")).iter().flat_map(|app| inside(app)) {
        let place = std::fs::read_to_string(environment.join("state/settings/place")).unwrap_or_default();
        // Where there is no place in memory they lie in the environment.
        if place.contains("/windlass-") {
            let _none_any_more = std::fs::remove_dir_all(place);
        }
    }
}

fn inside(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_environment_has_in_memory_goes_with_it() {
        let (root, memory) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let state = root.path().join("home/fixture/local/state/settings");
        std::fs::create_dir_all(&state).unwrap();
        let of = |name: &str| memory.path().join("windlass-0").join(name);
        for name in ["fixture-local-1/r1", "fixture-local-2/r1"] {
            std::fs::create_dir_all(of(name)).unwrap();
        }
        std::fs::write(state.join("place"), of("fixture-local-1").to_str().unwrap()).unwrap();
        forget_files_of_settings(root.path());
        assert!(!of("fixture-local-1").exists() && of("fixture-local-2").exists());
        forget_files_of_settings(root.path());
    }
}
