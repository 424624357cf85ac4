//! All that the lists of packages in a TOML file name, for production or not, to be asked for or not.

use toml_edit::{DocumentMut, Item, TableLike, Value};

/// The texts of what stands under keys that end like one of `lists`, a line each; all of a file that is no TOML.
pub(in crate::project::init) fn in_lists(text: &str, lists: &[&str]) -> String {
    let Ok(file) = text.parse::<DocumentMut>() else { return text.to_owned() };
    let mut found = String::new();
    look(file.as_table(), lists, &mut found);
    found
}

fn look(table: &dyn TableLike, lists: &[&str], found: &mut String) {
    for (key, item) in table.iter() {
        if lists.iter().any(|list| key.ends_with(list)) {
            take(item, found);
        } else if let Some(inner) = item.as_table_like() {
            look(inner, lists, found);
        }
    }
}

fn take(item: &Item, found: &mut String) {
    if let Some(table) = item.as_table_like() {
        for (key, inner) in table.iter() {
            // A list of texts is a group with a name; all else says more of a package.
            if inner.as_array().is_none_or(|list| list.iter().any(|value| value.as_str().is_none())) {
                found.push_str(key);
                found.push('\n');
            }
            take(inner, found);
        }
    } else if let Some(list) = item.as_array() {
        let texts = list.iter().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        texts.for_each(|text| found.extend([text.as_str(), "\n"]));
    } else if let Some(text) = item.as_value().and_then(Value::as_str) {
        found.extend([text, "\n"]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lists_of_packages_name_some() {
        let named = |text: &str| {
            in_lists(text, &["dependencies", "dependency-groups"]).lines().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            named(
                "[project]\nname = \"shop\"\ndescription = \"all databases\"\ndependencies = [\n  \"flask>=3\", # redis\n]\n\
                 [project.optional-dependencies]\nredis = [\"celery[redis]\"]\n[build-system]\nrequires = [\"pika\"]\n"
            ),
            "flask>=3 celery[redis]"
        );
        assert_eq!(
            named(
                "[tool.poetry.dependencies]\npython = \"^3.11\"\n[tool.poetry.dependencies.celery]\nextras = [\"redis\"]\n\
                 [tool.poetry.group.databases.dependencies]\nasyncpg = \"*\"\n[dependency-groups]\ndev = [\"ruff\"]\n"
            ),
            "python ^3.11 celery redis asyncpg * ruff"
        );
        assert_eq!(named("no toml"), "no toml");
    }
}
