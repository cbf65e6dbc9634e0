//! Sockets: accepting, timing out, draining.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt as _;

use crate::app::{App, Config};
use crate::{access, background, projects, router};

/// So long may a client take for the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);

/// Why the server could not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(
        "cannot listen on {address}: {source}; choose another address with --listen, or stop what uses it"
    )]
    Listen { address: SocketAddr, source: io::Error },
    #[error("cannot prepare the store: {0}")]
    Store(#[from] assay_store::Error),
    #[error(
        "will not listen on {address} without keys: others can reach it; make a key with `assay keys create`, \
         listen on 127.0.0.1, or say --allow-anonymous if everybody who reaches it may read and delete everything"
    )]
    NoKeys { address: SocketAddr },
}

/// A server that has its sockets and answers once it [runs](Bound::run).
pub struct Bound {
    app: App,
    http: TcpListener,
}

/// Takes the sockets of the configuration, and makes the project every workspace has.
///
/// Refuses addresses that others can reach where no key was ever made, unless
/// the configuration allows anonymous requests.
pub async fn bind(app: App) -> Result<Bound, ServeError> {
    projects::ensure_default(&app).await?;
    let address = app.config.listen;
    app.access.keys.load(&app.store).await?;
    if app.access.keys.is_empty() && !access::is_private(&app.config) && !app.config.allow_anonymous {
        return Err(ServeError::NoKeys { address });
    }
    let http = TcpListener::bind(address).await.map_err(|source| ServeError::Listen { address, source })?;
    Ok(Bound { app, http })
}

impl Bound {
    /// Where HTTP is served; useful where the port was 0.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.http.local_addr()
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
        let service = router::service(self.app.clone());
        let mut stop = std::pin::pin!(stop);
        loop {
            let accepted = tokio::select! {
                accepted = self.http.accept() => accepted,
                () = &mut stop => break,
            };
            match accepted {
                Ok((stream, _)) => converse(stream, service.clone(), &graceful),
                // Too many open files, or a client that gave up: the next one may fare better.
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
        drop(self.http);
        tokio::select! {
            () = graceful.shutdown() => {}
            () = tokio::time::sleep(self.app.config.drain) => {
                tracing::warn!("requests were still open when the time for draining ended");
            }
        }
        background.end().await;
    }
}

fn converse<S>(stream: TcpStream, service: S, graceful: &GracefulShutdown)
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
    let service = service.map_request(|request: http::Request<Incoming>| request.map(axum::body::Body::new));
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(64 << 10);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(256);
    let connection = builder
        .serve_connection_with_upgrades(TokioIo::new(stream), TowerToHyperService::new(service))
        .into_owned();
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection ended badly");
        }
    });
}
