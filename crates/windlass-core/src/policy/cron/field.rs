//! What is wrong with a cron expression, field by field: the library says only that something is.

use super::{NotASchedule, parser};

/// A field: what it is called, and what it takes.
type Field = (&'static str, &'static str);

const SECOND: Field = ("second", "0 to 59");
const FIELDS: [Field; 5] = [
    ("minute", "0 to 59"),
    ("hour", "0 to 23"),
    ("day of the month", "1 to 31, or L for the last"),
    ("month", "1 to 12, or JAN to DEC"),
    ("day of the week", "0 to 7 (Sunday is both), or SUN to SAT"),
];

const SHORT: [&str; 5] = ["@hourly", "@daily", "@weekly", "@monthly", "@yearly"];

const EXAMPLE: &str = "\"0 3 * * *\" is every day at 03:00";

/// What is wrong with `text`, of which the library says `why`.
pub(super) fn fault(text: &str, why: &str) -> NotASchedule {
    let words: Vec<&str> = text.split_whitespace().collect();
    let fault =
        |reason: String, help: String| NotASchedule { text: text.to_owned(), reason, help, part: None };
    if let [word] = words.as_slice()
        && word.starts_with('@')
    {
        return fault(format!("{word} is no word for one"), format!("write {}", SHORT.join(", ")));
    }
    let fields = match words.len() {
        5 => FIELDS.to_vec(),
        6 => [&[SECOND], FIELDS.as_slice()].concat(),
        0 => return fault("it is empty".to_owned(), five()),
        1 => return fault("it has 1 field, and not five".to_owned(), five()),
        many => return fault(format!("it has {many} fields, and not five"), five()),
    };
    let alone = |at: usize| {
        let mut others = vec!["*"; words.len()];
        others[at] = words[at];
        parser().parse(&others.join(" "))
    };
    let wrong: Vec<usize> = (0..words.len()).filter(|at| alone(*at).is_err()).collect();
    let (Some(first), name) = (wrong.first(), |at: &usize| format!("the {} {:?}", fields[*at].0, words[*at]))
    else {
        return fault(why.to_owned(), five());
    };
    let (be, takes) = match wrong.as_slice() {
        [_] => ("is", format!("it takes {}", fields[*first].1)),
        _ => (
            "are",
            wrong
                .iter()
                .map(|at| format!("the {} takes {}", fields[*at].0, fields[*at].1))
                .collect::<Vec<_>>()
                .join("; "),
        ),
    };
    let names: Vec<String> = wrong.iter().map(name).collect();
    let reason = format!("{} {be} wrong", names.join(" and "));
    let lone = wrong.len() == 1 && text.matches(words[*first]).count() == 1;
    NotASchedule {
        part: lone.then(|| words[*first].to_owned()),
        ..fault(reason, format!("{takes}; also *, lists (1,15), ranges (1-5) and steps (*/5)"))
    }
}

fn five() -> String {
    format!("five fields: minute, hour, day of month, month, day of week; {EXAMPLE}")
}
