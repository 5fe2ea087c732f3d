//! Whether a page of another site had the browser of an operator send a request. It could not read the answer, but what
//! the request changes would be changed.

use http::{HeaderMap, Method};

/// Says where a request comes from, in every browser; a page cannot set it, and programs do not send it (Fetch Metadata).
const ORIGIN_OF_REQUEST: &str = "sec-fetch-site";

/// Whether it would change something, and comes from elsewhere.
pub(super) fn is_foreign(method: &Method, headers: &HeaderMap) -> bool {
    let own = |value: &http::HeaderValue| value == "same-origin" || value == "none";
    !method.is_safe() && headers.get_all(ORIGIN_OF_REQUEST).iter().any(|value| !own(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_changes_that_come_from_elsewhere_are_foreign() {
        let from = |method: Method, site: Option<&'static str>| {
            let headers = site.into_iter().map(|it| (ORIGIN_OF_REQUEST.parse().unwrap(), it.parse().unwrap()));
            is_foreign(&method, &headers.collect())
        };
        for own in [None, Some("same-origin"), Some("none")] {
            assert!(!from(Method::POST, own), "{own:?}");
        }
        for other in [Some("cross-site"), Some("same-site"), Some("anything")] {
            assert!(from(Method::POST, other) && from(Method::DELETE, other) && !from(Method::GET, other), "{other:?}");
        }
    }
}
