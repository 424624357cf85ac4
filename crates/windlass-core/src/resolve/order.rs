//! The order in which services can be started: whatever one needs stands before it.

use std::borrow::Cow;
use std::collections::{HashSet, VecDeque};
use std::hash::Hash;

use indexmap::IndexMap;

use crate::name::Name;

/// More cycles than these nobody reads.
const MOST_TOLD: usize = 10;

/// The names of `needs` in such an order, otherwise in their own; `None` where some need each other.
pub(super) fn sorted(needs: &IndexMap<Name, Vec<Name>>) -> Option<Vec<Name>> {
    let needs_of = places(needs);
    let order = ended(&needs_of);
    let mut turn = vec![0; order.len()];
    for (at, place) in order.iter().enumerate() {
        turn[*place] = at;
    }
    let too_late = |(from, own): (usize, &Vec<usize>)| own.iter().any(|to| turn[*to] >= turn[from]);
    if needs_of.iter().enumerate().any(too_late) {
        return None;
    }
    Some(order.into_iter().filter_map(|at| Some(needs.get_index(at)?.0.clone())).collect())
}

/// The cycles of `needs`: every need that is part of one is part of one of these, the shortest there
/// is for it. All that there are could be more than anybody can read: the last of ten tells how many
/// needs are left. Each is named once, from the first of it back to that one.
pub(super) fn cycles<'a>(needs: &IndexMap<&'a str, Vec<&'a str>>) -> Vec<Vec<Cow<'a, str>>> {
    let needs_of = places(needs);
    let group = groups(&needs_of);
    let mut covered: HashSet<(usize, usize)> = HashSet::new();
    let mut told: Vec<Vec<usize>> = vec![];
    let mut left = 0_usize;
    // A need is part of a cycle exactly where both ends need each other, in however many steps.
    let every = needs_of.iter().enumerate().flat_map(|(from, own)| own.iter().map(move |to| (from, *to)));
    for (from, to) in every.filter(|(from, to)| group[*from] == group[*to]) {
        if covered.contains(&(from, to)) {
            continue;
        }
        if told.len() == MOST_TOLD {
            left += 1;
        } else if let Some(cycle) = shortest(&needs_of, &group, to, from).map(closed) {
            covered.extend(cycle.windows(2).map(|need| (need[0], need[1])));
            told.push(cycle);
        }
    }
    told.sort_by_key(|cycle| cycle.first().copied());
    let name = |at: usize| needs.get_index(at).map(|(name, _)| Cow::Borrowed(*name));
    let mut told: Vec<Vec<Cow<'a, str>>> =
        told.into_iter().map(|cycle| cycle.into_iter().filter_map(name).collect()).collect();
    if let Some(end) = told.last_mut().and_then(|cycle| cycle.last_mut()).filter(|_| left > 0) {
        let needs = if left == 1 { "need" } else { "needs" };
        end.to_mut().push_str(&format!(", and {left} more {needs} in cycles"));
    }
    told
}

/// `needs` as places in it, without those that are not there.
fn places<K: Hash + Eq>(needs: &IndexMap<K, Vec<K>>) -> Vec<Vec<usize>> {
    needs.values().map(|own| own.iter().filter_map(|name| needs.get_index_of(name)).collect()).collect()
}

/// All places, each as soon as whatever it needs has been named, as far as no cycle is in the way.
fn ended(needs: &[Vec<usize>]) -> Vec<usize> {
    let mut seen = vec![false; needs.len()];
    let mut order = Vec::with_capacity(needs.len());
    for start in 0..needs.len() {
        if std::mem::replace(&mut seen[start], true) {
            continue;
        }
        // A stack of its own, because a manifest may be deep enough to exhaust the thread's.
        let mut trail = vec![(start, 0)];
        while let Some((at, next)) = trail.pop() {
            let Some(need) = needs[at].get(next) else {
                order.push(at);
                continue;
            };
            trail.push((at, next + 1));
            if !std::mem::replace(&mut seen[*need], true) {
                trail.push((*need, 0));
            }
        }
    }
    order
}

/// For each place a number that it has in common with those that it needs and that need it, in
/// however many steps (Kosaraju's two walks).
fn groups(needs: &[Vec<usize>]) -> Vec<Option<usize>> {
    let mut needed_by: Vec<Vec<usize>> = vec![vec![]; needs.len()];
    for (from, own) in needs.iter().enumerate() {
        for to in own {
            needed_by[*to].push(from);
        }
    }
    let mut group = vec![None; needs.len()];
    for start in ended(needs).into_iter().rev() {
        let mut waiting = vec![start];
        while let Some(at) = waiting.pop() {
            if group[at].is_none() {
                group[at] = Some(start);
                waiting.extend(needed_by[at].iter().filter(|next| group[**next].is_none()));
            }
        }
    }
    group
}

/// The shortest way from `from` to `to`, both with it, within their group.
fn shortest(needs: &[Vec<usize>], group: &[Option<usize>], from: usize, to: usize) -> Option<Vec<usize>> {
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
            if group[*next] == group[from] && *next != from && came_from[*next].is_none() {
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
    fn of_many_cycles_ten_are_told_and_the_rest_counted() {
        let names: Vec<String> = (0..300).map(|at| format!("s{at}")).collect();
        let all: Vec<&str> = names.iter().map(String::as_str).collect();
        let told = cycles(&all.iter().map(|name| (*name, all.clone())).collect());
        assert_eq!(told.len(), MOST_TOLD);
        assert_eq!(told[0].join(" -> "), "s0 -> s0");
        // One with itself, nine there and back.
        let left = 300 * 300 - 1 - 2 * 9;
        assert_eq!(told[9].join(" -> "), format!("s0 -> s9 -> s0, and {left} more needs in cycles"));
    }

    #[test]
    fn needs_that_lead_into_a_cycle_or_out_of_it_are_no_part_of_it() {
        let names: Vec<String> = (0..300).map(|at| format!("s{at}")).collect();
        let all: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut needs: IndexMap<&str, Vec<&str>> =
            all.iter().enumerate().map(|(at, name)| (*name, all[..at].to_vec())).collect();
        assert_eq!(cycles(&needs), Vec::<Vec<&str>>::new());
        needs[1].push("s2");
        assert_eq!(cycles(&needs), [["s1", "s2", "s1"]]);
    }
}
