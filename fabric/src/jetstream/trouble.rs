//! Why a connection was not made, and how that is mended.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use async_nats::connection::State;
use async_nats::{Client, ConnectError, ConnectErrorKind};
use rustls::{AlertDescription, CertificateError};

use super::access::Access;

/// What is in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    what: String,
    mend: &'static str,
}

impl Trouble {
    /// Finds out what an error of the client means, for one who shows `access`.
    pub(super) fn of(error: &ConnectError, access: &Access) -> Self {
        let new = |what: String, mend| Self { what, mend };
        if let Some(tls) = cause::<rustls::Error>(error) {
            return Self::of_tls(tls, access);
        }
        match error.kind() {
            ConnectErrorKind::AuthorizationViolation => Self::of_credentials(access),
            ConnectErrorKind::Authentication => {
                new(format!("{error}"), "see to it that this file is what --broker-… says it is")
            }
            ConnectErrorKind::TimedOut if !access.tls().first => new(
                "it is silent".into(),
                "see whether nats-server runs there; with handshake_first it says nothing before --broker-tls-first",
            ),
            // Let in, and put out in the same moment.
            ConnectErrorKind::Io if error.to_string().contains("Authentication Expired") => {
                Self::of_credentials(access)
            }
            ConnectErrorKind::Io if error.to_string().contains("got nothing") => new(
                "it hung up without a word".into(),
                "see whether that is a nats-server; with handshake_first it says nothing before --broker-tls-first",
            ),
            ConnectErrorKind::Tls => new(
                format!("{error}"),
                "name those who may have signed the server's certificate with --broker-ca, or see to the system's",
            ),
            ConnectErrorKind::Io if error.to_string().to_lowercase().contains("tls required") => {
                new("it wants TLS".into(), "write tls://host:port, and --broker-ca for a certificate of your own")
            }
            _ => new(error.to_string(), "start nats-server with -js there, or say where it is with --broker"),
        }
    }

    /// Says why a server does not answer that has let this one in, if it has put him out again.
    pub(super) fn of_silence(client: &Client, access: &Access) -> Option<Self> {
        match client.connection_state() {
            State::Connected => None,
            State::Pending | State::Disconnected if access.expired().is_some() => Some(Self::of_credentials(access)),
            State::Pending | State::Disconnected => Some(Self {
                what: "it let this one in, and the connection was lost before it answered".into(),
                mend: "see what the server logs",
            }),
        }
    }

    fn of_credentials(access: &Access) -> Self {
        let (what, mend) = match access.expired() {
            Some(at) => (
                format!("it does not let in {access}: the credentials have expired, at {at}"),
                "put new ones into the file; they are read again at the next try",
            ),
            None => (
                format!("it does not let in {access}"),
                "see whether the server knows this user, and has this password, token or key for him; with --broker-user, \
                 --broker-token-file, --broker-nkey or --broker-creds it is said who this is",
            ),
        };
        Self { what, mend }
    }

    fn of_tls(error: &rustls::Error, access: &Access) -> Self {
        let new = |what: String, mend| Self { what, mend };
        match error {
            rustls::Error::InvalidCertificate(why) => match why {
                CertificateError::UnknownIssuer => new(
                    "nobody who is known here has signed the server's certificate".into(),
                    "name the certificate of its CA with --broker-ca",
                ),
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => new(
                    format!("the server's certificate is another host's: {why}"),
                    "write the name in --broker that is in the certificate, or have a certificate with this one made",
                ),
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                    new(format!("the server's certificate has expired: {why}"), "have a new one made for the server")
                }
                other => {
                    new(format!("the server's certificate does not do: {other}"), "have another made for the server")
                }
            },
            rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => new(
                "the server wants a certificate, and none was shown".into(),
                "name one with --broker-cert, and its key with --broker-key",
            ),
            rustls::Error::AlertReceived(alert) if access.tls().pair.is_some() => new(
                format!("the server does not take the certificate of --broker-cert: {alert:?}"),
                "show one that a CA has signed whom the server trusts (its tls.ca_file)",
            ),
            rustls::Error::AlertReceived(AlertDescription::BadCertificate | AlertDescription::HandshakeFailure) => new(
                "the server ends the handshake: it may want a certificate".into(),
                "name one with --broker-cert, and its key with --broker-key",
            ),
            rustls::Error::InvalidMessage(_) if access.tls().first => new(
                "the server speaks before TLS is begun".into(),
                "leave --broker-tls-first away, or set handshake_first in the server's tls block",
            ),
            rustls::Error::InvalidMessage(_) => new(
                "the server does not speak TLS, which tls://, --broker-ca or --broker-cert ask for".into(),
                "set up TLS on the server, or leave these away",
            ),
            other => new(format!("TLS: {other}"), "see what the server logs"),
        }
    }

    /// How to mend it.
    #[must_use]
    pub fn mend(&self) -> &'static str {
        self.mend
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.what, self.mend)
    }
}

/// The first cause of this kind. An [`io::Error`] is opened: it does not name what is in it as its cause.
fn cause<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    if let Some(found) = error.downcast_ref() {
        return Some(found);
    }
    let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    let inner = inner.map(|inner| inner as &(dyn StdError + 'static));
    inner.and_then(cause).or_else(|| error.source().and_then(cause))
}
