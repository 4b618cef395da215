//! From the secret to TLS: the authority that every holder derives, this node's own certificate, and the
//! rustls configurations for both directions.
//!
//! A certificate says "this node key was signed by a holder of the secret", nothing more: one fixed name, the
//! same in all, and dates that no clock error leaves. The authority's name carries the fingerprint of its key, so
//! that a refusal can tell which secret the other side has.

use crate::config::{BindError, TransportConfig};
use crate::keys::{AUTHORITY, fingerprint, key_pair, pkcs8};
use crate::secret::{NodeKeyPair, Secret};
use crate::verifier::{OtherSecrets, Trust};
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::sync::Arc;

/// The one name in every node's certificate. A seed's identity is not known when it is dialled; who it is, is
/// told by its key.
pub(crate) const NAME: &str = "node.quorate";
/// Application protocol of TLS.
pub(crate) const ALPN: &[u8] = b"quorate/1";

/// Byte-identical at every holder of the secret.
fn authority(secret: &Secret) -> Result<CertifiedIssuer<'static, KeyPair>, rcgen::Error> {
    let key = secret.authority_key();
    let mut params = base(vec![])?;
    params.distinguished_name.push(DnType::CommonName, format!("{AUTHORITY}{}", fingerprint(&key)));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    CertifiedIssuer::self_signed(params, key)
}

/// Dates that hold on a host whose clock starts at the epoch, and for longer than anybody looks.
fn base(names: Vec<String>) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    params.not_before = date_time_ymd(1970, 1, 1);
    params.not_after = date_time_ymd(4096, 1, 1);
    params.distinguished_name = DistinguishedName::new();
    Ok(params)
}

fn leaf(
    issuer: &CertifiedIssuer<'_, KeyPair>,
    key: &NodeKeyPair,
) -> Result<CertificateDer<'static>, rcgen::Error> {
    let mut params = base(vec![NAME.to_owned()])?;
    params.distinguished_name.push(DnType::CommonName, NAME);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    Ok(params.signed_by(&key_pair(key.seed()), issuer)?.der().clone())
}

/// Everything about this node that the QUIC layer needs.
pub(crate) struct Identity {
    pub(crate) client: Arc<QuicClientConfig>,
    pub(crate) server: Arc<QuicServerConfig>,
    /// Key of stateless resets: fixed, so that a restarted node can tell its old peers so.
    pub(crate) reset_key: [u8; 32],
    /// Key of connection ids: fixed too, or the packets that deserve a reset are dropped unread.
    pub(crate) connection_id_key: u64,
    /// Of the first secret.
    pub(crate) fingerprint: String,
}

impl Identity {
    pub(crate) fn new(config: &TransportConfig) -> Result<Self, BindError> {
        let first = config.secrets.first().ok_or(BindError::NoSecret)?;
        let public = config.key.public().to_bytes();
        let failed =
            |error: &dyn std::fmt::Display| BindError::Identity { reason: error.to_string() };
        let mut roots = RootCertStore::empty();
        for secret in &config.secrets {
            let issuer = authority(secret).map_err(|e| failed(&e))?;
            roots.add(issuer.der().clone()).map_err(|e| failed(&e))?;
        }
        let issuer = authority(first).map_err(|e| failed(&e))?;
        let chain = vec![leaf(&issuer, &config.key).map_err(|e| failed(&e))?];
        let id_key = first.derive(b"quic-connection-id", &public);
        let fingerprint = first.fingerprint();
        let (client, server) =
            tls(roots, chain, &config.key, &fingerprint).map_err(|e| failed(&e))?;
        Ok(Self {
            client: Arc::new(client),
            server: Arc::new(server),
            reset_key: first.derive(b"quic-reset", &public),
            connection_id_key: u64::from_be_bytes(id_key[..8].try_into().expect("eight bytes")),
            fingerprint,
        })
    }
}

fn tls(
    roots: RootCertStore,
    chain: Vec<CertificateDer<'static>>,
    key: &NodeKeyPair,
    ours: &str,
) -> Result<(QuicClientConfig, QuicServerConfig), Box<dyn std::error::Error>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let trust = Arc::new(Trust::new(Arc::new(roots), &provider, OtherSecrets::new(ours))?);
    let versions = &[&rustls::version::TLS13];
    let private = || PrivateKeyDer::Pkcs8(pkcs8(key.seed()));

    let mut client = rustls::ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(versions)?
        .dangerous()
        .with_custom_certificate_verifier(trust.clone())
        .with_client_auth_cert(chain.clone(), private())?;
    client.alpn_protocols = vec![ALPN.to_vec()];
    // Resumption would save nothing on a LAN and makes early data replayable.
    client.resumption = rustls::client::Resumption::disabled();

    let mut server = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)?
        .with_client_cert_verifier(trust)
        .with_single_cert(chain, private())?;
    server.alpn_protocols = vec![ALPN.to_vec()];
    server.send_tls13_tickets = 0;
    server.max_early_data_size = 0;
    Ok((client.try_into()?, server.try_into()?))
}
