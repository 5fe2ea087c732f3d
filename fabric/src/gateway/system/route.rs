//! What each request below `/system/` needs. One that is not in the table needs everything: whoever adds a route and
//! forgets it here has closed it, not opened it.

use http::Method;
use proto::key::Scope;

use crate::identity::need::Need;
use crate::path::name_in;

const READ: Need = Need::Scope(&[Scope::Read]);
const OPERATE: Need = Need::Scope(&[Scope::Operate]);
/// What a namespace may have is decided by whoever has all of them: nobody lifts his own limits.
const LIMIT: Need = Need::Fabric(Scope::Admin);

/// Every request, with what it needs; a segment in braces stands for a name.
pub static TABLE: [(Method, &str, Need); 20] = [
    (Method::GET, "/healthz", Need::Nothing),
    (Method::HEAD, "/healthz", Need::Nothing),
    (Method::GET, "/system/functions", READ),
    (Method::POST, "/system/functions", OPERATE),
    (Method::PUT, "/system/functions", OPERATE),
    (Method::DELETE, "/system/functions", OPERATE),
    (Method::GET, "/system/function/{name}", READ),
    (Method::GET, "/system/info", Need::Somebody),
    (Method::GET, "/system/namespaces", READ),
    (Method::GET, "/system/namespace/{name}", READ),
    (Method::POST, "/system/namespace/", LIMIT),
    (Method::POST, "/system/namespace/{name}", LIMIT),
    (Method::PUT, "/system/namespace/{name}", LIMIT),
    (Method::DELETE, "/system/namespace/{name}", LIMIT),
    (Method::GET, "/system/secrets", Need::Somebody),
    (Method::POST, "/system/secrets", Need::Somebody),
    (Method::PUT, "/system/secrets", Need::Somebody),
    (Method::DELETE, "/system/secrets", Need::Somebody),
    (Method::GET, "/system/logs", Need::Somebody),
    (Method::POST, "/system/scale-function/{name}", Need::Somebody),
];

/// What a request needs.
#[must_use]
pub fn need(method: &Method, path: &str) -> Need {
    let found = TABLE.iter().find(|(takes, template, _)| takes == method && name_in(template, path).is_some());
    found.map_or(Need::Fabric(Scope::Admin), |(_, _, need)| *need)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_declared_is_closed() {
        assert_eq!(need(&Method::GET, "/system/functions"), READ);
        assert_eq!(need(&Method::GET, "/system/function/f.acme"), READ);
        assert_eq!(need(&Method::POST, "/system/namespace/"), LIMIT);
        for path in ["/system/", "/system/new", "/system/functions/f", "/system/function/", "/system/function/f/g"] {
            assert_eq!(need(&Method::GET, path), Need::Fabric(Scope::Admin), "{path}");
        }
        assert_eq!(need(&Method::PATCH, "/system/functions"), Need::Fabric(Scope::Admin));
    }
}
