//! A pretended etcd, as strict as the real one: nothing without a quorum, no member while another is ill, one learner at a
//! time; a data disk knows its member, one that was removed never comes back, and who joins must name all that are listed.

use std::collections::BTreeMap;
use std::time::Duration;

/// From power on to healthy.
pub const BOOT: Duration = Duration::from_secs(40);
/// So long all members must have been connected before another is taken in.
const CONNECTED: Duration = Duration::from_secs(5);
/// How long a learner copies.
const COPY: Duration = Duration::from_secs(6);

#[derive(Clone, Debug)]
pub struct Member {
    pub id: String,
    /// Empty until it has started.
    pub name: String,
    pub peer_url: String,
    pub learner: bool,
    pub started: bool,
}

/// A guest with a member's bundle that is up.
#[derive(Clone, Debug)]
pub struct Guest {
    pub name: String,
    pub peer_url: String,
    /// By its bundle.
    pub initial: String,
    /// Told by the firmware.
    pub existing: Option<String>,
    /// The member that its data disk belongs to.
    pub id: Option<String>,
    /// Since it was up.
    pub up: Duration,
}

#[derive(Default)]
pub struct Etcd {
    pub members: Vec<Member>,
    pub leader: String,
    made: usize,
    guests: Vec<Guest>,
}

type Answer<T> = Result<T, String>;

fn urls(initial: &str) -> Vec<(String, String)> {
    initial.split(',').filter_map(|entry| entry.split_once('=')).map(|(n, u)| (n.to_owned(), u.to_owned())).collect()
}

impl Etcd {
    /// What came and went since the last call. Gives what is written to empty data disks: ids by name.
    pub fn settle(&mut self, guests: Vec<Guest>) -> BTreeMap<String, String> {
        self.guests = guests;
        let mut written = BTreeMap::new();
        self.form();
        for index in 0..self.guests.len() {
            let guest = self.guests[index].clone();
            let id = guest.id.clone().or_else(|| self.start(&guest));
            if guest.id.is_none() {
                written.extend(id.clone().map(|id| (guest.name.clone(), id)));
            }
            self.guests[index].id = id.clone();
            if let Some(member) = self.members.iter_mut().find(|member| Some(&member.id) == id.as_ref()) {
                (member.name, member.started) = (guest.name, true);
            }
        }
        let leads = |member: &&Member| !member.learner && self.is_up(member);
        if !self.members.iter().any(|member| member.name == self.leader && leads(&member)) && self.has_quorum() {
            self.leader = self.members.iter().find(leads).map(|member| member.name.clone()).unwrap_or_default();
        }
        written
    }

    /// A new cluster, when most of those that it is to have are there, with empty disks.
    fn form(&mut self) {
        let Some(first) = self.guests.iter().find(|guest| guest.id.is_none() && guest.existing.is_none()) else {
            return;
        };
        let initial = urls(&first.initial);
        let there = self.guests.iter().filter(|guest| guest.id.is_none() && guest.initial == first.initial).count();
        if self.made == 0 && there > initial.len() / 2 {
            for (name, peer_url) in initial {
                let id = self.new_id();
                self.members.push(Member { id, name, peer_url, learner: false, started: false });
            }
        }
    }

    fn new_id(&mut self) -> String {
        self.made += 1;
        format!("id-{}", self.made)
    }

    /// The id that a guest with an empty disk finds itself under, if it may start at all.
    fn start(&self, guest: &Guest) -> Option<String> {
        let own = self.members.iter().find(|member| member.peer_url == guest.peer_url && !member.started)?;
        let Some(told) = &guest.existing else { return Some(own.id.clone()) };
        let mut told: Vec<String> = urls(told).into_iter().map(|(_, url)| url).collect();
        let mut listed: Vec<String> = self.members.iter().map(|member| member.peer_url.clone()).collect();
        told.sort();
        listed.sort();
        // Else: member count is unequal.
        (told == listed && self.has_quorum()).then(|| own.id.clone())
    }

    fn guest(&self, member: &Member) -> Option<&Guest> {
        let alone = self.members.len() == 1;
        let same = |guest: &&Guest| guest.id.as_ref() == Some(&member.id);
        self.guests.iter().filter(|guest| alone || guest.peer_url == member.peer_url).find(same)
    }

    pub fn is_up(&self, member: &Member) -> bool {
        self.guest(member).is_some()
    }

    pub fn has_quorum(&self) -> bool {
        let voters: Vec<&Member> = self.members.iter().filter(|member| !member.learner).collect();
        voters.iter().filter(|member| self.is_up(member)).count() > voters.len() / 2
    }

    pub fn named(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.name == name)
    }

    pub fn is_healthy(&self, name: &str) -> bool {
        self.has_quorum() && self.named(name).is_some_and(|member| self.is_up(member))
    }

    fn ask(&self) -> Answer<()> {
        if self.has_quorum() { Ok(()) } else { Err("etcd has no quorum".into()) }
    }

    pub fn list(&self) -> Answer<Vec<Member>> {
        self.ask().map(|()| self.members.clone())
    }

    pub fn add_learner(&mut self, peer_url: &str, now: Duration) -> Answer<()> {
        self.ask()?;
        if self.members.iter().any(|member| member.peer_url == peer_url) {
            return Err("Peer URLs already exists".into());
        }
        if self.members.iter().any(|member| member.learner) {
            return Err("too many learner members in cluster".into());
        }
        let connected = |member: &Member| self.guest(member).is_some_and(|guest| now >= guest.up + CONNECTED);
        if !self.members.iter().all(connected) {
            return Err("unhealthy cluster".into());
        }
        let id = self.new_id();
        let peer_url = peer_url.to_owned();
        self.members.push(Member { id, name: String::new(), peer_url, learner: true, started: false });
        Ok(())
    }

    pub fn promote(&mut self, id: &str, now: Duration) -> Answer<()> {
        self.ask()?;
        let member = self.members.iter().find(|member| member.id == id).ok_or("member not found")?;
        if !member.learner {
            return Err("can only promote a learner member".into());
        }
        let copied = self.guest(member).is_some_and(|guest| now >= guest.up + COPY);
        if !copied {
            return Err("can only promote a learner member which is in sync with leader".into());
        }
        self.members.iter_mut().filter(|member| member.id == id).for_each(|member| member.learner = false);
        Ok(())
    }

    pub fn update(&mut self, id: &str, peer_url: &str) -> Answer<()> {
        self.ask()?;
        let member = self.members.iter_mut().find(|member| member.id == id).ok_or("member not found")?;
        member.peer_url = peer_url.to_owned();
        Ok(())
    }

    /// Refuses what would leave those that remain without a quorum.
    pub fn remove(&mut self, id: &str) -> Answer<()> {
        self.ask()?;
        let gone = self.members.iter().find(|member| member.id == id).ok_or("member not found")?;
        let left: Vec<&Member> = self.members.iter().filter(|member| member.id != id && !member.learner).collect();
        let up = left.iter().filter(|member| self.is_up(member)).count();
        if !gone.learner && up < left.len() / 2 + 1 {
            return Err("unhealthy cluster".into());
        }
        self.members.retain(|member| member.id != id);
        Ok(())
    }
}
