//! Sockets: accepting, timing out, draining.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::app::{App, Config};
use crate::insights::Workers;
use crate::{access, background, prices, projects, router};

/// How often a silent HTTP/2 client is asked whether it is still there.
const PING: Duration = Duration::from_secs(30);

/// Why the server could not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("cannot listen on {address}: {source}; choose another address with {flag}, or stop what uses it")]
    Listen { address: SocketAddr, flag: &'static str, source: io::Error },
    #[error("cannot prepare the store: {0}")]
    Store(#[from] assay_store::Error),
    #[error(
        "will not listen on {address} without keys: others can reach it; make one with `assay key create --role admin`, \
         or say --allow-anonymous if everybody who reaches it may read and delete everything"
    )]
    NoKeys { address: SocketAddr },
}

/// A server that has its sockets and answers once it [runs](Bound::run).
pub struct Bound {
    app: App,
    http: TcpListener,
    grpc: Option<TcpListener>,
}

/// Takes the sockets of the configuration, and makes the project every workspace has.
///
/// Refuses addresses that others can reach where no key was ever made, unless
/// the configuration allows anonymous requests.
pub async fn bind(app: App) -> Result<Bound, ServeError> {
    projects::ensure_default(&app).await?;
    prices::load(&app).await?;
    app.access.keys.load(&app.store).await?;
    if app.access.keys.is_empty() && !access::is_private(&app.config) && !app.config.allow_anonymous {
        return Err(ServeError::NoKeys { address: app.config.listen });
    }
    let http = listen("--listen", app.config.listen).await?;
    let grpc = match app.config.grpc {
        Some(address) => Some(listen("--grpc", address).await?),
        None => None,
    };
    Ok(Bound { app, http, grpc })
}

async fn listen(flag: &'static str, address: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).await.map_err(|source| ServeError::Listen { address, flag, source })
}

impl Bound {
    /// Where HTTP is served; useful where the port was 0.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.http.local_addr()
    }

    /// Where OTLP over gRPC is taken, if it is.
    #[must_use]
    pub fn grpc_address(&self) -> Option<SocketAddr> {
        self.grpc.as_ref()?.local_addr().ok()
    }

    /// Whether requests need a key now.
    pub async fn asks_for_keys(&self) -> Result<bool, ServeError> {
        self.app.access.keys.load(&self.app.store).await?;
        Ok(access::asks_with(&self.app))
    }

    /// The configuration in force.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.app.config
    }

    /// Answers requests until `stop` resolves, then lets open ones end.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let graceful = GracefulShutdown::new();
        let background = background::Tasks::start(self.app.clone());
        let workers = Workers::start(&self.app);
        let stopped = CancellationToken::new();
        let head_timeout = self.app.config.head_timeout;
        let http =
            accept_all(self.http, router::service(self.app.clone()), &graceful, &stopped, head_timeout);
        let grpc = async {
            if let Some(grpc) = self.grpc {
                accept_all(grpc, router::grpc(self.app.clone()), &graceful, &stopped, head_timeout).await;
            }
        };
        let stop = async {
            stop.await;
            stopped.cancel();
            self.app.insights.stop.cancel();
        };
        tokio::join!(http, grpc, stop);
        tokio::select! {
            () = graceful.shutdown() => {}
            () = tokio::time::sleep(self.app.config.drain) => {
                tracing::warn!("requests were still open when the time for draining ended");
            }
        }
        workers.end().await;
        background.end().await;
    }
}

/// Takes connections until `stopped`.
async fn accept_all<S>(
    listener: TcpListener,
    service: S,
    graceful: &GracefulShutdown,
    stopped: &CancellationToken,
    head_timeout: Duration,
) where
    S: tower::Service<axum::extract::Request, Response = axum::response::Response, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopped.cancelled() => return,
        };
        match accepted {
            Ok((stream, _)) => converse(stream, service.clone(), graceful, head_timeout),
            // Too many open files, or a client that gave up: the next one may fare better.
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// Answers on one connection until either side ends it.
fn converse<S>(stream: TcpStream, service: S, graceful: &GracefulShutdown, head_timeout: Duration)
where
    S: tower::Service<
            axum::extract::Request,
            Response = axum::response::Response,
            Error = std::convert::Infallible,
        > + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    // Answers are small and awaited; delaying them to fill packets helps nobody.
    let _ = stream.set_nodelay(true);
    let has_asked = Arc::new(AtomicBool::new(false));
    let asking = Arc::clone(&has_asked);
    let service = service.map_request(move |request: http::Request<Incoming>| {
        asking.store(true, Ordering::Relaxed);
        request.map(axum::body::Body::new)
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(head_timeout).max_buf_size(64 << 10);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(256).keep_alive_interval(PING);
    let connection = builder
        .serve_connection_with_upgrades(TokioIo::new(stream), TowerToHyperService::new(service))
        .into_owned();
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        // Before the first bytes tell which HTTP it is, nobody else looks at the clock.
        let silence = async {
            tokio::time::sleep(head_timeout).await;
            if has_asked.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            ended = connection => if let Err(error) = ended {
                tracing::debug!(%error, "a connection ended badly");
            },
            () = silence => tracing::debug!("a connection asked for nothing in time"),
        }
    });
}
