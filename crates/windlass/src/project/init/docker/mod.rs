//! A Dockerfile alone: what it starts and exposes is carried over, what it builds is not.

use windlass_core::manifest::draft;

use super::files::Files;
use super::sketch::Sketch;

pub(super) fn sketch(files: &Files) -> Option<Sketch> {
    let text = files.read("Dockerfile")?;
    let mut sketch = Sketch::new("Dockerfile");
    let (mut entry, mut command, mut port, mut runs) = (None, None, None, 0);
    for line in logical_lines(&text) {
        let Some((instruction, rest)) = line.trim().split_once(char::is_whitespace) else { continue };
        let rest = rest.trim();
        match instruction.to_ascii_uppercase().as_str() {
            // Only the last stage is started.
            "FROM" => (entry, command, port) = (None, None, None),
            "ENTRYPOINT" => entry = Some(rest.to_owned()),
            "CMD" => command = Some(rest.to_owned()),
            "EXPOSE" => {
                let typed = rest.split(['/', ' ']).next().unwrap_or_default();
                port = typed.parse::<u16>().ok().filter(|port| *port > 0);
            }
            "RUN" => runs += 1,
            "HEALTHCHECK" if !rest.eq_ignore_ascii_case("none") => {
                sketch.note("the HEALTHCHECK was not carried over: say it as `readiness`");
            }
            _ => {}
        }
    }
    let service = sketch.service("web");
    let started = started(entry.as_deref(), command.as_deref());
    let known = started.is_some();
    service.set("command", started.unwrap_or_else(|| draft::command(&["./run"])));
    match port.filter(|port| *port != 8080) {
        Some(port) => {
            service.set("port", port.to_string()).because("\"auto\" once it listens on $PORT");
            service.set("strategy", "\"recreate\"").because("old and new cannot share the port");
        }
        None => {
            service.set("port", "\"auto\"").because("told by $PORT");
        }
    }
    service.set("readiness", "{ tcp = true }").because("better: a path that answers 200");
    if !known {
        sketch.note("the Dockerfile has no CMD: replace the command of services.web");
    }
    if runs > 0 {
        sketch
            .note(format!("its {runs} RUN lines were not carried over: write what they do as [build] steps"));
    }
    Some(sketch)
}

/// Lines, those that end in a backslash joined.
fn logical_lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut open = String::new();
    for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
        match line.trim_end().strip_suffix('\\') {
            Some(begin) => open.push_str(&format!("{begin} ")),
            None => lines.push(std::mem::take(&mut open) + line),
        }
    }
    lines.push(open);
    lines
}

/// ENTRYPOINT and CMD as a command, as TOML.
fn started(entry: Option<&str>, command: Option<&str>) -> Option<String> {
    let list = |text: &str| serde_json::from_str::<Vec<String>>(text).ok();
    let safe = |text: &str| windlass_core::spec::Template::literal(text).to_string();
    let parts: Vec<&str> = [entry, command].into_iter().flatten().collect();
    if parts.iter().all(|part| list(part).is_some()) {
        let words: Vec<String> = parts.iter().filter_map(|part| list(part)).flatten().collect();
        let usable = words.first().is_some_and(|word| !word.is_empty())
            && !words.iter().any(|word| word.contains('\0'));
        return usable.then(|| draft::command(&words.iter().map(|word| safe(word)).collect::<Vec<_>>()));
    }
    // The shell form: an ENTRYPOINT takes no CMD then.
    let line = parts.iter().find(|part| list(part).is_none())?;
    let line: String = line.chars().filter(|c| !c.is_control()).collect();
    Some(draft::shell(&line))
}
