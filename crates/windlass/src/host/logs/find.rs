//! Which logs are meant by a name.

use std::collections::BTreeSet;

use windlass_core::name::ReleaseId;

/// Whose log it is, of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Part<'a> {
    pub(super) service: &'a str,
    pub(super) release: ReleaseId,
    /// Which copy; `None`: of all that this release started, as it was once.
    pub(super) copy: Option<u32>,
}

impl Part<'_> {
    /// Whether a name means this log, alone or among others: `web`, `web.r3`, `web.1`, `web.r3.1`.
    fn is_meant_by(&self, name: &str) -> bool {
        let Some(rest) = name.strip_prefix(self.service) else { return false };
        let of_copy =
            |copy| [format!(".{copy}"), format!(".{}.{copy}", self.release)].iter().any(|own| own == rest);
        rest.is_empty() || rest == format!(".{}", self.release) || self.copy.is_some_and(of_copy)
    }

    /// What it is called where `name` was asked for, `of_release` where that was said too: by its copy, where that
    /// name means several; and by its release and copy where it is none of those that the active release has as its
    /// `own`, or two of these have one number.
    pub(super) fn called(
        &self,
        (name, of_release): (&str, bool),
        labels: &[String],
        own: &BTreeSet<String>,
    ) -> String {
        let Some(copy) = self.copy else { return name.to_owned() };
        let whole = format!("{}.{}.{copy}", self.service, self.release);
        if name == whole {
            return whole;
        }
        let own: Vec<Part<'_>> = own
            .iter()
            .filter_map(|label| service_part(label))
            .filter(|other| other.service == self.service && other.copy.is_some())
            .collect();
        // Where nothing of it is active, as after a stop, nothing is another's.
        let is_by_release =
            of_release || name == format!("{}.{}", self.service, self.release) || own.is_empty();
        if is_by_release {
            let is_another = |label: &String| {
                service_part(label).is_some_and(|other| {
                    (other.service, other.release) == (self.service, self.release) && other.copy > Some(1)
                })
            };
            let means_all = name == self.service || name == format!("{}.{}", self.service, self.release);
            return match means_all && labels.iter().any(is_another) {
                true => format!("{}.{copy}", self.service),
                false => name.to_owned(),
            };
        }
        let has_its_number = own.iter().filter(|other| other.copy == self.copy).count();
        match own.len() {
            _ if !own.contains(self) || has_its_number > 1 => whole,
            1 => name.to_owned(),
            _ => format!("{}.{copy}", self.service),
        }
    }
}

/// The logs among `labels` that `wanted` means, the oldest first: the one of that name and those of a
/// service's copies; else those of a job or of a build, of the newest release that has one. With a
/// `release`, those of that one only.
pub(super) fn meant(labels: &[String], wanted: &str, release: Option<ReleaseId>) -> Vec<String> {
    if let Some(release) = release {
        return of_release(labels, wanted, release);
    }
    let mut found = of_service(labels, wanted);
    if found.is_empty() {
        found.extend(labels.iter().filter(|label| *label == wanted).cloned());
    }
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
    of_job(label).map(|(release, _)| release).or_else(|| service_part(label).map(|part| part.release))
}

/// The logs of a service's copies that a name means, in the order of the releases that started them.
pub(super) fn of_service(labels: &[String], wanted: &str) -> Vec<String> {
    let parts = labels.iter().filter_map(|label| Some((service_part(label)?, label)));
    let mut found: Vec<_> = parts.filter(|(part, _)| part.is_meant_by(wanted)).collect();
    found.sort_unstable();
    found.into_iter().map(|(_, label)| label.clone()).collect()
}

/// The services of which a release started copies.
pub(super) fn services_of(labels: &[String], release: ReleaseId) -> Vec<String> {
    let parts = labels.iter().filter_map(|label| service_part(label));
    let services: BTreeSet<_> =
        parts.filter(|part| part.release == release).map(|part| part.service).collect();
    services.into_iter().map(str::to_owned).collect()
}

fn of_release(labels: &[String], wanted: &str, release: ReleaseId) -> Vec<String> {
    let is_meant = |label: &String| {
        service_part(label).is_some_and(|part| part.release == release && part.is_meant_by(wanted))
            || of_job(label).is_some_and(|(of, what)| {
                of == release
                    && (what == wanted || what.strip_prefix(wanted).is_some_and(|rest| rest.starts_with('.')))
            })
    };
    let mut found: Vec<String> = labels.iter().filter(|label| is_meant(label)).cloned().collect();
    // The second copy, or step of a build, comes before the tenth.
    found.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    found
}

/// The names by which logs can be asked for: each once, without the releases' numbers.
pub(super) fn names(labels: &[String]) -> Vec<String> {
    let mut names: Vec<String> = labels
        .iter()
        .map(|label| match (of_job(label), service_part(label)) {
            (Some((_, what)), _) => what.split('.').next().unwrap_or(what).to_owned(),
            (None, Some(part)) => part.service.to_owned(),
            (None, None) => label.clone(),
        })
        .collect();
    names.sort();
    names.dedup();
    names
}

/// The release and the rest of a label such as `r3.migrate`.
pub(super) fn of_job(label: &str) -> Option<(ReleaseId, &str)> {
    let (release, what) = label.split_once('.')?;
    Some((release.parse().ok()?, what))
}

/// Of whom a label such as `web.r3.1` is, or `web.r3` as it was once.
pub(super) fn service_part(label: &str) -> Option<Part<'_>> {
    let mut words = label.split('.');
    let (service, release) = (words.next()?, words.next()?.parse().ok()?);
    let copy = words.next().map(str::parse).transpose().ok()?;
    words.next().is_none().then_some(Part { service, release, copy })
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
            "web.r10.1",
            "web.r10.10",
            "web.r10.2",
            "web.r2",
            "web.r9.1",
            "web-admin.r2.1",
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
        assert_eq!(found("web.r10.2", None), ["web.r10.2"]);
    }

    #[test]
    fn a_service_has_a_log_for_each_copy() {
        assert_eq!(found("web", None), ["web.r2", "web.r9.1", "web.r10.1", "web.r10.2", "web.r10.10"]);
        assert_eq!(found("web", Some(2)), ["web.r2"]);
        assert_eq!(found("web", Some(10)), ["web.r10.1", "web.r10.2", "web.r10.10"]);
        assert_eq!(found("web", Some(3)), Vec::<String>::new());
        assert_eq!(found("web.r10", None), ["web.r10.1", "web.r10.2", "web.r10.10"]);
        assert_eq!(found("web.1", None), ["web.r9.1", "web.r10.1"]);
        assert_eq!(found("web.1", Some(9)), ["web.r9.1"]);
        assert_eq!(services_of(&labels(), ReleaseId(2)), ["web", "web-admin"]);
    }

    #[test]
    fn a_copy_is_called_by_its_number_where_there_are_several() {
        let called = |label: &str, name: &str, of_release: bool, own: &[&str]| {
            let own = own.iter().map(|label| (*label).to_owned()).collect();
            service_part(label).unwrap().called((name, of_release), &labels(), &own)
        };
        let both = ["web.r10.1", "web.r10.2"];
        assert_eq!(called("web.r10.2", "web", false, &both), "web.2");
        assert_eq!(called("web.r10.2", "web.r10", false, &both), "web.2");
        assert_eq!(called("web.r10.2", "web.r10.2", false, &both), "web.r10.2");
        assert_eq!(called("web.r10.2", "web.2", false, &both), "web.2");
        assert_eq!(called("web.r9.1", "web", false, &["web.r9.1"]), "web");
        assert_eq!(called("web.r9.1", "web", false, &["web.r9.1", "web.r10.2"]), "web.1", "beside a new one");
        assert_eq!(called("web.r2", "web", false, &both), "web", "nobody knows which");
        for of_another in ["web", "web.1"] {
            assert_eq!(called("web.r9.1", of_another, false, &both), "web.r9.1", "of another release");
        }
        assert_eq!(called("web.r9.1", "web", true, &both), "web", "that release was asked for");
        assert_eq!(called("web.r10.2", "web", true, &["web.r11.1"]), "web.2");
        for one in ["web.r9.1", "web.r10.1"] {
            assert_eq!(called(one, "web", false, &["web.r9.1", "web.r10.1"]), one, "of one number");
        }
        assert_eq!(called("web.r10.2", "web", false, &[]), "web.2", "nothing runs");
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
