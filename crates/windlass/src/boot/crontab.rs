//! A line of the account's crontab that starts the host side.

use super::entry::run;

/// The line. Both paths are known to mean themselves to a shell.
pub(super) fn line(program: &str, root: &str) -> String {
    format!("@reboot {program} host start {root}")
}

/// Adds the line, in the place of an older one for the same directory. Whether anything had to be
/// done.
pub(super) fn add(line: &str, root: &str) -> Result<bool, String> {
    let before = read()?;
    let after = with(&before, line, root);
    replace(&before, &after)
}

/// Takes the line of this directory away. Whether there was one.
pub(super) fn remove(root: &str) -> Result<bool, String> {
    let before = read()?;
    let after = without(&before, root);
    replace(&before, &after)
}

/// The account's crontab; one that has none has an empty one.
fn read() -> Result<String, String> {
    match run("crontab", &["-l"], None) {
        Err(error) if is_of_none(&error) => Ok(String::new()),
        other => other,
    }
}

/// Whether a complaint means that the account has no crontab: Vixie cron says so, busybox that there is no file.
fn is_of_none(error: &str) -> bool {
    error.contains("no crontab for")
        || (error.contains("can't open '") && error.ends_with("No such file or directory"))
}

fn replace(before: &str, after: &str) -> Result<bool, String> {
    if before == after {
        return Ok(false);
    }
    run("crontab", &["-"], Some(after)).map(|_| true)
}

fn with(before: &str, line: &str, root: &str) -> String {
    if before.lines().any(|known| known == line) {
        return before.to_owned();
    }
    let mut text = without(before, root);
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text + line + "\n"
}

fn without(before: &str, root: &str) -> String {
    let ours = format!(" host start {root}");
    before.split_inclusive('\n').filter(|line| !line.trim_end().ends_with(&ours)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OTHERS: &str = "# mine\n0 3 * * * backup\n@reboot /bin/windlass host start /w/shop/staging\n";

    #[test]
    fn an_account_without_a_crontab_is_told_from_one_that_cannot_be_read() {
        assert!(is_of_none("crontab -l: no crontab for root"));
        assert!(is_of_none("crontab -l: crontab: can't open 'root': No such file or directory"));
        assert!(!is_of_none("crontab -l: crontab: can't open 'root': Permission denied"));
        assert!(!is_of_none("crontab cannot be run: No such file or directory (os error 2)"));
    }

    #[test]
    fn only_the_line_of_this_directory_comes_and_goes() {
        let line = line("/usr/bin/windlass", "/w/shop/local");
        let with_it = with(OTHERS, &line, "/w/shop/local");
        assert_eq!(with_it, format!("{OTHERS}@reboot /usr/bin/windlass host start /w/shop/local\n"));
        assert_eq!(with(&with_it, &line, "/w/shop/local"), with_it, "it is there already");
        let moved = super::line("/opt/windlass", "/w/shop/local");
        assert_eq!(with(&with_it, &moved, "/w/shop/local"), format!("{OTHERS}{moved}\n"));
        assert_eq!(without(&with_it, "/w/shop/local"), OTHERS);
        assert_eq!(with("0 3 * * * x", &line, "/w/shop/local"), format!("0 3 * * * x\n{line}\n"));
    }
}
