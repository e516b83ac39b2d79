//! The server of the documentation, over loopback: a request of the vector table goes in, and `verify` accepts the token.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the helpers of a test"
)]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::connect_info::IntoMakeServiceWithConnectInfo;
use idjag::Exchange;
use idjag_tests::{RequestCase, SetClock, World};
use serde_json::Value;

#[allow(dead_code, unreachable_pub, reason = "its `main` is for a shell")]
#[path = "../../core/examples/token_endpoint.rs"]
mod token_endpoint;

/// What README.md shows.
#[allow(unreachable_pub, reason = "as somebody would write it")]
#[path = "server/thirty_lines.rs"]
mod thirty_lines;

/// One request over a connection of its own: status line and headers, and body.
fn send(port: u16, request: &[u8]) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(request).unwrap();
    let mut response = Vec::new();
    stream.read_to_end(&mut response).unwrap();
    let end = response.windows(4).position(|four| four == b"\r\n\r\n").expect("the end of the headers");
    let body = response.split_off(end + 4);
    (String::from_utf8(response).unwrap(), body)
}

#[test]
fn the_server_of_the_documentation_hands_out_a_token() {
    serves(|engine| token_endpoint::router(engine).into_make_service_with_connect_info::<SocketAddr>());
}

#[test]
fn the_server_of_the_readme_hands_out_a_token() {
    serves(|engine| thirty_lines::router(engine).into_make_service_with_connect_info::<SocketAddr>());
    let readme = include_str!("../../README.md");
    let shown = readme.split("## A token endpoint in 30 lines").nth(1).unwrap();
    let shown = shown.split("```rust\n").nth(1).unwrap().split("```").next().unwrap();
    assert_eq!(
        shown,
        include_str!("server/thirty_lines.rs"),
        "README.md shows another server than the one that is tested"
    );
}

fn serves(service: impl FnOnce(Arc<Exchange>) -> IntoMakeServiceWithConnectInfo<Router, SocketAddr>) {
    let cases = RequestCase::read_all().unwrap();
    let case = |name: &str| cases.iter().find(|case| case.name == name).unwrap();
    let good = case("basic");
    let engine = Arc::new(World::read(&good.world).unwrap().engine(SetClock::new(good.now)).unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let port = listener.local_addr().unwrap().port();
    let router = service(Arc::clone(&engine));
    std::thread::spawn(move || runtime.block_on(async { axum::serve(listener, router).await }));

    let (head, body) = send(port, &good.http());
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert!(head.contains("\r\ncache-control: no-store\r\n"), "{head}");
    let body: Value = serde_json::from_slice(&body).unwrap();
    let token = body["access_token"].as_str().unwrap();
    assert!(engine.verify(token.as_bytes(), body["resource"].as_str().unwrap()).is_ok());

    for name in ["basic", "basic-secret-wrong", "query-anything", "method-get", "body-too-large"] {
        // The same assertion a second time, and what is refused before.
        let (case, spent) = (case(name), name == "basic");
        let (head, body) = send(port, &case.http());
        let status = if spent { 400 } else { case.expect.status };
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{name}: {head}");
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["error"], *case.expect.error.as_deref().unwrap_or("invalid_grant"), "{name}");
    }
    let (head, body) = send(
        port,
        b"GET /.well-known/oauth-authorization-server HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    );
    assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("application/json"), "{head}");
    assert_eq!(String::from_utf8(body).unwrap(), engine.metadata());
    let (head, body) = send(port, b"GET /jwks HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("application/json"), "{head}");
    assert_eq!(String::from_utf8(body).unwrap(), engine.jwks());
}
