//! What a process is told of its request, in the variables that OpenFaaS's watchdog sets (pure).

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use http::HeaderName;
use http::request::Parts;
use percent_encoding::percent_decode_str;

/// The variables: `Http_Method`, `Http_Path` (decoded), `Http_Query` (as it is) and one for each header, such as
/// `Http_X_Call_Id`. Of a header that comes more than once the first is told.
///
/// Two kinds of headers are left out, because what they would set is not what they are: `Proxy`, whose variable some
/// programs take for the proxy that they are to use, and names with `_`, which would pass for those with `-`.
pub(super) fn of(head: &Parts) -> Vec<(String, OsString)> {
    let header =
        |name: &HeaderName| Some((variable(name), OsStr::from_bytes(head.headers.get(name)?.as_bytes()).into()));
    let headers = head.headers.keys().filter(|name| is_told(name)).filter_map(header);
    let query = head.uri.query().filter(|query| !query.is_empty());
    let uri = [
        ("Http_Method", Some(head.method.as_str().into())),
        ("Http_Path", Some(path(head.uri.path()))),
        ("Http_Query", query.map(OsString::from)),
    ];
    let uri = uri.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    // After the headers: none of those may stand for the request itself.
    headers.chain(uri).collect()
}

fn is_told(name: &HeaderName) -> bool {
    name != "proxy" && !name.as_str().contains('_')
}

/// The path decoded, unless that would be no value of a variable.
fn path(path: &str) -> OsString {
    let decoded: Vec<u8> = percent_decode_str(path).collect();
    if decoded.contains(&0) { path.into() } else { OsString::from_vec(decoded) }
}

/// As Go writes a header's name, with `_` for `-`.
fn variable(name: &HeaderName) -> String {
    let mut variable = String::from("Http");
    for part in name.as_str().split('-') {
        let (first, rest) = part.split_at(part.len().min(1));
        variable.extend(["_", &first.to_ascii_uppercase(), rest]);
    }
    variable
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use http::Request;

    use super::*;

    fn told(uri: &str, headers: &[(&str, &[u8])]) -> BTreeMap<String, OsString> {
        let mut request = Request::post(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        of(&request.body(()).unwrap().into_parts().0).into_iter().collect()
    }

    #[test]
    fn variables_are_named_as_of_watchdog_names_them() {
        let told = told("/a%2Fb/c?q=1&r", &[("X-Call-Id", b"7"), ("content-TYPE", b"text/plain"), ("a", b"\xff")]);
        let expected = [
            ("Http_Method", &b"POST"[..]),
            ("Http_Path", b"/a/b/c"),
            ("Http_Query", b"q=1&r"),
            ("Http_X_Call_Id", b"7"),
            ("Http_Content_Type", b"text/plain"),
            ("Http_A", b"\xff"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), OsStr::from_bytes(value).to_owned()));
        assert_eq!(told, BTreeMap::from(expected));
    }

    #[test]
    fn a_path_is_decoded_as_far_as_a_variable_can_hold_it() {
        for (uri, expected) in [("/%C3%A4%ff", &b"/\xc3\xa4\xff"[..]), ("/a%00b", b"/a%00b"), ("/100%", b"/100%")] {
            assert_eq!(told(uri, &[])["Http_Path"].as_bytes(), expected, "{uri}");
        }
    }

    #[test]
    fn no_header_passes_for_something_else() {
        let headers: &[(&str, &[u8])] = &[
            ("x-call-id", b"7"),
            ("x_call_id", b"8"),
            ("proxy", b"http://evil"),
            ("method", b"GET"),
            ("path", b"/etc"),
            ("x-call-id", b"9"),
        ];
        let told = told("/?", headers);
        assert_eq!(told["Http_X_Call_Id"], "7");
        assert_eq!((&*told["Http_Method"], &*told["Http_Path"]), (OsStr::new("POST"), OsStr::new("/")));
        assert!(!told.contains_key("Http_Proxy") && !told.contains_key("Http_Query"), "{told:?}");
    }
}
