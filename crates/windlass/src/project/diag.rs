//! Showing faults: drawn at their lines for a terminal, plain, or as JSON.

use std::fmt;

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, Severity, SourceCode,
};
use serde_json::{Value, json};
use windlass_core::diag::{self, Diag};

/// How faults are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Whether colours may be used. Without, the text is plain ASCII.
    pub color: bool,
    /// Columns of the terminal.
    pub width: usize,
}

/// All of `diags`, each at its line of `text`.
#[must_use]
pub fn render(diags: &[Diag], text: &str, file: &str, style: Style) -> String {
    if !style.color {
        return diag::render_each(diags, text, file);
    }
    // What would move the cursor is shown as a dot of the same length, so that spans stay right.
    let visible: String = diag::masked(text).chars().map(harmless).collect();
    let source = NamedSource::new(file, visible);
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode())
        .with_width(style.width.clamp(40, 200))
        .with_context_lines(1);
    let mut out = String::new();
    for diag in diags {
        // Writing to a string does not fail.
        let _ = handler.render_report(&mut out, &Drawn { diag, source: &source, length: text.len() });
        out.push('\n');
    }
    out
}

/// All of `diags` as JSON, with line and column (from 1, in characters) beside the bytes.
#[must_use]
pub fn to_json(diags: &[Diag], text: &str, file: &str) -> Vec<Value> {
    diags
        .iter()
        .map(|diag| {
            let (line, column) = diag.position(text);
            json!({
                "code": diag.code,
                "severity": diag.severity,
                "message": diag.message,
                "label": diag.label,
                "help": diag.help,
                "file": file,
                "line": line,
                "column": column,
                "start": diag.span.start,
                "end": diag.span.end,
            })
        })
        .collect()
}

fn harmless(c: char) -> char {
    // One byte for one byte: the control characters beyond ASCII have two, as the dot has.
    match c {
        '\n' | '\t' => c,
        c if c.is_ascii_control() => '?',
        c if c.is_control() => '·',
        c => c,
    }
}

#[derive(Debug)]
struct Drawn<'a> {
    diag: &'a Diag,
    source: &'a NamedSource<String>,
    length: usize,
}

impl fmt::Display for Drawn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.diag.message.chars().map(harmless).collect::<String>())
    }
}

impl std::error::Error for Drawn<'_> {}

impl Diagnostic for Drawn<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.diag.code))
    }

    fn severity(&self) -> Option<Severity> {
        Some(if self.diag.is_error() { Severity::Error } else { Severity::Warning })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let help = self.diag.help.as_ref()?;
        Some(Box::new(help.chars().map(harmless).collect::<String>()))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let start = self.diag.span.start.min(self.length);
        let end = self.diag.span.end.clamp(start, self.length);
        let label = if self.diag.label.is_empty() { "here" } else { &self.diag.label };
        let label = label.chars().map(harmless).collect();
        Some(Box::new(std::iter::once(LabeledSpan::new(Some(label), start, end - start))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use windlass_core::manifest;

    const TEXT: &str = "[app]\nname = \"shop\"\n\n[services.web]\ncomand = \"run\"\n";

    #[test]
    fn a_fault_is_drawn_at_its_line() {
        let (_, diags) = manifest::load(TEXT);
        let drawn = render(&diags, TEXT, "windlass.toml", Style { color: true, width: 80 });
        let text = console::strip_ansi_codes(&drawn).into_owned();
        assert!(text.contains("comand = \"run\""), "{text}");
        assert!(text.contains("did you mean `command`?"), "{text}");
        assert!(text.contains("windlass.toml:5:1"), "{text}");
        assert!(drawn.contains("\u{1b}["), "there are colours");
        let plain = render(&diags, TEXT, "windlass.toml", Style { color: false, width: 80 });
        assert!(!plain.contains('\u{1b}') && plain.contains("error[unknown-key]"), "{plain}");
    }

    #[test]
    fn json_has_lines_and_columns() {
        let (_, diags) = manifest::load(TEXT);
        let json = to_json(&diags, TEXT, "windlass.toml");
        assert_eq!((json[0]["line"].as_u64(), json[0]["column"].as_u64()), (Some(5), Some(1)));
        assert_eq!(json[0]["severity"], "error");
    }

    #[test]
    fn a_manifest_cannot_move_the_cursor() {
        let text = "[app]\nname = \"shop\"\n\"\\u001b[2Jx\" = 1\n# \u{1b}[2J\u{9b}\n";
        let (_, diags) = manifest::load(text);
        let drawn = render(&diags, text, "windlass.toml", Style { color: true, width: 80 });
        assert!(!drawn.contains("\u{1b}[2J") && !drawn.contains('\u{9b}'), "{drawn:?}");
    }
}
