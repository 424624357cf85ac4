//! Which variables the settings classes of pydantic read: the fields of `class ...(BaseSettings)`,
//! where their names are written out.

use super::environ::{Absent, Read};
use crate::project::python::{arguments, keyword, length_of_text, literal, plain_text, stripped};

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) fields: Vec<Read>,
    /// Classes whose variables have a prefix that is not known.
    pub(super) unknown: Vec<String>,
}

/// The fields of the settings classes of all `sources`.
pub(super) fn fields(sources: impl Iterator<Item = String>) -> Found {
    let mut found = Found::default();
    for source in sources.filter(|source| source.contains("BaseSettings")) {
        let statements = statements(&stripped(&source));
        for (at, (indent, text)) in statements.iter().enumerate() {
            let Some(class) = settings_class(text) else { continue };
            let body = statements[at + 1..].iter().take_while(|(inner, _)| inner > indent);
            let class =
                Class { name: class, body: body.map(|(inner, text)| (*inner, text.as_str())).collect() };
            match class.naming() {
                Some(naming) => found.fields.extend(class.fields(&naming, &source)),
                None => found.unknown.push(class.name.to_owned()),
            }
        }
    }
    found
}

/// The name of the class that the statement begins, if its values come from the environment.
fn settings_class(statement: &str) -> Option<&str> {
    let (name, bases) = statement.strip_prefix("class ")?.split_once('(')?;
    let is = bases.split([',', ')']).any(|base| base.trim().rsplit('.').next() == Some("BaseSettings"));
    is.then_some(name.trim())
}

struct Class<'s> {
    name: &'s str,
    /// Its statements, with their indents.
    body: Vec<(usize, &'s str)>,
}

/// How variables are called.
struct Naming {
    prefix: String,
    as_written: bool,
}

impl Class<'_> {
    /// How its variables are called; `None` where that is not written out.
    fn naming(&self) -> Option<Naming> {
        let mut naming = Naming { prefix: String::new(), as_written: false };
        // In `model_config = SettingsConfigDict(...)`, or in `class Config:`.
        let inside = self.body.iter().filter(|(_, text)| !text.contains("Field("));
        for text in inside.map(|(_, text)| text) {
            if let Some(value) = after(text, "env_prefix") {
                naming.prefix = literal(value)?.0.to_owned();
            }
            naming.as_written |= after(text, "case_sensitive").is_some_and(|value| value.starts_with("True"));
        }
        Some(naming)
    }

    fn fields(&self, naming: &Naming, source: &str) -> Vec<Read> {
        let Some((level, _)) = self.body.first() else { return vec![] };
        let own = self.body.iter().filter(|(indent, _)| indent == level);
        own.filter_map(|(_, text)| field(text, naming, source)).collect()
    }
}

/// The value of `key = value` or `"key": value` in a statement.
fn after<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    let rest = text.split_once(key)?.1.trim_start_matches(['"', '\'']).trim_start();
    rest.strip_prefix(['=', ':']).map(str::trim_start)
}

/// The variable of `name: type = default`.
fn field(statement: &str, naming: &Naming, source: &str) -> Option<Read> {
    let (name, rest) = statement.split_once(':')?;
    let name = name.trim_end();
    let mut letters = name.chars();
    let is_name = letters.next().is_some_and(|c| c.is_ascii_alphabetic())
        && letters.all(|c| c.is_ascii_alphanumeric() || c == '_');
    let (kind, default) = match equals(rest) {
        Some(at) => (rest[..at].trim(), Some(rest[at + 1..].trim())),
        None => (rest.trim(), None),
    };
    if !is_name || kind.is_empty() || kind.contains("ClassVar") || is_nested(kind, source) {
        return None;
    }
    let optional = kind.contains("Optional[") || kind.contains("None");
    let nothing = if optional { Absent::Nothing } else { Absent::Fails };
    let mut variable = None;
    let absent = match default {
        None => nothing,
        Some("None") => Absent::Nothing,
        Some(value) => match value.strip_prefix("Field(").and_then(|value| value.strip_suffix(')')) {
            None => Absent::Default(plain_text(value)),
            Some(inside) => {
                let given = arguments(inside);
                for (key, value) in given.iter().copied().filter_map(keyword) {
                    if matches!(key, "alias" | "validation_alias" | "env") {
                        // One of several names is not known.
                        variable = Some(literal(value)?.0.to_owned());
                    }
                }
                of_field(&given).unwrap_or(nothing)
            }
        },
    };
    let variable = variable.unwrap_or_else(|| format!("{}{name}", naming.prefix));
    let variable = if naming.as_written { variable } else { variable.to_ascii_uppercase() };
    let plain = kind
        .split(|c: char| !c.is_ascii_alphanumeric())
        .all(|word| matches!(word, "" | "int" | "bool" | "float" | "Optional" | "Union" | "None"));
    Some(Read { name: variable, absent, plain })
}

/// What stands in place of a value among the arguments of `Field`; `None` where nothing does.
fn of_field(given: &[&str]) -> Option<Absent> {
    let named = |wanted: &str| {
        given.iter().copied().filter_map(keyword).find(|(key, _)| *key == wanted).map(|(_, value)| value)
    };
    if named("default_factory").is_some() {
        return Some(Absent::Default(None));
    }
    let placed = given.first().copied().filter(|given| keyword(given).is_none());
    match named("default").or(placed)? {
        "..." => None,
        "None" => Some(Absent::Nothing),
        value => Some(Absent::Default(plain_text(value))),
    }
}

/// Whether a value of this type has parts, each of which has a variable of its own.
fn is_nested(kind: &str, source: &str) -> bool {
    let mut words =
        kind.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).filter(|word| !word.is_empty());
    words.any(|word| {
        word.ends_with("Settings") || word.ends_with("Config") || source.contains(&format!("class {word}("))
    })
}

/// Where the first `=` is that is not within brackets or texts.
fn equals(text: &str) -> Option<usize> {
    let (mut at, mut depth) = (0, 0_i32);
    while let Some(c) = text[at..].chars().next() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            '=' if depth == 0 => return Some(at),
            _ => {}
        }
        at += if matches!(c, '"' | '\'') { length_of_text(&text[at..], c) } else { c.len_utf8() };
    }
    None
}

/// The statements of `code`, each on a line of its own, with their indents.
fn statements(code: &str) -> Vec<(usize, String)> {
    let mut statements = vec![];
    let mut statement = String::new();
    let (mut at, mut depth) = (0, 0_i32);
    while let Some(c) = code[at..].chars().next() {
        let length = if matches!(c, '"' | '\'') { length_of_text(&code[at..], c) } else { c.len_utf8() };
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
        if c == '\n' && depth <= 0 {
            depth = 0;
            push(&mut statements, &statement);
            statement.clear();
        } else {
            statement.push_str(if c == '\n' { " " } else { &code[at..at + length] });
        }
        at += length;
    }
    push(&mut statements, &statement);
    statements
}

fn push(statements: &mut Vec<(usize, String)>, statement: &str) {
    let text = statement.trim();
    if !text.is_empty() {
        statements.push((statement.len() - statement.trim_start().len(), text.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `NAME!` must be there, `NAME?` need not, `NAME=default` has one.
    fn said(source: &str) -> String {
        let found = fields([source.to_owned()].into_iter());
        let fields = found.fields.into_iter().map(|Read { name, absent, .. }| match absent {
            Absent::Fails => format!("{name}!"),
            Absent::Nothing => format!("{name}?"),
            Absent::Default(value) => format!("{name}={}", value.unwrap_or_default()),
        });
        fields
            .chain(found.unknown.into_iter().map(|class| format!("({class})")))
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn fields_are_variables() {
        let source = "from pydantic_settings import BaseSettings\n\nclass Settings(BaseSettings):\n    \"\"\"x: str\"\"\"\n\
                      \n    database_url: str  # needed: str\n    debug: bool = False\n    workers: int = Field(4, ge=1)\n\
                      \x20   key: SecretStr = Field(...)\n    dsn: str | None = None\n    hosts: list[str] = [\n        'a: b',\n    ]\n\
                      \x20   _private: str = 'x'\n    kind: ClassVar[str] = 'x'\n    other = 3\n\n    @property\n    def url(self) -> str:\n\
                      \x20       inner: str = 'x'\n        return inner\n\nsettings: Settings = Settings()\n";
        assert_eq!(said(source), "DATABASE_URL! DEBUG=False WORKERS=4 KEY! DSN? HOSTS=");
    }

    #[test]
    fn names_are_as_the_class_says() {
        let config = |config: &str| {
            format!("class A(pydantic.BaseSettings):\n    a: str\n    b: str = Field(alias='X')\n{config}")
        };
        assert_eq!(
            said(&config("    model_config = SettingsConfigDict(env_file='.env', env_prefix=\"app_\")")),
            "APP_A! X!"
        );
        assert_eq!(
            said(&config("    class Config:\n        env_prefix = 'P_'\n        case_sensitive = True\n")),
            "P_a! X!"
        );
        assert_eq!(said(&config("    model_config = {'env_prefix': 'Q_'}\n")), "Q_A! X!");
        assert_eq!(said(&config("    model_config = SettingsConfigDict(env_prefix=PREFIX)\n")), "(A)");
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let source = "class Database(BaseModel):\n    url: str\n\nclass Settings(BaseSettings):\n    db: Database\n\
                      \x20   a: str = Field(validation_alias=AliasChoices('A', 'B'))\n    f: str = Field(default_factory=make)\n";
        assert_eq!(said(source), "F=");
        for text in [
            "class A(BaseSettings",
            "class A(BaseSettings):",
            "class A(BaseSettings):\n a:",
            "class é(BaseSettings):\n  é: str = (\"é",
        ] {
            let _any = fields([text.to_owned()].into_iter());
        }
    }
}
