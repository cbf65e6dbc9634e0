//! What the server does by itself, beside answering: one task, at intervals,
//! ended and waited for when the server stops.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::{prices, retention};

/// How often it is written down when keys were used.
const SAVE_USES: Duration = Duration::from_secs(60);
/// How often it is looked for prices that other processes changed.
const LOAD_PRICES: Duration = Duration::from_secs(1);
/// How often the store may do what can wait, if it has nothing else to do.
const TIDY: Duration = Duration::from_millis(500);
const TIDY_PORTIONS: usize = 20;

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
    let mut expire = tokio::time::interval(app.config.retention_every);
    expire.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut tidy_up = tokio::time::interval(TIDY);
    tidy_up.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut load_prices = tokio::time::interval(LOAD_PRICES);
    load_prices.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = load_prices.tick() => reload_prices(&app).await,
            _ = tidy_up.tick() => tidy(&app, &stop).await,
            _ = save_uses.tick() => save(&app).await,
            // Each portion is whole by itself: what is left goes next time.
            _ = expire.tick() => tokio::select! {
                () = stop.cancelled() => break,
                () = sweep(&app) => {}
            },
        }
    }
    save(&app).await;
}

async fn reload_prices(app: &App) {
    if let Err(error) = prices::load(app).await {
        tracing::warn!(%error, "the price map could not be read; the prices before it stay in force");
    }
}

async fn sweep(app: &App) {
    if let Err(error) = retention::sweep(app).await {
        tracing::warn!(%error, "expired traces could not be deleted; it is tried again");
    }
}

/// Has the store do what makes questions quick, as long as nothing is coming
/// in, but not so long that others would have to wait.
async fn tidy(app: &App, stop: &CancellationToken) {
    for _ in 0..TIDY_PORTIONS {
        if stop.is_cancelled() || app.store.activity().waiting_bytes > 0 {
            break;
        }
        match app.store.tidy().await {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => {
                tracing::warn!(%error, "the store could not be tidied up");
                break;
            }
        }
    }
}

async fn save(app: &App) {
    if let Err(error) = app.access.keys.save_uses(&app.store, app.now()).await {
        tracing::warn!(%error, "when keys were used could not be written down");
    }
}
