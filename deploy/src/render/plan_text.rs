//! A plan as text: what, why, in which order, and what is at risk.

use super::{bytes, short};
use crate::plan::{Action, Member, NodeChange, Plan, Reason, Step};
use std::fmt::Write as _;

pub fn plan_text(plan: &Plan) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    for problem in &plan.problems {
        let _ = writeln!(out, "problem: {problem}");
    }
    if plan.is_empty() {
        let _ = match plan.problems.is_empty() {
            true => writeln!(out, "{}: build {} is what runs; nothing to do", plan.cluster, plan.build),
            false => writeln!(out, "{}: nothing else to do on the way to build {}", plan.cluster, plan.build),
        };
        return out;
    }
    let _ = writeln!(out, "{}: to build {}", plan.cluster, plan.build);
    for (index, step) in plan.steps.iter().enumerate() {
        let _ = write!(out, "{:>3}. ", index + 1);
        step_text(&mut out, step);
    }
    if plan.look_again {
        let _ = writeln!(out, "     then looks again: what the pool holds decides what else is to be done");
    }
    for risk in &plan.risks {
        let _ = writeln!(out, "risk: {risk}");
    }
    let nodes = plan.changed_nodes().count();
    let _ = writeln!(out, "{} step(s), {nodes} node(s)", plan.steps.len());
    out
}

fn step_text(out: &mut String, step: &Step) {
    let _ = match step {
        Step::CreatePool { hypervisor, pool, directory } => {
            writeln!(out, "{hypervisor}: make pool {pool} in {directory}")
        }
        Step::StartPool { hypervisor, pool } => writeln!(out, "{hypervisor}: start pool {pool}"),
        Step::DefineNetwork { hypervisor, network } => {
            writeln!(out, "{hypervisor}: define and start network {network}")
        }
        Step::StartNetwork { hypervisor, network } => writeln!(out, "{hypervisor}: start network {network}"),
        Step::ChangeNetwork { hypervisor, network, differences } => {
            writeln!(out, "{hypervisor}: change network {network}: {}", differences.join("; "))
        }
        Step::Upload { hypervisor, file, size, done } => match done {
            0 => writeln!(out, "{hypervisor}: upload {} ({})", short(file), bytes(*size)),
            _ => writeln!(
                out,
                "{hypervisor}: upload the rest of {} ({} of {})",
                short(file),
                bytes(size - done),
                bytes(*size)
            ),
        },
        Step::FirstBoot { nodes } => {
            let _ = writeln!(out, "start all at once:");
            nodes.iter().try_for_each(|change| writeln!(out, "       {}", change_text(change)))
        }
        Step::Nodes { nodes } => match nodes.as_slice() {
            [change] => writeln!(out, "{}", change_text(change)),
            _ => {
                let _ = writeln!(out, "together:");
                nodes.iter().try_for_each(|change| writeln!(out, "       {}", change_text(change)))
            }
        },
        Step::Uncordon { node } => writeln!(out, "let pods come to {node} again: an interrupted run has cordoned it"),
        Step::Remove(removal) => {
            let why = match &removal.moved_to {
                Some(to) => format!("moves to {to}"),
                None => "is not in the build".to_owned(),
            };
            let member = if removal.etcd_member { "; etcd forgets the member" } else { "" };
            let data = removal.data_volumes.iter().map(|volume| format!("; keeps {volume}")).collect::<String>();
            writeln!(out, "remove {} from {}: {why}{member}{data}", removal.node, removal.hypervisor)
        }
        Step::RemoveNetwork { hypervisor, network } => {
            writeln!(out, "remove network {network} from {hypervisor}, which is not in the build")
        }
        Step::ForgetMember(old) => writeln!(out, "etcd forgets {}: nobody runs it", old.label()),
    };
}

fn change_text(change: &NodeChange) -> String {
    let verb = match change.action {
        Action::Create => "create",
        Action::Replace => "replace",
        Action::Start => "start",
        Action::Wait => "wait for",
    };
    let mut text = format!("{verb} {} on {}: ", change.node, change.hypervisor);
    text.push_str(&change.reasons.iter().map(reason_text).collect::<Vec<_>>().join(", "));
    if change.drain {
        text.push_str("; pods move first");
    }
    match change.member {
        Some(Member::Leader) if change.action == Action::Replace => text.push_str("; leads etcd"),
        _ => {}
    }
    if change.join_etcd {
        text.push_str("; joins etcd anew");
    }
    if let Some(data) = &change.new_data {
        let _ = write!(text, "; makes data disk {} ({})", data.volume, bytes(data.size));
    }
    text
}

fn reason_text(reason: &Reason) -> String {
    let none = || "none".to_owned();
    let optional = |name: &Option<String>| name.as_deref().map_or_else(none, short);
    match reason {
        Reason::New => "new".to_owned(),
        Reason::Moves { from } => format!("moves from {from}"),
        Reason::Bundle { from, to } => format!("bundle {} -> {}", short(from), short(to)),
        Reason::Base { from, to } => format!("base {} -> {}", short(from), short(to)),
        Reason::Artifacts { from, to } => format!("artifact disk {} -> {}", optional(from), optional(to)),
        Reason::Overlay { from, to } => format!("overlay {} -> {}", short(from), short(to)),
        Reason::Definition => "domain XML".to_owned(),
        Reason::DataMissing => "its data disk is gone".to_owned(),
        Reason::RootMissing => "its throw-away layer is missing".to_owned(),
        Reason::DataGrows { from, to } => format!("data disk {} -> {}", bytes(*from), bytes(*to)),
        Reason::NetworkChanges { network } => format!("network {network} changes"),
        Reason::Stopped => "does not run".to_owned(),
        Reason::NeverHealthy => "started, but not yet seen healthy".to_owned(),
    }
}
