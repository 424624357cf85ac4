//! The order in which services can be started: whatever one needs stands before it.

use std::collections::VecDeque;

use indexmap::IndexMap;

use crate::name::Name;

/// The names of `needs` in such an order, otherwise in their own; `None` where some need each other.
pub(super) fn sorted(needs: &IndexMap<Name, Vec<Name>>) -> Option<Vec<Name>> {
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
            if trail.iter().any(|(seen, _)| *seen == need) {
                return None;
            }
            if needs.contains_key(need) && !done.contains(need) {
                trail.push((need, 0));
            }
        }
    }
    Some(done)
}

/// The cycles of `needs`: every need that is part of one is part of one of these, the shortest there
/// is for it. All that there are could be more than anybody can read. Each is named once, from the
/// first of it back to that one.
pub(super) fn cycles<'a>(needs: &IndexMap<&'a str, Vec<&'a str>>) -> Vec<Vec<&'a str>> {
    let needed = |at: usize| {
        let names = needs.get_index(at).into_iter().flat_map(|(_, names)| names);
        names.filter_map(|name| needs.get_index_of(name)).collect::<Vec<usize>>()
    };
    let needs_of: Vec<Vec<usize>> = (0..needs.len()).map(needed).collect();
    let mut told: Vec<Vec<usize>> = vec![];
    for (from, own) in needs_of.iter().enumerate() {
        for to in own {
            if told.iter().any(|cycle| cycle.windows(2).any(|need| need == [from, *to])) {
                continue;
            }
            if let Some(way) = shortest(&needs_of, *to, from) {
                told.push(closed(way));
            }
        }
    }
    told.sort_by_key(|cycle| cycle.first().copied());
    let name = |at: usize| needs.get_index(at).map(|(name, _)| *name);
    told.into_iter().map(|cycle| cycle.into_iter().filter_map(name).collect()).collect()
}

/// The shortest way from `from` to `to`, both with it.
fn shortest(needs: &[Vec<usize>], from: usize, to: usize) -> Option<Vec<usize>> {
    let mut came_from: Vec<Option<usize>> = vec![None; needs.len()];
    let mut queue = VecDeque::from([from]);
    while let Some(at) = queue.pop_front() {
        if at == to {
            let mut way = vec![at];
            while let Some(before) = way.last().filter(|at| **at != from).and_then(|at| came_from[*at]) {
                way.push(before);
            }
            way.reverse();
            return Some(way);
        }
        for next in &needs[at] {
            if *next != from && came_from[*next].is_none() {
                came_from[*next] = Some(at);
                queue.push_back(*next);
            }
        }
    }
    None
}

/// A way whose end needs its beginning, as a cycle from the first of the text to itself.
fn closed(mut way: Vec<usize>) -> Vec<usize> {
    let first = way.iter().enumerate().min_by_key(|(_, at)| **at).map_or(0, |(place, _)| place);
    way.rotate_left(first);
    way.extend(way.first().copied());
    way
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

    fn told(edges: &[(&'static str, &[&'static str])]) -> Vec<String> {
        let needs = edges.iter().map(|(from, to)| (*from, to.to_vec())).collect();
        cycles(&needs).into_iter().map(|cycle| cycle.join(" -> ")).collect()
    }

    #[test]
    fn a_cycle_has_no_order_and_is_named_from_its_first() {
        let edges: &[(&str, &[&str])] = &[("x", &["c"]), ("a", &["b"]), ("b", &["c"]), ("c", &["a"])];
        assert_eq!(sorted(&graph(edges)), None);
        assert_eq!(told(edges), ["a -> b -> c -> a"]);
        assert_eq!(told(&[("a", &["a"])]), ["a -> a"]);
        assert_eq!(told(&[("a", &["b", "gone"]), ("b", &[])]), [""; 0]);
    }

    #[test]
    fn one_cycle_hides_no_other() {
        assert_eq!(
            told(&[("a", &["b"]), ("b", &["a"]), ("c", &["d"]), ("d", &["c"])]),
            ["a -> b -> a", "c -> d -> c"]
        );
        // With a need in common, and one within another.
        assert_eq!(told(&[("a", &["b"]), ("b", &["a", "c"]), ("c", &["b"])]), ["a -> b -> a", "b -> c -> b"]);
        assert_eq!(
            told(&[("a", &["b", "c"]), ("b", &["c"]), ("c", &["a"])]),
            ["a -> b -> c -> a", "a -> c -> a"]
        );
    }

    #[test]
    fn many_that_all_need_each_other_are_told_of_in_bounded_time() {
        let names: Vec<String> = (0..40).map(|at| format!("s{at}")).collect();
        let all: Vec<&str> = names.iter().map(String::as_str).collect();
        let needs = all.iter().map(|name| (*name, all.clone())).collect();
        // Each pair, and each with itself.
        assert_eq!(cycles(&needs).len(), 40 * 39 / 2 + 40);
    }
}
