//! What a wrapped command may use, and what is done about it: lines, time, signals and ends in; starts, signals and words out.
//!
//! Invariants: the command uses no more than its host was told, for no longer; it is asked to end so early that it is gone, or killed, before
//! the deadline; others are told that nothing is in use only when it has ended with all of its group. A daemon that was started anew ends
//! nothing before that deadline. Pure: time is an argument, in milliseconds of the boot-time clock. An item is an amount of 1.

/// A kill takes a moment: it comes so long before a deadline.
const MARGIN: u64 = 50;

/// How a share stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It may be used until its deadline.
    Held,
    /// What is left is the reserve.
    Lapsed,
    /// The daemon was started anew: what was told before counts until its deadline.
    Restarted,
    /// It is asked back.
    Leaving,
    /// There is none.
    None,
}

/// What this host is told of its share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) standing: Standing,
    pub(super) amount: u64,
    /// So much of it stays behind the deadline.
    pub(super) reserve: u64,
    pub(super) number: u64,
    pub(super) deadline: Option<u64>,
    /// It is waited for what is in use.
    pub(super) asks: bool,
}

/// What the command may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Use {
    pub(super) amount: u64,
    pub(super) number: u64,
    pub(super) deadline: Option<u64>,
}

/// What the command does when it may use another amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnChange {
    /// It is ended and started anew.
    Restart,
    /// It is sent a signal, and reads a file.
    Signal,
}

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// The command is started, with so much.
    Start(Use),
    /// It is told of another amount.
    Tell(Use),
    /// Its group is asked to end.
    Terminate,
    /// Its group is killed.
    Kill,
    /// The daemon is told what is in use.
    Say { number: u64, in_use: u64 },
    /// The daemon is told that the item was let go.
    Release { number: u64 },
    /// This is over, with the command's own end.
    End,
}

/// A command that runs.
#[derive(Debug, Clone, Copy)]
struct Running {
    /// What it may be using ...
    amount: u64,
    /// ... until then.
    until: Option<u64>,
    /// It was told of less, and uses no more than that from a moment on.
    shrinks: Option<(u64, u64)>,
    /// It was asked to end.
    stops: Option<Stop>,
}

/// When a command was asked to end, and whether it was killed since.
#[derive(Debug, Clone, Copy)]
struct Stop {
    asked: u64,
    killed: bool,
}

impl Running {
    /// What it was told last.
    fn target(&self) -> u64 {
        self.shrinks.map_or(self.amount, |(amount, _)| amount)
    }
}

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Machine {
    on_change: OnChange,
    grace: u64,
    /// The longest time that a line gave since there was no share: between renewals up to a third of it passes.
    ttl: u64,
    told: Option<Told>,
    running: Option<Running>,
    /// The command is to end for good.
    ending: bool,
    said: Option<(u64, u64)>,
    released: Option<u64>,
    /// When it looked last.
    looked: u64,
}

impl Machine {
    /// Nothing runs, and nothing was told.
    pub(super) fn new(on_change: OnChange, grace: u64) -> Self {
        let (told, running, said, released) = (None, None, None, None);
        Self { on_change, grace, ttl: 0, told, running, ending: false, said, released, looked: 0 }
    }

    /// So long before a deadline the command is asked to let go. More than a third of its time would end it between two renewals of a short one.
    pub(super) fn lead(&self) -> u64 {
        self.grace.min(self.ttl / 3)
    }

    /// The daemon is followed anew, and it may be another start of it: what was said to the one before is said again.
    pub(super) fn follows_anew(&mut self) {
        (self.said, self.released) = (None, None);
    }

    /// This is told of the share.
    pub(super) fn take(&mut self, now: u64, told: Told) -> Vec<Act> {
        if told.standing == Standing::None {
            self.ttl = 0;
        }
        if told.standing == Standing::Held {
            self.ttl = self.ttl.max(told.deadline.map_or(0, |at| at.saturating_sub(now)));
        }
        self.told = Some(told);
        self.look(now)
    }

    /// A signal that ends the command was passed on to it.
    pub(super) fn is_to_end(&mut self, now: u64) -> Vec<Act> {
        self.ending = true;
        self.look(now)
    }

    /// The command has ended, and others of its group have not: they are asked to, and have the grace that it would have had.
    pub(super) fn leaves(&mut self, now: u64) -> Vec<Act> {
        let mut acts = Vec::new();
        if let Some(run) = self.running.as_mut().filter(|run| run.stops.is_none()) {
            run.stops = Some(Stop { asked: now, killed: false });
            self.ending = true;
            acts.push(Act::Terminate);
        }
        acts.extend(self.look(now));
        acts
    }

    /// The command has ended, with its group.
    pub(super) fn ended(&mut self, now: u64) -> Vec<Act> {
        let asked = self.running.take().is_some_and(|run| run.stops.is_some());
        self.ending |= !asked;
        self.look(now)
    }

    /// Time has passed.
    pub(super) fn look(&mut self, now: u64) -> Vec<Act> {
        self.looked = now;
        let mut acts = Vec::new();
        match self.running {
            Some(run) => self.look_at(now, run, &mut acts),
            None => self.look_idle(now, &mut acts),
        }
        acts
    }

    /// When it wants to look again though nothing happens; it may be over already.
    pub(super) fn next(&self) -> Option<u64> {
        let lead = self.lead();
        let (mut all, told) = (Vec::new(), self.told);
        match self.running {
            Some(Running { stops: Some(stop), until, .. }) => {
                all.extend((!stop.killed).then(|| self.by_then(stop.asked, until)));
            }
            Some(run) => {
                all.extend(run.until.map(|at| at.saturating_sub(lead)));
                all.extend(run.shrinks.map(|(_, at)| at));
            }
            None => all.extend(told.and_then(|it| it.deadline).map(|at| at.saturating_sub(lead))),
        }
        all.into_iter().filter(|at| *at > self.looked).min()
    }

    fn may(&self, now: u64) -> Use {
        let Some(told) = self.told else { return Use { amount: 0, number: 0, deadline: None } };
        let counts = |until: Option<u64>| until.is_none_or(|at| at > now + self.lead());
        let (amount, deadline) = match (told.standing, self.running) {
            (Standing::Held, _) if counts(told.deadline) => (told.amount, told.deadline),
            (Standing::Held, _) => (told.amount.min(told.reserve), None),
            (Standing::Lapsed, _) => (told.amount, None),
            (Standing::Restarted, Some(run)) if counts(run.until) => (run.target(), run.until),
            (Standing::Restarted, Some(run)) => (run.target().min(told.reserve), None),
            _ => (0, None),
        };
        Use { amount, number: told.number, deadline }
    }

    fn look_idle(&mut self, now: u64, acts: &mut Vec<Act>) {
        self.say(0, acts);
        let leaving = self.told.filter(|told| told.standing == Standing::Leaving);
        if let Some(Told { number, .. }) = leaving.filter(|it| self.released != Some(it.number)) {
            self.released = Some(number);
            acts.push(Act::Release { number });
        }
        if self.ending {
            acts.push(Act::End);
            return;
        }
        let may = self.may(now);
        if may.amount > 0 {
            let (amount, until) = (may.amount, may.deadline);
            self.running = Some(Running { amount, until, shrinks: None, stops: None });
            acts.push(Act::Start(may));
        }
    }

    fn look_at(&mut self, now: u64, mut run: Running, acts: &mut Vec<Act>) {
        let may = self.may(now);
        if run.stops.is_some() {
            // While the share goes on to be renewed, the command has all of its grace.
            if may.amount >= run.amount {
                run.until = may.deadline;
            }
            self.kill(now, &mut run, acts);
        } else if may.amount == run.target() {
            if run.shrinks.is_none_or(|(_, at)| at <= now) {
                (run.amount, run.until, run.shrinks) = (may.amount, may.deadline, None);
                self.say(run.amount, acts);
            }
        } else if may.amount == 0 || self.on_change == OnChange::Restart {
            if may.amount >= run.amount {
                run.until = may.deadline;
            }
            run.stops = Some(Stop { asked: now, killed: false });
            acts.push(Act::Terminate);
            self.kill(now, &mut run, acts);
        } else {
            acts.push(Act::Tell(may));
            if may.amount >= run.amount {
                (run.amount, run.until, run.shrinks) = (may.amount, may.deadline, None);
                self.say(run.amount, acts);
            } else {
                run.shrinks = Some((may.amount, self.by_then(now, run.until)));
            }
        }
        self.running = Some(run);
    }

    /// A command that was asked to end and has not by then is killed.
    fn kill(&self, now: u64, run: &mut Running, acts: &mut Vec<Act>) {
        let until = run.until;
        if let Some(stop) = run.stops.as_mut().filter(|stop| !stop.killed)
            && self.by_then(stop.asked, until) <= now
        {
            stop.killed = true;
            acts.push(Act::Kill);
        }
    }

    /// What is asked for now is done by then: within the grace, and before the deadline of what was told before.
    fn by_then(&self, now: u64, until: Option<u64>) -> u64 {
        let within = now + self.grace;
        until.map_or(within, |at| within.min(at.saturating_sub(MARGIN)))
    }

    /// What is in use is said once, where it is waited for.
    fn say(&mut self, in_use: u64, acts: &mut Vec<Act>) {
        let Some(told) = self.told.filter(|told| told.asks) else { return };
        let word = (told.number, in_use);
        if self.said != Some(word) {
            self.said = Some(word);
            acts.push(Act::Say { number: told.number, in_use });
        }
    }
}

#[cfg(test)]
mod tests;
