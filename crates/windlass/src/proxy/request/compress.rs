//! Compression on the fly, as a stream: what the endpoint has sent so far is not held back.

use std::io::Write;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use flate2::write::GzEncoder;
use http::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, VARY,
};
use http::{Method, Response, StatusCode};
use http_body::{Body as _, Frame};

use crate::proxy::request::body::{Body, Content, Error, Source};

/// Below this, compression gains nothing worth its time.
const MIN_LENGTH: u64 = 860;
const BROTLI_BUFFER: usize = 4096;
const BROTLI_QUALITY: u32 = 4;
/// Memory for each stream grows with the window: 2^18 bytes.
const BROTLI_WINDOW: u32 = 18;

/// An encoding that client and proxy share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::proxy) enum Encoding {
    Gzip,
    Brotli,
}

impl Encoding {
    /// Those that a client accepts, the best first.
    pub(in crate::proxy) fn ranked(headers: &HeaderMap) -> Vec<Self> {
        let mut ranked: Vec<(f32, Self)> = Vec::new();
        for value in headers.get_all(ACCEPT_ENCODING) {
            let Ok(value) = value.to_str() else { continue };
            for offer in value.split(',') {
                let mut parts = offer.split(';').map(str::trim);
                let name = parts.next().unwrap_or_default();
                let Some(encoding) = Self::named(name) else { continue };
                let quality = parts.find_map(quality).unwrap_or(1.0);
                if quality > 0.0 {
                    ranked.push((quality, encoding));
                }
            }
        }
        ranked.sort_by(|(one, first), (other, second)| {
            other.total_cmp(one).then(first.is_larger().cmp(&second.is_larger()))
        });
        ranked.into_iter().map(|(_, encoding)| encoding).collect()
    }

    /// The best one that a client accepts.
    pub(in crate::proxy) fn accepted(headers: &HeaderMap) -> Option<Self> {
        Self::ranked(headers).first().copied()
    }

    fn named(name: &str) -> Option<Self> {
        [Self::Brotli, Self::Gzip].into_iter().find(|known| name.eq_ignore_ascii_case(known.token()))
    }

    /// Whether it makes more bytes of the same than the other.
    const fn is_larger(self) -> bool {
        matches!(self, Self::Gzip)
    }

    pub(in crate::proxy) const fn token(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Brotli => "br",
        }
    }
}

fn quality(parameter: &str) -> Option<f32> {
    let (name, value) = parameter.split_once('=')?;
    name.trim().eq_ignore_ascii_case("q").then(|| value.trim().parse().ok())?
}

/// Compresses an answer, where that is allowed and worth while. That to HEAD says what it would be.
pub(in crate::proxy) fn compress(
    response: Response<Body>,
    encoding: Option<Encoding>,
    method: &Method,
) -> Response<Body> {
    if !is_worthwhile(&response, method) {
        return response;
    }
    let (mut head, body) = response.into_parts();
    let varies = head.headers.get_all(VARY).iter().any(|value| {
        value.to_str().is_ok_and(|value| value.to_ascii_lowercase().contains("accept-encoding"))
    });
    if !varies {
        head.headers.append(VARY, HeaderValue::from_static("accept-encoding"));
    }
    let Some(encoding) = encoding else { return Response::from_parts(head, body) };
    let body = match body.into_content() {
        // Whatever its kind: it is empty.
        content if *method == Method::HEAD => Body::new(content),
        Content::Plain(source) => Body::new(Content::Compressed(Box::new(Compressed::new(source, encoding)))),
        other => return Response::from_parts(head, Body::new(other)),
    };
    head.headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding.token()));
    head.headers.remove(CONTENT_LENGTH);
    head.headers.remove(ACCEPT_RANGES);
    weaken_etag(&mut head.headers);
    Response::from_parts(head, body)
}

fn is_worthwhile(response: &Response<Body>, method: &Method) -> bool {
    let headers = response.headers();
    let text =
        |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).unwrap_or_default();
    let length = match *method {
        Method::HEAD => text(CONTENT_LENGTH).parse().ok(),
        _ => response.body().size_hint().exact(),
    };
    let small = length.is_some_and(|length| length < MIN_LENGTH);
    matches!(response.status(), StatusCode::OK | StatusCode::NOT_FOUND)
        && !small
        && !headers.contains_key(CONTENT_ENCODING)
        && !headers.contains_key(CONTENT_RANGE)
        && !headers
            .get_all(CACHE_CONTROL)
            .iter()
            .any(|line| line.to_str().is_ok_and(|line| line.to_ascii_lowercase().contains("no-transform")))
        && is_compressible(text(CONTENT_TYPE))
}

/// Whether a media type is text of some kind. Event streams are left alone.
pub(in crate::proxy) fn is_compressible(media_type: &str) -> bool {
    let kind = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if kind == "text/event-stream" {
        return false;
    }
    kind.starts_with("text/")
        || kind.ends_with("+json")
        || kind.ends_with("+xml")
        || matches!(
            kind.as_str(),
            "application/json"
                | "application/javascript"
                | "application/x-javascript"
                | "application/xml"
                | "application/wasm"
                | "application/manifest+json"
                | "application/vnd.ms-fontobject"
                | "font/ttf"
                | "font/otf"
                | "image/bmp"
                | "image/x-icon"
                | "image/vnd.microsoft.icon"
        )
}

/// The compressed bytes may differ from time to time, so the tag no longer stands for them exactly.
fn weaken_etag(headers: &mut HeaderMap) {
    if let Some(tag) = headers.get(ETAG)
        && !tag.as_bytes().starts_with(b"W/")
        && let Ok(weak) = HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat())
    {
        headers.insert(ETAG, weak);
    }
}

/// A body that is compressed as it goes by.
pub(in crate::proxy) struct Compressed {
    source: Source,
    encoder: Encoder,
    /// Whether the encoder holds bytes that the client has not seen.
    unflushed: bool,
    ended: bool,
    /// What comes behind the body, and so behind what the encoder still holds.
    trailers: Option<Frame<Bytes>>,
}

impl Compressed {
    fn new(source: Source, encoding: Encoding) -> Self {
        Self { source, encoder: Encoder::new(encoding), unflushed: false, ended: false, trailers: None }
    }
}

enum Encoder {
    Gzip(GzEncoder<Vec<u8>>),
    Brotli(Box<brotli::CompressorWriter<Vec<u8>>>),
}

impl Encoder {
    fn new(encoding: Encoding) -> Self {
        match encoding {
            Encoding::Gzip => Self::Gzip(GzEncoder::new(Vec::new(), flate2::Compression::new(5))),
            Encoding::Brotli => Self::Brotli(Box::new(brotli::CompressorWriter::new(
                Vec::new(),
                BROTLI_BUFFER,
                BROTLI_QUALITY,
                BROTLI_WINDOW,
            ))),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
        match self {
            Self::Gzip(encoder) => encoder.write_all(bytes).map(|()| std::mem::take(encoder.get_mut())),
            Self::Brotli(encoder) => encoder.write_all(bytes).map(|()| std::mem::take(encoder.get_mut())),
        }
    }

    fn flush(&mut self) -> std::io::Result<Vec<u8>> {
        match self {
            Self::Gzip(encoder) => encoder.flush().map(|()| std::mem::take(encoder.get_mut())),
            Self::Brotli(encoder) => encoder.flush().map(|()| std::mem::take(encoder.get_mut())),
        }
    }

    fn finish(&mut self) -> std::io::Result<Vec<u8>> {
        match self {
            Self::Gzip(encoder) => encoder.try_finish().map(|()| std::mem::take(encoder.get_mut())),
            Self::Brotli(encoder) => {
                let fresh = brotli::CompressorWriter::new(Vec::new(), 1, 0, 10);
                Ok(std::mem::replace(&mut **encoder, fresh).into_inner())
            }
        }
    }
}

impl Compressed {
    /// Whether all of it was handed on.
    pub(in crate::proxy) const fn is_end_stream(&self) -> bool {
        self.ended && self.trailers.is_none()
    }

    pub(in crate::proxy) fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = self.get_mut();
        while !this.ended {
            let out = match Pin::new(&mut this.source).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => {
                        this.unflushed = true;
                        this.encoder.write(&data)
                    }
                    Err(trailers) => {
                        this.trailers = Some(trailers);
                        this.ended = true;
                        this.encoder.finish()
                    }
                },
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(None) => {
                    this.ended = true;
                    this.encoder.finish()
                }
                // The endpoint pauses: the client gets what there is.
                Poll::Pending if this.unflushed => {
                    this.unflushed = false;
                    this.encoder.flush()
                }
                Poll::Pending => return Poll::Pending,
            };
            match out {
                Ok(out) if out.is_empty() => {}
                Ok(out) => return Poll::Ready(Some(Ok(Frame::data(out.into())))),
                Err(error) => return Poll::Ready(Some(Err(error.into()))),
            }
        }
        Poll::Ready(this.trailers.take().map(Ok))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_chooses_the_encoding() {
        for (value, expected) in [
            ("gzip, deflate, br, zstd", Some(Encoding::Brotli)),
            ("br, gzip", Some(Encoding::Brotli)),
            ("gzip", Some(Encoding::Gzip)),
            ("GZIP", Some(Encoding::Gzip)),
            ("br;q=0.2, gzip;q=0.8", Some(Encoding::Gzip)),
            ("br;q=0, gzip;q=0", None),
            ("br; q=0, gzip", Some(Encoding::Gzip)),
            ("gzip;q=1.0;x=y, BR ; Q=0.9", Some(Encoding::Gzip)),
            ("BR", Some(Encoding::Brotli)),
            ("identity", None),
            ("", None),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, value.parse().unwrap())]);
            assert_eq!(Encoding::accepted(&headers), expected, "{value}");
        }
    }

    #[test]
    fn only_text_is_compressed() {
        for kind in ["text/html; charset=utf-8", "application/json", "image/svg+xml", "Text/CSS"] {
            assert!(is_compressible(kind), "{kind}");
        }
        for kind in ["text/event-stream", "image/png", "application/octet-stream", "video/mp4", ""] {
            assert!(!is_compressible(kind), "{kind}");
        }
    }
}
