//! etcd as a plan wants to know it: every member that it lists, and which of them answer.

use super::{MemberInfo, Services};
use crate::deployment::Wait;
use crate::observed::{Etcd, MemberUrls, SeenMember};

/// `None` when etcd does not answer, which is not the same as having no members. `urls` is where members are reached, by name.
pub fn look_at_etcd(services: &dyn Services, urls: &MemberUrls) -> Option<Etcd> {
    let members = services.etcd_members().ok()?;
    let leader = urls.values().flatten().find_map(|url| services.etcd_status(url).ok().map(|status| status.leader));
    let leader = leader.and_then(|id| members.iter().find(|member| member.id == id));
    let leader = leader.map(|member| member.name.clone());
    let seen = |member: MemberInfo| SeenMember { healthy: is_healthy(services, urls, &member), info: member };
    Some(Etcd { leader, members: members.into_iter().map(seen).collect() })
}

/// One that is in neither the build nor any domain may still answer where it says that clients find it.
fn is_healthy(services: &dyn Services, urls: &MemberUrls, member: &MemberInfo) -> bool {
    let known: Vec<String> = match urls.get(&member.name) {
        Some(urls) => urls.iter().cloned().collect(),
        None => member.client_urls.clone(),
    };
    known.into_iter().any(|url| services.holds(&Wait::EtcdMember { url }).is_ok())
}
