use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::*;

fn sought(values: &[(&str, &str)]) -> Vec<Sought> {
    let one = |(setting, text): &(&str, &str)| Sought {
        setting: (*setting).to_owned(),
        text: Zeroizing::new((*text).to_owned()),
    };
    values.iter().map(one).collect()
}

struct Repo(tempfile::TempDir);

impl Repo {
    fn new() -> Self {
        let repo = Self(tempfile::tempdir().unwrap());
        repo.git(&["init", "--quiet"]);
        repo.git(&["config", "user.name", "Ada"]);
        repo.git(&["config", "user.email", "ada@shop.internal"]);
        repo
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        std::fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        std::fs::write(self.path(name), text).unwrap();
    }

    fn git(&self, arguments: &[&str]) {
        let done = Command::new("git").arg("-C").arg(self.0.path()).args(arguments).output().unwrap();
        assert!(done.status.success(), "{arguments:?}: {done:?}");
    }
}

fn told(hits: &[Hit]) -> Vec<String> {
    let told = |hit: &Hit| {
        let past = if hit.is_past { " past" } else { "" };
        format!("{}:{} {} +{}{past}", hit.file, hit.line, hit.setting, hit.more)
    };
    hits.iter().map(told).collect()
}

#[test]
fn a_secret_is_found_in_the_last_commit_and_in_the_next() {
    let repo = Repo::new();
    let sought = sought(&[("KEY", "Zk31-blau"), ("TOKEN", "n4Vw0qkTz8Lr2XyBf6HsJd1P")]);
    repo.write("shop/compose.yaml", "a: b\nkey: Zk31-blau\nagain: \"Zk31-blau\"\n");
    repo.write("gone.txt", "Zk31-blau");
    repo.write("shop/fine.txt", "nothing\n");
    repo.write("shop/secrets.production.enc", "windlass-secrets 2\nZk31-blau\n");
    // Plain, whatever it is called.
    repo.write("shop/secrets.staging.enc", "\nKEY=Zk31-blau");
    repo.write("shop/.env", "KEY=Zk31-blau\n");
    repo.git(&["add", "."]);
    repo.git(&["commit", "--quiet", "--message", "All"]);
    repo.write("shop/compose.yaml", "key: Zk31-blau\n");
    // base64 of `token:` and the value, as a header has it.
    repo.write("shop/deep/job.py", "\n\nh = 'Basic dG9rZW46bjRWdzBxa1R6OExyMlh5QmY2SHNKZDFQ'\n");
    repo.write("shop/not-added", "Zk31-blau");
    repo.git(&["rm", "--quiet", "gone.txt"]);
    repo.git(&["add", "shop/compose.yaml", "shop/deep"]);
    let search = Search::of(&sought).unwrap();
    let searched = search.in_repository(&repo.path("shop"));
    let expected = [
        "../gone.txt:1 KEY +0 past",
        ".env:1 KEY +0",
        "compose.yaml:1 KEY +0",
        "deep/job.py:3 TOKEN +0",
        "secrets.staging.enc:2 KEY +0",
    ];
    assert_eq!(told(&searched.hits), expected);
    assert!(searched.large.is_empty() && searched.binary.is_empty() && searched.beyond.is_empty());
    assert_eq!(searched.files, 7);
}

#[test]
fn what_is_too_large_or_no_text_is_said() {
    let repo = Repo::new();
    let large = format!("{}\nZk31-blau\n", "x".repeat(1 << 20));
    repo.write("large.sql", large);
    repo.write("picture", b"\0Zk31-blau");
    repo.write("small", "Zk31-blau");
    repo.git(&["add", "."]);
    let sought = sought(&[("KEY", "Zk31-blau")]);
    // Before the first commit.
    let searched = Search::of(&sought).unwrap().in_repository(repo.0.path());
    assert_eq!(told(&searched.hits), ["small:1 KEY +0"]);
    assert_eq!((searched.large, searched.binary), (vec!["large.sql".to_owned()], vec!["picture".to_owned()]));
    // Where there is no repository nothing is found.
    let elsewhere = tempfile::tempdir().unwrap();
    let searched = Search::of(&sought).unwrap().in_repository(elsewhere.path());
    assert!(searched.hits.is_empty() && searched.unanswered.is_none());
}

fn past(history: &History) -> Vec<String> {
    let told =
        |hit: &PastHit| format!("{}:{} {} {} +{}", hit.file, hit.line, hit.setting, hit.commit, hit.more);
    history.hits.iter().map(told).collect()
}

// proves: HS-18
#[test]
fn a_secret_that_was_taken_out_is_found_in_the_history_of_all_branches() {
    let repo = Repo::new();
    let commit = |message: &str| {
        repo.git(&["add", "."]);
        repo.git(&["commit", "--quiet", "--message", message]);
        git::ask(repo.0.path(), &["rev-parse", "HEAD"])[..10].to_owned()
    };
    let sought = sought(&[("KEY", "Zk31-blau"), ("TOKEN", "n4Vw0qkTz8Lr2XyBf6HsJd1P")]);
    repo.write("shop/compose.yaml", "a: b\nkey: Zk31-blau\n");
    repo.write("shop/still", "Zk31-blau");
    repo.write("shop/secrets.local.enc", "windlass-secrets 2\nZk31-blau\n");
    repo.write("shop/secrets.staging.enc", "KEY=Zk31-blau\n");
    let first = commit("One");
    repo.git(&["rm", "--quiet", "shop/secrets.local.enc", "shop/secrets.staging.enc"]);
    repo.write("shop/compose.yaml", "key: Zk31-blau\n");
    let second = commit("Two");
    repo.git(&["checkout", "--quiet", "-b", "aside"]);
    repo.write("deep/job.py", "\nn4Vw0qkTz8Lr2XyBf6HsJd1P\n");
    repo.git(&["rm", "--quiet", "shop/compose.yaml"]);
    let aside = commit("Aside");
    repo.git(&["checkout", "--quiet", "-"]);
    repo.write("shop/compose.yaml", "key: elsewhere\n");
    repo.write("shop/picture", b"\0Zk31-blau");
    commit("Three");
    repo.git(&["rm", "--quiet", "shop/picture"]);
    commit("Four");
    let search = Search::of(&sought).unwrap();
    let history = search.in_history(&repo.path("shop"), Limits::default());
    let expected = [
        format!("../deep/job.py:2 TOKEN {aside} +0"),
        format!("compose.yaml:1 KEY {second} +1"),
        format!("secrets.staging.enc:1 KEY {first} +0"),
    ];
    assert_eq!(past(&history), expected);
    assert_eq!((history.versions, history.passed_over, history.cut), (4, 1, None));
    // What does not fit into the time or the number is said, not passed over.
    let none = Limits { time: Duration::ZERO, ..Limits::default() };
    let history = search.in_history(&repo.path("shop"), none);
    assert!(history.hits.is_empty() && history.cut.is_some(), "{history:?}");
    let few = Limits { versions: 1, ..Limits::default() };
    assert_eq!(search.in_history(&repo.path("shop"), few).cut, Some("it has too many versions of files"));
    let shallow = tempfile::tempdir().unwrap();
    let (from, to) = (format!("file://{}", repo.0.path().display()), shallow.path().to_str().unwrap());
    repo.git(&["clone", "--quiet", "--depth", "1", &from, to]);
    let history = search.in_history(shallow.path(), Limits::default());
    assert_eq!(history.cut, Some("this clone has only the newest commits"));
    assert_eq!(past(&history), [""; 0]);
    // What cut it first is told.
    assert_eq!(search.in_history(shallow.path(), none).cut, history.cut);
    // Where there is no repository there is no history.
    let elsewhere = tempfile::tempdir().unwrap();
    let history = search.in_history(elsewhere.path(), Limits::default());
    assert!(history.hits.is_empty() && history.cut.is_none());
}

/// By a clock that goes on with each look at it: listing all of them takes longer than there is time.
#[test]
fn the_newest_of_a_long_history_is_read_though_all_of_it_takes_too_long() {
    let repo = Repo::new();
    let mut commits = String::new();
    for number in 0..300 {
        let text = format!("{number}: Zk31-blau");
        commits += &format!(
            "commit refs/heads/long\ncommitter Ada <ada@shop.internal> {number} +0000\ndata 0\n\
             M 100644 inline compose.yaml\ndata {}\n{text}\n",
            text.len()
        );
    }
    repo.write("commits", commits);
    let from = std::fs::File::open(repo.path("commits")).unwrap();
    let done = Command::new("git")
        .args(["fast-import", "--quiet"])
        .current_dir(repo.0.path())
        .stdin(from)
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
    let newest = git::ask(repo.0.path(), &["rev-parse", "long"])[..10].to_owned();
    let sought = sought(&[("KEY", "Zk31-blau")]);
    let ticks = std::cell::Cell::new(0);
    let clock = || {
        ticks.set(ticks.get() + 1);
        Duration::from_secs(ticks.get())
    };
    let limits = Limits { time: Duration::from_secs(300), ..Limits::default() };
    let history = Search::of(&sought).unwrap().in_history_by(repo.0.path(), limits, &clock);
    assert_eq!(history.cut, Some("it takes too long"));
    let hit = history.hits.first().unwrap();
    assert_eq!((&*hit.file, &hit.commit), ("compose.yaml", &newest));
    assert_eq!(history.versions, hit.more as usize + 1);
}

#[test]
fn a_history_that_is_not_all_here_is_told_of() {
    let repo = Repo::new();
    repo.git(&["config", "uploadpack.allowFilter", "true"]);
    for text in ["Zk31-blau", "gone: Zk31-blau", "elsewhere"] {
        repo.write("key", text);
        repo.git(&["add", "."]);
        repo.git(&["commit", "--quiet", "--message", text]);
    }
    let sought = sought(&[("KEY", "Zk31-blau")]);
    let search = Search::of(&sought).unwrap();
    let cut = |of: &Path| {
        let history = search.in_history(of, Limits::default());
        (history.versions, history.cut)
    };
    assert_eq!(cut(repo.0.path()), (2, None));
    let partial = tempfile::tempdir().unwrap();
    let (from, to) = (format!("file://{}", repo.0.path().display()), partial.path().to_str().unwrap());
    repo.git(&["clone", "--quiet", "--filter=blob:none", &from, to]);
    let lacks = Some("this clone does not have all versions of files");
    assert_eq!(cut(partial.path()), (0, lacks));
    let object = |name: &str| {
        let object = git::ask(repo.0.path(), &["rev-parse", name]);
        let (kind, name) = object.trim().split_at(2);
        repo.path(".git/objects").join(kind).join(name)
    };
    // What is there is looked at.
    std::fs::remove_file(object("HEAD~1:key")).unwrap();
    assert_eq!(cut(repo.0.path()), (1, lacks));
    // Git fails half-way at what is damaged.
    let damaged = object("HEAD~2");
    std::fs::remove_file(&damaged).unwrap();
    std::fs::write(&damaged, "nonsense").unwrap();
    let failed = Some("git failed before it had listed all of it (run: git fsck)");
    assert_eq!(cut(repo.0.path()), (0, failed));
}

/// As where it belongs to another account, or objects are left out of a clone.
#[test]
fn what_git_does_not_say_is_said() {
    let repo = Repo::new();
    repo.write("here", "nothing");
    repo.write("gone", "Zk31-blau");
    repo.git(&["add", "."]);
    repo.git(&["commit", "--quiet", "--message", "All"]);
    let sought = sought(&[("KEY", "Zk31-blau")]);
    let search = Search::of(&sought).unwrap();
    let object = git::ask(repo.0.path(), &["rev-parse", "HEAD:gone"]);
    let (kind, name) = object.trim().split_at(2);
    std::fs::remove_file(repo.path(".git/objects").join(kind).join(name)).unwrap();
    let searched = search.in_repository(repo.0.path());
    assert_eq!((searched.files, searched.missing), (1, vec!["gone".to_owned()]));
    assert_eq!(searched.unanswered, None);
    // All of the last commit, as of a clone without trees.
    let tree = git::ask(repo.0.path(), &["rev-parse", "HEAD^{tree}"]);
    let (kind, name) = tree.trim().split_at(2);
    std::fs::remove_file(repo.path(".git/objects").join(kind).join(name)).unwrap();
    let why = search.in_repository(repo.0.path()).unanswered;
    assert!(why.as_ref().is_some_and(|why| why.starts_with("fatal: ")), "{why:?}");
    std::fs::write(repo.path(".git/HEAD"), "nonsense").unwrap();
    std::fs::create_dir(repo.path("deeper")).unwrap();
    let why = search.in_repository(&repo.path("deeper")).unanswered;
    assert!(why.as_ref().is_some_and(|why| why.starts_with("fatal: ")), "{why:?}");
}

#[test]
fn a_short_text_is_no_part_of_a_longer_word() {
    let of_two = sought(&[("A", "deadbee1"), ("B", "p@ss \"word\" 17")]);
    let search = Search::of(&of_two).unwrap();
    let found = |text: &str| search.in_text(text.as_bytes());
    assert_eq!(found("sha512-0deadbee1f"), []);
    assert_eq!(found("x\nx=deadbee1,deadbee1\ndeadbee1"), [("A".to_owned(), 2, 1)]);
    for written in [r#"{"b": "p@ss \"word\" 17"}"#, "?b=p%40ss%20%22word%22%2017&", "b='p@ss \"word\" 17'"] {
        assert_eq!(found(written), [("B".to_owned(), 1, 0)], "{written}");
    }
    assert!(Search::of(&[]).is_none());
}

/// Lines that are counted anew for each of them are not within this test's time.
#[test]
fn a_secret_in_each_line_of_the_largest_file_is_found_in_one_pass() {
    let sought = sought(&[("A", "deadbee1"), ("B", "deadbee2")]);
    let lines = 1 << 16;
    let text = "deadbee1\ndeadbee2 deadbee1\n".repeat(lines / 2);
    let found = Search::of(&sought).unwrap().in_text(text.as_bytes());
    let more = u32::try_from(lines).unwrap();
    assert_eq!(found, [("A".to_owned(), 1, more - 1), ("B".to_owned(), 2, more / 2 - 1)]);
}
