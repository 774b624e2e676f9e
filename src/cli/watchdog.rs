//! Ends the process when one node takes absurdly long: a recipe's loops may be finite, yet never end in practice.

use super::Exit;
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

/// A node takes milliseconds; RSA keys of 8192 bits, some minutes.
const LIMIT: Duration = Duration::from_secs(30 * 60);

type Running = Arc<Mutex<BTreeMap<String, Instant>>>;

/// Knows since when each node is being worked on.
#[derive(Debug)]
pub struct Watchdog {
    running: Running,
    limit: Duration,
    thread: Once,
}

impl Default for Watchdog {
    /// `KUBI_NODE_TIMEOUT` gives the limit in seconds.
    fn default() -> Self {
        let given = std::env::var("KUBI_NODE_TIMEOUT").ok().and_then(|text| text.parse().ok());
        Self { running: Running::default(), limit: given.map_or(LIMIT, Duration::from_secs), thread: Once::new() }
    }
}

impl Watchdog {
    pub fn started(&self, node: &str) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).insert(node.to_owned(), Instant::now());
        self.thread.call_once(|| {
            let (running, limit) = (Arc::clone(&self.running), self.limit);
            std::thread::spawn(move || watch(&running, limit));
        });
    }

    pub fn done(&self, node: &str) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(node);
    }
}

/// Nothing of an unfinished build is in place yet, so ending the process loses nothing.
fn watch(running: &Running, limit: Duration) {
    loop {
        std::thread::sleep((limit / 10).min(Duration::from_secs(5)));
        let running = running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((node, _)) = running.iter().find(|(_, since)| since.elapsed() > limit) {
            let _ = writeln!(
                std::io::stderr(),
                "error: node {node} has taken more than {} seconds\n  help: look for a loop in your own recipes that \
                 hardly ends; KUBI_NODE_TIMEOUT allows more seconds",
                limit.as_secs()
            );
            std::process::exit(i32::from(Exit::Wrong as u8));
        }
    }
}
