//! What a process is for, as its name and its words say, where a manifest is made of something else:
//! clocks, of which there must never be two, workers of Celery, and servers that listen early.

/// The readiness check for what has no path for it: any answer but a server's error says that the application
/// was loaded, which an open port does not.
pub const ANSWERS: &str = "{ http = \"/\", status = \"200-499\" }";

/// The readiness check for what listens only when it can work.
pub const LISTENS: &str = "{ tcp = true }";

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

/// Whether the words start a clock of Celery that is not told where to keep its schedule: it would be in the release.
pub fn is_unkept_beat<T: AsRef<str>>(words: &[T]) -> bool {
    let is_told = |call: &Vec<&str>| {
        let is_one = |word: &str| ["-s", "-S"].contains(&word) || word.starts_with("--schedule");
        call.iter().any(|word| is_one(word))
    };
    of_celery(words).iter().any(|call| command(call) == Some("beat") && !is_told(call))
}

/// The server that these words start, where it takes connections before it has loaded the application: that the port is
/// open says nothing then. Gunicorn loads it first with `--preload`.
pub fn listens_early<T: AsRef<str>>(words: &[T]) -> Option<&'static str> {
    let of_file = |word: &T| word.as_ref().rsplit('/').next().map(str::to_owned);
    let mut files = words.iter().filter_map(of_file);
    let server = files.find_map(|file| ["gunicorn", "uwsgi"].into_iter().find(|server| *server == file))?;
    let is_loaded = server == "gunicorn" && words.iter().any(|word| word.as_ref() == "--preload");
    (!is_loaded).then_some(server)
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
    fn a_clock_is_told_where_its_schedule_is() {
        assert!(is_unkept_beat(&words("celery -A shop beat -l info")));
        for line in [
            "celery -A shop beat -s /x",
            "celery -A shop beat --schedule=/x",
            "celery -A shop beat --scheduler django_celery_beat.schedulers:DatabaseScheduler",
            "celery -A shop worker",
        ] {
            assert!(!is_unkept_beat(&words(line)), "{line}");
        }
    }

    #[test]
    fn a_server_that_listens_early_is_known() {
        let early = |line: &str| listens_early(&words(line));
        assert_eq!(early(".venv/bin/python -m gunicorn shop.wsgi"), Some("gunicorn"));
        assert_eq!(early("/usr/bin/uwsgi --preload"), Some("uwsgi"), "which has no such option");
        for line in ["gunicorn --preload shop.wsgi", "daphne shop.asgi:application", "./gunicorn.sh"] {
            assert_eq!(early(line), None, "{line}");
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
