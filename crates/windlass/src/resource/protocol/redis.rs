//! Redis's `AUTH` and `PING`.

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

fn expect(wire: &mut Wire, words: &[&str], wanted: &str) -> Result<(), NotReady> {
    let mut request = format!("*{}\r\n", words.len());
    for word in words {
        request.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    wire.send(request.as_bytes())?;
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        if line.len() > 1024 {
            return Err(NotReady::new("what answers there is not Redis"));
        }
        line.extend(wire.array::<1>()?);
    }
    let line = String::from_utf8_lossy(&line);
    match line.trim_end() {
        line if line == wanted => Ok(()),
        // LOADING, WRONGPASS, NOAUTH, MISCONF: Redis's own words say it best; they repeat nothing
        // of what was sent.
        line if line.starts_with('-') => {
            Err(NotReady::new(format!("it answers {}", line[1..].escape_debug())))
        }
        _ => Err(NotReady::new("what answers there is not Redis")),
    }
}
