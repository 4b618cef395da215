//! One share of this host: what its application may use, under which number, until when; and what it says of that.
//!
//! Knows nothing of the other shares, nor of how they are asked for.

use crate::client::Acknowledgement;
use quorate_proto::{Instance, Moment, RefusalCode, ShareRenewed};
use std::time::Duration;

/// An application that has not acknowledged a smaller share by then is spoken of.
const UNACKNOWLEDGED: Duration = Duration::from_secs(2);

/// How a share stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ShareState {
    /// There is none.
    #[default]
    None,
    /// It may be used until its deadline.
    Held,
    /// Its time is over: what is left is the reserve.
    Lapsed,
    /// It was granted to an earlier start of the daemon: the application keeps what it was told until the deadline of that, and acknowledges
    /// this number to go on.
    Restarted,
}

impl ShareState {
    /// The word that programs read.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Held => "held",
            Self::Lapsed => "lapsed",
            Self::Restarted => "restarted",
        }
    }
}

/// A use that is to be ended, or was, before this host uses a budget alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AloneFence {
    /// Of which budget, with all of its classes.
    pub budget: String,
    /// The hook that does it.
    pub fence: String,
    /// Whose.
    pub host: String,
    /// Its disk life.
    pub instance: Instance,
    /// Where it was reached.
    pub address: Option<String>,
    /// The newest number under which it may use something; 0: it has none.
    pub number: u64,
    /// So much counts for it.
    pub amount: u64,
    /// A fence counts only if it began in this round.
    pub round: u64,
    /// It succeeded.
    pub done: bool,
}

/// A share that no majority granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AloneShare {
    /// Since when this host uses all of it alone.
    pub since: Moment,
    /// The hook that cut all others off.
    pub fence: String,
}

/// What an application is told of its share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// Of which budget.
    pub budget: String,
    /// How it stands.
    pub state: ShareState,
    /// So much may be used.
    pub amount: u64,
    /// The number of the grant; it only grows.
    pub number: u64,
    /// Until then, on this host's clock; none for what needs no renewal.
    pub deadline: Option<Moment>,
    /// So much of it stays behind the deadline.
    pub reserve: u64,
    /// It is less than before, and the application is to say when it uses no more.
    pub acknowledge: bool,
    /// It is all that there is, without a majority's word.
    pub alone: Option<AloneShare>,
}

/// What is known of one share.
#[derive(Debug, Default)]
pub(super) struct Held {
    pub(super) state: ShareState,
    pub(super) number: u64,
    pub(super) told: u64,
    pub(super) counted: u64,
    reserve: u64,
    pub(super) ttl: Duration,
    pub(super) deadline: Option<Moment>,
    /// What the application said of the newest number, when, and whether the leader has yet to hear of it.
    said: Option<(u64, Moment)>,
    news: bool,
    /// Since when it has been less than what counts.
    shrinks: Option<Moment>,
}

impl Held {
    /// A renewal that was sent then is answered so. Whether the application is to hear of it.
    pub(super) fn renew(
        &mut self,
        now: Moment,
        sent: Moment,
        share: &ShareRenewed,
        own: bool,
    ) -> bool {
        let grant = &share.grant;
        let before = (self.state, self.number, self.deadline);
        if grant.number != self.number {
            (self.said, self.news) = (None, false);
        }
        (self.number, self.told, self.counted) = (grant.number, grant.told, grant.counted);
        (self.reserve, self.ttl) = (share.reserve, Duration::from_millis(share.ttl_ms));
        self.shrinks = (self.counted > self.told).then(|| self.shrinks.unwrap_or(now));
        let deadline = sent + self.ttl;
        (self.state, self.deadline) = match own {
            true if deadline > now => (ShareState::Held, Some(deadline)),
            true => (ShareState::Lapsed, None),
            false => (ShareState::Restarted, None),
        };
        before != (self.state, self.number, self.deadline)
    }

    /// Its time may be over. Whether it is, since just now.
    pub(super) fn lapse(&mut self, now: Moment) -> bool {
        let over = self.deadline.is_some_and(|at| at <= now);
        if over {
            (self.state, self.deadline) = (ShareState::Lapsed, None);
        }
        over
    }

    /// What the application is told.
    pub(super) fn share(&self, budget: &str) -> Share {
        let amount = match self.state {
            ShareState::Held => self.told,
            ShareState::Lapsed | ShareState::Restarted => self.told.min(self.reserve),
            ShareState::None => 0,
        };
        Share {
            budget: budget.to_owned(),
            state: self.state,
            amount,
            number: self.number,
            deadline: self.deadline,
            reserve: self.told.min(self.reserve),
            acknowledge: self.counted > self.told || self.state == ShareState::Restarted,
            alone: None,
        }
    }

    /// What the application is told when there is none any more.
    pub(super) fn gone(&self, budget: &str) -> Share {
        let state = ShareState::None;
        Share {
            amount: 0,
            deadline: None,
            reserve: 0,
            acknowledge: false,
            state,
            ..self.share(budget)
        }
    }

    /// What the application says it uses, if it said so of this grant within its time.
    pub(super) fn said(&self, now: Moment) -> Option<u64> {
        let fresh = |(_, at): &(u64, Moment)| now.since(*at) < self.ttl;
        self.said.filter(fresh).map(|(in_use, _)| in_use)
    }

    /// Whether the leader waits for what the application has said since the last renewal.
    pub(super) fn has_news(&self) -> bool {
        self.news
    }

    /// Whether the leader waits for a word of the application.
    fn is_waited_for(&self) -> bool {
        self.counted > self.told || self.state == ShareState::Restarted
    }

    /// Who was told of it is lost, and may have told nobody: the next leader is to hear of it.
    pub(super) fn say_again(&mut self) {
        self.news |= self.is_waited_for() && self.said.is_some();
    }

    /// The application says what it uses.
    pub(super) fn hear(
        &mut self,
        now: Moment,
        said: &Acknowledgement,
    ) -> Result<String, (RefusalCode, String)> {
        let Acknowledgement { budget, number, in_use } = said;
        if *number != self.number {
            return Err((
                RefusalCode::NotNow,
                format!(
                    "grant {number} of {budget} is not the newest, which is {}; nothing was done",
                    self.number
                ),
            ));
        }
        self.news |= self.is_waited_for() && self.said.is_none_or(|(before, _)| before != *in_use);
        self.said = Some((*in_use, now));
        Ok(match *in_use <= self.told {
            true => format!("acknowledged: {in_use} in use of {}", self.told),
            false => format!(
                "noted: {in_use} in use, and the share is {}; say so again until it is no more than that",
                self.told
            ),
        })
    }

    /// The news are on their way to the leader.
    pub(super) fn is_told(&mut self) {
        self.news = false;
    }

    /// Since when the application has not acknowledged a smaller share, for long enough to be spoken of.
    pub(super) fn shrinks_since(&self, now: Moment) -> Option<Moment> {
        self.shrinks.filter(|since| now.since(*since) >= UNACKNOWLEDGED)
    }
}
