//! The order in which services can be started: whatever one needs stands before it.

use indexmap::IndexMap;

use crate::name::Name;

/// The names of `needs` in such an order, otherwise in their own.
///
/// # Errors
/// A cycle: each needs the next, and the last is the first again.
pub(super) fn sorted(needs: &IndexMap<Name, Vec<Name>>) -> Result<Vec<Name>, Vec<Name>> {
    let mut done: Vec<Name> = Vec::with_capacity(needs.len());
    for start in needs.keys() {
        // A stack of its own, because a manifest may be deep enough to exhaust the thread's.
        let mut trail: Vec<(&Name, usize)> = vec![(start, 0)];
        while let Some((name, next)) = trail.pop() {
            if done.contains(name) {
                continue;
            }
            let Some(need) = needs.get(name).and_then(|needs| needs.get(next)) else {
                done.push(name.clone());
                continue;
            };
            trail.push((name, next + 1));
            if let Some(begin) = trail.iter().position(|(seen, _)| *seen == need) {
                let cycle = trail[begin..].iter().map(|(name, _)| (*name).clone());
                return Err(cycle.chain([need.clone()]).collect());
            }
            if needs.contains_key(need) && !done.contains(need) {
                trail.push((need, 0));
            }
        }
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(&str, &[&str])]) -> IndexMap<Name, Vec<Name>> {
        let name = |text: &&str| Name::new(*text).unwrap();
        edges.iter().map(|(from, to)| (name(from), to.iter().map(name).collect())).collect()
    }

    #[test]
    fn what_is_needed_comes_first() {
        let order = sorted(&graph(&[("web", &["api", "db"]), ("mail", &[]), ("api", &["mail"])])).unwrap();
        assert_eq!(order.iter().map(Name::as_str).collect::<Vec<_>>(), ["mail", "api", "web"]);
    }

    #[test]
    fn a_cycle_is_named() {
        let cycle =
            sorted(&graph(&[("x", &["a"]), ("a", &["b"]), ("b", &["c"]), ("c", &["a"])])).unwrap_err();
        assert_eq!(cycle.iter().map(Name::as_str).collect::<Vec<_>>(), ["a", "b", "c", "a"]);
        assert!(sorted(&graph(&[("a", &["a"])])).is_err());
    }
}
