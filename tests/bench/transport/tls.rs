//! Mutual TLS over TCP for gRPC: the same provider, version and kind of keys as quorate's own connections have.

use quorate_tests::outside::trouble::Trouble;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, PKCS_ED25519};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};
use tonic::transport::server::Connected;

const SERVER: &str = "localhost";
const PROTOCOL: &[u8] = b"h2";

/// Both sides' settings, made of one authority.
pub(super) struct Pair {
    pub(super) client: TlsConnector,
    pub(super) server: TlsAcceptor,
}

impl Pair {
    pub(super) fn new() -> Result<Self, Trouble> {
        Self::make().map_err(|error| Trouble::Command {
            command: "making certificates".to_owned(),
            text: error.to_string(),
        })
    }

    fn make() -> Result<Self, Box<dyn std::error::Error>> {
        let key = KeyPair::generate_for(&PKCS_ED25519)?;
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = authority.self_signed(&key)?;
        let issuer = Issuer::new(authority, key);
        let mut roots = RootCertStore::empty();
        roots.add(root.der().clone())?;
        let roots = Arc::new(roots);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions = &[&rustls::version::TLS13];

        let (chain, key) = certificate(&issuer)?;
        let mut client = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(versions)?
            .with_root_certificates(roots.clone())
            .with_client_auth_cert(chain, key)?;
        client.alpn_protocols = vec![PROTOCOL.to_vec()];

        let (chain, key) = certificate(&issuer)?;
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider.clone());
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)?
            .with_client_cert_verifier(verifier.build()?)
            .with_single_cert(chain, key)?;
        server.alpn_protocols = vec![PROTOCOL.to_vec()];
        Ok(Self { client: Arc::new(client).into(), server: Arc::new(server).into() })
    }
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn certificate(issuer: &Issuer<'_, KeyPair>) -> Result<Identity, rcgen::Error> {
    let key = KeyPair::generate_for(&PKCS_ED25519)?;
    let certificate = CertificateParams::new([SERVER.to_owned()])?.signed_by(&key, issuer)?;
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    Ok((vec![certificate.der().clone()], key.into()))
}

/// An encrypted connection, as tonic wants it.
pub(super) struct Encrypted(TlsStream<TcpStream>);

/// Connects and shakes hands.
pub(super) async fn connect(tls: TlsConnector, to: SocketAddr) -> io::Result<Encrypted> {
    let stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from(SERVER).map_err(io::Error::other)?;
    Ok(Encrypted(tls.connect(name, stream).await?.into()))
}

/// Takes one connection in and shakes hands.
pub(super) async fn accept(tls: TlsAcceptor, listener: TcpListener) -> io::Result<Encrypted> {
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok(Encrypted(tls.accept(stream).await?.into()))
}

impl Connected for Encrypted {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Encrypted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }
}
