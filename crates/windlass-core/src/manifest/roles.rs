//! What a process is for, as its name and its words say, where a manifest is made of something else:
//! clocks, of which there must never be two, and workers of Celery.

/// Names of what puts work into a queue, or does it, by the clock.
const CLOCKS: [&str; 4] = ["clock", "beat", "scheduler", "cron"];

/// Whether a process of this name with these words is a clock. What is due would be done twice by two.
pub fn is_clock<T: AsRef<str>>(name: &str, words: &[T]) -> bool {
    let is_clock = |call: &Vec<&str>| match command(call) {
        Some("beat") => true,
        Some(_) => call.iter().any(|word| ["-B", "--beat"].contains(word)),
        None => false,
    };
    CLOCKS.contains(&name) || of_celery(words).iter().any(is_clock)
}

/// Whether the words start a worker of Celery that was given no node name.
pub fn is_nameless_worker<T: AsRef<str>>(words: &[T]) -> bool {
    let has_name = |call: &Vec<&str>| call.iter().any(|word| *word == "-n" || word.starts_with("--hostname"));
    of_celery(words).iter().any(|call| command(call) == Some("worker") && !has_name(call))
}

/// What Celery is called for: a queue may be named like it.
fn command<'c>(call: &[&'c str]) -> Option<&'c str> {
    call.iter().copied().find(|word| ["beat", "worker"].contains(word))
}

/// The node name of a worker of the service `name`. While a deploy has old and new workers side by
/// side, and with several copies, no two may have the same: it names a queue that is one worker's alone.
#[must_use]
pub fn node_name(name: &str) -> String {
    format!("{name}-{{release}}-{{replica}}@%h")
}

/// The words that Celery is given each time that it is called, without the name of its application.
fn of_celery<T: AsRef<str>>(words: &[T]) -> Vec<Vec<&str>> {
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    words.split(|word| word.rsplit('/').next() == Some("celery")).skip(1).map(without_application).collect()
}

fn without_application<'w>(call: &[&'w str]) -> Vec<&'w str> {
    let mut before = "";
    let mut told = call.to_vec();
    told.retain(|word| !matches!(std::mem::replace(&mut before, word), "-A" | "--app" | "--workdir"));
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<&str> {
        line.split(' ').collect()
    }

    #[test]
    fn a_worker_without_a_name_is_known() {
        let nameless = |line: &str| is_nameless_worker(&words(line));
        assert!(nameless("celery -A shop worker"));
        assert!(nameless(".venv/bin/celery --app shop worker -c 4"));
        assert!(nameless("python -m celery -A shop worker -B"));
        for line in [
            "celery -A shop beat",
            "celery -A worker beat",
            "celery -A shop worker -n a@%h",
            "celery worker --hostname=a",
            "celery-worker",
            "python worker",
        ] {
            assert!(!nameless(line), "{line}");
        }
    }

    #[test]
    fn a_clock_is_known_by_its_name_or_its_words() {
        assert!(is_clock("scheduler", &words("./run")));
        for line in [
            "celery -A shop beat -l info",
            "sh -c sleep 1 && celery beat",
            "celery -A shop worker -B",
            "sh -c celery -A shop worker & celery -A shop beat",
        ] {
            assert!(is_clock("x", &words(line)), "{line}");
        }
        for line in [
            "celery -A beat worker",
            "./beat",
            "celery -A shop worker",
            "celery -A shop worker -Q default beat",
            "beat celery",
        ] {
            assert!(!is_clock("x", &words(line)), "{line}");
        }
    }
}
