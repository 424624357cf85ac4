//! The regular expression that a value must match.

use std::fmt;
use std::sync::{Arc, OnceLock};

use regex::{Error, Regex, RegexBuilder};

/// A regular expression that matches a value from its beginning to its end. To compile it costs more
/// than all other checks of a value together, so that is done once for it and its clones, when it is first needed.
#[derive(Clone)]
pub struct Pattern(Arc<Inner>);

struct Inner {
    text: String,
    compiled: OnceLock<Result<Regex, String>>,
}

impl Pattern {
    /// The pattern, as typed in the manifest.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(Arc::new(Inner { text: text.into(), compiled: OnceLock::new() }))
    }

    /// Whether all of `value` matches.
    ///
    /// # Errors
    /// Why it is no pattern.
    pub fn matches(&self, value: &str) -> Result<bool, &str> {
        self.compiled().map(|regex| regex.is_match(value))
    }

    pub(crate) fn compiled(&self) -> Result<&Regex, &str> {
        self.0.compiled.get_or_init(|| compile(&self.0.text)).as_ref().map_err(String::as_str)
    }
}

fn compile(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(&format!(r"\A(?:{pattern})\z")).size_limit(1 << 20).build().map_err(
        |_| match Regex::new(pattern) {
            Err(Error::Syntax(why)) => {
                let last = why.lines().last().unwrap_or_default();
                last.trim_start_matches("error: ").to_owned()
            }
            Err(Error::CompiledTooBig(_)) | Ok(_) => "it is too large".to_owned(),
            Err(why) => why.to_string(),
        },
    )
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.text == other.0.text
    }
}

impl Eq for Pattern {}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0.text)
    }
}
