//! Which variables a Python module reads while it is loaded: the plain calls of `os`, django-environ,
//! environs and decouple, with their names written out. What it makes of a name otherwise is its own.

mod code;

use windlass_core::manifest::{Format, draft};
use windlass_core::settings::sounds_secret;

use super::sketch::Sketch;
use code::Code;

/// More than these are of a program that has its own list of settings.
const MOST: usize = 60;

/// What everybody gets, or Windlass says itself.
const GIVEN: [&str; 8] = ["PATH", "HOME", "LANG", "TZ", "TMPDIR", "USER", "PORT", "DJANGO_SETTINGS_MODULE"];

/// What happens where a variable is not there. The gravest of all that a module does with it counts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Absent {
    /// The module has a value of its own, as written in the source where that is plain.
    Default(Option<String>),
    /// It goes without.
    Nothing,
    /// It cannot be loaded.
    Fails,
}

/// Declares what `source` reads as settings.
pub(super) fn declare(sketch: &mut Sketch, source: &str) {
    declare_all(sketch, source, vec![]);
}

/// Declares what `source` reads, and `more` that was found otherwise, as settings.
pub(super) fn declare_all(sketch: &mut Sketch, source: &str, more: Vec<Read>) {
    let needed = declare_found(sketch, Code::of(source).calls().into_iter().chain(more));
    if !needed.is_empty() {
        sketch.note(format!(
            "the settings cannot be loaded without {}: put NAME=value for each into .env, which git must not keep",
            needed.join(", ")
        ));
    }
}

/// Declares what is read as settings. Tells which of them must have a value.
pub(super) fn declare_found(sketch: &mut Sketch, found: impl IntoIterator<Item = Read>) -> Vec<String> {
    let mut needed = Vec::new();
    for read in merged(found) {
        if sketch.sets(&read.name) {
            continue;
        }
        let open = read.is_open();
        let Read { name, absent, .. } = read;
        match absent {
            Absent::Fails => {
                sketch.setting(&name, required(open));
                needed.push(name);
            }
            Absent::Nothing if open => sketch.setting(&name, "{ required = false }"),
            Absent::Nothing => sketch.setting(&name, "{ secret = true, required = false }"),
            Absent::Default(value) if open => {
                sketch.suggest_setting(&name, draft::text(value.as_deref().unwrap_or("...")));
            }
            // The source has it, for all to read, already; no manifest should have it as well.
            Absent::Default(_) => {
                sketch.suggest_setting(&name, "{ secret = true, required = false }".to_owned());
            }
        }
    }
    needed
}

/// The declaration of a setting that must have a value.
fn required(open: bool) -> &'static str {
    if open { "{ required = true }" } else { "{ secret = true }" }
}

/// The names of the variables that `source` reads.
pub(super) fn names(source: &str) -> impl Iterator<Item = String> + use<> {
    reads(source).into_iter().map(|read| read.name)
}

/// What `source` cannot be loaded without, each with what is to be declared beside what `sketch` declares.
pub(super) fn needed(sketch: &Sketch, source: &str) -> Vec<(String, &'static str)> {
    let needed = reads(source).into_iter().filter(|read| read.absent == Absent::Fails);
    let declared = needed.filter_map(|read| {
        let declaration = match sketch.is_required(&read.name) {
            Some(true) => return None,
            // The rest of the declaration stays.
            Some(false) => "{ required = true }",
            None => required(read.is_open()),
        };
        Some((read.name, declaration))
    });
    declared.collect()
}

/// What `source` cannot be loaded without, also where only some of its branches ask for it.
pub(super) fn asked_for(source: &str) -> Vec<String> {
    let code = Code::of(source);
    let has = |text: String| code.text.contains(&text);
    let indexed = |name: &str| {
        ['"', '\''].iter().any(|quote| has(format!("environ[{quote}{name}{quote}]")))
            && !['"', '\''].iter().any(|quote| has(format!("{quote}{name}{quote} in os.environ")))
    };
    let asks = |read: &Read| match read.absent {
        Absent::Fails => true,
        Absent::Nothing => indexed(&read.name),
        Absent::Default(_) => false,
    };
    let mut names: Vec<String> = reads(source).into_iter().filter(asks).map(|read| read.name).collect();
    if code.environ && has("env.db()".to_owned()) && !names.iter().any(|name| name == "DATABASE_URL") {
        names.push("DATABASE_URL".to_owned());
    }
    names
}

/// Whether everybody may read a value of this name. All others are declared as secrets: an address
/// may have a password in it, and what nobody declared was not shown before either.
fn is_harmless(name: &str) -> bool {
    const WHOLE: [&str; 6] = ["DEBUG", "ENV", "ENVIRONMENT", "HOST", "LANGUAGE_CODE", "TIME_ZONE"];
    const ENDS: [&str; 11] = [
        "_DEBUG",
        "_ENV",
        "_ENVIRONMENT",
        "_HOST",
        "_HOSTS",
        "_NAME",
        "_ORIGIN",
        "_ORIGINS",
        "_PORT",
        "_REGION",
        "LOG_LEVEL",
    ];
    WHOLE.contains(&name) || ENDS.iter().any(|end| name.ends_with(end))
}

/// A variable that a module reads.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) name: String,
    pub(super) absent: Absent,
    /// It is made a number, or yes or no, which is no secret.
    pub(super) plain: bool,
}

impl Read {
    /// Whether its value is plainly no secret.
    fn is_open(&self) -> bool {
        !sounds_secret(&self.name) && (self.plain || is_harmless(&self.name))
    }
}

/// The variables that `source` reads, each once, in its order.
fn reads(source: &str) -> Vec<Read> {
    merged(Code::of(source).calls())
}

/// Each variable once, in the order in which they are read.
fn merged(calls: impl IntoIterator<Item = Read>) -> Vec<Read> {
    let mut found: Vec<Read> = Vec::new();
    for call in calls {
        let usable = Format::EnvName.check(&call.name).is_ok()
            && !GIVEN.contains(&call.name.as_str())
            && !call.name.starts_with("WINDLASS_");
        if !usable {
            continue;
        }
        if let Some(known) = found.iter_mut().find(|known| known.name == call.name) {
            known.absent = known.absent.clone().max(call.absent);
            known.plain &= call.plain;
        } else if found.len() < MOST {
            found.push(call);
        }
    }
    found
}

/// `NAME!` cannot be done without, `NAME?` can, `NAME=default` has one.
#[cfg(test)]
pub(super) fn in_words(found: Vec<Read>) -> String {
    let word = |Read { name, absent, .. }| match absent {
        Absent::Fails => format!("{name}!"),
        Absent::Nothing => format!("{name}?"),
        Absent::Default(value) => format!("{name}={}", value.unwrap_or_default()),
    };
    found.into_iter().map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(source: &str) -> String {
        in_words(reads(source))
    }

    #[test]
    fn what_the_standard_library_reads() {
        assert_eq!(said("SECRET_KEY = os.environ[\"SECRET_KEY\"]\nX = environ['X']\n"), "SECRET_KEY! X!");
        assert_eq!(
            said("A = os.getenv('A')\nB = os.getenv('B', 'b')\nC = os.environ.get(\n  'C', 3)"),
            "A? B=b C=3"
        );
        assert_eq!(said("SECRET_KEY = os.getenv(\"SECRET_KEY\")"), "SECRET_KEY!");
        assert_eq!(said("os.environ.setdefault(\"A\", \"x\")\nD = os.getenv('D', make(1, 2))"), "A=x D=");
        // Once each, as the gravest.
        assert_eq!(said("a = os.getenv('A', '1')\nb = os.environ['A']"), "A!");
    }

    #[test]
    fn what_the_usual_libraries_read() {
        let environ = "import environ\nenv = environ.Env()\n";
        assert_eq!(
            said(&format!(
                "{environ}A = env('A')\nB = env.bool('B', default=False)\nC = env.list(\"C\", default=[])\nD = env.db()"
            )),
            "A! B=False C="
        );
        let decouple = "from decouple import config\n";
        assert_eq!(
            said(&format!("{decouple}A = config('A')\nB = config('B', cast=int, default=5)")),
            "A! B=5"
        );
        // Functions of the same name of others.
        assert_eq!(
            said("A = config('A')\nB = env('B')\nC = dj_database_url.config('C')\nD = my.env('D')"),
            ""
        );
    }

    #[test]
    fn what_is_not_always_read_can_be_missing() {
        assert_eq!(
            said("if PRODUCTION:\n    A = os.environ['A']\nB = {\n    'b': os.environ['B'],\n}"),
            "A? B!"
        );
        assert_eq!(said("if 'A' in os.environ: A = os.environ['A']"), "A?");
    }

    #[test]
    fn a_default_is_seen_in_each_of_its_forms() {
        let environ = "import environ\nenv = environ.Env(\n    DEBUG=(bool, False), N=int\n)\n";
        assert_eq!(
            said(&format!(
                "{environ}DEBUG = env('DEBUG')\nN = env('N')\nX = env.bool('X', False)\nW = env.int('W', 4)\n\
                 A = env.str('A', 'x, y')\nB = env('B', 'y')\nC = env('C', int)\nD = env('D', int, 3)\n\
                 E = env.list('E', subcast=str, default=[')'])\nF = env('F', **more)"
            )),
            "DEBUG=False N! X=False W=4 A=x, y B=y C! D=3 E= F="
        );
        let decouple = "from decouple import config\n";
        assert_eq!(
            said(&format!("{decouple}DEBUG = config('DEBUG', False, cast=bool)\nA = config('A', cast=int)")),
            "DEBUG=False A!"
        );
        assert_eq!(said("SECRET_KEY = os.environ.get('SECRET_KEY') or 'dev'"), "SECRET_KEY?");
        assert_eq!(said("SECRET_KEY = os.environ.get(\n  'SECRET_KEY'\n)\nA = b or c"), "SECRET_KEY!");
        assert_eq!(said("C = os.environ[\"C\"] if os.environ.get(\"C\") else \"c\""), "C?");
        assert_eq!(said("A = os.environ.get('A') or os.environ['B']\nC = os.environ['C']"), "A? B? C!");
        assert_eq!(said("A = os.getenv('A', default='x')"), "A=x");
    }

    #[test]
    fn a_prefix_is_part_of_the_name() {
        let source = "from environs import Env\nenv = Env()\nwith env.prefixed('APP_'):\n    H = env('HOST')\n\n    \
                      with env.prefixed(\"DB_\"):\n        U = env(\n            'USER', 'x')\n    P = env.int('P')\n\
                      Z = env('Z')\nwith env.prefixed(name):\n    Y = env('Y')\n";
        assert_eq!(said(source), "APP_HOST? APP_DB_USER=x APP_P? Z!");
    }

    #[test]
    fn all_is_secret_but_what_is_plainly_not() {
        for name in [
            "DATABASE_URL",
            "MONGO_URI",
            "STRIPE_KEY",
            "DB_PASS",
            "MYSQL_PWD",
            "DSN",
            "GOOGLE_CREDENTIALS",
            "X",
        ] {
            assert!(sounds_secret(name) || !is_harmless(name), "{name}");
        }
        for name in
            ["DEBUG", "ALLOWED_HOSTS", "DB_HOST", "SMTP_PORT", "DJANGO_LOG_LEVEL", "APP_ENV", "DB_NAME"]
        {
            assert!(is_harmless(name) && !sounds_secret(name), "{name}");
        }
        let plain = |source: &str| {
            let found = reads(&format!(
                "import environ, decouple\nenv = environ.Env(S=(bool, True), T=str)\n{source}"
            ));
            found.into_iter().filter(|read| read.plain).map(|read| read.name).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            plain(
                "A = env.bool('A')\nB = env('B', cast=int)\nC = int(os.environ['C'])\nD = env('D', float)\n\
                 S = env('S')\nT = env('T')\nU = env.url('U')\nV = print(os.environ['V'])\nW = config('W', cast=str)\n\
                 E = bool(os.environ.get('E'))"
            ),
            "A B C D S"
        );
        let mut sketch = Sketch::new("test");
        declare(
            &mut sketch,
            "A_URL = os.environ['A_URL']\nB_KEY = os.getenv('B_KEY')\nC = int(os.environ['C'])\n",
        );
        let directory = tempfile::tempdir().unwrap();
        let text = sketch.finish(&super::super::Files::of(directory.path(), |_| false).unwrap()).text;
        let settings = "\nA_URL = { secret = true }\nB_KEY = { secret = true, required = false }\nC = { required = true }\n";
        assert!(text.contains(settings), "{text}");
    }

    #[test]
    fn what_is_only_suggested_or_not_required_is_still_needed() {
        let mut sketch = Sketch::new("test");
        declare(
            &mut sketch,
            "A = os.getenv('A_KEY', 'a')\nB = os.getenv('B_KEY')\nC = os.environ['C_KEY']\n",
        );
        sketch.env("D_KEY", "\"d\"".to_owned());
        let source = "for name in ['A_KEY', 'B_KEY']:\n    pass\nA = os.environ['A_KEY']\nB = os.environ['B_KEY']\n\
                      C = os.environ['C_KEY']\nD = os.environ['D_KEY']\nE = os.getenv('E_KEY')\n";
        let expected = [("A_KEY", "{ secret = true }"), ("B_KEY", "{ required = true }")];
        assert_eq!(needed(&sketch, source), expected.map(|(name, said)| (name.to_owned(), said)));
    }

    #[test]
    fn what_is_no_code_and_what_is_given_is_left_out() {
        assert_eq!(said("# os.environ['A']\n\"\"\"os.environ['B']\"\"\"\nC = '#' + os.environ['C']"), "C!");
        assert_eq!(said("P = os.environ['PORT']\nW = os.environ['WINDLASS_APP']\nX = os.environ['a b']"), "");
        for text in [
            "os.environ[",
            "os.environ['",
            "os.getenv('A'",
            "env(\"é",
            "'''",
            "\"\\",
            "config('A', default",
            "os.getenv('A',",
            "env('A', é=')",
            "with env.prefixed('é",
            "environ.Env(A=(",
            "environ.Env(A=(é, \"",
            "é(os.environ['A']) if é",
        ] {
            let _any = reads(&format!("import environ, decouple\n{text}"));
        }
    }
}
