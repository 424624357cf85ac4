//! Writing a response.

use std::io::{self, Write};

/// A response.
#[derive(Debug)]
pub struct Response {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Response {
    /// A response with a body of this type.
    pub fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("Content-Type", content_type.to_owned())];
        Self { status, headers, body: body.into() }
    }

    /// A line of plain text.
    pub fn text(status: u16, text: &str) -> Self {
        Self::new(status, "text/plain; charset=utf-8", format!("{text}\n"))
    }

    /// A JSON document that nobody keeps.
    pub fn json(status: u16, json: String) -> Self {
        Self::new(status, "application/json", json).header("Cache-Control", "no-store")
    }

    /// The path exists, but not for this method.
    pub fn not_allowed(allowed: &str) -> Self {
        Self::text(405, "That cannot be done here.").header("Allow", allowed)
    }

    /// The same with one more header. `value` holds no line feed: it is never a visitor's text.
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// Writes it at once, so that it is one packet where it is small.
    pub fn write(&self, to: &mut impl Write, with_body: bool, keep: bool) -> io::Result<()> {
        let mut bytes = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status)).into_bytes();
        for (name, value) in &self.headers {
            write!(bytes, "{name}: {value}\r\n")?;
        }
        let connection = if keep { "keep-alive" } else { "close" };
        write!(bytes, "Content-Length: {}\r\nConnection: {connection}\r\n\r\n", self.body.len())?;
        if with_body {
            bytes.extend_from_slice(&self.body);
        }
        to.write_all(&bytes)
    }
}

const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        303 => "See Other",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        411 => "Length Required",
        413 => "Content Too Large",
        422 => "Unprocessable Content",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}
