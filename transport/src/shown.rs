//! Which of its certificates a node shows: one that the other side accepts, where there is one.
//!
//! TLS lets each side say under which authorities it accepts certificates, in the order in which it likes them. So two hosts that have
//! one secret in common always connect, whichever each of them uses. A side that says nothing, or accepts none of ours, is shown the
//! first: from that one it learns which secret this node has.

use rustls::client::ResolvesClientCert;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{DistinguishedName, SignatureScheme};
use std::sync::Arc;

/// The node's certificates by their authorities; the one that it likes best first.
#[derive(Debug)]
pub(crate) struct Shown {
    each: Vec<(DistinguishedName, Arc<CertifiedKey>)>,
}

impl Shown {
    pub(crate) fn new(each: Vec<(DistinguishedName, Arc<CertifiedKey>)>) -> Self {
        Self { each }
    }

    /// The first of those that the other side accepts, in its order.
    fn pick<'a>(&self, mut accepted: impl Iterator<Item = &'a [u8]>) -> Option<Arc<CertifiedKey>> {
        let under = |name: &[u8]| self.each.iter().find(|(own, _)| own.as_ref() == name);
        let picked = accepted.find_map(under).or_else(|| self.each.first());
        picked.map(|(_, certificate)| certificate.clone())
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let accepted = hello.certificate_authorities().unwrap_or_default();
        self.pick(accepted.iter().map(AsRef::as_ref))
    }
}

impl ResolvesClientCert for Shown {
    fn resolve(&self, accepted: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.pick(accepted.iter().copied())
    }

    fn has_certs(&self) -> bool {
        true
    }
}
