//! Who is to say who he is, as a process is told it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use actors::directory::Directory;
use actors::port::Clock;
use proto::key::Hash;
use tokio::sync::watch;

use super::oidc::{self, Issuer};
use super::{Authenticator, secret};
use crate::cli;

/// The shortest admin key, in characters: people make them up.
const ADMIN_KEY_LEN_MIN: usize = 32;

/// Why nobody can say who he is.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Others reach the address, and anybody could do everything.
    #[error(
        "{flag} {addr} is reached from elsewhere, and anybody could then do everything: say who may, by \
         --admin-key-file, --oidc-issuer or --auth (README, \"Who may do what\"), or --insecure-no-auth if something \
         else keeps others away"
    )]
    Open {
        /// What says so.
        flag: &'static str,
        /// The address.
        addr: SocketAddr,
    },
    /// Both cannot be meant.
    #[error("--insecure-no-auth contradicts --auth, --admin-key, --admin-key-file and --oidc-issuer: leave it away")]
    Contradiction,
    /// Too easy to guess.
    #[error(
        "an admin key has {0} characters, and must have at least {ADMIN_KEY_LEN_MIN}: openssl rand -hex 32 makes one"
    )]
    Short(usize),
    /// The file cannot be read.
    #[error("--admin-key-file {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file holds no key.
    #[error("--admin-key-file {0} holds no key: write one a line")]
    Empty(PathBuf),
    /// A provider without an audience would let in whoever has a token of it for anything; an audience alone means nothing.
    #[error("{said} says half of it: say {missing} as well")]
    Half {
        /// What is there.
        said: &'static str,
        /// What is not.
        missing: &'static str,
    },
    /// The issuer cannot be used.
    #[error("--oidc-issuer: {0}")]
    Issuer(#[from] oidc::Error),
}

/// Whether somebody has to say who he is, and how.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    is_on: bool,
    /// Whether it was said that it is off.
    is_off: bool,
    admins: Vec<Hash>,
    issuer: Option<oidc::Settings>,
}

impl TryFrom<&cli::Authentication> for Settings {
    type Error = Error;

    /// Reads the file, and keeps nothing of keys but their hashes.
    fn try_from(args: &cli::Authentication) -> Result<Self, Error> {
        let mut keys: Vec<String> = args.admin_key.iter().cloned().collect();
        if let Some(path) = &args.admin_key_file {
            let unreadable = |source| Error::Unreadable { path: path.clone(), source };
            let text = std::fs::read_to_string(path).map_err(unreadable)?;
            let before = keys.len();
            keys.extend(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(Into::into));
            if keys.len() == before {
                return Err(Error::Empty(path.clone()));
            }
        }
        if let Some(short) = keys.iter().map(|key| key.chars().count()).find(|len| *len < ADMIN_KEY_LEN_MIN) {
            return Err(Error::Short(short));
        }
        match (&args.oidc_issuer, args.oidc_audience.is_empty()) {
            (Some(_), true) => return Err(Error::Half { said: "--oidc-issuer", missing: "--oidc-audience" }),
            (None, false) => return Err(Error::Half { said: "--oidc-audience", missing: "--oidc-issuer" }),
            (Some(_), false) | (None, true) => {}
        }
        let issuer = args.oidc_issuer.clone().map(|issuer| oidc::Settings {
            issuer,
            audiences: args.oidc_audience.clone(),
            scopes_claim: args.oidc_scopes_claim.clone(),
            namespaces_claim: args.oidc_namespaces_claim.clone(),
        });
        let is_on = args.auth || !keys.is_empty() || issuer.is_some();
        if is_on && args.insecure_no_auth {
            return Err(Error::Contradiction);
        }
        let admins = keys.iter().map(|key| secret::hash(key.as_bytes())).collect();
        Ok(Self { is_on, is_off: args.insecure_no_auth, admins, issuer })
    }
}

impl Settings {
    /// Whether an address may be listened on.
    ///
    /// # Errors
    /// [`Error::Open`].
    pub fn check(&self, flag: &'static str, addr: SocketAddr) -> Result<(), Error> {
        if self.is_on || self.is_off || addr.ip().to_canonical().is_loopback() {
            return Ok(());
        }
        Err(Error::Open { flag, addr })
    }

    /// What goes by them.
    ///
    /// # Errors
    /// [`Error::Issuer`].
    pub fn authenticator(
        &self,
        directory: watch::Receiver<Arc<Directory>>,
        clock: Arc<dyn Clock>,
    ) -> Result<Authenticator, Error> {
        if !self.is_on {
            return Ok(if self.is_off { Authenticator::open() } else { Authenticator::off() });
        }
        let issuer = self.issuer.clone().map(Issuer::new).transpose()?;
        Ok(Authenticator::on(directory, clock, self.admins.clone(), issuer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(args: &cli::Authentication) -> Result<Settings, Error> {
        args.try_into()
    }

    fn args() -> cli::Authentication {
        cli::Authentication::default()
    }

    fn issued() -> cli::Authentication {
        cli::Authentication {
            oidc_issuer: "https://id.example".parse().ok(),
            oidc_audience: vec!["fabric".into()],
            ..args()
        }
    }

    fn key() -> Option<String> {
        Some("x".repeat(ADMIN_KEY_LEN_MIN))
    }

    #[test]
    fn what_others_reach_is_not_open_by_chance() {
        let may =
            |args: cli::Authentication, addr: &str| settings(&args).unwrap().check("--listen", addr.parse().unwrap());
        for here in ["127.0.0.1:80", "127.8.9.1:80", "[::1]:80", "[::ffff:127.0.0.1]:80"] {
            assert!(may(args(), here).is_ok(), "{here}");
        }
        for elsewhere in ["0.0.0.0:80", "[::]:80", "10.0.0.1:80", "[::ffff:10.0.0.1]:80"] {
            let refused = may(args(), elsewhere).unwrap_err().to_string();
            assert!(refused.contains("--listen") && refused.contains("--insecure-no-auth"), "{refused}");
            for said in [
                cli::Authentication { auth: true, ..args() },
                cli::Authentication { admin_key: key(), ..args() },
                issued(),
                cli::Authentication { insecure_no_auth: true, ..args() },
            ] {
                assert!(may(said, elsewhere).is_ok());
            }
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let both = cli::Authentication { admin_key: key(), insecure_no_auth: true, ..args() };
        assert!(matches!(settings(&both), Err(Error::Contradiction)));
        for half in [
            cli::Authentication { oidc_audience: Vec::new(), ..issued() },
            cli::Authentication { oidc_issuer: None, ..issued() },
        ] {
            assert!(matches!(settings(&half), Err(Error::Half { .. })));
        }
        let short = cli::Authentication { admin_key: Some("admin".into()), ..args() };
        assert!(matches!(settings(&short), Err(Error::Short(5))));
        let missing = cli::Authentication { admin_key_file: Some("/nowhere/at/all".into()), ..args() };
        assert!(matches!(settings(&missing), Err(Error::Unreadable { .. })));
    }

    #[test]
    fn keys_of_a_file_are_those_of_its_lines() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let with = || cli::Authentication { admin_key_file: Some(file.path().into()), ..args() };
        std::fs::write(file.path(), "\n  \n").unwrap();
        assert!(matches!(settings(&with()), Err(Error::Empty(_))));
        let (old, new) = ("a".repeat(40), "b".repeat(40));
        std::fs::write(file.path(), format!("{old}\n\n {new} \n")).unwrap();
        let read = settings(&with()).unwrap().admins;
        assert_eq!(read, [old, new].map(|key| secret::hash(key.as_bytes())), "two, while one takes the other's place");
    }
}
