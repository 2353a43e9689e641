//! Crash points: in a debug build the process can be told to kill itself at the k-th boundary of a durable write or a
//! send, so that a test can be sure of having tried each.

/// Names the boundary at which to die, counted from 1. At 0 none is, but all are logged and can be counted.
#[cfg(debug_assertions)]
const VARIABLE: &str = "ATALAYA_CRASH_AT";

/// Counts and logs a boundary, and dies at the one that `ATALAYA_CRASH_AT` names: by SIGKILL, so that nothing is
/// cleaned up.
#[cfg(debug_assertions)]
pub(super) fn boundary(name: &str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static PASSED: AtomicU64 = AtomicU64::new(0);
    static DIE_AT: OnceLock<Option<u64>> = OnceLock::new();
    let Some(die_at) = DIE_AT.get_or_init(|| std::env::var(VARIABLE).ok()?.parse().ok()) else { return };
    let passed = PASSED.fetch_add(1, Ordering::SeqCst) + 1;
    tracing::info!(crash_point = passed, boundary = name, "passing a crash point");
    if passed == *die_at {
        // If it fails, the test sees a process that has not died.
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    }
}

/// In a release build there are no crash points.
#[cfg(not(debug_assertions))]
pub(super) fn boundary(_name: &str) {}
