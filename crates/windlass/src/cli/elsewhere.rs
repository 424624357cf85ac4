//! What is deployed here, for who calls outside of any project.

use std::fmt::Write as _;

use super::commands::quoted;
use super::context::Context;
use super::failure::Failure;
use crate::deployed::{self, Deployed};

/// How many are named in a hint; `windlass status` lists all.
const NAMED: usize = 3;

/// Behind what there is to do without a manifest: which ones could be named.
pub(super) fn hint(all: &[Deployed]) -> String {
    if all.is_empty() {
        return String::new();
    }
    let named: Vec<String> = all.iter().take(NAMED).map(named).collect();
    let more = match all.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(", and {more} more: see windlass status"),
    };
    format!("; deployed here: {}{more}", named.join(", "))
}

fn named(one: &Deployed) -> String {
    format!("{} ({})", one.title(), options(one).unwrap_or_else(|| "its manifest is gone".to_owned()))
}

/// How a call says that it is about this one.
fn options(one: &Deployed) -> Option<String> {
    let manifest = one.manifest.as_ref()?.display().to_string();
    Some(format!("--file {} --env {}", quoted(&manifest), one.environment))
}

/// Lists what is deployed here, where there is anything.
pub(super) fn status(context: &Context) -> Result<bool, Failure> {
    let all = deployed::here();
    if all.is_empty() {
        return Ok(false);
    }
    context.answer(&serde_json::json!({ "deployed": all }), || text(&all))?;
    Ok(true)
}

fn text(all: &[Deployed]) -> String {
    let width = all.iter().map(|one| one.title().len()).max().unwrap_or(0);
    let mut text = "There is no project here. Deployed on this machine, by this account:\n\n".to_owned();
    for one in all {
        let how = match (one.release, one.stopped) {
            (None, _) => "nothing is active".to_owned(),
            (Some(release), false) => release.to_string(),
            (Some(release), true) => format!("{release}, stopped"),
        };
        let place = match (&one.directory, options(one)) {
            (_, Some(options)) => options,
            (Some(directory), None) => format!("from {}, where its manifest is gone", directory.display()),
            (None, None) => String::new(),
        };
        let _ = writeln!(text, "{}", format!("{:width$}  {how:12}  {place}", one.title()).trim_end());
    }
    text
}

#[cfg(test)]
mod tests {
    use windlass_core::name::{Name, ReleaseId};

    use super::*;

    fn shop(environment: &str, manifest: Option<&str>) -> Deployed {
        Deployed {
            app: Name::new("shop").unwrap(),
            environment: Name::new(environment).unwrap(),
            release: Some(ReleaseId(7)),
            stopped: environment == "test",
            directory: Some("/srv/shop".into()),
            manifest: manifest.map(Into::into),
        }
    }

    #[test]
    fn each_is_told_with_how_to_reach_it() {
        let all = [shop("production", Some("/srv/my shop/windlass.toml")), shop("test", None)];
        assert_eq!(
            hint(&all),
            "; deployed here: shop (production) (--file '/srv/my shop/windlass.toml' --env production), \
             shop (test) (its manifest is gone)"
        );
        assert_eq!(hint(&[]), "");
        let text = text(&all);
        let lines: Vec<&str> = text.lines().skip(2).collect();
        assert_eq!(
            lines,
            [
                "shop (production)  r7            --file '/srv/my shop/windlass.toml' --env production",
                "shop (test)        r7, stopped   from /srv/shop, where its manifest is gone",
            ]
        );
        let many = ["a", "b", "c", "d"].map(|environment| shop(environment, None));
        assert!(hint(&many).ends_with(", and 1 more: see windlass status"));
    }
}
