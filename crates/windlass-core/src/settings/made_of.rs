//! What is put together from what, over any number of steps.

use std::collections::{HashMap, HashSet};

/// All that is made of one of `first`, over any number of steps. `uses` has each whole with each of its parts. Every
/// use is looked at once, however deep they are nested.
pub(crate) fn made_of<'a>(
    uses: impl IntoIterator<Item = (&'a str, &'a str)>,
    first: impl IntoIterator<Item = &'a str>,
) -> HashSet<&'a str> {
    let mut wholes: HashMap<&str, Vec<&str>> = HashMap::new();
    for (whole, part) in uses {
        wholes.entry(part).or_default().push(whole);
    }
    if wholes.is_empty() {
        return HashSet::new();
    }
    let mut waiting: Vec<&str> = first.into_iter().collect();
    let mut found = HashSet::new();
    while let Some(part) = waiting.pop() {
        for whole in wholes.remove(part).into_iter().flatten() {
            if found.insert(whole) {
                waiting.push(whole);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_of_something_is_found_over_any_number_of_steps_and_in_circles() {
        let uses =
            [("url", "password"), ("urls", "url"), ("site", "host"), ("a", "b"), ("b", "a"), ("a", "url")];
        let mut found: Vec<&str> = made_of(uses, ["password", "nothing"]).into_iter().collect();
        found.sort_unstable();
        assert_eq!(found, ["a", "b", "url", "urls"]);
        assert!(made_of(uses, []).is_empty());
    }
}
