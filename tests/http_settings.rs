//! What the settings of calls and of sources become when they are sound. Those that are not are in `tests/config/bad`.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use atalaya::config::{Config, load};
use atalaya::model::{ClientName, SecretName, SourceName};
use atalaya::transport::{
    Authentication, ClientCertificate, ConnectionOptions, HttpOptions, OAuth2Options, Part, Pem, ProxyOptions,
    SecretSource, TlsOptions, TlsVersion,
};

/// Loads a configuration with this `source`, and perhaps `global`.
fn load_text(text: &str) -> Config {
    let sound = "route: {receiver: people}\n\
        receivers: [{name: people, webhook_configs: [{url: 'http://127.0.0.1:9099/'}]}]\n";
    let main = format!("{sound}{text}");
    let read = |path: &Path| {
        let is_main = path == Path::new("/etc/atalaya/atalaya.yaml");
        if is_main { Ok(main.clone()) } else { Err(io::Error::from(io::ErrorKind::NotFound)) }
    };
    load(Path::new("/etc/atalaya/atalaya.yaml"), &read).unwrap_or_else(|problems| panic!("{problems}"))
}

/// The options of the one client, and the secrets of the configuration, of an API with these settings.
fn options(settings: &str) -> (HttpOptions, Vec<(SecretName, SecretSource)>) {
    let indented: String = settings.lines().map(|line| format!("      {line}\n")).collect();
    let config = load_text(&format!("source:\n  apis:\n    - name: thanos\n      url: http://thanos:9090\n{indented}"));
    let [(name, options)] = config.clients.as_slice() else { panic!("{:?}", config.clients) };
    assert_eq!(*name, ClientName::new("source.apis[thanos]"));
    assert_eq!(config.apis[0].client.as_ref(), Some(name));
    (options.clone(), config.secrets)
}

fn secret(name: &str) -> SecretName {
    SecretName::new(format!("source.apis[thanos].{name}"))
}

fn file(name: &str) -> PathBuf {
    Path::new("/etc/atalaya").join(name)
}

fn inline(text: &str) -> SecretSource {
    SecretSource::Inline(text.to_owned())
}

#[test]
fn sources_have_defaults() {
    let config = load_text(
        "source:\n  default: thanos\n  apis:\n    - {name: thanos, url: 'https://thanos/prefix/?a=b'}\n    \
         - {name: mimir, url: 'http://mimir', timeout: 5s, max_concurrency: 10, params: {dedup: ['true'], x: [a, b]}}\n",
    );
    assert_eq!(config.default_source, SourceName::new("thanos"));
    assert!(config.clients.is_empty() && config.secrets.is_empty());
    let [thanos, mimir] = config.apis.as_slice() else { panic!("{:?}", config.apis) };
    assert_eq!((thanos.name.as_str(), thanos.url.as_str()), ("thanos", "https://thanos/prefix/?a=b"));
    assert_eq!((thanos.timeout, thanos.max_concurrency), (Duration::from_secs(30), 4));
    assert_eq!((mimir.timeout, mimir.max_concurrency), (Duration::from_secs(5), 10));
    assert_eq!(mimir.params, [("dedup", "true"), ("x", "a"), ("x", "b")].map(|(k, v)| (k.to_owned(), v.to_owned())));
    // No query is waited for when the next one is due.
    let config = load_text(
        "global: {evaluation_interval: 15s}\nsource: {default: embedded, apis: [{name: a, url: 'http://a'}]}\n",
    );
    assert!(config.default_source.is_embedded());
    assert_eq!(config.apis[0].timeout, Duration::from_secs(15));
    assert!(load_text("").default_source.is_embedded());
    assert!(load_text("source:\n").apis.is_empty());
}

#[test]
fn settings_that_change_nothing_need_no_client() {
    let config = load_text(
        "source: {apis: [{name: a, url: 'http://a', follow_redirects: true, enable_http2: true, tls_config: {}, \
         proxy_url: '', http_headers: {}, proxy_from_environment: false}]}\n",
    );
    assert_eq!((config.clients, config.apis[0].client.clone()), (Vec::new(), None));
}

#[test]
fn says_who_makes_a_call() {
    let check = |settings: &str, authentication: Authentication, secrets: &[(&str, SecretSource)]| {
        let (options, found) = options(settings);
        let expected = HttpOptions { authentication: Some(authentication), ..HttpOptions::default() };
        assert_eq!(options, expected, "{settings}");
        let secrets: Vec<_> = secrets.iter().map(|(name, source)| (secret(name), source.clone())).collect();
        assert_eq!(found, secrets, "{settings}");
    };
    let basic =
        |username: Part, password: Option<&str>| Authentication::Basic { username, password: password.map(secret) };
    let alice = || Part::Plain("alice".to_owned());
    check(
        "basic_auth: {username: alice, password: hunter2}",
        basic(alice(), Some("basic_auth.password")),
        &[("basic_auth.password", inline("hunter2"))],
    );
    check("basic_auth: {username: alice, password: ''}", basic(alice(), None), &[]);
    check(
        "basic_auth: {username_file: name, password_file: /run/password}",
        basic(Part::Secret(secret("basic_auth.username")), Some("basic_auth.password")),
        &[
            ("basic_auth.username", SecretSource::File(file("name"))),
            ("basic_auth.password", SecretSource::File("/run/password".into())),
        ],
    );
    let header = |scheme: &str, name: &str| Authentication::Header { scheme: scheme.into(), credentials: secret(name) };
    check(
        "authorization: {credentials: '${TOKEN}'}",
        header("Bearer", "authorization.credentials"),
        &[("authorization.credentials", SecretSource::Env("TOKEN".to_owned()))],
    );
    check(
        "authorization: {type: ' Token ', credentials_file: token}",
        header("Token", "authorization.credentials"),
        &[("authorization.credentials", SecretSource::File(file("token")))],
    );
    check("bearer_token: hunter2", header("Bearer", "bearer_token"), &[("bearer_token", inline("hunter2"))]);
    check(
        "bearer_token_file: token",
        header("Bearer", "bearer_token"),
        &[("bearer_token", SecretSource::File(file("token")))],
    );
    let oauth2 = OAuth2Options {
        client_id: "atalaya".into(),
        client_secret: secret("oauth2.client_secret"),
        scopes: vec!["a".into(), "b".into()],
        token_url: "https://tokens.internal/".into(),
        endpoint_params: vec![("audience".into(), "us".into())],
        connection: ConnectionOptions {
            tls: TlsOptions { insecure_skip_verify: true, ..TlsOptions::default() },
            proxy: ProxyOptions::Environment { headers: Vec::new() },
        },
    };
    check(
        "oauth2: {client_id: atalaya, client_secret: hunter2, scopes: [a, b], token_url: 'https://tokens.internal/', \
         endpoint_params: {audience: us}, tls_config: {insecure_skip_verify: true}, proxy_from_environment: true}",
        Authentication::OAuth2(Box::new(oauth2)),
        &[("oauth2.client_secret", inline("hunter2"))],
    );
}

#[test]
fn headers_keep_their_order_and_their_secrets() {
    let (options, secrets) = options(
        "http_headers:\n  X-B: {values: [one, ''], secrets: [hunter2], files: [key]}\n  X-A: {values: [two]}\n\
         follow_redirects: false\n",
    );
    assert!(!options.follow_redirects);
    let plain = |text: &str| Part::Plain(text.to_owned());
    let names = ["http_headers.X-B.secrets[0]", "http_headers.X-B.files[0]"].map(secret);
    let [first, second] = names.clone().map(Part::Secret);
    assert_eq!(
        options.headers,
        [("X-B".to_owned(), vec![plain("one"), plain(""), first, second]), ("X-A".to_owned(), vec![plain("two")]),]
    );
    let sources = [inline("hunter2"), SecretSource::File(file("key"))];
    assert_eq!(secrets, names.into_iter().zip(sources).collect::<Vec<_>>());
}

#[test]
fn connections_are_made_as_they_should_be() {
    let (options, secrets) = options(
        "tls_config:\n  ca_file: ca.crt\n  cert: hello\n  key: hunter2\n  server_name: node\n  min_version: TLS10\n  \
         max_version: TLS12\nproxy_url: http://alice:hunter2@proxy:3128\nno_proxy: .internal\n\
         proxy_connect_header: {X-Key: [hunter2]}\n",
    );
    let key = secret("tls_config.key");
    let tls = TlsOptions {
        ca: Some(Pem::File(file("ca.crt"))),
        client: Some(ClientCertificate { certificate: Pem::Inline("hello".into()), key: Pem::Secret(key.clone()) }),
        server_name: Some("node".into()),
        insecure_skip_verify: false,
        // Older ones are not spoken anyway.
        min_version: None,
        max_version: Some(TlsVersion::Tls12),
    };
    let told = secret("proxy_connect_header.X-Key[0]");
    let proxy = ProxyOptions::Url {
        url: Part::Secret(secret("proxy_url")),
        no_proxy: Some(".internal".into()),
        headers: vec![("X-Key".into(), vec![Part::Secret(told.clone())])],
    };
    assert_eq!(options.connection, ConnectionOptions { tls, proxy });
    let url = inline("http://alice:hunter2@proxy:3128");
    assert_eq!(secrets, [(key, inline("hunter2")), (told, inline("hunter2")), (secret("proxy_url"), url)]);
    assert!(!format!("{options:?}").contains("hunter2"));
}

#[test]
fn certificates_that_cannot_be_used_end_the_start() {
    let home = tempfile::tempdir().unwrap();
    let config = "route: {receiver: people}
receivers: [{name: people, webhook_configs: [{url: 'http://127.0.0.1:9099/'}]}]
source:
  apis:
    - {name: thanos, url: 'http://127.0.0.1:9', tls_config: {ca_file: ca.crt}, basic_auth: {username: a, password_file: b}}
    - {name: mimir, url: 'http://127.0.0.1:9', tls_config: {cert_file: no.crt, key_file: no.key}}
";
    std::fs::write(home.path().join("atalaya.yaml"), config).unwrap();
    std::fs::write(home.path().join("ca.crt"), "hello\n").unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_atalaya"));
    command.args(["run", "--listen", "127.0.0.1:0", "--config", "atalaya.yaml"]).current_dir(home.path());
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let expected = "secrets and certificates that cannot be used:
  read secret `source.apis[thanos].basic_auth.password` from `b`: No such file or directory (os error 2)
  `source.apis[mimir]`: read certificate `no.crt`: No such file or directory (os error 2)
  `source.apis[thanos]`: `ca.crt` holds no certificate in PEM
";
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.ends_with(expected), "{told}");
}
