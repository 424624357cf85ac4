//! What `windlass config check` says of values of secrets that git keeps.

use super::{MANIFEST, Project, SECRET, git};

#[test]
fn a_deploy_for_others_warns_of_secrets_in_files_that_git_keeps() {
    let project = Project::new();
    let directory = project.0.path();
    git(directory, &["init", "-q"]);
    project.write(".env.production", "SITE=https://shop.example.de\n");
    git(directory, &["add", "--force", ".env.production"]);
    let warned = |environment: &str| -> Vec<String> {
        let said = project.run(&[], &["plan", "--env", environment]);
        assert_eq!(said.code, 0, "{}", said.err);
        let of_git = said.err.lines().filter(|line| line.contains("git keeps it"));
        of_git
            .filter_map(|line| line.strip_prefix("warning: ")?.split(':').next().map(str::to_owned))
            .collect()
    };
    assert_eq!(warned("production"), [""; 0], "nothing in it is a secret");
    git(directory, &["add", "--force", ".env"]);
    assert_eq!(warned("production"), [".env"]);
    assert_eq!(warned("local"), [""; 0]);
}

#[test]
fn check_finds_values_that_git_keeps_and_never_shows_them() {
    let project = Project::new();
    let directory = project.0.path();
    let found = |project: &Project| -> Vec<String> {
        let json = project.json(&["check"]);
        let found = json["findings"].as_array().unwrap().iter().filter(|one| one["code"] == "value-in-git");
        found
            .map(|one| format!("{} {}:{}", one["setting"], one["file"], one["line"]).replace('"', ""))
            .collect()
    };
    assert_eq!(found(&project), [""; 0]);
    git(directory, &["init", "-q"]);
    project.write("compose.yaml", &format!("services:\n  web:\n    environment:\n      KEY: {SECRET}\n"));
    project.write("large.sql", &"x\n".repeat(1 << 20));
    project.write("untracked", SECRET);
    git(directory, &["add", "compose.yaml", "large.sql"]);
    assert_eq!(found(&project), ["KEY compose.yaml:4"]);
    // In the manifest before git knows of it, and once where it does.
    project.write("windlass.toml", &MANIFEST.replace("sleep 1000", "sleep 1000 Zk31-blau-Fenster"));
    assert_eq!(found(&project), ["DB_PASSWORD windlass.toml:6", "KEY compose.yaml:4"]);
    git(directory, &["add", "windlass.toml"]);
    git(directory, &["commit", "-q", "-m", "all"]);
    assert_eq!(found(&project), ["KEY compose.yaml:4", "DB_PASSWORD windlass.toml:6"]);
    // What was taken out stands in the history.
    let history = |project: &Project| -> Vec<String> {
        let said = project.config(&["check"]).err;
        said.lines().filter(|line| line.contains("-in-history]")).map(str::to_owned).collect()
    };
    assert_eq!(history(&project), [""; 0], "it is told of once");
    project.write("gone.txt", SECRET);
    git(directory, &["add", "gone.txt"]);
    git(directory, &["commit", "-q", "-m", "with"]);
    git(directory, &["rm", "-q", "gone.txt"]);
    git(directory, &["commit", "-q", "-m", "without"]);
    let told = history(&project);
    let start = "warning[value-in-history]: gone.txt: KEY: its value stands in git's history: commit ";
    assert!(told.len() == 1 && told[0].starts_with(start) && told[0].contains("; exchange it: "), "{told:?}");
    // As with weak ones, a deploy for others is another matter.
    let said = project.config(&["check"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.err.contains("warning[value-in-git]: compose.yaml:4: KEY: git"), "{}", said.err);
    let said = project.config(&["check", "--env", "production"]);
    assert_eq!(said.code, 2);
    for expected in [
        "error[value-in-git]: compose.yaml:4: KEY: git keeps its value: it stands here; take it out",
        "note: values of secrets were looked for in 2 files that git keeps, and not in those 1 larger than 1 MiB (large.sql)",
    ] {
        assert!(said.err.contains(expected), "{expected}: {}", said.err);
    }
    assert!(![&said.out, &said.err].iter().any(|text| text.contains(SECRET) || text.contains("Zk31-blau")));
    // Taken out, the last commit has it still.
    project.write("compose.yaml", "services:\n");
    project.write("windlass.toml", MANIFEST);
    git(directory, &["add", "."]);
    let said = project.config(&["check"]);
    assert!(
        said.err.contains("compose.yaml:4: KEY: git keeps its value: the last commit has it here"),
        "{}",
        said.err
    );
}

/// As where git is not installed, or the checkout is another account's.
#[test]
fn a_check_that_could_not_ask_git_is_not_good() {
    let project = Project::new();
    git(project.0.path(), &["init", "-q"]);
    project.write(".git/HEAD", "nonsense");
    let said = project.config(&["check"]);
    let expected =
        "warning[not-searched]: .git: values of secrets were not looked for in what git keeps: fatal: ";
    assert!(said.err.contains(expected) && !said.out.contains("are good"), "{}{}", said.err, said.out);
    assert_eq!(project.config(&["check", "--strict"]).code, 2);
}

/// Which may be meant, unless secrets stand in it.
#[test]
fn a_file_of_settings_that_git_keeps_is_an_error_where_secrets_are_in_it() {
    let project = Project::new();
    let directory = project.0.path();
    git(directory, &["init", "-q"]);
    project.write(".env.production", "LEVEL=info\n");
    git(directory, &["add", "-f", ".env", ".env.production"]);
    let found = |environment: &str| -> Vec<String> {
        let json = project.json(&["check", "--env", environment]);
        let found = json["findings"].as_array().unwrap().iter();
        let found = found.filter(|one| one["code"].as_str().unwrap().contains("git"));
        found
            .map(|one| format!("{} {} {}", one["severity"], one["code"], one["file"]).replace('"', ""))
            .collect()
    };
    let (env, production) = ("kept-by-git .env", "warning kept-by-git .env.production");
    assert_eq!(found("local"), [format!("warning {env}"), production.to_owned()]);
    assert_eq!(found("production"), [format!("error {env}"), production.to_owned()]);
}
