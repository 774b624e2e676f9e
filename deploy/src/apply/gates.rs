//! Waiting until a node is healthy, and what to show when it does not become so.

use super::{ApplyError, World, quorum};
use crate::deployment::Node;
use std::time::Duration;

const POLL: Duration = Duration::from_secs(2);
/// How often something is said while waiting.
const REMIND: Duration = Duration::from_secs(30);
const CONSOLE_LINES: usize = 20;
const CONSOLE_BYTES: u64 = 16 << 10;

/// Comes back when all of the node's conditions hold at once, and its Node speaks of another boot than `old_boot`: for most of a
/// minute after a node has gone, Kubernetes has it as Ready. `joins` when its member of etcd may still be without a vote.
pub fn wait(world: &World<'_>, node: &Node, old_boot: Option<&str>, joins: bool) -> Result<(), ApplyError> {
    let hypervisor = world.hypervisor(&node.hypervisor)?;
    let start = world.clock.now();
    let mut said = start;
    loop {
        let promoted = if joins { quorum::promoted(world, node) } else { Ok(()) };
        let holds = promoted.and_then(|()| node.wait_for.iter().try_for_each(|wait| world.services.holds(wait)));
        let Err(reason) = holds.and_then(|()| booted_anew(world, node, old_boot)) else { return Ok(()) };
        if !hypervisor.is_running(&node.domain.name)? {
            let console = console(world, node);
            return Err(ApplyError::NodeStopped { node: node.name.clone(), reason, console });
        }
        let now = world.clock.now();
        if now.saturating_sub(start) >= world.limits.health {
            let seconds = world.limits.health.as_secs();
            let console = console(world, node);
            return Err(ApplyError::NotHealthy { node: node.name.clone(), seconds, reason, console });
        }
        if now.saturating_sub(said) >= REMIND {
            said = now;
            world.say(&node.name, format!("waiting: {reason}"));
        }
        world.clock.sleep(POLL);
    }
}

fn booted_anew(world: &World<'_>, node: &Node, old_boot: Option<&str>) -> Result<(), String> {
    let (Some(name), Some(old)) = (node.kubernetes_node(), old_boot) else { return Ok(()) };
    let nodes = world.services.nodes().map_err(|error| error.to_string())?;
    match nodes.iter().any(|known| known.name == name && known.boot != old) {
        true => Ok(()),
        false => Err(format!("Node {name} has not told yet that it was started anew")),
    }
}

/// The end of what the node printed, as far as it can be had; ready to follow an error message.
fn console(world: &World<'_>, node: &Node) -> String {
    match read_console(world, node) {
        Some(text) if !text.is_empty() => {
            format!("\nThe last lines of its console (all of it: kubi-deploy console {}):\n{text}", node.name)
        }
        _ => String::new(),
    }
}

fn read_console(world: &World<'_>, node: &Node) -> Option<String> {
    let hypervisor = world.hypervisor(&node.hypervisor).ok()?;
    let pool = world.pool(&node.hypervisor).ok()?;
    let file = console_file(&node.domain.name);
    let size = hypervisor.observe(pool).ok()?.pool?.volumes.get(&file)?.capacity;
    let offset = size.saturating_sub(CONSOLE_BYTES);
    let bytes = hypervisor.read_volume(pool, &file, offset, size - offset).ok()?;
    Some(last_lines(&bytes, CONSOLE_LINES))
}

/// The volume that libvirt keeps a domain's console in.
pub fn console_file(domain: &str) -> String {
    format!("{domain}-console.log")
}

/// That, and the older ones that virtlogd puts aside when it becomes long (three, as it is shipped).
pub fn console_files(domain: &str) -> impl Iterator<Item = String> {
    let file = console_file(domain);
    let older: Vec<String> = (0..3).map(|number| format!("{file}.{number}")).collect();
    std::iter::once(file).chain(older)
}

/// Without what would move a terminal's cursor or change its colours.
pub fn last_lines(bytes: &[u8], count: usize) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match c {
            // CSI sequences end with a letter; others are two characters long.
            '\u{1b}' if characters.next() == Some('[') => {
                characters.by_ref().find(|c| c.is_ascii_alphabetic());
            }
            '\n' => plain.push('\n'),
            c if !c.is_control() => plain.push(c),
            _ => {}
        }
    }
    let lines: Vec<&str> = plain.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(count)..].iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_plain_text() {
        let console = b"one\r\n\x1b[0;32m OK \x1b[0m two\r\n\r\n\x1b[2J\x1b[01;01Hthree\x07\n";
        assert_eq!(last_lines(console, 2), "   OK  two\n  three");
        assert_eq!(last_lines(console, 9).lines().count(), 3);
        assert_eq!(last_lines(b"", 3), "");
    }
}
