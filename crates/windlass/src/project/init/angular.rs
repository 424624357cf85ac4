//! Angular: where its CLI writes what it builds, as angular.json says.

use serde_json::Value;
use windlass_core::manifest::Format;

/// The directory with the index.html of the one application of a workspace.
pub(super) fn output(workspace: &Value) -> Option<String> {
    let projects = workspace["projects"].as_object()?;
    let mut applications = projects.iter().filter(|(_, project)| project["projectType"] != "library");
    let (Some((name, project)), None) = (applications.next(), applications.next()) else { return None };
    let targets = if project["architect"].is_object() { &project["architect"] } else { &project["targets"] };
    let build = &targets["build"];
    let path = match &build["configurations"]["production"]["outputPath"] {
        Value::Null => &build["options"]["outputPath"],
        path => path,
    };
    let base = match path {
        Value::Null => format!("dist/{name}"),
        path => path.as_str().or_else(|| path["base"].as_str())?.to_owned(),
    };
    let base = base.trim_start_matches("./").trim_end_matches('/');
    let directory = match build["builder"].as_str()?.rsplit(':').next()? {
        // Since Angular 17: pages for browsers beside those for servers.
        "application" => match path["browser"].as_str().unwrap_or("browser") {
            "" => base.to_owned(),
            browser => format!("{base}/{browser}"),
        },
        "browser" | "browser-esbuild" => base.to_owned(),
        _ => return None,
    };
    Format::Path.check(&directory).is_ok().then_some(directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(build: &str) -> Option<String> {
        let workspace = format!(
            "{{\"projects\": {{\"lib\": {{\"projectType\": \"library\"}}, \"shop\": {{\"projectType\": \"application\", \
             \"architect\": {{\"build\": {build}}}}}}}}}"
        );
        output(&serde_json::from_str(&workspace).unwrap())
    }

    #[test]
    fn the_builder_and_its_options_say_where_pages_are() {
        for (build, directory) in [
            (r#"{"builder": "@angular/build:application"}"#, "dist/shop/browser"),
            (
                r#"{"builder": "@angular/build:application", "options": {"outputPath": "./out/"}}"#,
                "out/browser",
            ),
            (
                r#"{"builder": "@angular-devkit/build-angular:application", "options": {"outputPath": {"base": "out", "browser": ""}}}"#,
                "out",
            ),
            (
                r#"{"builder": "@angular-devkit/build-angular:browser", "options": {"outputPath": "dist/shop"},
                    "configurations": {"production": {}}}"#,
                "dist/shop",
            ),
        ] {
            assert_eq!(of(build).as_deref(), Some(directory), "{build}");
        }
        for build in [
            "{}",
            r#"{"builder": "@nx/webpack:other"}"#,
            r#"{"builder": "@angular/build:application", "options": {"outputPath": "../out"}}"#,
        ] {
            assert_eq!(of(build), None, "{build}");
        }
    }
}
