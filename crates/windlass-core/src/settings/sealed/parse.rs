//! Reading the text of a file, strictly.
//!
//! Without the first four lines nothing can be opened, so a fault there is the end of it. A fault in
//! another line takes that line, and the others are still read.

use std::collections::HashSet;
use std::str::SplitInclusive;

use jiff::civil::Date;

use super::document::{Document, Entry, FOLLOWS, Label, NOTHING, Recipient, Wrapped};
use super::key::{PublicKey, Stretch};
use super::version::{MOST_FOLLOWED, Write, number};
use super::{
    HEADER, LARGEST_FILE, LONGEST_NAME, MOST_FAULTS, MOST_PASSPHRASES, MOST_RECIPIENTS, MOST_VALUES, base64,
    value,
};
use crate::name::Name;
use crate::settings::{Fault, Lost, is_setting_name};

/// What a text says.
#[derive(Debug)]
pub struct Parsed {
    /// The lines that could be read; `None` when the first four could not.
    pub document: Option<Document>,
    /// What is wrong, at its line.
    pub faults: Vec<Fault>,
    /// The values whose lines could not be read.
    pub lost: Lost,
}

/// Reads `text`, the content of the file that messages call `file`.
#[must_use]
pub fn parse(file: &str, text: &str) -> Parsed {
    let mut parser = Parser { file, line: 0, labels: HashSet::new(), faults: vec![], lost: Lost::default() };
    let document = parser.document(text);
    if document.is_none() {
        parser.lost.add(Lost::any());
    }
    Parsed { document, faults: parser.faults, lost: parser.lost }
}

/// Where in the file a line may stand.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Section {
    Recipients,
    Entries,
    End,
}

struct Parser<'a> {
    file: &'a str,
    /// The line that is read, from 1.
    line: u32,
    /// Those of the values so far.
    labels: HashSet<Label>,
    faults: Vec<Fault>,
    lost: Lost,
}

/// What is wrong with a line, and what to do.
type Wrong = (String, &'static str);

const RESTORE: &str = "take the line from an earlier version of the file (git log -p), or run `windlass secrets \
                       repair`, which removes what is damaged";
const RESTORE_HEAD: &str = "take the line from an earlier version of the file (git log -p)";

fn wrong(message: impl Into<String>) -> Wrong {
    (message.into(), RESTORE)
}

impl Parser<'_> {
    fn fault(&mut self, (message, help): Wrong) {
        let (file, help) = (self.file.to_owned(), help.to_owned());
        self.faults.push(Fault { file, line: self.line, column: 0, message, help });
    }

    /// Notes whose value a line had that could not be read.
    fn lose(&mut self, line: &str) {
        match line.split_once(" = ") {
            Some(("recipient" | "seal", _)) => {}
            Some((label, _)) => self.lost.name(label.strip_suffix(".pending").unwrap_or(label)),
            None if is_conflict_mark(line) => {}
            None => self.lost.add(Lost::any()),
        }
    }

    fn document(&mut self, text: &str) -> Option<Document> {
        if text.len() > LARGEST_FILE {
            self.fault((
                format!("it has {} bytes, more than the {LARGEST_FILE} allowed", text.len()),
                "keep large things in files of their own",
            ));
            return None;
        }
        // One such line is damaged by itself.
        if text.split_inclusive('\n').next().is_some_and(|first| first.ends_with("\r\n")) {
            self.fault((
                "its line ends were changed to those of Windows".into(),
                "write `secrets.*.enc -text` into .gitattributes, and check the file out again",
            ));
            return None;
        }
        let mut lines = text.split_inclusive('\n');
        let mut document = self.head(&mut lines)?;
        document.follows = self.follows(&mut lines, document.epoch);
        let mut section = Section::Recipients;
        for line in lines {
            self.line += 1;
            let read = match line.strip_suffix('\n') {
                None => Err(wrong("the file ends in the middle of this line")),
                Some(line) => self.body(line, &mut section, &mut document),
            };
            if let Err(wrong) = read {
                self.fault(wrong);
                self.lose(line);
            }
            if self.faults.len() == MOST_FAULTS {
                self.lost.add(Lost::any());
                self.fault(wrong("so much is damaged that the rest was not read"));
                return Some(document);
            }
        }
        if section != Section::End {
            self.lost.add(Lost::any());
            self.line += 1;
            self.fault(wrong("the seal is missing: the file was cut off here"));
        }
        Some(document)
    }

    fn head<'t>(&mut self, lines: &mut impl Iterator<Item = &'t str>) -> Option<Document> {
        let mut field = |prefix: &'static str, accept: &dyn Fn(&str) -> bool| {
            self.line += 1;
            let line = lines.next().and_then(|line| line.strip_suffix('\n')).unwrap_or_default();
            match line.strip_prefix(prefix).filter(|rest| accept(rest)) {
                Some(rest) => Some(rest.to_owned()),
                None => {
                    self.fault(head_fault(prefix, line));
                    None
                }
            }
        };
        field(HEADER, &str::is_empty)?;
        let id = field("id = ", &|text| base64::decode_exactly::<16>(text).is_some())?;
        let environment = field("environment = ", &|text| Name::new(text.to_owned()).is_ok())?;
        let epoch = field("epoch = ", &|text| number(text).is_some())?;
        let epoch = number(&epoch)?;
        Some(Document {
            id,
            environment,
            epoch,
            follows: vec![],
            recipients: vec![],
            entries: vec![],
            seal: None,
        })
    }

    /// The line below the head. Nothing is opened with it: when it is damaged, the rest is read.
    fn follows(&mut self, lines: &mut SplitInclusive<'_, char>, epoch: u64) -> Vec<Write> {
        let fault = || wrong("this line should say which writes of the file came before");
        // When it is gone, it takes no other one with it.
        if lines.clone().next().is_none_or(|line| line.starts_with("recipient = ")) {
            self.line += 1;
            self.fault(fault());
            self.line -= 1;
            return vec![];
        }
        self.line += 1;
        let line = lines.next().and_then(|line| line.strip_suffix('\n')?.strip_prefix(FOLLOWS));
        let read = line.and_then(|text| match text {
            NOTHING => Some(vec![]),
            some => some.splitn(MOST_FOLLOWED + 1, ' ').map(Write::parse).collect::<Option<Vec<_>>>(),
        });
        let is_right = |writes: &Vec<Write>| {
            writes.len() <= MOST_FOLLOWED
                && writes.is_sorted_by(|a, b| a > b)
                && writes.first().is_none_or(|newest| newest.epoch < epoch)
        };
        read.filter(is_right).unwrap_or_else(|| {
            self.fault(fault());
            vec![]
        })
    }

    fn body(&mut self, line: &str, section: &mut Section, document: &mut Document) -> Result<(), Wrong> {
        if is_conflict_mark(line) {
            return Err((
                "git left a conflict here".into(),
                "check one side out (git checkout --ours or --theirs), run `windlass secrets init` to set the merge \
                 driver up, and merge again",
            ));
        }
        if *section == Section::End {
            return Err(wrong("text stands after the seal"));
        }
        let Some((label, rest)) = line.split_once(" = ") else {
            return Err(wrong("this is neither a recipient nor a value nor the seal"));
        };
        match label {
            "recipient" if *section > Section::Recipients => {
                Err(wrong("a recipient stands after the first value"))
            }
            "recipient" => {
                let recipient = self.recipient(rest, document)?;
                document.recipients.push(recipient);
                Ok(())
            }
            "seal" => {
                *section = Section::End;
                let seal = base64::decode_exactly(rest);
                document.seal = Some(seal.ok_or_else(|| wrong("the seal is damaged"))?);
                Ok(())
            }
            _ => {
                *section = Section::Entries;
                let entry = self.entry(label, rest, document)?;
                self.labels.insert(entry.label.clone());
                document.entries.push(entry);
                Ok(())
            }
        }
    }

    fn recipient(&self, rest: &str, document: &Document) -> Result<Recipient, Wrong> {
        let damaged = || wrong("the line of this recipient is damaged");
        let parts: Vec<&str> = rest.splitn(7, ' ').collect();
        let &[name, when, how, public, wrapped, tag] = parts.as_slice() else { return Err(damaged()) };
        if !is_recipient_name(name) {
            return Err(damaged());
        }
        if document.recipients.iter().any(|earlier| earlier.name == name) {
            return Err(wrong(format!("the recipient {name} stands in the file twice")));
        }
        let stretch = match how {
            "x25519" => None,
            how => Some(Stretch::parse(how).ok_or_else(damaged)?),
        };
        let passphrases = document.recipients.iter().filter(|recipient| recipient.stretch.is_some()).count();
        if document.recipients.len() == MOST_RECIPIENTS
            || (stretch.is_some() && passphrases == MOST_PASSPHRASES)
        {
            return Err(wrong(format!(
                "there are more than {MOST_RECIPIENTS} recipients or {MOST_PASSPHRASES} passphrases"
            )));
        }
        let mut wrapped = wrapped.splitn(3, '.');
        let mut part = || wrapped.next().unwrap_or_default();
        let (ephemeral, nonce, key) = (part(), part(), part());
        Ok(Recipient {
            name: name.to_owned(),
            date: date(when).ok_or_else(damaged)?,
            stretch,
            public: PublicKey::parse(public).ok_or_else(damaged)?,
            wrapped: Wrapped {
                ephemeral: base64::decode_exactly(ephemeral).ok_or_else(damaged)?,
                nonce: base64::decode_exactly(nonce).ok_or_else(damaged)?,
                key: base64::decode_exactly(key).ok_or_else(damaged)?,
            },
            tag: base64::decode_exactly(tag).ok_or_else(damaged)?,
            line: self.line,
        })
    }

    fn entry(&self, label: &str, rest: &str, document: &Document) -> Result<Entry, Wrong> {
        let Some(label) = label_of(label) else {
            return Err(wrong("what stands before = is not a name"));
        };
        if self.labels.contains(&label) {
            return Err(wrong(format!("{label} stands in the file twice")));
        }
        if label.pending
            && document.entries.last().map(|last| &last.label) != Some(&Label::in_force(&label.name))
        {
            return Err(wrong(format!("{label} does not stand below {}", label.name)));
        }
        if document.entries.len() == MOST_VALUES {
            return Err(wrong(format!("there are more than {MOST_VALUES} values")));
        }
        let damaged = || wrong(format!("the line of {label} is damaged"));
        let (when, sealed) = rest.split_once(' ').ok_or_else(damaged)?;
        let (nonce, ciphertext) = sealed.split_once('.').ok_or_else(damaged)?;
        if ciphertext.len() > value::LARGEST.div_ceil(3) * 4 {
            return Err(wrong(format!("{label} is longer than any value can be")));
        }
        let (date, nonce) = (date(when), base64::decode_exactly(nonce));
        let ciphertext = base64::decode(ciphertext).ok_or_else(damaged)?;
        let (date, nonce) = date.zip(nonce).ok_or_else(damaged)?;
        Ok(Entry { date, nonce, ciphertext, line: self.line, label })
    }
}

/// Whether git wrote the line, where it could not merge two sides.
fn is_conflict_mark(line: &str) -> bool {
    ["<<<<<<<", "=======", ">>>>>>>", "|||||||"].iter().any(|mark| line.starts_with(mark))
}

fn head_fault(prefix: &'static str, line: &str) -> Wrong {
    if prefix != HEADER {
        let field = prefix.trim_end_matches(" = ");
        return (format!("this line should say which {field} the file has"), RESTORE_HEAD);
    }
    match line.strip_prefix("windlass-secrets ").and_then(number) {
        // Nothing was released that writes it.
        Some(1) => (
            "the file has version 1 of its format, which is not read any more: whoever could write to it could \
             put another one in its place"
                .into(),
            "run `windlass secrets export` of the windlass that wrote it, move the file away, and `secrets init` and \
             `secrets import` here",
        ),
        Some(version) => (
            format!("the file has version {version} of its format, and this windlass knows version 2"),
            "use a newer windlass",
        ),
        None => (
            format!("this is no encrypted file of settings: it does not begin with {HEADER:?}"),
            "restore it from git; `windlass secrets init` makes a new one",
        ),
    }
}

/// A date, as it is written: `2026-11-28`.
fn date(text: &str) -> Option<Date> {
    let plain = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    let date: Date = text.parse().ok().filter(|_| plain)?;
    (date.to_string() == text).then_some(date)
}

fn label_of(text: &str) -> Option<Label> {
    let (name, pending) = match text.strip_suffix(".pending") {
        Some(name) => (name, true),
        None => (text, false),
    };
    is_name(name).then(|| Label { name: name.to_owned(), pending })
}

/// Whether a value can have this name: that of a setting, but for the two words that mean something
/// else at the beginning of a line.
pub(super) fn is_name(text: &str) -> bool {
    is_setting_name(text) && text.len() <= LONGEST_NAME && !["recipient", "seal"].contains(&text)
}

/// Whether a recipient can have this name.
pub(super) fn is_recipient_name(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._@+-".contains(&b))
}
