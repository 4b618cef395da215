//! Checks the other side's certificate: signed under a secret that we trust, or refused with both fingerprints.
//!
//! The checks themselves are rustls' own. What this adds is the text of the refusal, which TLS carries to the
//! other side too, so that both operators read which secret the other one has.

use crate::keys::AUTHORITY;
use quorate_proto::NodeKey;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    SignatureScheme,
};
use std::sync::Arc;

/// Marks our refusals among all the texts that TLS may give.
const MARK: &str = "quorate: another cluster secret, ";
/// A public key of Ed25519 as it stands in a certificate, before the 32 bytes.
const SPKI_PREFIX: [u8; 12] =
    [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
const FINGERPRINT: usize = 16;

/// Writes and reads refusals.
#[derive(Debug, Clone)]
pub(crate) struct OtherSecrets {
    ours: String,
}

impl OtherSecrets {
    pub(crate) fn new(ours: &str) -> Self {
        Self { ours: ours.to_owned() }
    }

    /// Turns "signed by somebody unknown" into a text with both fingerprints.
    fn explain(&self, error: Error, certificate: &CertificateDer<'_>) -> Error {
        match error {
            Error::InvalidCertificate(
                CertificateError::UnknownIssuer | CertificateError::BadSignature,
            ) => {
                let theirs = fingerprint_in(certificate).unwrap_or_else(|| "unknown".to_owned());
                Error::General(format!("{MARK}refused {theirs} refuser {}", self.ours))
            }
            other => other,
        }
    }
}

/// The fingerprint of the other side's secret, when `text` is a refusal because of it.
pub(crate) fn other_secret(text: &str, ours: &[String]) -> Option<String> {
    let after = &text[text.find(MARK)? + MARK.len()..];
    let mut words = after.split_whitespace();
    let (refused, refuser) = (words.nth(1)?, words.nth(1)?);
    let theirs = if ours.iter().any(|own| own == refuser) { refused } else { refuser };
    let plain = theirs == "unknown"
        || (theirs.len() == FINGERPRINT && theirs.chars().all(|c| c.is_ascii_hexdigit()));
    plain.then(|| theirs.to_owned())
}

/// The fingerprint in the issuer's name.
fn fingerprint_in(certificate: &CertificateDer<'_>) -> Option<String> {
    let certificate = webpki::EndEntityCert::try_from(certificate).ok()?;
    let issuer = certificate.issuer();
    let mark = AUTHORITY.as_bytes();
    let place = issuer.windows(mark.len()).position(|window| window == mark)? + mark.len();
    let digits = std::str::from_utf8(issuer.get(place..place + FINGERPRINT)?).ok()?;
    digits.chars().all(|c| c.is_ascii_hexdigit()).then(|| digits.to_owned())
}

/// The fingerprint of the secret under which the other side's certificate was signed.
pub(crate) fn peer_secret(connection: &quinn::Connection) -> Option<String> {
    let identity = connection.peer_identity()?;
    let chain = identity.downcast_ref::<Vec<CertificateDer<'static>>>()?;
    fingerprint_in(chain.first()?)
}

/// The node key that the other side proved to hold in the handshake.
pub(crate) fn peer_key(connection: &quinn::Connection) -> Option<NodeKey> {
    let identity = connection.peer_identity()?;
    let chain = identity.downcast_ref::<Vec<CertificateDer<'static>>>()?;
    let certificate = webpki::EndEntityCert::try_from(chain.first()?).ok()?;
    let spki = certificate.subject_public_key_info();
    let raw = spki.strip_prefix(&SPKI_PREFIX)?;
    Some(NodeKey::from_bytes(raw.try_into().ok()?))
}

/// The verifier of both directions.
#[derive(Debug)]
pub(crate) struct Trust {
    servers: Arc<WebPkiServerVerifier>,
    clients: Arc<dyn ClientCertVerifier>,
    others: OtherSecrets,
    /// The names of the authorities, for the other side; the one that is liked best first.
    accepted: Vec<DistinguishedName>,
}

impl Trust {
    pub(crate) fn new(
        roots: Arc<RootCertStore>,
        provider: &Arc<CryptoProvider>,
        others: OtherSecrets,
    ) -> Result<Self, rustls::server::VerifierBuilderError> {
        let accepted = roots.subjects();
        let servers =
            WebPkiServerVerifier::builder_with_provider(roots.clone(), provider.clone()).build()?;
        let clients =
            WebPkiClientVerifier::builder_with_provider(roots, provider.clone()).build()?;
        Ok(Self { servers, clients, others, accepted })
    }
}

impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.servers
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            .map_err(|error| self.others.explain(error, end_entity))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.servers.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.servers.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.servers.supported_verify_schemes()
    }

    fn root_hint_subjects(&self) -> Option<&[DistinguishedName]> {
        Some(&self.accepted)
    }
}

impl ClientCertVerifier for Trust {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.accepted
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.clients
            .verify_client_cert(end_entity, intermediates, now)
            .map_err(|error| self.others.explain(error, end_entity))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.clients.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.clients.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.clients.supported_verify_schemes()
    }
}
