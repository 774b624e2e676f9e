//! Noticing that a hypervisor does not answer any more: libvirt's keep-alive messages, and a time limit around calls.

use std::sync::{Once, mpsc};
use std::thread;
use std::time::Duration;
use virt::connect::Connect;
use virt::event::{event_register_default_impl, event_run_default_impl};

/// Seconds between two messages, and how many may go unanswered.
const INTERVAL: i32 = 5;
const UNANSWERED: u32 = 3;

static EVENTS: Once = Once::new();

/// libvirt answers and sends keep-alive messages in its event loop only, which must be there before a connection is opened.
pub fn start_events() {
    EVENTS.call_once(|| {
        if event_register_default_impl().is_ok() {
            // Ends with the process. Without it a dead connection is noticed by the time limits alone.
            thread::spawn(|| while event_run_default_impl().is_ok() {});
        }
    });
}

/// A driver without a daemon knows no keep-alive; it needs none.
pub fn keep_alive(connect: &Connect) {
    let _ = connect.set_keep_alive(INTERVAL, UNANSWERED);
}

/// `None` when the work takes longer. It is left alone then: libvirt's calls cannot be cancelled.
pub fn within<T: Send + 'static>(limit: Duration, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (sender, receiver) = mpsc::channel();
    // Nobody listens any more when it comes too late.
    thread::spawn(move || drop(sender.send(work())));
    receiver.recv_timeout(limit).ok()
}

/// ssh must not ask anybody for a password: several connections are opened at once, often with no terminal.
pub fn without_questions(uri: &str) -> String {
    let is_ssh = uri.split_once("://").is_some_and(|(scheme, _)| scheme.ends_with("+ssh"));
    match (is_ssh && !uri.contains("no_tty="), uri.contains('?')) {
        (false, _) => uri.to_owned(),
        (true, true) => format!("{uri}&no_tty=1"),
        (true, false) => format!("{uri}?no_tty=1"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ssh_asks_nobody() {
        for (uri, expected) in [
            ("qemu:///system", "qemu:///system"),
            ("qemu+ssh://h/system", "qemu+ssh://h/system?no_tty=1"),
            ("qemu+ssh://h/system?keyfile=/k", "qemu+ssh://h/system?keyfile=/k&no_tty=1"),
            ("qemu+ssh://h/system?no_tty=0", "qemu+ssh://h/system?no_tty=0"),
        ] {
            assert_eq!(without_questions(uri), expected);
        }
    }

    #[test]
    fn what_takes_too_long_is_not_waited_for() {
        assert_eq!(within(Duration::from_secs(60), || 7), Some(7));
        assert_eq!(within(Duration::from_millis(1), || thread::sleep(Duration::from_secs(5))), None);
    }
}
