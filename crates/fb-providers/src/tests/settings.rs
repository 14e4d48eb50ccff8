//! The settings of a connection, which are the same for every provider.

use expect_test::{Expect, expect};
use fb_core::InvalidConfig;
use reqwest::header::{HeaderMap, HeaderValue};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::{
    Anthropic, AnthropicConfig, Azure, AzureConfig, Connection, IntoProvider, Ollama, OllamaConfig, OpenAi,
    OpenAiConfig,
};

const DIALECTS: [Dialect; 4] = [Dialect::OpenAi, Dialect::Anthropic, Dialect::OpenAi, Dialect::Ollama];

/// A provider of each dialect at one of these addresses.
fn all(bases: &[String; 4], connection: &Connection) -> [Result<Arc<dyn Provider>, InvalidConfig>; 4] {
    let [openai, anthropic, azure, ollama] = bases;
    let connection = || connection.clone();
    let azure = Azure::new("sk-own").base_url(azure);
    let ollama = Ollama::new().base_url(ollama).api_key("sk-own");
    [
        OpenAiConfig { connection: connection(), ..OpenAi::new("sk-own").base_url(openai) }.into_provider(),
        AnthropicConfig { connection: connection(), ..Anthropic::new("sk-own").base_url(anthropic) }
            .into_provider(),
        AzureConfig { connection: connection(), ..azure }.into_provider(),
        OllamaConfig { connection: connection(), ..ollama }.into_provider(),
    ]
}

async fn sims() -> Vec<Sim> {
    let mut sims = Vec::new();
    for dialect in DIALECTS {
        sims.push(sim(dialect).await);
    }
    sims
}

/// Returns the base URL of each simulator, Azure's being that of a resource.
fn bases(sims: &[Sim], base: impl Fn(&Sim) -> String) -> [String; 4] {
    std::array::from_fn(|index| {
        let path = if index == 0 { "/v1" } else { "" };
        format!("{}{path}", base(&sims[index]))
    })
}

async fn check_answers(providers: [Result<Arc<dyn Provider>, InvalidConfig>; 4]) {
    for provider in providers {
        let reply = chat(&*provider.unwrap(), &ChatRequest::user("hi")).await.unwrap();
        assert!(!reply.text.is_empty(), "{reply:?}");
    }
}

#[tokio::test]
async fn every_provider_adds_headers_and_uses_the_programs_http_client() {
    let sims = sims().await;
    let of_client = HeaderMap::from_iter([(
        http::HeaderName::from_static("x-client"),
        HeaderValue::from_static("the program"),
    )]);
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let client = reqwest::Client::builder().tls_backend_preconfigured(tls).default_headers(of_client);
    let mut connection = Connection { http_client: Some(client.build().unwrap()), ..Connection::default() };
    connection.headers.insert("X-Title", "my app");
    check_answers(all(&bases(&sims, |sim| format!("http://{}", sim.addr())), &connection)).await;
    for sim in &sims {
        let request = &sim.requests()[0];
        let sent = ["x-title", "x-client"].map(|name| request.header(name));
        assert_eq!(sent, [Some("my app"), Some("the program")], "{request:?}");
    }
}

/// Forwards one connection over TLS to the simulator in a task, and returns the address that clients connect to.
async fn tls_front(tasks: &mut JoinSet<()>, sim: &Sim) -> String {
    let (ca, certificate, key) = (
        include_bytes!("../../testdata/tls/ca.pem"),
        include_bytes!("../../testdata/tls/server.pem"),
        include_bytes!("../../testdata/tls/server.key"),
    );
    let chain = [&certificate[..], ca].map(|pem| CertificateDer::from_pem_slice(pem).unwrap()).to_vec();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::from_pem_slice(key).unwrap())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let (listener, upstream) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), sim.addr());
    let address = listener.local_addr().unwrap();
    tasks.spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        // A client that does not trust the certificate ends the handshake.
        if let Ok(mut tls) = acceptor.accept(stream).await {
            let mut plain = TcpStream::connect(upstream).await.unwrap();
            drop(copy_bidirectional(&mut tls, &mut plain).await);
        }
    });
    format!("https://localhost:{}", address.port())
}

#[tokio::test]
async fn every_provider_trusts_the_certificates_of_a_file() {
    let ca_file = Some(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/tls/ca.pem").into());
    let trusting = Connection { ca_file, ..Connection::default() };
    let sims = sims().await;
    let (mut tasks, mut fronts) = (JoinSet::new(), Vec::new());
    for sim in &sims {
        fronts.push(tls_front(&mut tasks, sim).await);
    }
    let at = |front: &[String]| {
        std::array::from_fn(|index| format!("{}{}", front[index], if index == 0 { "/v1" } else { "" }))
    };
    check_answers(all(&at(&fronts), &trusting)).await;

    let distrusted = tls_front(&mut tasks, &sims[0]).await;
    let provider = OpenAi::new("k").base_url(format!("{distrusted}/v1")).build().unwrap();
    let error = show_error(&chat(&provider, &ChatRequest::user("hi")).await.unwrap_err());
    assert!(error.contains("certificate"), "{error}");
}

#[track_caller]
fn check(connection: &Connection, expected: &Expect) {
    let bases = ["http://127.0.0.1:1/v1", "http://127.0.0.1:1", "http://127.0.0.1:1", "http://127.0.0.1:1"];
    let errors = all(&bases.map(str::to_owned), connection).map(|built| match built {
        Ok(_) => "ok".to_owned(),
        Err(error) => error.to_string(),
    });
    assert!(errors.iter().all(|error| *error == errors[0]), "{errors:?}");
    expected.assert_eq(&errors[0]);
}

#[test]
fn settings_of_a_connection_are_validated() {
    let with = |ca_file: &str| Connection { ca_file: Some(ca_file.into()), ..Connection::default() };
    check(
        &with("/no/such/file"),
        &expect![[
            r#"ca_file = "/no/such/file": I/O error: No such file or directory (os error 2); expected a PEM file with certificates"#
        ]],
    );
    check(
        &with("Cargo.toml"),
        &expect![[r#"ca_file = "Cargo.toml": no certificate in it; expected a PEM file with certificates"#]],
    );
    for (name, value, expected) in [
        (
            "not a name",
            "v",
            expect!["headers.not a name = (hidden): expected the name of a header, such as x-title"],
        ),
        (
            "x-break",
            "a\nb-canary",
            expect!["headers.x-break = (hidden): expected visible ASCII characters, without line breaks"],
        ),
        (
            "Content-Type",
            "text/plain",
            expect!["headers.Content-Type = (hidden): expected another header; fb sets this one itself"],
        ),
    ] {
        let mut connection = Connection::default();
        connection.headers.insert(name, value);
        assert!(!format!("{connection:?}").contains(value), "{connection:?}");
        check(&connection, &expected);
    }
    let mut taken = OpenAi::new("k").organization("acme");
    for name in ["authorization", "openai-organization"] {
        taken = taken.header(name, "v");
        let error = taken.build().unwrap_err().to_string();
        assert!(error.starts_with("headers."), "{error}");
    }
    let without_key = OpenAi::new(crate::Secret::none()).header("authorization", "Basic dTpw");
    without_key.build().unwrap();
}
