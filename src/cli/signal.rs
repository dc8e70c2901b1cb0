//! Ctrl-C: the first stops the work cleanly, or the process after a grace period; the second ends the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::error::Error;
use crate::runtime::log::{self, Level};
use crate::runtime::work_dir;

/// The time that the work has to stop cleanly.
const GRACE: Duration = Duration::from_millis(700);
/// The number of the signal on Linux and macOS.
const SIGXFSZ: i32 = 25;

/// Returns a flag that SIGINT and SIGTERM set.
pub(super) fn on_signal() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let switch = stop.clone();
    // without a runtime to receive signals, the system's default handling remains
    if let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() {
        std::thread::spawn(move || runtime.block_on(listen(switch)));
    }
    stop
}

async fn listen(stop: Arc<AtomicBool>) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return;
    };
    // exceeding a limit on the file size must be an error like a full disk, and must not kill the process
    let _too_large = signal(SignalKind::from_raw(SIGXFSZ));
    loop {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        if stop.swap(true, Ordering::Relaxed) {
            std::process::exit(super::INTERRUPTED.into());
        }
        let published = work_dir::published();
        std::thread::spawn(move || end_if_stuck(published));
    }
}

/// Ends a process that is in one long step, such as an SQL function on a huge cell. If publishing has begun, it is
/// completed.
fn end_if_stuck(published: u64) {
    std::thread::sleep(GRACE);
    if work_dir::abandon(published) {
        log::log(Level::Error, &Error::Interrupted.to_string());
        std::process::exit(super::INTERRUPTED.into());
    }
}
