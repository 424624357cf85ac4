//! Settings where a process starts: those that were given, and those that are put together here.

use indexmap::IndexMap;
use windlass_core::journal::Fault;
use windlass_core::protocol::Values;
use windlass_core::spec::{Reference, Setting};

/// Compositions nested deeper than this are a circle, which a manifest cannot have and a plan that
/// was written by hand can.
const DEEPEST: u32 = 32;

/// The settings of a release.
#[derive(Clone, Copy)]
pub(in crate::host) struct Settings<'a> {
    /// The values that were given.
    pub(in crate::host) values: &'a Values,
    /// What is known of each.
    pub(in crate::host) known: &'a IndexMap<String, Setting>,
}

impl Settings<'_> {
    /// The text of a setting. `other` answers what it refers to beside settings.
    pub(in crate::host) fn text(
        &self,
        key: &str,
        other: &dyn Fn(&Reference) -> Result<String, Fault>,
    ) -> Result<String, Fault> {
        self.nested(key, other, 0)
    }

    fn nested(
        &self,
        key: &str,
        other: &dyn Fn(&Reference) -> Result<String, Fault>,
        depth: u32,
    ) -> Result<String, Fault> {
        if let Some(value) = self.values.0.get(key) {
            return Ok(value.clone());
        }
        let composed = self.known.get(key).and_then(|setting| setting.composed.as_ref());
        match composed {
            Some(_) if depth > DEEPEST => {
                Err(Fault::new(format!("the setting {key} is put together from itself"), "give it a value"))
            }
            Some(template) => template.fill(|reference| match reference {
                Reference::Setting(part) => self.nested(part, other, depth + 1),
                reference => other(reference),
            }),
            None => Err(Fault::new(
                format!("the setting {key} has no value"),
                "set it in .env or in the environment, and deploy again",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use windlass_core::spec::Template;

    // proves: CM-7
    #[test]
    fn a_setting_is_put_together_from_settings_and_resources() {
        let values = Values(IndexMap::from([("PASSWORD".to_owned(), "p@/:ss".to_owned())]));
        let composed =
            |text: &str| Setting { composed: Some(Template::parse(text).unwrap()), ..Setting::default() };
        let known = IndexMap::from([
            ("USER".to_owned(), composed("shop-{environment}")),
            ("URL".to_owned(), composed("db://{settings.USER}:{settings.PASSWORD|url}@{resources.db.host}")),
            ("A".to_owned(), composed("{settings.B}")),
            ("B".to_owned(), composed("{settings.A}")),
        ]);
        let settings = Settings { values: &values, known: &known };
        let other = |reference: &Reference| Ok(format!("<{reference}>"));
        assert_eq!(
            settings.text("URL", &other).unwrap(),
            "db://shop-<environment>:p%40%2F%3Ass@<resources.db.host>"
        );
        assert!(settings.text("A", &other).unwrap_err().message.contains("put together from itself"));
        assert_eq!(settings.text("C", &other).unwrap_err().message, "the setting C has no value");
    }
}
