//! A `Pipfile`, as pip takes it.

use toml_edit::{DocumentMut, Item, TableLike, Value};

/// Where pip looks without being told.
const USUAL: [&str; 2] = ["https://pypi.org/simple", "https://pypi.python.org/simple"];

/// What production needs, as pip takes it. `None` where the file lists no packages.
pub(super) fn requirements(pipfile: &DocumentMut) -> Option<Vec<String>> {
    let packages = pipfile.get("packages")?.as_table_like()?;
    Some(packages.iter().filter_map(|(name, item)| requirement(name, item)).collect())
}

/// The first index that is not the one that everybody uses, without what signs in to it.
pub(super) fn other_index(pipfile: &DocumentMut) -> Option<String> {
    let sources = pipfile.get("source")?.as_array_of_tables()?;
    let mut urls = sources.iter().filter_map(|source| source.get("url")?.as_str());
    let url = urls.find(|url| !USUAL.contains(&url.trim_end_matches('/')))?;
    let (scheme, rest) = url.split_once("://")?;
    let host = rest.split('/').next().unwrap_or_default().rsplit('@').next().unwrap_or_default();
    Some(format!("{scheme}://{host}"))
}

fn requirement(name: &str, item: &Item) -> Option<String> {
    if let Item::Value(Value::String(version)) = item {
        return Some(format!("{name}{}", specifier(version.value())));
    }
    let told: &dyn TableLike = item.as_table_like()?;
    let text = |key: &str| told.get(key).and_then(Item::as_str);
    let extras = told.get("extras").and_then(Item::as_array);
    let extras: Vec<&str> = extras.into_iter().flatten().filter_map(Value::as_str).collect();
    let extras = if extras.is_empty() { String::new() } else { format!("[{}]", extras.join(",")) };
    let path = text("path").or_else(|| text("file").filter(|file| !file.contains("://")));
    if let Some(path) = path {
        let path = if path.starts_with(['.', '/']) { path.to_owned() } else { format!("./{path}") };
        return Some(format!("{path}{extras}"));
    }
    let place = match text("git") {
        Some(git) => {
            let at = text("ref").map(|at| format!("@{at}")).unwrap_or_default();
            let below =
                text("subdirectory").map(|below| format!("#subdirectory={below}")).unwrap_or_default();
            Some(format!("git+{git}{at}{below}"))
        }
        None => text("file").map(str::to_owned),
    };
    let which = match place {
        Some(place) => format!(" @ {place}"),
        None => specifier(text("version").unwrap_or("*")).to_owned(),
    };
    let plain = text("markers").map(|markers| format!("({markers})"));
    // Each kind of marker may be a key of its own.
    let kinds = ["python_version", "python_full_version", "sys_platform", "platform_machine", "os_name"];
    let apart = kinds.into_iter().filter_map(|kind| Some(format!("{kind} {}", text(kind)?)));
    let markers: Vec<String> = plain.into_iter().chain(apart).collect();
    let when = if markers.is_empty() { String::new() } else { format!(" ; {}", markers.join(" and ")) };
    Some(format!("{name}{extras}{which}{when}"))
}

fn specifier(version: &str) -> &str {
    if version == "*" { "" } else { version }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_pipenv_says_is_said_to_pip() {
        let said = |line: &str| {
            let pipfile: DocumentMut =
                format!("[packages]\n{line}\n[dev-packages]\npytest = \"*\"\n").parse().unwrap();
            requirements(&pipfile).unwrap().join(" | ")
        };
        for (pipfile, pip) in [
            ("django = '*'", "django"),
            ("django = '~=5.2'", "django~=5.2"),
            ("uvicorn = { version = '>=0.30', extras = ['standard'] }", "uvicorn[standard]>=0.30"),
            ("a = { version = '*', markers = \"os_name == 'nt'\" }", "a ; (os_name == 'nt')"),
            ("a = { version = '*', sys_platform = \"== 'linux'\" }", "a ; sys_platform == 'linux'"),
            ("a = { git = 'https://h/a.git', ref = 'v1', editable = true }", "a @ git+https://h/a.git@v1"),
            ("a = { path = '.', editable = true }", "."),
            ("a = { path = 'libs/a' }", "./libs/a"),
            ("a = { file = 'https://h/a.whl' }", "a @ https://h/a.whl"),
            ("[packages.a]\nversion = '==1'", "a==1"),
        ] {
            assert_eq!(said(pipfile), pip, "{pipfile}");
        }
        assert_eq!(requirements(&"[dev-packages]\na = '*'\n".parse().unwrap()), None);
    }

    #[test]
    fn another_index_is_known_without_what_signs_in() {
        let index = |url: &str| {
            let usual = "[[source]]\nurl = \"https://pypi.org/simple\"\n";
            other_index(&format!("{usual}[[source]]\nurl = \"{url}\"\n").parse().unwrap())
        };
        assert_eq!(index("https://pypi.org/simple/"), None);
        let own = Some("https://packages.example".to_owned());
        assert_eq!(index("https://ann:${TOKEN}@packages.example/simple"), own);
    }
}
