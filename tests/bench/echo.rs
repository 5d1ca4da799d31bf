//! The ceiling of a JSON service: reads any JSON body through axum and writes it back. `tests/bench/run` runs it beside
//! dedz. It takes the address to listen on as its only argument and prints the one it got.

use axum::Router;
use axum::body::Bytes;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;

async fn echo(body: Bytes) -> Response {
    let value: serde_json::Value = match serde_json::from_slice(&body) {
        Ok(value) => value,
        Err(error) => return (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    };
    match serde_json::to_vec(&value) {
        Ok(bytes) => ([(header::CONTENT_TYPE, "application/json")], bytes).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    // `cargo bench` itself calls every bench with `--bench`: there is nothing to serve then.
    let Some(address) = std::env::args().nth(1).filter(|argument| !argument.starts_with('-')) else {
        println!("echo: give an address, as tests/bench/run does");
        return Ok(());
    };
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("{}", listener.local_addr()?);
    axum::serve(listener, Router::new().route("/", post(echo))).await
}
