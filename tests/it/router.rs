//! What every route does with a request that is not for it: each failure is a problem document with the request's id.

use dedz::analysis::ANALYSES;
use dedz::config::{Admission, Config, Limits};
use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Service, example, examples, header, problem};

const JSON: &str = "application/json";

#[tokio::test]
async fn routes_that_are_not_there() {
    let service = Service::start().await;
    for path in ["/v1", "/v1/gradient", "/v2/gradients", "/v1/gradients/", "/problems/none", "/%00", "/openapi"] {
        let response = service.get(path).send().await.expect("an answer");
        let document = problem(response, 404, "not-found").await;
        assert!(document["detail"].as_str().is_some_and(|detail| detail.contains("/openapi.json")), "{document}");
        let response = service.post(path, JSON, "{}").send().await.expect("an answer");
        assert_eq!(response.status().as_u16(), if path == "/problems/none" { 405 } else { 404 }, "{path}");
    }
}

#[tokio::test]
async fn methods_that_are_not_for_a_route() {
    let service = Service::start().await;
    for analysis in ANALYSES {
        for method in [Method::GET, Method::PUT, Method::DELETE, Method::PATCH] {
            let response = service.send(method.clone(), &format!("/v1/{}", analysis.name)).send().await.expect("an answer");
            assert_eq!(header(&response, "allow"), "POST", "{method} {}", analysis.name);
            problem(response, 405, "method-not-allowed").await;
        }
    }
    for path in ["/v1/ops", "/v1/info", "/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"] {
        let response = service.post(path, JSON, "{}").send().await.expect("an answer");
        assert_eq!(header(&response, "allow"), "GET,HEAD", "{path}");
        problem(response, 405, "method-not-allowed").await;
        let response = service.send(Method::HEAD, path).send().await.expect("an answer");
        assert_eq!(response.status(), 200, "HEAD {path}");
        assert!(response.bytes().await.expect("a body").is_empty(), "HEAD {path}");
    }
}

#[tokio::test]
async fn media_types_that_are_not_sent_or_not_read() {
    let service = Service::start().await;
    let problem_text = example("lecture").to_string();
    for accept in ["text/html", "application/xml, audio/*", "application/json;q=0"] {
        let request = service.post("/v1/gradients", JSON, problem_text.clone()).header("accept", accept);
        let document = problem(request.send().await.expect("an answer"), 406, "not-acceptable").await;
        assert!(document["detail"].as_str().is_some_and(|detail| detail.contains("application/vnd.safetensors")), "{document}");
    }
    // A question without tensors in its answer has no safetensors to send.
    let request = service.post("/v1/validate", JSON, problem_text.clone()).header("accept", "application/vnd.safetensors");
    problem(request.send().await.expect("an answer"), 406, "not-acceptable").await;

    for content_type in ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16", "", "json"] {
        let request = service.post("/v1/gradients", content_type, problem_text.clone());
        problem(request.send().await.expect("an answer"), 415, "unsupported-media-type").await;
    }
    let bare = service.send(Method::POST, "/v1/gradients").body(problem_text.clone());
    problem(bare.send().await.expect("an answer"), 415, "unsupported-media-type").await;
    let packed = service.post("/v1/gradients", JSON, problem_text.clone()).header("content-encoding", "gzip");
    problem(packed.send().await.expect("an answer"), 415, "unsupported-media-type").await;

    for (content_type, accept) in [
        ("application/json; charset=utf-8", "*/*"),
        ("Application/JSON", "text/html, */*;q=0.1"),
        ("application/vnd.problem+json", JSON),
    ] {
        let response = service.post("/v1/gradients", content_type, problem_text.clone()).header("accept", accept);
        assert_eq!(response.send().await.expect("an answer").status(), 200, "{content_type}, {accept}");
    }
}

#[tokio::test]
async fn bodies_that_are_too_large() {
    let limits = Limits { body_bytes: 1000, ..Limits::default() };
    let service = Service::with(Config { limits, ..Config::default() }).await;
    let fits = format!("{}{}", example("lecture"), " ".repeat(1000));
    let fits = fits[..1000].to_owned();
    assert_eq!(service.post("/v1/gradients", JSON, fits.clone()).send().await.expect("an answer").status(), 200);
    // Announced by its length, and not.
    let document = problem(
        service.post("/v1/gradients", JSON, format!("{fits} ")).send().await.expect("an answer"),
        413,
        "payload-too-large",
    );
    assert!(document.await["detail"].as_str().is_some_and(|detail| detail.contains("1000")));
    // Far more than sockets hold: the answer must reach a client that is still sending.
    let pieces = (0..1000).map(|_| Ok::<_, std::io::Error>(vec![b' '; 16 << 10]));
    let endless = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces));
    let response = service.post("/v1/gradients", JSON, endless).send().await.expect("an answer");
    problem(response, 413, "payload-too-large").await;
}

/// What comes back for these bytes, to its end.
async fn raw(service: &Service, request: &str) -> String {
    let mut stream = TcpStream::connect(service.address).await.expect("it listens");
    stream.write_all(request.as_bytes()).await.expect("it reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("it answers");
    String::from_utf8(answer).expect("answers are text")
}

#[tokio::test]
async fn bodies_that_do_not_come() {
    let admission = Admission { body_timeout_ms: 20, head_timeout_ms: 20, ..Admission::default() };
    let service = Service::with(Config { admission, ..Config::default() }).await;
    let head = "POST /v1/gradients HTTP/1.1\r\nHost: dedz\r\nContent-Type: application/json\r\n";
    let answer = raw(&service, &format!("{head}Content-Length: 10\r\n\r\n{{")).await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("/problems/request-timeout"), "{answer}");
    let answer = raw(&service, &format!("{head}Transfer-Encoding: chunked\r\n\r\n1\r\n{{\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("20 ms"), "{answer}");
    let answer = raw(&service, &format!("{head}Transfer-Encoding: chunked\r\n\r\nnonsense\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    // A head that does not come in time is nobody's request.
    assert_eq!(raw(&service, "POST /v1/gradients HTTP/1.1\r\n").await, "");
    assert!(raw(&service, "nonsense\r\n\r\n").await.starts_with("HTTP/1.1 400 "));
    assert_eq!(service.reply("forward", &example("lecture")).await["meta"]["dtype"], "f64", "the service lives");
}

#[tokio::test]
async fn requests_have_ids() {
    let service = Service::start().await;
    for id in ["a", "9f1c-2ab0:3d5e/7718", &"x".repeat(128)] {
        let response = service.get("/healthz").header("x-request-id", id).send().await.expect("an answer");
        assert_eq!(header(&response, "x-request-id"), id);
        let response = service.ask("gradients", &json!({})).header("x-request-id", id).send().await.expect("an answer");
        assert_eq!(problem(response, 422, "invalid-request").await["instance"], id);
    }
    let mut made = Vec::new();
    for insane in ["", "two words", "\"", "<script>", &"x".repeat(129)] {
        let response = service.get("/nowhere").header("x-request-id", insane).send().await.expect("an answer");
        let document = problem(response, 404, "not-found").await;
        made.push(document["instance"].as_str().expect("an id").to_owned());
    }
    assert!(made.iter().all(|id| id.len() == 16), "{made:?}");
    made.sort();
    made.dedup();
    assert_eq!(made.len(), 5, "ids do not repeat");
}

#[tokio::test]
async fn replies_say_what_they_are() {
    let service = Service::start().await;
    for (name, text) in examples() {
        let response = service.post("/v1/gradients", JSON, text).send().await.expect("an answer");
        assert_eq!((response.status().as_u16(), header(&response, "content-type").as_str()), (200, JSON), "{name}");
        let timing = header(&response, "server-timing");
        assert!(timing.starts_with("queue;dur=") && timing.contains("run;dur="), "{name}: {timing}");
        assert!(!header(&response, "x-request-id").is_empty(), "{name}");
    }
}

#[tokio::test]
async fn every_type_of_problem_has_its_page() {
    let service = Service::start().await;
    for kind in dedz::http::problem::Kind::ALL {
        let response = service.get(&format!("/problems/{}", kind.slug)).send().await.expect("an answer");
        assert_eq!((response.status().as_u16(), header(&response, "content-type").as_str()), (200, "text/html; charset=utf-8"));
        let page = response.text().await.expect("a page");
        assert!(page.contains(kind.title) && page.contains(kind.meaning), "{page}");
    }
}
