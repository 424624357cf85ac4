//! Which logs are meant by a name.

use windlass_core::name::ReleaseId;

/// The logs among `labels` that `wanted` means, the oldest first: the one of that name and those of a
/// service's releases; else those of a job or of a build, of the newest release that has one. With a
/// `release`, those of that one only.
pub(super) fn meant(labels: &[String], wanted: &str, release: Option<ReleaseId>) -> Vec<String> {
    if let Some(release) = release {
        return of_release(labels, wanted, release);
    }
    let mut found: Vec<String> = labels.iter().filter(|label| *label == wanted).cloned().collect();
    found.extend(of_service(labels, wanted));
    if !found.is_empty() {
        return found;
    }
    let mut releases: Vec<ReleaseId> =
        labels.iter().filter_map(|label| of_job(label)).map(|(release, _)| release).collect();
    releases.sort_unstable();
    releases.dedup();
    releases
        .into_iter()
        .rev()
        .map(|release| of_release(labels, wanted, release))
        .find(|found| !found.is_empty())
        .unwrap_or_default()
}

/// The release whose processes wrote a log, where it is of one alone.
pub(in crate::host) fn release_of(label: &str) -> Option<ReleaseId> {
    of_job(label).map(|(release, _)| release).or_else(|| service_part(label).map(|(_, release)| release))
}

/// The logs of a service, in the order of the releases that started its copies.
pub(super) fn of_service(labels: &[String], service: &str) -> Vec<String> {
    let mut found: Vec<(ReleaseId, &String)> = labels
        .iter()
        .filter_map(|label| service_part(label).map(|(of, release)| (of, release, label)))
        .filter(|(of, ..)| *of == service)
        .map(|(_, release, label)| (release, label))
        .collect();
    found.sort_unstable();
    found.into_iter().map(|(_, label)| label.clone()).collect()
}

fn of_release(labels: &[String], wanted: &str, release: ReleaseId) -> Vec<String> {
    let is_meant = |label: &String| {
        service_part(label) == Some((wanted, release))
            || of_job(label).is_some_and(|(of, what)| {
                of == release
                    && (what == wanted || what.strip_prefix(wanted).is_some_and(|rest| rest.starts_with('.')))
            })
    };
    let mut found: Vec<String> = labels.iter().filter(|label| is_meant(label)).cloned().collect();
    // The second step of a build comes before the tenth.
    found.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    found
}

/// The names by which logs can be asked for: each once, without the releases' numbers.
pub(super) fn names(labels: &[String]) -> Vec<String> {
    let mut names: Vec<String> = labels
        .iter()
        .map(|label| match (of_job(label), service_part(label)) {
            (Some((_, what)), _) => what.split('.').next().unwrap_or(what).to_owned(),
            (None, Some((service, _))) => service.to_owned(),
            (None, None) => label.clone(),
        })
        .collect();
    names.sort();
    names.dedup();
    names
}

/// The release and the rest of a label such as `r3.migrate`.
fn of_job(label: &str) -> Option<(ReleaseId, &str)> {
    let (release, what) = label.split_once('.')?;
    Some((release.parse().ok()?, what))
}

/// The service and the release of a label such as `web.r3`.
pub(super) fn service_part(label: &str) -> Option<(&str, ReleaseId)> {
    let (service, release) = label.split_once('.')?;
    Some((service, release.parse().ok()?))
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
            "web.r10",
            "web.r2",
            "web-admin.r2",
        ];
        labels.map(str::to_owned).to_vec()
    }

    fn found(wanted: &str, release: Option<u64>) -> Vec<String> {
        meant(&labels(), wanted, release.map(ReleaseId))
    }

    #[test]
    fn a_log_is_found_by_its_own_name() {
        assert_eq!(found("access", None), ["access"]);
        assert_eq!(found("r2.migrate", None), ["r2.migrate"]);
        assert_eq!(found("web.r2", None), ["web.r2"]);
    }

    #[test]
    fn a_service_has_a_log_for_each_release() {
        assert_eq!(found("web", None), ["web.r2", "web.r10"]);
        assert_eq!(found("web", Some(2)), ["web.r2"]);
        assert_eq!(found("web", Some(3)), Vec::<String>::new());
    }

    #[test]
    fn a_job_and_a_build_are_those_of_the_newest_release_unless_one_is_named() {
        assert_eq!(found("migrate", None), ["r3.migrate", "r3.migrate.undo"]);
        assert_eq!(found("migrate", Some(2)), ["r2.migrate"]);
        assert_eq!(found("build", None), ["r3.build.1"]);
        assert_eq!(found("build", Some(2)), ["r2.build.1", "r2.build.2", "r2.build.10"]);
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        for wanted in ["", "migr", "../state/settings/r1", "r9.migrate", "3.migrate"] {
            assert_eq!(found(wanted, None), Vec::<String>::new(), "{wanted:?}");
        }
        assert_eq!(found("migrate", Some(9)), Vec::<String>::new());
        assert_eq!(found("access", Some(2)), Vec::<String>::new());
        assert_eq!(names(&labels()), ["access", "build", "host", "migrate", "web", "web-admin"]);
    }
}
