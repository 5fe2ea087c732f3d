//! What a request says of who sent it: read and taken out of its headers.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use proto::Refusal;

/// A key or a token, where `Authorization` is meant for the function.
pub const X_FABRIC_KEY: HeaderName = HeaderName::from_static("x-fabric-key");

/// The text of the key or the token. Of `Basic` that is the password: the user's name means nothing.
///
/// # Errors
/// [`Refusal::Unauthenticated`].
pub(super) fn take(headers: &mut HeaderMap) -> Result<String, Refusal> {
    let own = headers.contains_key(&X_FABRIC_KEY);
    let name = if own { X_FABRIC_KEY } else { header::AUTHORIZATION };
    let values: Vec<HeaderValue> = headers.get_all(&name).iter().cloned().collect();
    let value = match values.as_slice() {
        [value] => value,
        [] => return Err(Refusal::Unauthenticated("the request does not say who sends it".into())),
        // What stands before us may have looked at another one than we would.
        _ => return Err(Refusal::Unauthenticated(format!("{name} is sent more than once"))),
    };
    headers.remove(&name);
    let unreadable = || Refusal::Unauthenticated(format!("{name} cannot be read: it is Bearer and a key, or Basic"));
    let value = value.to_str().map_err(|_| unreadable())?;
    if own {
        return Ok(value.to_owned());
    }
    let (scheme, rest) = value.split_once(' ').ok_or_else(unreadable)?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Ok(rest.to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(unreadable());
    }
    let pair = STANDARD.decode(rest).ok().and_then(|pair| String::from_utf8(pair).ok()).ok_or_else(unreadable)?;
    let (_, password) = pair.split_once(':').ok_or_else(unreadable)?;
    Ok(password.to_owned())
}
