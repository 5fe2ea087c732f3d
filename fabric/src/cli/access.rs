//! Who a process is to the NATS server, and by what it knows the server.

use std::path::PathBuf;

use clap::{ArgAction, Args};

use super::value::inbox;
use crate::jetstream::Access as Door;
use crate::jetstream::access::{self, Secret, Tls};

/// What shows who a process is: one of them.
#[derive(Clone, Debug, Default, Args)]
#[group(multiple = false, id = "identity")]
pub struct Identity {
    /// The file with the password of --broker-user. It is read whenever a connection is made, as all of these files are.
    #[arg(long, value_name = "FILE")]
    pub broker_password_file: Option<PathBuf>,
    /// The file with a token.
    #[arg(long, value_name = "FILE")]
    pub broker_token_file: Option<PathBuf>,
    /// The file with the seed of an nkey (SU…).
    #[arg(long, value_name = "FILE")]
    pub broker_nkey: Option<PathBuf>,
    /// The file with a JWT and the seed that belongs to it, as nsc writes it.
    #[arg(long, value_name = "FILE")]
    pub broker_creds: Option<PathBuf>,
}

/// Who a process is to the NATS server, and by what it knows the server.
#[derive(Clone, Debug, Args)]
pub struct Access {
    /// The user that a process is to the NATS server; his password is in --broker-password-file. (Both can be in the URL.)
    #[arg(long, value_name = "NAME")]
    pub broker_user: Option<String>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened: its fields are documented")]
    pub identity: Identity,
    /// The certificates (PEM) of those who may have signed the NATS server's; the system's, if absent. With this, and with
    /// any of the next three, nothing is said without TLS.
    #[arg(long, value_name = "FILE")]
    pub broker_ca: Option<PathBuf>,
    /// The certificate (PEM) that is shown to the NATS server.
    #[arg(long, value_name = "FILE")]
    pub broker_cert: Option<PathBuf>,
    /// Its key (PEM).
    #[arg(long, value_name = "FILE")]
    pub broker_key: Option<PathBuf>,
    /// Begin with TLS, without waiting for the NATS server's greeting: for servers with `handshake_first`.
    #[arg(long, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", value_name = "BOOL")]
    pub broker_tls_first: bool,
    /// What the subjects begin with on which the NATS server answers: where each user may listen to his own only.
    #[arg(long, default_value = "_INBOX", value_parser = inbox, value_name = "SUBJECT")]
    pub broker_inbox: String,
}

impl Access {
    /// What is shown to the server at `url`.
    ///
    /// # Errors
    /// When it is said in two ways, or by half.
    pub fn to(self, url: &str) -> Result<Door, access::Error> {
        let Identity { broker_password_file, broker_token_file, broker_nkey, broker_creds } = self.identity;
        let identity = match (self.broker_user, broker_password_file) {
            (Some(user), Some(file)) => Some(access::Identity::Password { user, password: Secret::File(file) }),
            (Some(_), None) => return Err(half("--broker-user", "--broker-password-file FILE")),
            (None, Some(_)) => return Err(half("--broker-password-file", "--broker-user NAME")),
            (None, None) => broker_token_file
                .map(|file| access::Identity::Token(Secret::File(file)))
                .or(broker_nkey.map(access::Identity::Nkey))
                .or(broker_creds.map(access::Identity::Creds)),
        };
        let pair = match (self.broker_cert, self.broker_key) {
            (Some(cert), Some(key)) => Some((cert, key)),
            (Some(_), None) => return Err(half("--broker-cert", "--broker-key FILE")),
            (None, Some(_)) => return Err(half("--broker-key", "--broker-cert FILE")),
            (None, None) => None,
        };
        let tls = Tls { ca: self.broker_ca, pair, first: self.broker_tls_first };
        Door::new(url, identity, tls, self.broker_inbox)
    }
}

fn half(said: &str, missing: &str) -> access::Error {
    access::Error::Options(format!("{said} says half of it: say {missing} as well"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Parsed {
        #[command(flatten)]
        access: Access,
    }

    fn told(args: &str, url: &str) -> Result<Door, String> {
        let all = ["x"].into_iter().chain(args.split_whitespace());
        let parsed = Parsed::try_parse_from(all).map_err(|error| error.to_string())?;
        parsed.access.to(url).map_err(|error| error.to_string())
    }

    #[test]
    fn what_excludes_each_other_is_refused_with_both_names() {
        let (plain, with_user) = ("nats://h:1", "nats://me:secret@h:1");
        for (args, url, names) in [
            ("--broker-creds c --broker-nkey n", plain, ["--broker-creds", "--broker-nkey"]),
            (
                "--broker-token-file t --broker-password-file p",
                plain,
                ["--broker-token-file", "--broker-password-file"],
            ),
            ("--broker-user u", plain, ["--broker-user", "--broker-password-file"]),
            ("--broker-password-file p", plain, ["--broker-password-file", "--broker-user"]),
            ("--broker-user u --broker-creds c", plain, ["--broker-user", "--broker-password-file"]),
            ("--broker-cert c", plain, ["--broker-cert", "--broker-key"]),
            ("--broker-key k", plain, ["--broker-key", "--broker-cert"]),
            ("--broker-creds c", with_user, ["--broker-creds", "--broker"]),
            ("", "nats://me:secret@h:1,nats://you:secret@h:2", ["--broker", "one"]),
        ] {
            let error = told(args, url).err().unwrap();
            assert!(names.iter().all(|name| error.contains(name)), "{args}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
        for (args, url) in [("", plain), ("--broker-user u --broker-password-file p", plain), ("", with_user)] {
            assert!(told(args, url).is_ok(), "{args} {url}");
        }
        assert!(told("--broker-inbox a.*", plain).is_err());
    }
}
