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
    CLOCKS.contains(&name) || of_celery(words).iter().any(|call| is_beat(call))
}

/// Whether the words start a worker of Celery that was given no node name.
pub fn is_nameless_worker<T: AsRef<str>>(words: &[T]) -> bool {
    let has_name = |call: &Vec<&str>| call.iter().any(|word| *word == "-n" || word.starts_with("--hostname"));
    of_celery(words).iter().any(|call| command(call) == Some("worker") && !has_name(call))
}

/// The shared directory of Celery's clock. No package of Python can be called so: what is shared takes the place of what
/// a release has there.
pub const BEAT: &str = "celery-beat";

/// Where the clock keeps what it last did.
#[must_use]
pub fn beat_schedule() -> String {
    format!("{{shared}}/{BEAT}/schedule")
}

/// Whether the words start a clock of Celery that is not told where to keep its schedule: it would be in the release.
pub fn is_unkept_beat<T: AsRef<str>>(words: &[T]) -> bool {
    let is_unkept =
        |call: &Vec<&str>| is_beat(call) && keeps_a_file(call) && place_of_schedule(call).is_none();
    of_celery(words).iter().any(is_unkept)
}

/// Has a clock of Celery keep its schedule at `place`. Where it kept it, if it was told; `None`: the words start none that
/// keeps one in a file.
pub fn keep_schedule(words: &mut Vec<String>, place: &str) -> Option<Option<String>> {
    let mut calls = of_celery(words);
    let call = calls.pop().filter(|_| calls.is_empty())?;
    if !(is_beat(&call) && keeps_a_file(&call)) {
        return None;
    }
    let begin = words.iter().position(|word| is_celery(word))?;
    let told = words[begin..].iter().map(String::as_str).collect::<Vec<_>>();
    let Some((at, told)) = place_of_schedule(&told).map(|(at, told)| (begin + at, told.to_owned())) else {
        words.extend(["--schedule".to_owned(), place.to_owned()]);
        return Some(None);
    };
    words[at] = match words[at].split_once('=') {
        Some((option, _)) => format!("{option}={place}"),
        None => place.to_owned(),
    };
    Some(Some(told))
}

/// Whether it is the clock, alone or with a worker.
fn is_beat(call: &[&str]) -> bool {
    match command(call) {
        Some("beat") => true,
        Some(_) => call.iter().any(|word| ["-B", "--beat"].contains(word)),
        None => false,
    }
}

/// Whether the schedule lies in a file, and not in a database.
fn keeps_a_file(call: &[&str]) -> bool {
    let attached = |word: &&str| word.strip_prefix("--scheduler=").map(str::to_owned);
    let apart =
        call.windows(2).find(|pair| ["-S", "--scheduler"].contains(&pair[0])).map(|pair| pair[1].to_owned());
    let scheduler = call.iter().find_map(attached).or(apart);
    scheduler.is_none_or(|scheduler| scheduler.contains("PersistentScheduler"))
}

/// Where it is told to keep its schedule: the place of the word, and the path.
fn place_of_schedule<'c>(call: &[&'c str]) -> Option<(usize, &'c str)> {
    const OPTIONS: [&str; 3] = ["-s", "--schedule", "--schedule-filename"];
    call.iter().enumerate().find_map(|(at, word)| match word.split_once('=') {
        Some((option, path)) if OPTIONS.contains(&option) => Some((at, path)),
        None if OPTIONS.contains(word) => call.get(at + 1).map(|path| (at + 1, *path)),
        _ => None,
    })
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

/// Programs that answer requests by HTTP.
const HTTP: [&str; 17] = [
    "gunicorn",
    "uwsgi",
    "uvicorn",
    "hypercorn",
    "granian",
    "daphne",
    "waitress",
    "waitress-serve",
    "fastapi",
    "flask",
    "runserver",
    "http.server",
    "streamlit",
    "next",
    "rails",
    "puma",
    "rackup",
];

/// Programs that start servers of every kind, most of which answer by HTTP.
const MOSTLY_HTTP: [&str; 7] = ["node", "npm", "npx", "yarn", "pnpm", "bun", "deno"];

/// Whether the words start a program that answers by HTTP, or most likely does: its answer says more than that its port
/// is open.
pub fn speaks_http<T: AsRef<str>>(words: &[T]) -> bool {
    has_one_of(words, &HTTP) || has_one_of(words, &MOSTLY_HTTP)
}

/// Whether that is only likely.
pub fn may_not_speak_http<T: AsRef<str>>(words: &[T]) -> bool {
    has_one_of(words, &MOSTLY_HTTP) && !has_one_of(words, &HTTP)
}

fn has_one_of<T: AsRef<str>>(words: &[T], programs: &[&str]) -> bool {
    words.iter().filter_map(|word| word.as_ref().rsplit('/').next()).any(|word| programs.contains(&word))
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
    words.split(|word| is_celery(word)).skip(1).map(without_application).collect()
}

fn is_celery(word: &str) -> bool {
    word.rsplit('/').next() == Some("celery")
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
        let kept = |line: &str| {
            let mut words: Vec<String> = words(line).into_iter().map(str::to_owned).collect();
            let shared = beat_schedule();
            let is_unkept = keep_schedule(&mut words.clone(), &shared) == Some(None);
            assert_eq!(is_unkept_beat(&words), is_unkept, "{line}");
            keep_schedule(&mut words, &shared).map(|before| (words.join(" "), before))
        };
        for (line, made, before) in [
            ("celery -A shop beat -l info", "celery -A shop beat -l info --schedule SHARED", None),
            (
                "python -m celery -A shop worker -B",
                "python -m celery -A shop worker -B --schedule SHARED",
                None,
            ),
            ("celery -A shop beat -s /x -l info", "celery -A shop beat -s SHARED -l info", Some("/x")),
            ("celery beat -s x -A shop", "celery beat -s SHARED -A shop", Some("x")),
            (
                "celery --workdir src beat --schedule=x",
                "celery --workdir src beat --schedule=SHARED",
                Some("x"),
            ),
            (
                "celery -A shop beat -S celery.beat.PersistentScheduler",
                "celery -A shop beat -S celery.beat.PersistentScheduler --schedule SHARED",
                None,
            ),
        ] {
            let made = (made.replace("SHARED", "{shared}/celery-beat/schedule"), before.map(str::to_owned));
            assert_eq!(kept(line), Some(made), "{line}");
        }
        for line in [
            "celery -A shop beat --scheduler django_celery_beat.schedulers:DatabaseScheduler",
            "celery -A shop beat --scheduler=redbeat.RedBeatScheduler",
            "celery -A shop beat -S django",
            "celery -A shop worker",
            "python beat.py",
        ] {
            assert_eq!(kept(line), None, "{line}");
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
    fn a_program_that_speaks_http_is_known() {
        for line in [
            "/usr/bin/node server.js",
            "python -m uvicorn app:app",
            "python manage.py runserver",
            "npm start",
        ] {
            assert!(speaks_http(&words(line)), "{line}");
        }
        for line in ["./web", "celery -A shop worker", "redis-server", "python node.py"] {
            assert!(!speaks_http(&words(line)), "{line}");
        }
    }

    #[test]
    fn a_program_that_starts_any_server_may_not_speak_http() {
        for (line, may_not) in [
            ("/usr/bin/node server.js", true),
            ("npm start", true),
            ("npx next start", false),
            ("gunicorn shop.wsgi", false),
            ("./web", false),
        ] {
            assert_eq!(may_not_speak_http(&words(line)), may_not, "{line}");
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
