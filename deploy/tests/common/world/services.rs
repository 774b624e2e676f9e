//! The pretended cluster's services: what etcd and Kubernetes answer follows from what runs.

use super::super::etcd::{Etcd, Member};
use super::Fake;
use kubi_deploy::deployment::Wait;
use kubi_deploy::services::{MemberInfo, MemberStatus, NodeInfo, Pod, ServiceError, Services};

impl Services for Fake {
    fn holds(&self, wait: &Wait) -> Result<(), String> {
        let failed = |error: ServiceError| error.to_string();
        match wait {
            Wait::EtcdMember { url } => {
                let name = self.addresses.lock().unwrap().get(url).cloned().ok_or("nobody is there")?;
                self.ask(format!("ask for the health of {name}")).map_err(failed)?;
                let healthy = self.state.lock().unwrap().etcd.is_healthy(&name);
                if healthy { Ok(()) } else { Err("etcd is not healthy".into()) }
            }
            Wait::ApiServer { url } => {
                let name = self.node(|n| n.wait_for.contains(&Wait::ApiServer { url: url.clone() })).unwrap().name;
                self.ask(format!("ask for the API of {name}")).map_err(failed)?;
                let etcd = self.state.lock().unwrap().etcd.has_quorum();
                self.up(&name).filter(|_| etcd).map(drop).ok_or_else(|| "not up".into())
            }
            Wait::Node { name, label } => {
                self.ask(format!("ask for Node {name}")).map_err(failed)?;
                let (bundle, _) = self.told(name).ok_or("not up")?;
                if bundle[7..70] == **label { Ok(()) } else { Err("another label".into()) }
            }
        }
    }

    fn etcd_status(&self, url: &str) -> Result<MemberStatus, ServiceError> {
        let name = self.addresses.lock().unwrap().get(url).cloned().unwrap_or_default();
        self.etcd(format!("ask for the status of {name}"), |etcd| {
            let own = etcd.named(&name).filter(|member| etcd.is_up(member)).ok_or("down")?;
            let leader = etcd.named(&etcd.leader).map(|leader| leader.id.clone()).unwrap_or_default();
            let version = "3.6".to_owned();
            Ok(MemberStatus { id: own.id.clone(), leader, version, database_size: 1 })
        })
    }

    fn etcd_members(&self) -> Result<Vec<MemberInfo>, ServiceError> {
        let members = self.etcd("ask for etcd's members".into(), |etcd| etcd.list())?;
        let info = |member: Member| MemberInfo {
            id: member.id,
            name: member.name,
            peer_urls: vec![member.peer_url],
            client_urls: Vec::new(),
            learner: member.learner,
        };
        Ok(members.into_iter().map(info).collect())
    }

    fn etcd_add_learner(&self, peer_url: &str) -> Result<(), ServiceError> {
        self.etcd(format!("etcd: add {peer_url}"), |etcd| etcd.add_learner(peer_url, self.shared.now()))
    }

    fn etcd_promote(&self, id: &str) -> Result<(), ServiceError> {
        self.etcd(format!("ask etcd to promote {id}"), |etcd| etcd.promote(id, self.shared.now()))
    }

    fn etcd_update(&self, id: &str, peer_url: &str) -> Result<(), ServiceError> {
        self.etcd(format!("etcd: {id} is at {peer_url}"), |etcd| etcd.update(id, peer_url))
    }

    fn etcd_remove(&self, id: &str) -> Result<(), ServiceError> {
        let name = |etcd: &Etcd| etcd.members.iter().find(|m| m.id == id).map(|m| m.name.clone()).unwrap_or_default();
        let name = name(&self.state.lock().unwrap().etcd);
        self.etcd(format!("etcd: remove {name}"), |etcd| etcd.remove(id))
    }

    fn etcd_move_leader(&self, from: &str, to: &str) -> Result<(), ServiceError> {
        let from = self.addresses.lock().unwrap().get(from).cloned().unwrap_or_default();
        let name = |etcd: &Etcd| etcd.members.iter().find(|m| m.id == to).map(|m| m.name.clone()).unwrap_or_default();
        let to = name(&self.state.lock().unwrap().etcd);
        self.etcd(format!("etcd: {from} hands over to {to}"), |etcd| {
            etcd.leader = to;
            Ok(())
        })
    }

    fn nodes(&self) -> Result<Vec<NodeInfo>, ServiceError> {
        self.ask("ask for Nodes".into())?;
        let nodes = self.kubernetes_nodes.lock().unwrap().clone();
        let etcd = self.state.lock().unwrap().etcd.has_quorum();
        if !etcd || !nodes.iter().any(|name| name.starts_with("c-") && self.up(name).is_some()) {
            return Err(self.refused("no API server"));
        }
        self.hiccup()?;
        let cordoned = self.state.lock().unwrap().cordoned.clone();
        let info = |name: &String| NodeInfo {
            name: name.clone(),
            ready: self.told(name).is_some(),
            schedulable: !cordoned.contains(name),
            cordoned: cordoned.contains(name),
            tainted: self.tainted.lock().unwrap().contains(name),
            boot: self.told.lock().unwrap().get(name).map(|(.., since)| format!("{since:?}")).unwrap_or_default(),
            ..NodeInfo::default()
        };
        Ok(nodes.iter().map(info).collect())
    }

    fn cordon(&self, node: &str) -> Result<(), ServiceError> {
        self.ask(format!("kubernetes: cordon {node}"))?;
        self.state.lock().unwrap().cordoned.insert(node.to_owned());
        Ok(())
    }

    fn uncordon(&self, node: &str) -> Result<(), ServiceError> {
        self.ask(format!("kubernetes: uncordon {node}"))?;
        self.state.lock().unwrap().cordoned.remove(node);
        Ok(())
    }

    fn pods(&self, node: &str) -> Result<Vec<Pod>, ServiceError> {
        self.ask(format!("ask for pods on {node}"))?;
        self.hiccup()?;
        let state = self.state.lock().unwrap();
        Ok(state.pods.iter().filter(|pod| pod.node == node).cloned().collect())
    }

    fn evict(&self, pod: &Pod) -> Result<Option<String>, ServiceError> {
        let held = self.state.lock().unwrap().held.contains(&pod.name);
        self.ask(format!("{}kubernetes: evict {}", if held { "ask " } else { "" }, pod.name))?;
        let mut state = self.state.lock().unwrap();
        if held {
            return Ok(Some("the disruption budget b has none to spare".into()));
        }
        state.pods.retain(|other| other.name != pod.name);
        Ok(None)
    }

    fn delete_node(&self, node: &str) -> Result<(), ServiceError> {
        self.ask(format!("kubernetes: delete {node}"))?;
        self.state.lock().unwrap().deleted_nodes.push(node.to_owned());
        self.kubernetes_nodes.lock().unwrap().remove(node);
        Ok(())
    }

    fn taint(&self, node: &str, wanted: &[String]) -> Result<(), ServiceError> {
        self.ask(format!("kubernetes: taint {node}"))?;
        assert!(self.told(node).is_some(), "{node} is not there yet");
        self.state.lock().unwrap().taints.insert(node.to_owned(), wanted.to_vec());
        Ok(())
    }
}
