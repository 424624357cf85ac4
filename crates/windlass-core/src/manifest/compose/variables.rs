//! A variable of the compose file becomes a setting: `${TAG:-1.0}` becomes `{settings.TAG}`.

use indexmap::IndexMap;

use super::interpolate::{Otherwise, Piece, Variable, pieces};
use crate::manifest::draft::{self, Draft};
use crate::settings::{literal_password, password_in, sounds_secret};
use crate::spec::Template;

/// The variables that were met, and what could not be said with them.
#[derive(Debug, Default)]
pub(super) struct Variables {
    known: IndexMap<String, Known>,
    /// What could not be said since [`Variables::take_lost`] was called, for notes.
    lost: Vec<String>,
}

#[derive(Debug, Default)]
struct Known {
    /// What stands for it where it has no value.
    default: Option<Vec<Piece>>,
    /// It must have a value.
    required: bool,
    /// It stands in an argument list, which everybody can read.
    shown: bool,
    /// Processes find it in a file.
    file: bool,
    /// What the compose file has for it is a secret, and stays there.
    secret: bool,
}

impl Variables {
    /// The template of `text`.
    pub(super) fn template(&mut self, text: &str) -> String {
        let pieces = pieces(text);
        self.learn(&pieces, true);
        self.lost.extend(in_braces(&pieces).map(|name| {
            format!(
                "{{{{settings.{name}}}}} is the text in braces itself: put a space before the reference, or let the \
                 program add the braces"
            )
        }));
        template(&pieces)
    }

    /// The template of `text`, which is a secret by its name.
    pub(super) fn secret_template(&mut self, text: &str) -> String {
        let pieces = pieces(text);
        if let [Piece::Variable(Variable { name, otherwise: Otherwise::Default(default), .. })] =
            pieces.as_slice()
            && is_literal(default)
        {
            self.keep_out(name);
            return format!("{{settings.{name}}}");
        }
        self.template(text)
    }

    /// A setting that has the place of a secret in the compose file, whose value goes into no manifest.
    pub(super) fn secret(&mut self, name: &str) {
        let known = self.known.entry(name.to_owned()).or_default();
        (known.secret, known.required) = (true, true);
    }

    /// Whether there is a setting of this name.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.known.contains_key(name)
    }

    /// The variable `name`, whose default is a secret.
    fn keep_out(&mut self, name: &str) {
        self.secret(name);
        self.lost.push(format!(
            "the default of {name} is not carried over, because the manifest is for all to read: put {name}=... into \
             .env, which git must not keep"
        ));
    }

    /// The template of `text`, a word of an argument list.
    pub(super) fn word(&mut self, text: &str) -> String {
        let template = self.template(text);
        for name in names(&pieces(text)) {
            self.show(name);
        }
        template
    }

    /// The shell line of `text`: it finds the settings in its environment.
    pub(super) fn shell(&mut self, text: &str) -> String {
        let mut line = String::new();
        for piece in pieces(text) {
            match &piece {
                Piece::Text(text) => line.push_str(text),
                Piece::Variable(Variable { name, otherwise: Otherwise::Instead(instead), .. }) => {
                    match instead.as_slice() {
                        [Piece::Text(text)] if !text.contains(['}', '"', '\'', '\\', '$', '`']) => {
                            self.passed(name);
                            line.push_str(&format!("${{{name}:+{text}}}"));
                        }
                        _ => self.learn(&[piece], true),
                    }
                }
                Piece::Variable(Variable { name, .. }) => {
                    line.push_str(&format!("${{{name}}}"));
                    self.learn(&[piece], true);
                }
            }
        }
        line
    }

    /// `NAME` without a value: passed on where whoever starts it has one.
    pub(super) fn passed(&mut self, name: &str) {
        self.known.entry(name.to_owned()).or_default();
    }

    /// `NAME_FILE` is the path of a file with the value of `NAME`.
    pub(super) fn file(&mut self, name: &str) {
        let known = self.known.entry(name.to_owned()).or_default();
        (known.file, known.required) = (true, true);
    }

    /// What could not be said, since this was called last.
    pub(super) fn take_lost(&mut self) -> Vec<String> {
        std::mem::take(&mut self.lost)
    }

    /// Writes them down as settings.
    pub(super) fn write(&mut self, draft: &mut Draft) {
        if self.known.is_empty() {
            return;
        }
        let shown: Vec<String> =
            self.known.iter().filter(|(_, known)| known.shown).map(|(name, _)| name.clone()).collect();
        for name in shown {
            let default = self.known.get(&name).and_then(|known| known.default.clone());
            names(&default.unwrap_or_default()).for_each(|name| self.show(name));
        }
        let section = draft.section("[settings]");
        section.comment("Their values come from the environment, .env.ENVIRONMENT and .env.");
        for (name, known) in &self.known {
            section.set(name, draft::inline(&known.entries(name)));
        }
    }

    /// Notes the variables of `pieces`. Those of a default are needed only where it is.
    fn learn(&mut self, pieces: &[Piece], required: bool) {
        for piece in pieces {
            let Piece::Variable(Variable { name, otherwise, written }) = piece else { continue };
            match otherwise {
                Otherwise::Instead(instead) if instead.is_empty() => {}
                Otherwise::Instead(_) => self.lost.push(format!(
                    "{written} has no counterpart: nothing stands for it, as where the variable has no value; write what you need there"
                )),
                Otherwise::Missing => {
                    self.known.entry(name.clone()).or_default().required |= required;
                }
                Otherwise::Default(default) if is_literal(default) && is_secret(name, &plain(default)) => {
                    self.keep_out(name);
                }
                Otherwise::Default(default) => {
                    self.learn(default, false);
                    let closes = self.leads_to(default, name);
                    let known = self.known.entry(name.clone()).or_default();
                    if known.default.is_none() && !closes {
                        known.default = Some(default.clone());
                    }
                }
            }
        }
    }

    /// Whether the variable `name` is among the pieces, or among the defaults of those that are.
    fn leads_to(&self, pieces: &[Piece], name: &str) -> bool {
        let mut reached: Vec<&str> = names(pieces).collect();
        let mut next = 0;
        while let Some(other) = reached.get(next).copied() {
            let default = self.known.get(other).and_then(|known| known.default.as_deref());
            for more in names(default.unwrap_or_default()) {
                if !reached.contains(&more) {
                    reached.push(more);
                }
            }
            next += 1;
        }
        reached.contains(&name)
    }

    /// Whoever may list processes sees it, and what it is put together from.
    fn show(&mut self, name: &str) {
        let Some(known) = self.known.get_mut(name).filter(|known| !known.shown) else { return };
        known.shown = true;
        let default = known.default.clone().unwrap_or_default();
        names(&default).for_each(|name| self.show(name));
    }
}

impl Known {
    /// Its declaration.
    fn entries(&self, name: &str) -> Vec<(String, String)> {
        let entry = |key: &str, value: String| (key.to_owned(), value);
        let file = self.file.then(|| entry("file", "true".to_owned()));
        let mut entries = match self.default.as_deref().filter(|_| !self.secret) {
            Some(pieces) if names(pieces).next().is_some() => {
                vec![entry("value", draft::text(&template(pieces)))]
            }
            Some(pieces) => vec![entry("default", draft::text(&plain(pieces)))],
            None => {
                let secret = (self.file || self.secret || sounds_secret(name)) && !self.shown;
                let is = [("secret", secret, "true"), ("required", !self.required, "false")];
                is.into_iter()
                    .filter(|(_, is, _)| *is)
                    .map(|(key, _, word)| entry(key, word.to_owned()))
                    .collect()
            }
        };
        entries.extend(file);
        entries
    }
}

/// Whether pieces are a text in which nothing is put.
fn is_literal(pieces: &[Piece]) -> bool {
    !pieces.is_empty() && pieces.iter().all(|piece| matches!(piece, Piece::Text(_)))
}

/// Whether a literal is a secret: by the name that it goes by, or because a password stands in it.
pub(super) fn is_secret(name: &str, literal: &str) -> bool {
    !literal.is_empty() && (sounds_secret(name) || password_in(literal).is_some())
}

/// Whether a value of the compose file is a secret that stands there, wholly or in part.
pub(super) fn holds_secret(name: &str, value: &str) -> bool {
    let pieces = pieces(value);
    let is_whole = is_literal(&pieces) && is_secret(name, &plain(&pieces));
    is_whole || literal_password(&template(&pieces)).is_some()
}

/// The template of pieces.
fn template(pieces: &[Piece]) -> String {
    let write = |piece: &Piece| match piece {
        Piece::Text(text) => Template::literal(text.as_str()).to_string(),
        Piece::Variable(Variable { otherwise: Otherwise::Instead(_), .. }) => String::new(),
        Piece::Variable(Variable { name, .. }) => format!("{{settings.{name}}}"),
    };
    pieces.iter().map(write).collect()
}

/// The variables that stand directly in braces, which a template takes for an escape.
fn in_braces(pieces: &[Piece]) -> impl Iterator<Item = &str> {
    pieces.windows(3).filter_map(|three| match three {
        [Piece::Text(before), Piece::Variable(variable), Piece::Text(after)]
            if before.ends_with('{') && after.starts_with('}') =>
        {
            names(std::slice::from_ref(&three[1])).next().map(|_| variable.name.as_str())
        }
        _ => None,
    })
}

/// The text of pieces.
fn plain(pieces: &[Piece]) -> String {
    let write = |piece: &Piece| match piece {
        Piece::Text(text) => text.clone(),
        Piece::Variable(_) => String::new(),
    };
    pieces.iter().map(write).collect()
}

/// The variables that the template of `pieces` names.
fn names(pieces: &[Piece]) -> impl Iterator<Item = &str> {
    pieces.iter().filter_map(|piece| match piece {
        Piece::Variable(Variable { otherwise: Otherwise::Instead(_), .. }) | Piece::Text(_) => None,
        Piece::Variable(Variable { name, .. }) => Some(name.as_str()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(mut variables: Variables) -> String {
        let mut draft = Draft::default();
        variables.write(&mut draft);
        draft.render().lines().skip(2).map(|line| format!("{line}\n")).collect()
    }

    #[test]
    fn variables_become_settings() {
        let mut variables = Variables::default();
        let text = "x-${TAG:-1.0}-$HOST-$$5-{port}-${UNSET?must be set}";
        assert_eq!(variables.template(text), "x-{settings.TAG}-{settings.HOST}-$5-{{port}}-{settings.UNSET}");
        assert_eq!(variables.shell("echo $$HOME $TAG"), "echo $HOME ${TAG}");
        assert_eq!(settings(variables), "TAG = { default = \"1.0\" }\nHOST = {}\nUNSET = {}\n");
    }

    #[test]
    fn a_default_with_a_variable_is_put_together() {
        let mut variables = Variables::default();
        assert_eq!(variables.template("${A:-x${B:-${C}}}!"), "{settings.A}!");
        assert_eq!(variables.template("${D:-${E:-$D.}}"), "{settings.D}");
        variables.passed("F");
        variables.passed("G_TOKEN");
        assert_eq!(
            settings(variables),
            "C = { required = false }\nB = { value = \"{settings.C}\" }\n\
             A = { value = \"x{settings.B}\" }\nD = { required = false }\n\
             E = { value = \"{settings.D}.\" }\nF = { required = false }\n\
             G_TOKEN = { secret = true, required = false }\n"
        );
    }

    #[test]
    fn what_holds_only_beside_a_value_is_told_of_unless_a_shell_can_say_it() {
        let mut variables = Variables::default();
        assert_eq!(variables.template("run${A:+ --fast}"), "run");
        assert!(variables.take_lost().concat().starts_with("${A:+ --fast} has no counterpart"));
        assert_eq!(variables.shell("run ${A:+--fast} ${B:+$C}"), "run ${A:+--fast} ");
        assert!(variables.take_lost().concat().starts_with("${B:+$C} has no counterpart"));
        assert_eq!(settings(variables), "A = { required = false }\n");
    }

    #[test]
    fn a_secret_is_declared_and_stays_out_of_the_manifest() {
        let mut variables = Variables::default();
        assert_eq!(variables.template("${API_TOKEN:-planted}"), "{settings.API_TOKEN}");
        assert_eq!(variables.template("${CACHE:-redis://:planted@h}"), "{settings.CACHE}");
        assert_eq!(variables.secret_template("${OTHER:-planted}"), "{settings.OTHER}");
        variables.template("${OTHER:-planted}");
        variables.secret_template("${THIRD:-${FOURTH}}");
        variables.secret("PLAIN");
        let lost = variables.take_lost();
        assert!(
            lost.len() == 3 && lost[2].starts_with("the default of OTHER is not carried over"),
            "{lost:?}"
        );
        assert_eq!(
            settings(variables),
            "API_TOKEN = { secret = true }\nCACHE = { secret = true }\nOTHER = { secret = true }\n\
             FOURTH = { required = false }\nTHIRD = { value = \"{settings.FOURTH}\" }\nPLAIN = { secret = true }\n"
        );
    }

    #[test]
    fn a_value_with_a_secret_in_it_is_told_from_others() {
        for (name, value, holds) in [
            ("SECRET_KEY", "planted", true),
            ("SECRET_KEY", "", false),
            ("SECRET_KEY", "$KEY", false),
            ("URL", "redis://:planted@h", true),
            ("URL", "redis://:$PW@h", false),
            ("URL", "redis://:planted@$HOST", true),
            ("LEVEL", "info", false),
        ] {
            assert_eq!(holds_secret(name, value), holds, "{name}={value}");
        }
    }

    #[test]
    fn what_stands_in_an_argument_is_no_secret() {
        let mut variables = Variables::default();
        variables.word("--key=${KEY}");
        variables.template("${KEY:-${API_TOKEN}}");
        variables.template("$OTHER_TOKEN");
        assert_eq!(
            settings(variables),
            "KEY = { value = \"{settings.API_TOKEN}\" }\nAPI_TOKEN = { required = false }\n\
             OTHER_TOKEN = { secret = true }\n"
        );
    }
}
