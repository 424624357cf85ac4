//! Writing a manifest: sections of keys with comments. What is put into it is escaped here, so that
//! no value of a project or of another format can end its string.

use super::words;

/// The program of a command that nobody knows. A manifest with it is not deployed.
pub const PLACEHOLDER: &str = "./replace-me";

/// A manifest that is being written.
#[derive(Debug, Clone, Default)]
pub struct Draft {
    /// Comment lines at the top.
    pub preface: Vec<String>,
    sections: Vec<Section>,
}

/// A table of it.
#[derive(Debug, Clone)]
pub struct Section {
    header: String,
    comments: Vec<String>,
    entries: Vec<Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    key: String,
    value: String,
    comment: Option<String>,
    suggested: bool,
}

impl Draft {
    /// Appends a table; `header` is made of plain keys, such as `[services.web]`.
    pub fn section(&mut self, header: impl Into<String>) -> &mut Section {
        let at = self.sections.len();
        self.sections.push(Section { header: header.into(), comments: vec![], entries: vec![] });
        // It was pushed just now.
        &mut self.sections[at]
    }

    /// The first table with this header.
    #[must_use]
    pub fn find(&self, header: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.header == header)
    }

    /// All tables, in their order.
    pub fn sections(&self) -> impl Iterator<Item = &Section> {
        self.sections.iter()
    }

    /// All tables, in their order, to be changed.
    pub fn sections_mut(&mut self) -> impl Iterator<Item = &mut Section> {
        self.sections.iter_mut()
    }

    /// Takes the tables away that are not to be kept.
    pub fn retain(&mut self, keep: impl FnMut(&Section) -> bool) {
        self.sections.retain(keep);
    }

    /// Appends all tables of `other`.
    pub fn append(&mut self, other: Self) {
        self.sections.extend(other.sections);
    }

    /// The text, ending in a line break.
    #[must_use]
    pub fn render(&self) -> String {
        let mut blocks: Vec<String> = Vec::new();
        if !self.preface.is_empty() {
            blocks.push(self.preface.iter().map(|line| comment(line)).collect());
        }
        blocks.extend(self.sections.iter().map(Section::render));
        blocks.join("\n")
    }
}

impl Section {
    /// A comment line above the header.
    pub fn comment(&mut self, line: impl Into<String>) -> &mut Self {
        self.comments.push(line.into());
        self
    }

    /// A key; `value` is TOML, made by the functions below.
    pub fn set(&mut self, key: &str, value: impl Into<String>) -> &mut Self {
        self.entries.push(Entry {
            key: key.to_owned(),
            value: value.into(),
            comment: None,
            suggested: false,
        });
        self
    }

    /// A key that is commented out: something to think of.
    pub fn suggest(&mut self, key: &str, value: impl Into<String>) -> &mut Self {
        self.set(key, value);
        if let Some(entry) = self.entries.last_mut() {
            entry.suggested = true;
        }
        self
    }

    /// A comment behind the last key.
    pub fn because(&mut self, reason: impl Into<String>) -> &mut Self {
        if let Some(entry) = self.entries.last_mut() {
            entry.comment = Some(reason.into());
        }
        self
    }

    /// The header, such as `[services.web]`.
    #[must_use]
    pub fn header(&self) -> &str {
        &self.header
    }

    /// Takes `key` over from `other` with its comment, where that has it and this one has not.
    pub fn carry(&mut self, key: &str, other: &Self) -> &mut Self {
        if !self.entries.iter().any(|entry| entry.key == key) {
            self.entries.extend(other.entries.iter().find(|entry| entry.key == key).cloned());
        }
        self
    }

    /// Whether `key` is set.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == key && !entry.suggested)
    }

    /// The value of `key`, which is TOML, where it is set.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&str> {
        let set = |entry: &&Entry| entry.key == key && !entry.suggested;
        self.entries.iter().find(set).map(|entry| entry.value.as_str())
    }

    fn render(&self) -> String {
        let mut text: String = self.comments.iter().map(|line| comment(line)).collect();
        text.push_str(&format!("{}\n", self.header));
        for entry in &self.entries {
            let mark = if entry.suggested { "# " } else { "" };
            text.push_str(&format!("{mark}{} = {}", key(&entry.key), entry.value));
            match &entry.comment {
                Some(reason) => text.push_str(&format!("  {}", comment(reason))),
                None => text.push('\n'),
            }
        }
        text
    }
}

/// A comment line.
pub(super) fn comment(line: &str) -> String {
    let visible: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!("# {visible}").trim_end().to_owned() + "\n"
}

fn key(key: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if !key.is_empty() && key.chars().all(bare) { key.to_owned() } else { text(key) }
}

/// Text.
#[must_use]
pub fn text(value: &str) -> String {
    let plain = |c: char| !c.is_control() && c != '"' && c != '\\';
    if value.chars().all(plain) {
        return format!("\"{value}\"");
    }
    if !value.contains('\'') && !value.chars().any(char::is_control) {
        return format!("'{value}'");
    }
    let mut out = String::from("\"");
    for c in value.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A command, as a line where that reads well and means the same words, else as a list. The words
/// are templates.
#[must_use]
pub fn command<T: AsRef<str>>(words: &[T]) -> String {
    let line: Vec<String> = words.iter().map(|word| words::quote(word.as_ref())).collect();
    let line = line.join(" ");
    let same = words::split(&line)
        .is_ok_and(|split| split.iter().map(String::as_str).eq(words.iter().map(AsRef::as_ref)));
    if same && !line.contains(['\'', '\\']) { text(&line) } else { texts(words) }
}

/// A line for the shell.
#[must_use]
pub fn shell(line: &str) -> String {
    inline(&[("shell".to_owned(), text(&words::escape_shell_line(line)))])
}

/// A list of text.
#[must_use]
pub fn texts<T: AsRef<str>>(values: &[T]) -> String {
    list(&values.iter().map(|value| text(value.as_ref())).collect::<Vec<_>>())
}

/// A list of values that are TOML already; over several lines where it is long.
#[must_use]
pub fn list(values: &[String]) -> String {
    let line = format!("[{}]", values.join(", "));
    if line.len() <= 90 && !line.contains('\n') {
        return line;
    }
    // A list among them may be over several lines itself.
    let indented: Vec<String> = values.iter().map(|value| value.replace('\n', "\n    ")).collect();
    format!("[\n    {},\n]", indented.join(",\n    "))
}

/// A table on one line, of values that are TOML already.
#[must_use]
pub fn inline(entries: &[(String, String)]) -> String {
    let entries: Vec<String> =
        entries.iter().map(|(name, value)| format!("{} = {value}", text_key(name))).collect();
    if entries.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", entries.join(", ")) }
}

fn text_key(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if !name.is_empty() && name.chars().all(bare) { name.to_owned() } else { text(name) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_text_is_read_back(value in any::<String>()) {
            let document = format!("a = {}\n", text(&value));
            let read: toml::Table = toml::from_str(&document).unwrap();
            prop_assert_eq!(read["a"].as_str(), Some(value.as_str()));
        }
    }

    #[test]
    fn sections_have_comments_and_suggestions() {
        let mut draft = Draft::default();
        draft.preface.push("Made for\nyou.".to_owned());
        let section = draft.section("[app]");
        section.comment("The application.").set("name", text("shop")).because("from the folder");
        section.suggest("x", "1");
        assert_eq!(
            draft.render(),
            "# Made for you.\n\n# The application.\n[app]\nname = \"shop\"  # from the folder\n# x = 1\n"
        );
    }
}
