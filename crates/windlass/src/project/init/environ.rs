//! Which variables a Python module reads while it is loaded: the plain calls of `os`, django-environ,
//! environs and decouple, with their names written out. What it makes of a name otherwise is its own.

use windlass_core::manifest::{Format, draft};
use windlass_core::settings::sounds_secret;

use super::sketch::Sketch;

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
    let mut needed = Vec::new();
    for read in merged(Code::of(source).calls().into_iter().chain(more)) {
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
    if !needed.is_empty() {
        sketch.note(format!(
            "the settings cannot be loaded without {}: put NAME=value for each into .env, which git must not keep",
            needed.join(", ")
        ));
    }
}

/// The declaration of a setting that must have a value.
fn required(open: bool) -> &'static str {
    if open { "{ required = true }" } else { "{ secret = true }" }
}

/// What `source` cannot be loaded without, each with its declaration.
pub(super) fn needed(source: &str) -> Vec<(String, &'static str)> {
    let needed = reads(source).into_iter().filter(|read| read.absent == Absent::Fails);
    needed.map(|read| (read.name.clone(), required(read.is_open()))).collect()
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
    const ENDS: [&str; 9] =
        ["_DEBUG", "_ENV", "_ENVIRONMENT", "_HOST", "_HOSTS", "_NAME", "_PORT", "_REGION", "LOG_LEVEL"];
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

/// A source without its comments and long texts.
struct Code {
    text: String,
    /// Whether `env` and `config` are those of the known libraries.
    environ: bool,
    decouple: bool,
}

/// How a variable can be read: what stands before its name, and what follows where it is not there.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    /// `os.environ["NAME"]`
    Index,
    /// `os.getenv("NAME")`, with the default behind it.
    Get,
    /// `env("NAME")`, with the default as `default=`.
    Keyword,
}

impl Code {
    fn of(source: &str) -> Self {
        let environ = ["import environ", "from environ", "Env("].iter().any(|word| source.contains(word));
        Self { text: stripped(source), environ, decouple: source.contains("decouple") }
    }

    fn calls(&self) -> Vec<Read> {
        let scheme = self.scheme();
        let mut calls = Vec::new();
        for (at, _) in self.text.match_indices(['[', '(']) {
            let Some(way) = self.way(&self.text[..at]) else { continue };
            let Some((name, rest)) = literal(self.text[at + 1..].trim_start()) else { continue };
            let Some(prefix) = self.prefix(at, way) else { continue };
            let given = arguments(&rest[..end_of_call(rest)]);
            let in_scheme = scheme.iter().find(|known| known.name == name).filter(|_| way == Way::Keyword);
            let own = default(way, &given).map(|default| Absent::Default(plain_text(default)));
            let absent = match own.or_else(|| in_scheme.map(|known| known.absent.clone())) {
                Some(Absent::Default(default)) => Absent::Default(default),
                // Django cannot be loaded with no key at all.
                _ if way == Way::Get && name != "SECRET_KEY" => Absent::Nothing,
                _ if self.is_guarded(at, name) => Absent::Nothing,
                _ => Absent::Fails,
            };
            let plain = self.is_made_plain(at)
                || in_scheme.is_some_and(|known| known.plain)
                || given.iter().any(|given| PLAIN.contains(&given.strip_prefix("cast=").unwrap_or(given)));
            calls.push(Read { name: format!("{prefix}{name}"), absent, plain });
        }
        calls
    }

    /// What `Env(DEBUG=(bool, False))` says of variables that are read later.
    fn scheme(&self) -> Vec<Read> {
        let mut scheme = vec![];
        let starts = self.text.match_indices("Env(").filter(|_| self.environ);
        for (at, word) in starts {
            let rest = &self.text[at + word.len()..];
            for (name, value) in arguments(&rest[..end_of_call(rest)]).into_iter().filter_map(keyword) {
                let pair = value.strip_prefix('(').and_then(|value| value.strip_suffix(')')).map(arguments);
                let pair = pair.unwrap_or_else(|| vec![value]);
                let absent = pair.get(1).map_or(Absent::Fails, |value| Absent::Default(plain_text(value)));
                let plain = pair.first().is_some_and(|kind| PLAIN.contains(kind));
                scheme.push(Read { name: name.to_owned(), absent, plain });
            }
        }
        scheme
    }

    /// Whether the call whose bracket is at `at` gives a number, or yes or no, or is handed to what
    /// makes one of it.
    fn is_made_plain(&self, at: usize) -> bool {
        let ident = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
        let callee = self.text[..at].rsplit(|c| !ident(c)).next().unwrap_or_default();
        let before = self.text[..at - callee.len()].trim_end();
        let around = before.strip_suffix('(').and_then(|before| before.rsplit(|c| !ident(c)).next());
        // `bool(os.environ.get("TOKEN"))` asks whether there is one, and makes nothing of it.
        let around = around.filter(|kind| ["int", "float"].contains(kind));
        callee.strip_prefix("env.").into_iter().chain(around).any(|kind| PLAIN.contains(&kind))
    }

    /// What `with env.prefixed("APP_"):` around a call puts before its name; `None` where that is not
    /// written out.
    fn prefix(&self, at: usize, way: Way) -> Option<String> {
        let mut prefix = String::new();
        if way != Way::Keyword {
            return Some(prefix);
        }
        let mut outer = usize::MAX;
        for line in self.text[..at].split('\n').rev().filter(|line| !line.trim().is_empty()) {
            let indent = line.len() - line.trim_start().len();
            if indent >= outer {
                continue;
            }
            outer = indent;
            for (_, rest) in
                line.rmatch_indices(".prefixed(").map(|(at, word)| line.split_at(at + word.len()))
            {
                prefix = format!("{}{prefix}", literal(rest.trim_start())?.0);
            }
        }
        Some(prefix)
    }

    /// What the expression that ends `before` a bracket does.
    fn way(&self, before: &str) -> Option<Way> {
        let start = before.rfind(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.')));
        let callee =
            &before[start.map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8))..];
        match callee {
            _ if self.text[before.len()..].starts_with('[') => {
                matches!(callee, "os.environ" | "environ").then_some(Way::Index)
            }
            "os.environ.get" | "environ.get" | "os.getenv" | "getenv" | "os.environ.setdefault" => {
                Some(Way::Get)
            }
            "env" if self.environ => Some(Way::Keyword),
            "config" if self.decouple => Some(Way::Keyword),
            _ => callee
                .strip_prefix("env.")
                .filter(|kind| self.environ && KINDS.contains(kind))
                .map(|_| Way::Keyword),
        }
    }

    /// Whether the statement at `at` need not be carried out: it is part of another one, or somebody
    /// looks first whether the variable is there.
    fn is_guarded(&self, at: usize, name: &str) -> bool {
        let looks = |quote: char| self.text.contains(&format!("{quote}{name}{quote} in os.environ"));
        if looks('"') || looks('\'') {
            return true;
        }
        let mut depth = 0_i32;
        let mut indented = false;
        let mut start = 0;
        let mut end = 0;
        for line in self.text.split('\n') {
            if depth <= 0 {
                if end > at {
                    break;
                }
                indented = line.starts_with([' ', '\t']);
                depth = 0;
                start = end;
            }
            for c in line.chars() {
                depth += i32::from(matches!(c, '(' | '[' | '{')) - i32::from(matches!(c, ')' | ']' | '}'));
            }
            end += line.len() + 1;
        }
        let statement = &self.text[start..end.min(self.text.len())];
        let mut words = statement.split(|c: char| !(c.is_alphanumeric() || c == '_'));
        indented || words.any(|word| matches!(word, "if" | "or" | "and" | "lambda"))
    }
}

/// Types whose values are no secrets.
const PLAIN: [&str; 4] = ["bool", "int", "float", "log_level"];

/// What can stand where others have the default: what the value is made.
const CASTS: [&str; 10] =
    ["str", "bool", "int", "float", "list", "tuple", "dict", "bytes", "Decimal", "Path"];

/// Methods of `env` that read a variable as something.
const KINDS: [&str; 18] = [
    "str",
    "bool",
    "int",
    "float",
    "list",
    "tuple",
    "dict",
    "json",
    "url",
    "path",
    "db",
    "db_url",
    "cache",
    "cache_url",
    "email_url",
    "decimal",
    "bytes",
    "log_level",
];

/// What stands in place of a variable that is not there, where something does, as written. `given` is
/// what follows the name. django-environ has the type before it, environs and decouple do not; of
/// what may be either it is taken for a default: what is wrongly required stops a deploy.
fn default<'a>(way: Way, given: &[&'a str]) -> Option<&'a str> {
    if way == Way::Index {
        return None;
    }
    let named = given.iter().copied().filter_map(keyword).find(|(name, _)| *name == "default");
    let spread = || given.iter().copied().find(|given| given.starts_with('*'));
    let mut placed = given.iter().copied().filter(|given| keyword(given).is_none());
    named.map(|(_, value)| value).or_else(|| placed.find(|given| !CASTS.contains(given))).or_else(spread)
}

/// A default that is text, a number, or yes or no, as a setting has it.
pub(super) fn plain_text(value: &str) -> Option<String> {
    let number = !value.is_empty() && value.chars().all(|c| c.is_ascii_digit() || c == '.');
    let word = (number || matches!(value, "True" | "False")).then_some(value);
    let text = literal(value).map(|(text, _)| text).or(word)?;
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

/// The arguments of a call, or what else commas part, without those within brackets and texts.
pub(super) fn arguments(text: &str) -> Vec<&str> {
    let mut parts = vec![];
    let (mut start, mut at, mut depth) = (0, 0, 0_i32);
    while let Some(c) = text[at..].chars().next() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
        at += if matches!(c, '"' | '\'') { length_of_text(&text[at..], c) } else { c.len_utf8() };
    }
    parts.push(text[start..].trim());
    parts.retain(|part| !part.is_empty());
    parts
}

/// The name and the value of `name=value`.
pub(super) fn keyword(argument: &str) -> Option<(&str, &str)> {
    let (name, value) = argument.split_once('=')?;
    let name = name.trim_end();
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    (is_name && !value.starts_with('=')).then_some((name, value.trim_start()))
}

/// Where the arguments that `text` begins in end.
fn end_of_call(text: &str) -> usize {
    let (mut at, mut depth) = (0, 0_i32);
    while let Some(c) = text[at..].chars().next() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' if depth == 0 => return at,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
        at += if matches!(c, '"' | '\'') { length_of_text(&text[at..], c) } else { c.len_utf8() };
    }
    text.len()
}

/// The text in quotes that `text` begins with, and what follows it.
pub(super) fn literal(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let (inside, rest) = text[1..].split_once(quote)?;
    (!inside.contains(['\\', '\n'])).then_some((inside, rest))
}

/// `source` without comments and texts of several lines, in which anything may stand.
pub(super) fn stripped(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        let triple = ["\"\"\"", "'''"].into_iter().find(|quotes| rest.starts_with(quotes));
        if let Some(quotes) = triple {
            let inside = &rest[quotes.len()..];
            rest = inside.find(quotes).map_or("", |end| &inside[end + quotes.len()..]);
            continue;
        }
        if c == '#' {
            rest = &rest[rest.find('\n').unwrap_or(rest.len())..];
            continue;
        }
        let length = if matches!(c, '"' | '\'') { length_of_text(rest, c) } else { c.len_utf8() };
        out.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    out
}

/// How long the text in quotes is that `rest` begins with; of one that does not end, to its line's end.
pub(super) fn length_of_text(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            '\n' => return at,
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `NAME!` cannot be done without, `NAME?` can, `NAME=default` has one.
    fn said(source: &str) -> String {
        let word = |Read { name, absent, .. }| match absent {
            Absent::Fails => format!("{name}!"),
            Absent::Nothing => format!("{name}?"),
            Absent::Default(value) => format!("{name}={}", value.unwrap_or_default()),
        };
        reads(source).into_iter().map(word).collect::<Vec<_>>().join(" ")
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
        let text = sketch.finish(&super::super::Files::of(directory.path()).unwrap()).text;
        let settings = "\nA_URL = { secret = true }\nB_KEY = { secret = true, required = false }\nC = { required = true }\n";
        assert!(text.contains(settings), "{text}");
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
