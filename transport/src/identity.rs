//! From the secrets to TLS: the authority that every holder of one derives, this node's own certificate under each, and the
//! rustls configurations for both directions.
//!
//! A certificate says "this node key was signed by a holder of the secret", nothing more: one fixed name, the
//! same in all, and dates that no clock error leaves. The authority's name carries the fingerprint of its key, so
//! that a refusal can tell which secret the other side has.

use crate::config::BindError;
use crate::keys::{AUTHORITY, fingerprint, key_pair, pkcs8};
use crate::secret::{NodeKeyPair, Secret};
use crate::shown::Shown;
use crate::verifier::{OtherSecrets, Trust};
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
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

/// What the secrets make of a node key: replaced as a whole when the secrets change.
pub(crate) struct Identity {
    pub(crate) client: Arc<QuicClientConfig>,
    pub(crate) server: Arc<QuicServerConfig>,
    /// Of the secrets that are accepted; of the first one first, which this node shows by itself.
    pub(crate) fingerprints: Vec<String>,
}

impl Identity {
    pub(crate) fn new(secrets: &[Secret], key: &NodeKeyPair) -> Result<Self, BindError> {
        let first = secrets.first().ok_or(BindError::NoSecret)?;
        let failed =
            |error: &dyn std::fmt::Display| BindError::Identity { reason: error.to_string() };
        let mut roots = RootCertStore::empty();
        let mut chains = Vec::new();
        for secret in secrets {
            let issuer = authority(secret).map_err(|e| failed(&e))?;
            roots.add(issuer.der().clone()).map_err(|e| failed(&e))?;
            chains.push(vec![leaf(&issuer, key).map_err(|e| failed(&e))?]);
        }
        let (client, server) =
            tls(roots, chains, key, &first.fingerprint()).map_err(|e| failed(&e))?;
        Ok(Self {
            client: Arc::new(client),
            server: Arc::new(server),
            fingerprints: secrets.iter().map(Secret::fingerprint).collect(),
        })
    }
}

fn tls(
    roots: RootCertStore,
    chains: Vec<Vec<CertificateDer<'static>>>,
    key: &NodeKeyPair,
    ours: &str,
) -> Result<(QuicClientConfig, QuicServerConfig), Box<dyn std::error::Error>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let private = || PrivateKeyDer::Pkcs8(pkcs8(key.seed()));
    let certified = |chain| CertifiedKey::from_der(chain, private(), &provider).map(Arc::new);
    let certificates: Result<Vec<_>, _> = chains.into_iter().map(certified).collect();
    let shown = Arc::new(Shown::new(roots.subjects().into_iter().zip(certificates?).collect()));
    let trust = Arc::new(Trust::new(Arc::new(roots), &provider, OtherSecrets::new(ours))?);
    let versions = &[&rustls::version::TLS13];

    let mut client = rustls::ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(versions)?
        .dangerous()
        .with_custom_certificate_verifier(trust.clone())
        .with_client_cert_resolver(shown.clone());
    client.alpn_protocols = vec![ALPN.to_vec()];
    // Resumption would save nothing on a LAN and makes early data replayable.
    client.resumption = rustls::client::Resumption::disabled();

    let mut server = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)?
        .with_client_cert_verifier(trust)
        .with_cert_resolver(shown);
    server.alpn_protocols = vec![ALPN.to_vec()];
    server.send_tls13_tickets = 0;
    server.max_early_data_size = 0;
    Ok((client.try_into()?, server.try_into()?))
}
