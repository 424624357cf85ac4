//! What a release gets of the environment of whoever deploys: what the steps of its build need to find their way out,
//! and where the programs are that it runs. It lies with the values of the release, under names that no setting can
//! have: another host side may go on with it, and what is secret in it is masked as long as the build's log can be read.

use windlass_core::protocol::Values;
use windlass_core::settings::Secret;
use windlass_core::spec::{PASSED, PLACES, Spec};
use zeroize::Zeroizing;

use crate::resource::decoded;
use crate::settings::passwords_in;

/// What the names begin with of what is for the build alone. No variable has a dot in its name.
const MARK: &str = "build.";

/// The same of what says where programs are.
const PLACE: &str = "place.";

/// Lays what was passed to the values of a release that is built, in the place of what was passed to an earlier one
/// whose values these are. What has no such name is not for a build.
pub(in crate::host) fn keep(values: &mut Values, passed: &mut Values, is_built: bool) {
    take_marked(values, MARK);
    if !is_built {
        return;
    }
    for (name, value) in &mut passed.0 {
        if PASSED.contains(&name.as_str()) {
            values.0.insert(format!("{MARK}{name}"), std::mem::take(value));
        }
    }
}

/// Lays to the values of a release that is deployed where the programs of whoever deploys are. Whatever comes of it
/// later, such as a restart, has its values and so these.
pub(in crate::host) fn keep_places(values: &mut Values, passed: &mut Values) {
    take_marked(values, PLACE);
    for name in PLACES {
        if let Some(value) = passed.0.shift_remove(name) {
            values.0.insert(format!("{PLACE}{name}"), value);
        }
    }
}

/// Where the programs of a release are, each variable with its value; `None` where that was not said, as by a Windlass
/// of before: then they are where the host side has them.
pub(in crate::host) fn places(values: &Values) -> Option<impl Iterator<Item = (&'static str, &str)>> {
    let found =
        PLACES.into_iter().filter_map(|name| Some((name, values.0.get(&format!("{PLACE}{name}"))?.as_str())));
    values.0.contains_key(&format!("{PLACE}PATH")).then_some(found)
}

/// Takes what was passed out of the values; that for the build is the answer, by its own names.
pub(in crate::host) fn take(values: &mut Values) -> Values {
    take_marked(values, PLACE);
    take_marked(values, MARK)
}

fn take_marked(values: &mut Values, mark: &str) -> Values {
    let names: Vec<String> = values.0.keys().filter(|name| name.starts_with(mark)).cloned().collect();
    let taken = names.iter().filter_map(|name| {
        let value = values.0.shift_remove(name)?;
        Some((name.trim_start_matches(mark).to_owned(), value))
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
    // Programs read either case of a proxy's name, and prefer one of them.
    let own: Vec<&String> = spec.settings.keys().chain(spec.build.env.keys()).collect();
    passed.0.retain(|name, _| !own.iter().any(|own| own.eq_ignore_ascii_case(name)));
    passed
}

/// The passwords in it, and the accounts: each of these variables leads to a server, so what stands before an `@` is for
/// that server alone, with or without a scheme, and a user without a password is a token.
pub(in crate::host) fn secrets(passed: &Values) -> Vec<Secret> {
    let found = passed.0.values().flat_map(|value| passwords_in(value).chain(accounts(value)));
    found.map(|secret| Secret::new(secret.as_str())).collect()
}

/// Users of at least so many bytes are masked whatever their password: some servers take a token for the user.
const SHORTEST_TOKEN: usize = 16;

/// The accounts in a value, as they stand there and as they are meant, and by themselves their passwords and tokens.
fn accounts(value: &str) -> impl Iterator<Item = Zeroizing<String>> {
    let accounts = value.split_whitespace().flat_map(account_places).filter_map(|place| {
        let (account, _) = place.rsplit_once('@')?;
        Some(account)
    });
    let parts = accounts.flat_map(|account| {
        let (user, password) = account.split_once(':').unwrap_or((account, ""));
        let is_token = password.is_empty() || user.len() >= SHORTEST_TOKEN;
        // Of the same name twice only both together are masked: alone it would be masked in every log.
        let password = Some(password).filter(|password| *password != user);
        let forms = [Some(account), is_token.then_some(user), password];
        forms.into_iter().flatten().filter(|part| !part.is_empty())
    });
    parts.flat_map(|part| [Some(part.to_owned()), decoded(part)]).flatten().map(Zeroizing::new)
}

/// Where an account may stand in a word: in the authority of each URL; without a scheme anywhere, but in a path.
fn account_places(word: &str) -> Vec<&str> {
    if word.contains("://") {
        let behind = word.split("://").skip(1);
        return behind.map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default()).collect();
    }
    if word.starts_with(['/', '.', '~']) { vec![] } else { vec![word] }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

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
        keep(&mut kept, &mut values(&passed), true);
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
        let secrets: BTreeSet<String> = secrets(&passed).iter().map(|one| one.expose().to_owned()).collect();
        assert_eq!(secrets, ["ci:hunter2".to_owned(), "hunter2".to_owned()].into());
    }

    #[test]
    fn no_account_of_what_is_passed_is_shown_in_any_form() {
        for (value, said, shown) in [
            ("https://ci:p%40ss-word@h/simple", "p@ss-word, p%40ss-word at h", "***, *** at h"),
            // Basic authentication of ci:p@ss-word.
            ("https://ci:p%40ss-word@h/simple", "Basic Y2k6cEBzcy13b3Jk.", "Basic ***."),
            ("https://t0ken-7@pypi.example/simple", "t0ken-7 of pypi.example", "*** of pypi.example"),
            ("https://t0ken-7:@pypi.example/simple", "t0ken-7 of pypi.example", "*** of pypi.example"),
            ("main=https://a.example/ b=https://t0ken-7@b.example", "t0ken-7 b.example", "*** b.example"),
            ("https://t0ken-7@a.example|https://t0ken-8@b.example,direct", "t0ken-7 t0ken-8", "*** ***"),
            ("https://ghp_0123456789abcdef:x@h/", "ghp_0123456789abcdef", "***"),
            ("ada:hunter22@proxy:3128", "hunter22 of proxy:3128", "*** of proxy:3128"),
            ("ada:hunt/er22@proxy:3128", "hunt/er22 of proxy:3128", "*** of proxy:3128"),
            ("http://squid1:squid1@proxy:3128", "squid1 said squid1:squid1", "squid1 said ***"),
            ("http://deploy:hunter22@proxy:3128", "deploy said hunter22", "deploy said ***"),
            ("/etc/ssl-ca@2/ca.pem", "/etc/ssl-ca@2/ca.pem", "/etc/ssl-ca@2/ca.pem"),
            ("https://h.example/@scope/x", "h.example/@scope", "h.example/@scope"),
        ] {
            let secrets = secrets(&values(&[("PIP_INDEX_URL", value)]));
            let redactor = crate::settings::Redactor::new(secrets.iter().map(Secret::expose));
            assert_eq!(redactor.redact(said), shown, "{value}");
        }
    }

    #[test]
    fn what_the_build_sets_in_the_other_case_is_not_passed() {
        let mut spec = sample::shop();
        let ours = windlass_core::spec::Template::literal("http://ours");
        spec.build.env.insert("HTTPS_PROXY".to_owned(), ours);
        let mut kept = Values::default();
        let mut theirs = values(&[("https_proxy", "http://theirs"), ("http_proxy", "http://theirs")]);
        keep(&mut kept, &mut theirs, true);
        let given = [&[("http_proxy", "http://theirs")], &QUIET[..]].concat();
        assert_eq!(for_build(&mut kept, &spec), values(&given));
    }

    #[test]
    fn what_was_passed_to_one_build_goes_no_further() {
        let mut copied = values(&[("LEVEL", "info"), ("build.PIP_INDEX_URL", "https://ci:hunter2@h/")]);
        let mut built = copied.clone();
        keep(&mut built, &mut values(&[("http_proxy", "http://p")]), true);
        assert_eq!(built, values(&[("LEVEL", "info"), ("build.http_proxy", "http://p")]));
        keep(&mut copied, &mut values(&[("http_proxy", "http://p")]), false);
        assert_eq!(copied, values(&[("LEVEL", "info")]));
    }

    #[test]
    fn where_programs_are_stays_with_a_release_and_is_no_secret() {
        let mut kept =
            values(&[("LEVEL", "info"), ("place.PATH", "/old"), ("place.CARGO_HOME", "/old/cargo")]);
        let copied = kept.clone();
        assert_eq!(
            places(&copied).unwrap().collect::<Vec<_>>(),
            [("PATH", "/old"), ("CARGO_HOME", "/old/cargo")]
        );
        let mut passed = values(&[("PATH", "/new"), ("http_proxy", "http://p")]);
        keep_places(&mut kept, &mut passed);
        keep(&mut kept, &mut passed, true);
        assert_eq!(
            places(&kept).unwrap().collect::<Vec<_>>(),
            [("PATH", "/new")],
            "as whoever deploys has it"
        );
        assert_eq!(take(&mut kept), values(&[("http_proxy", "http://p")]));
        assert_eq!(kept, values(&[("LEVEL", "info")]), "what is left is what settings have");
        assert!(places(&kept).is_none());
    }
}
