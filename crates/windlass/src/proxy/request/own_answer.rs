//! The small answers that the proxy gives itself.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Response, StatusCode};

use crate::proxy::request::body::{Body, Content};

/// The status and one line of text that says why.
pub(in crate::proxy) fn plain(status: StatusCode, why: &str) -> Response<Body> {
    let text = format!("{} {}: {why}\n", status.as_u16(), status.canonical_reason().unwrap_or("Answer"));
    let mut response = Response::new(Body::new(Content::Full(Bytes::from(text))));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// 499, as nginx has it: the client broke off. Nobody reads it; it is for the access log.
pub(in crate::proxy) fn broken_off() -> Response<Body> {
    plain(StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST), "the client broke off")
}

/// 503: there is nobody to answer at present.
pub(in crate::proxy) fn unavailable(why: &str, retry_after_secs: u64) -> Response<Body> {
    let mut response = plain(StatusCode::SERVICE_UNAVAILABLE, why);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(retry_after_secs));
    response
}

/// 503: the proxy itself has nothing left to answer with.
pub(in crate::proxy) fn exhausted() -> Response<Body> {
    unavailable("the proxy has as many connections and files open as it may", 1)
}

/// 429: the client makes too many requests.
pub(in crate::proxy) fn too_many(retry_after_secs: u64) -> Response<Body> {
    let mut response = plain(StatusCode::TOO_MANY_REQUESTS, "too many requests from this address");
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(retry_after_secs));
    response
}

/// 401: the client has to say who it is.
pub(in crate::proxy) fn unauthorized() -> Response<Body> {
    let mut response = plain(StatusCode::UNAUTHORIZED, "a user name and password are needed");
    response
        .headers_mut()
        .insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"windlass\", charset=\"UTF-8\""));
    response
}

/// A redirect.
pub(in crate::proxy) fn redirect(status: StatusCode, to: &str) -> Response<Body> {
    let Ok(location) = HeaderValue::try_from(to) else {
        return plain(StatusCode::BAD_REQUEST, "the address cannot be redirected");
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response.headers_mut().insert(LOCATION, location);
    response
}
