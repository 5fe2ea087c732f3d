//! Who a process is to the server, and by what it knows the server.
//!
//! Secrets are in files, which are read whenever a connection is made: who replaces one has done all there is to do. The
//! certificates are read by the client itself, as often.

mod creds;
mod error;
mod seal;

use std::fmt;
use std::path::{Path, PathBuf};

use actors::port::Clock;
use async_nats::{Auth, AuthError, ConnectOptions, ServerAddr};
use percent_encoding::percent_decode_str;
use proto::Timestamp;
use url::Url;

use self::creds::Creds;
pub use self::error::Error;
use crate::clock::SystemClock;

/// What a process shows to a server.
#[derive(Clone)]
pub struct Access {
    identity: Identity,
    tls: Tls,
    inbox: String,
}

impl Default for Access {
    fn default() -> Self {
        Self { identity: Identity::Nobody, tls: Tls::default(), inbox: "_INBOX".into() }
    }
}

/// Who a process is.
#[derive(Clone, Default)]
pub enum Identity {
    /// Nobody in particular.
    #[default]
    Nobody,
    /// A user.
    Password {
        /// His name.
        user: String,
        /// His password.
        password: Secret,
    },
    /// Whoever has this.
    Token(Secret),
    /// Whoever has the seed in this file.
    Nkey(PathBuf),
    /// Whom the JWT in this file names, which holds the seed that goes with it too.
    Creds(PathBuf),
}

/// A word that nobody else is to know.
#[derive(Clone)]
pub enum Secret {
    /// It was in the URL.
    Said(String),
    /// It is in a file.
    File(PathBuf),
}

impl Secret {
    /// The word itself; `option` is where it was said that it is in a file.
    fn read(&self, option: &'static str) -> Result<String, Error> {
        let file = match self {
            Self::Said(word) => return Ok(word.clone()),
            Self::File(file) => file,
        };
        let failed = |why: String| Error::File { option, path: file.clone(), why };
        let text = std::fs::read_to_string(file).map_err(|error| failed(error.to_string()))?;
        match text.trim_end_matches(['\r', '\n']) {
            "" => Err(failed("it is empty".into())),
            word if word.contains('\n') => Err(failed("it has more than one line".into())),
            word => Ok(word.to_owned()),
        }
    }
}

/// By what a process knows the server, and what it shows of itself.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// Who may have signed the server's certificate.
    pub ca: Option<PathBuf>,
    /// A certificate and its key.
    pub pair: Option<(PathBuf, PathBuf)>,
    /// Whether TLS is begun before the server has said a word.
    pub first: bool,
}

impl Tls {
    /// Whether anything of it was asked for: then nothing is said without TLS.
    fn is_asked_for(&self) -> bool {
        self.ca.is_some() || self.pair.is_some() || self.first
    }
}

impl Access {
    /// What is shown to the servers at `urls`: what the options say, or what the URL does.
    ///
    /// # Errors
    /// [`Error::Options`] if both do, [`Error::Url`].
    pub fn new(urls: &str, identity: Option<Identity>, tls: Tls, inbox: String) -> Result<Self, Error> {
        let mut said: Option<(String, Option<String>)> = None;
        for url in addresses(urls)? {
            let (user, password) = (decoded(url.username())?, url.password().map(decoded).transpose()?);
            if user.is_empty() && password.is_none() {
                continue;
            }
            let this = (user, password);
            if said.as_ref().is_some_and(|other| *other != this) {
                return Err(Error::Options("--broker names several users: one must do for all of its servers".into()));
            }
            said = Some(this);
        }
        let identity = match (said, identity) {
            (Some(_), Some(identity)) => {
                let option = identity.option();
                return Err(Error::Options(format!("--broker and {option} both say who this is: leave one away")));
            }
            (Some((user, Some(password))), None) => Identity::Password { user, password: Secret::Said(password) },
            (Some((token, None)), None) => Identity::Token(Secret::Said(token)),
            (None, identity) => identity.unwrap_or_default(),
        };
        Ok(Self { identity, tls, inbox })
    }

    /// What the client is told, beside what this process wants of the connection.
    pub(super) fn options(&self) -> ConnectOptions {
        let identity = self.identity.clone();
        let auth = move |nonce: Vec<u8>| {
            let identity = identity.clone();
            async move { identity.shown(&nonce).map_err(AuthError::new) }
        };
        let mut options = ConnectOptions::with_auth_callback(auth).custom_inbox_prefix(&self.inbox);
        if self.tls.is_asked_for() {
            options = options.require_tls(true);
        }
        if let Some(ca) = &self.tls.ca {
            options = options.add_root_certificates(ca.clone());
        }
        if let Some((cert, key)) = &self.tls.pair {
            options = options.add_client_certificate(cert.clone(), key.clone());
        }
        if self.tls.first { options.tls_first() } else { options }
    }

    /// Whether everything that is to be shown can be read.
    ///
    /// # Errors
    /// [`Error::File`]: which file, and what is wrong with it.
    pub(super) fn check(&self) -> Result<(), Error> {
        self.identity.shown(b"").map(drop)?;
        seal::check(&self.tls)
    }

    /// By what a process knows the server.
    pub(super) fn tls(&self) -> &Tls {
        &self.tls
    }

    /// Until when the server lets this one in, if that is known.
    #[must_use]
    pub fn expires(&self) -> Option<Timestamp> {
        match &self.identity {
            Identity::Creds(path) => Creds::read(path).ok()?.expires(),
            _ => None,
        }
    }

    /// Since when the server does not let this one in any more, if that is known.
    pub(super) fn expired(&self) -> Option<Timestamp> {
        self.expires().filter(|at| *at <= SystemClock.now())
    }

    /// The same as variables, for a process that is to be the same.
    #[must_use]
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let text = |path: &Path| path.display().to_string();
        let mut all = vec![("FABRIC_BROKER_INBOX", self.inbox.clone())];
        match &self.identity {
            Identity::Password { user, password: Secret::File(file) } => {
                all.extend([("FABRIC_BROKER_USER", user.clone()), ("FABRIC_BROKER_PASSWORD_FILE", text(file))]);
            }
            Identity::Token(Secret::File(file)) => all.push(("FABRIC_BROKER_TOKEN_FILE", text(file))),
            Identity::Nkey(file) => all.push(("FABRIC_BROKER_NKEY", text(file))),
            Identity::Creds(file) => all.push(("FABRIC_BROKER_CREDS", text(file))),
            // The URL says it.
            Identity::Nobody | Identity::Password { .. } | Identity::Token(_) => {}
        }
        all.extend(self.tls.ca.as_deref().map(|ca| ("FABRIC_BROKER_CA", text(ca))));
        if let Some((cert, key)) = &self.tls.pair {
            all.extend([("FABRIC_BROKER_CERT", text(cert)), ("FABRIC_BROKER_KEY", text(key))]);
        }
        all.push(("FABRIC_BROKER_TLS_FIRST", self.tls.first.to_string()));
        all
    }
}

impl fmt::Debug for Access {
    /// As it is shown to people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Access({self})")
    }
}

impl fmt::Display for Access {
    /// Who this is, without anything secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.identity {
            Identity::Nobody => f.write_str("nobody (no user, token, nkey or credentials are given)"),
            Identity::Password { user, .. } => write!(f, "user {user}"),
            Identity::Token(Secret::Said(_)) => f.write_str("the holder of the token in --broker"),
            Identity::Token(Secret::File(file)) => write!(f, "the holder of the token in {}", file.display()),
            Identity::Nkey(file) => match creds::seed(file) {
                Ok(key) => write!(f, "nkey {} of {}", key.public_key(), file.display()),
                Err(_) => write!(f, "the nkey of {}", file.display()),
            },
            Identity::Creds(file) => match Creds::read(file) {
                Ok(creds) => write!(f, "{creds} of {}", file.display()),
                Err(_) => write!(f, "the user of {}", file.display()),
            },
        }
    }
}

impl Identity {
    /// The option that says it.
    fn option(&self) -> &'static str {
        match self {
            Self::Nobody => "--broker",
            Self::Password { .. } => "--broker-user",
            Self::Token(_) => "--broker-token-file",
            Self::Nkey(_) => "--broker-nkey",
            Self::Creds(_) => "--broker-creds",
        }
    }

    /// What is shown to a server that wants `nonce` signed.
    fn shown(&self, nonce: &[u8]) -> Result<Auth, Error> {
        let mut auth = Auth::new();
        let signed = |key: &nkeys::KeyPair, file: &Path| {
            key.sign(nonce).map_err(|error| self.file(file, format!("its seed signs nothing: {error}")))
        };
        match self {
            Self::Nobody => {}
            Self::Password { user, password } => {
                auth.username = Some(user.clone());
                auth.password = Some(password.read("--broker-password-file")?);
            }
            Self::Token(token) => auth.token = Some(token.read("--broker-token-file")?),
            Self::Nkey(file) => {
                let key = creds::seed(file).map_err(|why| self.file(file, why))?;
                auth.signature = Some(signed(&key, file)?);
                auth.nkey = Some(key.public_key());
            }
            Self::Creds(file) => {
                let creds = Creds::read(file).map_err(|why| self.file(file, why))?;
                auth.signature = Some(signed(creds.key(), file)?);
                auth.jwt = Some(creds.jwt().to_owned());
            }
        }
        Ok(auth)
    }

    fn file(&self, path: &Path, why: String) -> Error {
        Error::File { option: self.option(), path: path.to_owned(), why }
    }
}

/// Where the servers are: what the client is told, and may tell.
pub(super) fn servers(urls: &str) -> Result<Vec<ServerAddr>, Error> {
    let mut addresses = addresses(urls)?;
    for url in &mut addresses {
        if url.set_username("").is_err() || url.set_password(None).is_err() {
            return Err(Error::Url("it names no host".into()));
        }
    }
    addresses.into_iter().map(|url| ServerAddr::from_url(url).map_err(|error| Error::Url(error.to_string()))).collect()
}

/// The hosts and ports, for people to read.
pub(super) fn without_credentials(urls: &str) -> Result<String, Error> {
    let at = |url: Url| format!("{}:{}", url.host_str().unwrap_or_default(), url.port().unwrap_or(4222));
    Ok(addresses(urls)?.into_iter().map(at).collect::<Vec<_>>().join(", "))
}

fn addresses(urls: &str) -> Result<Vec<Url>, Error> {
    let parsed = |url: &str| {
        let url = url.trim();
        let full = if url.contains("://") { url.to_owned() } else { format!("nats://{url}") };
        // What cannot be parsed may hold a password in a place where it would not be looked for: it is not shown.
        let parsed = Url::parse(&full).map_err(|error| Error::Url(error.to_string()))?;
        match parsed.host_str() {
            Some(host) if !host.is_empty() => Ok(parsed),
            _ => Err(Error::Url("it names no host".into())),
        }
    };
    urls.split(',').map(parsed).collect()
}

fn decoded(text: &str) -> Result<String, Error> {
    let text = percent_decode_str(text).decode_utf8();
    text.map(Into::into).map_err(|_| Error::Url("its user or password is no text".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        assert_eq!(without_credentials("nats://me:secret@a:1, tok@b").unwrap(), "a:1, b:4222");
        for bad in ["nats://", "", "nats://me:secret@:x"] {
            assert!(!without_credentials(bad).unwrap_err().to_string().contains("secret"), "{bad}");
        }
        let shown = servers("tls://me:secret@a:1,tok@b").unwrap();
        assert_eq!(shown.iter().map(ServerAddr::as_url_str).collect::<Vec<_>>(), ["tls://a:1", "nats://b"]);
        let access = Access::new("nats://me:secret@a", None, Tls::default(), "_INBOX".into()).unwrap();
        assert_eq!(access.to_string(), "user me");
    }

    #[test]
    fn who_one_is_may_stand_in_the_url() {
        let shown = |url: &str| {
            let access = Access::new(url, None, Tls::default(), "_INBOX".into()).unwrap();
            let Auth { username, password, token, .. } = access.identity.shown(b"").unwrap();
            (username, password, token)
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(shown("nats://a"), (None, None, None));
        assert_eq!(shown("nats://me:p%40ss@a,nats://b"), (some("me"), some("p@ss"), None));
        assert_eq!(shown("nats://tok@a"), (None, None, some("tok")));
    }

    #[test]
    fn a_word_is_read_from_its_file_each_time() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("word");
        let identity = Identity::Password { user: "me".into(), password: Secret::File(file.clone()) };
        let wrong = |identity: &Identity| identity.shown(b"").err().unwrap().to_string();
        assert!(wrong(&identity).contains("--broker-password-file") && wrong(&identity).contains("No such file"));
        for (text, what) in [("\n", "empty"), ("a\nb\n", "more than one line")] {
            std::fs::write(&file, text).unwrap();
            assert!(wrong(&identity).contains(what), "{text:?}");
        }
        for word in ["first", "second"] {
            std::fs::write(&file, format!("{word}\n")).unwrap();
            assert_eq!(identity.shown(b"").unwrap().password.as_deref(), Some(word));
        }
    }
}
