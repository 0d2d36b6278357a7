//! A certificate, as far as people have to know it: whose it is, and until when it is valid.

use rustls::pki_types::CertificateDer;
use x509_parser::parse_x509_certificate;

/// What a certificate says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Whose it is, such as `CN=deployer,O=Example`.
    pub subject: String,
    /// The last moment at which it is valid, in seconds since 1970.
    pub not_after: i64,
}

/// The certificates of a connection: those whose end would be its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificates {
    /// The one that we show to the broker.
    pub ours: Option<Certificate>,
    /// The one that the broker has shown to us.
    pub theirs: Option<Certificate>,
}

impl Certificate {
    /// Reads the first of a chain, the others of which are those of CAs; none if there is none that can be read.
    pub(super) fn first(chain: &[CertificateDer<'_>]) -> Option<Self> {
        let (_, certificate) = parse_x509_certificate(chain.first()?).ok()?;
        Some(Self {
            subject: certificate.subject().to_string(),
            not_after: certificate.validity().not_after.timestamp(),
        })
    }
}
