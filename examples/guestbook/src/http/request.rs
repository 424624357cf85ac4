//! Reading a request. What is ambiguous is refused, not guessed: a proxy in front may guess
//! differently, and the difference is where request smuggling lives.

use std::io::{self, BufRead, Read};

/// The longest head and body, in bytes.
const LONGEST_HEAD: u64 = 16 * 1024;
const LONGEST_BODY: u64 = 64 * 1024;

/// A request.
#[derive(Debug, PartialEq, Eq)]
pub struct Request {
    /// The method, such as `GET`.
    pub method: String,
    /// The path, as sent.
    pub path: String,
    /// What follows the `?`.
    pub query: String,
    /// The body.
    pub body: Vec<u8>,
    /// Whether the client wants to keep the connection.
    pub keep: bool,
}

/// Why there is no request.
#[derive(Debug)]
pub enum Broken {
    /// The connection ended, or was silent for too long, between two requests.
    Closed,
    /// It ended in the middle of a request.
    Io(io::Error),
    /// The request is refused with this status, for this reason.
    Refused(u16, &'static str),
}

/// The head of a request: all but the body.
#[derive(Debug)]
pub struct Head {
    request: Request,
    length: u64,
    /// Whether the client waits for `100 Continue` before it sends the body.
    pub expects_continue: bool,
}

impl Head {
    /// Reads a head.
    pub fn read(reader: &mut impl BufRead) -> Result<Self, Broken> {
        let mut lines = reader.take(LONGEST_HEAD);
        let mut first = line(&mut lines)?;
        if first.is_empty() {
            // One empty line before a request is allowed (RFC 9112, 2.2).
            first = line(&mut lines)?;
        }
        let (request, minor) = request_line(&first)?;
        let mut head = Self { request, length: 0, expects_continue: false };
        head.request.keep = minor == 1;
        let mut length = None;
        let mut hosts = 0;
        loop {
            let header = line(&mut lines)?;
            if header.is_empty() {
                break;
            }
            let (name, value) = header.split_once(':').ok_or(BAD_HEADER)?;
            if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c.is_control()) {
                return Err(BAD_HEADER);
            }
            let value = value.trim();
            match name.to_ascii_lowercase().as_str() {
                "host" => hosts += 1,
                "content-length" => {
                    let number = content_length(value)?;
                    if length.replace(number).is_some_and(|before| before != number) {
                        return Err(Broken::Refused(400, "Content-Length differs from itself."));
                    }
                }
                "transfer-encoding" => return Err(Broken::Refused(411, "Please send a Content-Length.")),
                "connection" => match value.to_ascii_lowercase().as_str() {
                    "close" => head.request.keep = false,
                    "keep-alive" => head.request.keep = true,
                    _ => {}
                },
                "expect" => head.expects_continue = value.eq_ignore_ascii_case("100-continue"),
                _ => {}
            }
        }
        if minor == 1 && hosts != 1 {
            return Err(Broken::Refused(400, "One Host header is needed."));
        }
        head.length = length.unwrap_or(0);
        if head.length > LONGEST_BODY {
            return Err(Broken::Refused(413, "That is too long."));
        }
        Ok(head)
    }

    /// Reads the body that belongs to it.
    pub fn read_body(mut self, reader: &mut impl BufRead) -> Result<Request, Broken> {
        reader.take(self.length).read_to_end(&mut self.request.body).map_err(Broken::Io)?;
        if self.request.body.len() as u64 == self.length {
            Ok(self.request)
        } else {
            Err(Broken::Io(io::ErrorKind::UnexpectedEof.into()))
        }
    }
}

const BAD_HEADER: Broken = Broken::Refused(400, "A header is malformed.");
const BAD_LINE: Broken = Broken::Refused(400, "The request line is malformed.");

/// One line without its ending.
fn line(reader: &mut io::Take<impl BufRead>) -> Result<String, Broken> {
    let mut bytes = Vec::new();
    reader.read_until(b'\n', &mut bytes).map_err(Broken::Io)?;
    match bytes.pop() {
        Some(b'\n') => {}
        Some(_) if reader.limit() == 0 => return Err(Broken::Refused(431, "The headers are too long.")),
        Some(_) => return Err(Broken::Io(io::ErrorKind::UnexpectedEof.into())),
        None if reader.limit() == 0 => return Err(Broken::Refused(431, "The headers are too long.")),
        None => return Err(Broken::Closed),
    }
    if bytes.last() == Some(&b'\r') {
        bytes.pop();
    }
    String::from_utf8(bytes).map_err(|_| BAD_HEADER)
}

fn request_line(line: &str) -> Result<(Request, u8), Broken> {
    let mut words = line.split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(BAD_LINE);
    };
    let minor = match version {
        "HTTP/1.1" => 1,
        "HTTP/1.0" => 0,
        _ if version.starts_with("HTTP/") => {
            return Err(Broken::Refused(505, "This server speaks HTTP/1.1."));
        }
        _ => return Err(BAD_LINE),
    };
    if method.is_empty() || !method.bytes().all(|b| b.is_ascii_uppercase()) || !target.starts_with('/') {
        return Err(BAD_LINE);
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let request = Request {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        body: Vec::new(),
        keep: false,
    };
    Ok((request, minor))
}

/// Digits only: `parse` alone would take `+5`.
fn content_length(value: &str) -> Result<u64, Broken> {
    if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        value.parse().map_err(|_| Broken::Refused(413, "That is too long."))
    } else {
        Err(Broken::Refused(400, "Content-Length is not a number."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Request, Broken> {
        let mut bytes = text.as_bytes();
        Head::read(&mut bytes)?.read_body(&mut bytes)
    }

    fn status(text: &str) -> u16 {
        match read(text) {
            Err(Broken::Refused(status, _)) => status,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_request_is_read() {
        let request = read("POST /entries?a=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcd").unwrap();
        assert_eq!((request.path.as_str(), request.query.as_str()), ("/entries", "a=1"));
        assert_eq!((request.body.as_slice(), request.keep), (b"abc".as_slice(), true));
        assert!(!read("GET / HTTP/1.0\r\n\r\n").unwrap().keep);
    }

    #[test]
    fn ambiguity_is_refused() {
        assert_eq!(status("GET / HTTP/1.1\r\n\r\n"), 400);
        assert_eq!(status("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), 400);
        assert_eq!(status("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc"), 400);
        assert_eq!(
            status("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc"),
            400
        );
        assert_eq!(status("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"), 411);
        assert_eq!(status("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n"), 413);
        assert_eq!(status("GET / HTTP/2.0\r\n\r\n"), 505);
        assert_eq!(status("GET http://a/ HTTP/1.1\r\n\r\n"), 400);
        assert_eq!(status("GET / HTTP/1.1\r\nHost : a\r\n\r\n"), 400);
        assert_eq!(status(&format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(17_000))), 431);
    }

    #[test]
    fn half_a_request_is_none() {
        assert!(matches!(read(""), Err(Broken::Closed)));
        assert!(matches!(read("GET / HT"), Err(Broken::Io(_))));
        assert!(matches!(
            read("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab"),
            Err(Broken::Io(_))
        ));
    }
}
