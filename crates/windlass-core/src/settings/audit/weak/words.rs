//! What is tried first, and whether a text is made of nothing else.

/// What is tried first, and what stands in examples; with them seasons and months, which passwords that have to be changed
/// are made of. Sorted.
pub(super) const KNOWN: [&str; 88] = [
    "123456",
    "1234567",
    "12345678",
    "123456789",
    "1234567890",
    "abc123",
    "admin",
    "admin123",
    "adminadmin",
    "administrator",
    "april",
    "august",
    "autumn",
    "baseball",
    "batman",
    "change",
    "changeit",
    "changeme",
    "changethis",
    "december",
    "default",
    "demo",
    "dev",
    "development",
    "dragon",
    "dummy",
    "example",
    "fall",
    "february",
    "fillmein",
    "foobar",
    "football",
    "guest",
    "hello",
    "herbst",
    "hunter2",
    "iloveu",
    "iloveyou",
    "insecure",
    "january",
    "july",
    "june",
    "letmein",
    "login",
    "march",
    "mariadb",
    "master",
    "may",
    "minioadmin",
    "mongodb",
    "monkey",
    "mysecret",
    "mysecretpassword",
    "mysql",
    "none",
    "november",
    "october",
    "passw0rd",
    "password",
    "password1",
    "postgres",
    "princess",
    "qwerty",
    "rabbitmq",
    "redis",
    "replaceme",
    "root",
    "secret",
    "secretkey",
    "september",
    "shadow",
    "sommer",
    "spring",
    "summer",
    "sunshine",
    "superman",
    "supersecret",
    "test",
    "testing",
    "todo",
    "trustno1",
    "unsafe",
    "welcome",
    "whatever",
    "winter",
    "yourpassword",
    "yourpasswordhere",
    "yoursecretkey",
];

/// What stands between such words, or beside them: `your_password_here`; sorted.
const GLUE: [&str; 63] = [
    "a",
    "access",
    "an",
    "and",
    "api",
    "app",
    "be",
    "change",
    "database",
    "db",
    "enter",
    "fill",
    "for",
    "here",
    "in",
    "insert",
    "is",
    "it",
    "key",
    "live",
    "local",
    "me",
    "my",
    "new",
    "not",
    "now",
    "of",
    "oh",
    "pass",
    "passwd",
    "please",
    "private",
    "prod",
    "production",
    "put",
    "pw",
    "pwd",
    "random",
    "replace",
    "server",
    "set",
    "site",
    "so",
    "some",
    "staging",
    "string",
    "super",
    "temp",
    "temporary",
    "the",
    "this",
    "to",
    "tochange",
    "token",
    "top",
    "user",
    "value",
    "very",
    "web",
    "word",
    "xxx",
    "you",
    "your",
];

/// What a hand writes that goes along the keys, in both directions.
const ROWS: [&str; 9] = [
    "1234567890",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiop",
    "qwertzuiop",
    "azertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm",
    "1q2w3e4r5t6y7u8i9o0p",
];

/// Fewer keys in a row turn up by chance.
const SHORTEST_ROW: usize = 3;

/// As many digits are hung on to a word, such as a year.
const MOST_DIGITS: usize = 4;

/// Longer texts are not looked at: whoever writes so many words has thought of something.
const LONGEST: usize = 64;

/// Whether a text is made of words and rows of keys that are tried first, and of the name `app`, however it is
/// written: `P@ssw0rd-2024`, `1qaz2wsx`.
pub(super) fn is_made_of_words(text: &str, app: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let trimmed = lower.trim_matches(|c: char| !c.is_alphanumeric());
    if !(SHORTEST_ROW..=LONGEST).contains(&trimmed.len()) || !trimmed.is_ascii() {
        return false;
    }
    let word = trimmed.trim_end_matches(|c: char| c.is_ascii_digit());
    // Letters and digits alone, those of the word as they may be meant.
    let bare = |one: Option<char>| {
        let mut form = String::with_capacity(trimmed.len());
        for (at, byte) in trimmed.bytes().enumerate() {
            let c = char::from(byte);
            let meant = one.filter(|_| at < word.len()).map_or(c, |one| letter(c, one));
            form.extend(Some(meant).filter(char::is_ascii_alphanumeric));
        }
        form
    };
    // Most texts have none of these letters, and are the same in all.
    let mut forms = [bare(None), bare(Some('l')), bare(Some('i'))].to_vec();
    forms.dedup();
    forms.iter().any(|form| is_split(form, app))
}

/// The letter that a character is written for; a one is written for two of them.
fn letter(c: char, one: char) -> char {
    match c {
        '0' => 'o',
        '1' | '!' => one,
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        '8' => 'b',
        c => c,
    }
}

/// Whether the text falls into pieces that are known. Short words alone, be they many, are a phrase.
fn is_split(text: &str, app: &str) -> bool {
    // For each beginning that does, whether more than words between others is in it.
    let mut reached: Vec<Option<bool>> = vec![None; text.len() + 1];
    reached[0] = Some(false);
    for from in 0..text.len() {
        let Some(before) = reached[from] else { continue };
        let rest = &text[from..];
        let mut reach = |length: usize, is_first: bool| {
            let to = &mut reached[from + length];
            *to = Some(to.unwrap_or_default() || before || is_first);
        };
        (SHORTEST_ROW..=row_at(rest)).for_each(|length| reach(length, true));
        if !app.is_empty() && rest.starts_with(app) {
            reach(app.len(), true);
        }
        beginning(&KNOWN, rest).for_each(|word| reach(word.len(), true));
        beginning(&GLUE, rest).for_each(|word| reach(word.len(), false));
        if from > 0 && rest.len() <= MOST_DIGITS && rest.bytes().all(|b| b.is_ascii_digit()) {
            reach(rest.len(), false);
        }
    }
    let words = reached[text.len()];
    words == Some(true) || (words == Some(false) && text.len() < 16)
}

/// Those of the sorted `words` that `text` begins with.
fn beginning(words: &[&'static str], text: &str) -> impl Iterator<Item = &'static str> {
    let first = text.bytes().next();
    let from = words.partition_point(|word| word.bytes().next() < first);
    let alike = words[from..].iter().copied().take_while(move |word| word.bytes().next() == first);
    alike.filter(|word| text.starts_with(*word))
}

/// How far the beginning of a text goes along a row of keys, there or back.
fn row_at(text: &str) -> usize {
    let text = text.as_bytes();
    let along =
        |row: &mut dyn Iterator<Item = u8>| row.zip(text).take_while(|(key, byte)| key == *byte).count();
    let from = |row: &'static str| {
        let row = row.as_bytes();
        (0..row.len())
            .filter(|at| text.first() == Some(&row[*at]))
            .map(move |at| (row, at))
            .map(|(row, at)| {
                along(&mut row[at..].iter().copied()).max(along(&mut row[..=at].iter().rev().copied()))
            })
            .max()
            .unwrap_or_default()
    };
    ROWS.iter().map(|row| from(row)).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_are_found_where_they_are_looked_for() {
        assert!(KNOWN.is_sorted() && GLUE.is_sorted());
    }

    #[test]
    fn what_is_tried_first_is_known_however_it_is_written() {
        let weak = "123456789 password123 P@ssw0rd P@ssw0rd123! qwerty123 qwertyuiop iloveyou 1q2w3e4r 1qaz2wsx admin1234 \
                    letmein1 sunshine mysecretpassword minioadmin rabbitmq change-this changethis your_password_here \
                    fill-me-in 12341234 shop-password Shop2024 4dm1n S3cr3t! root/root zyxwvu 0987654321 asdf1234 \
                    admin.password postgres_prod trustno1 Summer2024! winter-23 May2025";
        for text in weak.split_whitespace() {
            assert!(is_made_of_words(text, "shop"), "{text}");
        }
        let good = "correct-horse Zk31-blau-Fenster fx81jq0Lp password-of-Ada-Zk31 8301 n4Vw0qkTz8Lr2Xy ü123456 Summer-Zk31 marching-2024-blau";
        for text in good.split_whitespace() {
            assert!(!is_made_of_words(text, "shop"), "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_random_is_known(
            text in "[A-Za-z0-9+/]{16}|[0-9a-f]{16}|[a-z]{16}|[A-Za-z0-9]{12}",
        ) {
            prop_assert!(!is_made_of_words(&text, "shop"), "{}", text);
        }
    }
}
