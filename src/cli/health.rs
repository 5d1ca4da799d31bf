//! `dedz health`: for a container's HEALTHCHECK, so it brings no client of its own size.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use clap::Args;

use super::Stopped;

const PATIENCE: Duration = Duration::from_secs(3);

#[derive(Debug, Args)]
pub(super) struct Health {
    /// Address of the service, if no --url is given.
    #[arg(long, env = "DEDZ_ADDR", default_value = "127.0.0.1:8080")]
    addr: SocketAddr,
    /// The service, as http://host:port.
    #[arg(long)]
    url: Option<String>,
}

impl Health {
    pub(super) fn run(&self) -> Result<(), Stopped> {
        let authority = match &self.url {
            Some(url) => authority(url)?,
            None => reachable(self.addr).to_string(),
        };
        let status = ask(&authority).map_err(|error| Stopped::Problem(format!("no service at {authority}: {error}")))?;
        if status == "200" { Ok(()) } else { Err(Stopped::Problem(format!("{authority} answered {status:?}"))) }
    }
}

/// An address to listen on that stands for all of them is reached over the loopback.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        let is_v4 = address.is_ipv4();
        address.set_ip(if is_v4 { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { IpAddr::V6(Ipv6Addr::LOCALHOST) });
    }
    address
}

/// `host:port` of a URL.
fn authority(url: &str) -> Result<String, Stopped> {
    let rest = url.strip_prefix("http://").ok_or_else(|| Stopped::Usage(format!("{url:?} does not begin with http://")))?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    Ok(if has_port { authority.to_owned() } else { format!("{authority}:80") })
}

/// The status that `GET /healthz` gets.
fn ask(authority: &str) -> std::io::Result<String> {
    let address = authority.to_socket_addrs()?.next().ok_or_else(|| std::io::Error::other("the name has no address"))?;
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "GET /healthz HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n")?;
    let mut head = Vec::new();
    stream.take(4096).read_to_end(&mut head)?;
    let head = String::from_utf8_lossy(&head);
    Ok(head.strip_prefix("HTTP/1.1 ").unwrap_or_default().chars().take(3).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_for_all_is_reached_over_the_loopback() {
        for (listen, reach) in [("0.0.0.0:8080", "127.0.0.1:8080"), ("[::]:1", "[::1]:1"), ("10.0.0.1:2", "10.0.0.1:2")] {
            assert_eq!(reachable(listen.parse().unwrap()).to_string(), reach);
        }
    }

    #[test]
    fn urls_name_a_host_and_a_port() {
        for (url, expect) in [("http://dedz", "dedz:80"), ("http://[::1]:8080/v1", "[::1]:8080"), ("http://a:1?x", "a:1")] {
            assert_eq!(authority(url).unwrap(), expect);
        }
        assert!(authority("https://dedz").is_err());
    }
}
