//! What a story or a random run does to hosts: power, disks, pauses, cuts, configs.

use crate::host::Host;
use crate::world::{World, address};
use quorate_node::{Input, Status};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

impl World {
    /// Something breaks: it is counted, and what comes of it may be told.
    pub(crate) fn is_disturbed(&mut self) {
        self.disturbances += 1;
        self.checks.disturbed();
    }

    /// One of the hosts, drawn.
    pub(crate) fn any_host(&mut self) -> usize {
        let hosts = self.hosts.len() as u64;
        usize::try_from(self.random.below(hosts)).unwrap_or(0)
    }

    /// Power loss on a host: volatile state and unsynced writes are gone.
    pub fn crash(&mut self, host: usize) {
        if self.hosts[host].process.take().is_some() {
            self.note(|| format!("n{} loses power", host + 1));
            self.cut_off_writes(host);
            self.hosts[host].paused_until = None;
        }
    }

    /// A new disk, at the next start a new host at the old address.
    pub fn wipe(&mut self, host: usize) {
        self.crash(host);
        self.note(|| format!("n{} loses its disk", host + 1));
        self.checks.disk_lost(host);
        self.hosts[host].disk.wipe();
    }

    /// `rm -rf` of the data directory on a host that is off.
    pub fn remove_data(&mut self, host: usize) {
        self.crash(host);
        self.note(|| format!("n{} loses its data directory", host + 1));
        self.hosts[host].disk.remove_data();
    }

    /// Asks a daemon to stop in good order.
    pub fn stop(&mut self, host: usize) {
        self.ask_to_stop(host, Input::Stop);
    }

    /// The same, once it can be spared.
    pub fn stop_in_turn(&mut self, host: usize) {
        self.ask_to_stop(host, Input::StopInTurn);
    }

    fn ask_to_stop(&mut self, host: usize, how: Input) {
        self.note(|| format!("n{} is stopped", host + 1));
        if let Some(process) = &mut self.hosts[host].process {
            process.asked_to_stop = true;
        }
        self.give(host, how);
    }

    /// Another list of seeds in a host's config, read at its next start.
    pub fn set_seeds(&mut self, host: usize, seeds: &[usize]) {
        self.hosts[host].seeds = seeds.iter().map(|seed| address(*seed).to_string()).collect();
        self.hosts[host].slot = seeds.iter().position(|seed| *seed == host);
    }

    /// The packets of a host leave from another address than the one at which it is reached, from its next start on.
    pub fn leave_from_elsewhere(&mut self, host: usize) {
        let SocketAddr::V4(mut other) = address(host) else { return };
        let [.., last] = other.ip().octets();
        other.set_ip(Ipv4Addr::new(10, 0, 1, last));
        self.hosts[host].leaves_from = Some(other.into());
    }

    /// A host's disk becomes a copy of another's, as when a virtual machine is cloned.
    pub fn copy_disk(&mut self, from: usize, to: usize) {
        self.note(|| format!("n{} gets a copy of the disk of n{}", to + 1, from + 1));
        self.hosts[to].disk = self.hosts[from].disk.copy();
        self.checks.clone_begins(from, to);
    }

    /// Cuts a host off from all others.
    pub fn isolate(&mut self, host: usize) {
        self.note(|| format!("n{} is cut off", host + 1));
        for other in (0..self.hosts.len()).filter(|other| *other != host) {
            self.network.cut_both(host, other);
        }
    }

    /// The host that leads, the one of the highest term if several think so.
    #[must_use]
    pub fn leader(&self) -> Option<usize> {
        let leads = |host: &Host| host.process.as_ref()?.node.vitals().leads_in;
        let led =
            self.hosts.iter().enumerate().filter_map(|(index, host)| Some((leads(host)?, index)));
        led.max().map(|(_, index)| index)
    }

    /// What a host's node says of itself; none of one that does not run.
    pub(crate) fn status(&self, host: usize) -> Option<Status> {
        self.hosts[host].process.as_ref().map(|process| process.node.status(self.now))
    }

    /// Freezes a host for a while.
    pub fn pause(&mut self, host: usize, span: Duration) {
        self.note(|| format!("n{} is frozen for {span:?}", host + 1));
        self.hosts[host].paused_until = Some(self.now + span);
    }

    /// A host's disk takes no write for a while.
    pub fn stall(&mut self, host: usize, span: Duration) {
        self.note(|| format!("the disk of n{} stalls for {span:?}", host + 1));
        let ailing = &mut self.hosts[host].ailing;
        ailing.silent_until = ailing.silent_until.max(self.now + span);
    }

    /// Each turn of a host's node takes up to so long from now on.
    pub fn slow_down(&mut self, host: usize, span: Duration) {
        self.note(|| format!("each turn of n{} takes up to {span:?}", host + 1));
        self.hosts[host].slow = span;
    }

    /// Ends every fault that is not the loss of something.
    pub fn heal(&mut self) {
        self.network.heal();
        for host in &mut self.hosts {
            host.paused_until = None;
            host.slow = Duration::ZERO;
        }
        (0..self.hosts.len()).for_each(|host| self.disk_is_well(host));
    }
}
