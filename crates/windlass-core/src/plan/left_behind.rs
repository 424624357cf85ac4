//! Data that a deploy would leave behind under a name that the manifest has no more, for an empty server under another.

use super::Observed;
use crate::name::Name;
use crate::spec::{Resource, Spec};

/// Why the application would be without its data: for a private resource that is there, the manifest has another of the
/// same engine, which is new. A resource that was renamed looks just so.
#[must_use]
pub fn left_behind(observed: &Observed, spec: &Spec) -> Option<String> {
    let before = &observed.active.as_ref()?.spec.resources;
    let is_gone = |(name, old): &(&Name, &Resource)| {
        old.is_private() && observed.resources.contains_key(*name) && !spec.resources.contains_key(*name)
    };
    let mut told = Vec::new();
    for (old_name, old) in before.iter().filter(is_gone) {
        let is_new = |(name, new): &(&Name, &Resource)| {
            new.engine == old.engine && new.is_private() && !before.contains_key(*name)
        };
        for (name, new) in spec.resources.iter().filter(is_new) {
            let begins = match observed.resources.contains_key(name) {
                true => "goes on with data of its own from before",
                false => "begins empty",
            };
            let engine = new.engine.name();
            told.push(format!("the data of {old_name} ({engine}) would stay behind, and {name} {begins}"));
        }
    }
    (!told.is_empty()).then(|| told.join("; "))
}

#[cfg(test)]
mod tests {
    use indexmap::IndexMap;

    use super::*;
    use crate::name::ReleaseId;
    use crate::plan::{Activation, ObservedResource, Source, Tree};

    fn spec(resources: &str) -> Spec {
        let text = format!("[app]\nname = \"shop\"\n{resources}");
        let (manifest, _) = crate::manifest::load(&text);
        crate::resolve::resolve(&manifest.unwrap(), "local", &IndexMap::new()).unwrap()
    }

    /// Of a deploy that has these `after`, where these were active `before` and what is called so has data.
    fn told(before: &str, after: &str, data: &[&str]) -> Option<String> {
        let (path, digest, commit) = (String::new(), String::new(), None);
        let source = Source { path, digest, parts: IndexMap::new(), commit, dirty: false, without: vec![] };
        let tree = Tree { id: ReleaseId(1), source };
        let (spec_before, instances) = (spec(before), IndexMap::new());
        let active = Activation { release: ReleaseId(1), tree, spec: spec_before, instances, stopped: false };
        let seen = ObservedResource { digest: String::new(), running: true, credentials: vec![] };
        let resources = data.iter().map(|name| (Name::new(*name).unwrap(), seen.clone())).collect();
        left_behind(&Observed { active: Some(active), resources, ..Observed::default() }, &spec(after))
    }

    const DB: &str = "[resources.db]\nengine = \"postgres\"\n";
    const MAIN: &str = "[resources.maindb]\nengine = \"postgres\"\n";
    const CACHE: &str = "[resources.cache]\nengine = \"redis\"\n";
    const ELSEWHERE: &str =
        "[resources.maindb]\nengine = \"postgres\"\nurl = \"postgres://shop@db.internal/shop\"\n";

    #[test]
    fn a_resource_under_another_name_leaves_its_data_behind() {
        let empty = "the data of db (PostgreSQL) would stay behind, and maindb begins empty";
        assert_eq!(told(DB, MAIN, &["db"]).as_deref(), Some(empty));
        assert_eq!(
            told(&(DB.to_owned() + CACHE), &(MAIN.to_owned() + CACHE), &["db", "cache"]).as_deref(),
            Some(empty)
        );
        let other = "the data of db (PostgreSQL) would stay behind, and maindb goes on with data of its own from before";
        assert_eq!(told(DB, MAIN, &["db", "maindb"]).as_deref(), Some(other));
    }

    #[test]
    fn who_moves_in_steps_or_elsewhere_is_not_held_up() {
        for (before, after, data) in [
            (DB, DB, vec!["db"]),
            (DB, "", vec!["db"]),
            (DB, CACHE, vec!["db"]),
            (DB, ELSEWHERE, vec!["db"]),
            (ELSEWHERE, DB, vec![]),
            (DB, MAIN, vec![]),
            (DB, &(DB.to_owned() + MAIN), vec!["db"]),
            (&(DB.to_owned() + MAIN), MAIN, vec!["db", "maindb"]),
        ] {
            assert_eq!(told(before, after, &data), None, "{before} -> {after}");
        }
    }
}
