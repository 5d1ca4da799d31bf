//! Who may ask, and how often: keys (`Authorization: Bearer …`) and a quota for each client. Without either, everybody may.
//!
//! What stands under `/v1/` is guarded; health, metrics and documentation are not. Keys are compared by their SHA-256 digests, so
//! that the time it takes tells nothing about a key.

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, header};
use sha2::{Digest, Sha256};

use super::problem::Error;
use crate::config::Access;

/// Whom a quota is counted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Client {
    Key([u8; 32]),
    Address(IpAddr),
}

/// The rules in force.
#[derive(Debug)]
pub(super) struct Gate {
    /// Digests of the keys; none where everybody may ask.
    keys: Option<HashSet<[u8; 32]>>,
    quota: Option<Quota>,
}

impl Gate {
    /// The rules that the operator set.
    ///
    /// # Errors
    /// The file of keys cannot be read, or holds none.
    pub(super) fn new(access: &Access) -> io::Result<Self> {
        let mut keys: HashSet<_> = access.keys.iter().map(|key| digest(key)).collect();
        if let Some(path) = &access.keys_file {
            let unreadable = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
            let text = std::fs::read_to_string(path).map_err(unreadable)?;
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
            keys.extend(lines.map(digest));
            if keys.is_empty() {
                // An empty file must not open the service to everybody.
                return Err(io::Error::new(io::ErrorKind::InvalidData, format!("{}: holds no key", path.display())));
            }
        }
        let keys = (!keys.is_empty()).then_some(keys);
        Ok(Self { keys, quota: access.requests_per_minute.map(Quota::new) })
    }

    /// Whether a request may pass.
    ///
    /// # Errors
    /// No key, an unknown key, or more requests than the client may make.
    pub(super) fn admit(&self, path: &str, headers: &HeaderMap, peer: Option<IpAddr>) -> Result<(), Error> {
        if (self.keys.is_none() && self.quota.is_none()) || !path.starts_with("/v1/") {
            return Ok(());
        }
        let client = match &self.keys {
            Some(keys) => {
                let key = bearer(headers).map(digest).ok_or(Error::NoKey)?;
                if !keys.contains(&key) {
                    return Err(Error::UnknownKey);
                }
                Client::Key(key)
            }
            None => Client::Address(peer.map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), network_of)),
        };
        match &self.quota {
            Some(quota) => quota.take(client, Instant::now()).map_err(Error::OverQuota),
            None => Ok(()),
        }
    }
}

fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

/// The key that a request bears.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, key) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

/// One client has one IPv4 address, but the whole of a /64 of IPv6.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// So many requests a minute for each client, as a leaky bucket that holds a minute's worth (the generic cell rate algorithm).
#[derive(Debug)]
struct Quota {
    /// The time that one request takes up.
    interval: Duration,
    /// When each client's bucket is empty again; who is not listed has an empty one.
    empty_at: Mutex<HashMap<Client, Instant>>,
}

impl Quota {
    const WINDOW: Duration = Duration::from_secs(60);
    /// With more clients listed than this, those whose buckets are empty are dropped.
    const TIDY_ABOVE: usize = 1024;

    fn new(per_minute: NonZeroU32) -> Self {
        Self { interval: Self::WINDOW / per_minute.get(), empty_at: Mutex::default() }
    }

    /// Take one request from a client's quota, or say how long it has to wait.
    fn take(&self, client: Client, now: Instant) -> Result<(), Duration> {
        let mut empty_at = self.empty_at.lock().unwrap_or_else(PoisonError::into_inner);
        if empty_at.len() > Self::TIDY_ABOVE && !empty_at.contains_key(&client) {
            empty_at.retain(|_, at| *at > now);
        }
        let bucket = empty_at.entry(client).or_insert(now);
        let full = (*bucket).max(now) + self.interval;
        match full.checked_duration_since(now + Self::WINDOW) {
            Some(wait) if !wait.is_zero() => Err(wait),
            _ => {
                *bucket = full;
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(keys: &[&str], per_minute: Option<u32>) -> Gate {
        let keys = keys.iter().map(|&key| key.to_owned()).collect();
        let access = Access { keys, keys_file: None, requests_per_minute: per_minute.and_then(NonZeroU32::new) };
        Gate::new(&access).expect("no file to read")
    }

    fn check(gate: &Gate, path: &str, authorization: Option<&str>, expect: &str) {
        let mut headers = HeaderMap::new();
        headers.extend(authorization.map(|value| (header::AUTHORIZATION, value.parse().expect("a header's value"))));
        let peer = IpAddr::from([127, 0, 0, 1]);
        let found = match gate.admit(path, &headers, Some(peer)) {
            Ok(()) => "admitted",
            Err(Error::NoKey) => "no key",
            Err(Error::UnknownKey) => "unknown key",
            Err(Error::OverQuota(_)) => "over quota",
            Err(other) => panic!("{other:?}"),
        };
        assert_eq!(found, expect, "{path} {authorization:?}");
    }

    #[test]
    fn keys_open_what_they_guard() {
        let open = gate(&[], None);
        check(&open, "/v1/gradients", None, "admitted");
        let guarded = gate(&["one", "two"], None);
        for (path, authorization, expect) in [
            ("/v1/gradients", None, "no key"),
            ("/v1/gradients", Some("one"), "no key"),
            ("/v1/gradients", Some("Basic one"), "no key"),
            ("/v1/gradients", Some("Bearer three"), "unknown key"),
            ("/v1/gradients", Some("Bearer "), "unknown key"),
            ("/v1/gradients", Some("Bearer one"), "admitted"),
            ("/v1/info", Some("bearer two"), "admitted"),
            ("/v1/info", None, "no key"),
            ("/healthz", None, "admitted"),
        ] {
            check(&guarded, path, authorization, expect);
        }
    }

    #[test]
    fn each_client_has_its_own_quota() {
        let gate = gate(&["one", "two"], Some(2));
        for (key, expect) in
            [("one", "admitted"), ("one", "admitted"), ("one", "over quota"), ("two", "admitted"), ("one", "over quota")]
        {
            check(&gate, "/v1/gradients", Some(&format!("Bearer {key}")), expect);
        }
    }

    #[test]
    fn a_quota_fills_up_again() {
        let quota = Quota::new(NonZeroU32::new(6).expect("six"));
        let (client, start) = (Client::Address(IpAddr::from([127, 0, 0, 1])), Instant::now());
        for _ in 0..6 {
            assert_eq!(quota.take(client, start), Ok(()));
        }
        assert_eq!(quota.take(client, start), Err(Duration::from_secs(10)));
        assert_eq!(quota.take(client, start + Duration::from_secs(9)), Err(Duration::from_secs(1)));
        assert_eq!(quota.take(client, start + Duration::from_secs(10)), Ok(()));
        assert_eq!(quota.take(client, start + Duration::from_secs(10)), Err(Duration::from_secs(10)));
    }

    #[test]
    fn clients_that_have_gone_are_forgotten() {
        let (quota, start) = (Quota::new(NonZeroU32::new(60).expect("sixty")), Instant::now());
        let client = |n: u32| Client::Address(IpAddr::V4(n.into()));
        for n in 0..5_000 {
            let now = start + Duration::from_millis(u64::from(n) * 10);
            assert_eq!(quota.take(client(n), now), Ok(()));
        }
        let listed = quota.empty_at.lock().expect("nobody panicked").len();
        assert!(listed <= Quota::TIDY_ABOVE + 1, "{listed}");
    }

    #[test]
    fn an_address_of_ipv6_stands_for_its_network() {
        let address = |text: &str| network_of(text.parse().expect("an address"));
        assert_eq!(address("2001:db8::1"), address("2001:db8::2"));
        assert_ne!(address("2001:db8::1"), address("2001:db8:0:1::1"));
        assert_eq!(address("::ffff:192.0.2.1"), address("192.0.2.1"));
    }

    #[test]
    fn an_empty_file_of_keys_does_not_open_the_service() {
        let access = Access { keys_file: Some("/dev/null".into()), ..Access::default() };
        assert!(Gate::new(&access).is_err());
    }
}
