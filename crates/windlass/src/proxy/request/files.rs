//! Static files.
//!
//! A path is resolved by the kernel beneath the root (`openat2` with `RESOLVE_BENEATH`): neither
//! `..` nor a symbolic link can lead out of it. Links that stay inside are followed. Only regular
//! files are served; a directory is served by its `index.html`; names that begin with a dot are not
//! served, save `.well-known`. What is not there is answered by the root's `404.html`, where there is one
//! and no fallback, as other hosts of static sites do.

use std::fs::File;
use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG,
    HeaderValue, LAST_MODIFIED, RANGE, VARY,
};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body::Frame;
use rustix::fs::{Mode, OFlags, ResolveFlags};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::proxy::connection::budget::Descriptor;
use crate::proxy::connection::worker::Worker;
use crate::proxy::request::asset;
use crate::proxy::request::body::{Body, Content, Error, Source};
use crate::proxy::request::compress::Encoding;
use crate::proxy::request::conditions;
use crate::proxy::request::conditions::Wanted;
use crate::proxy::request::own_answer;
use crate::proxy::request::route;

const CHUNK: u64 = 128 * 1024;

/// The page for what is not there.
const NOT_FOUND: &str = "404.html";

/// Where the files of a route are.
pub(in crate::proxy) struct Place {
    /// The directory.
    pub(in crate::proxy) root: String,
    /// The same directories of other releases, the newest first.
    pub(in crate::proxy) others: Vec<String>,
    /// Answered for pages that do not exist, relative to the directory.
    pub(in crate::proxy) fallback: Option<String>,
}

/// Serves the file that a request means.
pub(in crate::proxy) async fn serve(
    worker: &Worker,
    place: &Arc<Place>,
    cache_control: Option<&HeaderValue>,
    parts: &Parts,
) -> Response<Body> {
    if !matches!(parts.method, Method::GET | Method::HEAD) {
        let mut response = own_answer::plain(StatusCode::METHOD_NOT_ALLOWED, "files can only be read");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let path = parts.uri.path();
    let relative = relative(path);
    let search = Search {
        place: Arc::clone(place),
        falls_back: relative.as_ref().is_some_and(|path| asset::may_be_a_page(path, &parts.headers)),
        relative,
        encodings: if wants_range(parts) { Vec::new() } else { Encoding::ranked(&parts.headers) },
        reads: parts.method == Method::GET && !wants_range(parts) && !conditions::are_in(&parts.headers),
    };
    let Some(descriptor) = worker.descriptor() else { return own_answer::exhausted() };
    // Opening may have to wait for the disk, which the other requests of this thread shall not.
    match spawn_blocking(move || search.find()).await {
        Ok(Ok(Found::File(found))) => respond(found, descriptor, cache_control, parts),
        Ok(Ok(Found::Missing(page))) => missing(page, descriptor, &parts.method),
        Ok(Ok(Found::Directory)) => below(parts),
        Ok(Err(error)) if is_absent(&error) => {
            own_answer::plain(StatusCode::NOT_FOUND, "there is no such file")
        }
        Ok(Err(_)) | Err(_) => {
            own_answer::plain(StatusCode::INTERNAL_SERVER_ERROR, "the file exists but cannot be read")
        }
    }
}

/// The page that says so, which is no version of what was asked for: of that no part is wanted, and nothing is
/// to be kept.
fn missing(page: FoundFile, descriptor: Descriptor, method: &Method) -> Response<Body> {
    let (mut plain, ()) = Request::new(()).into_parts();
    plain.method = method.clone();
    let mut response = respond(page, descriptor, Some(&HeaderValue::from_static("no-store")), &plain);
    *response.status_mut() = StatusCode::NOT_FOUND;
    for name in [ETAG, LAST_MODIFIED, ACCEPT_RANGES] {
        response.headers_mut().remove(name);
    }
    response
}

/// Sends a client that asked for a directory to what is below it.
pub(in crate::proxy) fn below(parts: &Parts) -> Response<Body> {
    let query = parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    // Seen from where the client is: a prefix that was taken away is there still. With `./` before it no
    // name is taken for a scheme or a host.
    let name = parts.uri.path().trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    own_answer::redirect(StatusCode::PERMANENT_REDIRECT, &format!("./{name}/{query}"))
}

fn is_absent(error: &io::Error) -> bool {
    // A link that leads outside the root (EXDEV), or in circles, is as good as none.
    let refused = [rustix::io::Errno::XDEV, rustix::io::Errno::LOOP, rustix::io::Errno::NAMETOOLONG];
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::PermissionDenied
    ) || refused.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

/// The path below the root that a request's path means; `None` when it means none.
pub(in crate::proxy) fn relative(path: &str) -> Option<String> {
    let decoded = String::from_utf8(route::decode(path)?).ok()?;
    if decoded.contains(['\0', '\\']) {
        return None;
    }
    let ends_in_slash = decoded.ends_with('/');
    let mut relative = String::with_capacity(decoded.len());
    for segment in decoded.split('/').filter(|segment| !segment.is_empty()) {
        if segment.starts_with('.') && segment != ".well-known" {
            return None;
        }
        if !relative.is_empty() {
            relative.push('/');
        }
        relative.push_str(segment);
    }
    if ends_in_slash {
        if !relative.is_empty() {
            relative.push('/');
        }
        relative.push_str("index.html");
    }
    Some(relative)
}

/// Whether a part is asked for: of what is compressed it would be a part of other bytes. Ranges are for
/// GET only (RFC 9110, 14.2).
fn wants_range(parts: &Parts) -> bool {
    parts.method == Method::GET && parts.headers.contains_key(RANGE)
}

/// What is to be found.
struct Search {
    place: Arc<Place>,
    /// `None`: nothing can be there.
    relative: Option<String>,
    /// Whether another page will do.
    falls_back: bool,
    /// Of these a sibling file may exist; the best first.
    encodings: Vec<Encoding>,
    /// Whether the first bytes will be wanted.
    reads: bool,
}

enum Found {
    File(FoundFile),
    /// It is not there; this page says so.
    Missing(FoundFile),
    /// It is one, and the request's path lacks the slash.
    Directory,
}

struct FoundFile {
    file: File,
    length: u64,
    modified: SystemTime,
    /// Of what the file is, whatever it is encoded in.
    media_type: String,
    encoding: Option<Encoding>,
    /// What of its beginning was read along with opening it.
    beginning: Vec<u8>,
}

impl Search {
    fn find(&self) -> io::Result<Found> {
        let root = root(&self.place.root)?;
        let path = self.relative.as_ref().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound));
        match path.and_then(|path| self.open(&root, path)) {
            Err(error) if is_absent(&error) => {
                if let Some(found) = self.elsewhere() {
                    return Ok(found);
                }
                match &self.place.fallback {
                    Some(fallback) if self.falls_back => self.open(&root, fallback),
                    Some(_) => Err(error),
                    None => match self.open(&root, NOT_FOUND) {
                        Ok(Found::File(page)) => Ok(Found::Missing(page)),
                        _ => Err(error),
                    },
                }
            }
            found => found,
        }
    }

    /// The file of another release, where its name says what is in it.
    fn elsewhere(&self) -> Option<Found> {
        let path = self.relative.as_ref().filter(|path| asset::has_hash(path))?;
        self.place.others.iter().find_map(|other| self.open(&root(other).ok()?, path).ok())
    }

    fn open(&self, root: &OwnedFd, path: &str) -> io::Result<Found> {
        for encoding in &self.encodings {
            let suffix = match encoding {
                Encoding::Brotli => "br",
                Encoding::Gzip => "gz",
            };
            if let Ok(Found::File(mut found)) = self.open_one(root, &format!("{path}.{suffix}"), path) {
                found.encoding = Some(*encoding);
                return Ok(Found::File(found));
            }
        }
        self.open_one(root, path, path)
    }

    fn open_one(&self, root: &OwnedFd, path: &str, named: &str) -> io::Result<Found> {
        // NONBLOCK: opening a named pipe must not wait for a writer.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let path = if path.is_empty() { "." } else { path };
        let file = File::from(rustix::fs::openat2(root, path, flags, Mode::empty(), resolve)?);
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Ok(Found::Directory);
        }
        if !metadata.is_file() {
            return Err(io::ErrorKind::NotFound.into());
        }
        let length = metadata.len();
        Ok(Found::File(FoundFile {
            length,
            modified: metadata.modified().unwrap_or(UNIX_EPOCH),
            media_type: media_type(named),
            encoding: None,
            beginning: if self.reads { read(&file, 0, length)? } else { Vec::new() },
            file,
        }))
    }
}

fn root(path: &str) -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

/// The next bytes of a file that is to be sent up to `end`.
fn read(file: &File, at: u64, end: u64) -> io::Result<Vec<u8>> {
    let mut chunk = vec![0; usize::try_from((end - at).min(CHUNK)).unwrap_or(0)];
    let count = file.read_at(&mut chunk, at)?;
    chunk.truncate(count);
    Ok(chunk)
}

fn media_type(path: &str) -> String {
    let guess = mime_guess::from_path(path).first_raw().unwrap_or("application/octet-stream");
    if guess.starts_with("text/") || guess == "application/javascript" || guess == "application/json" {
        format!("{guess}; charset=utf-8")
    } else {
        guess.to_owned()
    }
}

fn respond(
    found: FoundFile,
    descriptor: Descriptor,
    cache_control: Option<&HeaderValue>,
    parts: &Parts,
) -> Response<Body> {
    let tag = conditions::etag(found.length, found.modified, found.encoding);
    let modified = httpdate::fmt_http_date(found.modified);
    if conditions::is_another(&parts.headers, &tag, found.modified) {
        return own_answer::plain(StatusCode::PRECONDITION_FAILED, "the file is not as it was any more");
    }
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    let mut set = |name, value: &str| {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    };
    set(ETAG, &tag);
    set(LAST_MODIFIED, &modified);
    set(VARY, "accept-encoding");
    if let Some(cache_control) = cache_control {
        headers.insert(CACHE_CONTROL, cache_control.clone());
    }
    if conditions::is_unchanged(&parts.headers, &tag, found.modified) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return response;
    }
    let mut set = |name, value: &str| {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    };
    set(CONTENT_TYPE, &found.media_type);
    if let Some(encoding) = found.encoding {
        set(CONTENT_ENCODING, encoding.token());
    } else {
        set(ACCEPT_RANGES, "bytes");
    }
    let wanted = if wants_range(parts) {
        conditions::wanted(&parts.headers, &tag, &modified, found.length)
    } else {
        Wanted::All
    };
    let range = match wanted {
        Wanted::All => 0..found.length,
        Wanted::Part(range) => {
            set(CONTENT_RANGE, &format!("bytes {}-{}/{}", range.start, range.end - 1, found.length));
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            range
        }
        Wanted::Nothing => {
            let mut response =
                own_answer::plain(StatusCode::RANGE_NOT_SATISFIABLE, "the file has no such range");
            if let Ok(range) = HeaderValue::try_from(format!("bytes */{}", found.length)) {
                response.headers_mut().insert(CONTENT_RANGE, range);
            }
            return response;
        }
    };
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
    if parts.method == Method::GET && !range.is_empty() {
        let body = FileBody {
            file: Arc::new(found.file),
            at: range.start,
            end: range.end,
            beginning: found.beginning,
            reading: None,
            _descriptor: descriptor,
        };
        *response.body_mut() = Body::new(Content::Plain(Source::File(Box::new(body))));
    }
    response
}

/// The bytes of a file, read as the client takes them.
pub(in crate::proxy) struct FileBody {
    file: Arc<File>,
    at: u64,
    end: u64,
    /// What was read already, from `at` on.
    beginning: Vec<u8>,
    reading: Option<JoinHandle<io::Result<Vec<u8>>>>,
    _descriptor: Descriptor,
}

impl FileBody {
    pub(in crate::proxy) const fn left(&self) -> u64 {
        self.end - self.at
    }

    pub(in crate::proxy) const fn is_end_stream(&self) -> bool {
        self.at >= self.end
    }

    pub(in crate::proxy) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if self.is_end_stream() {
            return Poll::Ready(None);
        }
        if !self.beginning.is_empty() {
            let beginning = std::mem::take(&mut self.beginning);
            self.at += beginning.len() as u64;
            return Poll::Ready(Some(Ok(Frame::data(beginning.into()))));
        }
        let (at, end) = (self.at, self.end);
        let reading = self.reading.get_or_insert_with(|| {
            let file = Arc::clone(&self.file);
            spawn_blocking(move || read(&file, at, end))
        });
        let result = ready!(Pin::new(reading).poll(cx));
        self.reading = None;
        Poll::Ready(Some(match result {
            Ok(Ok(chunk)) if chunk.is_empty() => Err("the file became shorter while it was read".into()),
            Ok(Ok(chunk)) => {
                self.at += chunk.len() as u64;
                Ok(Frame::data(chunk.into()))
            }
            Ok(Err(error)) => Err(error.into()),
            Err(error) => Err(error.into()),
        }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_below_the_root() {
        for (path, expected) in [
            ("/", Some("index.html")),
            ("/a", Some("a")),
            ("/a/", Some("a/index.html")),
            ("//a///b", Some("a/b")),
            ("/a%20b", Some("a b")),
            ("/.well-known/x", Some(".well-known/x")),
            ("/../x", None),
            ("/a/%2e%2e/x", None),
            ("/a/..%2fx", None),
            ("/.git/config", None),
            ("/.env", None),
            ("/a%00", None),
            ("/a\\..\\b", None),
            ("/%ff", None),
        ] {
            assert_eq!(relative(path).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn no_link_and_no_special_file_leads_out() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret"), "s").unwrap();
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("dir")).unwrap();
        std::fs::write(root.path().join("dir/file"), "f").unwrap();
        let link = |to: &std::path::Path, name: &str| {
            std::os::unix::fs::symlink(to, root.path().join(name)).unwrap();
        };
        link(&outside.path().join("secret"), "absolute");
        link(std::path::Path::new("../../../../../../etc/passwd"), "upwards");
        link(outside.path(), "elsewhere");
        link(std::path::Path::new("dir/file"), "inside");
        link(std::path::Path::new("loop"), "loop");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            root.path().join("pipe"),
            rustix::fs::FileType::Fifo,
            Mode::RWXU,
            0,
        )
        .unwrap();
        let text = root.path().to_str().unwrap().to_owned();
        let place = Arc::new(Place { root: text, others: Vec::new(), fallback: None });
        let find = |relative: &str| {
            Search {
                place: Arc::clone(&place),
                relative: Some(relative.to_owned()),
                falls_back: true,
                encodings: Vec::new(),
                reads: true,
            }
            .find()
        };
        for path in ["absolute", "upwards", "elsewhere/secret", "../x", "loop", "pipe", "dir/file/x", "none"]
        {
            let error = find(path).err().unwrap_or_else(|| panic!("{path} was served"));
            assert!(is_absent(&error), "{path}: {error}");
        }
        assert!(matches!(find("inside"), Ok(Found::File(_))));
        assert!(matches!(find("dir/file"), Ok(Found::File(_))));
        assert!(matches!(find("dir"), Ok(Found::Directory)));
    }

    proptest! {
        #[test]
        fn a_relative_path_never_climbs(path in "(/|%2[fF]|\\.|%2[eE]|a|%5c|%00){0,14}") {
            if let Some(relative) = relative(&path) {
                prop_assert!(!relative.starts_with('/'));
                prop_assert!(relative.split('/').all(|segment| segment != ".." && segment != "."));
            }
        }
    }
}
