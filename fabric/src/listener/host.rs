//! Whether a request says for one host that it is for (RFC 9112, 3.2 and 3.2.2; pure).
//!
//! Nothing is served by a host's name here. But a proxy in front may have decided by it, and it must not have decided by
//! another name than the one that is passed on.

use http::uri::Authority;
use http::{HeaderMap, Request, Version, header};
use proto::Refusal;

/// Refuses a request that names no host, several, or none that could be one.
///
/// # Errors
/// [`Refusal::Malformed`].
pub fn check<B>(request: &Request<B>) -> Result<(), Refusal> {
    let malformed = |why: &str| Err(Refusal::Malformed(why.into()));
    let named = one(request.headers())?;
    let target = request.uri().authority();
    if target.is_some_and(|target| !is_bare(target.as_str())) {
        return malformed("the request's target names a user");
    }
    match (named, target) {
        (Some(named), Some(target)) if !named.eq_ignore_ascii_case(target.as_str()) => {
            malformed("the header host and the request's target name different hosts")
        }
        (None, None) if request.version() != Version::HTTP_10 => malformed("the header host is missing"),
        _ => Ok(()),
    }
}

/// The one value of the header, if there is one.
fn one(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let mut values = headers.get_all(header::HOST).iter();
    let (first, second) = (values.next(), values.next());
    if second.is_some() {
        return Err(Refusal::Malformed("there is more than one header host".into()));
    }
    let Some(value) = first else { return Ok(None) };
    // An empty one is what a client says whose target has no host.
    let is_host =
        |text: &&str| text.is_empty() || (is_bare(text) && text.parse().is_ok_and(|it| has_a_port_if_any(&it)));
    match value.to_str().ok().filter(is_host) {
        Some(text) => Ok(Some(text)),
        None => Err(Refusal::Malformed("the header host names no host".into())),
    }
}

/// Whether what comes after the host is a port.
fn has_a_port_if_any(authority: &Authority) -> bool {
    authority.port_u16().is_some() || authority.host().len() == authority.as_str().len()
}

/// Whether no more than a host and a port is in it.
fn is_bare(text: &str) -> bool {
    !text.bytes().any(|byte| matches!(byte, b'@' | b'/' | b'?' | b'#' | b',' | b' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(version: Version, uri: &str, hosts: &[&str]) -> bool {
        let mut request = Request::builder().version(version).uri(uri);
        for host in hosts {
            request = request.header("host", *host);
        }
        super::check(&request.body(()).unwrap()).is_ok()
    }

    #[test]
    fn one_host_is_named_in_one_way() {
        for (version, uri, hosts) in [
            (Version::HTTP_11, "/", &["x"][..]),
            (Version::HTTP_11, "/", &["x.example:8080"]),
            (Version::HTTP_11, "/", &["[::1]:8080"]),
            (Version::HTTP_11, "/", &[""]),
            (Version::HTTP_10, "/", &[]),
            (Version::HTTP_11, "http://x.example/", &["X.example"]),
            (Version::HTTP_2, "http://x.example/", &[]),
        ] {
            assert!(check(version, uri, hosts), "{version:?} {uri} {hosts:?}");
        }
        for (version, uri, hosts) in [
            (Version::HTTP_11, "/", &[][..]),
            (Version::HTTP_2, "/", &[]),
            (Version::HTTP_11, "/", &["x", "x"]),
            (Version::HTTP_10, "/", &["x", "y"]),
            (Version::HTTP_11, "/", &["x y"]),
            (Version::HTTP_11, "/", &["x,y"]),
            (Version::HTTP_11, "/", &["user@x"]),
            (Version::HTTP_11, "/", &["x/y"]),
            (Version::HTTP_11, "/", &["x:port"]),
            (Version::HTTP_11, "http://x.example/", &["y.example"]),
            (Version::HTTP_2, "http://x.example/", &["y.example"]),
            (Version::HTTP_11, "http://user@x.example/", &["user@x.example"]),
        ] {
            assert!(!check(version, uri, hosts), "{version:?} {uri} {hosts:?}");
        }
    }
}
