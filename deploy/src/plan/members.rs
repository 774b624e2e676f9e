//! Members that etcd still lists, although nobody runs them: each counts for the quorum, and keeps others from joining.

use super::{Context, OldMember};
use std::collections::BTreeSet;

/// Those in neither the build nor any domain that do not answer. Only when there is no place left where one could run.
pub fn nobodys(context: &Context<'_>) -> Vec<OldMember> {
    let Some(etcd) = context.observed.etcd.as_ref().filter(|_| context.all_seen && context.options.only.is_none())
    else {
        return Vec::new();
    };
    let deployment = &context.build.deployment;
    let domains = context.observed.hypervisors.values().flatten().flat_map(|state| &state.domains);
    let marks = domains.filter(|domain| domain.belongs_to(deployment)).filter_map(|d| d.mark.as_ref());
    let built = deployment.etcd_members().map(|(_, member)| &member.name);
    let names: BTreeSet<&String> = built.chain(marks.map(|mark| &mark.node)).collect();
    let urls: BTreeSet<&String> = deployment.etcd_members().map(|(_, member)| &member.peer_url).collect();
    let unknown = etcd.members.iter().filter(|member| {
        let expected = member.info.name.is_empty() && member.info.peer_urls.iter().any(|url| urls.contains(url));
        !member.healthy && !names.contains(&member.info.name) && !expected
    });
    unknown.map(|member| OldMember { id: member.info.id.clone(), name: member.info.name.clone() }).collect()
}
