//! What the operator may set: where to listen, how much to admit, and the limits in force. Every one is a flag and an
//! environment variable; all are checked once, while they are parsed, and trusted from then on.

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Serialize;
use utoipa::ToSchema;

use crate::seal::Key;
use crate::store::Store;

/// Bounds on what one request may ask for. A request over one of them is refused before anything is allocated.
#[derive(Debug, Clone, PartialEq, Eq, Args, Serialize, ToSchema)]
#[command(next_help_heading = "Limits of one request")]
pub struct Limits {
    /// Bytes of a request's body, and of one line of NDJSON.
    #[arg(long = "max-body-bytes", env = "DEDZ_MAX_BODY_BYTES", value_name = "BYTES", default_value = "64MiB", value_parser = parse_size::<usize>)]
    pub body_bytes: usize,
    /// Nesting depth of a JSON body.
    #[arg(long = "max-json-depth", env = "DEDZ_MAX_JSON_DEPTH", value_name = "N", default_value = "64", value_parser = parse_count::<usize>)]
    pub json_depth: usize,
    /// Nodes (or layers) of a network.
    #[arg(long = "max-nodes", env = "DEDZ_MAX_NODES", value_name = "N", default_value = "200k", value_parser = parse_count::<usize>)]
    pub nodes: usize,
    /// Edges of a network: the sum of its nodes' inputs.
    #[arg(long = "max-edges", env = "DEDZ_MAX_EDGES", value_name = "N", default_value = "2M", value_parser = parse_count::<usize>)]
    pub edges: usize,
    /// Axes of a tensor.
    #[arg(long = "max-rank", env = "DEDZ_MAX_RANK", value_name = "N", default_value = "8", value_parser = parse_count::<usize>)]
    pub rank: usize,
    /// Numbers in all parameters together.
    #[arg(long = "max-parameters", env = "DEDZ_MAX_PARAMETERS", value_name = "N", default_value = "50M", value_parser = parse_count::<usize>)]
    pub parameters: usize,
    /// Samples of a minibatch.
    #[arg(long = "max-batch", env = "DEDZ_MAX_BATCH", value_name = "N", default_value = "65536", value_parser = parse_count::<usize>)]
    pub batch: usize,
    /// Floating-point operations of one request.
    #[arg(long = "max-flops", env = "DEDZ_MAX_FLOPS", value_name = "N", default_value = "1T", value_parser = parse_count::<u64>)]
    pub flops: u64,
    /// Bytes of values, cotangents and parameters alive at once.
    #[arg(long = "max-memory-bytes", env = "DEDZ_MAX_MEMORY_BYTES", value_name = "BYTES", default_value = "2GiB", value_parser = parse_size::<u64>)]
    pub memory_bytes: u64,
    /// Faults listed in one problem document; the rest are counted.
    #[arg(long = "max-faults", env = "DEDZ_MAX_FAULTS", value_name = "N", default_value = "100", value_parser = parse_count::<usize>)]
    pub faults: usize,
    /// Milliseconds from arrival to answer.
    #[arg(long = "deadline-ms", env = "DEDZ_DEADLINE_MS", value_name = "MS", default_value = "30000", value_parser = parse_millis)]
    pub deadline_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 64 << 20,
            json_depth: 64,
            nodes: 200_000,
            edges: 2_000_000,
            rank: 8,
            parameters: 50_000_000,
            batch: 65_536,
            flops: 1_000_000_000_000,
            memory_bytes: 2 << 30,
            faults: 100,
            deadline_ms: 30_000,
        }
    }
}

impl Limits {
    /// The time from arrival to answer.
    pub fn deadline(&self) -> Duration {
        Duration::from_millis(self.deadline_ms)
    }
}

/// How much work waits, and for how long: bounds on all requests together.
#[derive(Debug, Clone, PartialEq, Eq, Args, Serialize, ToSchema)]
#[command(next_help_heading = "Admission")]
pub struct Admission {
    /// Short jobs that may wait for a worker; one more is answered 503.
    #[arg(long = "max-short-queue", env = "DEDZ_MAX_SHORT_QUEUE", value_name = "N", default_value = "1024", value_parser = parse_count::<usize>)]
    pub short_queue: usize,
    /// Long jobs that may wait for a worker; one more is answered 503.
    #[arg(long = "max-long-queue", env = "DEDZ_MAX_LONG_QUEUE", value_name = "N", default_value = "64", value_parser = parse_count::<usize>)]
    pub long_queue: usize,
    /// Bytes of all bodies being read, waiting or being worked on; one more is answered 503.
    #[arg(long = "max-held-bytes", env = "DEDZ_MAX_HELD_BYTES", value_name = "BYTES", default_value = "512MiB", value_parser = parse_size::<usize>)]
    pub held_bytes: usize,
    /// A body of at most this many bytes is a short job until its price is known.
    #[arg(long = "max-short-bytes", env = "DEDZ_MAX_SHORT_BYTES", value_name = "BYTES", default_value = "64KiB", value_parser = parse_size::<usize>)]
    pub short_bytes: usize,
    /// A job of at most this many floating-point operations is short.
    #[arg(long = "max-short-flops", env = "DEDZ_MAX_SHORT_FLOPS", value_name = "N", default_value = "20M", value_parser = parse_count::<u64>)]
    pub short_flops: u64,
    /// A body of at most this many bytes is read and priced where it arrived, without a worker.
    #[arg(long = "max-tiny-bytes", env = "DEDZ_MAX_TINY_BYTES", value_name = "BYTES", default_value = "8KiB", value_parser = parse_size::<usize>)]
    pub tiny_bytes: usize,
    /// A job of at most this many floating-point operations, with such a body, is answered there too.
    #[arg(long = "max-tiny-flops", env = "DEDZ_MAX_TINY_FLOPS", value_name = "N", default_value = "200k", value_parser = parse_count::<u64>)]
    pub tiny_flops: u64,
    /// Connections open at once; the next ones wait in the kernel's backlog.
    #[arg(long = "max-connections", env = "DEDZ_MAX_CONNECTIONS", value_name = "N", default_value = "10k", value_parser = parse_count::<usize>)]
    pub connections: usize,
    /// Lines of one NDJSON request that are worked on at once.
    #[arg(long = "max-window", env = "DEDZ_MAX_WINDOW", value_name = "N", default_value = "32", value_parser = parse_count::<usize>)]
    pub window: usize,
    /// Milliseconds a connection may take to send its next request's head.
    #[arg(long = "head-timeout-ms", env = "DEDZ_HEAD_TIMEOUT_MS", value_name = "MS", default_value = "60000", value_parser = parse_millis)]
    pub head_timeout_ms: u64,
    /// Milliseconds a body may take to arrive, or the next bytes of an NDJSON stream; then 408.
    #[arg(long = "body-timeout-ms", env = "DEDZ_BODY_TIMEOUT_MS", value_name = "MS", default_value = "20000", value_parser = parse_millis)]
    pub body_timeout_ms: u64,
    /// Milliseconds that accepted requests are given to finish after SIGTERM or SIGINT.
    #[arg(long = "grace-ms", env = "DEDZ_GRACE_MS", value_name = "MS", default_value = "30000", value_parser = parse_millis)]
    pub grace_ms: u64,
}

impl Default for Admission {
    fn default() -> Self {
        Self {
            short_queue: 1024,
            long_queue: 64,
            held_bytes: 512 << 20,
            short_bytes: 64 << 10,
            short_flops: 20_000_000,
            tiny_bytes: 8 << 10,
            tiny_flops: 200_000,
            connections: 10_000,
            window: 32,
            head_timeout_ms: 60_000,
            body_timeout_ms: 20_000,
            grace_ms: 30_000,
        }
    }
}

/// Who may ask, and how often.
#[derive(Debug, Clone, PartialEq, Eq, Default, Args)]
#[command(next_help_heading = "Access")]
pub struct Access {
    /// Keys, separated by commas: requests under /v1/ must bear one of them (Authorization: Bearer KEY).
    #[arg(long = "keys", env = "DEDZ_KEYS", value_name = "KEY", value_delimiter = ',', hide_env_values = true)]
    pub keys: Vec<String>,
    /// A file of keys, one a line; lines that begin with # are comments.
    #[arg(long = "keys-file", env = "DEDZ_KEYS_FILE", value_name = "FILE")]
    pub keys_file: Option<PathBuf>,
    /// Requests a minute of one client (a key; without keys, an address): one more is answered 429. No bound if left out.
    #[arg(long = "max-requests-per-minute", env = "DEDZ_MAX_REQUESTS_PER_MINUTE", value_name = "N")]
    pub requests_per_minute: Option<NonZeroU32>,
}

/// Where stored networks are kept.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(next_help_heading = "Stored networks")]
pub struct Networks {
    /// Bytes of memory that stored networks may take; the one used longest ago goes out.
    #[arg(long = "max-stored-bytes", env = "DEDZ_MAX_STORED_BYTES", value_name = "BYTES", default_value = "256MiB", value_parser = parse_size::<usize>)]
    pub stored_bytes: usize,
    /// Keep them also where other replicas find them: a folder or a bucket.
    #[arg(help = "Keep them also where other replicas find them: file:///folder, or s3://, gs:// and az:// if built with these features", long = "store", env = "DEDZ_STORE", value_name = "URL", hide_env_values = true, value_parser = Store::open)]
    pub store: Option<Store>,
}

impl Default for Networks {
    fn default() -> Self {
        Self { stored_bytes: 256 << 20, store: None }
    }
}

/// What opens sealed exercises.
#[derive(Debug, Clone, PartialEq, Eq, Default, Args)]
#[command(next_help_heading = "Sealed exercises")]
pub struct Sealing {
    /// Files of keys, separated by commas: exercises sealed with one of them (dedz seal) are graded.
    #[arg(long = "seal-key", env = "DEDZ_SEAL_KEY", value_name = "FILE", value_delimiter = ',', value_parser = read_seal_key)]
    pub seal_keys: Vec<Key>,
}

/// The key in a file.
pub(crate) fn read_seal_key(path: &str) -> Result<Key, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read it: {error}"))?;
    Key::of_text(&text)
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum LogFormat {
    /// For a reader.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// All that `dedz serve` may be told.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Config {
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, env = "DEDZ_ADDR", default_value = "127.0.0.1:8080")]
    pub addr: SocketAddr,
    /// Threads that compute; of two or more one is kept for short jobs. One more than there are cores if left out.
    #[arg(long, env = "DEDZ_WORKERS", value_name = "N")]
    pub workers: Option<NonZeroUsize>,
    /// How log lines (on standard error) look.
    #[arg(long, env = "DEDZ_LOG_FORMAT", value_enum, default_value = "text")]
    pub log_format: LogFormat,
    /// What is logged: error, warn, info, debug (adds a line a request), trace, or a filter such as "dedz=debug".
    #[arg(long = "log", env = "DEDZ_LOG", value_name = "FILTER", default_value = "info")]
    pub log: String,
    /// Bounds on one request.
    #[command(flatten)]
    pub limits: Limits,
    /// Bounds on all together.
    #[command(flatten)]
    pub admission: Admission,
    /// Keys and quotas.
    #[command(flatten)]
    pub access: Access,
    /// Stored networks.
    #[command(flatten)]
    pub networks: Networks,
    /// Sealed exercises.
    #[command(flatten)]
    pub sealing: Sealing,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            addr: SocketAddr::from(([127, 0, 0, 1], 8080)),
            workers: None,
            log_format: LogFormat::Text,
            log: "info".to_owned(),
            limits: Limits::default(),
            admission: Admission::default(),
            access: Access::default(),
            networks: Networks::default(),
            sealing: Sealing::default(),
        }
    }
}

impl Config {
    /// The number of workers asked for, or one more than there are cores: then all cores may have long jobs, and a short one
    /// still finds a thread.
    pub fn workers(&self) -> usize {
        let one_more = || std::thread::available_parallelism().map_or(2, |cores| cores.get() + 1);
        self.workers.map_or_else(one_more, NonZeroUsize::get)
    }
}

/// A number of bytes: `65536`, `64KiB`, `64k`, `1.5GB`. One-letter suffixes are binary, as are those with an `i`.
fn parse_size<T: TryFrom<u64>>(text: &str) -> Result<T, String> {
    let (number, unit) = split_unit(text);
    let scale: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "t" | "tib" => 1 << 40,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        _ => return Err(format!("{unit:?} is not a unit of bytes; write 65536, 64KiB, 64MiB, 2GiB or 10MB")),
    };
    scaled(number, scale)
}

/// A count: `200000`, `200_000`, `200k`, `1e12`, `1T`. Suffixes are decimal.
fn parse_count<T: TryFrom<u64>>(text: &str) -> Result<T, String> {
    let (number, unit) = split_unit(text);
    let scale: u64 = match unit {
        "" => 1,
        "k" | "K" => 1_000,
        "m" | "M" => 1_000_000,
        "g" | "G" => 1_000_000_000,
        "t" | "T" => 1_000_000_000_000,
        _ => return Err(format!("{unit:?} is not a unit of a count; write 200000, 200k, 2M, 1T or 1e12")),
    };
    scaled(number, scale)
}

/// Milliseconds, at least one and at most a day.
fn parse_millis(text: &str) -> Result<u64, String> {
    const DAY: u64 = 24 * 60 * 60 * 1000;
    let millis = parse_count::<u64>(text)?;
    if millis > DAY { Err(format!("{millis} ms is more than a day")) } else { Ok(millis) }
}

/// Where the number ends and its unit begins; the `e` of `1e12` belongs to the number.
fn split_unit(text: &str) -> (&str, &str) {
    let text = text.trim();
    let is_number = |(at, c): (usize, char)| {
        let exponent = (c == 'e' || c == 'E') && text[at + 1..].starts_with(|c: char| c.is_ascii_digit() || c == '+');
        c.is_ascii_digit() || matches!(c, '.' | '_' | '+') || exponent
    };
    let end = text.char_indices().find(|&pair| !is_number(pair)).map_or(text.len(), |(at, _)| at);
    (&text[..end], text[end..].trim())
}

/// `number` times `scale`, a whole number of at least one.
fn scaled<T: TryFrom<u64>>(number: &str, scale: u64) -> Result<T, String> {
    let digits = number.replace('_', "");
    let whole = match digits.parse::<u64>() {
        Ok(whole) => whole.checked_mul(scale),
        Err(_) => match digits.parse::<f64>() {
            // Below 2^63 a float converts exactly, and a product with a fraction left over is refused.
            Ok(float) if float.is_finite() && (0.0..9.2e18).contains(&(float * scale as f64)) => {
                let product = float * scale as f64;
                (product.fract() == 0.0).then_some(product as u64)
            }
            _ => None,
        },
    };
    match whole {
        None => Err("not a whole number that this machine can count to".to_owned()),
        Some(0) => Err("must be at least 1".to_owned()),
        Some(value) => T::try_from(value).map_err(|_| format!("{value} is too large")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        config: Config,
    }

    fn parse(flags: &[&str]) -> Result<Config, String> {
        let all = std::iter::once("serve").chain(flags.iter().copied());
        Flags::try_parse_from(all).map(|flags| flags.config).map_err(|error| error.to_string())
    }

    #[test]
    fn defaults_of_flags_are_those_of_the_code() {
        assert_eq!(parse(&[]).expect("no flag is needed"), Config::default());
    }

    #[test]
    fn sizes_and_counts_take_suffixes() {
        for (text, bytes) in [("65536", 65_536), ("64KiB", 65_536), ("64k", 65_536), ("1.5GiB", 3 << 29), ("10 MB", 10_000_000)] {
            assert_eq!(parse_size::<u64>(text), Ok(bytes), "{text}");
        }
        for (text, count) in [("200_000", 200_000), ("200k", 200_000), ("1e12", 1_000_000_000_000), ("1T", 1_000_000_000_000)] {
            assert_eq!(parse_count::<u64>(text), Ok(count), "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused_with_a_reason() {
        for text in ["0", "-1", "", "x", "1.5", "1e99", "3 apples", "NaN", "99999999999999999999"] {
            assert!(parse_count::<u64>(text).is_err(), "{text}");
        }
        assert!(parse_size::<usize>("1.2345KiB").is_err());
        let error = parse(&["--workers", "0"]).expect_err("no worker is no service");
        assert!(error.contains("--workers"), "{error}");
        assert!(parse(&["--deadline-ms", "99999999999"]).is_err());
    }
}
