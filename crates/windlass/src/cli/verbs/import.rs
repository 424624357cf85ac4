//! `windlass import compose FILE`

use std::io;
use std::path::Path;

use crate::cli::args;
use crate::cli::context::{Context, complain};
use crate::cli::failure::Failure;
use crate::project::adopt::{NotImported, convert, import};
use crate::project::init::COMPOSE;

pub(in crate::cli) fn run(context: &Context, args: &args::Import) -> Result<u8, Failure> {
    context.takes_no_manifest("import")?;
    let failed = |error| refused(&args.path, error);
    if args.stdout {
        let (_, imported) = convert(&args.path).map_err(failed)?;
        let text = imported.annotated();
        context.print(&serde_json::json!({ "manifest": text }), || text.trim_end().to_owned());
        return Ok(0);
    }
    let written = import(&args.path, args.force).map_err(failed)?;
    let notes: Vec<String> = written.imported.notes.iter().map(ToString::to_string).collect();
    let document = serde_json::json!({ "path": written.path, "not_carried_over": notes });
    context.print(&document, || format!("Wrote {}.", written.path.display()));
    if !context.options.json && !notes.is_empty() {
        complain(&format!("Not carried over from {}:", args.path.display()));
        notes.iter().for_each(|note| complain(&format!("  {note}")));
    }
    if !context.options.json {
        complain("Next: windlass check");
    }
    Ok(0)
}

/// Whose fault it is that nothing was written, and what to do.
fn refused(path: &Path, error: NotImported) -> Failure {
    let name = path.display();
    match error {
        NotImported::Fault(note) => Failure::usage(
            format!("{name} cannot be imported: {note}"),
            "mend that line, and import it again",
        ),
        NotImported::Unread(error) => {
            Failure::usage(format!("{name} cannot be read: {}", reason(&error)), hint(path, &error))
        }
        NotImported::Unwritten(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Failure::usage(error.to_string(), "")
        }
        NotImported::Unwritten(error) => Failure::failed(
            format!("the manifest cannot be written beside {name}: {error}"),
            "see to it that the directory can be written to and has space",
        ),
    }
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        io::ErrorKind::InvalidData => "it is not UTF-8 text".to_owned(),
        _ => error.to_string(),
    }
}

fn hint(path: &Path, error: &io::Error) -> String {
    let directory = match error.kind() {
        io::ErrorKind::IsADirectory => path,
        io::ErrorKind::NotFound => path.parent().unwrap_or(path),
        io::ErrorKind::PermissionDenied => return "make it readable for your account".to_owned(),
        _ => return "name a compose file: windlass import compose FILE".to_owned(),
    };
    let there = COMPOSE.iter().map(|name| directory.join(name)).find(|path| path.is_file());
    let file = there.map_or_else(|| "FILE".to_owned(), |path| path.display().to_string());
    format!("name the compose file: windlass import compose {file}")
}
