//! Values that lead to a host which is called as a resource or a service is: among containers there is one, here not.

use std::convert::Infallible;

use indexmap::{IndexMap, IndexSet};
use windlass_core::manifest::hosts::leads_to;
use windlass_core::name::Name;
use windlass_core::spec::{Env, Spec};

/// What is wrong with the variables of `spec` and with the values of its settings. No value is shown: only the host.
#[must_use]
pub fn misled<'v>(spec: &Spec, settings: impl Iterator<Item = (&'v str, &'v str)>) -> Vec<String> {
    let mut found: IndexMap<(String, Name), IndexSet<String>> = IndexMap::new();
    for (whose, env) in environments(spec) {
        for (key, template) in env {
            // What a reference stands for is no name of these.
            let Ok(text) = template.fill(|_| Ok::<_, Infallible>("{}".to_owned()));
            let place = (key.clone(), host_of(spec, key, &text));
            if let (key, Some(name)) = place {
                found.entry((key, name)).or_default().insert(whose.clone());
            }
        }
    }
    let mut told: Vec<String> = found
        .into_iter()
        .map(|((key, name), whose)| {
            let whose: Vec<String> = whose.into_iter().collect();
            format!("{key} of {} {}", whose.join(", "), instead(spec, &name))
        })
        .collect();
    told.extend(settings.filter_map(|(key, value)| {
        let name = host_of(spec, key, value)?;
        let more = match spec.resources.contains_key(&name) {
            true => format!(", under [env] as {key} and no longer as a setting"),
            false => String::new(),
        };
        Some(format!("the setting {key} {}{more}", instead(spec, &name)))
    }));
    told
}

/// All that run, each with its variables.
fn environments(spec: &Spec) -> impl Iterator<Item = (String, &Env)> {
    let services = spec.services.iter().map(|(name, service)| (name.to_string(), &service.env));
    let jobs = spec.jobs.iter().map(|(name, job)| (format!("the job {name}"), &job.env));
    let crons = spec.crons.iter().map(|(name, cron)| (format!("the cron job {name}"), &cron.env));
    services.chain(jobs).chain(crons)
}

/// The resource or the service whose name the value takes for a host.
fn host_of(spec: &Spec, key: &str, value: &str) -> Option<Name> {
    let host = leads_to(key, value)?;
    let names = spec.resources.keys().chain(spec.services.keys());
    names.into_iter().find(|name| name.as_str() == host).cloned()
}

/// Why it leads nowhere, and what to write.
fn instead(spec: &Spec, name: &Name) -> String {
    match spec.resources.contains_key(name) {
        true => format!(
            "leads to the host {:?}, which is none here but a resource: write {{resources.{name}.url}}, or \
             {{resources.{name}.host}} with the port, user and password that it has of its own",
            name.as_str()
        ),
        false => format!(
            "leads to the host {:?}, which is none here but a service: write 127.0.0.1 and a fixed port, or the address of \
             a route",
            name.as_str()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_resources_and_services_are_no_hosts() {
        let manifest = "[app]\nname = \"shop\"\n[resources.db]\nengine = \"postgres\"\n\
             [env]\nSQL_HOST = \"db\"\nDATABASE_URL = \"{resources.db.url}\"\nDB_NAME = \"db\"\n\
             [services.web]\ncommand = \"serve\"\nport = \"auto\"\nreadiness = { tcp = true }\n\
             [services.worker]\ncommand = \"work\"\nenv = { API = \"http://web/\", OTHER = \"http://elsewhere/\", READ = \"postgres://u:{resources.db.password}@db/x\" }\n";
        let (manifest, diags) = windlass_core::manifest::load(manifest);
        assert_eq!(diags, []);
        let spec = windlass_core::resolve::resolve(&manifest.unwrap(), "local", &Default::default()).unwrap();
        let settings = [("CACHE_URL", "postgres://u:p@db:5432/d"), ("TITLE", "db"), ("FAR_HOST", "db2")];
        let told = misled(&spec, settings.into_iter());
        let begin = |line: &String| line.split(", which").next().unwrap_or_default().to_owned();
        assert_eq!(
            told.iter().map(begin).collect::<Vec<_>>(),
            [
                "SQL_HOST of web, worker leads to the host \"db\"",
                "API of worker leads to the host \"web\"",
                "READ of worker leads to the host \"db\"",
                "the setting CACHE_URL leads to the host \"db\"",
            ]
        );
        assert!(told[3].ends_with("under [env] as CACHE_URL and no longer as a setting"), "{}", told[3]);
    }
}
