//! The shell form of a Dockerfile's lines.

/// The words that Docker makes of a line of the shell form.
pub(super) fn words(line: String) -> [String; 3] {
    ["/bin/sh".to_owned(), "-c".to_owned(), line]
}
