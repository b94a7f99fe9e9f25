//! The client's connections: kept, replaced, encrypted, given up.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use std::{net::SocketAddr, process::Command, sync::Arc, time::Duration};

use serde_json::json;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, pki_types::PrivateKeyDer},
};
use whatsapp::client::{Accepted, Client, Options, SendError};

/// An answer to a send, after which the connection stays open.
const ACCEPTED: &str = "HTTP/1.1 200 OK\r\ncontent-length: 33\r\n\r\n{\"messages\":[{\"id\":\"wamid.A\"}]}\r\n";

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn client(base: &str) -> Client {
    Client::with_options(base, "v22.0", &Options { timeout: Duration::from_secs(20), ..Options::default() }).unwrap()
}

async fn send(client: &Client) -> Result<String, SendError> {
    client.send("42", "token", &json!({"a": 1})).await.map(|Accepted { wamid, .. }| wamid)
}

/// Reads one request; `false` when the connection ends instead.
async fn is_asked(stream: &mut (impl AsyncRead + Unpin)) -> bool {
    let mut text = Vec::new();
    while !text.ends_with(b"}") {
        if stream.read_buf(&mut text).await.unwrap() == 0 {
            return false;
        }
    }
    true
}

async fn answer(stream: &mut (impl AsyncWrite + Unpin), text: &str) {
    stream.write_all(text.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
}

#[tokio::test]
async fn one_connection_carries_one_request_after_the_other() {
    let (listener, address) = listen().await;
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        for _ in 0..3 {
            assert!(is_asked(&mut stream).await);
            answer(&mut stream, ACCEPTED).await;
        }
        listener
    });
    let client = client(&format!("http://{address}"));
    for _ in 0..3 {
        assert_eq!(send(&client).await.unwrap(), "wamid.A");
    }
    let listener = server.await.unwrap();
    // The next one to be connected is this one.
    let next = TcpStream::connect(address).await.unwrap();
    assert_eq!(listener.accept().await.unwrap().1, next.local_addr().unwrap());
}

#[tokio::test]
async fn requests_side_by_side_have_connections_of_their_own() {
    let (listener, address) = listen().await;
    let server = tokio::spawn(async move {
        let mut streams = Vec::new();
        for _ in 0..20 {
            let (mut stream, _) = listener.accept().await.unwrap();
            assert!(is_asked(&mut stream).await);
            streams.push(stream);
        }
        for stream in &mut streams {
            answer(stream, ACCEPTED).await;
        }
        streams
    });
    let client = client(&format!("http://{address}"));
    let sent = futures_util::future::join_all((0..20).map(|_| send(&client))).await;
    assert!(sent.into_iter().all(|wamid| wamid.unwrap() == "wamid.A"));
    server.await.unwrap();
}

/// Answers twice, each time on a connection of its own, which it closes when it is unused.
fn closing(listener: TcpListener) -> JoinHandle<()> {
    tokio::spawn(async move {
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().await.unwrap();
            assert!(is_asked(&mut stream).await);
            answer(&mut stream, ACCEPTED).await;
            let (later, _) = listener.accept().await.unwrap();
            drop(stream);
            drop(later);
        }
    })
}

/// Waits until this process has been told that [`closing`] has closed the connection before this one.
async fn closed(address: SocketAddr) {
    let mut later = TcpStream::connect(address).await.unwrap();
    assert_eq!(later.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_connection_that_was_closed_meanwhile_is_replaced() {
    let (listener, address) = listen().await;
    let server = closing(listener);
    let client = client(&format!("http://{address}"));
    for _ in 0..2 {
        assert_eq!(send(&client).await.unwrap(), "wamid.A");
        closed(address).await;
    }
    server.await.unwrap();
}

/// A task that has read and written much is told that nothing is there until others had their turn, so that a look shows an
/// open connection where there is none any more.
#[tokio::test]
async fn a_connection_whose_end_shows_too_late_gives_the_request_back() {
    let (listener, address) = listen().await;
    let server = closing(listener);
    let client = client(&format!("http://{address}"));
    for _ in 0..2 {
        let sent = async {
            while tokio::task::coop::has_budget_remaining() {
                tokio::task::consume_budget().await;
            }
            send(&client).await
        };
        assert_eq!(sent.await.unwrap(), "wamid.A");
        closed(address).await;
    }
    server.await.unwrap();
}

#[tokio::test]
async fn a_refusal_that_stands_still_is_a_refusal() {
    let (listener, address) = listen().await;
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        assert!(is_asked(&mut stream).await);
        answer(&mut stream, "HTTP/1.1 429 Slow\r\ncontent-length: 100\r\n\r\n{").await;
        // Until the client hangs up.
        assert!(!is_asked(&mut stream).await);
    });
    let options = Options { timeout: Duration::from_millis(100), ..Options::default() };
    let client = Client::with_options(&format!("http://{address}"), "v22.0", &options).unwrap();
    assert_eq!(send(&client).await, Err(SendError::Unavailable { http_status: 429 }));
    server.await.unwrap();
}

#[tokio::test]
async fn answers_come_in_pieces_and_with_a_bound() {
    let (listener, address) = listen().await;
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        assert!(is_asked(&mut stream).await);
        for piece in [
            "HTTP/1.1 200 OK\r\ntransfer-enc",
            "oding: chunked\r\n\r\n10\r\n{\"messages\":[{\"i",
            "\r\nf\r\nd\":\"wamid.B\"}]}",
            "\r\n0\r\n",
            "\r\n",
        ] {
            answer(&mut stream, piece).await;
            tokio::task::yield_now().await;
        }
        assert!(is_asked(&mut stream).await);
        let long = format!("HTTP/1.1 200 OK\r\ncontent-length: 300000\r\n\r\n{}", "x".repeat(300_000));
        // The client hangs up, perhaps before all of it is written.
        let _ = stream.write_all(long.as_bytes()).await;
        let (mut stream, _) = listener.accept().await.unwrap();
        assert!(is_asked(&mut stream).await);
        answer(&mut stream, &long.replace("200 OK", "400 Bad")).await;
    });
    let client = client(&format!("http://{address}"));
    assert_eq!(send(&client).await.unwrap(), "wamid.B");
    let error = send(&client).await.unwrap_err();
    assert_eq!(error, SendError::Unknown("the answer broke off: too long".into()));
    let error = send(&client).await.unwrap_err();
    assert!(matches!(error, SendError::Malformed { http_status: 400, .. }), "{error:?}");
    server.await.unwrap();
}

#[tokio::test]
async fn while_no_connection_comes_about_nothing_was_sent() {
    let (_listener, address) = listen().await;
    // TCP is there, but nobody answers the greeting of TLS.
    let options = Options { connect_timeout: Duration::from_millis(50), ..Options::default() };
    let client = Client::with_options(&format!("https://{address}"), "v22.0", &options).unwrap();
    assert_eq!(send(&client).await, Err(SendError::NotSent("timed out".into())));
}

/// Where the child of the next test finds the server.
const SERVER: &str = "CLIENT_TEST_SERVER";

/// The certificates that are trusted are those of the system, which a process is told once: a child is told of one more.
#[tokio::test]
async fn messages_go_by_tls_to_whom_the_system_trusts() {
    if let Ok(base) = std::env::var(SERVER) {
        let client = client(&base);
        assert_eq!(send(&client).await.unwrap(), "wamid.A");
        assert_eq!(send(&client).await.unwrap(), "wamid.A");
        return;
    }
    let (listener, address) = listen().await;
    let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let trusted = folder.path().join("trusted.pem");
    std::fs::write(&trusted, issued.cert.pem()).unwrap();
    let key = PrivateKeyDer::try_from(issued.signing_key.serialize_der()).unwrap();
    whatsapp::client::install_tls();
    let config = ServerConfig::builder().with_no_client_auth();
    let tls = TlsAcceptor::from(Arc::new(config.with_single_cert(vec![issued.cert.der().clone()], key).unwrap()));
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = tls.accept(stream).await.unwrap();
        for _ in 0..2 {
            assert!(is_asked(&mut stream).await);
            answer(&mut stream, ACCEPTED).await;
        }
        let (stream, _) = listener.accept().await.unwrap();
        // Whoever does not trust hangs up.
        assert!(tls.accept(stream).await.is_err());
    });
    let base = format!("https://localhost:{}", address.port());
    let child = {
        let base = base.clone();
        tokio::task::spawn_blocking(move || {
            let mut child = Command::new(std::env::current_exe().unwrap());
            child.args(["--exact", "messages_go_by_tls_to_whom_the_system_trusts", "--nocapture"]);
            child.env(SERVER, base).env("SSL_CERT_FILE", trusted).output().unwrap()
        })
    };
    let said = child.await.unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stdout));
    // Here nobody has heard of that certificate.
    let error = send(&client(&base)).await.unwrap_err();
    assert!(matches!(&error, SendError::NotSent(reason) if reason.contains("certificate")), "{error:?}");
    server.await.unwrap();
}
