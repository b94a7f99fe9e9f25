//! Matchers: triggers of plugins that are asked about messages and events. Asking is for others; here it is decided whom
//! to ask, and who wins.

use std::cmp::{Ordering, Reverse};

use domain::{JsonMap, PluginRule, Trigger, TriggerId, TriggerRule};

use crate::triggers::all::Fired;

/// A matcher that is switched on.
#[derive(Debug, Clone)]
pub struct Matcher {
    /// What it starts.
    pub fired: Fired,
    /// Whom to ask, and how.
    pub rule: PluginRule,
}

/// That a matcher recognised something.
#[derive(Debug, Clone, PartialEq)]
pub struct Recognised {
    /// How sure it is, from 0 to 1.
    pub score: f64,
    /// Variables for the flow.
    pub extracted: JsonMap,
}

/// What is known of a matcher's answer.
#[derive(Debug, Clone, Copy)]
pub enum Known<'a> {
    /// It was not asked.
    Nothing,
    /// It does not match, or could not say.
    No,
    /// It matches.
    Yes(&'a Recognised),
}

/// Who wins.
#[derive(Debug)]
pub enum Choice<'t, 'a> {
    /// These have to be asked first; all of one priority.
    Ask(Vec<&'t Matcher>),
    /// This trigger, and what it recognised if it is a matcher.
    Fires(Fired, Option<&'a Recognised>),
    /// Nobody.
    Nobody,
}

/// The matchers of a bot, those of the highest priority first, then by id.
#[derive(Debug, Default)]
pub(super) struct Matchers(Vec<Matcher>);

impl Matchers {
    /// Takes those among the triggers that are matchers and switched on.
    pub(super) fn build(triggers: &[Trigger]) -> Self {
        let matcher = |trigger: &Trigger| match &trigger.rule {
            TriggerRule::Plugin(rule) if trigger.is_active && !rule.listens_to.is_empty() => {
                Some(Matcher { fired: Fired::of(trigger), rule: rule.clone() })
            }
            _ => None,
        };
        let mut matchers: Vec<Matcher> = triggers.iter().filter_map(matcher).collect();
        matchers.sort_by_key(|matcher| (Reverse(matcher.fired.priority), matcher.fired.trigger_id));
        Self(matchers)
    }

    /// Whether any is to be asked about this.
    pub(super) fn listen_to(&self, what: &str) -> bool {
        self.0.iter().any(|matcher| matcher.rule.listens_to(what))
    }

    /// Who wins: the highest priority, then the highest score, then the lowest id. A trigger that is no matcher counts as
    /// one that is entirely sure. A matcher that cannot win any more is not asked.
    pub(super) fn choose<'t, 'a>(
        &'t self,
        built_in: Option<Fired>,
        what: &[&str],
        interrupting: bool,
        known: &dyn Fn(TriggerId) -> Known<'a>,
    ) -> Choice<'t, 'a> {
        let may_win = |matcher: &&Matcher| {
            let order = |fired: &Fired| (Reverse(fired.priority), fired.trigger_id);
            (matcher.fired.interrupt || !interrupting)
                && what.iter().any(|what| matcher.rule.listens_to(what))
                && built_in.is_none_or(|built_in| order(&matcher.fired) < order(&built_in))
        };
        let contenders: Vec<&Matcher> = self.0.iter().filter(may_win).collect();
        for group in contenders.chunk_by(|a, b| a.fired.priority == b.fired.priority) {
            let unknown = group.iter().filter(|matcher| matches!(known(matcher.fired.trigger_id), Known::Nothing));
            let unknown: Vec<&Matcher> = unknown.copied().collect();
            if !unknown.is_empty() {
                return Choice::Ask(unknown);
            }
            // At equal priority only one who is as sure as can be goes before a trigger that simply matches.
            let rival = built_in.is_some_and(|built_in| built_in.priority == group[0].fired.priority);
            let matched = group.iter().filter_map(|matcher| match known(matcher.fired.trigger_id) {
                Known::Yes(recognised) if !rival || recognised.score >= 1.0 => Some((*matcher, recognised)),
                _ => None,
            });
            let best = matched.max_by(|(a, sure), (b, surer)| {
                let scores = sure.score.partial_cmp(&surer.score).unwrap_or(Ordering::Equal);
                scores.then(b.fired.trigger_id.cmp(&a.fired.trigger_id))
            });
            if let Some((matcher, recognised)) = best {
                return Choice::Fires(matcher.fired, Some(recognised));
            }
        }
        built_in.map_or(Choice::Nobody, |fired| Choice::Fires(fired, None))
    }
}
