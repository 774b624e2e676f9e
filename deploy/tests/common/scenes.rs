//! What happens in many tests: a cluster that runs, one that is changed while somebody is killed.

use super::cluster::TestCluster;
use super::world::Fake;
use kubi_deploy::plan::{Action, Plan, Reason, Step};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The cluster, deployed and healthy.
pub fn running(cluster: &TestCluster) -> Fake {
    let build = cluster.build();
    let fake = Fake::new(&build);
    fake.apply(&build).unwrap();
    fake.forget_log();
    fake
}

/// One whose members of etcd have known each other for a while.
pub fn settled(cluster: &TestCluster) -> Fake {
    let fake = running(cluster);
    *fake.shared.now.lock().unwrap() += Duration::from_secs(60);
    fake
}

/// The calls of an apply that change something. One that is killed while it asks has changed nothing since the last of them.
pub fn points(fake: &Fake, next: &TestCluster) -> Vec<i64> {
    fake.apply(&next.build()).unwrap();
    let log = fake.shared.log.lock().unwrap();
    let asks = |line: &String| line.contains(": observe") || line.starts_with("ask ") || line.contains(": ask ");
    (0_i64..).zip(log.iter()).filter(|(_, line)| !asks(line)).map(|(at, _)| at).collect()
}

/// An apply that ends at a call, and after a while another one, which must leave nothing to do.
pub fn finishes_although_killed(fake: &Fake, next: &TestCluster, killed_at: i64) {
    fake.shared.calls_left.store(killed_at, Ordering::SeqCst);
    // It may have done all that matters.
    let _ = fake.apply(&next.build());
    fake.shared.calls_left.store(i64::MAX, Ordering::SeqCst);
    *fake.shared.now.lock().unwrap() += Duration::from_secs(60);
    fake.apply(&next.build()).unwrap_or_else(|error| panic!("killed at call {killed_at}: {error}\n{:#?}", fake.log()));
    let left = fake.plan(&next.build());
    assert!(left.is_empty(), "killed at call {killed_at}: {left:?}");
}

/// Somebody changes the XML of a domain of machine `one`.
pub fn change_domain(fake: &Fake, name: &str, from: &str, to: &str) {
    let mut inner = fake.machines["one"].inner.lock().unwrap();
    let domain = inner.domains.get_mut(name).unwrap();
    assert!(domain.xml.contains(from), "{name} has no {from}");
    domain.xml = domain.xml.replace(from, to);
}

/// What the plan does to nodes: one string a step.
pub fn nodes(plan: &Plan) -> Vec<String> {
    let verb = |action: Action| format!("{action:?}").to_lowercase();
    plan.steps
        .iter()
        .filter_map(|step| match step {
            Step::FirstBoot { nodes } | Step::Nodes { nodes } => {
                Some(nodes.iter().map(|c| format!("{} {}", verb(c.action), c.node)).collect::<Vec<_>>().join(" + "))
            }
            Step::Remove(removal) => Some(format!("remove {}", removal.node)),
            _ => None,
        })
        .collect()
}

pub fn reasons(plan: &Plan) -> Vec<Reason> {
    plan.changed_nodes().flat_map(|change| change.reasons.clone()).collect()
}
