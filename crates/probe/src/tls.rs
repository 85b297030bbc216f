//! TLS around a conversation (`SSL_GET`).
//!
//! A check asks whether a server works, not who it is: any certificate is good, as for keepalived. What is said inside is
//! a question and a page that everybody may have.

use std::io::{Read as _, Write as _};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme};

use crate::{Awaited, Dialogue, Failure, Found, Progress};

/// Plain text taken out of the connection at a time.
const PIECE_BYTES: usize = 16 * 1024;

/// What the connections of all checks have in common.
#[derive(Debug, Clone)]
pub struct Context {
    /// Tells the server whom it is asked for.
    naming: Arc<ClientConfig>,
    /// Does not.
    nameless: Arc<ClientConfig>,
}

/// Why there can be no TLS.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ContextError(String);

/// Who the check itself is, for servers that ask.
#[derive(Debug)]
pub struct Identity {
    /// The certificate and those that vouch for it.
    pub certificates: Vec<CertificateDer<'static>>,
    /// Its key.
    pub key: PrivateKeyDer<'static>,
}

impl Identity {
    /// Reads certificates and a key in PEM (RFC 7468); a key that a password protects is none.
    ///
    /// # Errors
    /// What is missing or cannot be read.
    pub fn read(certificates: &[u8], key: &[u8]) -> Result<Self, ContextError> {
        let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificates).collect();
        let certificates = read.map_err(|error| ContextError(format!("the certificate: {error}")))?;
        if certificates.is_empty() {
            return Err(ContextError("the file of the certificate holds none".to_owned()));
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| {
            ContextError(format!("the key: {error} (a key that a password protects is not understood)"))
        })?;
        Ok(Self { certificates, key })
    }
}

impl Context {
    /// Makes one; it costs much more than a connection.
    ///
    /// # Errors
    /// When key and certificate do not fit.
    pub fn new(identity: Option<Identity>) -> Result<Self, ContextError> {
        let refused = |error: Error| ContextError(error.to_string());
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(refused)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)));
        let mut config = match identity {
            Some(identity) => {
                builder.with_client_auth_cert(identity.certificates, identity.key).map_err(refused)?
            }
            None => builder.with_no_client_auth(),
        };
        // Every check is to see the whole handshake work.
        config.resumption = rustls::client::Resumption::disabled();
        let naming = Arc::new(config.clone());
        config.enable_sni = false;
        Ok(Self { naming, nameless: Arc::new(config) })
    }
}

/// A connection that tells the server `name`, if that is one of the DNS, and these protocols.
fn connect(context: &Context, name: Option<&str>, protocols: Vec<Vec<u8>>) -> Option<ClientConnection> {
    let named = name.and_then(|name| ServerName::try_from(name.to_owned()).ok());
    let (config, name) = match named {
        Some(name) => (&context.naming, name),
        None => {
            let nobody = std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED).into();
            (&context.nameless, ServerName::IpAddress(nobody))
        }
    };
    ClientConnection::new_with_alpn(Arc::clone(config), name, protocols).ok()
}

/// A conversation inside TLS.
#[derive(Debug)]
pub struct Secured<Inner> {
    inner: Inner,
    connection: Option<ClientConnection>,
    /// Says goodbye before the connection is closed.
    compliant: bool,
    /// The inside has begun.
    open: bool,
}

impl<Inner: Dialogue> Secured<Inner> {
    /// Puts `inner` inside of TLS. `name` is told to the server (SNI) if it is a name of the DNS. `compliant` closes TLS
    /// properly at the end.
    pub fn new(context: &Context, inner: Inner, name: Option<&str>, compliant: bool) -> Self {
        let connection = connect(context, name, Vec::new());
        Self { inner, connection, compliant, open: false }
    }

    /// The same of a conversation in HTTP/2, which the server is told in the handshake (RFC 9113 section 3.2).
    pub fn http2(context: &Context, inner: Inner, name: Option<&str>) -> Self {
        let connection = connect(context, name, vec![b"h2".to_vec()]);
        Self { inner, connection, compliant: true, open: false }
    }

    /// Sends what the inside wrote, and what TLS itself has to say.
    fn flush(&mut self, said: &[u8], done: bool, out: &mut Vec<u8>) -> Result<(), Failure> {
        let connection = self.connection.as_mut().ok_or(MALFORMED)?;
        connection.writer().write_all(said).map_err(|_| MALFORMED)?;
        if done && self.compliant {
            connection.send_close_notify();
        }
        while connection.wants_write() {
            connection.write_tls(out).map_err(|_| MALFORMED)?;
        }
        Ok(())
    }

    fn take(&mut self, mut octets: &[u8], out: &mut Vec<u8>) -> Result<Progress, Failure> {
        while !octets.is_empty() {
            let connection = self.connection.as_mut().ok_or(MALFORMED)?;
            connection.read_tls(&mut octets).map_err(|_| MALFORMED)?;
            let state = match connection.process_new_packets() {
                Ok(state) => state,
                Err(_) => {
                    // What TLS has to say of it helps whoever reads the log of the server.
                    let _ = self.flush(&[], false, out);
                    return Err(MALFORMED);
                }
            };
            let (plain, ended) = (state.plaintext_bytes_to_read(), state.peer_has_closed());
            let ready = !connection.is_handshaking();
            let mut said = Vec::new();
            if ready && !std::mem::replace(&mut self.open, true) {
                let progress = self.inner.connected(&mut said);
                self.flush(&said, progress != Progress::Wait, out)?;
                if progress != Progress::Wait {
                    return Ok(progress);
                }
            }
            let progress = self.hand_over(plain, out)?;
            if progress != Progress::Wait {
                return Ok(progress);
            }
            self.flush(&[], false, out)?;
            if ended {
                return Ok(Progress::Done(self.inner.closed()));
            }
        }
        Ok(Progress::Wait)
    }

    /// Hands what has been deciphered to the inside.
    fn hand_over(&mut self, mut plain: usize, out: &mut Vec<u8>) -> Result<Progress, Failure> {
        let mut piece = vec![0; plain.min(PIECE_BYTES)];
        while plain > 0 {
            let connection = self.connection.as_mut().ok_or(MALFORMED)?;
            let count = connection.reader().read(&mut piece).map_err(|_| MALFORMED)?;
            if count == 0 {
                break;
            }
            plain = plain.saturating_sub(count);
            let mut said = Vec::new();
            let progress = self.inner.received(piece.get(..count).unwrap_or_default(), &mut said);
            self.flush(&said, progress != Progress::Wait, out)?;
            if progress != Progress::Wait {
                return Ok(progress);
            }
        }
        Ok(Progress::Wait)
    }
}

const MALFORMED: Failure = Failure::Malformed("TLS that steadfast speaks");

impl<Inner: Dialogue> Dialogue for Secured<Inner> {
    fn connected(&mut self, out: &mut Vec<u8>) -> Progress {
        self.flush(&[], false, out).map_or_else(|failure| Progress::Done(Err(failure)), |()| Progress::Wait)
    }

    fn received(&mut self, octets: &[u8], out: &mut Vec<u8>) -> Progress {
        self.take(octets, out).unwrap_or_else(|failure| Progress::Done(Err(failure)))
    }

    fn closed(&mut self) -> Result<Found, Failure> {
        if self.open { self.inner.closed() } else { Err(Failure::Closed(Awaited::Handshake)) }
    }

    fn awaited(&self) -> Awaited {
        if self.open { self.inner.awaited() } else { Awaited::Handshake }
    }
}

/// Takes every certificate, but holds the server to the key in it.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use rustls::{ServerConfig, ServerConnection, SupportedProtocolVersion, version};

    use super::*;
    use crate::http::{Expectation, Http, Request, Version};

    /// Made for these tests: `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 36500`.
    const CERTIFICATE: &[u8] = include_bytes!("../testdata/certificate.der");
    const KEY: &[u8] = include_bytes!("../testdata/key.der");

    fn server(version: &'static SupportedProtocolVersion) -> ServerConnection {
        let key = PrivateKeyDer::try_from(KEY.to_vec()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![CertificateDer::from(CERTIFICATE.to_vec())], key)
            .unwrap();
        ServerConnection::new(Arc::new(config)).unwrap()
    }

    fn page(name: Option<&str>, compliant: bool) -> Secured<Http> {
        let address = "192.0.2.1:443".parse().unwrap();
        let request = Request::get("/", Version::Http10, name, address);
        let http = Http::new(&request, Arc::new(Expectation::default()));
        Secured::new(&Context::new(None).unwrap(), http, name, compliant)
    }

    /// Lets the two talk; the request as the server saw it, and what came of it.
    fn talk(mut check: Secured<Http>, server: &mut ServerConnection, answer: &[u8]) -> (Vec<u8>, Progress) {
        let mut to_server = Vec::new();
        let mut request = Vec::new();
        assert_eq!(check.connected(&mut to_server), Progress::Wait);
        for _ in 0..20 {
            let mut octets = to_server.as_slice();
            while !octets.is_empty() {
                server.read_tls(&mut octets).unwrap();
                server.process_new_packets().unwrap();
            }
            to_server.clear();
            let before = request.len();
            let _ = server.reader().read_to_end(&mut request);
            if before < request.len() && request.ends_with(b"\r\n\r\n") {
                server.writer().write_all(answer).unwrap();
                server.send_close_notify();
            }
            let mut to_check = Vec::new();
            while server.wants_write() {
                server.write_tls(&mut to_check).unwrap();
            }
            // In small pieces: records are cut anywhere.
            for piece in to_check.chunks(100) {
                let progress = check.received(piece, &mut to_server);
                if progress != Progress::Wait {
                    let mut octets = to_server.as_slice();
                    while !octets.is_empty() {
                        server.read_tls(&mut octets).unwrap();
                    }
                    server.process_new_packets().unwrap();
                    return (request, progress);
                }
            }
        }
        panic!("the two talk for ever");
    }

    #[test]
    fn a_page_is_asked_for_inside_of_both_versions() {
        for version in [&version::TLS12, &version::TLS13] {
            for name in [Some("www.example.org"), None] {
                let mut server = server(version);
                let answer = b"HTTP/1.0 200 OK\r\n\r\nhello";
                let (request, progress) = talk(page(name, false), &mut server, answer);
                assert!(request.starts_with(b"GET / HTTP/1.0\r\n"));
                let Progress::Done(Ok(found)) = progress else { panic!("{progress:?}") };
                assert_eq!((found.status, found.body_bytes), (Some(200), 5));
                assert_eq!(server.server_name(), name);
            }
        }
    }

    #[test]
    fn goodbye_is_said_where_it_is_asked_for() {
        for compliant in [false, true] {
            let mut server = server(&version::TLS13);
            talk(page(None, compliant), &mut server, b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n");
            let state = server.process_new_packets().unwrap();
            assert_eq!(state.peer_has_closed(), compliant);
        }
    }

    #[test]
    fn what_is_no_tls_is_a_failure() {
        let mut check = page(None, false);
        let mut out = Vec::new();
        check.connected(&mut out);
        assert_eq!(check.awaited(), Awaited::Handshake);
        assert_eq!(
            check.received(b"HTTP/1.0 400 Bad Request\r\n\r\n", &mut out),
            Progress::Done(Err(MALFORMED))
        );
        assert_eq!(page(None, false).closed(), Err(Failure::Closed(Awaited::Handshake)));
    }
}
