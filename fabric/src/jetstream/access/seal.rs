//! Whether the files of TLS hold what they should: the client takes an empty one without a word.

use std::path::Path;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::{Error, Tls};

/// Reads all of them as the client does.
pub(super) fn check(tls: &Tls) -> Result<(), Error> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = &tls.ca {
        for certificate in certificates("--broker-ca", path)? {
            let added = roots.add(certificate);
            added.map_err(|error| file("--broker-ca", path, format!("a certificate in it signs nothing: {error}")))?;
        }
    }
    let Some((cert, key)) = &tls.pair else { return Ok(()) };
    let chain = certificates("--broker-cert", cert)?;
    let private = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| file("--broker-key", key, format!("it holds no key that can be read: {error}")))?;
    let config = ClientConfig::builder().with_root_certificates(roots).with_client_auth_cert(chain, private);
    let why = |error: rustls::Error| format!("it does not go with {} of --broker-cert: {error}", cert.display());
    config.map(drop).map_err(|error| file("--broker-key", key, why(error)))
}

fn certificates(option: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let all = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match all {
        Ok(all) if all.is_empty() => Err(file(option, path, "it holds no certificate (PEM)".into())),
        Ok(all) => Ok(all),
        Err(error) => Err(file(option, path, error.to_string())),
    }
}

fn file(option: &'static str, path: &Path, why: String) -> Error {
    Error::File { option, path: path.to_owned(), why }
}
