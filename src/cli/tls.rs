//! Certificates on the command line: what every verb shares that goes to a broker.

use std::path::PathBuf;

use clap::Args;

use crate::broker::Tls;

/// Certificates, for a broker whose URL is amqps.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
pub struct TlsArgs {
    /// The CAs of the broker, in PEM form [default: those that the system trusts]
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "DOMESDAY_TLS_CA",
        hide_env = true
    )]
    pub tls_ca: Option<PathBuf>,
    /// Our certificate, in PEM form, where the broker wants one
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "DOMESDAY_TLS_CERT",
        hide_env = true
    )]
    pub tls_cert: Option<PathBuf>,
    /// The key of our certificate, in PEM form
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "DOMESDAY_TLS_KEY",
        hide_env = true
    )]
    pub tls_key: Option<PathBuf>,
    /// The name that the certificate of the broker is for, where it is not the host in the URL
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        env = "DOMESDAY_TLS_SERVER_NAME",
        hide_env = true
    )]
    pub tls_server_name: Option<String>,
}

impl TlsArgs {
    /// What is said here goes before what the configuration file says.
    pub fn prefer(&self, tls: &mut Tls) {
        let Self {
            tls_ca,
            tls_cert,
            tls_key,
            tls_server_name,
        } = self.clone();
        tls.ca_file = tls_ca.or_else(|| tls.ca_file.take());
        tls.certificate_file = tls_cert.or_else(|| tls.certificate_file.take());
        tls.key_file = tls_key.or_else(|| tls.key_file.take());
        tls.server_name = tls_server_name.or_else(|| tls.server_name.take());
    }
}
