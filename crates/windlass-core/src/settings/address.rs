//! Addresses of resources that settings are put into: what is wrong with them shows when the values are
//! known, and not first when a server is asked.

use indexmap::IndexMap;

use super::{Assembled, Declared, Fault, Provenance, Text};
use crate::spec::{Engine, Reference, Template, WrongUrl, examine_url};

/// Settings that are put together from each other are a fault of the manifest, and end here.
const DEEPEST: u32 = 32;

/// Where a resource is that is somebody else's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The resource.
    pub resource: String,
    /// What it is.
    pub engine: Engine,
    /// Its URL.
    pub template: Template,
    /// The line of the manifest that gives it, from 1.
    pub line: u32,
}

/// Faults of addresses of resources, as far as the values in them are known. `manifest` is what its
/// file is called.
#[must_use]
pub fn misaddressed(
    addresses: &[Address],
    declared: &IndexMap<String, Declared>,
    assembled: &Assembled,
    manifest: &str,
) -> Vec<Fault> {
    let known = Known { declared, assembled, manifest };
    addresses.iter().filter_map(|address| known.fault(address)).collect()
}

struct Known<'a> {
    declared: &'a IndexMap<String, Declared>,
    assembled: &'a Assembled,
    manifest: &'a str,
}

impl Known<'_> {
    fn fault(&self, address: &Address) -> Option<Fault> {
        let url = self.fill(&address.template, 0)?;
        let WrongUrl { what, help } = examine_url(address.engine, &url).err()?;
        let resource = &address.resource;
        let in_manifest = |line, message| Fault {
            file: self.manifest.to_owned(),
            line,
            column: 0,
            message,
            help: help.clone(),
        };
        let Some(name) = self.source(&address.template) else {
            let message = format!("resources.{resource}.url: with the values of its settings it {what}");
            return Some(in_manifest(address.line, message));
        };
        let line = self.declared.get(name).map_or(0, |declared| declared.line);
        Some(match &self.assembled.settings.get(name)?.value.provenance {
            Provenance::Composed => {
                let message =
                    format!("{name}: put together, it is the address of the resource {resource}, and {what}");
                in_manifest(line, message)
            }
            Provenance::Default => {
                in_manifest(line, format!("{name}: it is the address of the resource {resource}, and {what}"))
            }
            other => {
                let (file, line) = other.place();
                let message = format!("{name}: it is the address of the resource {resource}, and {what}");
                Fault { file, line, column: 0, message, help }
            }
        })
    }

    /// The text with all values put in; `None` where one is not known here.
    fn fill(&self, template: &Template, depth: u32) -> Option<String> {
        let value = |reference: &Reference| match reference {
            Reference::Setting(key) if depth < DEEPEST => {
                match &self.assembled.settings.get(key).ok_or(())?.value.text {
                    Text::Known(value) => Ok(value.expose().to_owned()),
                    Text::Composed(template) => self.fill(template, depth + 1).ok_or(()),
                }
            }
            _ => Err(()),
        };
        template.fill(value).ok()
    }

    /// The setting that the whole address comes from.
    fn source<'t>(&'t self, mut template: &'t Template) -> Option<&'t str> {
        let mut source = None;
        for _ in 0..DEEPEST {
            let Some(name) = whole(template) else { break };
            source = Some(name);
            match &self.assembled.settings.get(name)?.value.text {
                Text::Composed(composed) => template = composed,
                Text::Known(_) => break,
            }
        }
        source
    }
}

/// The setting that is all there is in a template.
fn whole(template: &Template) -> Option<&str> {
    let mut references = template.references();
    match (references.next(), template.parts().len()) {
        (Some(Reference::Setting(key)), 1) => Some(key),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Resolved, Secret, Value};

    fn faults(url: &str, settings: &[(&str, Text, Provenance)]) -> Vec<String> {
        let settings = settings.iter().map(|(name, text, provenance)| {
            let value = Value::new(text.clone(), provenance.clone());
            ((*name).to_owned(), Resolved { value, overruled: vec![] })
        });
        let assembled = Assembled { settings: settings.collect(), warnings: vec![] };
        let address = Address {
            resource: "db".to_owned(),
            engine: Engine::Postgres,
            template: Template::parse(url).unwrap(),
            line: 7,
        };
        let declared = ["URL", "PART", "WHOLE"]
            .map(|name| (name.to_owned(), Declared { line: 20, ..Declared::default() }));
        let faults = misaddressed(&[address], &declared.into_iter().collect(), &assembled, "windlass.toml");
        faults.iter().map(ToString::to_string).collect()
    }

    fn known(text: &str) -> Text {
        Text::Known(Secret::new(text.to_owned()))
    }

    fn composed(text: &str) -> Text {
        Text::Composed(Template::parse(text).unwrap())
    }

    const HELP: &str = "write it like postgres://user:password@host:5432/database";

    #[test]
    fn a_fault_stands_where_the_value_does() {
        let file = || Provenance::File { name: ".env".to_owned(), line: 3 };
        let wrong = "postgres://u:hunter2@h:port/d";
        let said = |start: &str| {
            vec![format!(
                "{start}: it is the address of the resource db, and has a port that is none; {HELP}"
            )]
        };
        assert_eq!(faults("{settings.URL}", &[("URL", known(wrong), file())]), said(".env:3: URL"));
        assert_eq!(
            faults("{settings.URL}", &[("URL", known(wrong), Provenance::Environment)]),
            said("environment: URL")
        );
        assert_eq!(
            faults("{settings.URL}", &[("URL", known(wrong), Provenance::Default)]),
            said("windlass.toml:20: URL")
        );
        // One that only hands on another is not to blame.
        assert_eq!(
            faults(
                "{settings.WHOLE}",
                &[("WHOLE", composed("{settings.URL}"), Provenance::Composed), ("URL", known(wrong), file())]
            ),
            said(".env:3: URL")
        );
    }

    #[test]
    fn what_is_put_together_is_a_fault_of_where_it_is() {
        let file = || Provenance::File { name: ".env".to_owned(), line: 3 };
        let parts = || ("PART", known("po/rt"), file());
        assert_eq!(
            faults("postgres://u:x@h:{settings.PART}/d", &[parts()]),
            [format!(
                "windlass.toml:7: resources.db.url: with the values of its settings it has a port that is none; {HELP}"
            )]
        );
        let whole = composed("postgres://h:{settings.PART}/d");
        assert_eq!(
            faults("{settings.WHOLE}", &[("WHOLE", whole, Provenance::Composed), parts()]),
            [format!(
                "windlass.toml:20: WHOLE: put together, it is the address of the resource db, and has a port that is none; {HELP}"
            )]
        );
    }

    #[test]
    fn what_is_right_or_not_known_is_no_fault() {
        let file = || Provenance::File { name: ".env".to_owned(), line: 3 };
        assert!(faults("{settings.URL}", &[("URL", known("postgres://u:x@h/d"), file())]).is_empty());
        assert!(faults("{settings.URL}", &[]).is_empty());
        assert!(
            faults("{settings.URL}", &[("URL", composed("{settings.URL}"), Provenance::Composed)]).is_empty()
        );
        assert!(faults("http://{app}", &[]).is_empty());
    }
}
