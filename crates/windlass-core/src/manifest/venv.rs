//! The environment that a build makes for a project of Python, and how its programs are started from it.

/// Its interpreter. Programs are run as its modules: their scripts name the directory that they were installed in, which
/// is another release's where the environment came from the cache.
pub const PYTHON: &str = ".venv/bin/python";

/// Where its programs lie.
pub const PROGRAMS: &str = ".venv/bin";

/// Programs that are modules of the same name.
pub const MODULES: [&str; 12] = [
    "gunicorn",
    "uvicorn",
    "celery",
    "flask",
    "daphne",
    "hypercorn",
    "waitress",
    "alembic",
    "fastapi",
    "streamlit",
    "dramatiq",
    "granian",
];

/// The words that start a program, with that of the environment where it is one of its own.
#[must_use]
pub fn started_from(mut words: Vec<String>) -> Vec<String> {
    let Some(program) = words.first() else { return words };
    let front = match program.as_str() {
        "python" | "python3" => vec![PYTHON],
        // Their scripts are called otherwise than their modules.
        "waitress-serve" => vec![PYTHON, "-m", "waitress"],
        "django-admin" => vec![PYTHON, "-m", "django"],
        module => match MODULES.into_iter().find(|known| *known == module) {
            Some(module) => vec![PYTHON, "-m", module],
            None => return words,
        },
    };
    words.splice(0..1, front.into_iter().map(str::to_owned));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_of_the_environment_are_started_as_its_modules() {
        for (line, started) in [
            ("python manage.py x", ".venv/bin/python manage.py x"),
            ("gunicorn a:b", ".venv/bin/python -m gunicorn a:b"),
            ("waitress-serve a:b", ".venv/bin/python -m waitress a:b"),
            ("node x.js", "node x.js"),
            ("./gunicorn", "./gunicorn"),
        ] {
            let words = line.split(' ').map(str::to_owned).collect();
            assert_eq!(started_from(words).join(" "), started);
        }
    }
}
