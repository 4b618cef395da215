//! The change of the cluster's secret at one node: what is agreed on, what this host has, and, at the leader, what each host has.
//!
//! A replica goes by its own copy of what is committed, any other node by its leader's word, which rides on pings until the node says that
//! it carries the newest step out. What a host has is said by its shell, and told with each answer to a ping. Knows fingerprints alone.

mod ready;

use crate::event::Output;
use crate::pings::rider::{Answer, Load, Rider};
use crate::sight::Sight;
use crate::status::SecretStatus;
use crate::told::Event;
use crate::turn::Turn;
use quorate_proto::{
    ChangeSecret, CommandBody, Fingerprint, Instance, Member, MemberCause, MemberState, Moment,
    Ping, Pong, Reason, SecretChange, SecretLack, SecretNews, SecretStep, SecretsHeld,
    TakeSecretStep, limits,
};
use ready::{LACK_SHOWN, lack_of};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A step that was not applied by then came to nothing.
const PATIENCE: Duration = Duration::from_secs(5);

/// What becomes of an operator's wish.
#[derive(Debug, PartialEq)]
pub(crate) enum Wish {
    /// A command does it.
    Propose(CommandBody),
    /// There is nothing to be done.
    Done(String),
    /// Not as things are.
    NotNow(String),
}

/// See the head of this file.
#[derive(Debug, Default)]
pub(crate) struct Secrets {
    change: Arc<SecretChange>,
    /// Since when this node knows it.
    since: Moment,
    held: SecretsHeld,
    /// Who is not ready, as the leader told last.
    lacking: Vec<SecretLack>,
    /// Who has a secret that was dropped in its file; the same.
    leftover: Vec<Instance>,
    /// Who is away and accepted the new secret by its own word, as the leader told last: the next one goes on with that.
    prepared: Vec<Instance>,
    /// As leader: what each host said last, and with the answer to which ping.
    said: BTreeMap<Instance, (u64, SecretsHeld)>,
    /// As leader: the step that was proposed, behind which version, and when.
    asked: Option<(u64, Moment)>,
}

impl Secrets {
    /// What this host has, as its shell says.
    pub(crate) fn hold(&mut self, turn: &mut Turn, held: SecretsHeld) {
        turn.duties_due = true;
        self.held = held;
    }

    /// A replica learns what it has applied. `quietly`: it was so before this start.
    pub(crate) fn catch_up(&mut self, sight: &Sight<'_>, turn: &mut Turn, quietly: bool) {
        let Some(group) = sight.group else { return };
        let committed = group.meta().secret_change();
        if committed.version > self.change.version {
            self.learn(turn, committed.clone(), quietly);
        }
    }

    fn learn(&mut self, turn: &mut Turn, change: Arc<SecretChange>, quietly: bool) {
        self.since = turn.now;
        // Who was waited for was so in the step before.
        self.lacking.clear();
        if change.to != self.change.to {
            self.prepared.clear();
        }
        turn.duties_due = true;
        turn.out.push(Output::Secrets(change.clone()));
        if !quietly {
            turn.event(Event::Secret(change.clone()));
        }
        self.change = change;
    }

    /// What each member lacks, those that are away included; in the order of names.
    fn lacks<'a>(
        &'a self,
        sight: &Sight<'a>,
    ) -> impl Iterator<Item = (SecretLack, MemberState)> + use<'a> {
        let (me, members) = (sight.config.instance, sight.health.view().members.iter());
        members.filter_map(move |member| {
            let said = self.said.get(&member.instance).map(|(_, held)| held);
            let held = if member.instance == me { Some(&self.held) } else { said };
            if held.is_none() && self.is_known_to_be_prepared(member) {
                return None;
            }
            let kind = lack_of(&self.change, member.state(), held)?;
            let lack = SecretLack { instance: member.instance, kind: kind.into() };
            Some((lack, member.state()))
        })
    }

    /// Whether a member that is away had the new secret when it went, also where it told that to an earlier leader only.
    fn is_known_to_be_prepared(&self, member: &Member) -> bool {
        let change = &self.change;
        // With the old one alone nobody was alive when it was dropped, or came since.
        let dropped_before = change.step() == SecretStep::Drop
            && (1..member.since_epoch.get()).contains(&change.epoch);
        member.state() != MemberState::Alive
            && (dropped_before || self.prepared.contains(&member.instance))
    }

    /// As leader: who is away and has the new secret.
    fn prepared<'a>(&'a self, sight: &Sight<'a>) -> impl Iterator<Item = Instance> + use<'a> {
        let away = sight.other_members().filter(|member| member.state() != MemberState::Alive);
        away.map(|member| member.instance).filter(|life| match self.said.get(life) {
            Some((_, held)) => held.accepts.contains(&self.change.to),
            None => self.prepared.contains(life),
        })
    }

    /// As leader: whose file has a secret that was dropped.
    fn leftover<'a>(&'a self, sight: &Sight<'a>) -> impl Iterator<Item = Instance> + use<'a> {
        let me = sight.config.instance;
        sight.health.alive().map(|member| member.instance).filter(move |life| {
            let said = self.said.get(life).map(|(_, held)| held);
            let held = if *life == me { Some(&self.held) } else { said };
            held.is_some_and(|held| held.has_dropped)
        })
    }

    /// As leader: the step that is due, once every live member is ready for it.
    pub(crate) fn next_step(&mut self, sight: &Sight<'_>) -> Option<CommandBody> {
        let change = &self.change;
        let step = match change.step() {
            SecretStep::Accept => SecretStep::Use,
            SecretStep::Use => SecretStep::Drop,
            _ => return None,
        };
        let waits = |(version, at): (u64, Moment)| {
            version == change.version && sight.now.since(at) < PATIENCE
        };
        let mut lacks = self.lacks(sight);
        if self.asked.is_some_and(waits) || lacks.any(|(_, state)| state == MemberState::Alive) {
            return None;
        }
        drop(lacks);
        let body = take_step(sight, change.from, change.to, step);
        self.asked = Some((change.version, sight.now));
        Some(body)
    }

    /// The secrets that a member knows: by its own word, or else those that this host accepts.
    pub(crate) fn known_to(&self, member: Instance) -> Vec<u64> {
        let said = self.said.get(&member).map_or(&self.held, |(_, held)| held);
        said.accepts.clone()
    }

    /// Those that are accepted here.
    pub(crate) fn accepted(&self) -> &[u64] {
        &self.held.accepts
    }

    /// An operator has the secret changed, or gives a change up: judged as leader.
    pub(crate) fn judge(&self, sight: &Sight<'_>, act: &ChangeSecret) -> Wish {
        let change = &self.change;
        let to = Fingerprint::new(act.to);
        if act.give_up {
            return match change.is_under_way() {
                true => {
                    Wish::Propose(take_step(sight, change.from, change.to, SecretStep::GivenUp))
                }
                false => not_now("no change of the secret is under way"),
            };
        }
        if change.is_under_way() {
            return match change.to == act.to {
                true => Wish::Done("the change to this secret is under way".to_owned()),
                false => not_now(&format!(
                    "a change to another secret, {}, is under way; `quorate secret rotate --status` shows how far, `--cancel` gives it up",
                    Fingerprint::new(change.to)
                )),
            };
        }
        // A host that has not heard of its end asks for what has been done, or goes by the secret of before. Who names that one wants back to it.
        let is_of_before = act.to == change.from && !act.named;
        if change.step() == SecretStep::Drop && (act.to == change.to || is_of_before) {
            return Wish::Done(format!(
                "the change from {} to {} is over: the old secret is dropped",
                Fingerprint::new(change.from),
                Fingerprint::new(change.to)
            ));
        }
        if self.held.uses == act.to {
            return not_now(&format!("the secret {to} is in use already"));
        }
        if change.is_dropped(to) {
            return not_now(&format!(
                "the secret {to} was dropped from this cluster before; make another with `quorate secret new`"
            ));
        }
        let alive = sight.health.alive().filter(|it| it.instance != sight.config.instance);
        let silent = alive.filter(|it| !self.said.contains_key(&it.instance));
        let silent: Vec<&str> = silent.map(|it| it.name.as_str()).collect();
        if !silent.is_empty() || self.held.uses == 0 {
            return not_now(&format!(
                "these hosts have not said which secrets they have: {}; ask again in a moment. If it lasts, they run a version of quorate that \
                 cannot: upgrade them first",
                if silent.is_empty() {
                    sight.config.name.as_str().to_owned()
                } else {
                    silent.join(", ")
                }
            ));
        }
        Wish::Propose(take_step(sight, self.held.uses, act.to, SecretStep::Accept))
    }

    /// Who is not ready for long enough to be spoken of.
    pub(crate) fn reasons<'a>(
        &'a self,
        sight: &Sight<'a>,
        now: Moment,
    ) -> impl Iterator<Item = Reason> + use<'a> {
        let shown = now.since(self.since) >= LACK_SHOWN;
        let health = sight.health;
        self.lacking.iter().filter(move |_| shown).filter_map(move |lack| {
            let member = health.member(lack.instance)?;
            let cause = MemberCause::SecretLacking {
                name: member.name.clone(),
                away: member.state() != MemberState::Alive,
                kind: lack.kind(),
                to: Fingerprint::new(self.change.to),
            };
            Some(Reason::of(&cause, self.since))
        })
    }

    /// For `quorate status`.
    pub(crate) fn status(&self, sight: &Sight<'_>) -> SecretStatus {
        let name = |lack: &SecretLack| {
            let member = sight.health.member(lack.instance)?;
            Some((member.name.clone(), member.state(), lack.kind()))
        };
        let leftover = self.leftover.iter().filter_map(|life| sight.health.member(*life));
        SecretStatus {
            accepts: self.held.accepts.iter().copied().map(Fingerprint::new).collect(),
            uses: (self.held.uses != 0).then(|| Fingerprint::new(self.held.uses)),
            change: (self.change.version > 0).then(|| self.change.clone()),
            lacking: self.lacking.iter().filter_map(name).collect(),
            leftover: leftover.map(|member| member.name.clone()).collect(),
            has_dropped: self.held.has_dropped,
        }
    }
}

impl Rider for Secrets {
    fn load<'a>(&'a mut self, sight: &Sight<'a>, _: &mut Turn) -> Load<'a> {
        if self.change.version == 0 {
            return Box::new(|_, _| {});
        }
        let lacking = self.lacks(sight).map(|(lack, _)| lack).take(limits::SECRET_LACKS).collect();
        self.lacking = lacking;
        self.prepared = self.prepared(sight).take(limits::SECRET_LACKS).collect();
        self.leftover = self.leftover(sight).take(limits::SECRET_LACKS).collect();
        let news = SecretNews {
            change: SecretChange::clone(&self.change),
            lacking: self.lacking.clone(),
            prepared: self.prepared.clone(),
            leftover: self.leftover.clone(),
        };
        let told = [news.lacking.is_empty(), news.prepared.is_empty(), news.leftover.is_empty()];
        let all = told.contains(&false);
        Box::new(move |to, ping| {
            let has = self.said.get(&to).map(|(_, held)| held.version);
            if all || has != Some(news.change.version) {
                ping.secrets = Some(news.clone());
            }
        })
    }

    fn take(&mut self, sight: &Sight<'_>, turn: &mut Turn, ping: &mut Ping) {
        let Some(mut news) = ping.secrets.take() else {
            self.lacking.clear();
            self.leftover.clear();
            return self.prepared.clear();
        };
        news.change.dropped.truncate(limits::DROPPED_SECRETS);
        // Not only what is newer: a number that was made up is not to stand in the way of the true one.
        if sight.group.is_none() && news.change != *self.change {
            self.learn(turn, Arc::new(news.change), false);
        }
        news.lacking.truncate(limits::SECRET_LACKS);
        self.lacking = news.lacking;
        news.leftover.truncate(limits::SECRET_LACKS);
        self.leftover = news.leftover;
        news.prepared.truncate(limits::SECRET_LACKS);
        self.prepared = news.prepared;
    }

    fn answer(&mut self, _: &Sight<'_>, _: Instance, pong: &mut Pong) {
        pong.secrets = (!self.held.accepts.is_empty()).then(|| self.held.clone());
    }

    fn acknowledged(&mut self, sight: &Sight<'_>, turn: &mut Turn, answer: &mut Answer) {
        let Some(held) = answer.pong.secrets.take().filter(SecretsHeld::is_in_bounds) else {
            return;
        };
        let (number, from) = (answer.pong.number, answer.from);
        let late = self.said.get(&from).is_some_and(|(newest, _)| *newest >= number);
        if !sight.leads() || number > answer.newest || late {
            return;
        }
        let before = self.said.insert(from, (number, held.clone()));
        turn.duties_due |= before.is_none_or(|(_, before)| before != held);
    }

    fn begin(&mut self) {
        self.said.clear();
        self.lacking.clear();
        self.asked = None;
    }

    fn retain(&mut self, is_member: &dyn Fn(Instance) -> bool) {
        self.said.retain(|instance, _| is_member(*instance));
    }
}

fn take_step(sight: &Sight<'_>, from: u64, to: u64, step: SecretStep) -> CommandBody {
    let (at_unix_ms, epoch) = (sight.wall_ms, sight.health.view().epoch.get());
    CommandBody::Secret(TakeSecretStep { from, to, step: step.into(), at_unix_ms, epoch })
}

fn not_now(text: &str) -> Wish {
    Wish::NotNow(text.to_owned())
}

#[cfg(test)]
mod tests;
