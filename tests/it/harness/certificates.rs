//! A CA of the test's own, and certificates of it in files.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};

/// A CA.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, in files.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Writes the certificate of the CA.
    pub(crate) fn write(&self, file: PathBuf) -> PathBuf {
        std::fs::write(&file, self.0.pem()).unwrap();
        file
    }

    /// Writes a certificate for a server of these names, valid for long.
    pub(crate) fn server(&self, names: &[&str], files: &Path) -> Identity {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.distinguished_name.push(DnType::CommonName, "broker");
        self.sign(&params, files)
    }

    /// Writes a certificate for a client of this name, which ends in so many days.
    pub(crate) fn client(&self, name: &str, days: i64, files: &Path) -> Identity {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.distinguished_name.push(DnType::CommonName, name);
        let end = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * days);
        let end = end.to_zoned(jiff::tz::TimeZone::UTC);
        let (month, day) = (end.month().unsigned_abs(), end.day().unsigned_abs());
        params.not_after = rcgen::date_time_ymd(end.year().into(), month, day);
        self.sign(&params, files)
    }

    /// Writes `<files>.pem` and `<files>.key`, each as a whole and in place of what was there.
    fn sign(&self, params: &CertificateParams, files: &Path) -> Identity {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let identity = Identity {
            certificate: files.with_extension("pem"),
            key: files.with_extension("key"),
        };
        replace(&identity.key, &key.serialize_pem());
        replace(&identity.certificate, &certificate.pem());
        identity
    }
}

/// Puts a file with this content, which only its owner may read, in the place of another.
pub(crate) fn replace(file: &Path, content: &str) {
    let new = file.with_extension("new");
    std::fs::write(&new, content).unwrap();
    std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::rename(&new, file).unwrap();
}

/// A port of this machine that nobody listens on, below those that the system hands out to clients.
pub(crate) fn free_port() -> u16 {
    let first = 10_000 + u16::try_from(std::process::id() % 19_000).unwrap();
    (first..30_000)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a free port")
}
