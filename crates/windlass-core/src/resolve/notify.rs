//! Who is told when something happens.

use super::read::Reader;
use crate::manifest::Node;
use crate::manifest::fields::NOTIFY;
use crate::spec::{MessageFormat, Notify, Occasion, Template};

/// An address that is told; `None` where the address is missing or refused.
pub(super) fn notify(node: &Node) -> Option<Notify> {
    let read = Reader::new(&NOTIFY, Some(node));
    let url = Template::parse(read.text("url")?).ok()?;
    let typed = read.texts("on");
    let wanted = |occasion: &Occasion| match read.given("on") {
        Some(_) => typed.iter().any(|word| word == occasion.word()),
        None => *occasion != Occasion::Deployed,
    };
    let on = Occasion::ALL.into_iter().filter(wanted).collect();
    let format = match read.text("format") {
        Some("slack") => MessageFormat::Slack,
        _ => MessageFormat::Json,
    };
    Some(Notify { url, on, format })
}
