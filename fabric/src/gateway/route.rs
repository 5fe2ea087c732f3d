//! Which path means what, and needs what.

use http::Method;
use proto::key::Scope;

use crate::identity::need::Need;

/// What a path asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route<'a> {
    /// `/async-function/{name}[/path]`
    Enqueue(Target<'a>),
    /// `/function/{name}[/path]`
    Forward(Target<'a>),
    /// `/calls/{id}`
    Call(&'a str),
    /// `/calls/{id}/explain`
    Explain(&'a str),
    /// `/healthz`
    Health,
    /// `/system/…`
    System,
    /// `/`
    Root,
    /// Nothing.
    Unknown,
}

/// A function's name and the path below it, percent-encoding untouched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// As the caller wrote it.
    pub name: &'a str,
    /// Empty, or beginning with `/`.
    pub path: &'a str,
}

/// A [`Target`] that outlives its request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedTarget {
    /// As the caller wrote it.
    pub name: String,
    /// Empty, or beginning with `/`.
    pub path: String,
}

impl Target<'_> {
    /// A copy.
    #[must_use]
    pub fn into_owned(self) -> OwnedTarget {
        OwnedTarget { name: self.name.into(), path: self.path.into() }
    }
}

impl<'a> Route<'a> {
    /// What a request for it needs.
    #[must_use]
    pub fn need(&self, method: &Method) -> Need {
        const CANCEL: Need = Need::Scope(&[Scope::Invoke, Scope::Operate]);
        match self {
            Self::Enqueue(_) | Self::Call(_) if method == Method::DELETE => CANCEL,
            Self::Enqueue(_) | Self::Forward(_) => Need::Scope(&[Scope::Invoke]),
            Self::Call(_) | Self::Explain(_) => Need::Scope(&[Scope::Invoke, Scope::Read]),
            // Each path below /system/ has its own, and is asked for it there.
            Self::Health | Self::Root | Self::Unknown | Self::System => Need::Nothing,
        }
    }

    /// Reads a request's path.
    #[must_use]
    pub fn of(path: &'a str) -> Self {
        if let Some(rest) = path.strip_prefix("/async-function/") {
            Self::Enqueue(target(rest))
        } else if let Some(rest) = path.strip_prefix("/function/") {
            Self::Forward(target(rest))
        } else if let Some(id) = path.strip_prefix("/calls/") {
            id.strip_suffix("/explain").map_or(Self::Call(id), Self::Explain)
        } else if path.starts_with("/system/") {
            Self::System
        } else if path == "/healthz" {
            Self::Health
        } else if path == "/" {
            Self::Root
        } else {
            Self::Unknown
        }
    }
}

fn target(rest: &str) -> Target<'_> {
    let (name, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    Target { name, path }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_below_the_function_is_kept_as_it_is() {
        let enqueue = |name, path| Route::Enqueue(Target { name, path });
        assert_eq!(Route::of("/async-function/f"), enqueue("f", ""));
        assert_eq!(Route::of("/async-function/f.ns/"), enqueue("f.ns", "/"));
        assert_eq!(Route::of("/async-function/f/a%2Fb//c/d"), enqueue("f", "/a%2Fb//c/d"));
        assert_eq!(Route::of("/function/f/x"), Route::Forward(Target { name: "f", path: "/x" }));
        assert_eq!(Route::of("/async-function/"), enqueue("", ""));
    }

    #[test]
    fn everything_else_is_what_it_is() {
        assert_eq!(Route::of("/system/functions"), Route::System);
        assert_eq!(Route::of("/calls/c1"), Route::Call("c1"));
        assert_eq!(Route::of("/calls/c1/explain"), Route::Explain("c1"));
        assert_eq!(Route::of("/"), Route::Root);
        for path in ["", "/async-function", "/functions/x", "/Function/x", "*", "/.well-known"] {
            assert_eq!(Route::of(path), Route::Unknown, "{path:?}");
        }
    }
}
