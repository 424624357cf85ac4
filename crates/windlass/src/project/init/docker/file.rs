//! Reads a Dockerfile, as far as it says how what was built is run.

use super::words::{Lookup, Word, text, words};

/// A stage of the build; the last one is what is run.
#[derive(Debug, Clone, Default)]
pub(super) struct BuildStage {
    name: String,
    /// What processes find in their environment; `None` where it is made of what is not known.
    pub(super) env: Vec<(String, Option<String>)>,
    args: Vec<(String, Option<String>)>,
    /// The directories it works in, one after another; it is run in the last. Absolute.
    pub(super) directories: Vec<String>,
    /// Where files of the project were copied to: a source, and an absolute path.
    pub(super) copies: Vec<(String, String)>,
    pub(super) volumes: Vec<String>,
    pub(super) user: Option<String>,
    pub(super) entry: Option<String>,
    pub(super) command: Option<String>,
    /// Whether the command is that of the stage it was made of.
    command_is_inherited: bool,
    pub(super) ports: Vec<u16>,
    pub(super) has_health: bool,
    pub(super) stop_signal: Option<String>,
}

/// What a Dockerfile says.
#[derive(Debug, Default)]
pub(super) struct Dockerfile {
    /// The last stage, with what it has from the stage it was made of.
    pub(super) stage: BuildStage,
    /// How many commands the whole build runs.
    pub(super) runs: usize,
}

impl Dockerfile {
    /// `target` names the stage that is run, where that is not the last.
    pub(super) fn read(text: &str, target: Option<&str>) -> Self {
        // Before the first stage: arguments, which stages can ask for.
        let mut head = BuildStage::default();
        let mut stages: Vec<BuildStage> = Vec::new();
        let mut runs = 0;
        for line in logical_lines(text) {
            let Some((instruction, rest)) = line.trim().split_once(char::is_whitespace) else { continue };
            let instruction = instruction.to_ascii_uppercase();
            let rest = rest.trim();
            match (instruction.as_str(), stages.last_mut()) {
                ("FROM", _) => stages.push(from(rest, &stages)),
                ("RUN", _) => runs += 1,
                (_, Some(stage)) => stage.take(&instruction, rest, &head.args),
                (_, None) => head.take(&instruction, rest, &[]),
            }
        }
        let is_target = |stage: &BuildStage| target.is_some_and(|name| stage.name.eq_ignore_ascii_case(name));
        let at = stages.iter().rposition(is_target).or_else(|| stages.len().checked_sub(1));
        Self { stage: at.map_or(head, |at| stages.swap_remove(at)), runs }
    }
}

/// The stage that `FROM` begins.
fn from(rest: &str, stages: &[BuildStage]) -> BuildStage {
    let mut words = rest.split_whitespace().filter(|word| !word.starts_with("--"));
    let image = words.next().unwrap_or_default();
    let base = stages.iter().rev().find(|stage| stage.name.eq_ignore_ascii_case(image));
    let name = words.nth(1).unwrap_or_default().to_owned();
    // Arguments hold for the stage that declares them.
    BuildStage { name, args: vec![], command_is_inherited: true, ..base.cloned().unwrap_or_default() }
}

impl BuildStage {
    fn take(&mut self, instruction: &str, rest: &str, globals: &[(String, Option<String>)]) {
        let value = |stage: &Self, rest: &str| text(rest, stage).filter(|text| !text.is_empty());
        match instruction {
            "ENV" => {
                for (key, value) in pairs(rest, self) {
                    self.env.retain(|(other, _)| *other != key);
                    self.env.push((key, value));
                }
            }
            "ARG" => {
                for word in words(rest, self) {
                    let (key, value) = match word.text.split_once('=') {
                        Some((key, value)) => (key.to_owned(), word.is_known.then(|| value.to_owned())),
                        None => {
                            let known = globals.iter().find(|(key, _)| *key == word.text);
                            (word.text, known.and_then(|(_, value)| value.clone()))
                        }
                    };
                    self.args.retain(|(other, _)| *other != key);
                    self.args.push((key, value));
                }
            }
            "WORKDIR" => {
                let directory = value(self, rest).map(|path| self.absolute(&path));
                self.directories.extend(directory);
            }
            "USER" => self.user = value(self, rest),
            "STOPSIGNAL" => self.stop_signal = value(self, rest),
            "ENTRYPOINT" => {
                self.entry = Some(rest.to_owned());
                // What another program was told means nothing to this one.
                if self.command_is_inherited {
                    self.command = None;
                }
            }
            "CMD" => {
                self.command = Some(rest.to_owned());
                self.command_is_inherited = false;
            }
            "HEALTHCHECK" => self.has_health = !rest.eq_ignore_ascii_case("none"),
            "VOLUME" => {
                let paths = list(rest, self);
                self.volumes.extend(paths.iter().map(|path| self.absolute(path)).collect::<Vec<_>>());
            }
            "EXPOSE" => {
                let ports = words(rest, self).into_iter().filter_map(|word| {
                    let (port, protocol) = word.text.split_once('/').unwrap_or((&word.text, "tcp"));
                    port.parse().ok().filter(|port| *port > 0 && protocol.eq_ignore_ascii_case("tcp"))
                });
                self.ports.extend(ports.collect::<Vec<u16>>());
            }
            "COPY" | "ADD" => self.copy(rest),
            _ => {}
        }
    }

    fn copy(&mut self, rest: &str) {
        let mut rest = rest;
        while let Some(option) = rest.strip_prefix("--") {
            // What another stage made is no file of the project.
            if option.starts_with("from=") {
                return;
            }
            rest = option.split_once(char::is_whitespace).map_or("", |(_, rest)| rest.trim_start());
        }
        let mut paths = list(rest, self);
        let Some(target) = paths.pop() else { return };
        // A slash at the end says that it is a directory.
        let slash = if target.ends_with('/') || target == "." { "/" } else { "" };
        let target = self.absolute(&target);
        for source in paths {
            self.copies.push((source, format!("{}{slash}", target.trim_end_matches('/'))));
        }
    }

    /// Where it is run.
    pub(super) fn directory(&self) -> Option<&str> {
        self.directories.last().map(String::as_str)
    }

    /// A path from the root of the image.
    fn absolute(&self, path: &str) -> String {
        let begin = if path.starts_with('/') { "" } else { self.directory().unwrap_or_default() };
        let mut parts: Vec<&str> = Vec::new();
        for part in begin.split('/').chain(path.split('/')) {
            match part {
                "" | "." => {}
                ".." => drop(parts.pop()),
                part => parts.push(part),
            }
        }
        format!("/{}", parts.join("/"))
    }
}

impl Lookup for BuildStage {
    fn value(&self, name: &str) -> Option<&str> {
        // The environment stands before arguments.
        let (_, value) = self.env.iter().chain(&self.args).find(|(key, _)| key == name)?;
        value.as_deref()
    }
}

/// `KEY=value ...`, or `KEY value` of old.
fn pairs(rest: &str, stage: &BuildStage) -> Vec<(String, Option<String>)> {
    let first = rest.split_whitespace().next().unwrap_or_default();
    if !first.contains('=') {
        let value = rest[first.len()..].trim();
        return vec![(first.to_owned(), text(value, stage))];
    }
    let pair = |word: Word| {
        let (key, value) = word.text.split_once('=')?;
        Some((key.to_owned(), word.is_known.then(|| value.to_owned())))
    };
    words(rest, stage).into_iter().filter_map(pair).collect()
}

/// A list as JSON, or words.
fn list(rest: &str, stage: &BuildStage) -> Vec<String> {
    match serde_json::from_str::<Vec<String>>(rest) {
        Ok(list) => list.iter().filter_map(|item| text(item, stage)).collect(),
        Err(_) => words(rest, stage).into_iter().filter(|word| word.is_known).map(|word| word.text).collect(),
    }
}

/// Lines, those that end in a backslash joined; without comments and the documents that follow `<<EOF`.
fn logical_lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut open = String::new();
    let mut rest = text.lines();
    while let Some(line) = rest.next() {
        if line.trim_start().starts_with('#') || (line.trim().is_empty() && !open.is_empty()) {
            continue;
        }
        if let Some(begin) = line.trim_end().strip_suffix('\\') {
            open.push_str(&format!("{begin} "));
            continue;
        }
        let line = std::mem::take(&mut open) + line;
        for end in documents(&line) {
            rest.by_ref().find(|line| line.trim_start_matches('\t') == end);
        }
        lines.push(line);
    }
    lines.push(open);
    lines
}

/// The words that end the documents which follow `line`.
fn documents(line: &str) -> Vec<String> {
    let instruction = line.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
    if !matches!(instruction.as_str(), "RUN" | "COPY" | "ADD") {
        return vec![];
    }
    let word = |piece: &str| {
        let word = piece.trim_start_matches('-').trim_start_matches(['"', '\'']);
        let length =
            word.len() - word.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_').len();
        (length > 0).then(|| word[..length].to_owned())
    };
    line.split("<<").skip(1).filter_map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(text: &str) -> Vec<(String, Option<String>)> {
        Dockerfile::read(text, None).stage.env
    }

    fn pair(key: &str, value: &str) -> (String, Option<String>) {
        (key.to_owned(), Some(value.to_owned()))
    }

    #[test]
    fn both_forms_of_env_are_read() {
        assert_eq!(
            env(
                "FROM x\nENV A=1 B=\"two words\" C=a\\ b \\\n  # why\n  D='$A' F=${G:-h}\nENV E=$A-${B}\nENV A last  one\n"
            ),
            [
                pair("B", "two words"),
                pair("C", "a b"),
                pair("D", "$A"),
                pair("F", "h"),
                pair("E", "1-two words"),
                pair("A", "last  one")
            ]
        );
        assert_eq!(env("FROM x\nENV PATH=/opt:$PATH\n"), [("PATH".to_owned(), None)]);
    }

    #[test]
    fn a_program_of_its_own_does_not_take_the_words_of_the_stage_before() {
        let base = "FROM x AS base\nCMD [\"npm\", \"start\"]\nFROM base\n";
        let stage = |rest: &str| Dockerfile::read(&format!("{base}{rest}"), None).stage;
        assert_eq!(stage("").command.as_deref(), Some("[\"npm\", \"start\"]"));
        assert_eq!(stage("ENTRYPOINT [\"node\"]\n").command, None);
        assert_eq!(stage("CMD [\"a\"]\nENTRYPOINT [\"node\"]\n").command.as_deref(), Some("[\"a\"]"));
    }

    #[test]
    fn the_last_stage_counts_and_what_it_is_made_of() {
        let text = "ARG V=1\nARG W\nFROM x AS base\nARG V\nENV A=$V\nWORKDIR /app\nEXPOSE 80\n\
                    FROM base AS build\nENV B=1\nRUN a\nFROM base\nENV C=${V:-none}\nWORKDIR sub\n";
        let read = Dockerfile::read(text, None);
        assert_eq!(read.stage.env, [pair("A", "1"), pair("C", "none")]);
        assert_eq!(
            (read.stage.directory(), read.stage.ports.as_slice(), read.runs),
            (Some("/app/sub"), [80].as_slice(), 1)
        );
        let named = Dockerfile::read(text, Some("Build")).stage;
        assert_eq!(named.env, [pair("A", "1"), pair("B", "1")]);
    }

    #[test]
    fn documents_are_no_instructions() {
        let read = Dockerfile::read(
            "FROM x\nRUN <<EOF\nENV A=1\nEOF\nCOPY <<-\"END\" /x\n\tUSER y\n\tEND\nUSER z\n",
            None,
        );
        assert_eq!((read.stage.env.len(), read.stage.user.as_deref()), (0, Some("z")));
    }

    #[test]
    fn paths_are_from_the_root() {
        let text = "FROM x\nWORKDIR /srv\nWORKDIR ./app/\nCOPY --chown=a --link . .\nCOPY --from=b /x /y\nCOPY [\"a b\", \"c/\"]\nVOLUME data /var/../x\n";
        let stage = Dockerfile::read(text, None).stage;
        let copies: Vec<_> = stage.copies.iter().map(|(from, to)| (from.as_str(), to.as_str())).collect();
        assert_eq!(copies, [(".", "/srv/app/"), ("a b", "/srv/app/c/")]);
        assert_eq!(stage.volumes, ["/srv/app/data", "/x"]);
    }
}
