//! Progress on standard error: one bar per stage with rate and time left.
//! Silent where nobody watches.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::Duration;

use crate::output;
use assay_insights::context::{Progress, Stage};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

pub(crate) struct Bars {
    current: Mutex<ProgressBar>,
}

impl Bars {
    pub(crate) fn new() -> Self {
        Self { current: Mutex::new(ProgressBar::hidden()) }
    }

    /// A bar for `total` units, or a spinner where the total is not known.
    pub(crate) fn start(&self, label: &str, total: u64, is_bytes: bool) {
        self.finish();
        let bar = if total > 0 { ProgressBar::new(total) } else { ProgressBar::new_spinner() };
        if !std::io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        let template = match (total > 0, is_bytes) {
            (true, true) => "{msg:16} {bar:28} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left",
            (true, false) => "{msg:16} {bar:28} {human_pos}/{human_len}  {per_sec}  {eta} left",
            (false, true) => "{msg:16} {spinner} {bytes}  {bytes_per_sec}",
            (false, false) => "{msg:16} {spinner} {elapsed}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("━╸ "));
        }
        bar.set_message(label.to_owned());
        bar.enable_steady_tick(Duration::from_millis(150));
        *self.lock() = bar;
    }

    pub(crate) fn add(&self, done: u64) {
        self.lock().inc(done);
    }

    pub(crate) fn set(&self, done: u64) {
        self.lock().set_position(done);
    }

    pub(crate) fn finish(&self) {
        self.lock().finish_and_clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, ProgressBar> {
        self.current.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Progress for Bars {
    fn begin(&self, stage: Stage, total: usize) {
        self.start(stage.label(), total as u64, false);
    }

    fn advance(&self, done: usize) {
        self.add(done as u64);
    }

    fn waiting(&self, provider: Option<&str>) {
        let Some(provider) = provider else { return };
        // Said above the bar, and where nobody watches a bar, too: it may take minutes.
        self.lock().suspend(|| output::note(&format!("waiting for {provider}")));
    }
}
