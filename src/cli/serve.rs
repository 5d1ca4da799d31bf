//! `dedz serve`.

use std::io::{self, IsTerminal};

use clap::Args;
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

use super::Stopped;
use crate::config::{Config, LogFormat};
use crate::http;

#[derive(Debug, Args)]
pub(super) struct Serve {
    #[command(flatten)]
    config: Config,
}

impl Serve {
    pub(super) fn run(self) -> Result<(), Stopped> {
        log_to_stderr(&self.config)?;
        // It accepts; connections are served by threads of their own.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let served = runtime.block_on(async {
            let shutdown = signal()?;
            let listener = TcpListener::bind(self.config.addr).await;
            let listener =
                listener.map_err(|error| Stopped::Problem(format!("cannot listen on {}: {error}", self.config.addr)))?;
            http::run(listener, self.config, shutdown).await.map_err(Stopped::from)
        });
        // What outlived its grace is not waited for.
        runtime.shutdown_background();
        served
    }
}

fn log_to_stderr(config: &Config) -> Result<(), Stopped> {
    let filter = EnvFilter::try_new(&config.log).map_err(|error| Stopped::Usage(format!("--log {:?}: {error}", config.log)))?;
    let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(colour).with_target(false);
    match config.log_format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
    Ok(())
}

/// Resolves at the first SIGTERM or SIGINT; a second one ends the process at once.
fn signal() -> Result<impl Future<Output = ()>, Stopped> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        Ok(async move {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            tokio::spawn(async move {
                tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
                std::process::exit(1);
            });
        })
    }
    #[cfg(not(unix))]
    {
        Ok(async {
            let _ = tokio::signal::ctrl_c().await;
        })
    }
}
