//! TLS to the broker: its settings, and what is made of the files that they name.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use lapin::tcp::{RustlsConnector, RustlsConnectorConfig};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::Deserialize;

use super::certificate::Certificate;
use super::fault::{Fault, FaultKind};

/// Whom we trust, and who we are, where the URL of the broker is `amqps`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// The CAs whose certificates a broker may show, in PEM form; none for those that the system trusts.
    pub ca_file: Option<PathBuf>,
    /// Our certificate, and those of the CAs between it and one that the broker knows, in PEM form.
    pub certificate_file: Option<PathBuf>,
    /// The key of our certificate, in PEM form, without a passphrase.
    pub key_file: Option<PathBuf>,
    /// The name that the certificate of the broker must be for; none for the host in the URL.
    pub server_name: Option<String>,
}

/// What a file held, with what it is called in messages.
pub(super) struct Content<'a> {
    pub(super) key: String,
    pub(super) path: &'a Path,
    pub(super) bytes: &'a [u8],
}

/// The contents of the files of a [`Tls`].
pub(super) struct Contents<'a> {
    pub(super) ca: Option<Content<'a>>,
    pub(super) identity: Option<(Content<'a>, Content<'a>)>,
}

/// What a connection is encrypted with.
pub(super) struct Secured {
    pub(super) connector: RustlsConnector,
    /// The name that the certificate of the broker must be for.
    pub(super) server_name: String,
    /// Whose word is taken for the broker's certificate, for messages.
    pub(super) trusted: String,
    /// The certificate that we show.
    pub(super) ours: Option<Certificate>,
}

impl Tls {
    /// Whether anything is set.
    pub fn is_set(&self) -> bool {
        *self != Self::default()
    }

    /// Checks what can be checked without the files.
    pub(super) fn check(&self, section: &str) -> Result<(), Fault> {
        let missing = match (&self.certificate_file, &self.key_file) {
            (Some(_), None) => "key_file",
            (None, Some(_)) => "certificate_file",
            _ => return Ok(()),
        };
        Err(setting(format!(
            "{section}.tls.{missing} is missing: a certificate and its key go together (--tls-cert and --tls-key)"
        )))
    }

    /// What is to be said where others than its owner and its group may read the key.
    pub fn exposed_key(&self) -> Option<String> {
        let path = self.key_file.as_deref()?;
        let mode = std::fs::metadata(path).ok()?.permissions().mode();
        (mode & 0o007 != 0).then(|| {
            format!(
                "every user of this machine may read the key in {} (mode {:o}): chmod 600 it",
                path.display(),
                mode & 0o777
            )
        })
    }
}

impl Secured {
    /// Makes sense of the files.
    pub(super) fn new(contents: &Contents<'_>, server_name: &str) -> Result<Self, Fault> {
        let (roots, trusted) = if let Some(content) = &contents.ca {
            let roots = RustlsConnectorConfig::default().with_parsable_certificates(content.certificates()?);
            (roots, format!("the CA in {}", content.path.display()))
        } else {
            let roots = RustlsConnectorConfig::new_with_native_certs().map_err(|error| {
                setting(format!(
                    "the certificates of the CAs that this system trusts cannot be read ({error}): install them \
                     (ca-certificates), or name the CA of the broker in tls.ca_file (--tls-ca)"
                ))
            })?;
            (roots, "a CA that this system trusts".to_owned())
        };
        let (connector, ours) = if let Some((certificate, key)) = &contents.identity {
            let chain = certificate.certificates()?;
            let ours = Certificate::first(&chain).ok_or_else(|| certificate.unusable())?;
            let connector = roots.connector_with_single_cert(chain, key.private_key()?);
            let connector = connector.map_err(|error| mismatch(certificate, key, contents, &error))?;
            (connector, Some(ours))
        } else {
            let connector = roots.connector_with_no_client_auth();
            (connector.map_err(|_| unusable_ca(contents))?, None)
        };
        Ok(Self {
            connector,
            server_name: server_name.to_owned(),
            trusted,
            ours,
        })
    }
}

impl Content<'_> {
    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, Fault> {
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(self.bytes).collect();
        match found {
            Ok(found) if !found.is_empty() => Ok(found),
            _ => Err(setting(format!(
                "{} {} holds no certificate in PEM form: it begins with -----BEGIN CERTIFICATE-----",
                self.key,
                self.path.display()
            ))),
        }
    }

    /// What the parser says is not told: it could quote the key.
    fn private_key(&self) -> Result<PrivateKeyDer<'static>, Fault> {
        let encrypted = b"ENCRYPTED";
        if self
            .bytes
            .windows(encrypted.len())
            .any(|window| window == encrypted)
        {
            return Err(setting(format!(
                "{} {} is a key with a passphrase, which nobody could enter: take it off (openssl pkey -in FILE -out NEW), and let only the server read the file",
                self.key,
                self.path.display()
            )));
        }
        PrivateKeyDer::from_pem_slice(self.bytes).map_err(|_| {
            setting(format!(
                "{} {} holds no private key in PEM form: it begins with -----BEGIN PRIVATE KEY-----",
                self.key,
                self.path.display()
            ))
        })
    }

    fn unusable(&self) -> Fault {
        setting(format!(
            "{} {} holds a certificate that cannot be read: is it X.509, and whole?",
            self.key,
            self.path.display()
        ))
    }
}

fn unusable_ca(contents: &Contents<'_>) -> Fault {
    match &contents.ca {
        Some(content) => content.unusable(),
        None => setting("the CAs that this system trusts cannot be used".to_owned()),
    }
}

/// Why a certificate and a key make no identity.
fn mismatch(
    certificate: &Content<'_>,
    key: &Content<'_>,
    contents: &Contents<'_>,
    error: &io::Error,
) -> Fault {
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InconsistentKeys(_)) => setting(format!(
            "the key in {} {} does not belong to the certificate in {} {}: the two were made together",
            key.key,
            key.path.display(),
            certificate.key,
            certificate.path.display()
        )),
        Some(rustls::Error::InvalidCertificate(_)) => certificate.unusable(),
        Some(error) => setting(format!(
            "{} {} holds a key that cannot be used ({error}): take RSA, ECDSA (P-256, P-384) or Ed25519",
            key.key,
            key.path.display()
        )),
        None => unusable_ca(contents),
    }
}

fn setting(what: String) -> Fault {
    Fault::new(FaultKind::Setting, what)
}
