//! What a Dockerfile that a compose file names says of how its image is run.

use std::path::Path;

use windlass_core::manifest::Format;
use windlass_core::manifest::compose::{Image, Recipe};

use super::file::Dockerfile;
use super::paths::Paths;
use super::{in_line, is_plain, moved, shell};
use crate::project::init::files::Files;

/// The image of a recipe, where its Dockerfile lies below `directory`, that of the compose file.
pub(in crate::project) fn image(
    directory: &Path,
    recipe: &Recipe,
    is_installed: fn(&str) -> bool,
) -> Option<Image> {
    let context = inside(&recipe.context)?;
    let dockerfile = inside(&recipe.dockerfile)?;
    let files = Files::of(&directory.join(&context), is_installed).ok()?;
    let stage = Dockerfile::read(&files.read(&dockerfile)?, recipe.target.as_deref()).stage;
    let paths = Paths::of(&stage, &files);
    let words = |line: &String| match serde_json::from_str::<Vec<String>>(line) {
        Ok(words) => called(words.iter().map(|word| moved(word, &paths)).collect(), &words),
        Err(_) => shell::words(in_shell(line, &paths)).into(),
    };
    let is_line = |line: &&String| !line.starts_with('[');
    // The shell form of an ENTRYPOINT takes no CMD.
    let command = stage.command.as_ref().filter(|_| !stage.entry.as_ref().is_some_and(|line| is_line(&line)));
    let below = paths.directory.as_deref().filter(|below| files.has_directory(below)).unwrap_or_default();
    let runs_in = [context.as_str(), below].into_iter().filter(|part| !part.is_empty());
    let runs_in = runs_in.collect::<Vec<_>>().join("/");
    let env = stage.env.iter().filter_map(|(key, value)| Some((key.clone(), moved(value.as_ref()?, &paths))));
    Some(Image {
        entrypoint: stage.entry.as_ref().map(words),
        command: command.map(words),
        env: env.collect(),
        ports: stage.ports.clone(),
        user: stage.user.clone(),
        stop_signal: stage.stop_signal.clone(),
        directory: Some(runs_in).filter(|path| Format::Path.check(path).is_ok()),
    })
}

/// A path that leads nowhere out, empty for the place itself.
fn inside(path: &str) -> Option<String> {
    let is_outside = path.starts_with('/') || path.contains("://") || path.contains(['$', '\0']);
    let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    (!is_outside && !parts.contains(&"..")).then(|| parts.join("/"))
}

/// A program without a slash is looked for on the PATH.
fn called(mut moved: Vec<String>, words: &[String]) -> Vec<String> {
    if let (Some(first), Some(word)) = (moved.first_mut(), words.first())
        && word.contains('/')
        && !first.contains('/')
    {
        first.insert_str(0, "./");
    }
    moved
}

fn in_shell(line: &str, paths: &Paths) -> String {
    let line: String = line.chars().filter(|c| !c.is_control()).collect();
    match is_plain(&line) {
        true => line.split(' ').map(|word| in_line(word, paths)).collect::<Vec<_>>().join(" "),
        false => line,
    }
}
