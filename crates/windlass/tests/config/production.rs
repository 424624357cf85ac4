//! What must not go into production, and whom files of secrets are open to.

use super::*;

// proves: HS-18
#[test]
fn a_check_finds_what_should_not_go_into_production() {
    let project = Project::new();
    project.write(
        ".env.production",
        "SITE=https://localhost\nKEY=changemechangeme\nLEVEL=loud\nLVEEL=x\nDB_PASSWORD=postgres\n",
    );
    std::fs::set_permissions(
        project.0.path().join(".env.production"),
        std::fs::Permissions::from_mode(0o640),
    )
    .unwrap();
    let directory = project.0.path();
    git(directory, &["init", "-q"]);
    git(directory, &["add", "-f", ".env"]);
    git(directory, &["commit", "-q", "-m", "settings"]);
    git(directory, &["rm", "-q", "--cached", ".env"]);
    git(directory, &["commit", "-q", "-m", "no settings"]);
    git(directory, &["add", "-f", ".env.production"]);
    let json = project.json(&["check", "--env", "production"]);
    let mut found: Vec<String> = json["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            let text = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
            format!(
                "{} {} {}:{} {}",
                text("severity"),
                text("code"),
                text("file"),
                one["line"],
                text("setting")
            )
        })
        .collect();
    found.sort();
    assert_eq!(
        found,
        [
            "error bad-value .env.production:3 ",
            "error weak-secret .env.production:2 KEY",
            "error weak-secret .env.production:5 DB_PASSWORD",
            "warning development-value .env.production:1 SITE",
            "warning doubtful .env.production:0 ",
            "warning kept-by-git .env.production:0 ",
            "warning kept-by-git .env:0 ",
            "warning unknown-setting .env.production:4 LVEEL",
            "warning unused-setting windlass.toml:14 NOBODY",
            "warning value-in-history .env:0 DB_PASSWORD",
            "warning value-in-history .env:0 KEY",
        ]
    );
    assert_eq!((&json["errors"], &json["warnings"]), (&3.into(), &8.into()));
    let said = project.config(&["check", "--env", "production"]);
    assert_eq!(said.code, 2);
    for expected in ["did you mean LEVEL?", "git keeps it, so everybody", "git kept it once", "mode 0640"] {
        assert!(said.err.contains(expected), "{expected}: {}", said.err);
    }
    assert!(!said.err.contains("changemechangeme") && !said.err.contains("postgres"), "{}", said.err);
}

#[test]
fn what_no_process_can_be_given_is_refused_before_anything_begins() {
    let project = Project::new();
    project.write(".env.local", &format!("LARGE={}\n", "ab".repeat(70_000)));
    let help = "declare it: [settings.LARGE] with file = true, and let the program read the file that LARGE_FILE names";
    let told = format!(
        ".env.local:1: LARGE: with its name it has 140007 bytes, more than the 131072 that a process can be given in one variable; {help}"
    );
    for verb in [&["config", "check"][..], &["check"], &["plan"], &["deploy"]] {
        let said = project.run(&[], verb);
        assert_eq!(said.code, 2, "{verb:?}: {}", said.err);
        assert!(said.err.contains(&told), "{verb:?}: {}", said.err);
    }
    let declared = format!("{MANIFEST}\n[environments.local.settings]\nLARGE = {{ file = true }}\n");
    project.write("windlass.toml", &declared);
    assert_eq!(project.run(&[], &["check"]).code, 0);
}

// proves: HS-18
#[test]
fn a_check_finds_private_keys_that_others_can_get_at() {
    let project = Project::new();
    let directory = project.0.path();
    git(directory, &["init", "-q"]);
    std::fs::create_dir(directory.join("keys")).unwrap();
    for name in ["ci.key", "keys/old", "new.key", "ignored.key"] {
        assert_eq!(project.run(&[], &["secrets", "keygen", name]).code, 0);
    }
    project.write(".gitignore", ".env*\nignored.key\n*.ignored\n");
    assert_eq!(project.run(&[], &["secrets", "keygen", "gone.key"]).code, 0);
    git(directory, &["add", "gone.key"]);
    git(directory, &["commit", "-q", "-m", "a key"]);
    git(directory, &["rm", "-q", "gone.key"]);
    git(directory, &["commit", "-q", "-m", "no key"]);
    project.write("about.md", "A key begins with wlkey1_ and has 55 characters.\n");
    git(directory, &["add", "ci.key", "keys/old", "about.md", ".gitignore"]);
    for name in ["keys/old", "ignored.key"] {
        std::fs::set_permissions(directory.join(name), std::fs::Permissions::from_mode(0o644)).unwrap();
    }
    // The mode is that of the file that a link leads to.
    let elsewhere = tempfile::tempdir().unwrap();
    let linked = elsewhere.path().join("ci");
    assert_eq!(project.run(&[], &["secrets", "keygen", linked.to_str().unwrap()]).code, 0);
    std::os::unix::fs::symlink(&linked, directory.join("linked.ignored")).unwrap();
    let said = project.config(&["check"]);
    let found: Vec<&str> = said.err.lines().filter(|line| line.contains("key")).collect();
    let another = "make another key and exchange the two with windlass secrets recipients";
    let kept = "a private key is in it, and git keeps it: everybody who has the source can read what is encrypted for it";
    let open = "a private key is in it, and other accounts may read it (mode 0644)";
    assert_eq!(
        found,
        [
            format!("warning[kept-by-git]: ci.key: {kept}; run: git rm --cached ci.key, add it to .gitignore, and {another}"),
            format!("warning[kept-by-git]: gone.key: a private key was in it once, and git's history still has it; {another}"),
            format!("warning[doubtful]: ignored.key: {open}; run: chmod 600 ignored.key; if others may have read it, {another}"),
            format!("warning[kept-by-git]: keys/old: {kept}; run: git rm --cached keys/old, add it to .gitignore, and {another}"),
            format!("warning[doubtful]: keys/old: {open}; run: chmod 600 keys/old; if others may have read it, {another}"),
            "warning[kept-by-git]: new.key: a private key is in it, git does not ignore it, and the next `git add .` takes it; \
             keep it elsewhere, or add it to .gitignore: echo new.key >> .gitignore"
                .to_owned(),
        ]
    );
    assert_eq!(said.code, 0);
}
