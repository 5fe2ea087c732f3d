//! The dashboard at `/ui/`: files in the binary, and how a browser is told to treat them.
//!
//! The pages are in `fabric/ui/`: HTML, CSS and ES modules as they are written, with nothing between them and the
//! browser. They ask the admin API of the process that serves them, and nobody else.

#[cfg(test)]
mod contrast;
mod files;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use proto::Refusal;

use self::files::{FILES, File};
use crate::gateway::answer::{self, Answer};

/// What every path of the dashboard begins with.
const BASE: &str = "/ui/";

/// What a browser may do with any of it. Nothing comes from elsewhere, nothing is inline, no other site shows it in a
/// frame, and with trusted types not even a mistake of ours makes markup of a text.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

const HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    // Another version of the program has other files: each is asked for again, and answered with 304 if it is the same.
    (header::CACHE_CONTROL, "no-cache"),
];

/// Whether a path is the dashboard's.
#[must_use]
pub fn has(path: &str) -> bool {
    path.starts_with(BASE) || path == "/ui"
}

/// Answers a request for a file.
///
/// # Errors
/// [`Refusal::Method`], [`Refusal::NoRoute`].
pub fn answer(method: &Method, path: &str, headers: &HeaderMap) -> Result<Answer, Refusal> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return Err(Refusal::Method { allow: "GET" });
    }
    let Some(name) = path.strip_prefix(BASE) else {
        // The pages name their files relative to the folder.
        let mut moved = answer::empty(StatusCode::PERMANENT_REDIRECT);
        moved.headers_mut().insert(header::LOCATION, HeaderValue::from_static(BASE));
        return Ok(moved);
    };
    let name = if name.is_empty() { "index.html" } else { name };
    let file = FILES.iter().find(|file| file.name == name).ok_or(Refusal::NoRoute)?;
    Ok(serve(file, headers))
}

fn serve(file: &File, asked: &HeaderMap) -> Answer {
    let known = asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let is_known = known.flat_map(|value| value.split(',')).any(|tag| file.tag == tag.trim());
    let mut answer = if is_known {
        answer::empty(StatusCode::NOT_MODIFIED)
    } else {
        answer::file(file.content_type, Bytes::from_static(file.bytes))
    };
    answer.headers_mut().insert(header::ETAG, file.tag.clone());
    answer.headers_mut().extend(HEADERS.map(|(name, value)| (name, HeaderValue::from_static(value))));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(path: &str, tag: Option<HeaderValue>) -> Result<Answer, Refusal> {
        let headers = tag.into_iter().map(|tag| (header::IF_NONE_MATCH, tag)).collect();
        answer(&Method::GET, path, &headers)
    }

    #[test]
    fn a_file_is_served_once_and_then_known() {
        let first = get("/ui/", None).unwrap();
        assert_eq!(first.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
        assert_eq!(first.headers()[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        let tag = first.headers()[header::ETAG].clone();
        let again = get("/ui/index.html", Some(tag.clone())).unwrap();
        assert_eq!((again.status(), &again.headers()[header::ETAG]), (StatusCode::NOT_MODIFIED, &tag));
        let other = get("/ui/app.js", Some(tag)).unwrap();
        assert_eq!(other.headers()[header::CONTENT_TYPE], "text/javascript");
    }

    #[test]
    fn only_what_is_there_is_served() {
        assert_eq!(get("/ui", None).unwrap().headers()[header::LOCATION], "/ui/");
        for path in ["/ui/nothing", "/ui/style", "/ui/../Cargo.toml", "/ui/app.js/"] {
            assert!(matches!(get(path, None), Err(Refusal::NoRoute)), "{path}");
        }
        let posted = answer(&Method::POST, "/ui/", &HeaderMap::new());
        assert!(matches!(posted, Err(Refusal::Method { .. })));
        assert!(has("/ui") && has("/ui/app.js") && !has("/uix"));
    }

    #[test]
    fn nothing_inline_is_allowed_and_nothing_from_elsewhere() {
        assert!(!POLICY.contains("unsafe") && !POLICY.contains('*') && !POLICY.contains("http"));
    }
}
