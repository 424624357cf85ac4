//! Poetry's own way of saying what a project depends on, as pip takes it.

use toml_edit::{Item, TableLike, Value};

/// The requirements that stand under `name`; none where it is asked for only by name.
pub(super) fn requirements(name: &str, item: &Item) -> Vec<String> {
    let of_table = |told: &dyn TableLike| requirement(name, told);
    match item {
        _ if name == "python" => vec![],
        Item::Value(Value::String(version)) => vec![format!("{name}{}", constraint(version.value()))],
        // Several, each with the Python or the platform that it is for.
        Item::Value(Value::Array(several)) => {
            several.iter().filter_map(Value::as_inline_table).filter_map(|told| of_table(told)).collect()
        }
        Item::ArrayOfTables(several) => several.iter().filter_map(|told| of_table(told)).collect(),
        _ => item.as_table_like().and_then(of_table).into_iter().collect(),
    }
}

fn requirement(name: &str, told: &dyn TableLike) -> Option<String> {
    let text = |key: &str| told.get(key).and_then(Item::as_str);
    if told.get("optional").and_then(Item::as_bool) == Some(true) {
        return None;
    }
    if let Some(path) = text("path").or_else(|| text("file")) {
        return Some(if path.starts_with(['.', '/']) { path.to_owned() } else { format!("./{path}") });
    }
    let extras = told.get("extras").and_then(Item::as_array);
    let extras: Vec<&str> = extras.into_iter().flatten().filter_map(Value::as_str).collect();
    let extras = if extras.is_empty() { String::new() } else { format!("[{}]", extras.join(",")) };
    let place = match text("git") {
        Some(git) => {
            let at = ["rev", "tag", "branch"].into_iter().find_map(text);
            let at = at.map(|at| format!("@{at}")).unwrap_or_default();
            let below =
                text("subdirectory").map(|below| format!("#subdirectory={below}")).unwrap_or_default();
            Some(format!("git+{}{at}{below}", git_url(git)))
        }
        None => text("url").map(str::to_owned),
    };
    let which = match place {
        Some(place) => format!(" @ {place}"),
        None => constraint(text("version").unwrap_or("*")),
    };
    let python = text("python").map(|versions| {
        let each = constraint(versions);
        let each = each.split(',').filter(|one| !one.is_empty()).map(|one| {
            let (operator, version) = one.split_at(one.find(|c: char| c.is_ascii_digit()).unwrap_or(0));
            // `python_version` has two numbers: 3.9 is less than 3.9.1.
            let full = if version.split('.').count() > 2 { "python_full_version" } else { "python_version" };
            format!("{full} {operator} '{version}'")
        });
        each.collect::<Vec<_>>().join(" and ")
    });
    let platform = text("platform").map(|platform| format!("sys_platform == '{platform}'"));
    let markers = text("markers").map(|markers| format!("({markers})"));
    let markers: Vec<String> =
        [markers, python, platform].into_iter().flatten().filter(|marker| !marker.is_empty()).collect();
    let when = if markers.is_empty() { String::new() } else { format!(" ; {}", markers.join(" and ")) };
    Some(format!("{name}{extras}{which}{when}"))
}

/// A repository as a URL, which pip wants: git itself also takes `user@host:path`.
fn git_url(git: &str) -> String {
    let scp = git.split_once(':').filter(|(host, path)| !host.contains('/') && !path.starts_with("//"));
    match scp {
        Some((host, path)) => format!("ssh://{host}/{}", path.trim_start_matches('/')),
        None => git.to_owned(),
    }
}

/// `^1.2` and the like as pip knows it. Of alternatives the last one holds, which is the newest.
fn constraint(text: &str) -> String {
    let text = text.rsplit('|').next().unwrap_or_default();
    let mut all: Vec<String> = Vec::new();
    for word in text.split([',', ' ']).filter(|word| !word.is_empty()) {
        match all.last_mut() {
            // The operator of this version stood apart from it.
            Some(last) if !last.contains(|c: char| c.is_alphanumeric() || c == '*') => last.push_str(word),
            _ => all.push(word.to_owned()),
        }
    }
    all.iter().map(|one| specifier(one)).filter(|one| !one.is_empty()).collect::<Vec<_>>().join(",")
}

fn specifier(one: &str) -> String {
    let range = |version: &str, at: usize| match above(version, at) {
        Some(end) => format!(">={version},<{end}"),
        None => format!(">={version}"),
    };
    if one == "*" {
        String::new()
    } else if let Some(version) = one.strip_prefix('^') {
        // The first number that is not 0 stays as it is.
        let numbers = version.split('.').count();
        let first = version.split('.').position(|number| number != "0");
        range(version, first.unwrap_or(numbers - 1))
    } else if let Some(version) = one.strip_prefix('~').filter(|version| !version.starts_with('=')) {
        range(version, 1.min(version.split('.').count() - 1))
    } else if one.starts_with(|c: char| c.is_ascii_digit()) {
        format!("=={one}")
    } else {
        one.to_owned()
    }
}

/// The first version in which the number `at` is greater.
fn above(version: &str, at: usize) -> Option<String> {
    let numbers: Vec<&str> = version.split('.').take(at + 1).collect();
    let (last, before) = numbers.split_last()?;
    let next = last.parse::<u32>().ok()?.checked_add(1)?.to_string();
    Some([before, &[next.as_str()]].concat().join("."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use toml_edit::DocumentMut;

    #[test]
    fn what_poetry_says_is_said_to_pip() {
        let said = |told: &str| {
            let text: DocumentMut = told.parse().unwrap();
            text.iter().flat_map(|(name, item)| requirements(name, item)).collect::<Vec<_>>().join(" | ")
        };
        for (poetry, pip) in [
            ("a = '^1.2.3'", "a>=1.2.3,<2"),
            ("a = '^0.5.1'", "a>=0.5.1,<0.6"),
            ("a = '^0.0.3'", "a>=0.0.3,<0.0.4"),
            ("a = '^0.0'", "a>=0.0,<0.1"),
            ("a = '^0'", "a>=0,<1"),
            ("a = '^24.1b2'", "a>=24.1b2,<25"),
            ("a = '~1.2.3'", "a>=1.2.3,<1.3"),
            ("a = '~1'", "a>=1,<2"),
            ("a = '~=1.4'", "a~=1.4"),
            ("a = '1.2'", "a==1.2"),
            ("a = '1.*'", "a==1.*"),
            ("a = '*'", "a"),
            ("a = '>= 1.2, < 2 , !=1.3'", "a>=1.2,<2,!=1.3"),
            ("a = '>=1 <2'", "a>=1,<2"),
            ("a = '^1 || ^2'", "a>=2,<3"),
            ("python = '^3.11'", ""),
            ("a = { version = '^5', optional = true }", ""),
            ("a = { version = '^5', extras = ['x', 'y'] }", "a[x,y]>=5,<6"),
            ("a = { version = '*', markers = \"os_name == 'nt' or x\" }", "a ; (os_name == 'nt' or x)"),
            (
                "a = [{ version = '1', python = '<3.9' }, { version = '2', python = '^3.9' }]",
                "a==1 ; python_version < '3.9' | a==2 ; python_version >= '3.9' and python_version < '4'",
            ),
            ("a = { git = 'https://h/a.git', tag = 'v1' }", "a @ git+https://h/a.git@v1"),
            (
                "a = { git = 'git@github.com:org/priv.git', rev = 'c0', subdirectory = 'py' }",
                "a @ git+ssh://git@github.com/org/priv.git@c0#subdirectory=py",
            ),
            ("a = { git = 'ssh://git@h:22/a.git' }", "a @ git+ssh://git@h:22/a.git"),
            (
                "a = { version = '1', python = '>=3.9.1,<4' }",
                "a==1 ; python_full_version >= '3.9.1' and python_version < '4'",
            ),
            ("a = { url = 'https://h/a.whl' }", "a @ https://h/a.whl"),
            ("a = { path = 'libs/a', develop = true }", "./libs/a"),
        ] {
            assert_eq!(said(poetry), pip, "{poetry}");
        }
    }
}
