//! Crontabs: what they run, and when.

use super::quantity::duration;
use crate::manifest::Format;
use crate::manifest::format::is_env_name;

/// How the program that reads it reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dialect {
    /// The account stands between the schedule and the command.
    pub(super) names_accounts: bool,
    /// `%` ends the command, and what follows is its standard input.
    pub(super) has_input: bool,
}

/// A line of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) schedule: String,
    pub(super) command: String,
    /// The account that it runs as, where that is not root.
    pub(super) account: Option<String>,
    /// What the lines above set for it.
    pub(super) env: Vec<(String, String)>,
    /// The time zone that they set.
    pub(super) zone: Option<String>,
}

/// All that it says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Crontab {
    pub(super) entries: Vec<Entry>,
    /// Its lines that no cron job can be made of, and why.
    pub(super) unread: Vec<(usize, &'static str)>,
    /// Its lines that set how its commands are started, and the variable.
    pub(super) unset: Vec<(usize, &'static str)>,
}

/// Variables that change how a command is started, and what it finds.
const OF_START: [&str; 3] = ["SHELL", "PATH", "HOME"];

/// Variables that cron reads itself, or that are none of the job's here.
const OF_CRON: [&str; 6] = ["SHELL", "PATH", "HOME", "LOGNAME", "MAILTO", "MAILFROM"];

/// Reads the text of a crontab.
pub(super) fn read(text: &str, dialect: Dialect) -> Crontab {
    let mut read = Crontab::default();
    let (mut env, mut zone): (Vec<(String, String)>, Option<String>) = (Vec::new(), None);
    for (at, line) in text.lines().map(str::trim).enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some((name, value)) = assignment(line) {
            match name {
                "CRON_TZ" | "TZ" if Format::TimeZone.check(value).is_ok() => zone = Some(value.to_owned()),
                // This is what starts a command here.
                "SHELL" if value == "/bin/sh" => {}
                name if OF_CRON.contains(&name) => {
                    let told = OF_START.into_iter().find(|known| *known == name);
                    read.unset.extend(told.map(|name| (at + 1, name)));
                }
                name => {
                    env.retain(|(known, _)| known != name);
                    env.push((name.to_owned(), value.to_owned()));
                }
            }
            continue;
        }
        match entry(line, dialect) {
            Ok(Line { schedule, command, account }) => {
                let account = account.filter(|account| account != "root");
                let (env, zone) = (env.clone(), zone.clone());
                read.entries.push(Entry { schedule, command, account, env, zone });
            }
            Err(why) => read.unread.push((at + 1, why)),
        }
    }
    read
}

/// `NAME = value`, in quotes or not.
fn assignment(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    let quoted = ['"', '\''].into_iter().find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote));
    is_env_name(name).then_some((name, quoted.unwrap_or(value)))
}

/// What a line says by itself.
struct Line {
    schedule: String,
    command: String,
    account: Option<String>,
}

/// Reads a line.
fn entry(line: &str, dialect: Dialect) -> Result<Line, &'static str> {
    let count = if line.starts_with('@') { 1 } else { 5 };
    let (fields, mut rest) = words(line, count).ok_or("has no schedule and command")?;
    let written = match years(rest) {
        // With seconds in front and years behind, as supercronic reads it.
        Some((sixth, behind)) if count == 5 && years(behind).is_some() => {
            rest = years(behind).map_or(behind, |(_, rest)| rest);
            format!("{} {sixth}", fields.join(" "))
        }
        Some((_, behind)) if count == 5 => {
            rest = behind;
            fields.join(" ")
        }
        _ => fields.join(" "),
    };
    let schedule = schedule(&written).ok_or("has a schedule that has no counterpart")?;
    let mut account = None;
    if dialect.names_accounts {
        let (named, behind) = words(rest, 1).ok_or("names no account")?;
        account = named.first().map(|name| (*name).to_owned());
        rest = behind;
    }
    let command = match dialect.has_input {
        true => without_input(rest).ok_or("has a % behind which its standard input stands")?,
        false => rest.to_owned(),
    };
    let command = without_redirection(&command).to_owned();
    if command.is_empty() || command.chars().any(char::is_control) {
        return Err("has no command that can be read");
    }
    Ok(Line { schedule, command, account })
}

/// The first words, and what follows them.
fn words(text: &str, count: usize) -> Option<(Vec<&str>, &str)> {
    let mut rest = text.trim_start();
    let mut words = Vec::new();
    for _ in 0..count {
        let end = rest.find([' ', '\t'])?;
        words.push(&rest[..end]);
        rest = rest[end..].trim_start();
    }
    (!rest.is_empty()).then_some((words, rest))
}

/// A field that can be no command's first word, as one for years, and what follows it.
fn years(text: &str) -> Option<(&str, &str)> {
    let (words, rest) = words(text, 1)?;
    (words[0] == "*" || words[0].starts_with("*/")).then_some((words[0], rest))
}

/// A schedule as the manifest has it.
pub(super) fn schedule(text: &str) -> Option<String> {
    let made = match text.split_once(' ').unwrap_or((text, "")) {
        ("@every", every) => paced(every.trim())?,
        ("@midnight", "") => "@daily".to_owned(),
        ("@annually", "") => "@yearly".to_owned(),
        _ => text.to_owned(),
    };
    Format::Schedule.check(&made).is_ok().then_some(made)
}

/// A pace that the clock on the wall has as well.
fn paced(every: &str) -> Option<String> {
    let seconds = duration(every)?.as_millis().checked_div(1000)?;
    let step = |number: u64| if number == 1 { "*".to_owned() } else { format!("*/{number}") };
    match seconds {
        1..60 if 60 % seconds == 0 => Some(format!("{} * * * * *", step(seconds))),
        60..3600 if seconds % 60 == 0 && 3600 % seconds == 0 => {
            Some(format!("{} * * * *", step(seconds / 60)))
        }
        3600..86_400 if seconds % 3600 == 0 && 86_400 % seconds == 0 => {
            Some(format!("0 {} * * *", step(seconds / 3600)))
        }
        86_400 => Some("@daily".to_owned()),
        604_800 => Some("@weekly".to_owned()),
        _ => None,
    }
}

/// The command with `%` where it is escaped. `None` where input follows.
fn without_input(command: &str) -> Option<String> {
    let plain = command.replace("\\%", "\u{0}");
    (!plain.contains('%')).then(|| plain.replace('\u{0}', "%"))
}

/// Where a container's own output is, to which a process writes here without being told.
const OUTPUTS: [&str; 6] =
    ["/proc/1/fd/1", "/proc/1/fd/2", "/proc/self/fd/1", "/proc/self/fd/2", "/dev/stdout", "/dev/stderr"];

/// The command without what sends its output to that of the container.
fn without_redirection(command: &str) -> &str {
    let mut kept = command.trim();
    let mut rest = kept;
    loop {
        if let Some(before) = rest.strip_suffix("2>&1").or_else(|| rest.strip_suffix("1>&2")) {
            rest = before.trim_end();
            continue;
        }
        let target = OUTPUTS.iter().find_map(|target| {
            let before = rest.strip_suffix(target)?.trim_end();
            let before = before.strip_suffix('>')?;
            let before = before.strip_suffix('>').unwrap_or(before);
            Some(before.strip_suffix(['1', '2', '&']).filter(|word| word.ends_with(' ')).unwrap_or(before))
        });
        let Some(before) = target else { return kept };
        rest = before.trim_end();
        kept = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Dialect = Dialect { names_accounts: false, has_input: false };

    fn one(line: &str, dialect: Dialect) -> String {
        let read = read(line, dialect);
        match (read.entries.as_slice(), read.unread.as_slice()) {
            ([entry], []) => format!("{} | {}", entry.schedule, entry.command),
            ([], [(_, why)]) => (*why).to_owned(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn a_line_is_a_schedule_and_a_command() {
        for (line, said) in [
            ("0 3 * * *  python manage.py clear", "0 3 * * * | python manage.py clear"),
            ("*/5\t*\t*\t*\tMON-FRI\t./x --a  'b c'", "*/5 * * * MON-FRI | ./x --a  'b c'"),
            ("@daily ./x", "@daily | ./x"),
            ("@midnight ./x", "@daily | ./x"),
            ("@reboot ./x", "has a schedule that has no counterpart"),
            ("0 3 * * * * ./x", "0 3 * * * | ./x"),
            ("*/10 0 3 * * * * ./x", "*/10 0 3 * * * | ./x"),
            ("0 25 * * * ./x", "has a schedule that has no counterpart"),
            ("0 3 * * *", "has no schedule and command"),
            ("0 3 * * * ./x >> /proc/1/fd/1 2>&1", "0 3 * * * | ./x"),
            ("0 3 * * * ./x >/proc/1/fd/1 2>/proc/1/fd/2", "0 3 * * * | ./x"),
            ("0 3 * * * ./x > /dev/stdout", "0 3 * * * | ./x"),
            ("0 3 * * * ./x >> /var/log/x 2>&1", "0 3 * * * | ./x >> /var/log/x 2>&1"),
            ("0 3 * * * date +%F", "0 3 * * * | date +%F"),
        ] {
            assert_eq!(one(line, PLAIN), said, "{line}");
        }
        let of_system = Dialect { names_accounts: true, has_input: true };
        for (line, said) in [
            ("0 3 * * * root date +\\%F", "0 3 * * * | date +%F"),
            ("0 3 * * * root mail%hello", "has a % behind which its standard input stands"),
            ("0 3 * * * root", "names no account"),
            ("@hourly root ./x", "@hourly | ./x"),
        ] {
            assert_eq!(one(line, of_system), said, "{line}");
        }
    }

    #[test]
    fn what_is_set_holds_for_the_lines_below_it() {
        let read = read(
            "# comment\nMAILTO=\"\"\nCRON_TZ=Europe/Berlin\n0 1 * * * ./a\nLEVEL = \"info\"\n\n0 2 * * * ./b\n",
            PLAIN,
        );
        let zone = Some("Europe/Berlin".to_owned());
        assert!(read.entries.iter().all(|entry| entry.zone == zone), "{read:?}");
        assert_eq!(read.entries[0].env, []);
        assert_eq!(read.entries[1].env, [("LEVEL".to_owned(), "info".to_owned())]);
    }

    #[test]
    fn what_a_line_runs_as_and_how_it_is_started_is_not_lost() {
        let of_system = Dialect { names_accounts: true, has_input: true };
        let text = "SHELL=/bin/sh\nSHELL=/bin/bash\nPATH=/opt/bin\nMAILTO=a\n0 1 * * * www-data ./a\n@daily root ./b\n";
        let read = read(text, of_system);
        let accounts: Vec<_> = read.entries.iter().map(|entry| entry.account.as_deref()).collect();
        assert_eq!(accounts, [Some("www-data"), None]);
        assert_eq!(read.unset, [(2, "SHELL"), (3, "PATH")]);
    }

    #[test]
    fn a_pace_is_one_of_the_clock_on_the_wall() {
        for (every, made) in [
            ("@every 10s", Some("*/10 * * * * *")),
            ("@every 1m", Some("* * * * *")),
            ("@every 15m", Some("*/15 * * * *")),
            ("@every 1h", Some("0 * * * *")),
            ("@every 6h", Some("0 */6 * * *")),
            ("@every 24h", Some("@daily")),
            ("@every 7m", None),
            ("@every 90m", None),
            ("@every never", None),
        ] {
            assert_eq!(schedule(every).as_deref(), made, "{every}");
        }
    }
}
