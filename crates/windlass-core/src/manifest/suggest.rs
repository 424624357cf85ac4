//! "Did you mean": the nearest of the names that exist.

/// The shortest beginning that says which word is meant, in letters.
const SHORTEST: usize = 3;

/// The one of `names` that `typed` most likely meant, if any is near.
#[must_use]
pub fn nearest<'a>(typed: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = fold(typed);
    let limit = (typed.chars().count() / 3).clamp(1, 3);
    let names: Vec<&str> = names.into_iter().collect();
    let near = names
        .iter()
        .map(|name| (distance(&folded, &fold(name)), *name))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name);
    // Or the one that it begins: `mem`.
    let mut begun = names.iter().filter(|name| folded.len() >= SHORTEST && fold(name).starts_with(&folded));
    near.or_else(|| begun.next().copied().filter(|_| begun.next().is_none()))
}

fn fold(text: &str) -> Vec<char> {
    text.chars().filter(|c| !matches!(c, '_' | '-' | ' ')).flat_map(char::to_lowercase).take(80).collect()
}

/// Insertions, removals, replacements and swaps of neighbours that lead from `a` to `b`.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    rows[0] = (0..=b.len()).collect();
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_finger_are_recognised() {
        let keys = ["command", "replicas", "port", "env", "health"];
        assert_eq!(nearest("comand", keys), Some("command"));
        assert_eq!(nearest("prot", keys), Some("port"));
        assert_eq!(nearest("Replica", keys), Some("replicas"));
        assert_eq!(nearest("volumes", keys), None);
    }

    #[test]
    fn a_word_that_is_cut_short_is_recognised_where_it_begins_one_name_only() {
        let keys = ["memory", "processes", "open_files", "open_ports"];
        assert_eq!(nearest("mem", keys), Some("memory"));
        assert_eq!(nearest("proc", keys), Some("processes"));
        assert_eq!(nearest("open", keys), None);
        assert_eq!(nearest("me", keys), None);
    }
}
