//! Finding the processes that belong to a directory, whoever their parent is.

use std::fs;
use std::path::Path;

/// The processes whose arguments, environment, program or working directory name `directory`.
pub(crate) fn of(directory: &Path) -> Vec<(i32, String)> {
    let mark = directory.to_str().unwrap();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        let text = |name: &str| {
            let bytes = fs::read(entry.path().join(name)).unwrap_or_default();
            String::from_utf8_lossy(&bytes).replace('\0', " ")
        };
        let link = |name: &str| {
            fs::read_link(entry.path().join(name)).map(|path| path.display().to_string()).unwrap_or_default()
        };
        let arguments = text("cmdline");
        if [arguments.clone(), text("environ"), link("cwd"), link("exe")]
            .iter()
            .any(|fact| fact.contains(mark))
        {
            found.push((pid, arguments));
        }
    }
    found
}

/// How many processes that work below `directory` have these words among their arguments. Cheap
/// enough to be asked all the time.
pub(crate) fn count(directory: &Path, words: &str) -> usize {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let found = entries.filter(|entry| {
        let arguments = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&arguments).replace('\0', " ").contains(words)
            && fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(directory))
    });
    found.count()
}
