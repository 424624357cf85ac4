//! Groups of dependencies (PEP 735): those that production needs are installed with the project.

use toml_edit::{DocumentMut, Item, TableLike, Value};

/// What such a group is called. Others are for development, tests and documentation, or asked for by hand.
const FOR_PRODUCTION: [&str; 7] = ["prod", "production", "deploy", "deployment", "server", "main", "runtime"];

/// Groups within groups are followed so far.
const DEEPEST: usize = 5;

/// The groups that production needs, each with its requirements as pip takes them.
pub(super) fn for_production(pyproject: &DocumentMut) -> Vec<(String, Vec<String>)> {
    let Some(groups) = pyproject.get("dependency-groups").and_then(Item::as_table_like) else {
        return vec![];
    };
    let meant = groups.iter().filter(|(name, _)| FOR_PRODUCTION.contains(&normalized(name).as_str()));
    meant.map(|(name, _)| (name.to_owned(), requirements(groups, name, DEEPEST))).collect()
}

fn requirements(groups: &dyn TableLike, name: &str, depth: usize) -> Vec<String> {
    let mut named = groups.iter().filter(|(other, _)| normalized(other) == normalized(name));
    let listed = named.find_map(|(_, group)| group.as_array());
    let mut requirements = Vec::new();
    for one in listed.into_iter().flatten() {
        let included = one.as_inline_table().and_then(|table| table.get("include-group")?.as_str());
        match (one, included) {
            (Value::String(requirement), _) => requirements.push(requirement.value().clone()),
            (_, Some(other)) if depth > 0 => {
                requirements.extend(self::requirements(groups, other, depth - 1));
            }
            _ => {}
        }
    }
    requirements
}

/// A name as it is compared: `Prod_Extra` is `prod-extra`.
fn normalized(name: &str) -> String {
    name.to_ascii_lowercase().replace(['_', '.'], "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_for_production_are_told_from_others() {
        let groups = |text: &str| for_production(&text.parse().unwrap());
        let text = "[dependency-groups]\nProd = [\"gunicorn>=23\", { include-group = \"data_base\" }]\n\
                    data-base = [\"psycopg[binary]\"]\ndev = [\"pytest\"]\n";
        let listed = ["gunicorn>=23", "psycopg[binary]"].map(str::to_owned).to_vec();
        assert_eq!(groups(text), [("Prod".to_owned(), listed)]);
        assert_eq!(groups("[dependency-groups]\ndev = [\"pytest\"]\n"), []);
        let round = groups("[dependency-groups]\nmain = [{ include-group = \"main\" }]\n");
        assert_eq!(round, [("main".to_owned(), vec![])]);
    }
}
