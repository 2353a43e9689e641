//! TLS as a client's settings want it: whose certificates are trusted, which one is shown, and what is read again when
//! its file changes.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme, SupportedProtocolVersion,
    version,
};

use crate::disk;

use super::client_options::{ClientCertificate, Pem, TlsOptions, TlsVersion};
use super::secret::{SecretError, Secrets};

/// The largest file of certificates that is read; the bundle of a whole operating system is a fifth of it.
const PEM_BYTES_MAX: u64 = 1024 * 1024;

/// Why there is no TLS as it is wanted.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("read {what} `{path}`")]
    Read {
        /// What it should hold.
        what: &'static str,
        /// Where it is.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A secret is missing.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// It is not PEM, or there is nothing in it.
    #[error("{place} holds no {what} in PEM{hint}")]
    NotPem {
        /// The file, or what stands for one.
        place: String,
        /// What was looked for.
        what: &'static str,
        /// Why, if anything is known of it.
        hint: String,
    },
    /// A certificate is none.
    #[error("{place} holds a certificate that cannot be used")]
    Certificate {
        /// The file, or what stands for one.
        place: String,
        /// Why.
        source: rustls::Error,
    },
    /// The key belongs to another certificate.
    #[error("the key in {key} does not belong to the certificate in {certificate}")]
    Mismatch {
        /// Where the certificate comes from.
        certificate: String,
        /// Where the key comes from.
        key: String,
    },
    /// The key or its certificate is of a kind that we do not know.
    #[error("the certificate in {certificate} with the key in {key} cannot be used")]
    Pair {
        /// Where the certificate comes from.
        certificate: String,
        /// Where the key comes from.
        key: String,
        /// Why.
        source: rustls::Error,
    },
    /// The name is none.
    #[error("`{0}` is not the name of a server")]
    ServerName(String),
    /// The TLS library refuses.
    #[error("set up TLS")]
    Tls(#[source] rustls::Error),
}

/// What a file looked like when it was last read. A file that is written again differs in one of these.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stamp {
    inode: (u64, u64),
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            inode: (metadata.dev(), metadata.ino()),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// The stamps of all files that a client's TLS depends on; `None` for one that is not there.
pub(super) fn stamps(options: &TlsOptions) -> Vec<Option<Stamp>> {
    let client = options.client.iter().flat_map(|client| [&client.certificate, &client.key]);
    let stamp = |pem: &Pem| match pem {
        Pem::File(path) => Some(std::fs::metadata(path).ok().as_ref().map(Stamp::of)),
        Pem::Inline(_) | Pem::Secret(_) => None,
    };
    options.ca.iter().chain(client).filter_map(stamp).collect()
}

/// TLS as these options want it; `roots` are those of the host.
pub(super) fn client_config(
    options: &TlsOptions,
    roots: &Arc<RootCertStore>,
    secrets: &Secrets,
) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let (roots, own) = match &options.ca {
        Some(ca) => {
            let own = certificates(ca, secrets)?;
            (Arc::new(trusted(ca, &own)?), own)
        }
        None => (roots.clone(), Vec::new()),
    };
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&versions(options))
        .map_err(TlsError::Tls)?;
    let verifier = if options.insecure_skip_verify {
        Arc::new(AnyCertificate(provider)) as Arc<dyn ServerCertVerifier>
    } else {
        let name = |name: &String| ServerName::try_from(name.clone()).map_err(|_| TlsError::ServerName(name.clone()));
        verifier(roots, own, options.server_name.as_ref().map(name).transpose()?).map_err(TlsError::Tls)?
    };
    let wants_verifier = builder.dangerous().with_custom_certificate_verifier(verifier);
    let Some(ClientCertificate { certificate, key }) = &options.client else {
        return Ok(wants_verifier.with_no_client_auth());
    };
    let chain = certificates(certificate, secrets)?;
    let secret = private_key(key, secrets)?;
    wants_verifier.with_client_auth_cert(chain, secret).map_err(|error| {
        let (certificate, key) = (place(certificate), place(key));
        match error {
            rustls::Error::InconsistentKeys(_) => TlsError::Mismatch { certificate, key },
            source => TlsError::Pair { certificate, key, source },
        }
    })
}

/// What checks the certificates of servers: those that these roots sign, or that are trusted as they are; for this name, or
/// for the URL's.
pub(super) fn verifier(
    roots: Arc<RootCertStore>,
    own: Vec<CertificateDer<'static>>,
    name: Option<ServerName<'static>>,
) -> Result<Arc<dyn ServerCertVerifier>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider)
        .build()
        .map_err(|error| rustls::Error::General(error.to_string()))?;
    Ok(Arc::new(AsWanted { name, own, verifier }))
}

fn versions(options: &TlsOptions) -> Vec<&'static SupportedProtocolVersion> {
    let all = [(TlsVersion::Tls12, &version::TLS12), (TlsVersion::Tls13, &version::TLS13)];
    let is_wanted = |at: TlsVersion| {
        options.min_version.is_none_or(|min| at >= min) && options.max_version.is_none_or(|max| at <= max)
    };
    all.into_iter().filter(|(at, _)| is_wanted(*at)).map(|(_, version)| version).collect()
}

fn trusted(ca: &Pem, own: &[CertificateDer<'static>]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in own {
        roots.add(certificate.clone()).map_err(|source| TlsError::Certificate { place: place(ca), source })?;
    }
    Ok(roots)
}

fn certificates(pem: &Pem, secrets: &Secrets) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bytes = bytes(pem, "certificate", secrets)?;
    let found = CertificateDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>();
    let hint = match found {
        Ok(found) if !found.is_empty() => return Ok(found),
        Ok(_) => String::new(),
        Err(error) => format!(": {error}"),
    };
    Err(TlsError::NotPem { place: place(pem), what: "certificate", hint })
}

fn private_key(pem: &Pem, secrets: &Secrets) -> Result<PrivateKeyDer<'static>, TlsError> {
    let bytes = bytes(pem, "key", secrets)?;
    // What the library says could repeat a piece of the key.
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|_| TlsError::NotPem {
        place: place(pem),
        what: "private key",
        hint: if bytes.windows(9).any(|window| window == b"ENCRYPTED") {
            ": it is encrypted, which is not supported".to_owned()
        } else {
            String::new()
        },
    })
}

fn bytes(pem: &Pem, what: &'static str, secrets: &Secrets) -> Result<Vec<u8>, TlsError> {
    match pem {
        Pem::Inline(text) => Ok(text.clone().into_bytes()),
        Pem::Secret(name) => Ok(secrets.resolve(name)?.expose().to_owned().into_bytes()),
        Pem::File(path) => {
            disk::read(path, PEM_BYTES_MAX).map_err(|source| TlsError::Read { what, path: path.clone(), source })
        }
    }
}

/// How a source is called in a message.
fn place(pem: &Pem) -> String {
    match pem {
        Pem::Inline(_) => "the configuration".to_owned(),
        Pem::File(path) => format!("`{}`", path.display()),
        Pem::Secret(name) => format!("secret `{name}`"),
    }
}

/// Takes any certificate, as `insecure_skip_verify` asks; that the other side has its key is still checked.
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
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Wants the certificate of one name, whatever the URL says, as `server_name` asks. A certificate that is trusted by itself
/// may be the server's own, although it says that it is an authority's: so are those that are made by hand.
#[derive(Debug)]
struct AsWanted {
    name: Option<ServerName<'static>>,
    /// The certificates that are trusted by name.
    own: Vec<CertificateDer<'static>>,
    verifier: Arc<WebPkiServerVerifier>,
}

impl ServerCertVerifier for AsWanted {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        url_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let name = self.name.as_ref().unwrap_or(url_name);
        let verdict = self.verifier.verify_server_cert(end_entity, intermediates, name, ocsp_response, now);
        match verdict {
            // Before it says this, it has looked whether the certificate's time has come and is not over.
            Err(rustls::Error::InvalidCertificate(CertificateError::Other(why)))
                if format!("{why:?}").contains("CaUsedAsEndEntity") =>
            {
                if !self.own.contains(end_entity) {
                    return Err(CertificateError::UnknownIssuer.into());
                }
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, name)?;
                Ok(ServerCertVerified::assertion())
            }
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}
