//! Redis's `AUTH` and `PING`.

use windlass_core::settings::Growing;

use super::NotReady;
use super::wire::Wire;

pub(super) fn ask(wire: &mut Wire, user: &str, password: &str) -> Result<(), NotReady> {
    if !password.is_empty() {
        let words = if user.is_empty() { vec!["AUTH", password] } else { vec!["AUTH", user, password] };
        expect(wire, &words, "+OK")?;
    }
    expect(wire, &["PING"], "+PONG")
}

/// Signs in with `password` and asks this.
pub(super) fn command(wire: &mut Wire, password: &str, words: &[&str]) -> Result<(), NotReady> {
    expect(wire, &["AUTH", password], "+OK")?;
    expect(wire, words, "+OK")
}

/// What a server answered that is no error.
#[derive(Debug, PartialEq)]
pub(in crate::resource) enum Reply {
    /// A word, a text or a number.
    Text(String),
    List(Vec<Reply>),
    Nothing,
}

impl Reply {
    /// The texts in it, one after another.
    pub(in crate::resource) fn texts(&self) -> Vec<&str> {
        match self {
            Self::Text(text) => vec![text],
            Self::List(items) => items.iter().flat_map(Self::texts).collect(),
            Self::Nothing => vec![],
        }
    }
}

/// A connection on which somebody has signed in.
pub(in crate::resource) struct Session(Wire);

impl Session {
    pub(super) fn begin(mut wire: Wire, user: &str, password: &str) -> Result<Self, NotReady> {
        if !password.is_empty() {
            let user = if user.is_empty() { "default" } else { user };
            expect(&mut wire, &["AUTH", user, password], "+OK")?;
        }
        Ok(Self(wire))
    }

    pub(in crate::resource) fn ask(&mut self, words: &[&str]) -> Result<Reply, NotReady> {
        send(&mut self.0, words)?;
        reply(&mut self.0, 0)
    }
}

fn expect(wire: &mut Wire, words: &[&str], wanted: &str) -> Result<(), NotReady> {
    send(wire, words)?;
    match line(wire)? {
        line if line == wanted => Ok(()),
        line if line.starts_with('-') => Err(refused(&line)),
        _ => Err(not_redis()),
    }
}

fn send(wire: &mut Wire, words: &[&str]) -> Result<(), NotReady> {
    // A password may be among them.
    let mut request = Growing::default();
    request.push_str(&format!("*{}\r\n", words.len()));
    for word in words {
        request.push_str(&format!("${}\r\n", word.len()));
        request.push_str(word);
        request.push_str("\r\n");
    }
    wire.send(request.as_str().as_bytes())
}

/// How deep lists lie in lists in what is asked here.
const DEEPEST: u8 = 8;

/// An answer of the protocol's second version.
fn reply(wire: &mut Wire, depth: u8) -> Result<Reply, NotReady> {
    let line = line(wire)?;
    let (kind, rest) = line.split_at_checked(1).ok_or_else(not_redis)?;
    let length = || rest.parse::<i64>().map_err(|_| not_redis());
    match kind {
        "+" | ":" => Ok(Reply::Text(rest.to_owned())),
        "-" => Err(refused(&line)),
        "$" | "*" if length()? < 0 => Ok(Reply::Nothing),
        "$" => {
            let length = usize::try_from(length()?).map_err(|_| not_redis())?;
            let text = wire.read(length.saturating_add(2))?;
            Ok(Reply::Text(String::from_utf8_lossy(&text[..length]).into_owned()))
        }
        "*" if depth < DEEPEST => {
            let items = (0..length()?.min(10_000)).map(|_| reply(wire, depth + 1));
            Ok(Reply::List(items.collect::<Result<_, _>>()?))
        }
        _ => Err(not_redis()),
    }
}

fn line(wire: &mut Wire) -> Result<String, NotReady> {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        if line.len() > 1024 {
            return Err(not_redis());
        }
        line.extend(wire.array::<1>()?);
    }
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}

/// LOADING, WRONGPASS, NOAUTH, MISCONF: Redis's own words say it best; they repeat nothing of what was
/// sent but, where somebody may not, the command's name.
fn refused(line: &str) -> NotReady {
    NotReady::new(format!("it answers {}", line[1..].escape_debug()))
}

fn not_redis() -> NotReady {
    NotReady::new("what answers there is not Redis")
}
