//! TLS of the listener.

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::Tls;
use crate::kms::StartError;

/// TLS 1.2 and 1.3 with the certificate and key of the settings.
///
/// # Errors
/// [`StartError`] naming the file that is not usable.
pub fn server_config(tls: &Tls) -> Result<ServerConfig, StartError> {
    let unusable = |path: &std::path::Path, error: &dyn std::fmt::Display| {
        StartError(format!("tls: {} is not usable: {error}", path.display()))
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&tls.certificate)
        .and_then(Iterator::collect)
        .map_err(|error| unusable(&tls.certificate, &error))?;
    let key = PrivateKeyDer::from_pem_file(&tls.key).map_err(|error| unusable(&tls.key, &error))?;
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| StartError(format!("tls: {error}")))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| unusable(&tls.certificate, &error))
}
