//! Equal requests get equal bytes, whatever the load, the neighbours and the number of workers.

use std::num::NonZeroUsize;
use std::sync::Arc;

use dedz::config::Config;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::{Service, example, examples};

/// A large job, in enough samples to be shared among workers if jobs ever are.
fn large() -> Value {
    let inputs: Vec<Vec<f64>> =
        (0..256).map(|n| (0..64).map(|d| f64::from((n * 31 + d * 17) % 101) / 101.0 - 0.5).collect()).collect();
    let targets: Vec<_> = (0..256).map(|n| n % 10).collect();
    json!({
        "network": {"inputs": {"x": [64]}, "layers": [
            {"op": "linear", "out_features": 96, "activation": "gelu"},
            {"op": "linear", "out_features": 10}
        ]},
        "parameters": {
            "0.weight": {"init": "xavier_uniform", "seed": 1}, "0.bias": {"init": "zeros"},
            "1.weight": {"init": "xavier_uniform", "seed": 2}, "1.bias": {"init": "zeros"}
        },
        "batch": {"inputs": inputs, "targets": targets},
        "loss": {"op": "cross_entropy", "of": "1", "reduction": "mean"},
        "options": {"trace": false},
    })
}

/// Requests of every size, as route and body; the last ones fail.
fn requests() -> Vec<(String, String)> {
    let routes = ["gradients", "forward", "validate"];
    let texts = examples().into_iter().map(|(_, text)| text).chain([large().to_string()]);
    let mut requests: Vec<_> = texts.flat_map(|text| routes.map(|route| (format!("/v1/{route}"), text.clone()))).collect();
    let mut wrong = example("lecture");
    wrong["network"]["nodes"][0]["op"] = json!("nueron");
    requests.push(("/v1/gradients".to_owned(), wrong.to_string()));
    requests.push(("/v1/gradients".to_owned(), "{\"network\": NaN}".to_owned()));
    requests
}

/// Status and bytes of an answer; the id is the same for all, since it stands in problem documents.
async fn answer(service: &Service, (route, text): &(String, String)) -> (u16, Vec<u8>) {
    let request = service.post(route, "application/json", text.clone()).header("x-request-id", "the-same");
    let response = request.send().await.expect("an answer");
    (response.status().as_u16(), response.bytes().await.expect("a body").to_vec())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn equal_requests_get_equal_bytes() {
    let requests = Arc::new(requests());
    let quiet = Service::with(Config { workers: NonZeroUsize::new(1), ..Config::default() }).await;
    let mut expected = Vec::new();
    for request in requests.iter() {
        expected.push(answer(&quiet, request).await);
    }
    assert_eq!(expected.iter().filter(|(status, _)| *status != 200).count(), 2);
    let expected = Arc::new(expected);
    for workers in [1, 2, 5] {
        let service = Arc::new(Service::with(Config { workers: NonZeroUsize::new(workers), ..Config::default() }).await);
        let mut clients = JoinSet::new();
        for client in 0..12 {
            let (service, requests, expected) = (Arc::clone(&service), Arc::clone(&requests), Arc::clone(&expected));
            clients.spawn(async move {
                // Each in an order of its own.
                for step in 0..requests.len() {
                    let n = (client * 7 + step * 5) % requests.len();
                    let found = answer(&service, &requests[n]).await;
                    assert!(found == expected[n], "{workers} workers, request {n}: another answer");
                }
            });
        }
        while let Some(client) = clients.join_next().await {
            client.expect("no client found a difference");
        }
    }
}
