//! What somebody may do.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Error;

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// To call functions, and to follow and cancel those calls.
    Invoke,
    /// To see what is set and what goes on.
    Read,
    /// To change functions and what becomes of calls. Whoever may do that may [read](Self::Read).
    Operate,
    /// To do all of it, and to make keys that may do no more.
    Admin,
}

/// What a key is for, all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeSet<Scope>", into = "BTreeSet<Scope>")]
pub struct Scopes(BTreeSet<Scope>);

impl Scope {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Invoke, Self::Read, Self::Operate, Self::Admin];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invoke => "invoke",
            Self::Read => "read",
            Self::Operate => "operate",
            Self::Admin => "admin",
        }
    }

    /// Reads what [`as_str`](Self::as_str) writes.
    ///
    /// # Errors
    /// [`Error::Scope`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let found = Self::ALL.into_iter().find(|scope| scope.as_str() == text);
        found.ok_or_else(|| Error::Scope(text.chars().take(80).collect()))
    }
}

impl Scopes {
    /// These.
    ///
    /// # Errors
    /// [`Error::NoScope`] if there is none.
    pub fn of(scopes: impl IntoIterator<Item = Scope>) -> Result<Self, Error> {
        BTreeSet::from_iter(scopes).try_into()
    }

    /// Every one there is.
    #[must_use]
    pub fn all() -> Self {
        Self(Scope::ALL.into())
    }

    /// Whether this is among what they allow.
    #[must_use]
    pub fn allow(&self, scope: Scope) -> bool {
        let has = |scope| self.0.contains(&scope);
        has(Scope::Admin) || has(scope) || scope == Scope::Read && has(Scope::Operate)
    }

    /// Whether they allow all that the others do.
    #[must_use]
    pub fn include(&self, others: &Self) -> bool {
        others.0.iter().all(|scope| self.allow(*scope))
    }

    /// One by one.
    pub fn iter(&self) -> impl Iterator<Item = Scope> {
        self.0.iter().copied()
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl TryFrom<BTreeSet<Scope>> for Scopes {
    type Error = Error;
    fn try_from(scopes: BTreeSet<Scope>) -> Result<Self, Error> {
        if scopes.is_empty() { Err(Error::NoScope) } else { Ok(Self(scopes)) }
    }
}

impl From<Scopes> for BTreeSet<Scope> {
    fn from(scopes: Scopes) -> Self {
        scopes.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_allows_what_is_less() {
        let scopes = |all: &[Scope]| Scopes::of(all.iter().copied()).unwrap();
        for (has, allowed) in [
            (Scope::Invoke, vec![Scope::Invoke]),
            (Scope::Read, vec![Scope::Read]),
            (Scope::Operate, vec![Scope::Read, Scope::Operate]),
            (Scope::Admin, Scope::ALL.to_vec()),
        ] {
            let allows: Vec<_> = Scope::ALL.into_iter().filter(|it| scopes(&[has]).allow(*it)).collect();
            assert_eq!(allows, allowed, "{has}");
        }
        assert!(scopes(&[Scope::Operate]).include(&scopes(&[Scope::Read])));
        assert!(!scopes(&[Scope::Operate, Scope::Invoke]).include(&scopes(&[Scope::Admin])));
        assert_eq!(Scopes::of([]), Err(Error::NoScope));
    }
}
