//! The one HTTP client: one TLS stack, one pool of connections, no call without a deadline, no body without a bound.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::RETRY_AFTER;
use rustls::{ClientConfig, RootCertStore};
use rustls_native_certs::CertificateResult;

use super::{client_tls, retry_after};
use crate::model::{Timestamp, format_duration};

/// How long an unused connection is kept. Shorter than the minute after which common servers close one, so that a page
/// does not go out on a connection that is just being closed.
const IDLE: Duration = Duration::from_secs(45);

/// Makes ring the process's cryptography. To be called before anything speaks TLS; more than once does no harm.
pub fn install_crypto_provider() {
    // An error says that there is one already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// A client to be cloned and shared.
#[derive(Clone, Debug)]
pub struct HttpClient {
    client: reqwest::Client,
    /// Whose certificates it trusts; reading them takes its time, so other clients share them.
    roots: Arc<RootCertStore>,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum HttpClientError {
    /// The TLS library refuses its own defaults.
    #[error("set up TLS")]
    Tls(#[from] rustls::Error),
    /// The HTTP library does.
    #[error("set up the HTTP client")]
    Http(#[from] reqwest::Error),
}

impl HttpClient {
    /// A client that trusts the host's roots, or Mozilla's when the host has none. It follows no redirect, since a signed
    /// or secret request is meant for one place only, and takes no proxy from the environment, since a page should not
    /// depend on a variable that nobody remembers.
    pub fn new() -> Result<Self, HttpClientError> {
        let roots = Arc::new(roots(rustls_native_certs::load_native_certs()));
        let stay = |builder: reqwest::ClientBuilder| builder.redirect(reqwest::redirect::Policy::none()).no_proxy();
        let client = build(tls_config(&roots)?, stay)?;
        Ok(Self { client, roots })
    }

    /// The client itself, for requests that have their own bounds, as scrapes have.
    pub fn client(&self) -> &reqwest::Client {
        &self.client
    }

    /// Whose certificates it trusts.
    pub(super) fn roots(&self) -> &Arc<RootCertStore> {
        &self.roots
    }
}

/// A client with this TLS, and what all of them have in common.
pub(super) fn build(
    tls: ClientConfig,
    settings: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder,
) -> Result<reqwest::Client, HttpClientError> {
    let builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .pool_idle_timeout(IDLE)
        .user_agent(concat!("Atalaya/", env!("CARGO_PKG_VERSION")));
    Ok(settings(builder).build()?)
}

/// Makes a call that ends within `timeout`, the body included, of which at most `body_max` bytes are read. Once there
/// is a status there is an answer: a body that breaks off is as long as it is.
pub(super) async fn exchange(
    call: reqwest::RequestBuilder,
    timeout: Duration,
    body_max: usize,
    now: Timestamp,
) -> Result<Answer, ExchangeError> {
    let mut response = call.timeout(timeout).send().await.map_err(|error| ExchangeError::of(error, timeout))?;
    let status = response.status().as_u16();
    let header = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after = header.and_then(|header| retry_after::parse(header, now));
    let mut body = Vec::new();
    while body.len() < body_max
        && let Ok(Some(chunk)) = response.chunk().await
    {
        let room = body_max - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
    }
    Ok(Answer { status, retry_after, body: String::from_utf8_lossy(&body).into_owned() })
}

/// Why a body is not there as a whole.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The connection broke off, or time was up.
    #[error("the answer broke off")]
    Broken(#[source] reqwest::Error),
    /// There is more of it than is taken.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
}

/// The whole body of an answer, unless it is larger than `bytes_max`.
pub async fn body_within(mut response: reqwest::Response, bytes_max: usize) -> Result<Vec<u8>, BodyError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| BodyError::Broken(error.without_url()))? {
        if body.len() + chunk.len() > bytes_max {
            return Err(BodyError::TooLarge(bytes_max));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// What a server answered.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) retry_after: Option<Duration>,
    pub(super) body: String,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExchangeError {
    #[error("no answer within {}", format_duration(*.0))]
    Timeout(Duration),
    // Without the URL, which may be a secret.
    #[error(transparent)]
    Network(reqwest::Error),
}

impl ExchangeError {
    fn of(error: reqwest::Error, timeout: Duration) -> Self {
        if error.is_timeout() { Self::Timeout(timeout) } else { Self::Network(error.without_url()) }
    }
}

/// TLS as every client speaks it.
pub(super) fn tls_config(roots: &Arc<RootCertStore>) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let verifier = client_tls::verifier(roots.clone(), Vec::new(), None)?;
    Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

/// The host's roots. A container may well have none, and should not be deaf for that.
fn roots(host: CertificateResult) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let unreadable = host.errors.len();
    let (usable, _) = roots.add_parsable_certificates(host.certs);
    if usable == 0 {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        tracing::info!(
            roots = roots.len(),
            unreadable,
            "trusting Mozilla's certificates: this host has none of its own"
        );
    } else {
        tracing::info!(roots = usable, unreadable, "trusting this host's certificates");
    }
    roots
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_without_roots_trusts_mozillas() {
        assert_eq!(roots(CertificateResult::default()).len(), webpki_roots::TLS_SERVER_ROOTS.len());
    }
}
