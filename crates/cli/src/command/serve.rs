//! `assay serve`: the store as a server that real clients talk to.

use std::io::IsTerminal as _;
use std::net::SocketAddr;

use assay_server::{App, Config};
use tracing_subscriber::EnvFilter;

use crate::args::Serve;
use crate::{Outcome, data, output};

pub(crate) fn run(args: Serve) -> anyhow::Result<Outcome> {
    log();
    let store = data::open(&args.data.data, args.prices.as_deref())?;
    let config = Config {
        listen: args.listen,
        grpc: args.grpc,
        public_url: args.public_url,
        allow_anonymous: args.allow_anonymous,
        ..Config::default()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let server = assay_server::bind(App::new(store, config)).await?;
        if let Some(address) = server.grpc_address() {
            output::print(&format!("listening on grpc://{address}"))?;
        }
        announce(server.address()?)?;
        server.run(stopped()).await;
        anyhow::Ok(())
    })?;
    Ok(Outcome::Done)
}

/// One line when ready, and how to point a client here.
fn announce(address: SocketAddr) -> anyhow::Result<()> {
    output::print(&format!("listening on http://{address}"))?;
    output::note(&format!(
        "LangSmith SDKs: LANGSMITH_TRACING=true LANGSMITH_ENDPOINT=http://{address}/api/v1 LANGSMITH_API_KEY=any\n\
         OpenTelemetry:  OTEL_EXPORTER_OTLP_ENDPOINT=http://{address}/otel"
    ));
    Ok(())
}

/// Log lines go to standard error; `RUST_LOG` chooses, warnings by default.
fn log() {
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,assay_server=info"));
    // Fails only where a subscriber is set already, which then does the job.
    let is_terminal = std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(is_terminal);
    let _ = lines.with_writer(std::io::stderr).try_init();
}

/// Resolves at Ctrl-C or a polite request to end; a second one ends at once.
async fn stopped() {
    interrupted().await;
    eprintln!("stopping: open requests are finished first; press Ctrl-C again to stop at once");
    tokio::spawn(async {
        interrupted().await;
        std::process::exit(130);
    });
}

#[cfg(unix)]
async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

#[cfg(not(unix))]
async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
