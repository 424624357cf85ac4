//! What the steps of a build get of the environment of whoever deploys. It lies with the values of the release that is
//! built, under names that no setting can have: another host side may go on with the build, and what is secret in it
//! is masked as long as the build's log can be read.

use windlass_core::protocol::Values;
use windlass_core::settings::{Secret, passwords_in};
use windlass_core::spec::{PASSED, Spec};

/// What their names begin with. No variable has a dot in its name.
const MARK: &str = "build.";

/// Lays what was passed to the values. What has no such name is not for a build.
pub(in crate::host) fn keep(values: &mut Values, mut passed: Values) {
    for (name, value) in &mut passed.0 {
        if PASSED.contains(&name.as_str()) {
            values.0.insert(format!("{MARK}{name}"), std::mem::take(value));
        }
    }
}

/// Takes what was passed out of the values, by its own names.
pub(in crate::host) fn take(values: &mut Values) -> Values {
    let names: Vec<String> = values.0.keys().filter(|name| name.starts_with(MARK)).cloned().collect();
    let taken = names.iter().filter_map(|name| {
        let value = values.0.shift_remove(name)?;
        Some((name.trim_start_matches(MARK).to_owned(), value))
    });
    Values(taken.collect())
}

/// What keeps programs from asking for newer versions of themselves, and from telling of them among what a build says.
const QUIET: [(&str, &str); 2] =
    [("npm_config_update_notifier", "false"), ("PIP_DISABLE_PIP_VERSION_CHECK", "1")];

/// What of it a build of this release gets, and what every build does: the settings go before it.
pub(in crate::host) fn for_build(values: &mut Values, spec: &Spec) -> Values {
    let mut passed = take(values);
    passed.0.extend(QUIET.map(|(name, value)| (name.to_owned(), value.to_owned())));
    passed.0.retain(|name, _| !spec.settings.contains_key(name) && !spec.build.env.contains_key(name));
    passed
}

/// The passwords in it.
pub(in crate::host) fn secrets(passed: &Values) -> Vec<Secret> {
    passed.0.values().flat_map(|value| passwords_in(value)).map(Secret::new).collect()
}

#[cfg(test)]
mod tests {
    use windlass_testkit::sample;

    use super::*;

    fn values(pairs: &[(&str, &str)]) -> Values {
        Values(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn what_is_passed_lies_beside_the_settings_and_gives_way_to_them() {
        let index = "https://ci:hunter2@packages.example/simple";
        let mut kept = values(&[("NO_PROXY", "of the setting")]);
        let passed = [("PIP_INDEX_URL", index), ("NO_PROXY", "localhost"), ("SECRET_KEY", "of ours")];
        keep(&mut kept, values(&passed));
        assert_eq!(
            kept,
            values(&[
                ("NO_PROXY", "of the setting"),
                ("build.PIP_INDEX_URL", index),
                ("build.NO_PROXY", "localhost")
            ])
        );
        let mut spec = sample::shop();
        spec.build.env.insert("NO_PROXY".to_owned(), windlass_core::spec::Template::literal("none"));
        let given = [&[("PIP_INDEX_URL", index)], &QUIET[..]].concat();
        assert_eq!(for_build(&mut kept.clone(), &spec), values(&given));
        let passed = take(&mut kept);
        assert_eq!(kept, values(&[("NO_PROXY", "of the setting")]));
        let secrets: Vec<String> = secrets(&passed).iter().map(|one| one.expose().to_owned()).collect();
        assert_eq!(secrets, ["hunter2"]);
    }
}
