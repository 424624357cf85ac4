//! Small files of state that tell themselves whether they are whole: one line of JSON, and one with its checksum.
//!
//! They are replaced in one step, so that no crash leaves a half of one. A disk that fails does, or a hand, and JSON
//! alone notices neither a digit that changed nor a letter. What has no second line is of an earlier Windlass, or
//! was cut off right behind what counts. No error says what stands in a file: it may be secret.

use std::io;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use zeroize::Zeroizing;

use crate::layout;
use crate::wiped::{Wiped, to_json};

/// `value` as the text of a file.
///
/// # Errors
/// When it cannot be JSON.
pub(crate) fn text(value: &(impl Serialize + ?Sized)) -> io::Result<Zeroizing<Vec<u8>>> {
    let json = to_json(value)?;
    let sum = sum_of(&json);
    let mut text = Wiped::with_capacity(json.len() + sum.len());
    text.push(&json);
    text.push(sum.as_bytes());
    Ok(text.finish())
}

/// What is wrong with a file that is as it was written.
const OF_ANOTHER: &str = "it is whole, and another Windlass wrote it, most likely a newer one: use that";

/// What stands in the text of a file.
///
/// # Errors
/// What is damaged in it, or that it is whole and not understood.
pub(crate) fn value<T: DeserializeOwned>(text: &[u8]) -> Result<T, &'static str> {
    let end = text.iter().position(|byte| *byte == b'\n').unwrap_or(text.len());
    let (json, rest) = text.split_at(end);
    let is_known_whole = !matches!(rest, b"" | b"\n");
    if is_known_whole && rest != sum_of(json).as_bytes() {
        return Err("its checksum is that of something else");
    }
    serde_json::from_slice(json).map_err(|error| if is_known_whole { OF_ANOTHER } else { kind(&error) })
}

/// Reads a file; `None` where there is none.
///
/// # Errors
/// The system's, and that the file is damaged.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    let text = match std::fs::read(path).map(Zeroizing::new) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => text?,
    };
    value(&text).map(Some).map_err(|why| damaged(path, why))
}

/// Whether a file is there and damaged. Its checksum says that without making anything of it.
///
/// # Errors
/// The system's.
pub(crate) fn is_damaged(path: &Path) -> io::Result<bool> {
    let text = match std::fs::read(path).map(Zeroizing::new) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        text => text?,
    };
    let end = text.iter().position(|byte| *byte == b'\n').unwrap_or(text.len());
    let (json, rest) = text.split_at(end);
    Ok(match rest {
        // One of an earlier Windlass has none.
        b"" | b"\n" => serde_json::from_slice::<serde::de::IgnoredAny>(json).is_err(),
        rest => rest != sum_of(json).as_bytes(),
    })
}

/// Replaces a file by one of mode 0600 with this value, durably.
///
/// # Errors
/// When it cannot be written; the old one is still there then.
pub(crate) fn write(path: &Path, value: &(impl Serialize + ?Sized)) -> io::Result<()> {
    layout::replace_file(path, &text(value)?, 0o600)
}

/// That a file is damaged, or what else is wrong with it.
pub(crate) fn damaged(path: &Path, why: &str) -> io::Error {
    let what = if why == OF_ANOTHER { "cannot be understood" } else { "is damaged" };
    io::Error::new(io::ErrorKind::InvalidData, format!("{} {what} ({why})", path.display()))
}

/// What is wrong with JSON, without what stands in it.
pub(crate) fn kind(error: &serde_json::Error) -> &'static str {
    match error.classify() {
        Category::Io => "it cannot be read",
        Category::Syntax => "it is no JSON",
        Category::Data => "something in it is missing or of the wrong kind",
        Category::Eof => "its end is missing",
    }
}

/// The end of the first line, and the second.
fn sum_of(json: &[u8]) -> String {
    format!("\nblake3 {}\n", blake3::hash(json).to_hex())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_read_as_it_was_written_and_as_earlier_programs_wrote_it() {
        let whole = text(&["a\nb", "c"]).unwrap();
        assert_eq!(value::<Vec<String>>(&whole), Ok(vec!["a\nb".to_owned(), "c".to_owned()]));
        for earlier in ["[1,2]", "[1,2]\n"] {
            assert_eq!(value::<Vec<u8>>(earlier.as_bytes()), Ok(vec![1, 2]));
        }
    }

    #[test]
    fn whether_one_is_damaged_is_known_without_its_value() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("values.json");
        assert!(!is_damaged(&path).unwrap());
        let whole = text(&["a", "b"]).unwrap();
        for (text, damaged) in [
            (whole.to_vec(), false),
            (b"[1,2]".to_vec(), false),
            (b"[1,2".to_vec(), true),
            ([b"[", &whole[..]].concat(), true),
            (whole[..whole.len() - 2].to_vec(), true),
        ] {
            std::fs::write(&path, &text).unwrap();
            assert_eq!(is_damaged(&path).unwrap(), damaged, "{}", String::from_utf8_lossy(&text));
        }
    }

    #[test]
    fn what_is_whole_and_not_understood_is_not_called_damaged() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("values.json");
        std::fs::write(&path, text(&["a"]).unwrap()).unwrap();
        let error = read::<Vec<u8>>(&path).unwrap_err().to_string();
        assert!(
            error.contains("values.json cannot be understood (it is whole, and another Windlass"),
            "{error}"
        );
        assert!(!is_damaged(&path).unwrap());
    }

    #[test]
    fn no_error_says_what_stands_there() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("values.json");
        std::fs::write(&path, r#"{"KEY":4711}"#).unwrap();
        let error = read::<std::collections::BTreeMap<String, String>>(&path).unwrap_err().to_string();
        assert!(
            error.ends_with("values.json is damaged (something in it is missing or of the wrong kind)"),
            "{error}"
        );
        assert_eq!(read::<u8>(&place.path().join("none")).unwrap(), None);
    }
}
