//! `assay serve`: the store as a server that real clients talk to.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use assay_llm::Secret;
use assay_server::config::{KEY_VARIABLES, Log, Sources};
use assay_server::{App, Settings};
use tracing_subscriber::EnvFilter;

use crate::args::Serve;
use crate::{Outcome, data, output};

/// What still runs once requests are drained has so long to end.
const LAST_WORK: Duration = Duration::from_secs(5);

pub(crate) fn run(args: Serve) -> anyhow::Result<Outcome> {
    let is_check = args.check_config;
    let mut settings = settings(args)?;
    settings.server.models.keys = provider_keys();
    let filter = filter(&settings.log)?;
    if is_check {
        return check(&settings);
    }
    log(filter, settings.log.is_json);
    for name in &settings.strange_variables {
        tracing::warn!(name, "an environment variable looks like a setting and is none");
    }
    let store = data::open(&settings.data, settings.prices.as_deref())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let served = runtime.block_on(async {
        let server = assay_server::bind(App::new(store, settings.server)).await?;
        if let Some(address) = server.grpc_address() {
            output::print(&format!("listening on grpc://{address}"))?;
        }
        // Before anybody hears of the server: whoever asks it to end then is heard.
        let signals = Signals::watch()?;
        announce(server.address()?, server.asks_for_keys().await?)?;
        server.run(stopped(signals)).await;
        anyhow::Ok(())
    });
    runtime.shutdown_timeout(LAST_WORK);
    served.map(|()| Outcome::Done)
}

/// Keys of model providers from the environment; secrets of the workspace go before them.
fn provider_keys() -> BTreeMap<String, Secret> {
    let found = KEY_VARIABLES.into_iter().filter_map(|name| {
        let value = std::env::var(name).ok().filter(|value| !value.trim().is_empty())?;
        Some((name.to_owned(), Secret::new(value.trim())))
    });
    found.collect()
}

/// Flags, environment and file together.
fn settings(args: Serve) -> anyhow::Result<Settings> {
    let Serve {
        config,
        check_config: _,
        data,
        listen,
        grpc,
        public_url,
        allow_anonymous,
        prices,
        log_format,
        models_provider,
        models_base_url,
        models_thinking,
        models_summary,
        models_ca_file,
        models_proxy,
    } = args;
    let said = [
        ("data", data),
        ("listen", listen),
        ("grpc", grpc),
        ("public_url", public_url),
        ("allow_anonymous", allow_anonymous.then(|| "true".to_owned())),
        ("prices", prices),
        ("log.format", log_format),
        ("models.provider", models_provider),
        ("models.base_url", models_base_url),
        ("models.thinking", models_thinking),
        ("models.summary", models_summary),
        ("models.ca_file", models_ca_file),
        ("models.proxy", models_proxy),
    ];
    let flags = said.into_iter().filter_map(|(key, text)| Some((key, text?))).collect();
    of_file(config.as_deref(), flags)
}

/// Settings of a file, with the environment and these flags before it.
pub(crate) fn of_file(
    file: Option<&Path>,
    flags: BTreeMap<&'static str, String>,
) -> anyhow::Result<Settings> {
    let mut environment = BTreeMap::new();
    for (name, value) in std::env::vars_os() {
        let Some(name) = name.to_str().filter(|name| name.starts_with("ASSAY_")) else { continue };
        let value = value.into_string();
        let value = value.map_err(|_| anyhow::anyhow!("environment variable {name} is no text"))?;
        environment.insert(name.to_owned(), value);
    }
    let read = |file: &Path| anyhow::Ok((file.to_owned(), fs_err::read_to_string(file)?));
    let file = file.filter(|file| !file.as_os_str().is_empty()).map(read).transpose()?;
    Ok(Settings::of(Sources { flags, environment, file })?)
}

/// Says what is in force, and whether it can be.
fn check(settings: &Settings) -> anyhow::Result<Outcome> {
    if let Some(prices) = &settings.prices {
        data::price_table(Some(prices))?;
    }
    for name in &settings.strange_variables {
        output::note(&format!("environment variable {name} looks like a setting and is none"));
    }
    output::print(&output::plain(settings.show()))?;
    Ok(Outcome::Done)
}

/// One line when ready, and how to point a client here.
fn announce(address: SocketAddr, asks_for_keys: bool) -> anyhow::Result<()> {
    output::print(&format!("listening on http://{address}"))?;
    let (key, header) = match asks_for_keys {
        true => ("KEY", " OTEL_EXPORTER_OTLP_HEADERS=x-api-key=KEY (`assay key create` makes one)"),
        false => ("any", ""),
    };
    output::note(&format!(
        "LangSmith SDKs: LANGSMITH_TRACING=true LANGSMITH_ENDPOINT=http://{address}/api/v1 LANGSMITH_API_KEY={key}\n\
         OpenTelemetry:  OTEL_EXPORTER_OTLP_ENDPOINT=http://{address}/otel{header}"
    ));
    Ok(())
}

/// Which lines are logged: `RUST_LOG` goes before the setting.
fn filter(log: &Log) -> anyhow::Result<EnvFilter> {
    if std::env::var_os("RUST_LOG").is_some_and(|text| !text.is_empty()) {
        return EnvFilter::try_from_default_env().context("RUST_LOG cannot be used");
    }
    EnvFilter::try_new(&log.level).with_context(|| format!("log.level {:?} cannot be used", log.level))
}

/// Log lines go to standard error. They have routes, counts and times; never
/// what is in a trace, nor keys.
fn log(filter: EnvFilter, is_json: bool) {
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Fails only where a subscriber is set already, which then does the job.
    let _ = if is_json {
        lines.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init()
    } else {
        lines.with_ansi(std::io::stderr().is_terminal()).try_init()
    };
    assay_server::log_panics();
}

/// Resolves at Ctrl-C or a polite request to end; a second one ends at once.
async fn stopped(mut signals: Signals) {
    signals.next().await;
    eprintln!("stopping: open requests are finished first; press Ctrl-C again to stop at once");
    tokio::spawn(async move {
        signals.next().await;
        std::process::exit(130);
    });
}

/// Ctrl-C and polite requests to end. From when this is made, they no longer end the process.
#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn watch() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn watch() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
