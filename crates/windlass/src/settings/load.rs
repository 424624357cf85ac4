//! The layers of settings.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use indexmap::IndexMap;
use windlass_core::manifest::nearest;
use windlass_core::settings::{
    Assembled, Declared, Entry, Fault, File, Layers, Lost, Provenance, Sealed, Secret, Value, assemble,
    dotenv,
};
use windlass_core::store::Place;
use zeroize::{Zeroize, Zeroizing};

/// The largest settings file that is read: more is a mistake.
const LARGEST: u64 = 1 << 20;

/// Asks external stores for settings, each at its place.
pub type Ask<'a> = &'a dyn Fn(&[(&str, &Place)]) -> Answers;

/// What external stores answered, by setting.
#[derive(Default)]
pub struct Answers {
    /// The values that they have, each with its place in words.
    pub values: IndexMap<String, (Secret, String)>,
    /// The settings for which they said that there is none.
    pub absent: Vec<String>,
}

/// What lies below the settings files, from whoever can read it.
#[derive(Default)]
pub struct Below<'a> {
    /// The encrypted file, opened.
    pub sealed: Option<Sealed>,
    /// What of it could not be.
    pub unsealed: Lost,
    /// Asks external stores, for what no higher layer has.
    pub stores: Option<Ask<'a>>,
}

/// The settings of an environment.
#[derive(Debug)]
pub struct Loaded {
    /// What could be read.
    pub assembled: Assembled,
    /// What could not, each at its line.
    pub faults: Vec<Fault>,
    /// The settings that this concerns.
    pub lost: Lost,
    /// How many of them nobody declared, by the faulty file that has them.
    pub unnamed: IndexMap<String, usize>,
    /// Those that only a store may have, and for which none was asked.
    pub unasked: Vec<String>,
}

/// Reads the settings of `environment` for the project in `project`; `env` looks a name up in the
/// process's environment, and has `unread` of what that holds. A file that is not there is no fault.
/// Where something cannot be read the rest is, and what may be overruled by it holds for nothing.
#[must_use]
pub fn load(
    project: &Path,
    environment: &str,
    declared: &IndexMap<String, Declared>,
    env: &dyn Fn(&str) -> Option<String>,
    unread: Lost,
    below: Below<'_>,
) -> Loaded {
    let Files { files, lost: mut all_lost, mut warnings, faults } = files(project, environment, env);
    all_lost.insert(0, unread);
    all_lost.push(below.unsealed);
    let in_files: HashSet<&str> =
        files.iter().flat_map(|file| &file.entries).map(|entry| entry.name.as_str()).collect();
    let has = |name: &str| {
        env(name).is_some()
            || in_files.contains(name)
            || below.sealed.as_ref().is_some_and(|sealed| sealed.entries.contains_key(name))
            || all_lost.iter().any(|lost| lost.is_any() || lost.has(name))
    };
    let wanted: Vec<(&str, &Place)> = declared
        .iter()
        .filter_map(|(name, setting)| Some((name.as_str(), setting.from.as_ref()?)))
        .filter(|(name, _)| !has(name))
        .collect();
    let (stores, unasked) = match below.stores {
        Some(ask) if !wanted.is_empty() && faults.is_empty() => (ask(&wanted), vec![]),
        _ => (Answers::default(), wanted.iter().map(|(name, _)| (*name).to_owned()).collect()),
    };
    let absent: HashSet<&str> = stores.absent.iter().map(String::as_str).collect();
    let is_unanswered = |name: &&str| !stores.values.contains_key(*name) && !absent.contains(name);
    let unanswered = wanted.iter().map(|(name, _)| *name).filter(is_unanswered).map(str::to_owned).collect();
    let names: Vec<String> = files.iter().map(|file| file.name.clone()).collect();
    let layers =
        Layers { environment: Some(env), files, sealed: below.sealed, stores: stores.values, unanswered };
    let mut assembled = assemble(declared, layers);
    warnings.append(&mut assembled.warnings);
    assembled.warnings = warnings;
    // The environment, the files, the encrypted one: as `all_lost`.
    let layer = |provenance: &Provenance| match provenance {
        Provenance::Environment => 0,
        Provenance::File { name, .. } => names.iter().position(|other| other == name).map_or(0, |at| at + 1),
        Provenance::Sealed { .. } => names.len() + 1,
        _ => names.len() + 2,
    };
    assembled.settings.retain(|name, resolved| {
        let own = layer(&resolved.value.provenance);
        !all_lost
            .iter()
            .enumerate()
            .any(|(at, lost)| (at <= own && lost.has(name)) || (at < own && lost.is_any()))
    });
    let mut lost = Lost::default();
    all_lost.into_iter().for_each(|one| lost.add(one));
    // Below quotes that nobody closed, what stands where a name does may be a piece of a secret: it is shown nowhere.
    let is_of_faulty = |value: &Value| matches!(&value.provenance, Provenance::File { name, .. } if faults.iter().any(|fault| fault.file == *name));
    let mut unnamed = IndexMap::new();
    assembled.settings.retain(|name, resolved| {
        let is_nameable = declared.contains_key(name)
            || !is_of_faulty(&resolved.value)
            || !resolved.overruled.iter().all(is_of_faulty);
        if !is_nameable {
            lost.name(name);
            *unnamed.entry(resolved.value.provenance.place().0).or_default() += 1;
        }
        is_nameable
    });
    Loaded { assembled, faults, lost, unnamed, unasked }
}

/// The settings files, and what is wrong with them.
#[derive(Default)]
struct Files {
    /// Those that others overlay last.
    files: Vec<File>,
    /// What each of them has lost.
    lost: Vec<Lost>,
    warnings: Vec<Fault>,
    faults: Vec<Fault>,
}

fn files(project: &Path, environment: &str, env: &dyn Fn(&str) -> Option<String>) -> Files {
    let Files { mut files, mut lost, mut warnings, mut faults } = Files::default();
    warnings.extend(open_directory(project));
    for name in [".env".to_owned(), format!(".env.{environment}")] {
        let text = match read(&project.join(&name), &name, &mut warnings) {
            Ok(Some(text)) => text,
            Ok(None) => continue,
            Err(fault) => {
                faults.push(fault);
                files.insert(0, File { name, entries: vec![] });
                lost.insert(0, Lost::any());
                continue;
            }
        };
        // Those of the uppermost file hold.
        let entries = files.iter().rev().flat_map(|file: &File| &file.entries);
        let known: HashMap<&str, &Entry> = entries.map(|entry| (entry.name.as_str(), entry)).collect();
        let below = |name: &str| known.get(name).map(|entry| entry.value.expose().to_owned());
        let own = dotenv::parse(&name, &text, env, &below);
        // Those name settings, and a name of a faulty file may be a piece of a secret.
        let named = own.warnings.into_iter().filter(|_| own.faults.is_empty());
        warnings.extend(named.chain(own.unfit).chain(own.bare));
        faults.extend(own.faults);
        files.insert(0, File { name, entries: own.entries });
        lost.insert(0, own.lost);
    }
    Files { files, lost, warnings, faults }
}

/// That other accounts may put another file in the place of each in a directory, whatever the modes of those are. Where it
/// is sticky, as /tmp is, they may not.
fn open_directory(project: &Path) -> Option<Fault> {
    let mode = fs::metadata(project).ok()?.permissions().mode() & 0o7777;
    (mode & 0o1002 == 0o002).then(|| Fault {
        file: ".".to_owned(),
        line: 0,
        column: 0,
        message: format!(
            "other accounts may write to this directory (mode {mode:04o}), and put others in the place of windlass.toml, `.env` \
             and encrypted files"
        ),
        help: "run: chmod o-w .".to_owned(),
    })
}

/// Files that are read by nobody, because no environment is called so, and that were meant for this one.
#[must_use]
pub fn misspelt(project: &Path, environment: &str, environments: &[String]) -> Vec<Fault> {
    let meant = format!(".env.{environment}");
    if fs::symlink_metadata(project.join(&meant)).is_ok() {
        return vec![];
    }
    let entries = fs::read_dir(project).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    let is_misspelt = |name: &String| {
        name.strip_prefix(".env.").is_some_and(|of| {
            !environments.iter().any(|known| known == of) && nearest(of, [environment]).is_some()
        })
    };
    let told = |name: String| Fault {
        message: "no environment is called so, and nobody reads it".to_owned(),
        help: format!("did you mean {meant}?"),
        file: name,
        line: 0,
        column: 0,
    };
    names.into_iter().filter(is_misspelt).map(told).collect()
}

/// The text of a settings file, or `None` where there is none.
fn read(path: &Path, name: &str, warnings: &mut Vec<Fault>) -> Result<Option<Zeroizing<String>>, Fault> {
    let fault = |line: u32, message: String, help: &str| Fault {
        file: name.to_owned(),
        line,
        column: 0,
        message,
        help: help.to_owned(),
    };
    let unreadable = |error: &std::io::Error| {
        fault(0, format!("it cannot be read: {error}"), "make it readable for the account that deploys")
    };
    let facts = match fs::metadata(path) {
        Ok(facts) => facts,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            // What it leads to may come later, from a mount or another program.
            if fs::symlink_metadata(path).is_ok() {
                let message = "it is a link that leads nowhere".to_owned();
                return Err(fault(0, message, "make what it leads to, or remove the link"));
            }
            return Ok(None);
        }
        Err(error) => return Err(unreadable(&error)),
    };
    if !facts.is_file() {
        return Err(fault(
            0,
            "it is not a file".into(),
            "remove it, or put a file with NAME=value lines there",
        ));
    }
    if facts.len() > LARGEST {
        let help = "settings are short texts; put larger ones in files of their own";
        return Err(fault(0, format!("it has {} bytes, more than the {LARGEST} allowed", facts.len()), help));
    }
    let mode = facts.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let message = format!("other accounts may read it (mode {mode:04o})");
        warnings.push(fault(0, message, &format!("run: chmod 600 {name}")));
    }
    // Ours, or theirs who could replace it anyway.
    let own = rustix::process::geteuid().as_raw();
    let of_directory = path.parent().and_then(|parent| fs::metadata(parent).ok()).map(|facts| facts.uid());
    if facts.uid() != own && Some(facts.uid()) != of_directory {
        let message = format!("it belongs to another account (uid {}), which may change it", facts.uid());
        warnings.push(fault(0, message, &format!("run: chown --reference=. {name}")));
    }
    // Large enough for all of it at once: a larger place would leave a copy in the old one.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(facts.len()).unwrap_or_default() + 1));
    let file = fs::File::open(path).map_err(|error| unreadable(&error))?;
    file.take(LARGEST).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
    String::from_utf8(std::mem::take(&mut *bytes)).map(|text| Some(Zeroizing::new(text))).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + good.iter().filter(|&&b| b == b'\n').count();
        error.into_bytes().zeroize();
        fault(u32::try_from(line).unwrap_or(u32::MAX), "it is not UTF-8 text".into(), "save it as UTF-8")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(dir.path().join(name), text).unwrap();
            fs::set_permissions(dir.path().join(name), fs::Permissions::from_mode(0o600)).unwrap();
        }
        dir
    }

    fn declared(names: &[(&str, Option<&str>)]) -> IndexMap<String, Declared> {
        let setting =
            |default: &Option<&str>| Declared { default: default.map(str::to_owned), ..Declared::default() };
        names.iter().map(|(name, default)| ((*name).to_owned(), setting(default))).collect()
    }

    fn loaded(dir: &tempfile::TempDir, declared: &IndexMap<String, Declared>) -> Loaded {
        load(dir.path(), "local", declared, &|_| None, Lost::default(), Below::default())
    }

    // proves: DC-10, DC-11
    #[test]
    fn the_first_layer_that_has_a_value_gives_it() {
        let dir = project(&[
            (".env", "A=file\nB=file\nC=file\nEXTRA=${BASE:-none}-x\nHOME=/from/file\n"),
            (".env.production", "\nB=overlay\nSUM=${A}+${B}\n"),
            (".env.staging", "B=wrong\n"),
        ]);
        let mut names = declared(&[
            ("A", None),
            ("B", None),
            ("C", Some("d")),
            ("D", Some("default")),
            ("E", None),
            ("F", None),
        ]);
        for name in ["A", "B", "F"] {
            names[name].from = Some(Place::parse(&format!("vault:shop#{name}")).unwrap());
        }
        let from = Some(Place::parse("vault:shop#sealed").unwrap());
        names.insert("SEALED".to_owned(), Declared { from, ..Declared::default() });
        // Only what no higher layer has is asked for.
        let stores = |wanted: &[(&str, &Place)]| {
            assert_eq!(wanted.len(), 1);
            let (name, place) = wanted[0];
            let value = (Secret::new("store"), place.to_string());
            Answers { values: IndexMap::from([(name.to_owned(), value)]), absent: vec![] }
        };
        let env = |name: &str| match name {
            "A" => Some("environment".to_owned()),
            "HOME" => Some("/home/ada".to_owned()),
            _ => None,
        };
        let below = Below {
            sealed: Some(Sealed {
                file: "secrets.production.enc".to_owned(),
                entries: [("C", 4), ("SEALED", 5)]
                    .into_iter()
                    .map(|(name, line)| (name.to_owned(), (Secret::new("sealed"), line)))
                    .collect(),
                warnings: vec![],
            }),
            unsealed: Lost::default(),
            stores: Some(&stores),
        };
        let settings = load(dir.path(), "production", &names, &env, Lost::default(), below).assembled;
        let seen: Vec<String> = settings
            .settings
            .iter()
            .map(|(n, v)| {
                let text = v.value.text.known().unwrap().expose();
                format!("{n}={text} {}", v.value.provenance)
            })
            .collect();
        assert_eq!(
            seen,
            [
                "A=environment environment",
                "B=overlay .env.production:2",
                "C=file .env:3",
                "D=default default",
                "F=store vault:shop#F",
                "SEALED=sealed secrets.production.enc:5",
                "SUM=environment+overlay .env.production:3",
                "EXTRA=none-x .env:4",
                "HOME=/from/file .env:5",
            ]
        );
        assert!(!settings.has("E"));
        assert!(settings.warnings.is_empty(), "{:?}", settings.warnings);
    }

    #[test]
    fn a_default_holds_where_the_store_says_that_it_has_nothing() {
        let dir = project(&[]);
        let mut names = declared(&[("ABSENT", Some("default")), ("UNREACHED", Some("default"))]);
        for setting in names.values_mut() {
            setting.from = Some(Place::parse("vault:shop").unwrap());
        }
        let stores =
            |_: &[(&str, &Place)]| Answers { absent: vec!["ABSENT".to_owned()], ..Answers::default() };
        let load = |stores| {
            let below = Below { stores, ..Below::default() };
            load(dir.path(), "local", &names, &|_| None, Lost::default(), below).assembled
        };
        let settings = load(Some(&stores as Ask<'_>));
        assert_eq!(settings.get("ABSENT").map(Secret::expose), Some("default"));
        assert!(!settings.has("UNREACHED"));
        assert!(!load(None).has("ABSENT"), "nobody was asked");
    }

    // proves: HS-18
    #[test]
    fn a_file_that_others_may_read_is_warned_of() {
        let dir = project(&[(".env", "A=1\n")]);
        fs::set_permissions(dir.path().join(".env"), fs::Permissions::from_mode(0o644)).unwrap();
        let settings = loaded(&dir, &IndexMap::new()).assembled;
        assert_eq!(
            settings.warnings[0].to_string(),
            ".env: other accounts may read it (mode 0644); run: chmod 600 .env"
        );
    }

    #[test]
    fn a_directory_in_which_others_may_replace_files_is_warned_of() {
        let dir = project(&[(".env", "A=1\n")]);
        let told = |mode| -> Vec<String> {
            fs::set_permissions(dir.path(), fs::Permissions::from_mode(mode)).unwrap();
            loaded(&dir, &IndexMap::new()).assembled.warnings.iter().map(ToString::to_string).collect()
        };
        let open = ".: other accounts may write to this directory (mode 0777), and put others in the place of windlass.toml, `.env` \
                    and encrypted files; run: chmod o-w .";
        assert_eq!(told(0o777), [open]);
        // A group is most often that of the account alone; and in a sticky one everybody has their own files.
        for mode in [0o755, 0o775, 0o1777] {
            assert_eq!(told(mode), [""; 0], "{mode:o}");
        }
    }

    // proves: HS-18
    #[test]
    fn a_file_of_another_account_is_warned_of() {
        // Nobody else can give a file away.
        if !windlass_testkit::machine::has_root("a_file_of_another_account_is_warned_of") {
            return;
        }
        let dir = project(&[(".env", "A=1\n")]);
        let told = || loaded(&dir, &IndexMap::new()).assembled.warnings;
        std::os::unix::fs::chown(dir.path().join(".env"), Some(4711), None).unwrap();
        assert_eq!(
            told()[0].to_string(),
            ".env: it belongs to another account (uid 4711), which may change it; run: chown --reference=. .env"
        );
        std::os::unix::fs::chown(dir.path(), Some(4711), None).unwrap();
        assert!(told().is_empty(), "the owner of the directory");
    }

    #[test]
    fn the_faults_of_all_files_come_at_once() {
        let dir = project(&[(".env", "oops!\n"), (".env.local", "")]);
        fs::write(dir.path().join(".env.local"), b"A=1\nB=\xff\n").unwrap();
        let faults = loaded(&dir, &IndexMap::new()).faults;
        assert_eq!(faults.len(), 2);
        assert_eq!(faults[1].to_string(), ".env.local:2: it is not UTF-8 text; save it as UTF-8");
    }

    #[test]
    fn what_a_broken_line_may_overrule_does_not_hold() {
        let dir = project(&[
            (".env", "A=below\nB=below\nBROKEN KEY=x\nC='open\nD=${C}\nE=good\nF=${F?}\n"),
            (".env.local", "A='open\nC=above\n"),
        ]);
        let names =
            declared(&["A", "B", "BROKEN_KEY", "C", "D", "E", "F"].map(|name| (name, Some("default"))));
        let Loaded { assembled, lost, faults, .. } = loaded(&dir, &names);
        let held: Vec<&String> = assembled.settings.keys().collect();
        // What D is made of is told of at C.
        assert_eq!(held, ["B", "C", "E"], "{faults:?}");
        assert_eq!(assembled.get("C").map(Secret::expose), Some("above"));
        for name in ["A", "BROKEN_KEY", "D", "F"] {
            assert!(lost.has(name), "{name}");
        }
        assert!(!lost.is_any() && !lost.has("G"));
        assert_eq!(faults.len(), 4, "{faults:?}");
    }

    #[test]
    fn what_nobody_declared_in_a_faulty_file_is_counted_and_not_named() {
        let dir = project(&[
            (".env", "A=1\nBOTH=1\nKEY=\"-----BEGIN\nc2VjcmV0a2V5==\nc2VjcmV0a2V5==\n"),
            (".env.local", "BOTH=2\nGOOD=${WARNED}\n"),
        ]);
        let Loaded { assembled, lost, unnamed, .. } = loaded(&dir, &declared(&[("A", None)]));
        assert_eq!(assembled.settings.keys().collect::<Vec<_>>(), ["A", "BOTH", "GOOD"]);
        assert!(lost.has("c2VjcmV0a2V5"));
        assert_eq!(unnamed, IndexMap::from([(".env".to_owned(), 1)]));
        let warnings: Vec<String> = assembled.warnings.iter().map(ToString::to_string).collect();
        assert!(warnings.len() == 1 && warnings[0].contains("WARNED"), "{warnings:?}");
    }

    #[test]
    fn a_file_of_an_environment_that_is_misspelt_is_told_of() {
        let dir = project(&[(".env", ""), (".env.prodction", "A=1\n"), (".env.example", "")]);
        let told = |environment: &str| -> Vec<String> {
            let environments = ["local", "production"].map(str::to_owned);
            misspelt(dir.path(), environment, &environments).iter().map(ToString::to_string).collect()
        };
        assert_eq!(
            told("production"),
            [
                ".env.prodction: no environment is called so, and nobody reads it; did you mean .env.production?"
            ]
        );
        assert!(told("local").is_empty());
        fs::write(dir.path().join(".env.production"), "").unwrap();
        assert!(told("production").is_empty(), "the right one is there");
    }

    #[test]
    fn a_link_that_leads_nowhere_is_not_passed_over() {
        let dir = project(&[]);
        std::os::unix::fs::symlink("/nowhere/.env", dir.path().join(".env")).unwrap();
        let faults = loaded(&dir, &IndexMap::new()).faults;
        assert_eq!(
            faults.iter().map(ToString::to_string).collect::<Vec<_>>(),
            [".env: it is a link that leads nowhere; make what it leads to, or remove the link"]
        );
    }

    #[test]
    fn a_file_that_cannot_be_read_may_overrule_all_below() {
        let dir = project(&[(".env", "A=below\n")]);
        fs::write(dir.path().join(".env.local"), b"\xff\n").unwrap();
        let Loaded { assembled, lost, .. } = loaded(&dir, &declared(&[("A", None), ("B", Some("default"))]));
        assert!(assembled.settings.is_empty() && lost.is_any());
    }
}
