//! Clients with settings of their own, against servers on loopback: TLS, proxies, redirects, who we say we are, and that
//! what is replaced on disk is in use without a restart.

mod server;

use std::path::Path;
use std::time::Duration;

use atalaya::model::{ClientName, SecretName, Timestamp};
use atalaya::receiver::{BodySecret, BodySecretValue, Endpoint, HttpRequest, Method, Reply, Request};
use atalaya::transport::{
    Authentication, ClientCertificate, ClientError, ConnectionOptions, HttpClient, HttpClients, HttpOptions,
    OAuth2Options, Part, Pem, ProxyOptions, SecretSource, Secrets, TlsOptions, TlsVersion, Transport,
    install_crypto_provider,
};
use server::{Authority, Identity, Server, by_hand, ok, other};
use url::Url;

/// A secret of which no output may show anything.
const SECRET: &str = "hunter2-hunter2-hunter2";
/// Enough for a server on this machine, however busy it is.
const PATIENT: Duration = Duration::from_secs(20);

fn name() -> ClientName {
    ClientName::new("scrape_configs[node]")
}

#[expect(clippy::unwrap_used, reason = "part of a test")]
fn clients(options: HttpOptions, secrets: &[(&str, SecretSource)]) -> HttpClients {
    install_crypto_provider();
    let secrets = Secrets::new(secrets.iter().map(|(name, source)| (SecretName::new(*name), source.clone())));
    HttpClients::new(HttpClient::new().unwrap(), [(name(), options)], secrets).unwrap()
}

fn with_tls(tls: TlsOptions) -> HttpOptions {
    HttpOptions { connection: ConnectionOptions { tls, proxy: ProxyOptions::None }, ..HttpOptions::default() }
}

fn with_authentication(authentication: Authentication) -> HttpOptions {
    HttpOptions { authentication: Some(authentication), ..HttpOptions::default() }
}

fn inline() -> SecretSource {
    SecretSource::Inline(SECRET.to_owned())
}

/// What a `GET` answers, or why it does not, causes included.
async fn fetch(clients: &HttpClients, url: &str) -> Result<String, String> {
    let caller = clients.get(Some(&name())).await.map_err(|error| chain(&error))?;
    let url = Url::parse(url).map_err(|error| error.to_string())?;
    let response = caller.get(url).timeout(PATIENT).send().await.map_err(|error| chain(&error))?;
    let status = response.status();
    let body = response.text().await.map_err(|error| chain(&error))?;
    if status.is_success() { Ok(body) } else { Err(status.to_string()) }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    assert!(!text.contains(SECRET), "{text}");
    text
}

fn file(directory: &Path, name: &str, content: &str) -> Pem {
    let path = directory.join(name);
    std::fs::write(&path, content).expect("a file of a test can be written");
    Pem::File(path)
}

fn shown(identity: &Identity, directory: &Path) -> ClientCertificate {
    ClientCertificate {
        certificate: file(directory, "client.crt", &identity.certificate),
        key: file(directory, "client.key", &identity.key),
    }
}

#[tokio::test]
async fn a_server_is_trusted_by_its_authority_alone() {
    let (ours, another) = (Authority::new(), Authority::new());
    let server = Server::tls(&ours.sign("127.0.0.1"), None).await;
    let url = format!("https://{}/", server.address);
    let ca = |authority: &Authority| Some(Pem::Inline(authority.pem()));
    let hello = Ok("hello".to_owned());

    assert_eq!(
        fetch(&clients(with_tls(TlsOptions { ca: ca(&ours), ..TlsOptions::default() }), &[]), &url).await,
        hello
    );
    for untrusting in [TlsOptions { ca: ca(&another), ..TlsOptions::default() }, TlsOptions::default()] {
        let why = fetch(&clients(with_tls(untrusting), &[]), &url).await.unwrap_err();
        assert!(why.contains("UnknownIssuer") || why.contains("certificate"), "{why}");
    }
    let any = TlsOptions { ca: ca(&another), insecure_skip_verify: true, ..TlsOptions::default() };
    assert_eq!(fetch(&clients(with_tls(any), &[]), &url).await, hello);
}

#[tokio::test]
async fn a_certificate_that_was_made_by_hand_is_trusted_as_itself() {
    let check = async |own: &Identity, trusted: &Identity, expected: Result<&str, &str>| {
        let server = Server::tls(own, None).await;
        let ca = Some(Pem::Inline(trusted.certificate.clone()));
        let clients = clients(with_tls(TlsOptions { ca, ..TlsOptions::default() }), &[]);
        let told = fetch(&clients, &format!("https://{}/", server.address)).await;
        match expected {
            Ok(body) => assert_eq!(told, Ok(body.to_owned())),
            Err(word) => assert!(told.as_ref().is_err_and(|why| why.contains(word)), "{word}: {told:?}"),
        }
    };
    let (own, another) = (by_hand("127.0.0.1", false), by_hand("127.0.0.1", false));
    let (misnamed, over) = (by_hand("node.internal", false), by_hand("127.0.0.1", true));
    check(&own, &own, Ok("hello")).await;
    check(&own, &another, Err("UnknownIssuer")).await;
    check(&misnamed, &misnamed, Err("not valid for")).await;
    check(&over, &over, Err("expired")).await;
}

#[tokio::test]
async fn a_certificate_may_be_for_the_name_that_is_set() {
    let authority = Authority::new();
    let server = Server::tls(&authority.sign("node.internal"), None).await;
    let url = format!("https://{}/", server.address);
    let tls = |server_name: Option<&str>| {
        let server_name = server_name.map(str::to_owned);
        with_tls(TlsOptions { ca: Some(Pem::Inline(authority.pem())), server_name, ..TlsOptions::default() })
    };
    assert_eq!(fetch(&clients(tls(Some("node.internal")), &[]), &url).await, Ok("hello".to_owned()));
    for wrong in [None, Some("other.internal")] {
        let why = fetch(&clients(tls(wrong), &[]), &url).await.unwrap_err();
        assert!(why.contains("not valid for"), "{why}");
    }
}

#[tokio::test]
async fn versions_of_tls_can_be_narrowed() {
    let authority = Authority::new();
    let server = Server::tls(&authority.sign("127.0.0.1"), None).await;
    let url = format!("https://{}/", server.address);
    for version in [TlsVersion::Tls12, TlsVersion::Tls13] {
        for skip in [false, true] {
            let tls = TlsOptions {
                ca: Some(Pem::Inline(authority.pem())),
                insecure_skip_verify: skip,
                min_version: Some(version),
                max_version: Some(version),
                ..TlsOptions::default()
            };
            assert_eq!(fetch(&clients(with_tls(tls), &[]), &url).await, Ok("hello".to_owned()), "{version:?} {skip}");
        }
    }
}

#[tokio::test]
async fn a_client_shows_its_certificate() {
    let directory = tempfile::tempdir().unwrap();
    let (servers, people) = (Authority::new(), Authority::new());
    let server = Server::tls(&servers.sign("127.0.0.1"), Some(&people)).await;
    let url = format!("https://{}/", server.address);
    let tls = |client| with_tls(TlsOptions { ca: Some(Pem::Inline(servers.pem())), client, ..TlsOptions::default() });
    let good = clients(tls(Some(shown(&people.sign("us"), directory.path()))), &[]);
    assert_eq!(good.check(), Vec::<String>::new());
    assert_eq!(fetch(&good, &url).await, Ok("hello".to_owned()));
    fetch(&clients(tls(None), &[]), &url).await.unwrap_err();

    let identity = people.sign("us");
    let in_configuration =
        ClientCertificate { certificate: Pem::Inline(identity.certificate), key: Pem::Secret(SecretName::new("key")) };
    let key = [("key", SecretSource::Inline(identity.key))];
    assert_eq!(fetch(&clients(tls(Some(in_configuration)), &key), &url).await, Ok("hello".to_owned()));
}

#[tokio::test]
async fn authorities_and_certificates_rotate_without_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let (old, new, people) = (Authority::new(), Authority::new(), Authority::new());
    let before = Server::tls(&old.sign("127.0.0.1"), None).await;
    let after = Server::tls(&new.sign("127.0.0.1"), Some(&people)).await;
    let (before, after) = (format!("https://{}/", before.address), format!("https://{}/", after.address));
    let client = Some(shown(&Authority::new().sign("us"), directory.path()));
    let ca = Some(file(directory.path(), "ca.crt", &old.pem()));
    let clients = clients(with_tls(TlsOptions { ca, client, ..TlsOptions::default() }), &[]);
    let hello = Ok("hello".to_owned());

    assert_eq!(fetch(&clients, &before).await, hello);
    fetch(&clients, &after).await.unwrap_err();
    // As Kubernetes does it, and as an editor does.
    std::fs::write(directory.path().join("new"), new.pem()).unwrap();
    std::fs::rename(directory.path().join("new"), directory.path().join("ca.crt")).unwrap();
    let identity = people.sign("us");
    std::fs::write(directory.path().join("client.crt"), &identity.certificate).unwrap();
    // The key does not fit yet: the last client goes on.
    assert_eq!(fetch(&clients, &before).await, hello);
    std::fs::write(directory.path().join("client.key"), &identity.key).unwrap();
    assert_eq!(fetch(&clients, &after).await, hello);
    fetch(&clients, &before).await.unwrap_err();
    // A file that is gone takes nothing away.
    std::fs::remove_file(directory.path().join("ca.crt")).unwrap();
    assert_eq!(fetch(&clients, &after).await, hello);
}

#[tokio::test]
async fn what_is_wrong_with_files_is_told_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let (one, two) = (authority.sign("one"), authority.sign("two"));
    let at = |name: &str| directory.path().join(name).display().to_string();
    let client = |certificate: &str, key: &str| TlsOptions {
        client: Some(ClientCertificate {
            certificate: file(directory.path(), "crt", certificate),
            key: file(directory.path(), "key", key),
        }),
        ..TlsOptions::default()
    };
    let ca = |ca: Pem| TlsOptions { ca: Some(ca), ..TlsOptions::default() };
    let check = |tls: TlsOptions, expected: &str| {
        let troubles = clients(with_tls(tls), &[]).check();
        assert_eq!(troubles, [format!("`scrape_configs[node]`: {expected}")]);
    };
    check(
        ca(Pem::File(directory.path().join("missing"))),
        &format!("read certificate `{}`: No such file or directory (os error 2)", at("missing")),
    );
    check(ca(file(directory.path(), "ca", "hello\n")), &format!("`{}` holds no certificate in PEM", at("ca")));
    let broken = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
    check(
        ca(file(directory.path(), "ca", broken)),
        &format!("`{}` holds a certificate that cannot be used: invalid peer certificate: BadEncoding", at("ca")),
    );
    let (crt, key) = (at("crt"), at("key"));
    check(
        client(&one.certificate, &two.key),
        &format!("the key in `{key}` does not belong to the certificate in `{crt}`"),
    );
    check(client(&one.certificate, &one.certificate), &format!("`{key}` holds no private key in PEM"));
    check(client(&one.certificate, ""), &format!("`{key}` holds no private key in PEM"));
    check(client(&one.key, &one.key), &format!("`{crt}` holds no certificate in PEM"));
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n";
    check(
        client(&one.certificate, encrypted),
        &format!("`{key}` holds no private key in PEM: it is encrypted, which is not supported"),
    );
    let large = "x".repeat(1024 * 1024 + 1);
    check(
        ca(file(directory.path(), "ca", &large)),
        &format!("read certificate `{}`: more than 1048576 bytes", at("ca")),
    );
}

#[tokio::test]
async fn calls_say_who_makes_them() {
    let server = Server::plain(|_| ok("")).await;
    let url = format!("http://{}/metrics", server.address);
    let check = async |options: HttpOptions, header: &str| {
        let clients = clients(options, &[("secret", inline()), ("name", SecretSource::Inline("alice".into()))]);
        assert_eq!(fetch(&clients, &url).await, Ok(String::new()));
        let asked = server.last();
        assert!(asked.contains(&format!("\r\n{header}\r\n")), "{asked}");
    };
    let secret = || SecretName::new("secret");
    // alice:hunter2-hunter2-hunter2, and alice: alone.
    let basic = "authorization: Basic YWxpY2U6aHVudGVyMi1odW50ZXIyLWh1bnRlcjI=";
    let username = Part::Plain("alice".into());
    check(with_authentication(Authentication::Basic { username, password: Some(secret()) }), basic).await;
    let username = Part::Secret(SecretName::new("name"));
    check(with_authentication(Authentication::Basic { username, password: Some(secret()) }), basic).await;
    let username = Part::Plain("alice".into());
    let alone = "authorization: Basic YWxpY2U6";
    check(with_authentication(Authentication::Basic { username, password: None }), alone).await;
    for scheme in ["Bearer", "Token"] {
        let authentication = Authentication::Header { scheme: scheme.into(), credentials: secret() };
        check(with_authentication(authentication), &format!("authorization: {scheme} {SECRET}")).await;
    }
    let values = vec![Part::Plain("a".into()), Part::Secret(secret())];
    let options = HttpOptions { headers: vec![("X-Scope-OrgID".into(), values)], ..HttpOptions::default() };
    check(options, &format!("x-scope-orgid: a\r\nx-scope-orgid: {SECRET}")).await;
}

#[tokio::test]
async fn secrets_rotate_and_are_not_printed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    std::fs::write(&path, "first\n").unwrap();
    let server = Server::plain(|_| ok("")).await;
    let url = format!("http://{}/", server.address);
    let options =
        with_authentication(Authentication::Header { scheme: "Bearer".into(), credentials: SecretName::new("secret") });
    let clients = clients(options, &[("secret", SecretSource::File(path.clone()))]);
    for value in ["first", SECRET] {
        std::fs::write(&path, value).unwrap();
        assert_eq!(fetch(&clients, &url).await, Ok(String::new()));
        assert!(server.last().contains(&format!("authorization: Bearer {value}\r\n")), "{}", server.last());
    }
    let caller = clients.get(Some(&name())).await.unwrap();
    let call = caller.get(Url::parse(&url).unwrap());
    for text in [format!("{caller:?}"), format!("{clients:?}"), format!("{call:?}")] {
        assert!(!text.contains(SECRET), "{text}");
    }
    assert_eq!(caller.hide(format!("you said `Bearer {SECRET}`")), "you said `Bearer <hidden>`");
    std::fs::remove_file(&path).unwrap();
    let why = fetch(&clients, &url).await.unwrap_err();
    assert!(why.starts_with("read secret `secret` from `"), "{why}");
    let unknown = clients.get(Some(&ClientName::new("other"))).await;
    assert!(matches!(unknown, Err(ClientError::Unknown(_))), "{unknown:?}");
}

#[tokio::test]
async fn redirects_are_followed_as_far_as_they_may() {
    let target =
        Server::plain(|line| if line.contains("/loop") { other("302 Found", "location: /loop") } else { ok("there") })
            .await;
    let elsewhere = format!("location: http://{}/there", target.address);
    let server = Server::plain(move |line| match line.split(' ').nth(1) {
        Some("/here") => other("302 Found", "location: /near"),
        Some("/near") => ok("near"),
        _ => other("302 Found", &elsewhere),
    })
    .await;
    let url = |path: &str| format!("http://{}{path}", server.address);
    let with_header =
        |part: Part| HttpOptions { headers: vec![("X-Key".into(), vec![part])], ..HttpOptions::default() };
    let secrets = [("secret", inline())];

    let plain = clients(HttpOptions::default(), &secrets);
    assert_eq!(fetch(&plain, &url("/here")).await, Ok("near".to_owned()));
    assert_eq!(fetch(&plain, &url("/far")).await, Ok("there".to_owned()));
    let why = fetch(&plain, &format!("http://{}/loop", target.address)).await.unwrap_err();
    assert!(why.contains("redirected more than 10 times"), "{why}");
    let staying = clients(HttpOptions { follow_redirects: false, ..HttpOptions::default() }, &secrets);
    assert_eq!(fetch(&staying, &url("/here")).await, Err("302 Found".to_owned()));
    // A password stays behind; a header of which we know that it is secret keeps us from going.
    let authentication = Authentication::Header { scheme: "Bearer".into(), credentials: SecretName::new("secret") };
    let known = clients(with_authentication(authentication), &secrets);
    assert_eq!(fetch(&known, &url("/far")).await, Ok("there".to_owned()));
    assert!(server.last().contains(SECRET) && !target.last().contains(SECRET), "{}", target.last());
    let keyed = clients(with_header(Part::Secret(SecretName::new("secret"))), &secrets);
    assert_eq!(fetch(&keyed, &url("/here")).await, Ok("near".to_owned()));
    let asked = target.asked().len();
    let why = fetch(&keyed, &url("/far")).await.unwrap_err();
    assert!(why.contains("must not see the secrets of `http_headers`"), "{why}");
    assert_eq!(target.asked().len(), asked);
    // What is secret by itself goes to one place only.
    let caller = plain.get_staying(Some(&name())).await.unwrap();
    assert_eq!(caller.get(Url::parse(&url("/here")).unwrap()).send().await.unwrap().status(), 302);
    let caller = plain.get_staying(None).await.unwrap();
    assert_eq!(caller.get(Url::parse(&url("/here")).unwrap()).send().await.unwrap().status(), 302);
}

#[tokio::test]
async fn calls_go_through_the_proxy() {
    let proxy =
        Server::plain(|line| if line.starts_with("CONNECT") { other("403 Forbidden", "a: b") } else { ok("proxied") })
            .await;
    let direct = Server::plain(|_| ok("direct")).await;
    let options = |no_proxy: Option<&str>| HttpOptions {
        connection: ConnectionOptions {
            tls: TlsOptions::default(),
            proxy: ProxyOptions::Url {
                url: Part::Secret(SecretName::new("proxy")),
                no_proxy: no_proxy.map(str::to_owned),
                headers: vec![("X-Proxy-Key".into(), vec![Part::Secret(SecretName::new("secret"))])],
            },
        },
        ..HttpOptions::default()
    };
    let proxy_url = SecretSource::Inline(format!("http://alice:{SECRET}@{}", proxy.address));
    let secrets = [("proxy", proxy_url), ("secret", inline())];
    let url = format!("http://{}/metrics", direct.address);

    let proxied = clients(options(None), &secrets);
    assert_eq!(fetch(&proxied, &url).await, Ok("proxied".to_owned()));
    let asked = proxy.last();
    assert!(asked.starts_with(&format!("GET {url} HTTP/1.1\r\n")), "{asked}");
    assert!(asked.contains("proxy-authorization: Basic YWxpY2U6aHVudGVyMi1odW50ZXIyLWh1bnRlcjI="), "{asked}");
    fetch(&proxied, "https://db.internal:9090/").await.unwrap_err();
    let asked = proxy.last();
    assert!(asked.starts_with("CONNECT db.internal:9090 HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains(&format!("x-proxy-key: {SECRET}\r\n")), "{asked}");
    assert_eq!(fetch(&clients(options(Some("127.0.0.0/8")), &secrets), &url).await, Ok("direct".to_owned()));
    assert_eq!(fetch(&clients(HttpOptions::default(), &[]), &url).await, Ok("direct".to_owned()));
    assert!(!direct.last().contains(SECRET));
}

/// The environment of a process that runs is not changed, so this test runs itself in another one.
#[tokio::test]
async fn calls_go_through_the_proxy_of_the_environment_when_told_so() {
    const TARGET: &str = "ATALAYA_TEST_TARGET";
    if let Ok(url) = std::env::var(TARGET) {
        let proxy = ProxyOptions::Environment { headers: Vec::new() };
        let connection = ConnectionOptions { tls: TlsOptions::default(), proxy };
        let told = clients(HttpOptions { connection, ..HttpOptions::default() }, &[]);
        assert_eq!(fetch(&told, "http://node.internal/metrics").await, Ok("proxied".to_owned()));
        assert_eq!(fetch(&told, &url).await, Ok("direct".to_owned()));
        return;
    }
    let (proxy, direct) = (Server::plain(|_| ok("proxied")).await, Server::plain(|_| ok("direct")).await);
    let mut again = std::process::Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", "calls_go_through_the_proxy_of_the_environment_when_told_so"]);
    again.env(TARGET, format!("http://{}/", direct.address)).env("HTTP_PROXY", format!("http://{}", proxy.address));
    again.env("NO_PROXY", "127.0.0.0/8");
    let output = tokio::task::spawn_blocking(move || again.output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!((proxy.asked().len(), direct.asked().len()), (1, 1));
}

/// What a request of a receiver that goes through our client is answered.
async fn send(clients: &HttpClients, url: Endpoint, body_secret: Option<(String, SecretName)>) -> Reply {
    let request = HttpRequest {
        method: Method::Post,
        url,
        headers: Vec::new(),
        body: serde_json::json!({}),
        body_secret: body_secret.map(|(pointer, name)| BodySecret {
            pointer,
            value: BodySecretValue::Named(name),
            is_returned: false,
        }),
        signature: None,
        timeout: PATIENT,
        client: Some(name()),
    };
    let now = Timestamp::from_millis(1_764_000_000_000);
    Transport::new(clients.clone()).send(Request::Http(request), now).await
}

#[tokio::test]
async fn receivers_use_the_client_that_they_name() {
    let server = Server::plain(|line| match line.split(' ').nth(1) {
        Some("/moved") => other("307 Temporary Redirect", "location: /here"),
        _ => ok("hunter2-hunter2-hunter2 it is"),
    })
    .await;
    let url = |path: &str| format!("http://{}{path}", server.address);
    let authentication = Authentication::Header { scheme: "Bearer".into(), credentials: SecretName::new("secret") };
    let secrets = [("secret", inline()), ("url", SecretSource::Inline(url("/moved")))];
    let clients = clients(with_authentication(authentication), &secrets);
    let done = Reply::Http { status: 200, retry_after: None, body: "<hidden> it is".into() };
    assert_eq!(send(&clients, Endpoint::Plain(url("/moved")), None).await, done);
    assert!(server.last().contains(&format!("authorization: Bearer {SECRET}\r\n")), "{}", server.last());
    // What is secret goes where it was meant to go, and nowhere else.
    let key = Some(("/key".to_owned(), SecretName::new("secret")));
    for (url, key) in [(Endpoint::Plain(url("/moved")), key), (Endpoint::Secret(SecretName::new("url")), None)] {
        let reply = send(&clients, url, key).await;
        assert!(matches!(reply, Reply::Http { status: 307, .. }), "{reply:?}");
    }
}

fn oauth2(token_url: String) -> HttpOptions {
    with_authentication(Authentication::OAuth2(Box::new(OAuth2Options {
        client_id: "atalaya".into(),
        client_secret: SecretName::new("secret"),
        scopes: vec!["read".into(), "metrics".into()],
        token_url,
        endpoint_params: vec![("audience".into(), "x y".into())],
        connection: ConnectionOptions::default(),
    })))
}

#[tokio::test]
async fn a_token_is_asked_for_once() {
    let granted = r#"{"access_token":"t0ken","token_type":"Bearer","expires_in":3600}"#;
    let tokens = Server::plain(move |_| ok(granted)).await;
    let server = Server::plain(|_| ok("")).await;
    let clients = clients(oauth2(format!("http://{}/token", tokens.address)), &[("secret", inline())]);
    for _ in 0..3 {
        assert_eq!(fetch(&clients, &format!("http://{}/", server.address)).await, Ok(String::new()));
        assert!(server.last().contains("authorization: Bearer t0ken\r\n"), "{}", server.last());
    }
    assert_eq!(tokens.asked().len(), 1, "{:?}", tokens.asked());
    let asked = tokens.last();
    assert!(asked.starts_with("POST /token ") && asked.contains("authorization: Basic "), "{asked}");
    assert!(asked.ends_with("grant_type=client_credentials&scope=read+metrics&audience=x+y"), "{asked}");
    let caller = clients.get(Some(&name())).await.unwrap();
    assert_eq!(caller.hide("t0ken".to_owned()), "<hidden>");
}

#[tokio::test]
async fn a_token_that_is_not_given_is_told() {
    let check = async |answer: String, expected: &str| {
        let tokens = Server::plain(move |_| answer.clone()).await;
        let url = format!("http://{}/token", tokens.address);
        let clients = clients(oauth2(url.clone()), &[("secret", inline())]);
        let why = fetch(&clients, "http://127.0.0.1:9/").await.unwrap_err();
        assert_eq!(why, expected.replace("URL", &url));
        tokens.asked()
    };
    let refusal = format!(r#"{{"error":"invalid_client","error_description":"not {SECRET}"}}"#);
    let refused = format!("HTTP/1.1 401 No\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{refusal}", refusal.len());
    let asked = check(refused, "`URL` gives no token: it answered 401: invalid_client not <hidden>").await;
    // The second time with the secret in the body, as some want it.
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert!(asked[1].contains(&format!("client_id=atalaya&client_secret={SECRET}")), "{asked:?}");
    check(ok("<html>"), "the answer of `URL` is not a token").await;
    check(ok(r#"{"access_token":""}"#), "the answer of `URL` is not a token").await;
    check(ok(&"x".repeat(100_000)), "read the token from `URL`: the answer is larger than 65536 bytes").await;
}

#[tokio::test]
async fn a_token_is_asked_for_again_before_it_expires() {
    let tokens = Server::plain(|_| ok(r#"{"access_token":"brief","expires_in":"1"}"#)).await;
    let server = Server::plain(|_| ok("")).await;
    let clients = clients(oauth2(format!("http://{}/token", tokens.address)), &[("secret", inline())]);
    let url = format!("http://{}/", server.address);
    let twice = async {
        while tokens.asked().len() < 2 {
            assert_eq!(fetch(&clients, &url).await, Ok(String::new()));
        }
    };
    tokio::time::timeout(PATIENT, twice).await.expect("it expires");
    assert!(server.asked().len() >= 2, "each call had one");
}
