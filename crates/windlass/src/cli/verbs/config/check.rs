//! `windlass config check`

use std::collections::HashSet;

use windlass_core::diag::{Diag, Severity, tally};
use windlass_core::resolve::{resolve, sketch, unused};
use windlass_core::settings::audit::{Audited, Finding, is_for_others};
use windlass_core::settings::{Fault, Resolved, is_secret};
use windlass_core::spec::Spec;

use crate::cli::context::{Context, complain};
use crate::cli::failure::{Failure, USAGE};
use crate::cli::judged::of_users;
use crate::cli::print::{printed, put_line};
use crate::cli::project::Project;
use crate::cli::rotation::{self, Open};
use crate::project::committed::{History, Hit, Limits, PastHit, Search, Searched};
use crate::project::diag as project_diag;
use crate::project::keys::{self as project_keys, Kept, KeyFile};
use crate::project::version;
use crate::settings::{Found, SHORTEST_MASKED, fault_to_json};

/// More places with secrets than these nobody reads.
const MOST_TOLD: usize = 50;

/// What a file is that git keeps and should not, whatever stands in it.
const KEPT: &str = "kept-by-git";

/// As many of the files that were not looked at are named.
const NAMED: usize = 3;

pub(super) fn run(context: &Context, strict: bool) -> Result<u8, Failure> {
    let project = context.project_with_settings()?;
    project.must_know(project.environment.as_str())?;
    let environment = project.environment.as_str();
    // What cannot be read hides nothing of what is wrong with the rest.
    let found = context.read_settings(&project, environment);
    context.tell_left_out(&found.unstored.left_out);
    let (spec, diags) = match resolve(&project.manifest, environment, &found.known()) {
        Ok(spec) => (Some(spec), vec![]),
        Err(diags) => (sketch(&project.manifest, environment, &found.known()), diags),
    };
    let mut findings = findings(&project, &found, spec.as_ref());
    let (searched, history) = committed(&project, &found, &mut findings);
    let errors = diags.len() + findings.iter().filter(|finding| finding.severity == Severity::Error).count();
    let diags = [diags, project.warnings.clone()].concat();
    let warnings = findings.len() + diags.len() - errors;
    tell(context, &project, &diags, &findings, (&searched, &history), (errors, warnings))?;
    Ok(if errors > 0 || (strict && warnings > 0) { USAGE } else { 0 })
}

fn findings(project: &Project, found: &Found, spec: Option<&Spec>) -> Vec<Finding> {
    let environment = project.environment.as_str();
    let audited = audited(project, found);
    let plain = |code, severity, fault: Fault| Finding { code, severity, setting: String::new(), fault };
    let mut findings: Vec<Finding> =
        found.faults.iter().map(|fault| plain("unreadable", Severity::Error, fault.clone())).collect();
    let mistyped = found.mistyped(&project.file);
    findings.extend(mistyped.into_iter().map(|fault| plain("bad-value", Severity::Error, fault)));
    findings.extend(found.unstored.faults.iter().map(|fault| plain("store", Severity::Error, fault.clone())));
    let misaddressed = found.misaddressed(&project.file);
    findings.extend(misaddressed.into_iter().map(|fault| plain("bad-address", Severity::Error, fault)));
    let weak = audited.weak();
    let unmasked = unmasked(found, &audited);
    findings.extend(unmasked.into_iter().filter(|one| weak.iter().all(|weak| weak.setting != one.setting)));
    findings.extend(weak);
    // Those that are no errors are among the warnings below.
    findings.extend(audited.covered().into_iter().filter(|finding| finding.severity == Severity::Error));
    findings.extend(audited.development());
    findings.extend(audited.unknown(|name| project.manifest.refers_to_setting(environment, name)));
    if let Some(spec) = spec {
        findings
            .extend(of_users(spec, found).into_iter().map(|fault| plain("users", Severity::Error, fault)));
        let oversized = found.oversized(spec, &project.file);
        findings.extend(oversized.into_iter().map(|fault| plain("too-large", Severity::Error, fault)));
    }
    findings.extend(audited.unused(&unused(&project.manifest, environment)));
    let warnings = found.assembled.warnings.iter().cloned();
    findings.extend(warnings.map(|fault| plain("doubtful", Severity::Warning, fault)));
    findings.extend(rotation::unsettled(project).into_iter().map(open_rotation));
    findings.extend(kept(project).into_iter().map(|fault| plain(KEPT, Severity::Warning, fault)));
    findings.extend(keys(project));
    findings
}

fn audited<'a>(project: &'a Project, found: &'a Found) -> Audited<'a> {
    Audited {
        app: project.app.as_str(),
        environment: project.environment.as_str(),
        declared: &found.declared,
        assembled: &found.assembled,
        manifest: &project.file,
    }
}

/// Declared secrets that logs show as they are: so short a text turns up by chance.
fn unmasked(found: &Found, audited: &Audited<'_>) -> Vec<Finding> {
    let is_short = |name: &str, resolved: &Resolved| {
        let declared = found.declared.get(name);
        let length = resolved.value.text.known().map_or(0, |value| value.expose().len());
        declared.is_some()
            && (1..SHORTEST_MASKED).contains(&length)
            && is_secret(name, declared, &resolved.value)
    };
    let short = found.assembled.settings.iter().filter(|(name, resolved)| is_short(name, resolved));
    short
        .map(|(name, resolved)| {
            let why = format!(
                "it has fewer than {SHORTEST_MASKED} bytes, and is not masked where programs print it"
            );
            let help = "make a longer one, or say secret = false where it is none";
            audited.finding("unmasked-secret", Severity::Warning, name, resolved, &why, help)
        })
        .collect()
}

/// A rotation after whose interruption nobody has looked yet which value holds.
fn open_rotation(open: Open) -> Finding {
    let (message, help) = open.told();
    let fault = Fault { file: open.file, line: 0, column: 0, message, help: help.to_owned() };
    Finding { code: "open-rotation", severity: Severity::Warning, setting: open.setting, fault }
}

/// Private keys that others than their owner can get at.
fn keys(project: &Project) -> Vec<Finding> {
    let mut findings = vec![];
    for KeyFile { name, kept, mode } in project_keys::find(&project.directory) {
        let mut warn = |code, message: String, help: String| {
            let fault = Fault { file: name.clone(), line: 0, column: 0, message, help };
            findings.push(Finding { code, severity: Severity::Warning, setting: String::new(), fault });
        };
        let another = "make another key and exchange the two with windlass secrets recipients";
        match kept {
            Some(Kept::Now) => warn(
                KEPT,
                "a private key is in it, and git keeps it: everybody who has the source can read what is \
                 encrypted for it"
                    .to_owned(),
                format!("run: git rm --cached {name}, add it to .gitignore, and {another}"),
            ),
            Some(Kept::Once) => warn(
                KEPT,
                "a private key was in it once, and git's history still has it".to_owned(),
                another.to_owned(),
            ),
            Some(Kept::Soon) => warn(
                KEPT,
                "a private key is in it, git does not ignore it, and the next `git add .` takes it"
                    .to_owned(),
                format!("keep it elsewhere, or add it to .gitignore: echo {name} >> .gitignore"),
            ),
            None => {}
        }
        if let Some(mode) = mode.filter(|mode| mode & 0o077 != 0) {
            warn(
                "doubtful",
                format!("a private key is in it, and other accounts may read it (mode {mode:04o})"),
                format!("run: chmod 600 {name}; if others may have read it, {another}"),
            );
        }
    }
    findings
}

/// Settings files that whoever gets the source gets, too.
fn kept(project: &Project) -> Vec<Fault> {
    let fault = |file: &str, message: &str, help: String| Fault {
        file: file.to_owned(),
        line: 0,
        column: 0,
        message: message.to_owned(),
        help,
    };
    let now = version::kept_settings(&project.directory);
    let mut faults: Vec<Fault> = now
        .iter()
        .map(|name| {
            let help = format!("run: git rm --cached {name}, add it to .gitignore, and change its secrets");
            fault(name, "git keeps it, so everybody who has the source has its secrets", help)
        })
        .collect();
    for name in version::once_kept_settings(&project.directory) {
        if !now.contains(&name) {
            let message = "git kept it once, and its history still has its secrets";
            faults.push(fault(&name, message, "change the secrets that stood in it".to_owned()));
        }
    }
    for name in version::unignored_settings(&project.directory) {
        if !now.contains(&name) {
            let help = format!("add it to .gitignore: echo {name} >> .gitignore");
            faults.push(fault(&name, "git does not ignore it, and the next `git add .` takes it", help));
        }
    }
    faults
}

/// Values of secrets that stand in the manifest, or in files that git keeps: errors where the environment is for
/// others, as weak ones are, and none is shown.
fn committed(project: &Project, found: &Found, findings: &mut Vec<Finding>) -> (Searched, History) {
    let audited = audited(project, found);
    let sought = audited.sought();
    let Some(search) = Search::of(&sought) else { return Default::default() };
    let mut searched = search.in_repository(&project.directory);
    let severity = match is_for_others(project.environment.as_str()) {
        true => Severity::Error,
        false => Severity::Warning,
    };
    if let Some(why) = &searched.unanswered {
        let message = format!("values of secrets were not looked for in what git keeps: {why}");
        let help = "make git answer: git status".to_owned();
        let fault = Fault { file: ".git".to_owned(), line: 0, column: 0, message, help };
        let setting = String::new();
        findings.push(Finding { code: "not-searched", severity: Severity::Warning, setting, fault });
    }
    // A file that keeps settings by its name is told of as a whole.
    let mut whole: HashSet<String> = HashSet::new();
    searched.hits.retain(|hit| {
        let is_of_file = |one: &&mut Finding| one.code == KEPT && one.fault.file == hit.file;
        let as_a_whole = findings.iter_mut().filter(|_| !hit.is_past).find(is_of_file);
        if let Some(finding) = as_a_whole {
            finding.severity = severity;
            whole.insert(hit.file.clone());
            return false;
        }
        true
    });
    let help = "take it out, let it come from `.env` or the encrypted file, and change it where it is used: what git has kept \
                it gives to everybody who has the source";
    let mut add = |setting: &str, file: &str, line, message: String| {
        let fault = Fault { file: file.to_owned(), line, column: 0, message, help: help.to_owned() };
        findings.push(Finding { code: "value-in-git", severity, setting: setting.to_owned(), fault });
    };
    let more = |more: u32| match more {
        0 => String::new(),
        1 => " (and in 1 more line)".to_owned(),
        more => format!(" (and in {more} more lines)"),
    };
    let told = |setting: &str| {
        searched.hits.iter().any(|hit| !hit.is_past && hit.setting == setting && hit.file == project.file)
    };
    // As it is now, which git may not know yet.
    for (setting, line, others) in search.in_text(project.manifest.text().as_bytes()) {
        if !told(&setting) {
            let message = format!("{setting}: its value stands here{}, for all to read", more(others));
            add(&setting, &project.file, line, message);
        }
    }
    for Hit { setting, file, line, more: others, is_past } in searched.hits.iter().take(MOST_TOLD) {
        let whose = if *is_past { "the last commit has it here" } else { "it stands here" };
        let message = format!("{setting}: git keeps its value: {whose}{}", more(*others));
        add(setting, file, *line, message);
    }
    let beyond = searched.hits.get(MOST_TOLD..).unwrap_or_default();
    if let Some(Hit { setting, file, .. }) = beyond.first() {
        let message = format!("git keeps values of secrets in {} more places", beyond.len());
        add(setting, file, 0, message);
    }
    let mut history = search.in_history(&project.directory, Limits::default());
    // What is there now is told of where it is.
    history.hits.retain(|past| {
        !searched.hits.iter().any(|now| now.setting == past.setting && now.file == past.file)
            && !whole.contains(&past.file)
    });
    let help =
        "exchange it: whoever has a copy of the repository has it, also where the history is written anew";
    for PastHit { setting, file, commit, more: others, .. } in history.hits.iter().take(MOST_TOLD) {
        let more = match others {
            0 => String::new(),
            1 => " and 1 older version".to_owned(),
            more => format!(" and {more} older versions"),
        };
        let message = format!("{setting}: its value stands in git's history: commit {commit} has it{more}");
        let fault = Fault { file: file.clone(), line: 0, column: 0, message, help: help.to_owned() };
        let setting = setting.clone();
        findings.push(Finding { code: "value-in-history", severity: Severity::Warning, setting, fault });
    }
    if let Some(PastHit { setting, file, .. }) = history.hits.get(MOST_TOLD) {
        let beyond = history.hits.len() - MOST_TOLD;
        let message = format!("git's history has values of secrets in {beyond} more places");
        let fault = Fault { file: file.clone(), line: 0, column: 0, message, help: help.to_owned() };
        let setting = setting.clone();
        findings.push(Finding { code: "value-in-history", severity: Severity::Warning, setting, fault });
    }
    (searched, history)
}

/// In what of the history values were not looked for.
fn not_of_history(history: &History) -> Option<String> {
    let passed_over = match history.passed_over {
        0 => None,
        1 => Some("not in 1 that is no text or larger than 1 MiB".to_owned()),
        many => Some(format!("not in {many} that are no text or larger than 1 MiB")),
    };
    let cut = history.cut.map(|why| format!("not in all of it: {why}"));
    let left = [passed_over, cut].into_iter().flatten().collect::<Vec<_>>();
    (!left.is_empty()).then(|| {
        let (versions, left) = (history.versions, left.join(", and "));
        format!("note: in git's history values of secrets were looked for in {versions} versions of files, and {left}")
    })
}

/// In what values were not looked for.
fn not_searched(searched: &Searched) -> Option<String> {
    let Searched { files, large, binary, beyond, missing, .. } = searched;
    let some = |paths: &[String], what: &str| {
        let more = if paths.len() > NAMED { ", …" } else { "" };
        (!paths.is_empty())
            .then(|| format!("{} {what} ({}{more})", paths.len(), paths[..paths.len().min(NAMED)].join(", ")))
    };
    let left = [
        some(large, "larger than 1 MiB"),
        some(binary, "that are no text"),
        some(beyond, "beyond the first 128 MiB"),
        some(missing, "that this clone does not have"),
    ];
    let left: Vec<String> = left.into_iter().flatten().collect();
    (!left.is_empty()).then(|| {
        let left = left.join(", ");
        format!(
            "note: values of secrets were looked for in {files} files that git keeps, and not in those {left}"
        )
    })
}

fn tell(
    context: &Context,
    project: &Project,
    diags: &[Diag],
    findings: &[Finding],
    (searched, history): (&Searched, &History),
    (errors, warnings): (usize, usize),
) -> Result<(), Failure> {
    if context.options.json {
        let mut all: Vec<serde_json::Value> = findings
            .iter()
            .map(|finding| {
                let mut json = fault_to_json(&finding.fault);
                json["code"] = finding.code.into();
                json["severity"] = serde_json::json!(finding.severity);
                json["setting"] =
                    serde_json::json!(Some(&finding.setting).filter(|setting| !setting.is_empty()));
                json
            })
            .collect();
        all.extend(project_diag::to_json(diags, project.manifest.text(), &project.file));
        let document = serde_json::json!({
            "app": project.app,
            "environment": project.environment,
            "for_others": is_for_others(project.environment.as_str()),
            "errors": errors,
            "warnings": warnings,
            "findings": all,
            "searched": {
                "files": searched.files,
                "large": searched.large,
                "binary": searched.binary,
                "beyond": searched.beyond,
                "missing": searched.missing,
                "unanswered": searched.unanswered,
                "history": {
                    "versions": history.versions,
                    "passed_over": history.passed_over,
                    "cut": history.cut,
                },
            },
        });
        return printed(put_line(&document.to_string()));
    }
    for finding in findings {
        let severity = if finding.severity == Severity::Error { "error" } else { "warning" };
        complain(&format!("{severity}[{}]: {}", finding.code, finding.fault));
    }
    if !diags.is_empty() {
        context.draw(diags, project.manifest.text(), &project.file);
    }
    for note in not_searched(searched).into_iter().chain(not_of_history(history)) {
        context.say(&note);
    }
    let environment = &project.environment;
    printed(put_line(&match (errors, warnings) {
        (0, 0) => format!("The settings of {} ({environment}) are good.", project.app),
        _ => format!("{} in the settings of {} ({environment}).", tally(errors, warnings), project.app),
    }))
}
