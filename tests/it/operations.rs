//! What operators and readers ask: health, figures, limits, the catalogue, the document, the page.

use std::fs;
use std::path::Path;

use dedz::config::{Admission, Config, Limits};
use serde_json::{Value, json};

use crate::support::{Service, example, header};

async fn text(service: &Service, path: &str, media_type: &str) -> String {
    let response = service.get(path).send().await.expect("an answer");
    assert_eq!((response.status().as_u16(), header(&response, "content-type").as_str()), (200, media_type), "{path}");
    response.text().await.expect("a body")
}

#[tokio::test]
async fn it_is_well_and_ready() {
    let service = Service::start().await;
    assert_eq!(text(&service, "/healthz", "text/plain; charset=utf-8").await, "ok\n");
    assert_eq!(text(&service, "/readyz", "text/plain; charset=utf-8").await, "ready\n");
}

#[tokio::test]
async fn the_limits_in_force_are_told() {
    let limits = Limits { nodes: 7, deadline_ms: 1234, ..Limits::default() };
    let admission = Admission { window: 3, ..Admission::default() };
    let config = Config { workers: std::num::NonZeroUsize::new(3), limits, admission, ..Config::default() };
    let service = Service::with(config).await;
    let info: Value = serde_json::from_str(&text(&service, "/v1/info", "application/json").await).expect("JSON");
    assert_eq!(info["name"], "dedz");
    assert_eq!(info["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(info["dtypes"], json!(["f64", "f32"]));
    assert_eq!(info["workers"], 3);
    assert_eq!((&info["limits"]["nodes"], &info["limits"]["deadline_ms"]), (&json!(7), &json!(1234)));
    assert_eq!(info["admission"]["window"], 3);
    // And they are in force.
    let mut wide = example("lecture");
    let nodes = wide["network"]["nodes"].as_array_mut().expect("nodes");
    nodes.push(json!({"id": "z8", "op": "neuron", "inputs": {"z7": 1.0}}));
    let response = service.ask("gradients", &wide).send().await.expect("an answer");
    let document = crate::support::problem(response, 422, "over-limit").await;
    assert!(
        document["errors"][0]["detail"].as_str().is_some_and(|detail| detail.contains('8') && detail.contains('7')),
        "{document}"
    );
}

#[tokio::test]
async fn the_catalogue_can_be_asked_for() {
    let service = Service::start().await;
    let catalogue: Value = serde_json::from_str(&text(&service, "/v1/ops", "application/json").await).expect("JSON");
    for (list, names) in [
        ("ops", &["neuron", "add", "matmul", "tanh", "softmax", "gelu"][..]),
        ("layers", &["linear", "conv2d", "batch_norm1d", "dropout", "embedding"]),
        ("losses", &["cross_entropy", "squared_error", "mse", "bce_with_logits", "cotangent"]),
    ] {
        let entries = catalogue[list]
            .as_array()
            .unwrap_or_else(|| panic!("no {list} in {:?}", catalogue.as_object().map(|o| o.keys().collect::<Vec<_>>())));
        for name in names {
            let anywhere = ["ops", "layers", "losses"].iter().filter_map(|list| catalogue[list].as_array()).flatten();
            assert!(anywhere.clone().any(|entry| entry["name"] == **name), "{name}");
        }
        for entry in entries {
            assert!(entry["formula"].as_str().is_some_and(|formula| !formula.is_empty()), "{entry}");
        }
    }
}

#[tokio::test]
async fn the_document_is_the_one_that_is_checked_in() {
    let service = Service::start().await;
    let served = text(&service, "/openapi.json", "application/json").await;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi/dedz.json");
    assert!(served == fs::read_to_string(path).expect("the document"), "what is served is not openapi/dedz.json");
    // Every route that it lists is there.
    let document: Value = serde_json::from_str(&served).expect("JSON");
    let network = r#"{"network": {"inputs": ["x"], "nodes": [{"id": "f", "op": "exp", "inputs": ["x"]}]}}"#;
    let kept = service.send(reqwest::Method::PUT, "/v1/networks").header("content-type", "application/json").body(network);
    let kept: Value = kept.send().await.expect("an answer").json().await.expect("JSON");
    let name = kept["ref"].as_str().expect("the network's name");
    for (path, operations) in document["paths"].as_object().expect("paths") {
        for method in operations.as_object().expect("operations").keys().filter(|key| ["get", "post"].contains(&key.as_str())) {
            let method = method.to_uppercase().parse().expect("a method");
            let path = path.replace("{type}", "not-found").replace("{ref}", name);
            let response = service.send(method, &path).send().await.expect("an answer");
            assert!(![404, 405].contains(&response.status().as_u16()), "{path}: {}", response.status());
        }
    }
}

#[tokio::test]
async fn the_page_needs_nothing_from_elsewhere() {
    let service = Service::start().await;
    let response = service.get("/docs").send().await.expect("an answer");
    assert!(header(&response, "content-security-policy").starts_with("default-src 'self'"));
    let page = response.text().await.expect("a page");
    assert!(page.starts_with("<!doctype html>"));
    for outside in ["http://", "https://", "src=\"//", "href=\"//", "@import", "<iframe"] {
        assert!(!page.contains(outside), "the page holds {outside}");
    }
    assert!(page.contains("openapi.json"));
    // From / one is led there.
    assert_eq!(text(&service, "/", "text/html; charset=utf-8").await, page);
}

#[tokio::test]
async fn figures_count_what_was_asked() {
    let service = Service::start().await;
    for _ in 0..3 {
        service.reply("gradients", &example("lecture")).await;
    }
    service.ask("gradients", &json!({})).send().await.expect("an answer");
    service.get("/v1/nowhere").send().await.expect("an answer");
    let large = service.reply("validate", &example("lenet")).await;
    assert_eq!(large["valid"], json!(true));
    for (figure, value) in [
        ("dedz_requests_total{route=\"/v1/gradients\",status=\"200\"}", 3.0),
        ("dedz_requests_total{route=\"/v1/gradients\",status=\"422\"}", 1.0),
        ("dedz_requests_total{route=\"/v1/validate\",status=\"200\"}", 1.0),
        ("dedz_requests_total{route=\"elsewhere\",status=\"404\"}", 1.0),
        ("dedz_request_seconds_count{route=\"/v1/gradients\"}", 4.0),
        ("dedz_request_seconds_bucket{route=\"/v1/gradients\",le=\"+Inf\"}", 4.0),
        ("dedz_queue_depth{lane=\"short\"}", 0.0),
        ("dedz_queue_depth{lane=\"long\"}", 0.0),
        ("dedz_requests_in_flight", 1.0),
        ("dedz_held_bytes", 0.0),
        ("dedz_jobs_panicked_total", 0.0),
    ] {
        assert_eq!(service.figure(figure).await, Some(value), "{figure}");
    }
    let page = text(&service, "/metrics", "text/plain; version=0.0.4; charset=utf-8").await;
    for line in page.lines().filter(|line| !line.is_empty()) {
        let is_comment = line.starts_with("# HELP dedz_") || line.starts_with("# TYPE dedz_");
        let is_sample = line.starts_with("dedz_") && line.rsplit_once(' ').is_some_and(|(_, value)| value.parse::<f64>().is_ok());
        assert!(is_comment || is_sample, "{line}");
    }
}
