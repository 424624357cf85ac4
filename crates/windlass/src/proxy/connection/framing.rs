//! Where heads and bodies begin and end in what an HTTP/1 client sends, followed as the bytes go by, to
//! count the `Content-Length` lines of each head: the parser behind forgets that there was one when it
//! finds `Transfer-Encoding` too, and joins equal ones; the proxy refuses both.
//!
//! What a body's length is, the parser says, so the two cannot differ about it. Until it does, the bytes
//! after a head are kept: one segment may bring a head, its body and the next head.

/// The name that is counted, with the colon that no space may stand before.
const CONTENT_LENGTH: &[u8] = b"content-length:";

/// One connection's way through heads and bodies.
#[derive(Default)]
pub(in crate::proxy) struct Framing {
    place: Place,
    /// What came after a complete head whose request has not begun yet.
    later: Vec<u8>,
}

enum Place {
    Head(Head),
    /// Behind a head with so many `Content-Length` lines. What of it is body is not known yet.
    Complete(u8),
    /// In a body, of which so many bytes are missing.
    Body(u64),
    Chunked(Chunked),
}

impl Default for Place {
    fn default() -> Self {
        Self::Head(Head::default())
    }
}

impl Framing {
    /// These bytes came.
    pub(in crate::proxy) fn pass(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let (used, next) = match &mut self.place {
                Place::Head(head) => match head.pass(rest) {
                    None => return,
                    Some(used) => (used, Place::Complete(head.count)),
                },
                Place::Complete(_) => return self.later.extend_from_slice(rest),
                Place::Body(missing) => match usize::try_from(*missing) {
                    Ok(missing) if missing <= rest.len() => (missing, Place::default()),
                    _ => {
                        *missing -= rest.len() as u64;
                        return;
                    }
                },
                Place::Chunked(chunked) => match chunked.pass(rest) {
                    None => return,
                    Some(used) => (used, Place::default()),
                },
            };
            rest = &rest[used..];
            self.place = next;
        }
    }

    /// The parser has understood a head; its body has this length, or ends where it says so itself.
    /// Tells how many `Content-Length` lines the head had. A head that was not seen to end had too many:
    /// it could not be checked.
    pub(in crate::proxy) fn request_begins(&mut self, length: Option<u64>) -> u8 {
        let Place::Complete(count) = self.place else { return u8::MAX };
        self.place = match length {
            Some(0) => Place::default(),
            Some(length) => Place::Body(length),
            None => Place::Chunked(Chunked::Size(0)),
        };
        let later = std::mem::take(&mut self.later);
        self.pass(&later);
        count
    }

    /// Whether a part of a head has come.
    pub(in crate::proxy) const fn is_within_head(&self) -> bool {
        match &self.place {
            Place::Head(head) => head.begun,
            Place::Complete(_) => true,
            Place::Body(_) | Place::Chunked(_) => false,
        }
    }

    /// Whether a body has begun that has not come whole.
    pub(in crate::proxy) const fn is_within_body(&self) -> bool {
        matches!(&self.place, Place::Body(_) | Place::Chunked(_))
    }

    /// Whether neither a head nor a body has begun that has not come whole.
    pub(in crate::proxy) const fn is_between_requests(&self) -> bool {
        matches!(&self.place, Place::Head(head) if !head.begun)
    }
}

/// A head, as far as it has come.
#[derive(Default)]
struct Head {
    line: Line,
    /// Whether it has a line: empty ones before the first belong to nothing.
    begun: bool,
    count: u8,
}

/// Where in a line.
#[derive(Clone, Copy)]
enum Line {
    /// So much of the counted name stood in it, and nothing else.
    Name(usize),
    /// Nothing stood in it but a carriage return.
    Return,
    /// It is another line.
    Other,
}

impl Default for Line {
    fn default() -> Self {
        Self::Name(0)
    }
}

impl Line {
    /// Whether the line that this ends is empty.
    const fn is_empty(self) -> bool {
        matches!(self, Self::Name(0) | Self::Return)
    }
}

impl Head {
    /// Where in these bytes the head ends, if it does.
    fn pass(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while at < bytes.len() {
            if matches!(self.line, Line::Other) {
                at += memchr::memchr(b'\n', &bytes[at..])?;
            }
            let byte = bytes[at];
            at += 1;
            if byte == b'\n' {
                if self.line.is_empty() && self.begun {
                    return Some(at);
                }
                self.begun |= !self.line.is_empty();
                self.line = Line::default();
                continue;
            }
            self.line = match self.line {
                Line::Name(0) if byte == b'\r' => Line::Return,
                Line::Name(matched) if byte.eq_ignore_ascii_case(&CONTENT_LENGTH[matched]) => {
                    if matched + 1 == CONTENT_LENGTH.len() {
                        self.count = self.count.saturating_add(1);
                        Line::Other
                    } else {
                        Line::Name(matched + 1)
                    }
                }
                _ => Line::Other,
            };
            self.begun |= !self.line.is_empty();
        }
        None
    }
}

/// Where in a chunked body. What is wrong with one is the parser's to refuse, with the connection.
enum Chunked {
    /// In a chunk's size, of which so much has come.
    Size(u64),
    /// In the rest of a size's line.
    SizeLine(u64),
    /// In a chunk that lacks so many bytes.
    Data(u64),
    /// In the end of line behind a chunk.
    DataEnd,
    /// In the lines behind the last chunk, which end with an empty one.
    Trailers(Line),
}

impl Chunked {
    /// Where in these bytes the body ends, if it does.
    fn pass(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while at < bytes.len() {
            if let Self::Data(missing) = self {
                let there = bytes.len() - at;
                match usize::try_from(*missing) {
                    Ok(missing) if missing < there => at += missing,
                    _ => {
                        *missing -= there as u64;
                        return None;
                    }
                }
                *self = Self::DataEnd;
            }
            let byte = bytes[at];
            at += 1;
            *self = match *self {
                Self::Size(size) | Self::SizeLine(size) if byte == b'\n' => match size {
                    0 => Self::Trailers(Line::default()),
                    size => Self::Data(size),
                },
                Self::Size(size) => match (byte as char).to_digit(16) {
                    Some(digit) => Self::Size(size.saturating_mul(16).saturating_add(u64::from(digit))),
                    None => Self::SizeLine(size),
                },
                Self::DataEnd if byte == b'\n' => Self::Size(0),
                Self::Trailers(line) if byte == b'\n' => {
                    if line.is_empty() {
                        return Some(at);
                    }
                    Self::Trailers(Line::default())
                }
                Self::Trailers(Line::Name(0)) if byte == b'\r' => Self::Trailers(Line::Return),
                Self::Trailers(_) => Self::Trailers(Line::Other),
                Self::SizeLine(size) => Self::SizeLine(size),
                Self::Data(_) | Self::DataEnd => Self::DataEnd,
            };
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str =
        "GET /content-length: HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nX: \r\ncontent-LENGTH:2\r\n\r\n";

    /// The counts of the heads in a text, whose bodies have these lengths, however it is cut into reads.
    fn counts(text: &str, lengths: &[Option<u64>], size: usize) -> Vec<u8> {
        let mut framing = Framing::default();
        let (mut counts, mut lengths) = (Vec::new(), lengths.iter());
        for part in text.as_bytes().chunks(size) {
            framing.pass(part);
            while matches!(framing.place, Place::Complete(_)) {
                counts.push(framing.request_begins(*lengths.next().unwrap()));
            }
        }
        assert!(!framing.is_within_head(), "{text:?} in parts of {size}");
        counts
    }

    #[test]
    fn content_length_lines_are_counted_however_the_bytes_are_cut() {
        for cut in 0..HEAD.len() {
            let mut framing = Framing::default();
            let (first, second) = HEAD.split_at(cut);
            framing.pass(first.as_bytes());
            framing.pass(second.as_bytes());
            assert_eq!(framing.request_begins(Some(0)), 2, "cut at {cut}");
        }
    }

    #[test]
    fn each_head_has_its_own_count_and_bodies_have_none() {
        let post = |fields: &str| format!("POST / HTTP/1.1\r\n{fields}\r\n");
        let (sized, chunked) = (post("Content-Length: 24\r\n"), post("Transfer-Encoding: chunked\r\n"));
        let part = "\r\nContent-Length: 4\r\n\r\nx";
        let both = post("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n");
        let text = [
            &sized,
            part,
            "\r\n\n",
            &chunked,
            "18;x=y\r\n",
            part,
            "\r\n00\r\nContent-Length: 9\r\n\r\n",
            &post("Content-Length-Of: 3\r\nX-Content-Length: 3\r\n"),
            &both,
            "0\r\n\r\n",
            &sized,
            part,
        ]
        .concat();
        assert_eq!(part.len(), 24);
        let lengths = [Some(24), None, Some(0), None, Some(24)];
        for size in 1..=text.len() {
            assert_eq!(counts(&text, &lengths, size), [1, 0, 0, 1, 1], "in parts of {size}");
        }
    }

    #[test]
    fn lines_may_end_without_a_carriage_return() {
        assert_eq!(
            counts("GET / HTTP/1.1\nContent-Length: 0\n\nGET / HTTP/1.1\n\n", &[Some(0); 2], 7),
            [1, 0]
        );
    }

    #[test]
    fn a_head_whose_end_was_not_seen_is_not_checked() {
        let mut framing = Framing::default();
        framing.pass(b"GET / HTTP/1.1\r\nHost: a\r\n");
        assert_eq!(framing.request_begins(Some(0)), u8::MAX);
    }
}
