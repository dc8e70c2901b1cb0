//! Ctrl-C: the first ends the work in order, the second ends the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The signal's number, on Linux and macOS.
const SIGXFSZ: i32 = 25;

/// A switch that an interrupt or a termination signal sets.
pub fn on_signal() -> Arc<AtomicBool> {
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
    }
}
