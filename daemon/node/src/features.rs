//! Which feature levels the members' programs can run, as their hellos say, and at which level the cluster runs.
//!
//! Invariant: of a member whose newest start did not say what it runs, nothing is assumed but the first level. So the level never rises
//! above what a member can run that is away. Knows nothing of how it rises (`duties/raising.rs`).

use crate::boot::NodeConfig;
use quorate_proto::{
    FeatureLevel, Generation, HealthView, Instance, Levels, Member, MemberState, Session, limits,
};
use std::collections::BTreeMap;

/// Programs remembered: those of all members and of as many strangers.
const MAX_PROGRAMS: usize = 2 * limits::MEMBERS;
/// Members that a sentence names.
const NAMED: usize = 3;

/// What one start of an instance runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Program {
    generation: Generation,
    /// Its version, for people; empty when it does not say.
    pub(crate) software: String,
    pub(crate) levels: Levels,
}

/// See the head of the file.
#[derive(Debug, Default)]
pub(crate) struct Features {
    programs: BTreeMap<Instance, Program>,
    /// The level that a leader told last.
    told: Option<FeatureLevel>,
    /// The level that a leader told first in this run.
    told_first: Option<FeatureLevel>,
    /// The level that was noticed here last.
    noticed: Option<FeatureLevel>,
}

/// How far the level can rise, and who is in its way.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reach {
    /// The highest that every member can run.
    pub(crate) level: FeatureLevel,
    /// Members that cannot run the highest that this program can.
    pub(crate) behind: Vec<Behind>,
}

/// A member that keeps the level down.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Behind {
    pub(crate) name: String,
    state: MemberState,
    program: Option<Program>,
}

impl Features {
    /// What the peer of a session runs.
    pub(crate) fn note(&mut self, session: &Session) {
        let known = self.programs.get(&session.instance);
        if known.is_some_and(|known| known.generation > session.generation) {
            return;
        }
        if known.is_none() && self.programs.len() >= MAX_PROGRAMS {
            self.programs.clear();
        }
        let program = Program {
            generation: session.generation,
            software: session.software.clone(),
            levels: session.levels,
        };
        self.programs.insert(session.instance, program);
    }

    /// What the newest start of an instance that was met runs.
    pub(crate) fn met(&self, instance: Instance) -> Option<&Program> {
        self.programs.get(&instance)
    }

    /// What a member runs; none when its newest start has not said it here.
    pub(crate) fn program(&self, member: &Member) -> Option<&Program> {
        self.met(member.instance).filter(|program| program.generation >= member.generation)
    }

    /// The leader names the level in its pings; who leads tells itself.
    pub(crate) fn tell(&mut self, level: u32) {
        if level > 0 {
            let level = FeatureLevel::new(level);
            self.told = self.told.max(Some(level));
            self.told_first.get_or_insert(level);
        }
    }

    /// Whether the cluster has risen to this level in this run: a leader told a lower one before. What a leader's first word says may be old,
    /// and a replica that starts again reads old entries behind that word, too.
    pub(crate) fn has_risen_to(&self, level: FeatureLevel) -> bool {
        self.told_first.is_some_and(|first| first < level)
    }

    /// The level that a leader told last.
    pub(crate) fn told(&self) -> Option<FeatureLevel> {
        self.told
    }

    /// The level here is this: what it was before, if it is another.
    pub(crate) fn notice(&mut self, level: FeatureLevel) -> Option<Option<FeatureLevel>> {
        let before = self.noticed.replace(level);
        (before != Some(level)).then_some(before)
    }

    /// How far the level can rise.
    pub(crate) fn reach(&self, config: &NodeConfig, view: &HealthView) -> Reach {
        let highest = config.levels.highest();
        let mut reach = Reach { level: highest, behind: Vec::new() };
        let others = view.members.iter().filter(|member| member.instance != config.instance);
        for member in others {
            let program = self.program(member);
            let levels = program.map_or(Levels::BASE, |program| program.levels);
            if levels.contains(highest) {
                continue;
            }
            reach.level = reach.level.min(levels.highest());
            let (name, state) = (member.name.clone(), member.state());
            reach.behind.push(Behind { name, state, program: program.cloned() });
        }
        reach
    }
}

impl Reach {
    /// Who is in the way of this level, and what helps; when nobody is, how it rises.
    pub(crate) fn why_not(&self, level: FeatureLevel) -> String {
        let behind: Vec<&Behind> =
            self.behind.iter().filter(|behind| behind.highest() < level).collect();
        if behind.is_empty() {
            return "every member can: run `quorate feature raise`".to_owned();
        }
        let mut words: Vec<String> = behind.iter().take(NAMED).map(|it| it.to_string()).collect();
        if let Some(more) = behind.len().checked_sub(NAMED).filter(|more| *more > 0) {
            words.push(format!("{more} more"));
        }
        let words = words.join(", ");
        match behind.iter().any(|behind| behind.program.is_none()) {
            true => {
                format!("{words}; bring it back, or remove it, then run `quorate feature raise`")
            }
            false => format!("{words}; upgrade it, then run `quorate feature raise`"),
        }
    }
}

impl Behind {
    fn highest(&self) -> FeatureLevel {
        self.program.as_ref().map_or(FeatureLevel::BASE, |program| program.levels.highest())
    }
}

impl std::fmt::Display for Behind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, state, program } = self;
        match program {
            Some(program) => {
                write!(f, "host {name} runs {} ({})", said(&program.software), program.levels)
            }
            None => write!(f, "host {name} is {} and has not said what it runs", state.word()),
        }
    }
}

/// A version of the software, for people.
fn said(software: &str) -> &str {
    if software.is_empty() { "a version that does not say which" } else { software }
}

/// Why a program cannot be a member of a cluster at this level, and what helps.
pub(crate) fn unfit(host: &str, software: &str, levels: Levels, level: FeatureLevel) -> String {
    let software = said(software);
    let helps = match levels.highest() < level {
        true => "install the version that the other hosts run, and start it again",
        false => "install the version that the other hosts run, raise the level, then upgrade",
    };
    format!(
        "{host} runs quorate {software}, which can run {levels}; the cluster runs feature level {level}, which is never taken back: {helps}"
    )
}

#[cfg(test)]
mod tests;
