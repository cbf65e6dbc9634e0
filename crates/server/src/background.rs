//! What the server does by itself, beside answering: one task, at intervals,
//! ended and waited for when the server stops.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::app::App;

/// How often it is written down when keys were used.
const SAVE_USES: Duration = Duration::from_secs(60);

/// The running tasks.
pub(crate) struct Tasks {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Tasks {
    pub(crate) fn start(app: App) -> Self {
        let stop = CancellationToken::new();
        let task = tokio::spawn(work(app, stop.clone()));
        Self { stop, task }
    }

    /// Lets what has begun come to its end.
    pub(crate) async fn end(self) {
        self.stop.cancel();
        if self.task.await.is_err() {
            tracing::error!("the background task had failed");
        }
    }
}

async fn work(app: App, stop: CancellationToken) {
    let mut save_uses = tokio::time::interval(SAVE_USES);
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = save_uses.tick() => save(&app).await,
        }
    }
    save(&app).await;
}

async fn save(app: &App) {
    if let Err(error) = app.access.keys.save_uses(&app.store, app.now()).await {
        tracing::warn!(%error, "when keys were used could not be written down");
    }
}
