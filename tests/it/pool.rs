//! The worker pool as clients meet it: full lanes, deadlines, clients that go, jobs that panic.

use dedz::analysis::Stop;
use dedz::config::{Admission, Limits};
use serde_json::json;

use crate::support::{LONG, Service, Stage, got, header, problem, sent};

#[tokio::test]
async fn a_full_lane_refuses_with_a_time_to_come_back() {
    let stage = Stage::start(1, Admission { short_queue: 1, ..Admission::default() }).await;
    let (request, begun, release) = stage.blocking(1);
    let running = sent(request);
    begun.await.expect("it begins");
    let waiting = sent(stage.answering(1, "waited"));
    stage.service.until("dedz_queue_depth{lane=\"short\"}", 1.0).await;
    for _ in 0..3 {
        let response = stage.answering(1, "").send().await.expect("an answer");
        let seconds: u32 = header(&response, "retry-after").parse().expect("a number of seconds");
        assert!((1..=3).contains(&seconds));
        problem(response, 503, "overloaded").await;
    }
    release.send(()).expect("it still runs");
    assert_eq!(got(running).await, (200, "released".to_owned()));
    assert_eq!(got(waiting).await, (200, "waited".to_owned()));
    assert_eq!(got(sent(stage.answering(1, "room again"))).await, (200, "room again".to_owned()));
}

#[tokio::test]
async fn short_jobs_pass_long_ones() {
    let stage = Stage::start(2, Admission { long_queue: 1, ..Admission::default() }).await;
    let (request, begun, release) = stage.blocking(LONG);
    let running = sent(request);
    begun.await.expect("it begins");
    let waiting = sent(stage.answering(LONG, "waited"));
    stage.service.until("dedz_queue_depth{lane=\"long\"}", 1.0).await;
    assert_eq!(got(sent(stage.answering(1, "short"))).await, (200, "short".to_owned()));
    let refused = stage.answering(LONG, "").send().await.expect("an answer");
    assert!(!header(&refused, "retry-after").is_empty());
    problem(refused, 503, "overloaded").await;
    assert_eq!(got(sent(stage.answering(1, "short"))).await, (200, "short".to_owned()));
    release.send(()).expect("it still runs");
    assert_eq!(got(running).await, (200, "released".to_owned()));
    assert_eq!(got(waiting).await, (200, "waited".to_owned()));
}

#[tokio::test]
async fn bodies_together_hold_no_more_than_they_may() {
    let stage = Stage::start(2, Admission { held_bytes: 100, ..Admission::default() }).await;
    let (request, begun, release) = stage.blocking(1);
    let running = sent(request.body(format!("0{}", " ".repeat(59))));
    begun.await.expect("it begins");
    assert_eq!(stage.service.figure("dedz_held_bytes").await, Some(60.0));
    let refused = stage.answering(1, "").body(" ".repeat(60)).send().await.expect("an answer");
    problem(refused, 503, "overloaded").await;
    release.send(()).expect("it still runs");
    assert_eq!(got(running).await, (200, "released".to_owned()));
    stage.service.until("dedz_held_bytes", 0.0).await;
    let roomy = stage.answering(1, "roomy").body(format!("2{}", " ".repeat(59)));
    assert_eq!(got(sent(roomy)).await, (200, "roomy".to_owned()));
}

#[tokio::test]
async fn clients_say_how_long_they_wait() {
    let stage = Stage::start(1, Admission::default()).await;
    let (request, _begun, stopped) = stage.endless();
    let response = request.header("deadline-ms", "20").send().await.expect("an answer");
    let document = problem(response, 504, "deadline-exceeded").await;
    assert!(
        document["detail"].as_str().is_some_and(|detail| detail.contains("deadline") || detail.contains("20 ms")),
        "{document}"
    );
    // Either clock may strike first: the job's own, or that of the one who waits for it.
    assert!(matches!(stopped.await.expect("it is stopped"), Stop::Deadline | Stop::Cancelled));

    // Deep inside a node nobody looks at the clock; the client is answered all the same.
    let (request, begun, release) = stage.blocking(1);
    let waiting = sent(request.header("deadline-ms", "20"));
    begun.await.expect("it begins");
    assert_eq!(got(waiting).await.0, 504);
    // And what waits behind it does not begin when its own time is over.
    let late = stage.request(1, |_| unreachable!("it is too late to begin")).header("deadline-ms", "20");
    problem(late.send().await.expect("an answer"), 504, "deadline-exceeded").await;
    release.send(()).expect("it still runs");

    for nonsense in ["soon", "-1", "0", "1.5", ""] {
        let response = stage.answering(1, "").header("deadline-ms", nonsense).send().await.expect("an answer");
        problem(response, 400, "malformed-request").await;
    }
    assert_eq!(got(sent(stage.answering(1, "in time").header("deadline-ms", "60000"))).await, (200, "in time".to_owned()));
}

#[tokio::test]
async fn the_service_has_a_deadline_of_its_own() {
    let limits = Limits { deadline_ms: 20, ..Limits::default() };
    let stage = Stage::with(1, Admission::default(), limits).await;
    let (request, _begun, stopped) = stage.endless();
    let response = request.header("deadline-ms", "3600000").send().await.expect("an answer");
    problem(response, 504, "deadline-exceeded").await;
    stopped.await.expect("it is stopped");
}

#[tokio::test]
async fn deadlines_are_kept_between_nodes() {
    // Real work: a chain whose text alone takes longer to read.
    let nodes: Vec<_> = (0..50_000)
        .map(|k| json!({"id": format!("h{k}"), "op": "tanh", "inputs": [if k == 0 { "x".to_owned() } else { format!("h{}", k - 1) }]}))
        .collect();
    let problem_of_many = json!({
        "network": {"inputs": ["x"], "nodes": nodes},
        "batch": {"inputs": vec![0.5; 100]},
        "loss": {"op": "sum", "of": "h49999"},
    });
    let service = Service::start().await;
    let response = service.ask("gradients", &problem_of_many).header("deadline-ms", "1").send().await.expect("an answer");
    problem(response, 504, "deadline-exceeded").await;
    service.until("dedz_workers_idle", 2.0).await;
}

#[tokio::test]
async fn nobody_works_for_clients_that_went_away() {
    let stage = Stage::start(1, Admission::default()).await;
    let (request, begun, stopped) = stage.endless();
    let running = sent(request);
    begun.await.expect("it begins");
    let waiting = sent(stage.request(1, |_| unreachable!("nobody waits for it")));
    stage.service.until("dedz_queue_depth{lane=\"short\"}", 1.0).await;
    waiting.abort();
    // The one that runs, and the one that asks.
    stage.service.until("dedz_requests_in_flight", 2.0).await;
    running.abort();
    assert_eq!(stopped.await.expect("it is stopped"), Stop::Cancelled);
    assert_eq!(got(sent(stage.answering(1, "next"))).await, (200, "next".to_owned()));
    assert_eq!(stage.service.figure("dedz_jobs_abandoned_total").await, Some(2.0));
    assert_eq!(stage.service.figure("dedz_jobs_panicked_total").await, Some(0.0));
}

#[tokio::test]
async fn a_panic_is_a_500_and_the_service_lives() {
    // Once with every job on a worker, once with all of them where they arrive.
    for tiny_bytes in [0, 8 << 10] {
        let admission = Admission { tiny_bytes, ..Admission::default() };
        let stage = Stage::with(1, admission, Limits::default()).await;
        for n in 1..=3 {
            let panicking = stage.request(1, |_| panic!("a secret of the service"));
            let response = panicking.header("x-request-id", "mine").send().await.expect("an answer");
            let document = problem(response, 500, "internal").await;
            assert!(!document.to_string().contains("secret"), "{document}");
            assert_eq!(document["instance"], "mine");
            assert_eq!(got(sent(stage.answering(1, "alive"))).await, (200, "alive".to_owned()));
            assert_eq!(stage.service.figure("dedz_jobs_panicked_total").await, Some(f64::from(n)));
        }
    }
}

#[tokio::test]
async fn tiny_problems_are_answered_while_all_workers_are_busy() {
    let stage = Stage::with(1, Admission::default(), Limits::default()).await;
    let (request, begun, release) = stage.blocking(1_000_000);
    let running = sent(request);
    begun.await.expect("it begins");
    assert_eq!(got(sent(stage.answering(1, "tiny"))).await, (200, "tiny".to_owned()));
    release.send(()).expect("it still runs");
    assert_eq!(got(running).await, (200, "released".to_owned()));
}
