//! Which variables a Node program reads, in the ways in which that is usually written.

use crate::project::init::environ::{Absent, Read};

/// Sets, or is set by, the runtime: no setting of the program.
const GIVEN: [&str; 5] = ["NODE_ENV", "CI", "PWD", "SHELL", "HOSTNAME"];

/// The variables that `source` reads.
pub(super) fn reads(source: &str) -> Vec<Read> {
    let mut found = Vec::new();
    for (at, object) in source.match_indices("process.env") {
        let rest = &source[at + object.len()..];
        if let Some((name, behind)) = member(rest) {
            found.extend(read(name, behind));
        } else if rest.trim_start_matches([' ', '\t']).starts_with([';', '\n', '\r', ')']) || rest.is_empty()
        {
            found.extend(destructured(&source[..at]));
        }
    }
    found.retain(|read| !GIVEN.contains(&read.name.as_str()) && !read.name.starts_with("npm_"));
    found
}

/// The variables that a Prisma schema asks for: `url = env("DATABASE_URL")`.
pub(super) fn reads_of_prisma(schema: &str) -> Vec<Read> {
    let calls = schema.split("env(\"").skip(1);
    let names = calls.filter_map(|rest| rest.split_once('"')).map(|(name, _)| name);
    names.map(|name| Read { name: name.to_owned(), absent: Absent::Fails, plain: false }).collect()
}

/// The name in `.NAME`, `?.NAME` or `["NAME"]`, and what follows.
fn member(text: &str) -> Option<(&str, &str)> {
    let text = text.strip_prefix('?').unwrap_or(text);
    if let Some(rest) = text.strip_prefix('.').filter(|rest| !rest.starts_with('[')) {
        return identifier(rest);
    }
    let inside = text.strip_prefix('.').unwrap_or(text).strip_prefix('[')?;
    let quote = inside.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    let (name, rest) = inside[1..].split_once(quote)?;
    Some((name, rest.strip_prefix(']')?))
}

fn identifier(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

/// What is done with a variable, by what stands behind it. `None` where it is set.
fn read(name: &str, behind: &str) -> Option<Read> {
    let bare = behind.trim_start();
    let absent = if let Some(other) = bare.strip_prefix("||").or_else(|| bare.strip_prefix("??")) {
        // `||=` and `??=` give it a value.
        Absent::Default(literal(other.strip_prefix('=').unwrap_or(other)))
    } else if bare.starts_with('=') && !bare.starts_with("==") && !bare.starts_with("=>") {
        return None;
    } else if bare.starts_with('!') && !bare.starts_with("!=") {
        // TypeScript's word for "it is there".
        Absent::Fails
    } else {
        Absent::Nothing
    };
    Some(Read { name: name.to_owned(), absent, plain: false })
}

/// The names in `const { A, B = "x", C: c } = process.env`, of which this is what stands before.
fn destructured(before: &str) -> Vec<Read> {
    let Some(pattern) = before.trim_end().strip_suffix('=').map(str::trim_end) else { return vec![] };
    let Some(pattern) = pattern.strip_suffix('}').and_then(|pattern| pattern.rsplit_once('{')) else {
        return vec![];
    };
    let of_part = |part: &str| {
        let (name, rest) = identifier(part.trim())?;
        let default = rest.split_once('=').map(|(_, default)| literal(default));
        let absent = default.map_or(Absent::Nothing, Absent::Default);
        Some(Read { name: name.to_owned(), absent, plain: false })
    };
    pattern.1.split(',').filter_map(of_part).collect()
}

/// A plain text or number.
fn literal(text: &str) -> Option<String> {
    let text = text.trim_start();
    let number: String = text.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    if !number.is_empty() {
        return Some(number);
    }
    let quote = text.chars().next().filter(|quote| matches!(quote, '"' | '\'' | '`'))?;
    let (inside, _) = text[1..].split_once(quote)?;
    (!inside.contains(['\\', '\n', '$'])).then(|| inside.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::config;
    use super::*;
    use crate::project::init::environ::in_words;
    use crate::project::odd;

    fn said(source: &str) -> String {
        in_words(reads(source))
    }

    #[test]
    fn variables_are_found_however_they_are_read() {
        for (source, expected) in [
            ("new Pool({ connectionString: process.env.DATABASE_URL })", "DATABASE_URL?"),
            ("const a = process.env['A'] || 'one', b = process.env[\"B\"] ?? 2;", "A=one B=2"),
            ("x(process.env.A_URL!, process.env?.B)", "A_URL! B?"),
            ("const { A, B = 'two', C: c } = process.env;", "A? B=two C?"),
            ("const {\n  A,\n  B,\n} = process.env\n", "A? B?"),
            ("process.env.A ||= `three`", "A=three"),
            ("if (process.env.A != null && process.env.B === 'x') {}", "A? B?"),
            ("const a = process.env.A || `http://${host}`", "A="),
        ] {
            assert_eq!(said(source), expected, "{source}");
        }
    }

    #[test]
    fn what_is_set_and_what_is_given_is_no_setting() {
        for source in [
            "process.env.TZ_NAME = 'UTC'",
            "process.env.NODE_ENV === 'production'",
            "process.env.npm_package_version",
            "{ ...process.env }",
            "spawn(x, { env: process.env })",
            "process.env[name]",
            "process.env",
            "process.env[",
            "process.env['",
        ] {
            assert_eq!(said(source), "", "{source}");
        }
    }

    #[test]
    fn a_schema_of_prisma_names_its_database() {
        let names = |schema| reads_of_prisma(schema).into_iter().map(|read| read.name).collect::<Vec<_>>();
        assert_eq!(
            names("datasource db {\n  provider = \"postgresql\"\n  url = env(\"DATABASE_URL\")\n}"),
            ["DATABASE_URL"]
        );
        assert!(names("datasource db { url = env(").is_empty());
    }

    proptest! {
        #[test]
        fn any_text_is_looked_through(before in odd::text(), behind in odd::text()) {
            reads(&format!("{before}process.env{behind}"));
            reads(&format!("const {{{before}}} = process.env\nprocess.env.A || {behind}"));
            reads_of_prisma(&format!("env(\"{behind}"));
            for key in ["outDir", "A", "path"] {
                config::said(&format!("{before}{key}: {behind}"), key);
            }
        }
    }
}
