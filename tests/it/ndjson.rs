//! Many requests in one: a problem a line in, an answer a line out, in order, streamed, with failures in their places.

use bytes::Bytes;
use dedz::config::{Admission, Config, Limits};
use reqwest::{Body, Response};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::support::{Service, example, examples, header, problem};

const LINES: &str = "application/x-ndjson";

/// The lines of an answer, as they come.
struct Answers {
    response: Response,
    buffer: Vec<u8>,
}

impl Answers {
    fn of(response: Response) -> Self {
        assert_eq!((response.status().as_u16(), header(&response, "content-type").as_str()), (200, LINES));
        Self { response, buffer: Vec::new() }
    }

    /// The next line, without its line break.
    async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.iter().position(|&byte| byte == b'\n') {
                let line = self.buffer.drain(..=end).take(end).collect();
                return Some(String::from_utf8(line).expect("lines are text"));
            }
            match self.response.chunk().await.expect("the body ends well") {
                Some(chunk) => self.buffer.extend_from_slice(&chunk),
                None => {
                    assert!(self.buffer.is_empty(), "the last line ends with a line break");
                    return None;
                }
            }
        }
    }

    async fn all(mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(line) = self.next().await {
            lines.push(line);
        }
        lines
    }
}

async fn post(service: &Service, analysis: &str, body: impl Into<Body>) -> Answers {
    let request = service.post(&format!("/v1/{analysis}"), LINES, body).header("x-request-id", "all");
    Answers::of(request.send().await.expect("an answer"))
}

/// An example as one line.
fn line(name: &str) -> String {
    example(name).to_string()
}

#[tokio::test]
async fn answers_come_in_order_and_are_those_of_single_requests() {
    let service = Service::start().await;
    let mut problems: Vec<String> = examples().iter().map(|(name, _)| line(name)).collect();
    problems.push("{\"network\":".to_owned());
    problems.push(json!({"network": {"inputs": ["x"], "nodes": []}, "loss": {"op": "mse"}}).to_string());
    // Short and long jobs in turn, several times over, so that later ones are done before earlier ones.
    let problems: Vec<String> = (0..5).flat_map(|_| problems.clone()).collect();
    for analysis in ["gradients", "forward", "validate"] {
        let answers = post(&service, analysis, problems.join("\n")).await.all().await;
        assert_eq!(answers.len(), problems.len());
        for (n, (answer, problem)) in answers.iter().zip(&problems).enumerate() {
            // Alone, under the id that the line has.
            let alone = service.post(&format!("/v1/{analysis}"), "application/json", problem.clone());
            let alone = alone.header("x-request-id", "alone").send().await.expect("an answer");
            let (status, body) = (alone.status().as_u16(), alone.text().await.expect("a body"));
            let expected = format!("{{\"status\":{status},\"body\":{}}}", body.trim_end());
            let expected = expected.replace("\"instance\":\"alone\"", &format!("\"instance\":\"all#{}\"", n + 1));
            assert!(*answer == expected, "{analysis}, line {}:\n{answer}\n{expected}", n + 1);
        }
    }
    assert_eq!(service.figure("dedz_ndjson_lines_total{status=\"400\"}").await, Some(15.0));
}

#[tokio::test]
async fn line_breaks_and_blank_lines_are_anybodys() {
    let service = Service::start().await;
    let lecture = line("lecture");
    for body in
        [format!("{lecture}\n{lecture}\n"), format!("{lecture}\r\n{lecture}"), format!("\n\n  {lecture}  \r\n \n{lecture}\n\n")]
    {
        let answers = post(&service, "gradients", body).await.all().await;
        assert!(answers.len() == 2 && answers[0] == answers[1] && answers[0].starts_with("{\"status\":200,"), "{answers:?}");
    }
    assert!(post(&service, "gradients", "").await.all().await.is_empty());
    assert!(post(&service, "gradients", " \n\n").await.all().await.is_empty());
}

/// A body that is sent piece by piece, as the test says.
fn by_pieces() -> (mpsc::UnboundedSender<String>, Body) {
    let (sender, receiver) = mpsc::unbounded_channel::<String>();
    let pieces = futures_util::stream::unfold(receiver, |mut receiver| async {
        receiver.recv().await.map(|piece| (Ok::<_, std::io::Error>(Bytes::from(piece)), receiver))
    });
    (sender, Body::wrap_stream(pieces))
}

#[tokio::test]
async fn a_line_is_answered_before_the_next_is_sent() {
    let service = Service::start().await;
    let (pieces, body) = by_pieces();
    let mut answers = post(&service, "gradients", body).await;
    for (name, _) in examples() {
        let text = line(&name);
        let (start, end) = text.split_at(text.len() / 2);
        for piece in [start, end, "\n"] {
            pieces.send(piece.to_owned()).expect("the body is being read");
        }
        let answer = answers.next().await.expect("an answer to the line");
        assert!(answer.starts_with("{\"status\":200,"), "{name}: {answer}");
    }
    drop(pieces);
    assert_eq!(answers.next().await, None);
}

#[tokio::test]
async fn a_line_over_the_limit_is_refused_in_its_place() {
    let limits = Limits { body_bytes: 4096, ..Limits::default() };
    // Far less than the long line: what is refused is not kept.
    let admission = Admission { held_bytes: 1 << 20, ..Admission::default() };
    let service = Service::with(Config { limits, admission, ..Config::default() }).await;
    let lecture = line("lecture");
    let long = (0..128).map(|_| "9".repeat(64 << 10));
    let pieces: Vec<String> = [lecture.clone() + "\n"].into_iter().chain(long).chain(["\n".to_owned() + &lecture]).collect();
    let pieces = pieces.into_iter().map(|piece| Ok::<_, std::io::Error>(Bytes::from(piece)));
    let answers = post(&service, "gradients", Body::wrap_stream(futures_util::stream::iter(pieces))).await.all().await;
    assert_eq!(answers.len(), 3);
    let statuses: Vec<Value> =
        answers.iter().map(|answer| serde_json::from_str::<Value>(answer).expect("lines are JSON")["status"].take()).collect();
    assert_eq!(statuses, [200, 413, 200]);
    assert!(
        answers[1].contains("/problems/payload-too-large") && answers[1].contains("\"instance\":\"all#2\""),
        "{}",
        answers[1]
    );
    service.until("dedz_held_bytes", 0.0).await;
}

#[tokio::test]
async fn more_lines_than_may_wait_are_not_refused() {
    let admission = Admission { short_queue: 2, long_queue: 1, window: 8, ..Admission::default() };
    let service = Service::with(Config { admission, ..Config::default() }).await;
    let (lecture, lenet) = (line("lecture"), line("lenet"));
    let body: String = (0..60).map(|n| if n % 10 == 0 { format!("{lenet}\n") } else { format!("{lecture}\n") }).collect();
    let answers = post(&service, "gradients", body).await.all().await;
    assert_eq!(answers.len(), 60);
    assert!(answers.iter().all(|answer| answer.starts_with("{\"status\":200,")));
}

#[tokio::test]
async fn a_stream_that_stops_is_told_so() {
    let admission = Admission { body_timeout_ms: 50, ..Admission::default() };
    let service = Service::with(Config { admission, ..Config::default() }).await;
    let (pieces, body) = by_pieces();
    pieces.send(line("lecture") + "\n{\"netw").expect("the body is being read");
    let answers = post(&service, "gradients", body).await.all().await;
    drop(pieces);
    assert_eq!(answers.len(), 2);
    assert!(answers[0].starts_with("{\"status\":200,"), "{}", answers[0]);
    assert!(answers[1].starts_with("{\"status\":408,") && answers[1].contains("50 ms"), "{}", answers[1]);
}

#[tokio::test]
async fn lines_are_not_sent_as_tensors() {
    let service = Service::start().await;
    let request = service.post("/v1/gradients", LINES, line("lecture")).header("accept", "application/vnd.safetensors");
    problem(request.send().await.expect("an answer"), 406, "not-acceptable").await;
    let request = service.post("/v1/gradients", LINES, line("lecture")).header("accept", LINES);
    assert_eq!(Answers::of(request.send().await.expect("an answer")).all().await.len(), 1);
}
