//! What a request needs: said of every route where the route is (pure).

use proto::Refusal;
use proto::key::{Reach, Scope};

use super::{Identity, lacks};

/// What whoever asks must be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing: the answer tells nothing that is anybody's.
    Nothing,
    /// To be somebody.
    Somebody,
    /// One of these. Whoever is limited to namespaces is asked about, and told of, what is in those only: that is the
    /// handler's part.
    Scope(&'static [Scope]),
    /// This, in all namespaces: what is asked for belongs to no single one.
    Fabric(Scope),
}

impl Need {
    /// Whether somebody has it.
    pub(super) fn check(self, identity: &Identity) -> Result<(), Refusal> {
        match self {
            Self::Nothing | Self::Somebody => Ok(()),
            Self::Scope(scopes) if scopes.iter().any(|scope| identity.scopes().allow(*scope)) => Ok(()),
            Self::Scope(scopes) => Err(lacks(identity, scopes)),
            Self::Fabric(scope) if !identity.scopes().allow(scope) => Err(lacks(identity, &[scope])),
            Self::Fabric(_) if *identity.namespaces() == Reach::Everything => Ok(()),
            Self::Fabric(_) => Err(Refusal::Forbidden(format!(
                "{} is limited to namespaces, and this concerns all of them",
                identity.who()
            ))),
        }
    }
}
