//! Options by which Node reads variables from a `.env`: no release has one, so that it would not start.

/// What there is in their place.
pub(super) const INSTEAD: &str = "no release has a .env: declare what the program reads under [settings], and it finds the \
                                  values of .env in its environment";

/// The words of a call of Node without such options, and those.
pub(super) fn without(words: Vec<String>) -> (Vec<String>, Option<String>) {
    let (mut kept, mut left_out) = (Vec::new(), Vec::new());
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let rest = word.strip_prefix("--env-file-if-exists").or_else(|| word.strip_prefix("--env-file"));
        match rest.map(|rest| (rest, rest.strip_prefix('='))) {
            Some((_, Some(path))) if is_env(path) => left_out.push(word),
            Some(("", _)) => match words.next() {
                Some(path) if is_env(&path) => left_out.push(format!("{word} {path}")),
                path => kept.extend([Some(word), path].into_iter().flatten()),
            },
            _ => kept.push(word),
        }
    }
    let left_out = Some(left_out.join(" ")).filter(|left_out| !left_out.is_empty());
    (kept, left_out)
}

/// Whether no release has a file of this name.
fn is_env(path: &str) -> bool {
    path.rsplit('/').next().is_some_and(|name| name == ".env" || name.starts_with(".env."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_that_no_release_has_are_left_out() {
        let read = |line: &str| {
            let (kept, left_out) = without(line.split(' ').map(str::to_owned).collect());
            (kept.join(" "), left_out)
        };
        assert_eq!(
            read("node --env-file=.env --env-file-if-exists ./.env.local a.js"),
            ("node a.js".to_owned(), Some("--env-file=.env --env-file-if-exists ./.env.local".to_owned()))
        );
        for line in
            ["node --env-file=config/app.env a.js", "node --env-file app.env a.js", "node a.js --env-files"]
        {
            assert_eq!(read(line), (line.to_owned(), None));
        }
    }
}
