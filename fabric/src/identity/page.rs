//! What a web page may have had a browser send (pure).
//!
//! A page of another site can have the browser of whoever looks at it send requests to addresses that only he reaches. It
//! cannot read the answers; but what they change would be changed. If the name of its site is made to lead here after the
//! page was loaded (DNS rebinding), the page is of this site to the browser, and reads the answers as well.

use std::net::IpAddr;

use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, Request, header};

/// Says where a request comes from, in every browser; a page cannot set it, and programs do not send it (Fetch Metadata).
const SITE: &str = "sec-fetch-site";

/// Whether a request would change something, and comes from a page that is not ours.
pub(super) fn is_foreign<B>(request: &Request<B>) -> bool {
    let headers = request.headers();
    if request.method().is_safe() {
        return false;
    }
    if headers.contains_key(SITE) {
        return headers.get_all(SITE).iter().any(|site| site != "same-origin" && site != "none");
    }
    // Browsers do not say so much to sites without TLS. A proxy that gives a request another host passes on what they
    // say above, so that this is looked at only where it is all that there is.
    let own = authority(request);
    headers.get_all(header::ORIGIN).iter().any(|origin| !is_of(origin, own.as_ref()))
}

/// Whether a request would change something, and comes from a page of another site. Another port of the same machine is
/// the same site.
pub(super) fn is_of_another_site(method: &Method, headers: &HeaderMap) -> bool {
    !method.is_safe() && headers.get_all(SITE).iter().any(|site| site == "cross-site")
}

/// The name that a request is for, if others could have it lead here: not an address, and not a name of this machine.
pub(super) fn strange_name<B>(request: &Request<B>) -> Option<String> {
    let authority = authority(request)?;
    let host = authority.host();
    let is_address = host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    let is_own = is_address || name == "localhost" || name.ends_with(".localhost");
    (!is_own).then(|| host.to_owned())
}

/// The host and the port that a request is for.
fn authority<B>(request: &Request<B>) -> Option<Authority> {
    let said = request.headers().get(header::HOST).and_then(|host| Authority::try_from(host.as_bytes()).ok());
    said.or_else(|| request.uri().authority().cloned())
}

fn is_of(origin: &HeaderValue, own: Option<&Authority>) -> bool {
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    origin.zip(own).is_some_and(|((_, origin), own)| origin.eq_ignore_ascii_case(own.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: Method, headers: &[(&'static str, &str)]) -> Request<()> {
        let mut request = Request::builder().method(method);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap()
    }

    #[test]
    fn only_changes_that_come_from_elsewhere_are_foreign() {
        let host = ("host", "x.example:8081");
        for own in [
            &[host][..],
            &[host, (SITE, "same-origin")],
            &[host, (SITE, "none")],
            &[host, ("origin", "http://x.example:8081")],
            &[host, ("origin", "https://X.example:8081")],
            // A proxy has given it another host.
            &[("host", "10.0.0.1"), (SITE, "same-origin"), ("origin", "https://x.example")],
        ] {
            assert!(!is_foreign(&request(Method::POST, own)), "{own:?}");
        }
        for other in [
            &[host, (SITE, "cross-site")][..],
            &[host, (SITE, "same-site")],
            &[host, (SITE, "anything")],
            &[host, (SITE, "same-origin"), (SITE, "cross-site")],
            &[host, (SITE, "cross-site"), ("origin", "http://x.example:8081")],
            &[host, ("origin", "http://evil.example")],
            &[host, ("origin", "http://x.example")],
            &[host, ("origin", "http://x.example:8082")],
            &[host, ("origin", "null")],
            &[host, ("origin", "http://x.example:8081"), ("origin", "http://evil.example")],
            &[("origin", "http://x.example:8081")],
        ] {
            assert!(
                is_foreign(&request(Method::POST, other)) && is_foreign(&request(Method::DELETE, other)),
                "{other:?}"
            );
            assert!(!is_foreign(&request(Method::GET, other)), "{other:?}");
        }
    }

    #[test]
    fn another_port_is_the_same_site() {
        let is = |method, site| is_of_another_site(&method, request(Method::GET, &[(SITE, site)]).headers());
        assert!(is(Method::POST, "cross-site") && !is(Method::GET, "cross-site"));
        assert!(!is(Method::POST, "same-site") && !is(Method::POST, "same-origin") && !is(Method::POST, "none"));
    }

    #[test]
    fn a_name_that_others_give_is_strange() {
        let strange = |host| strange_name(&request(Method::GET, &[("host", host)]));
        for own in
            ["localhost", "LOCALHOST:8080", "localhost.", "a.localhost:1", "127.0.0.1:8080", "10.1.2.3", "[::1]:80", ""]
        {
            assert_eq!(strange(own), None, "{own}");
        }
        for other in
            ["rebind.evil.example:8080", "localhost.evil.example", "notlocalhost", "gateway", "127.0.0.1.evil.example"]
        {
            assert_eq!(strange(other).as_deref(), other.split(':').next(), "{other}");
        }
        let in_target = Request::builder().uri("http://evil.example/system/functions").body(()).unwrap();
        assert!(strange_name(&in_target).is_some());
        assert_eq!(strange_name(&request(Method::GET, &[])), None, "as programs of HTTP/1.0 ask");
    }
}
