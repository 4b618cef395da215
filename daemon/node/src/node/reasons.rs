//! What this node knows to be wrong, for `quorate why` on this host: causes, which the catalogue in `proto` puts into words.
//!
//! Reads, changes nothing. Every reason is here once, whoever finds it.

use crate::groups::Group;
use crate::node::Node;
use crate::pings::relay::no_link;
use crate::sight::Sight;
use crate::status::State;
use crate::warnings;
use crate::witness;
use quorate_proto::{
    Address, Hello, Known, Member, MemberCause, MemberState, MissingVoter, Moment, Reason,
    ReasonCode, Role, Session, Verdict,
};
use std::time::Duration;

/// An election that was to end within moments has not.
const ELECTION: Duration = Duration::from_secs(10);
/// Who goes silent within so long went for one reason: it takes as long until gossip has asked for all of them.
const SAME_MOMENT: Duration = Duration::from_secs(10);

impl Node {
    /// What is wrong; `in_its_way`: what keeps the autopilot of a leader from what it should do.
    pub(crate) fn reasons(&self, now: Moment, in_its_way: Option<Reason>) -> Vec<Reason> {
        let state = self.state();
        let sight = Sight { now, ..self.sight() };
        let mut reasons = match state {
            State::Quorate => self.standing_reasons(),
            State::Waiting => self.founding.reasons(now),
            State::Joining => self.joining_reasons(now),
            State::NoQuorum => self.no_quorum_reasons(now),
        };
        if let Some(reason) = self.turned_away.reason(&sight, state == State::Quorate) {
            // What else is missing is missing because of that.
            if state != State::Quorate {
                reasons.clear();
            }
            reasons.insert(0, reason);
        }
        if let Some(reason) = self.revoked.reason(&sight, now) {
            // What else is missing is missing because of that.
            reasons.clear();
            reasons.push(reason);
        }
        if let Some(reason) = self.recovery.reason() {
            // What else would help on this side would make a cluster more.
            reasons.clear();
            reasons.push(reason);
        }
        reasons.extend(self.founding.margin_reason());
        let own = self.turned_away.where_the_copy_is(&sight, state == State::Quorate);
        let warned = self.warnings.to_look_at(&sight);
        reasons
            .extend(warned.map(|(it, at, since)| warnings::reason_of(&sight, own, it, at, since)));
        reasons.extend(self.whereabouts.two_address_reasons(&sight));
        reasons.extend(self.other_voters_reasons());
        reasons.extend(self.counted_out_reason(now));
        reasons.extend(self.link_reason());
        let is_copied = |life| self.warnings.runs_twice_somewhere(self.turn.now, life);
        reasons.extend(self.relay.cut_link_reasons(self.sight(), now, is_copied));
        let name = |instance| self.health.name(instance);
        reasons.extend(self.pace.longest().reason(self.config.name.as_str(), name));
        reasons.extend(self.own_disk_reasons());
        reasons.extend(self.requests.quota().reason());
        reasons.extend(self.crowd_reasons(now));
        reasons.extend(self.copies.reasons(&self.sight(), now));
        reasons.extend(self.secrets.reasons(&sight, now));
        reasons.extend(self.operators_words(now));
        reasons.extend(witness::reason(&sight, &self.warnings));
        reasons.extend(self.duties.reasons_of_shares(&sight, now));
        reasons.extend(self.shares.reasons(&sight, now));
        reasons.extend(self.applications.reasons());
        reasons.extend(in_its_way);
        reasons.extend(self.stopping.and_then(|stop| stop.reason(&sight, &self.warnings)));
        without_what_is_explained(&mut reasons);
        reasons
    }

    /// What the founding says of seeds, by the name of the member where it is one that refuses this node: one host has one name.
    fn standing_reasons(&self) -> Vec<Reason> {
        let mut reasons = self.founding.standing_reasons();
        for member in self.health.view().members.iter() {
            let Some((seed, code)) = self.refusal_of(member) else { continue };
            let about =
                |reason: &Reason| reason.code == code && reason.subject.as_deref() == Some(seed);
            if code == ReasonCode::OneWay {
                // Told as what all nodes are told.
                reasons.retain(|reason| !about(reason));
            }
            for reason in reasons.iter_mut().filter(|reason| about(reason)) {
                reason.subject = Some(member.name.clone());
            }
        }
        reasons
    }

    /// Why a member refuses this node, with the seed whose dial says so.
    fn refusal_of(&self, member: &Member) -> Option<(&str, ReasonCode)> {
        let places = [&member.address, &member.also_at].into_iter().flatten();
        places.filter_map(Address::socket).find_map(|at| self.founding.refused_at(at))
    }

    fn own_disk_reasons(&self) -> impl Iterator<Item = Reason> {
        let (name, leads) = (self.config.name.to_string(), self.sight().leads());
        self.disk.troubles().map(move |(trouble, since)| {
            Reason::of(&MemberCause::Disk { name: name.clone(), here: true, leads, trouble }, since)
        })
    }

    /// Members that are met and whose file asks for another number of voters.
    fn other_voters_reasons(&self) -> impl Iterator<Item = Reason> {
        let ours = Hello::voters_asked(self.config.settings.voters);
        let others = self.peers.standing().filter(move |(session, _)| session.voters != ours);
        others.filter_map(move |(session, since)| {
            let name = self.health.member(session.instance)?.name.clone();
            let cause = MemberCause::OtherVoters { name, theirs: session.voters, ours };
            Some(Reason::of(&cause, since))
        })
    }

    fn crowd_reasons(&self, now: Moment) -> impl Iterator<Item = Reason> {
        self.requests.crowds(now).map(|(place, since, refused)| {
            let (limit, crowd) = (place.bound(), place.crowd().to_owned());
            Reason::of(&MemberCause::Crowd { limit, crowd, refused }, since)
        })
    }

    /// Committed as gone although it is here: damped, or not heard by the leader.
    fn counted_out_reason(&self, now: Moment) -> Option<Reason> {
        let member = self.health.member(self.config.instance)?;
        if !self.is_quorate() || self.sight().leads() || member.state() == MemberState::Alive {
            return None;
        }
        let ended = member.state() == MemberState::Left;
        let cause = MemberCause::CountedOut {
            me: member.name.clone(),
            state: member.state().word().to_owned(),
            epoch: member.since_epoch.get(),
            how: member.reason.clone(),
            leader: self.health.name(self.leadership.leader()?.instance),
            again: ended && member.generation == self.config.generation,
        };
        Some(Reason::of(&cause, self.names.gone_since(member.instance).unwrap_or(now)))
    }

    /// Its only link to the leader is through another voter.
    fn link_reason(&self) -> Option<Reason> {
        let via = self.health.name(self.relay.relay(&self.sight())?);
        let leader = self.health.name(self.leadership.leader()?.instance);
        let me = &self.config.name;
        // Who is counted out is pinged seldom: that is no sign of a bad link.
        self.health.member(self.config.instance).filter(|own| own.state() == MemberState::Alive)?;
        Some(no_link(me.as_str(), leader, false, &via, self.leadership.heard()))
    }

    fn joining_reasons(&self, now: Moment) -> Vec<Reason> {
        let mut reasons = self.founding.reasons(now);
        let refused = self.join.refusal().map(str::to_owned);
        let told = reasons.iter().any(|reason| reason.code == ReasonCode::Joining);
        if refused.is_none() && told {
            return reasons;
        }
        reasons.retain(|reason| reason.code != ReasonCode::Joining);
        let inside = self.peers.sessions().filter(|session| session.cluster_id == self.cluster_id);
        let cause = MemberCause::Joining {
            refused,
            members: inside.map(|session| session.name.to_string()).collect(),
            cluster: self.config.cluster.to_string(),
        };
        reasons.push(Reason::of(&cause, now));
        reasons
    }

    fn no_quorum_reasons(&self, now: Moment) -> Vec<Reason> {
        let since = self.leadership.quorum_lost().unwrap_or(now);
        // That explains all else, the seeds to which there is no way, too.
        let cut_off = self.cut_off_from_all();
        let first = cut_off.iter().map(|(cause, since)| Reason::of(cause, *since));
        let mut reasons: Vec<Reason> = first.collect();
        reasons.extend(self.standing_reasons());
        let voters =
            self.health.view().members.iter().filter(|member| member.role() == Role::Voter);
        let never = self.group.as_ref().map_or(0, Group::replaced_voters);
        let (mut count, mut missing) = (0, Vec::new());
        for voter in voters {
            count += 1;
            missing.extend(self.how_it_is_missing(voter));
        }
        // To look for power and network on those helps nothing.
        let told = missing.iter().filter(|voter| voter.replaced || voter.known != Known::Nothing);
        let told: Vec<String> = told.map(|voter| voter.name.clone()).collect();
        let cause = MemberCause::NoLeader {
            voters: count + never,
            here: count - missing.len(),
            replaced: never,
            missing,
            cut_off: cut_off.is_some(),
            late_seconds: Some(now.since(self.all_met_since(since)))
                .filter(|late| *late >= ELECTION)
                .map(|late| late.as_secs()),
            me: self.config.name.to_string(),
        };
        reasons.push(Reason::of(&cause, since));
        let silent = self.silent_members();
        let told =
            |reason: &Reason| reason.subject.as_ref().is_some_and(|name| told.contains(name));
        reasons.extend(silent.filter(|reason| !told(reason)));
        reasons
    }

    /// Since when every voter that is met is met: only then could an election end what began at `lost`.
    fn all_met_since(&self, lost: Moment) -> Moment {
        let role = |session: &Session| self.health.member(session.instance).map(Member::role);
        let voters = self.peers.standing().filter(|(it, _)| role(it) == Some(Role::Voter));
        voters.map(|(_, met)| met).fold(lost, Moment::max)
    }

    /// Members that this node holds to be gone.
    fn silent_members(&self) -> impl Iterator<Item = Reason> {
        self.detector.verdicts().filter_map(|opinion| {
            let gone = matches!(opinion.verdict, Verdict::Down | Verdict::Left);
            let member = self.health.member(opinion.instance).filter(|_| gone)?;
            let cause = MemberCause::Missing {
                name: member.name.clone(),
                role: member.role().word().to_owned(),
                how: opinion.reason.to_string(),
                ended: opinion.verdict == Verdict::Left,
            };
            Some(Reason::of(&cause, opinion.since))
        })
    }

    /// Two others at least, of whom none said goodbye, are all silent since about the same moment, and nobody else is met either: most
    /// likely it is this host that has no network.
    fn cut_off_from_all(&self) -> Option<(MemberCause, Moment)> {
        let me = self.config.instance;
        let others = || self.health.view().members.iter().filter(|member| member.instance != me);
        if self.peers.sessions().next().is_some() || others().count() < 2 {
            return None;
        }
        let opinions: Vec<_> = self.detector.verdicts().collect();
        let silent = |member: &Member| {
            let opinion = opinions.iter().find(|opinion| opinion.instance == member.instance)?;
            (opinion.verdict == Verdict::Down).then_some(opinion.since)
        };
        let present = || others().filter(|member| member.state() == MemberState::Alive);
        let since = present().map(silent).collect::<Option<Vec<Moment>>>()?;
        let (first, last) = (*since.iter().min()?, *since.iter().max()?);
        if since.len() < 2 || last.since(first) > SAME_MOMENT {
            return None;
        }
        let others = present().map(|member| member.name.clone()).collect();
        Some((MemberCause::NoNetwork { me: self.config.name.to_string(), others }, first))
    }

    /// None when the voter is there.
    fn how_it_is_missing(&self, voter: &Member) -> Option<MissingVoter> {
        if voter.instance == self.config.instance {
            return None;
        }
        let opinions: Vec<_> = self.detector.verdicts().collect();
        let own = opinions.iter().find(|opinion| opinion.instance == voter.instance);
        let gone = own.filter(|it| matches!(it.verdict, Verdict::Down | Verdict::Left));
        let heard = own.is_some_and(|it| it.verdict == Verdict::Alive);
        let left = |member: &Member| member.state() == MemberState::Left;
        let (how, ended) = if let Some(opinion) = gone {
            let ended = opinion.verdict == Verdict::Left;
            let word = if ended { "left" } else { "down" };
            (format!("{word} as seen from here: {}", opinion.reason), ended)
        } else if voter.state() != MemberState::Alive && !heard {
            let word = voter.state().word();
            (format!("{word} since epoch {}: {}", voter.since_epoch, voter.reason), left(voter))
        } else if self.peers.session(voter.instance).is_none() {
            ("no connection".to_owned(), false)
        } else {
            return None;
        };
        // Who only says its name, from elsewhere, may be a host with a wrong name.
        let replaced = self.peers.sessions().any(|session| {
            let known = self.health.member(session.instance).is_some();
            let stranger = !known;
            stranger && crate::names::is_at(voter, session.place())
        });
        let known = self.refusal_of(voter).map_or(Known::Nothing, |(_, code)| Known::Told(code));
        Some(MissingVoter { name: voter.name.clone(), how, ended, replaced, known })
    }
}

/// A way that is open in one direction is the cause of a link that is cut.
fn without_what_is_explained(reasons: &mut Vec<Reason>) {
    let one_way = reasons.iter().filter(|reason| reason.code == ReasonCode::OneWay);
    let one_way: Vec<Option<String>> = one_way.map(|reason| reason.subject.clone()).collect();
    reasons
        .retain(|reason| reason.code != ReasonCode::NoLink || !one_way.contains(&reason.subject));
}

#[cfg(test)]
mod tests {
    use crate::event::Input;
    use crate::trial::{Trial, address, life};
    use quorate_proto::{
        DialFailure, EnvelopeBody, Lane, Pong, ReasonCode, Session, SessionEnd, Warning,
        WarningKind, Warnings,
    };
    use std::time::Duration;

    #[test]
    fn a_voter_that_came_back_with_another_secret_is_named_once_and_not_looked_for() {
        let mut trial = Trial::voter();
        let (instance, end) = (life(2), SessionEnd::TimedOut);
        trial.turn([Input::SessionDown { instance, number: 2, end }]);
        let failure = DialFailure::OtherSecret { theirs: "aa".to_owned(), ours: "bb".to_owned() };
        trial.turn([Input::DialFailed { address: address(2), failure }]);
        let reasons = trial.node.status(trial.now).reasons;
        let about = reasons.iter().filter(|reason| reason.subject.as_deref() == Some("n2"));
        let about: Vec<ReasonCode> = about.map(|reason| reason.code).collect();
        assert_eq!(about, [ReasonCode::OtherSecret], "{reasons:?}");
        let lost = reasons.iter().find(|reason| reason.code == ReasonCode::NoLeader);
        let remedy = &lost.expect("nobody leads").remedy;
        assert!(remedy.starts_with("for n2: do what is said here under other-secret"), "{remedy}");
        assert!(!remedy.contains("power"), "{remedy}");
    }

    #[test]
    fn voters_that_are_connected_and_find_no_leader_say_for_how_long() {
        let mut trial = Trial::voter();
        let told = |trial: &Trial| {
            let mut reasons = trial.node.status(trial.now).reasons.into_iter();
            reasons.find(|reason| reason.code == ReasonCode::NoLeader).expect("nobody leads")
        };
        let seconds = |trial: &mut Trial, count: u64| {
            for _ in 0..count * 10 {
                for other in [2, 3] {
                    trial.hears(other, Lane::Control, EnvelopeBody::Pong(Pong::default()));
                }
                trial.pass(Duration::from_millis(100));
            }
        };
        let begun = trial.now;
        let soon = "all of them are connected, so an election should end this within seconds";
        assert!(told(&trial).text.ends_with(soon), "{}", told(&trial).text);
        seconds(&mut trial, 9);
        assert!(told(&trial).text.ends_with(soon), "{}", told(&trial).text);
        seconds(&mut trial, 1);
        let late = told(&trial);
        assert!(late.text.contains("no election has ended this for 10 s"), "{}", late.text);
        assert!(!late.text.contains("within seconds"), "{}", late.text);
        assert_eq!(late.since, begun, "it never knew a leader");
        // One is away for a while: from its return on there is somebody to elect with.
        let (instance, end) = (life(3), SessionEnd::TimedOut);
        trial.turn([Input::SessionDown { instance, number: 3, end }]);
        assert!(told(&trial).text.contains("missing: n3"), "{}", told(&trial).text);
        trial.turn([Input::SessionUp(Session { number: 30, ..trial.session(3) })]);
        seconds(&mut trial, 1);
        assert!(told(&trial).text.ends_with(soon), "{}", told(&trial).text);
        seconds(&mut trial, 10);
        let late = told(&trial);
        assert!(late.text.contains("no election has ended this for 11 s"), "{}", late.text);
    }

    #[test]
    fn a_seed_whose_name_is_gone_is_told_behind_the_birth_where_no_link_stands() {
        let mut trial = Trial::voter();
        let told = |trial: &Trial| {
            let reasons = trial.node.status(trial.now).reasons;
            reasons.iter().any(|reason| reason.code == ReasonCode::Unresolved)
        };
        let problem = Some("NXDOMAIN".to_owned());
        trial.turn([Input::Resolved { slot: 1, addresses: Vec::new(), problem }]);
        assert!(!told(&trial), "its last address is good, as long as it is met there");
        let (instance, end) = (life(2), SessionEnd::TimedOut);
        trial.turn([Input::SessionDown { instance, number: 2, end }]);
        assert!(told(&trial));
    }

    #[test]
    fn a_member_whose_file_asks_for_another_number_of_voters_is_named_until_it_agrees() {
        let mut trial = Trial::voter();
        let told = |trial: &Trial| -> Vec<(Option<String>, String)> {
            let reasons = trial.node.status(trial.now).reasons.into_iter();
            let about = reasons.filter(|reason| reason.code == ReasonCode::OtherVoters);
            about.map(|reason| (reason.subject, reason.text)).collect()
        };
        assert_eq!(told(&trial), [], "the same file everywhere");
        let again = |trial: &Trial, voters| Session { number: 50, voters, ..trial.session(2) };
        let other = again(&trial, 5);
        trial.turn([Input::SessionUp(other)]);
        let [(subject, text)] = &told(&trial)[..] else { panic!("one is told") };
        assert_eq!(subject.as_deref(), Some("n2"));
        assert!(text.contains("`voters = 5`") && text.contains("`voters = \"auto\"`"), "{text}");
        let same = Session { number: 51, ..again(&trial, 0) };
        trial.turn([Input::SessionUp(same)]);
        assert_eq!(told(&trial), []);
        // Who is in no view of this cluster does not count: it may never be let in.
        let stranger = Session { voters: 5, ..trial.session(9) };
        trial.turn([Input::SessionUp(stranger)]);
        assert_eq!(told(&trial), []);
    }

    #[test]
    fn a_member_that_is_heard_and_does_not_hear_is_told_so_by_all_and_explains_the_cut_link() {
        let mut trial = Trial::voter();
        let (instance, end) = (life(2), SessionEnd::TimedOut);
        trial.turn([Input::SessionDown { instance, number: 2, end }]);
        trial.turn([Input::DialFailed { address: address(2), failure: DialFailure::OneWay }]);
        let reasons = trial.node.status(trial.now).reasons;
        let about = reasons.iter().filter(|reason| reason.subject.as_deref() == Some("n2"));
        let about: Vec<_> = about.map(|reason| (reason.code, reason.text.as_str())).collect();
        let text = "packets of n2 reach n1, but those of n1 do not reach n2: UDP 4747 is dropped in one direction";
        assert_eq!(about, [(ReasonCode::OneWay, text)], "{reasons:?}");
        let mut deaf = Trial::member_under_2(5);
        let warning = Warning {
            kind: WarningKind::OneWay.into(),
            instance: life(1),
            name: "n1".to_owned(),
            address: address(1).into(),
            standing: Some(address(2).into()),
            ..Warning::default()
        };
        let relayed = |warning: Warning| Warnings { list: vec![warning], choices: Vec::new() };
        deaf.hears(2, Lane::Control, EnvelopeBody::Warnings(relayed(warning.clone())));
        let told = |trial: &Trial| {
            let mut reasons = trial.node.status(trial.now).reasons.into_iter();
            reasons.find(|reason| reason.code == ReasonCode::OneWay)
        };
        let reason = told(&deaf).expect("it is about this host");
        assert_eq!(reason.subject.as_deref(), Some("n2"));
        assert!(reason.remedy.starts_with("let UDP port 4747 in on n1"), "{}", reason.remedy);
        let mut third = Trial::member_under_2(5);
        let about_3 = Warning { instance: life(3), name: "n3".to_owned(), ..warning };
        third.hears(2, Lane::Control, EnvelopeBody::Warnings(relayed(about_3)));
        assert_eq!(told(&third), None, "a way that others lack");
    }
}
