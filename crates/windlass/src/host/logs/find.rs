//! Which logs are meant by a name.

use windlass_core::name::ReleaseId;

/// The logs among `labels` that `wanted` means: the one of that name, else those of a job or of a
/// build, of `release` or of the newest that has one.
pub(super) fn meant(labels: &[String], wanted: &str, release: Option<ReleaseId>) -> Vec<String> {
    if release.is_none() && labels.iter().any(|label| label == wanted) {
        return vec![wanted.to_owned()];
    }
    let own = |release: ReleaseId| -> Vec<String> {
        let mut found: Vec<&String> = labels
            .iter()
            .filter(|label| {
                part(label).is_some_and(|(of, what)| {
                    of == release
                        && (what == wanted
                            || what.strip_prefix(wanted).is_some_and(|rest| rest.starts_with('.')))
                })
            })
            .collect();
        // The second step of a build comes before the tenth.
        found.sort_by_key(|label| (label.len(), label.as_str()));
        found.into_iter().cloned().collect()
    };
    let Some(release) = release else {
        let mut releases: Vec<ReleaseId> =
            labels.iter().filter_map(|label| part(label)).map(|(release, _)| release).collect();
        releases.sort_unstable();
        releases.dedup();
        return releases.into_iter().rev().map(own).find(|found| !found.is_empty()).unwrap_or_default();
    };
    match own(release) {
        found if !found.is_empty() => found,
        _ if labels.iter().any(|label| label == wanted) => vec![wanted.to_owned()],
        _ => vec![],
    }
}

/// The names by which logs can be asked for: each once, without the releases' numbers.
pub(super) fn names(labels: &[String]) -> Vec<String> {
    let mut names: Vec<String> = labels
        .iter()
        .map(|label| match part(label) {
            Some((_, what)) => what.split('.').next().unwrap_or(what).to_owned(),
            None => label.clone(),
        })
        .collect();
    names.sort();
    names.dedup();
    names
}

/// The release and the rest of a label such as `r3.migrate`.
fn part(label: &str) -> Option<(ReleaseId, &str)> {
    let (release, what) = label.split_once('.')?;
    Some((release.parse().ok()?, what))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels() -> Vec<String> {
        let labels = [
            "access",
            "host",
            "r2.build.1",
            "r2.build.10",
            "r2.build.2",
            "r2.migrate",
            "r3.build.1",
            "r3.migrate",
            "r3.migrate.undo",
            "web",
        ];
        labels.map(str::to_owned).to_vec()
    }

    fn found(wanted: &str, release: Option<u64>) -> Vec<String> {
        meant(&labels(), wanted, release.map(ReleaseId))
    }

    #[test]
    fn a_log_is_found_by_its_own_name() {
        assert_eq!(found("web", None), ["web"]);
        assert_eq!(found("access", None), ["access"]);
        assert_eq!(found("r2.migrate", None), ["r2.migrate"]);
    }

    #[test]
    fn a_job_and_a_build_are_those_of_the_newest_release_unless_one_is_named() {
        assert_eq!(found("migrate", None), ["r3.migrate", "r3.migrate.undo"]);
        assert_eq!(found("migrate", Some(2)), ["r2.migrate"]);
        assert_eq!(found("build", None), ["r3.build.1"]);
        assert_eq!(found("build", Some(2)), ["r2.build.1", "r2.build.2", "r2.build.10"]);
        assert_eq!(found("web", Some(2)), ["web"], "a service has one log for all releases");
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        for wanted in ["", "migr", "../state/settings/r1", "r9.migrate", "3.migrate"] {
            assert_eq!(found(wanted, None), Vec::<String>::new(), "{wanted:?}");
        }
        assert_eq!(found("migrate", Some(9)), Vec::<String>::new());
        assert_eq!(names(&labels()), ["access", "build", "host", "migrate", "web"]);
    }
}
