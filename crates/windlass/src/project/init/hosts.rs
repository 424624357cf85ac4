//! Which hosts the settings of a Django project let be asked for.

use windlass_core::manifest::Format;

/// The name of the list.
const NAME: &str = "ALLOWED_HOSTS";

/// What is known of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hosts {
    /// All are answered.
    Any,
    /// This one is among them.
    One(String),
    /// They stand elsewhere, or there are none.
    Unknown,
}

impl Hosts {
    /// As the first of the texts says that gives the list a value: what begins with another's settings changes them.
    pub(super) fn of<'t>(texts: impl IntoIterator<Item = &'t str>) -> Self {
        let mut hosts = Vec::new();
        for text in texts {
            let Said { list, mut added } = Said::of(text);
            hosts.append(&mut added);
            if let Some(list) = list {
                hosts.splice(0..0, list);
                break;
            }
        }
        if hosts.iter().any(|host| host == "*") {
            return Self::Any;
        }
        let mut hosts = hosts.iter().map(|host| host.trim_start_matches('.'));
        let host = hosts.find(|host| !host.contains('*') && Format::HostPattern.check(host).is_ok());
        host.map_or(Self::Unknown, |host| Self::One(host.to_owned()))
    }
}

/// What one text says.
#[derive(Debug, Default)]
struct Said {
    /// What it makes the list, as far as that is written out; nothing of one that is not.
    list: Option<Vec<String>>,
    /// What it adds to it.
    added: Vec<String>,
}

impl Said {
    fn of(text: &str) -> Self {
        let mut said = Self::default();
        let mut from = 0;
        for line in text.split_inclusive('\n') {
            let after = from + NAME.len();
            let begins = line.starts_with(NAME);
            from += line.len();
            if !begins {
                continue;
            }
            let rest = text[after..].trim_start_matches([' ', '\t']);
            // `ALLOWED_HOSTS: list[str] = [...]`
            let rest = match rest.strip_prefix(':').and_then(|typed| typed.find('=').map(|at| &typed[at..])) {
                Some(rest) => rest,
                None => rest,
            };
            if let Some(value) = rest.strip_prefix("+=") {
                said.added.extend(texts_of_list(value).unwrap_or_default());
            } else if let Some(value) = rest.strip_prefix('=') {
                said.list = Some(texts_of_list(value).unwrap_or_default());
                said.added.clear();
            }
        }
        said
    }
}

/// The elements of a list or tuple that are a text each, over however many lines. `None` where the value is not one, or
/// more is done with it than adding to it.
fn texts_of_list(value: &str) -> Option<Vec<String>> {
    let value = value.trim_start_matches([' ', '\t']);
    let mut rest = value.strip_prefix(['[', '('])?;
    let (mut depth, mut texts) = (1, Vec::new());
    // Of the element at hand: its text, and whether there is more to it.
    let (mut element, mut is_more) = (None, false);
    loop {
        let next = rest.chars().next()?;
        rest = &rest[next.len_utf8()..];
        match next {
            '#' => rest = rest.find('\n').map_or("", |end| &rest[end..]),
            '"' | '\'' => {
                let end = rest.find(next)?;
                is_more |= element.is_some() || depth > 1;
                element = Some(rest[..end].to_owned());
                rest = &rest[end + 1..];
            }
            '[' | '(' | '{' => (depth, is_more) = (depth + 1, true),
            ']' | ')' | '}' if depth > 1 => depth -= 1,
            ',' | ']' | ')' if depth == 1 => {
                texts.extend(element.take().filter(|_| !is_more));
                is_more = false;
                if next != ',' {
                    break;
                }
            }
            _ if next.is_whitespace() => {}
            _ => is_more = true,
        }
    }
    let behind = rest.lines().next().unwrap_or_default().trim();
    (behind.is_empty() || behind.starts_with(['#', '+'])).then_some(texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(host: &str) -> Hosts {
        Hosts::One(host.to_owned())
    }

    #[test]
    fn a_list_is_read_as_it_is_written() {
        for (text, expected) in [
            ("ALLOWED_HOSTS = ['.shop.example', 'localhost']\n", one("shop.example")),
            ("ALLOWED_HOSTS = [\n    # ours\n    \"shop.example\",  # 'x'\n]\n", one("shop.example")),
            ("ALLOWED_HOSTS: list[str] = (\"shop.example\",)\n", one("shop.example")),
            ("ALLOWED_HOSTS = [os.environ[\"HOST\"]]\n", Hosts::Unknown),
            ("ALLOWED_HOSTS = [os.environ['HOST'], 'shop.example']\n", one("shop.example")),
            ("ALLOWED_HOSTS = [f\"{NAME}.example\"]\n", Hosts::Unknown),
            ("ALLOWED_HOSTS = ['a.example'] if DEBUG else hosts()\n", Hosts::Unknown),
            ("ALLOWED_HOSTS = ['a.example'] + more\n", one("a.example")),
            ("ALLOWED_HOSTS = env.list('HOSTS', default=['localhost'])\n", Hosts::Unknown),
            ("ALLOWED_HOSTS = []\nALLOWED_HOSTS += ['b.example']\n", one("b.example")),
            ("ALLOWED_HOSTS = ['*']\n", Hosts::Any),
            ("ALLOWED_HOSTS = [\n  'a.example'", Hosts::Unknown),
            ("# ALLOWED_HOSTS = ['a.example']\nALLOWED_HOSTS_OF = ['b.example']\n", Hosts::Unknown),
            ("", Hosts::Unknown),
        ] {
            assert_eq!(Hosts::of([text]), expected, "{text}");
        }
    }

    #[test]
    fn what_begins_with_others_has_the_last_word() {
        let base = "ALLOWED_HOSTS = [\"localhost\"]\n";
        assert_eq!(Hosts::of(["ALLOWED_HOSTS = ['shop.example']\n", base]), one("shop.example"));
        assert_eq!(Hosts::of(["ALLOWED_HOSTS = hosts()\n", base]), Hosts::Unknown);
        assert_eq!(Hosts::of(["ALLOWED_HOSTS += ['shop.example']\n", base]), one("localhost"));
        assert_eq!(Hosts::of(["DEBUG = False\n", base]), one("localhost"));
    }
}
