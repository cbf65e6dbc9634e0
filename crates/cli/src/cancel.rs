//! Ctrl-C: the first asks the work to stop at its next safe point, the second ends the process.

use std::sync::atomic::{AtomicBool, Ordering};

static STOP: AtomicBool = AtomicBool::new(false);

/// Listens from now on. Where that cannot be had, Ctrl-C ends the process at
/// once, which loses nothing that was acknowledged.
pub(crate) fn install() {
    let listening = ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
        eprintln!("\nstopping; press Ctrl-C again to stop at once");
    });
    drop(listening);
}

/// Set once somebody pressed Ctrl-C.
pub(crate) fn flag() -> &'static AtomicBool {
    &STOP
}

pub(crate) fn is_asked() -> bool {
    STOP.load(Ordering::Relaxed)
}
