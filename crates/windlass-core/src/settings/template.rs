//! A template of a settings file: every declared setting with what it is for.

use indexmap::IndexMap;

use super::Declared;
use super::write::write_in_a_line;

/// The text of a commented settings file for `environment`, by category. What must be filled in is
/// empty; what has a default stands in a comment, so that the manifest's default goes on to hold.
/// [`parse`](super::dotenv::parse) reads it.
#[must_use]
pub fn template(app: &str, environment: &str, declared: &IndexMap<String, Declared>) -> String {
    let mut text = format!(
        "# Settings of {app} for {environment}.\n\
         # Fill it in as .env.{environment}, readable for you alone (chmod 600), and keep it out of git.\n\
         # A line that begins with #NAME= holds as it is; take the # away to change it.\n"
    );
    let mut categories: Vec<Option<&str>> = vec![];
    for setting in declared.values() {
        let category = setting.category.as_deref();
        if !categories.contains(&category) {
            categories.push(category);
        }
    }
    // What has no category comes last.
    categories.sort_by_key(Option::is_none);
    for category in &categories {
        if let Some(heading) = category.or((categories.len() > 1).then_some("Others")) {
            text.push_str(&format!("\n## {}\n", one_line(heading)));
        }
        for (name, setting) in declared.iter().filter(|(_, setting)| setting.category.as_deref() == *category)
        {
            text.push('\n');
            text.push_str(&entry(name, setting));
        }
    }
    text
}

fn entry(name: &str, setting: &Declared) -> String {
    let mut text = String::new();
    for line in setting.help.iter().flat_map(|help| help.lines()) {
        text.push_str(format!("# {}", one_line(line)).trim_end());
        text.push('\n');
    }
    text.push_str(&format!("# {}\n", setting.describe()));
    if let Some(template) = &setting.composed {
        text.push_str(&format!("# put together: {}\n", one_line(&template.to_string())));
    }
    if let Some(place) = &setting.from {
        text.push_str(&format!("# from a store: {place}\n"));
    }
    let default = setting.default.as_deref().filter(|_| !setting.secret);
    // A value with a NUL is refused when the manifest is read.
    let line = write_in_a_line(name, default.unwrap_or_default());
    let line = line.unwrap_or_else(|_| format!("{name}=\n").into());
    let given = setting.default.is_some() || setting.composed.is_some() || setting.from.is_some();
    let holds = given || !setting.required;
    text.push_str(if holds { "#" } else { "" });
    text.push_str(&line);
    text
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

impl Declared {
    /// Type, bounds and the like in a line: `integer, from 1 to 64`.
    #[must_use]
    pub fn describe(&self) -> String {
        let bounds = &self.bounds;
        let mut parts = vec![self.kind.word().to_owned()];
        if self.secret {
            parts.push("secret".to_owned());
        }
        parts.push(if self.required { "required" } else { "optional" }.to_owned());
        parts.extend(bounds.range());
        let of = if self.kind == super::Kind::List { "items" } else { "characters" };
        parts.extend(bounds.min_length.map(|least| format!("at least {least} {of}")));
        parts.extend(bounds.max_length.map(|most| format!("at most {most} {of}")));
        let listed = |words: &[String]| (!words.is_empty()).then(|| crate::manifest::kind::or(words));
        parts.extend(listed(&bounds.values));
        parts.extend(listed(&bounds.schemes).map(|schemes| format!("scheme {schemes}")));
        parts.extend(bounds.pattern.as_ref().map(|pattern| format!("matches {pattern}")));
        if self.kind == super::Kind::List && bounds.separator != "," {
            parts.push(format!("{:?} between its items", bounds.separator));
        }
        if self.file {
            parts.push("handed over as a file".to_owned());
        }
        one_line(&parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::hostile::any_value;
    use crate::settings::{Bounds, Kind, dotenv};
    use proptest::prelude::*;

    /// An empty value in the file would stand above the store.
    #[test]
    fn what_a_store_has_need_not_be_filled_in() {
        let from = crate::store::Place::parse("vault:shop/db#password").ok();
        let declared = IndexMap::from([(
            "DB_PASSWORD".to_owned(),
            Declared { secret: true, from, ..Declared::default() },
        )]);
        let text = template("shop", "production", &declared);
        let expected = "# string, secret, required\n# from a store: vault:shop/db#password\n#DB_PASSWORD=\n";
        assert!(text.ends_with(expected), "{text}");
    }

    // proves: APE-3
    #[test]
    fn a_template_says_everything_by_category_and_shows_no_secret() {
        let declared = IndexMap::from([
            ("LOOSE".to_owned(), Declared::default()),
            (
                "DB_PASSWORD".to_owned(),
                Declared {
                    secret: true,
                    category: Some("Database".into()),
                    help: Some("Password of the role.\nAsk Ada.".into()),
                    bounds: Bounds { min_length: Some(16), ..Bounds::default() },
                    ..Declared::default()
                },
            ),
            (
                "WORKERS".to_owned(),
                Declared {
                    kind: Kind::Integer,
                    required: false,
                    default: Some("4".into()),
                    bounds: Bounds { min: Some("1".into()), max: Some("64".into()), ..Bounds::default() },
                    category: Some("Web".into()),
                    ..Declared::default()
                },
            ),
            (
                "DB_POOL".to_owned(),
                Declared {
                    kind: Kind::Enum,
                    required: false,
                    bounds: Bounds { values: vec!["none".into(), "small".into()], ..Bounds::default() },
                    category: Some("Database".into()),
                    ..Declared::default()
                },
            ),
        ]);
        let text = template("shop", "production", &declared);
        let expected = "\
# Settings of shop for production.
# Fill it in as .env.production, readable for you alone (chmod 600), and keep it out of git.
# A line that begins with #NAME= holds as it is; take the # away to change it.

## Database

# Password of the role.
# Ask Ada.
# string, secret, required, at least 16 characters
DB_PASSWORD=

# enum, optional, none or small
#DB_POOL=

## Web

# integer, optional, from 1 to 64
#WORKERS=4

## Others

# string, required
LOOSE=
";
        assert_eq!(text, expected);
        let parsed = dotenv::parse(".env", &text, &|_| None, &|_| None);
        let names: Vec<&str> = parsed.entries.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names, ["DB_PASSWORD", "LOOSE"]);
        assert!(parsed.faults.is_empty() && parsed.warnings.is_empty());
    }

    proptest! {
        #[test]
        fn every_default_is_read_back_from_its_comment(
            values in proptest::collection::vec(any_value(), 1..6),
            help in "(?s).{0,40}",
            category in proptest::option::of("(?s).{1,20}"),
        ) {
            let declared: IndexMap<String, Declared> = values
                .iter()
                .enumerate()
                .map(|(at, value)| {
                    let setting = Declared {
                        default: Some(value.clone()),
                        help: Some(help.clone()),
                        category: category.clone(),
                        ..Declared::default()
                    };
                    (format!("NAME_{at}"), setting)
                })
                .collect();
            let text = template("shop", "local", &declared);
            let parse = |text: &str| dotenv::parse(".env", text, &|_| None, &|_| None);
            prop_assert!(parse(&text).entries.is_empty() && parse(&text).faults.is_empty());
            let uncommented = parse(&text.replace("\n#NAME_", "\nNAME_"));
            prop_assert!(uncommented.faults.is_empty(), "{:?}", uncommented.faults);
            let read: Vec<&str> = uncommented.entries.iter().map(|entry| entry.value.expose()).collect();
            prop_assert_eq!(read, values);
        }
    }
}
