//! The port of an image's program.

use windlass_core::manifest::draft;
use windlass_core::spec::Template;

use super::file::BuildStage;

/// The port that the program listens on, and how it gets to know it.
pub(super) struct Port {
    number: Option<u16>,
    /// It reads `$PORT`.
    told: bool,
    /// `{port}` stands in its command or its environment.
    put_in: bool,
}

impl Port {
    pub(super) fn of(stage: &BuildStage) -> Self {
        let variable = stage.env.iter().find(|(key, _)| key == "PORT");
        let number = variable.and_then(|(_, value)| value.as_deref()?.parse().ok()).filter(|port| *port > 0);
        let lines = [&stage.entry, &stage.command].into_iter().flatten();
        let mut shells = lines.filter(|line| !line.starts_with('['));
        Self {
            number: number.or_else(|| stage.ports.first().copied()),
            told: variable.is_some() || shells.any(|line| line.contains("$PORT") || line.contains("${PORT")),
            put_in: false,
        }
    }

    /// The template of `text`, which listens for the proxy alone, with `{port}` for its port where
    /// it ends in it as a word or behind `:` or `=`.
    pub(super) fn template(&mut self, text: &str) -> String {
        // All addresses of a container are behind its network; those of a process are the machine's.
        let text = text.replace("0.0.0.0", "127.0.0.1");
        let literal = |text: &str| Template::literal(text).to_string();
        let before = self.number.and_then(|port| text.strip_suffix(&port.to_string()));
        match before.filter(|before| before.is_empty() || before.ends_with([':', '='])) {
            Some(before) => {
                self.put_in = true;
                format!("{}{{port}}", literal(before))
            }
            None => literal(&text),
        }
    }

    /// A line for the shell, likewise, with `$PORT` for its port.
    pub(super) fn line(&mut self, line: &str) -> String {
        let line = line.replace("0.0.0.0", "127.0.0.1");
        let Some(number) = self.number.filter(|_| !line.contains(['\'', '"', '\\'])) else { return line };
        let put_in = |word: &str| {
            let before = word.strip_suffix(&number.to_string())?;
            (before.is_empty() || before.ends_with([':', '='])).then(|| format!("{before}$PORT"))
        };
        let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        for word in &mut words {
            if let Some(told) = put_in(word) {
                self.told = true;
                *word = told;
            }
        }
        words.join(" ")
    }

    fn is_fixed(&self) -> bool {
        self.number.is_some() && !self.told && !self.put_in
    }

    pub(super) fn write(&self, service: &mut draft::Section) {
        match self.number.filter(|_| self.is_fixed()) {
            Some(port) => {
                service.set("port", port.to_string()).because("\"auto\" once it listens on $PORT");
                service.set("strategy", "\"recreate\"").because("old and new cannot share the port");
            }
            None => {
                let why = if self.put_in { "put in for {port}" } else { "told by $PORT" };
                service.set("port", "\"auto\"").because(why);
            }
        }
    }
}
