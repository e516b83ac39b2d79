use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri};
use axum::response::IntoResponse;
use axum::routing::{any, get};
use idjag::{Exchange, TokenRequest};

async fn token(
    State(exchange): State<Arc<Exchange>>,
    (method, uri, headers): (Method, Uri, HeaderMap),
    body: Bytes,
) -> impl IntoResponse {
    let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let request = TokenRequest {
        method: method.as_str(),
        target,
        headers: &headers,
        body: &body,
        ..Default::default()
    };
    let answer = exchange.handle(&request);
    let response = Response::builder().status(answer.status());
    let response = answer.headers().fold(response, |response, (name, value)| response.header(name, value));
    response.body(Body::from(answer.body().to_vec())).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

pub fn router(exchange: Arc<Exchange>) -> Router {
    let json = |text: String| ([("content-type", "application/json")], text);
    let metadata = async move |State(exchange): State<Arc<Exchange>>| json(exchange.metadata());
    let keys = async move |State(exchange): State<Arc<Exchange>>| json(exchange.jwks());
    Router::new()
        .route("/token", any(token))
        .route("/jwks", get(keys))
        .route("/.well-known/oauth-authorization-server", get(metadata))
        .with_state(exchange)
}
