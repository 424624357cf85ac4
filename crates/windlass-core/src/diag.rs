//! What is wrong with a manifest: where, why, and what to write instead.

mod masked;

pub use masked::masked;

use std::ops::Range;

use serde::Serialize;

/// One fault, or one warning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diag {
    /// A stable name for this kind of fault, such as `unknown-key`.
    pub code: &'static str,
    /// Whether it stops a deploy.
    pub severity: Severity,
    /// What is wrong, in one sentence.
    pub message: String,
    /// Where, in bytes of the manifest's text.
    pub span: Range<usize>,
    /// What is said at that place; may be empty.
    pub label: String,
    /// What to do.
    pub help: Option<String>,
}

/// Whether a fault stops a deploy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Nothing is deployed.
    Error,
    /// It goes on, but somebody should look at it.
    Warning,
}

impl Diag {
    /// A fault that stops a deploy.
    #[must_use]
    pub fn error(code: &'static str, span: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            message: message.into(),
            span,
            label: String::new(),
            help: None,
        }
    }

    /// A fault that does not.
    #[must_use]
    pub fn warning(code: &'static str, span: Range<usize>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, span, message) }
    }

    /// With what is said at the place itself.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// With what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Whether the other says the same of the same place.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        (self.code, &self.span, &self.message) == (other.code, &other.span, &other.message)
    }

    /// Whether it stops a deploy.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// The line and column of its beginning in `text`, both from 1, in characters.
    #[must_use]
    pub fn position(&self, text: &str) -> (usize, usize) {
        let start = floor_boundary(text, self.span.start);
        let before = &text[..start];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }

    /// As plain text of a few lines, the way compilers write it. Control characters of the source
    /// are shown as `·`, so that a manifest cannot play tricks on a terminal.
    #[must_use]
    pub fn render(&self, text: &str, file: &str) -> String {
        let start = floor_boundary(text, self.span.start);
        let (line_number, column) = self.position(text);
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line = text[line_start..].split('\n').next().unwrap_or_default().trim_end_matches('\r');
        let line = &masked(line);
        let end =
            floor_boundary(text, self.span.end).clamp(start, line_start + line.len().max(start - line_start));
        let width = text[start..end].chars().count().max(1);
        let gutter = " ".repeat(line_number.to_string().len());
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let mut out = format!("{severity}[{}]: {}\n", self.code, visible(&self.message));
        out.push_str(&format!("{gutter}--> {file}:{line_number}:{column}\n"));
        out.push_str(&format!("{gutter} |\n{line_number} | {}\n", visible(line)));
        let marker = format!("{}{} {}", " ".repeat(column - 1), "^".repeat(width), visible(&self.label));
        out.push_str(&format!("{gutter} | {}\n", marker.trim_end()));
        if let Some(help) = &self.help {
            out.push_str(&format!("{gutter} = help: {}\n", visible(help)));
        }
        out
    }
}

/// All of `diags` as plain text, with a last line that counts them.
#[must_use]
pub fn render_all(diags: &[Diag], text: &str, file: &str) -> String {
    render_each(diags, text, file) + &summary(diags) + "\n"
}

/// All of `diags` as plain text, where another line counts them, and others with them.
#[must_use]
pub fn render_each(diags: &[Diag], text: &str, file: &str) -> String {
    diags.iter().map(|diag| diag.render(text, file) + "\n").collect()
}

/// `2 errors, 1 warning`.
#[must_use]
pub fn summary(diags: &[Diag]) -> String {
    let errors = diags.iter().filter(|diag| diag.is_error()).count();
    tally(errors, diags.len() - errors)
}

/// The same of so many.
#[must_use]
pub fn tally(errors: usize, warnings: usize) -> String {
    let count = |number: usize, noun: &str| match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    };
    match warnings {
        0 => count(errors, "error"),
        _ => format!("{}, {}", count(errors, "error"), count(warnings, "warning")),
    }
}

/// Whether any of them stops a deploy.
#[must_use]
pub fn any_error(diags: &[Diag]) -> bool {
    diags.iter().any(Diag::is_error)
}

/// Into the order of the text, each once.
pub(crate) fn sort(diags: &mut Vec<Diag>) {
    diags.sort_by(|a, b| {
        (a.span.start, a.severity, a.span.end, a.code).cmp(&(b.span.start, b.severity, b.span.end, b.code))
    });
    let mut seen = std::collections::HashSet::new();
    diags.retain(|diag| seen.insert((diag.code, diag.span.clone(), diag.message.clone())));
}

fn visible(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c == '\t' {
                ' '
            } else if c.is_control() {
                '·'
            } else {
                c
            }
        })
        .collect()
}

fn floor_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_line_does_not_show_a_password() {
        let text = "a = 1\nurl = \"postgres://u:hunter2@h:x/d\"\n";
        let drawn = Diag::error("bad-address", 12..40, "wrong").render(text, "windlass.toml");
        assert!(drawn.contains("postgres://u:*******@h:x/d") && !drawn.contains("hunter2"), "{drawn}");
    }
}
