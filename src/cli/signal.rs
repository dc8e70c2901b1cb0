//! Ctrl-C: the first ends the work in order, or where it is if it does not end at once; the second ends the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::error::Error;
use crate::runtime::log::{self, Level};
use crate::runtime::work_dir;

/// How long the work may take to end in order.
const GRACE: Duration = Duration::from_millis(700);
/// The signal's number, on Linux and macOS.
const SIGXFSZ: i32 = 25;

/// A switch that an interrupt or a termination signal sets.
pub(super) fn on_signal() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let switch = stop.clone();
    // without signals to listen to, the system's own handling stays as it is
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
    // writing beyond a limit on the size of files is an error like a full disk, and no reason to die wordlessly
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

/// Ends a process that is inside of one long step, such as a function of SQL over a huge cell. What has begun to be
/// published comes to its end.
fn end_if_stuck(published: u64) {
    std::thread::sleep(GRACE);
    if work_dir::abandon(published) {
        log::log(Level::Error, &Error::Interrupted.to_string());
        std::process::exit(super::INTERRUPTED.into());
    }
}
