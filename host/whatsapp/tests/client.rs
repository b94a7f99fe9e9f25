//! The client against servers that misbehave in every way a network can.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use std::{net::SocketAddr, time::Duration};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use whatsapp::{
    client::{BuildError, Client, Options, SendError},
    errors::{Retry, Scope},
};

/// Answers every request on every connection with `answer`, then closes.
async fn server(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            read_request(&mut stream).await;
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    address
}

/// Reads until the small JSON body is complete.
async fn read_request(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    while !text.ends_with('}') && !text.starts_with("GET") {
        let n = stream.read(&mut buffer).await.unwrap();
        assert!(n > 0, "{text}");
        text.push_str(std::str::from_utf8(&buffer[..n]).unwrap());
    }
    text
}

fn client(address: SocketAddr) -> Client {
    let options = Options { timeout: Duration::from_millis(500), ..Options::default() };
    Client::with_options(&format!("http://{address}/base/"), "v22.0", &options).unwrap()
}

async fn outcome(answer: &'static str) -> Result<String, SendError> {
    let accepted = client(server(answer).await).send("42", "secret-token", &json!({"a": 1})).await;
    accepted.map(|accepted| accepted.wamid)
}

#[tokio::test]
async fn a_request_looks_as_meta_wants_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client(listener.local_addr().unwrap());
    let body = json!({"a": "ä"});
    let (request, _) = tokio::join!(
        async {
            let (mut stream, _) = listener.accept().await.unwrap();
            read_request(&mut stream).await
        },
        client.send("42", "secret-token", &body),
    );
    assert!(request.starts_with("POST /base/v22.0/42/messages HTTP/1.1\r\n"), "{request}");
    let request = request.to_lowercase();
    assert!(request.contains("authorization: bearer secret-token\r\n"), "{request}");
    assert!(request.contains("content-type: application/json\r\n"), "{request}");
    assert!(request.ends_with(r#"{"a":"ä"}"#), "{request}");
}

#[tokio::test]
async fn success_is_an_id() {
    let answer = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{\"messages\":[{\"id\":\"wamid.A\"}]}";
    assert_eq!(outcome(answer).await, Ok("wamid.A".into()));
}

#[tokio::test]
async fn refusals_and_outages_are_told_apart() {
    let error =
        outcome("HTTP/1.1 400 Bad\r\nconnection: close\r\n\r\n{\"error\":{\"code\":131047}}").await.unwrap_err();
    assert!(matches!(&error, SendError::Refused(graph) if graph.code == 131_047 && graph.http_status == 400));
    assert!(!error.may_have_been_sent());

    let error = outcome("HTTP/1.1 429 Slow\r\nconnection: close\r\n\r\n").await.unwrap_err();
    assert_eq!(error.verdict().scope, Scope::App);

    let error = outcome("HTTP/1.1 404 No\r\nconnection: close\r\n\r\n<html>").await.unwrap_err();
    assert_eq!((error.may_have_been_sent(), error.verdict().retry), (false, Retry::Never));

    // Not followed: the token would go along.
    let error = outcome("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\nconnection: close\r\n\r\n").await;
    assert!(matches!(error, Err(SendError::Malformed { http_status: 302, .. })));
}

#[tokio::test]
async fn whatever_may_have_been_sent_says_so() {
    for answer in [
        "",
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"messages\"",
        "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n<html>",
        "HTTP/1.1 500 Internal Server Error\r\nconnection: close\r\n\r\n",
        "HTTP/1.1 502 Bad Gateway\r\nconnection: close\r\n\r\n<html>",
        "HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\n\r\n",
        "HTTP/1.1 504 Gateway Timeout\r\nconnection: close\r\n\r\n",
        "nonsense\r\n\r\n",
    ] {
        let error = outcome(answer).await.unwrap_err();
        assert!(error.may_have_been_sent(), "{answer}: {error:?}");
        assert!(matches!(error.verdict().retry, Retry::Later { .. }));
    }
}

#[tokio::test]
async fn silence_is_unknown_and_no_connection_is_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let error = client(address).send("42", "secret-token", &json!({})).await.unwrap_err();
    assert!(matches!(&error, SendError::Unknown(reason) if reason.contains("timed out")), "{error:?}");
    drop(listener);
    let error = client(address).send("42", "secret-token", &json!({})).await.unwrap_err();
    assert!(matches!(error, SendError::NotSent(_)), "{error:?}");
    assert!(!error.may_have_been_sent() && !format!("{error:?} {error}").contains("secret-token"));
}

#[tokio::test]
async fn nothing_odd_gets_into_a_request() {
    let client = client(SocketAddr::from(([127, 0, 0, 1], 1)));
    for (id, token) in
        [("", "t"), ("../me", "t"), ("4/2", "t"), ("42?x", "t"), ("42", ""), ("42", "a\r\nb: c"), ("42", "a b")]
    {
        let error = client.send(id, token, &json!({})).await.unwrap_err();
        assert!(matches!(error, SendError::Invalid(_)), "{id} {token}");
        assert_eq!(error.verdict().retry, Retry::AfterHuman);
    }
    assert!(!format!("{client:?}").contains("token"));
}

#[test]
fn settings_are_checked() {
    for base in ["", "graph.facebook.com", "ftp://a", "https://a?b", "https://user@a", "https://user:password@a"] {
        assert!(matches!(Client::new(base, "v22.0"), Err(BuildError::BaseUrl(_))), "{base}");
    }
    for version in ["", "v22/..", ".."] {
        assert_eq!(Client::new("http://127.0.0.1", version).err(), Some(BuildError::Version), "{version}");
    }
    assert!(Client::new("https://graph.facebook.com", "v22.0").is_ok());
}
