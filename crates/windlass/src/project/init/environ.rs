//! Which variables a Python module reads while it is loaded: the plain calls of `os`, django-environ,
//! environs and decouple, with their names written out. What it makes of a name otherwise is its own.

use windlass_core::manifest::{Format, draft};

use super::sketch::Sketch;

/// More than these are of a program that has its own list of settings.
const MOST: usize = 60;

/// What everybody gets, or Windlass says itself.
const GIVEN: [&str; 8] = ["PATH", "HOME", "LANG", "TZ", "TMPDIR", "USER", "PORT", "DJANGO_SETTINGS_MODULE"];

/// What happens where a variable is not there. The gravest of all that a module does with it counts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Absent {
    /// The module has a value of its own, as written in the source where that is plain.
    Default(Option<String>),
    /// It goes without.
    Nothing,
    /// It cannot be loaded.
    Fails,
}

/// Declares what `source` reads as settings.
pub(super) fn declare(sketch: &mut Sketch, source: &str) {
    let mut needed = Vec::new();
    for (name, absent) in reads(source) {
        if sketch.sets(&name) {
            continue;
        }
        let secret = sounds_secret(&name);
        match absent {
            Absent::Fails => {
                sketch.setting(&name, if secret { "{ secret = true }" } else { "{ required = true }" });
                needed.push(name);
            }
            Absent::Nothing if secret => sketch.setting(&name, "{ secret = true, required = false }"),
            Absent::Nothing => sketch.setting(&name, "{ required = false }"),
            // The source has it, for all to read, already; no manifest should have it as well.
            Absent::Default(_) if secret => {
                sketch.suggest_setting(&name, "{ secret = true }".to_owned());
            }
            Absent::Default(value) => {
                sketch.suggest_setting(&name, draft::text(value.as_deref().unwrap_or("...")));
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

/// Whether a value of this name is better kept secret.
fn sounds_secret(name: &str) -> bool {
    ["SECRET", "PASSWORD", "PASSWD", "TOKEN", "API_KEY", "PRIVATE_KEY"].iter().any(|word| name.contains(word))
        || name.ends_with("_DSN")
}

/// The variables that `source` reads, each once, in its order.
fn reads(source: &str) -> Vec<(String, Absent)> {
    let code = Code::of(source);
    let mut found: Vec<(String, Absent)> = Vec::new();
    for call in code.calls() {
        let usable = Format::EnvName.check(&call.name).is_ok()
            && !GIVEN.contains(&call.name.as_str())
            && !call.name.starts_with("WINDLASS_");
        if !usable {
            continue;
        }
        if let Some((_, absent)) = found.iter_mut().find(|(name, _)| *name == call.name) {
            *absent = absent.clone().max(call.absent);
        } else if found.len() < MOST {
            found.push((call.name, call.absent));
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

struct Call {
    name: String,
    absent: Absent,
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

    fn calls(&self) -> Vec<Call> {
        let mut calls = Vec::new();
        for (at, _) in self.text.match_indices(['[', '(']) {
            let Some(way) = self.way(&self.text[..at]) else { continue };
            let Some((name, rest)) = literal(self.text[at + 1..].trim_start()) else { continue };
            let absent = match (way, default(way, rest)) {
                (_, Some(default)) => Absent::Default(default),
                // Django cannot be loaded with no key at all.
                (Way::Get, None) if name != "SECRET_KEY" => Absent::Nothing,
                _ if self.is_guarded(at, name) => Absent::Nothing,
                _ => Absent::Fails,
            };
            calls.push(Call { name: name.to_owned(), absent });
        }
        calls
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
        for line in self.text[..at].split('\n') {
            if depth <= 0 {
                indented = line.starts_with([' ', '\t']);
                depth = 0;
            }
            for c in line.chars() {
                depth += i32::from(matches!(c, '(' | '[' | '{')) - i32::from(matches!(c, ')' | ']' | '}'));
            }
        }
        indented
    }
}

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

/// What stands in place of a variable that is not there, where something does; as written where it is
/// plain. `rest` is what follows the name.
fn default(way: Way, rest: &str) -> Option<Option<String>> {
    let arguments = &rest[..end_of_call(rest)];
    let value = match way {
        Way::Index => return None,
        Way::Get => arguments.trim_start().strip_prefix(',').filter(|value| !value.trim().is_empty())?,
        Way::Keyword => arguments.split_once("default")?.1.trim_start().strip_prefix('=')?,
    };
    let value = value.trim();
    if value.starts_with("None") {
        // It goes without, and can.
        return Some(None);
    }
    let plain = literal(value).map(|(text, _)| text).or_else(|| {
        let word = value.split([',', ')']).next().unwrap_or_default().trim();
        let number = !word.is_empty() && word.chars().all(|c| c.is_ascii_digit() || c == '.');
        (number || matches!(word, "True" | "False")).then_some(word)
    });
    Some(plain.filter(|plain| !plain.is_empty()).map(str::to_owned))
}

/// Where the arguments that `text` begins in end.
fn end_of_call(text: &str) -> usize {
    let mut depth = 0_i32;
    for (at, c) in text.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' if depth == 0 => return at,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
    }
    text.len()
}

/// The text in quotes that `text` begins with, and what follows it.
fn literal(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let (inside, rest) = text[1..].split_once(quote)?;
    (!inside.contains(['\\', '\n'])).then_some((inside, rest))
}

/// `source` without comments and texts of several lines, in which anything may stand.
fn stripped(source: &str) -> String {
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
fn length_of_text(rest: &str, quote: char) -> usize {
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
        let word = |(name, absent): (String, Absent)| match absent {
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
        ] {
            let _any = reads(&format!("import environ, decouple\n{text}"));
        }
    }
}
