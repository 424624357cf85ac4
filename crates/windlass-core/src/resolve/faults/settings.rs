//! Settings: missing ones, secrets with a default, receivers that do not exist.

use super::Scene;
use crate::diag::Diag;

pub(super) fn find(scene: &Scene<'_>, diags: &mut Vec<Diag>) {
    for (key, setting) in scene.declared {
        let span = scene.span(&["settings", key]);
        if setting.secret && setting.default.is_some() {
            let span = scene.span(&["settings", key, "default"]);
            diags.push(
                Diag::error(
                    "secret-default",
                    span,
                    format!("the secret {key} has a default, for all to read"),
                )
                .help(format!("take the default away and put {key}=... into .env, which is not committed")),
            );
        }
        let found = scene.settings.is_none_or(|found| found.contains_key(key));
        if !found && setting.default.is_none() {
            let environment = &scene.spec.environment;
            diags.push(Diag::error("missing-setting", span, format!("the setting {key} has no value")).help(
                format!(
                    "set it in the environment, in .env.{environment} or in .env, as {key}=...{}",
                    if setting.secret { "" } else { "; or give it a default here" }
                ),
            ));
        }
        let receivers = receivers(scene);
        for (index, name) in setting.services.iter().flatten().enumerate() {
            let typed = ["services", "jobs", "cron"].into_iter().any(|section| scene.typed(&[section, name]));
            if name != "build" && !typed {
                let span = scene.span(&["settings", key, "services", &index.to_string()]);
                diags.push(scene.unknown("unknown-service", span, "service, job or cron", name, &receivers));
            }
        }
    }
}

fn receivers<'a>(scene: &Scene<'a>) -> Vec<&'a str> {
    let spec = scene.spec;
    let names = spec.services.keys().chain(spec.jobs.keys()).chain(spec.crons.keys());
    names.map(crate::name::Name::as_str).chain(["build"]).collect()
}
