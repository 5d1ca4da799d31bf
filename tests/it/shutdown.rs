//! The end of a service: what was accepted is answered, what comes later is told so, and it ends by itself.

use dedz::analysis::Stop;
use dedz::config::Admission;

use crate::support::{Served, Service, Stage, example, got, header, problem, sent};

#[tokio::test]
async fn what_was_accepted_is_finished() {
    let mut stage = Stage::start(1, Admission::default()).await;
    let (request, begun, release) = stage.blocking(1);
    let running = sent(request);
    begun.await.expect("it begins");
    let waiting = sent(stage.answering(1, "waited"));
    stage.service.until("dedz_queue_depth{lane=\"short\"}", 1.0).await;
    assert_eq!(stage.service.get("/readyz").send().await.expect("an answer").status(), 200);

    stage.service.stop();
    let refused = loop {
        // A connection that was made just before may be closed unused.
        if let Ok(response) = stage.service.get("/readyz").send().await
            && response.status() != 200
        {
            break response;
        }
        tokio::task::yield_now().await;
    };
    problem(refused, 503, "overloaded").await;
    assert_eq!(stage.service.get("/healthz").send().await.expect("an answer").status(), 200, "it still lives");
    let refused = stage.answering(1, "").send().await.expect("an answer");
    assert!(!header(&refused, "retry-after").is_empty());
    let document = problem(refused, 503, "overloaded").await;
    assert_eq!(document["detail"], "the service is shutting down");

    release.send(()).expect("it still runs");
    assert_eq!(got(running).await, (200, "released".to_owned()));
    assert_eq!(got(waiting).await, (200, "waited".to_owned()));
    stage.service.ended().await;
}

#[tokio::test]
async fn an_idle_service_ends_at_once() {
    let mut service = Service::start().await;
    service.reply("gradients", &example("lecture")).await;
    // A connection on which nothing was asked, and one that is kept open between two requests, hold nobody up.
    let silent = tokio::net::TcpStream::connect(service.address).await.expect("it listens");
    let client = reqwest::Client::new();
    let kept = client.get(format!("http://{}/healthz", service.address)).send().await.expect("an answer");
    assert_eq!(kept.text().await.expect("a body"), "ok\n");
    service.stop();
    service.ended().await;
    drop((silent, client));
}

#[tokio::test]
async fn what_outlives_its_grace_is_stopped() {
    let mut stage = Stage::start(1, Admission { grace_ms: 10, ..Admission::default() }).await;
    let (request, begun, stopped) = stage.endless();
    let running = sent(request);
    begun.await.expect("it begins");
    stage.service.stop();
    stage.service.ended().await;
    assert_eq!(stopped.await.expect("it is stopped"), Stop::Cancelled);
    assert!(running.await.expect("the task ends").is_err(), "its connection is closed");
}

#[tokio::test]
async fn lines_that_were_accepted_are_answered() {
    let mut service = Service::start().await;
    let line = example("digits_mlp").to_string() + "\n";
    let request = service.post("/v1/gradients", "application/x-ndjson", line.repeat(40));
    let response = request.send().await.expect("an answer");
    service.stop();
    let text = response.text().await.expect("the body ends well");
    let statuses: Vec<&str> = text.lines().map(|line| &line[..line.len().min(14)]).collect();
    assert_eq!(statuses.len(), 40);
    // Those in the pool are finished, those after them are told.
    let done = statuses.iter().take_while(|&&line| line == "{\"status\":200,").count();
    assert!(statuses[done..].iter().all(|&line| line == "{\"status\":503,"), "{statuses:?}");
    service.ended().await;
}

#[cfg(unix)]
#[test]
fn signals_end_the_binary_with_exit_code_0() {
    use std::process::Command;
    for signal in ["TERM", "INT"] {
        let mut served = Served::start(&["--workers", "1"]);
        let client = reqwest::blocking::Client::new();
        let lecture = example("lecture").to_string();
        let post = client.post(format!("http://{}/v1/gradients", served.address)).header("content-type", "application/json");
        assert_eq!(post.body(lecture).send().expect("an answer").status(), 200);
        let killed = Command::new("sh").args(["-c", &format!("kill -{signal} {}", served.child.id())]).status();
        assert!(killed.expect("a shell").success());
        assert_eq!(served.child.wait().expect("it ends").code(), Some(0), "SIG{signal}");
    }
}
