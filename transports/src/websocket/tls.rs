//! Who we believe to be who they say: the roots of the web, and those the user adds.

use std::sync::Arc;

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::TransportError;

/// The largest set of extra roots that is looked at.
pub(super) const MAX_ROOTS_BYTES: usize = 1 << 20;

/// A configuration that trusts the web's roots and those in `extra`, in PEM. It names its cryptography
/// itself, so it works whatever else the process does with TLS.
pub(super) fn client_config(extra: &[u8]) -> Result<Arc<ClientConfig>, String> {
    if extra.len() > MAX_ROOTS_BYTES {
        return Err(format!("more than {MAX_ROOTS_BYTES} bytes of certificates"));
    }
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    let before = roots.len();
    for certificate in CertificateDer::pem_slice_iter(extra) {
        let certificate = certificate.map_err(|error| format!("not PEM: {error}"))?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    if roots.len() == before && !extra.is_empty() {
        return Err("no certificate in it".to_owned());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// A TLS session over `stream` with the owner of `host`, or nobody.
pub(super) async fn secure(
    config: Arc<ClientConfig>,
    host: &str,
    stream: TcpStream,
    endpoint: &str,
) -> Result<TlsStream<TcpStream>, TransportError> {
    let name = ServerName::try_from(host.to_owned())
        .map_err(|error| TransportError::Address { url: endpoint.to_owned(), cause: error.to_string() })?;
    TlsConnector::from(config).connect(name, stream).await.map_err(|error| {
        let (endpoint, cause) = (endpoint.to_owned(), error.to_string());
        match error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) {
            true => TransportError::Untrusted { endpoint, cause },
            false => TransportError::Unreachable { endpoint, cause },
        }
    })
}
