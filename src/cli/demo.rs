//! `dedz demo`: a real service on a free port, two real problems posted to it over HTTP, and what comes back, for a reader.

use std::io::{self, Write};

use anstyle::Style;
use clap::Args;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::Stopped;
use crate::config::Config;
use crate::http;

const LECTURE: &str = include_str!("../../openapi/examples/lecture.json");
const DIGITS: &str = include_str!("../../openapi/examples/digits_mlp.json");

#[derive(Debug, Args)]
pub(super) struct Demo {}

impl Demo {
    pub(super) fn run(&self) -> Result<(), Stopped> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        Ok(runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let url = format!("http://{}", listener.local_addr()?);
            let (stop, stopped) = oneshot::channel::<()>();
            let service = tokio::spawn(http::run(listener, Config::default(), async {
                let _ = stopped.await;
            }));
            let lecture = post(&url, LECTURE).await?;
            let digits = post(&url, DIGITS).await?;
            let _ = stop.send(());
            service.await.map_err(io::Error::other)??;
            show(&lecture, &digits)
        })?)
    }
}

async fn post(url: &str, problem: &'static str) -> io::Result<Value> {
    let request = reqwest::Client::new().post(format!("{url}/v1/gradients")).header("content-type", "application/json");
    let response = request.body(problem).send().await.map_err(io::Error::other)?;
    let status = response.status();
    let body = response.bytes().await.map_err(io::Error::other)?;
    if !status.is_success() {
        return Err(io::Error::other(format!("the service answered {status}: {}", String::from_utf8_lossy(&body))));
    }
    serde_json::from_slice(&body).map_err(io::Error::other)
}

fn show(lecture: &Value, digits: &Value) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    let (bold, dim) = (Style::new().bold(), Style::new().dimmed());

    writeln!(out, "{bold}The lecture's network{bold:#} {dim}POST /v1/gradients with openapi/examples/lecture.json{dim:#}")?;
    summary(&mut out, lecture)?;
    writeln!(out)?;
    let mut rows = vec![vec![String::new(), "sample".to_owned(), "z".to_owned(), "dE/dz".to_owned()]];
    for node in elements(&lecture["trace"]) {
        for (n, (z, bar)) in elements(&node["z"]).zip(elements(&node["dE_dz"])).enumerate() {
            let id = if n == 0 { node["id"].as_str().unwrap_or_default() } else { "" };
            rows.push(vec![id.to_owned(), n.to_string(), short(z), short(bar)]);
        }
    }
    table(&mut out, &rows)?;
    writeln!(out)?;
    let mut rows = vec![vec!["weight".to_owned(), "dE/dw".to_owned()]];
    for (name, gradient) in members(&lecture["gradients"]) {
        rows.push(vec![name.clone(), short(gradient)]);
    }
    table(&mut out, &rows)?;

    writeln!(out)?;
    writeln!(out, "{bold}A digits classifier{bold:#} {dim}32 handwritten digits, openapi/examples/digits_mlp.json{dim:#}")?;
    summary(&mut out, digits)?;
    writeln!(out)?;
    let mut rows = vec![vec!["parameter".to_owned(), "numbers".to_owned(), "gradient norm".to_owned()]];
    for (name, gradient) in members(&digits["gradients"]) {
        let (count, squares) = sum_of_squares(gradient);
        rows.push(vec![name.clone(), count.to_string(), format!("{:.6}", squares.sqrt())]);
    }
    table(&mut out, &rows)?;
    writeln!(out)?;
    let mut rows = vec![vec!["node".to_owned(), "numbers".to_owned(), "norm of dE/dz".to_owned()]];
    for node in elements(&digits["trace"]) {
        let (count, squares) = sum_of_squares(&node["dE_dz"]);
        rows.push(vec![node["id"].as_str().unwrap_or_default().to_owned(), count.to_string(), format!("{:.6}", squares.sqrt())]);
    }
    table(&mut out, &rows)
}

fn summary(out: &mut impl Write, reply: &Value) -> io::Result<()> {
    let objective = &reply["objective"];
    writeln!(out, "loss {}", reply["loss"])?;
    let word = |name: &str| objective[name].as_str().unwrap_or_default().to_owned();
    writeln!(out, "{}, {} over {} samples: {}", word("op"), word("reduction"), objective["samples"], word("formula"))
}

/// Columns wide enough for their widest cell; the first to the left, numbers to the right.
fn table(out: &mut impl Write, rows: &[Vec<String>]) -> io::Result<()> {
    let dim = Style::new().dimmed();
    let columns = rows.first().map_or(0, Vec::len);
    let widths: Vec<_> = (0..columns).map(|c| rows.iter().map(|row| row[c].len()).max().unwrap_or(0)).collect();
    for (r, row) in rows.iter().enumerate() {
        let mut line = format!("  {:<width$}", row[0], width = widths[0]);
        for (cell, width) in row.iter().zip(&widths).skip(1) {
            line.push_str(&format!("  {cell:>width$}"));
        }
        if r == 0 {
            writeln!(out, "{dim}{line}{dim:#}")?;
        } else {
            writeln!(out, "{line}")?;
        }
    }
    Ok(())
}

fn elements(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn short(value: &Value) -> String {
    value.as_f64().map_or_else(|| value.to_string(), |x| format!("{x:.6}"))
}

fn sum_of_squares(value: &Value) -> (usize, f64) {
    match value {
        Value::Array(list) => list.iter().map(sum_of_squares).fold((0, 0.0), |(n, s), (m, t)| (n + m, s + t)),
        value => (1, value.as_f64().map_or(f64::NAN, |x| x * x)),
    }
}
