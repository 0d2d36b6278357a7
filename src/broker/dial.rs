//! The way to the broker: TCP, TLS on it, and AMQP on that. Each has words of its own for why it came to nothing.

use std::io;
use std::sync::{Mutex, PoisonError};

use lapin::tcp::{AMQPUriTcpExt, AsyncTcpStream};
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{Connection, ConnectionProperties, ErrorKind};
use rustls::{AlertDescription, CertificateError, Error as TlsError};

use super::access::Access;
use super::certificate::Certificate;
use super::fault::{Fault, FaultKind, broker_words};
use super::tls::Secured;

/// What a broker says of a way of logging in that it does not offer.
const UNKNOWN_MECHANISM: &str = "unknown authentication mechanism";

/// Connects, and says which certificate the broker has shown. The caller sets the deadline of it all: whoever drops this
/// ends it. So the handshake is here, and not left to lapin, which would wait for its end on a thread of its own.
pub(super) async fn dial(
    access: &Access,
    properties: ConnectionProperties,
) -> Result<(Connection, Option<Certificate>), Fault> {
    let uri = &access.uri;
    let doing = format!("connecting to the broker at {}", address(uri));
    let failed = |error: io::Error| Fault::from_lapin(&doing, error.into());
    let runtime = lapin::runtime::default_runtime().map_err(|error| Fault::from_lapin(&doing, error))?;
    let plain = AMQPUri {
        scheme: AMQPScheme::AMQP,
        ..uri.clone()
    };
    let mut stream = plain.connect_async(&runtime).await.map_err(failed)?;
    let mut theirs = None;
    if let Some(secured) = &access.secured {
        let handshake = stream.into_rustls(&secured.connector, &secured.server_name);
        stream = handshake.await.map_err(|error| unsecured(uri, secured, error))?;
        if let AsyncTcpStream::Rustls(tls) = &stream {
            theirs = Certificate::first(tls.get_ref().1.peer_certificates().unwrap_or_default());
        }
    }
    // It is asked for once: nothing recovers by itself.
    let ready = Mutex::new(Some(stream));
    let take = async move |_, _| {
        let stream = ready.lock().unwrap_or_else(PoisonError::into_inner).take();
        stream.ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected).into())
    };
    let connection = Connection::connector(uri.clone(), runtime, take, properties).await;
    Ok((connection.map_err(|error| refused(access, error))?, theirs))
}

pub(super) fn address(uri: &AMQPUri) -> String {
    format!("{}:{}", uri.authority.host, uri.authority.port)
}

/// Why there is no TLS.
fn unsecured(uri: &AMQPUri, secured: &Secured, error: io::Error) -> Fault {
    let broker = address(uri);
    match tls_error(&error) {
        Some(error) => disagreement(&broker, secured, error),
        None if error.kind() == io::ErrorKind::InvalidData || error.kind() == io::ErrorKind::InvalidInput => {
            let name = &secured.server_name;
            Fault::new(
                FaultKind::Setting,
                format!(
                    "`{name}` is no name that a certificate could be for: set tls.server_name (--tls-server-name)"
                ),
            )
        }
        None => Fault::from_lapin(
            &format!("greeting the broker at {broker} in TLS (is that its port for TLS, often 5671?)"),
            error.into(),
        ),
    }
}

/// Why the broker does not go on in AMQP. The password is in none of it.
fn refused(access: &Access, error: lapin::Error) -> Fault {
    let uri = &access.uri;
    let broker = address(uri);
    if let (Some(secured), Some(error)) = (&access.secured, inner_tls_error(&error)) {
        return disagreement(&broker, secured, error);
    }
    match broker_words(&error) {
        Some((403, _)) if access.is_external() => Fault::new(
            FaultKind::Credentials,
            format!(
                "the broker at {broker} knows no user for our certificate, `{}`: create the user (rabbitmqctl add_user), with the name that ssl_cert_login_from in rabbitmq.conf takes from the certificate, or show another certificate",
                ours(access.secured.as_ref())
            ),
        ),
        Some((403, _)) => Fault::new(
            FaultKind::Credentials,
            format!(
                "the broker at {broker} refused user `{}`: check the user and the password in broker.url or broker.url_file",
                uri.authority.userinfo.username
            ),
        ),
        // A limit on connections passes; a virtual host that is not there, or not for us, stays so.
        Some((530, words)) if !words.contains("limit") => Fault::new(
            FaultKind::Credentials,
            format!(
                "the broker at {broker} refused virtual host `{}` to user `{}`: {words}: create it (rabbitmqctl add_vhost), or grant it (rabbitmqctl set_permissions)",
                uri.vhost,
                access.user.as_deref().unwrap_or("of our certificate")
            ),
        ),
        Some((_, words)) if words.contains(UNKNOWN_MECHANISM) => Fault::new(
            FaultKind::Credentials,
            format!(
                "the broker at {broker} does not log in by certificate: enable it (rabbitmq-plugins enable rabbitmq_auth_mechanism_ssl, and auth_mechanisms.1 = EXTERNAL in rabbitmq.conf), or take auth_mechanism out of the URL"
            ),
        ),
        Some((code, words)) => Fault::new(
            FaultKind::Connection,
            format!("the broker at {broker} refused the connection with {code} {words}"),
        ),
        None if access.secured.is_none() && no_amqp(&error) => Fault::new(
            FaultKind::Tls,
            format!(
                "what answers at {broker} does not speak AMQP in the clear: if that is a port for TLS, write amqps:// instead of amqp://"
            ),
        ),
        None => match access.secured.as_ref().and_then(|secured| secured.ours.as_ref()) {
            // Its alert is lost where it closes while we write.
            Some(ours) if is_cut(&error) => Fault::from_lapin(
                &format!(
                    "logging in to the broker at {broker} with our certificate, `{}` (has it expired, or does the broker not know its CA? the log of the broker says so)",
                    ours.subject
                ),
                error,
            ),
            _ => Fault::from_lapin(&format!("connecting to the broker at {broker}"), error),
        },
    }
}

/// Whether the other side has ended the connection without a word.
fn is_cut(error: &lapin::Error) -> bool {
    matches!(error.kind(), ErrorKind::IOError(error) if matches!(
        error.kind(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof
    ))
}

/// Whether something answered, and not in AMQP.
fn no_amqp(error: &lapin::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ParsingError(_) | ErrorKind::InvalidProtocolVersion(_)
    )
}

/// On what the two sides do not agree.
fn disagreement(broker: &str, secured: &Secured, error: &TlsError) -> Fault {
    let what = match error {
        TlsError::InvalidCertificate(theirs) => distrust(broker, secured, theirs),
        TlsError::AlertReceived(alert) => {
            let Some(what) = turned_down(broker, secured, *alert) else {
                let what = format!("the broker at {broker} ended the TLS handshake with {alert:?}");
                return Fault::new(FaultKind::Connection, what);
            };
            what
        }
        TlsError::InvalidMessage(_) => format!(
            "what answers at {broker} does not speak TLS: give the port for TLS, often 5671, or write amqp:// instead of amqps://"
        ),
        TlsError::PeerIncompatible(_) => format!(
            "the broker at {broker} and we have no version and no cipher of TLS in common ({error}): let it speak TLS 1.2 or 1.3"
        ),
        error => format!("the TLS handshake with the broker at {broker} failed: {error}"),
    };
    Fault::new(FaultKind::Tls, what)
}

/// What we have against the certificate of the broker.
fn distrust(broker: &str, secured: &Secured, why: &CertificateError) -> String {
    let its = format!("the certificate of the broker at {broker}");
    match why {
        CertificateError::UnknownIssuer => format!(
            "{its} is not signed by {}: name the CA of the broker in tls.ca_file (--tls-ca)",
            secured.trusted
        ),
        CertificateError::NotValidForNameContext { presented, .. } => format!(
            "{its} is for {}, and not for `{}`: connect by a name that it is for, or set tls.server_name (--tls-server-name)",
            listed(presented),
            secured.server_name
        ),
        CertificateError::ExpiredContext { time, not_after } => {
            let days = time.as_secs().saturating_sub(not_after.as_secs()) / 86_400;
            format!(
                "{its} expired {days} days ago: give the broker a new one (or is the clock of this machine wrong?)"
            )
        }
        CertificateError::NotValidYetContext { time, not_before } => {
            let days = not_before.as_secs().saturating_sub(time.as_secs()) / 86_400;
            format!("{its} is valid in {days} days only: is the clock of this machine wrong?")
        }
        CertificateError::InvalidPurposeContext { .. } => {
            format!("{its} is not one for servers: make one with the extended key usage serverAuth")
        }
        why => format!("{its} cannot be accepted: {why}"),
    }
}

/// What the broker has against our certificate, where that is it.
fn turned_down(broker: &str, secured: &Secured, alert: AlertDescription) -> Option<String> {
    let ours = ours(Some(secured));
    let what = match alert {
        _ if secured.ours.is_none() => match alert {
            AlertDescription::CertificateRequired
            | AlertDescription::HandshakeFailure
            | AlertDescription::BadCertificate => format!(
                "the broker at {broker} wants a certificate of ours ({alert:?}): name it in tls.certificate_file, and its key in tls.key_file (--tls-cert, --tls-key)"
            ),
            _ => return None,
        },
        AlertDescription::CertificateExpired => format!(
            "the broker at {broker} says that our certificate, `{ours}`, has expired: put a new one into tls.certificate_file"
        ),
        AlertDescription::UnknownCA => format!(
            "the broker at {broker} does not know the CA of our certificate, `{ours}`: add that CA to ssl_options.cacertfile in rabbitmq.conf, or show another certificate"
        ),
        AlertDescription::CertificateRevoked => {
            format!("the broker at {broker} says that our certificate, `{ours}`, is revoked: show another")
        }
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::AccessDenied
        | AlertDescription::HandshakeFailure => format!(
            "the broker at {broker} does not accept our certificate, `{ours}` ({alert:?}): is it one for clients (extended key usage clientAuth), and valid by now?"
        ),
        _ => return None,
    };
    Some(what)
}

fn ours(secured: Option<&Secured>) -> &str {
    let ours = secured.and_then(|secured| secured.ours.as_ref());
    ours.map_or("none", |ours| &ours.subject)
}

fn listed(names: &[String]) -> String {
    if names.is_empty() {
        return "no name at all".to_owned();
    }
    // They come as `DnsName("localhost")`.
    let bare = |name: &String| name.split('"').nth(1).unwrap_or(name).to_owned();
    let quoted: Vec<String> = names.iter().map(|name| format!("`{}`", bare(name))).collect();
    quoted.join(", ")
}

fn tls_error(error: &io::Error) -> Option<&TlsError> {
    error.get_ref()?.downcast_ref::<TlsError>()
}

/// With TLS 1.3 the broker looks at our certificate after we take the handshake for done, and says so then.
fn inner_tls_error(error: &lapin::Error) -> Option<&TlsError> {
    match error.kind() {
        ErrorKind::IOError(error) => tls_error(error),
        _ => None,
    }
}
