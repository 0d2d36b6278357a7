//! What a connection is made with: the URL and the certificates, as their files have them at that moment.

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read};
use std::path::Path;

use lapin::uri::{AMQPScheme, AMQPUri, SASLMechanism};

use super::config::Config;
use super::fault::{Fault, FaultKind};
use super::tls::{Content, Contents, Secured};

/// The longest file that is read, in bytes: the CAs of a system are a twentieth of it.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// What the files held at one moment: to be compared, and for nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen(u64);

/// What a connection is made with.
pub(super) struct Access {
    pub(super) uri: AMQPUri,
    /// The user that we say we are. Where the broker knows us by our certificate, it is only known if the URL names it.
    pub(super) user: Option<String>,
    /// None where the connection is not encrypted.
    pub(super) secured: Option<Secured>,
    pub(super) seen: Seen,
}

/// The files of a [`Config`], or why they cannot be read.
struct Files {
    url: Option<io::Result<Vec<u8>>>,
    ca: Option<io::Result<Vec<u8>>>,
    certificate: Option<io::Result<Vec<u8>>>,
    key: Option<io::Result<Vec<u8>>>,
}

impl Seen {
    /// Reads the files, on a thread that may wait for a disk.
    pub(super) async fn now(config: &Config) -> Result<Self, Fault> {
        away(config, |config| Ok(Files::read(config).seen())).await
    }
}

impl Access {
    /// Reads the files, on a thread that may wait for a disk, and makes sense of them.
    pub(super) async fn read(config: &Config) -> Result<Self, Fault> {
        away(config, |config| Files::read(config).access(config)).await
    }

    pub(super) fn is_external(&self) -> bool {
        self.uri.query.auth_mechanism == Some(SASLMechanism::External)
    }
}

async fn away<T: Send + 'static>(
    config: &Config,
    work: impl FnOnce(&Config) -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    let (config, limit) = (config.clone(), config.connect_timeout());
    let reading = tokio::task::spawn_blocking(move || work(&config));
    match tokio::time::timeout(limit, reading).await {
        Ok(Ok(read)) => read,
        Ok(Err(_)) => Err(super::connection::closed()),
        Err(_) => Err(Fault::deadline(
            "reading the files of the URL and the certificates",
            limit,
            "is the disk that they are on there?",
        )),
    }
}

impl Files {
    fn read(config: &Config) -> Self {
        let read = |path: &Option<_>| path.as_deref().map(read);
        Self {
            url: read(&config.url_file),
            ca: read(&config.tls.ca_file),
            certificate: read(&config.tls.certificate_file),
            key: read(&config.tls.key_file),
        }
    }

    /// A file that is missing is something to be seen, too.
    fn seen(&self) -> Seen {
        let mut hasher = DefaultHasher::new();
        for file in [&self.url, &self.ca, &self.certificate, &self.key] {
            let content = file.as_ref().map(|file| file.as_ref().map_err(io::Error::kind));
            content.hash(&mut hasher);
        }
        Seen(hasher.finish())
    }

    fn access(&self, config: &Config) -> Result<Access, Fault> {
        let url = self.url(config)?;
        let uri = config.parse(&url)?;
        let access = Access {
            user: user(&url, &uri),
            secured: self.secured(config, &uri)?,
            seen: self.seen(),
            uri,
        };
        let has_certificate = access
            .secured
            .as_ref()
            .is_some_and(|secured| secured.ours.is_some());
        if access.is_external() && !has_certificate {
            return Err(setting(format!(
                "{0}.url says auth_mechanism=external, by which the broker knows us by our certificate, and there is none: write amqps://, and name it in {0}.tls.certificate_file and key_file (--tls-cert, --tls-key)",
                config.section
            )));
        }
        Ok(access)
    }

    fn url(&self, config: &Config) -> Result<String, Fault> {
        let (Some(path), Some(content)) = (&config.url_file, &self.url) else {
            return Ok(config.url.clone());
        };
        let key = format!("{}.url_file", config.section);
        let bytes = readable(key.clone(), path, content)?.bytes;
        let text = std::str::from_utf8(bytes).map(str::trim);
        text.map(str::to_owned).map_err(|_| {
            setting(format!(
                "{key} {} is not text: write the URL into it",
                path.display()
            ))
        })
    }

    fn secured(&self, config: &Config, uri: &AMQPUri) -> Result<Option<Secured>, Fault> {
        let (tls, section) = (&config.tls, config.section);
        if uri.scheme == AMQPScheme::AMQP {
            if tls.is_set() {
                return Err(setting(format!(
                    "{section}.tls is set, and {section}.url is amqp://, which is not encrypted: write amqps:// and the port for TLS, often 5671, or take {section}.tls away (--tls-ca, --tls-cert, --tls-key, --tls-server-name)"
                )));
            }
            return Ok(None);
        }
        let content = |key: &str, path, content| match (path, content) {
            (Some(path), Some(content)) => readable(format!("{section}.tls.{key}"), path, content).map(Some),
            _ => Ok(None),
        };
        let certificate = content(
            "certificate_file",
            tls.certificate_file.as_deref(),
            self.certificate.as_ref(),
        )?;
        let key = content("key_file", tls.key_file.as_deref(), self.key.as_ref())?;
        let contents = Contents {
            ca: content("ca_file", tls.ca_file.as_deref(), self.ca.as_ref())?,
            identity: certificate.zip(key),
        };
        let server_name = tls.server_name.as_deref().unwrap_or(&uri.authority.host);
        Secured::new(&contents, server_name).map(Some)
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn readable<'a>(key: String, path: &'a Path, content: &'a io::Result<Vec<u8>>) -> Result<Content<'a>, Fault> {
    match content {
        Ok(bytes) => Ok(Content { key, path, bytes }),
        Err(error) => Err(setting(format!(
            "{key} {} cannot be read: {error}",
            path.display()
        ))),
    }
}

/// The parser gives a URL that names no user the user `guest`, which is right for passwords only.
fn user(url: &str, uri: &AMQPUri) -> Option<String> {
    let is_named = url
        .split_once("://")
        .and_then(|(_, rest)| rest.split(['/', '?', '#']).next())
        .is_some_and(|authority| authority.contains('@'));
    let is_external = uri.query.auth_mechanism == Some(SASLMechanism::External);
    (is_named || !is_external).then(|| uri.authority.userinfo.username.clone())
}

fn setting(what: String) -> Fault {
    Fault::new(FaultKind::Setting, what)
}
