//! How a release misbehaves.

use std::time::Duration;

/// The words of the file `behaviour` that concern one part of the application.
///
/// `PART.WORD` or `PART.WORD:NUMBER`; what the words mean is said where they are looked for.
#[derive(Debug, Clone, Default)]
pub struct Behaviour(Vec<(String, u64)>);

impl Behaviour {
    /// Reads the words for this part.
    #[must_use]
    pub fn of(part: &str) -> Self {
        Self::parse(&std::fs::read_to_string("behaviour").unwrap_or_default(), part)
    }

    fn parse(text: &str, part: &str) -> Self {
        let own = text.split_whitespace().filter_map(|word| word.strip_prefix(part)?.strip_prefix('.'));
        Self(
            own.map(|word| match word.split_once(':') {
                Some((word, number)) => (word.to_owned(), number.parse().unwrap_or_default()),
                None => (word.to_owned(), 0),
            })
            .collect(),
        )
    }

    /// The number of this word, if it is there.
    #[must_use]
    pub fn number(&self, word: &str) -> Option<u64> {
        self.0.iter().find(|(known, _)| known == word).map(|(_, number)| *number)
    }

    /// Whether this word is there.
    #[must_use]
    pub fn has(&self, word: &str) -> bool {
        self.number(word).is_some()
    }

    /// The number of this word as a time in milliseconds.
    #[must_use]
    pub fn time(&self, word: &str) -> Option<Duration> {
        self.number(word).map(Duration::from_millis)
    }
}
