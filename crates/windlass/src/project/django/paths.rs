//! Where settings put files: expressions such as `BASE_DIR / "media"`, worked out as far as their parts are written
//! down in the project.

use std::cell::Cell;

use super::Sources;
use super::modules::Module;
use crate::project::python::{
    arguments, assigned, end_of_call, keyword, length_of_text, literal, statements, stripped,
};

/// So many names are followed for one expression, and expressions within others so deep.
const MOST: u32 = 200;
const DEEPEST: u32 = 40;

/// So many values of one name are looked at.
const MOST_VALUES: usize = 20;

/// Where an expression leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::project) enum Place {
    /// A path in the project, and so in each release.
    Within(String),
    /// A path of the machine.
    Outside(String),
    /// Nobody knows before it runs. The expression.
    Unknown(String),
}

/// What an expression is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    /// A path below the project's directory, part by part.
    Below(Vec<String>),
    Text(String),
}

impl Sources<'_> {
    /// Where the modules put what `key` names; several places where it depends on something.
    pub(in crate::project) fn places(&self, modules: &[Module], key: &str) -> Vec<Place> {
        let mut places: Vec<Place> = vec![];
        for module in modules {
            let text = stripped(&module.text);
            for expression in candidates(&text, key).into_iter().take(MOST_VALUES) {
                let place = match self.evaluate(module, expression) {
                    Some(Value::Text(text)) if text.is_empty() => continue,
                    Some(value) => value.place().filter(is_plain),
                    None => None,
                };
                let unknown = || Place::Unknown(expression.split_whitespace().collect::<Vec<_>>().join(" "));
                let place = place.unwrap_or_else(unknown);
                if !places.contains(&place) {
                    places.push(place);
                }
            }
        }
        places
    }

    /// The text that the first of the modules which has `key` gives it.
    pub(in crate::project) fn text(&self, modules: &[Module], key: &str) -> Option<String> {
        modules.iter().find_map(|module| {
            let text = stripped(&module.text);
            let expression = candidates(&text, key).into_iter().next()?;
            match self.evaluate(module, expression)? {
                Value::Text(text) => Some(text),
                Value::Below(_) => None,
            }
        })
    }

    /// Where an expression of a module leads, or the URL of a database of SQLite that it is.
    pub(in crate::project) fn place(&self, module: &Module, expression: &str) -> Option<Place> {
        self.evaluate(module, expression)?.place().filter(is_plain)
    }

    fn evaluate(&self, module: &Module, expression: &str) -> Option<Value> {
        let left = Cell::new(MOST);
        let scope = Scope { sources: self, module, depth: 0, left: &left };
        scope.evaluate(expression)
    }
}

/// What `source` gives a name: the last that always counts first, then what some branches do.
fn candidates<'t>(text: &'t str, name: &str) -> Vec<&'t str> {
    let (mut always, mut sometimes) = (None, vec![]);
    for statement in statements(text) {
        match assigned(statement, name) {
            Some(value) if statement.starts_with([' ', '\t']) => sometimes.push(value),
            Some(value) => always = Some(value),
            None => {}
        }
    }
    always.into_iter().chain(sometimes).collect()
}

/// Whether a path has no characters that a manifest or a person would stumble over.
fn is_plain(place: &Place) -> bool {
    let (Place::Within(path) | Place::Outside(path)) = place else { return false };
    path.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c)) && !path.contains("..")
}

impl Value {
    /// `None` where that is the project's directory itself.
    fn place(self) -> Option<Place> {
        match self {
            Self::Below(parts) => Some(Place::Within(parts.join("/"))),
            Self::Text(text) if of_url(&text).is_some() => {
                of_url(&text).map(str::to_owned).filter(|path| !path.is_empty()).map(Self::Text)?.place()
            }
            Self::Text(text) if text.starts_with('/') => {
                Some(Place::Outside(format!("/{}", text.trim_matches('/'))))
            }
            // The directory that it is started in.
            Self::Text(text) => match Self::Below(vec![]).joined(&Self::Text(text))? {
                Self::Below(parts) => Some(Place::Within(parts.join("/"))),
                Self::Text(_) => None,
            },
        }
        .filter(|place| *place != Place::Within(String::new()))
    }

    /// What lies `steps` above.
    fn above(self, steps: usize) -> Option<Self> {
        let Self::Below(mut parts) = self else { return None };
        parts.truncate(parts.len().checked_sub(steps)?);
        Some(Self::Below(parts))
    }

    fn joined(self, other: &Self) -> Option<Self> {
        let Self::Text(more) = other else { return Some(other.clone()) };
        match self {
            _ if more.starts_with('/') => Some(other.clone()),
            Self::Text(text) => Some(Self::Text(format!("{}/{more}", text.trim_end_matches('/')))),
            Self::Below(mut parts) => {
                for part in more.split('/') {
                    match part {
                        "" | "." => {}
                        ".." => drop(parts.pop()?),
                        part => parts.push(part.to_owned()),
                    }
                }
                Some(Self::Below(parts))
            }
        }
    }

    /// One text after the other: `BASE_DIR + "/media"`.
    fn followed_by(self, other: Self) -> Option<Self> {
        match (self, other) {
            (Self::Text(text), other) if text.is_empty() => Some(other),
            (Self::Text(url), Self::Below(parts)) if of_url(&url) == Some("") => Some(Self::Below(parts)),
            (Self::Text(text), Self::Text(more)) => Some(Self::Text(text + &more)),
            (Self::Below(parts), Self::Text(more)) if more.starts_with('/') || more.is_empty() => {
                Self::Below(parts).joined(&Self::Text(more.trim_start_matches('/').to_owned()))
            }
            (Self::Below(mut parts), Self::Text(more)) => {
                let last = parts.pop()?;
                Self::Below(parts).joined(&Self::Text(last + &more))
            }
            (Self::Text(_), Self::Below(_)) | (Self::Below(_), Self::Below(_)) => None,
        }
    }
}

/// The path in the URL of a database of SQLite: relative, or from the root of the machine.
fn of_url(text: &str) -> Option<&str> {
    let (scheme, path) = text.split_once(":///")?;
    let is_sqlite =
        scheme.strip_prefix("sqlite").is_some_and(|rest| rest.is_empty() || rest.starts_with('+'));
    let path = path.split('?').next().unwrap_or_default();
    is_sqlite.then_some(path)
}

const OR: &str = " or ";

/// What `or` parts at the top of an expression.
fn alternatives(expression: &str) -> Vec<&str> {
    let (mut parts, mut start, mut at, mut depth) = (vec![], 0, 0, 0_i32);
    while let Some(c) = expression[at..].chars().next() {
        if depth == 0 && expression[at..].starts_with(OR) {
            parts.push(&expression[start..at]);
            at += OR.len();
            start = at;
            continue;
        }
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
        at += if matches!(c, '"' | '\'') { length_of_text(&expression[at..], c) } else { c.len_utf8() };
    }
    parts.push(&expression[start..]);
    parts
}

/// Where names are looked for.
struct Scope<'a> {
    sources: &'a Sources<'a>,
    module: &'a Module,
    depth: u32,
    /// How many names may be followed yet.
    left: &'a Cell<u32>,
}

impl Scope<'_> {
    fn evaluate(&self, expression: &str) -> Option<Value> {
        let scope = Scope { depth: self.depth + 1, ..*self };
        if scope.depth > DEEPEST || self.sources.is_given(expression) {
            return None;
        }
        alternatives(expression).into_iter().find_map(|expression| {
            let mut parser = Parser { rest: expression.trim(), scope: &scope };
            let value = parser.sum()?;
            blank(parser.rest).is_empty().then_some(value)
        })
    }

    fn name(&self, name: &str) -> Option<Value> {
        self.left.set(self.left.get().checked_sub(1)?);
        let depth = self.depth + 1;
        if depth > DEEPEST {
            return None;
        }
        let text = stripped(&self.module.text);
        if let Some(expression) = candidates(&text, name).first() {
            return Scope { depth, ..*self }.evaluate(expression);
        }
        self.module.imports().iter().find_map(|import| {
            let original = import.original(name)?;
            let module = self.sources.module(&import.path)?;
            Scope { module: &module, depth, ..*self }.name(original)
        })
    }
}

/// A text without the blanks that it begins with, among them the ends of lines that go on.
fn blank(text: &str) -> &str {
    text.trim_start_matches(|c: char| c.is_whitespace() || c == '\\')
}

/// Reads one expression.
struct Parser<'a> {
    rest: &'a str,
    scope: &'a Scope<'a>,
}

impl<'a> Parser<'a> {
    fn eat(&mut self, sign: char) -> bool {
        let Some(rest) = blank(self.rest).strip_prefix(sign) else { return false };
        self.rest = rest;
        true
    }

    /// The name or number that comes next.
    fn word(&mut self) -> Option<&'a str> {
        let rest = blank(self.rest);
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        self.rest = &rest[end..];
        (end > 0).then(|| &rest[..end])
    }

    /// The arguments of a call whose bracket was eaten.
    fn arguments(&mut self) -> Vec<&'a str> {
        let end = end_of_call(self.rest);
        let given = arguments(&self.rest[..end]);
        self.rest = self.rest.get(end + 1..).unwrap_or_default();
        given
    }

    fn sum(&mut self) -> Option<Value> {
        let mut value = self.quotient()?;
        loop {
            if self.eat('+') {
                value = value.followed_by(self.quotient()?)?;
            } else if self.eat('-') {
                // django-environ's way to the directory above.
                value = value.above(self.word()?.parse().ok()?)?;
            } else {
                return Some(value);
            }
        }
    }

    fn quotient(&mut self) -> Option<Value> {
        let mut value = self.followed()?;
        while self.eat('/') {
            value = value.joined(&self.followed()?)?;
        }
        Some(value)
    }

    /// A value with what is asked of it: `.parent`, `.resolve()`.
    fn followed(&mut self) -> Option<Value> {
        let mut value = self.single()?;
        loop {
            if self.eat('(') {
                // `APPS_DIR("media")` of django-environ.
                let parts = self.arguments();
                value = self.joined(value, &parts)?;
                continue;
            }
            if !self.eat('.') {
                return Some(value);
            }
            value = match self.word()? {
                "parent" => value.above(1)?,
                "parents" => {
                    let steps: usize = self.eat('[').then(|| self.word())??.parse().ok()?;
                    self.eat(']').then_some(value)?.above(steps.checked_add(1)?)?
                }
                "joinpath" | "path" if self.eat('(') => {
                    let parts = self.arguments();
                    self.joined(value, &parts)?
                }
                "resolve" | "absolute" | "as_posix" if self.eat('(') => {
                    self.arguments();
                    value
                }
                "root" => value,
                _ => return None,
            };
        }
    }

    fn joined(&self, value: Value, parts: &[&str]) -> Option<Value> {
        let mut parts = parts.iter().filter(|part| keyword(part).is_none());
        parts.try_fold(value, |value, part| value.joined(&self.scope.evaluate(part)?))
    }

    fn single(&mut self) -> Option<Value> {
        self.rest = blank(self.rest);
        if self.eat('(') {
            let (inside, rest) = self.rest.split_at(end_of_call(self.rest));
            self.rest = rest.strip_prefix(')')?;
            return self.scope.evaluate(inside);
        }
        if self.rest.starts_with(['"', '\'']) {
            let (text, rest) = literal(self.rest)?;
            self.rest = rest;
            return Some(Value::Text(text.to_owned()));
        }
        let mut name = self.word()?.to_owned();
        if matches!(name.as_str(), "f" | "r" | "rf" | "fr") && self.rest.starts_with(['"', '\'']) {
            let (text, rest) = literal(self.rest)?;
            self.rest = rest;
            return if name.contains('f') { self.filled(text) } else { Some(Value::Text(text.to_owned())) };
        }
        let is_module =
            |name: &str| matches!(name, "os" | "path" | "pathlib" | "posixpath" | "environ" | "env");
        if is_module(&name) {
            while self.eat('.') {
                name = format!("{name}.{}", self.word()?);
            }
        }
        if name == "__file__" {
            return Some(Value::Below(self.scope.module.path.split('/').map(str::to_owned).collect()));
        }
        let function = name.rsplit('.').next().unwrap_or_default();
        match function {
            "environ" => None,
            "get" | "getenv" | "config" | "env" => self.of_environment(),
            _ if name.starts_with("env.") => self.of_environment(),
            "Path" | "PurePath" | "join" | "str" | "fspath" | "abspath" | "realpath" | "normpath"
                if self.eat('(') =>
            {
                let given = self.arguments();
                let (first, more) = given.split_first()?;
                let value = self.scope.evaluate(first)?;
                self.joined(value, more)
            }
            "dirname" if self.eat('(') => match self.arguments().as_slice() {
                [path] => self.scope.evaluate(path)?.above(1),
                _ => None,
            },
            _ if name.contains('.') => None,
            _ => self.scope.name(&name),
        }
    }

    /// What is taken where a variable is not there.
    fn of_environment(&mut self) -> Option<Value> {
        let given = self.eat('(').then(|| self.arguments())?;
        let named = given.iter().filter_map(|given| keyword(given)).find(|(name, _)| *name == "default");
        let default = named.map(|(_, value)| value).or_else(|| given.get(1).copied())?;
        self.scope.evaluate(default)
    }

    /// A text with expressions in it.
    fn filled(&self, text: &str) -> Option<Value> {
        let mut value = Value::Text(String::new());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (expression, after) = after.split_once('}')?;
            value = value.followed_by(Value::Text(before.to_owned()))?;
            value = value.followed_by(self.scope.evaluate(expression)?)?;
            rest = after;
        }
        value.followed_by(Value::Text(rest.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::project::django::settings_module;
    use crate::project::{odd, sqlite};

    const SETTINGS: &str = "shop/settings/base.py";

    /// Where these settings put uploads, in words.
    fn said(source: &str) -> String {
        let read = |path: &str| match path {
            "shop/settings/base.py" => Some(source.to_owned()),
            "shop/places.py" => Some(
                "from pathlib import Path\nfrom shop.settings.base import *\nHERE = Path(__file__).parent\n\
                 DATA = HERE / 'data'\n"
                    .to_owned(),
            ),
            _ => None,
        };
        let sources = Sources { read: &read, is_given: &|name| name == "GIVEN" };
        let module = Module { path: SETTINGS.to_owned(), text: source.to_owned() };
        let places = sources.places(&[module], "MEDIA_ROOT").into_iter().map(|place| match place {
            Place::Within(path) => path,
            Place::Outside(path) => format!("outside {path}"),
            Place::Unknown(expression) => format!("? {expression}"),
        });
        places.collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn every_part_of_a_path_counts() {
        let base = "BASE_DIR = Path(__file__).resolve(strict=True).parent.parent.parent\nAPPS_DIR = BASE_DIR / 'shop'\n";
        let above = "import os\nPROJECT_DIR = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))\n\
                     BASE_DIR = os.path.dirname(PROJECT_DIR)\n";
        let environ = "ROOT_DIR = environ.Path(__file__) - 3\nAPPS_DIR = ROOT_DIR.path('shop')\n";
        for (before, expression, expected) in [
            (base, "str(APPS_DIR / \"media\")", "shop/media"),
            (base, "BASE_DIR / \"var\" / \"media\"", "var/media"),
            (base, "BASE_DIR.joinpath('var', 'media')", "var/media"),
            (base, "(\n    APPS_DIR / 'var/media'  # all\n)", "shop/var/media"),
            (base, "f\"{APPS_DIR}/media/\"", "shop/media"),
            (
                base,
                "APPS_DIR.parent.joinpath(\"../shop/media\")",
                "? APPS_DIR.parent.joinpath(\"../shop/media\")",
            ),
            (base, "APPS_DIR / '../media'", "media"),
            (base, "BASE_DIR", "? BASE_DIR"),
            (base, "BASE_DIR.parent / 'media'", "? BASE_DIR.parent / 'media'"),
            (base, "env('MEDIA', default=str(APPS_DIR / 'media'))", "shop/media"),
            (base, "os.environ.get('MEDIA', BASE_DIR / 'media')", "media"),
            (base, "os.environ.get('GIVEN', BASE_DIR / 'm')", "? os.environ.get('GIVEN', BASE_DIR / 'm')"),
            (base, "os.environ['MEDIA']", "? os.environ['MEDIA']"),
            (base, "BASE_DIR / 'a' if X else BASE_DIR / 'b'", "? BASE_DIR / 'a' if X else BASE_DIR / 'b'"),
            (above, "os.path.join(BASE_DIR, \"var\", \"media\")", "var/media"),
            (above, "os.path.join(PROJECT_DIR, 'media/')", "shop/media"),
            (above, "BASE_DIR + '/media'", "media"),
            (above, "PROJECT_DIR + '_media'", "shop_media"),
            (environ, "str(APPS_DIR('media'))", "shop/media"),
            (environ, "str(ROOT_DIR.path('var', 'media'))", "var/media"),
            ("", "Path(__file__).parents[2] / 'media'", "media"),
            ("", "'media/'", "media"),
            ("", "\"/var/www/media/\"", "outside /var/www/media"),
            ("", "''", ""),
            ("", "os.path.join(ELSEWHERE, 'media')", "? os.path.join(ELSEWHERE, 'media')"),
            ("", "os.path.join(SITE.root, 'media')", "? os.path.join(SITE.root, 'media')"),
            ("from shop.places import HERE as H, DATA\n", "H / 'media'", "shop/media"),
            ("from ..places import (\n    DATA,\n)\n", "DATA / 'media'", "shop/data/media"),
            ("from shop.places import *\n", "DATA / 'media'", "shop/data/media"),
            ("from shop.places import *\n", "NONE / 'media'", "? NONE / 'media'"),
            (base, "os.environ.get('MEDIA') or BASE_DIR / 'media'", "media"),
            (
                base,
                "os.environ.get('GIVEN') or BASE_DIR / 'm'",
                "? os.environ.get('GIVEN') or BASE_DIR / 'm'",
            ),
            ("A = B\nB = A\n", "A / 'media'", "? A / 'media'"),
        ] {
            assert_eq!(
                said(&format!("{before}MEDIA_ROOT = {expression}\n")),
                expected,
                "{before}{expression}"
            );
        }
    }

    #[test]
    fn what_depends_on_something_may_be_each_of_them() {
        assert_eq!(
            said("MEDIA_ROOT: str = 'a'\nif X:\n    MEDIA_ROOT = '/b'\nMEDIA_ROOT = 'c'\n"),
            "c, outside /b"
        );
        assert_eq!(said("if X:\n    MEDIA_ROOT = 'a'\nelse:\n    MEDIA_ROOT = f()\n"), "a, ? f()");
        assert_eq!(said("# MEDIA_ROOT = 'a'\nOLD_MEDIA_ROOT = 'b'\nMEDIA_ROOTS = 'c'\n"), "");
    }

    #[test]
    fn nothing_that_is_half_written_is_stumbled_over() {
        for expression in [
            "",
            "(",
            "f'{",
            "f'{A",
            "'",
            "a.",
            "a[",
            " or ",
            "é or é",
            "Path(",
            "é / 'é'",
            "x.parents[",
            "env(",
        ] {
            said(&format!("MEDIA_ROOT = {expression}\n"));
        }
    }

    #[test]
    fn no_text_is_too_odd() {
        for value in ["a or or b", "'a' or or 'b'", "Path(__file__).parents[18446744073709551615]", "ü or 'x"]
        {
            said(&format!("MEDIA_ROOT = {value}\n"));
        }
        for opening in ["(", "Path(", "env('A', "] {
            for closing in ["", ")"] {
                let value = format!("{}'media'{}", opening.repeat(4000), closing.repeat(4000));
                let source = format!("A = A or A + B\nB = A\nMEDIA_ROOT = {value}\n");
                assert!(said(&source).starts_with('?'), "{opening}");
            }
        }
        assert_eq!(said("MEDIA_ROOT = ((('media') or 'x'))\n"), "media");
    }

    proptest! {
        #[test]
        fn any_text_is_looked_through(text in odd::text(), more in odd::text()) {
            let source = format!("{text}\nMEDIA_ROOT = {more}");
            said(&source);
            settings_module(&source);
            let read = |path: &str| (path != "gone.py").then(|| more.clone());
            let sources = Sources { read: &read, is_given: &|name| name == "GIVEN" };
            let own = Module { path: SETTINGS.to_owned(), text: source };
            let modules = [vec![own], sources.modules("shop.settings")].concat();
            sources.text(&modules, "MEDIA_ROOT");
            sqlite::of_django(&sources, &modules);
        }
    }
}
