//! A token endpoint over axum: `cargo run --example token_endpoint -- idjag.toml`.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{Response, StatusCode};
use axum::routing::{any, get};
use axum::{Router, body::to_bytes};
use idjag::{Config, Exchange, TokenRequest};

/// The endpoint, and the documents that lead to it.
pub fn router(exchange: Arc<Exchange>) -> Router {
    Router::new()
        .route("/token", any(token))
        .route("/jwks", get(async |State(exchange): State<Arc<Exchange>>| json(exchange.jwks())))
        .route(
            "/.well-known/oauth-authorization-server",
            get(async |State(exchange): State<Arc<Exchange>>| json(exchange.metadata())),
        )
        .with_state(exchange)
}

async fn token(State(exchange): State<Arc<Exchange>>, request: Request) -> Response<Body> {
    let (head, body) = request.into_parts();
    // A longer one is cut off, and refused for its length.
    let body = to_bytes(body, 1 << 20).await.unwrap_or_else(|_| Bytes::from(vec![0; 1 << 20]));
    let headers: Vec<_> =
        head.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    // Over loopback comes a proxy, and everybody through it: who is behind it, only the proxy can say.
    let peer = head.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
    let peer = peer.filter(|peer| !peer.is_loopback()).map(|peer| peer.to_string());
    let answer = exchange.handle(&TokenRequest {
        method: head.method.as_str(),
        target: head.uri.path_and_query().map_or("/", |target| target.as_str()),
        headers: &headers,
        body: &body,
        client_certificate: None,
        peer: peer.as_deref(),
    });
    let response = Response::builder().status(answer.status());
    let response = answer.headers().fold(response, |response, (name, value)| response.header(name, value));
    response.body(Body::from(answer.body().to_vec())).unwrap_or_else(|_| {
        let mut broken = Response::default();
        *broken.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        broken
    })
}

fn json(text: String) -> ([(&'static str, &'static str); 1], String) {
    ([("content-type", "application/json")], text)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = std::env::args().nth(1).ok_or("usage: token_endpoint idjag.toml")?;
    let folder = std::path::Path::new(&file).parent().unwrap_or_else(|| ".".as_ref()).to_owned();
    let config = Config::parse(&file, &std::fs::read_to_string(&file)?, &mut |name| {
        std::fs::read(folder.join(name)).map_err(|why| why.to_string())
    })?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
    let router = router(Arc::new(Exchange::new(config)?));
    Ok(axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>()).await?)
}
