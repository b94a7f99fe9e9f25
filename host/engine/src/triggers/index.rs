//! Finding the trigger for a message among very many.

use domain::{FlowId, MatchType, Trigger, TriggerId, TriggerRule};

use crate::triggers::{
    keyword::{self, Heard},
    lookup::{Find, Lookup},
    patterns::Patterns,
};

/// The keyword triggers of one bot, ready to be asked. Asking costs about as much with ten thousand triggers as with
/// ten, except that regular expressions cost by their number when they are many. Meant to be built when triggers change
/// and shared.
#[derive(Debug)]
pub struct KeywordIndex {
    /// Those that go first come first.
    triggers: Vec<Trigger>,
    all: Lookup,
    interrupting: Lookup,
    patterns: Patterns,
}

/// The trigger that a message fires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// The trigger.
    pub trigger_id: TriggerId,
    /// The flow it starts.
    pub flow_id: FlowId,
    /// The first of its keywords that matched, as its owner wrote it.
    pub keyword: String,
    /// Whether it ends an execution that waits for this contact's reply.
    pub interrupt: bool,
}

/// How one trigger fared with a text.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The trigger.
    pub trigger_id: TriggerId,
    /// Whether it could fire; never true for one that is switched off.
    pub matched: bool,
    /// Its priority.
    pub priority: i64,
    /// The first of its keywords that matched.
    pub matched_keyword: Option<String>,
    /// How sure a matcher is that matches.
    pub score: Option<f64>,
    /// Sentence for people.
    pub reason: String,
}

impl KeywordIndex {
    /// Builds the index of those among the triggers that are keyword triggers. Those that are switched off are kept only
    /// to be explained.
    pub fn build(triggers: &[Trigger]) -> Self {
        let is_keyword = |trigger: &&Trigger| matches!(trigger.rule, TriggerRule::Keyword { .. });
        let mut triggers: Vec<Trigger> = triggers.iter().filter(is_keyword).cloned().collect();
        triggers.sort_by_key(|trigger| (std::cmp::Reverse(trigger.priority), trigger.id));
        let active = || triggers.iter().enumerate().filter(|(_, trigger)| trigger.is_active);
        let all = Lookup::build(active());
        let interrupting = Lookup::build(active().filter(|(_, trigger)| trigger.interrupt));
        let patterns = Patterns::build(active());
        Self { all, interrupting, patterns, triggers }
    }

    /// The trigger that a message with this text fires: the highest priority that matches, then the lowest id.
    pub fn choose(&self, text: &str) -> Option<Match> {
        self.choose_from(&self.all, text, |_| true)
    }

    /// The same among those that interrupt: what to ask while an execution waits for the contact's reply.
    pub fn choose_interrupting(&self, text: &str) -> Option<Match> {
        self.choose_from(&self.interrupting, text, |trigger| trigger.interrupt)
    }

    /// How each trigger fares with a text, those that go first first; so the first that matched is the one chosen. Looks
    /// at every trigger by itself: for people who test their triggers, not for every message.
    pub fn explain(&self, text: &str) -> Vec<Candidate> {
        let heard = Heard::new(text);
        let mut winner = None;
        self.triggers
            .iter()
            .filter_map(|trigger| {
                let TriggerRule::Keyword { match_type, .. } = &trigger.rule else { return None };
                let found = heard.as_ref().and_then(|heard| keyword::first_match(&trigger.rule, heard));
                let matched = found.is_some() && trigger.is_active;
                let reason = reason(trigger, *match_type, found, heard.is_some(), winner);
                if matched && winner.is_none() {
                    winner = Some(trigger.id);
                }
                Some(Candidate {
                    trigger_id: trigger.id,
                    matched,
                    priority: trigger.priority,
                    matched_keyword: found.filter(|_| matched).map(str::to_owned),
                    score: None,
                    reason,
                })
            })
            .collect()
    }

    fn choose_from(&self, texts: &Lookup, text: &str, wanted: impl Fn(&Trigger) -> bool) -> Option<Match> {
        let heard = Heard::new(text)?;
        let pattern = self.patterns.first(&heard, |find| self.triggers.get(find.rank).is_some_and(&wanted));
        let Find { rank, keyword } = texts.first(&heard).into_iter().chain(pattern).min()?;
        let trigger = self.triggers.get(rank)?;
        let TriggerRule::Keyword { keywords, .. } = &trigger.rule else { return None };
        Some(Match {
            trigger_id: trigger.id,
            flow_id: trigger.flow_id,
            keyword: keywords.get(keyword)?.clone(),
            interrupt: trigger.interrupt,
        })
    }
}

fn reason(
    trigger: &Trigger,
    match_type: MatchType,
    found: Option<&str>,
    has_text: bool,
    winner: Option<TriggerId>,
) -> String {
    let verb = keyword::verb(match_type);
    match (found, winner) {
        _ if !has_text => "the message has no text".to_owned(),
        (Some(keyword), _) if !trigger.is_active => format!("is switched off; otherwise {verb} `{keyword}`"),
        (None, _) if !trigger.is_active => "is switched off".to_owned(),
        (Some(keyword), None) => format!("{verb} `{keyword}`"),
        (Some(keyword), Some(winner)) => format!("{verb} `{keyword}`, but trigger {winner} goes first"),
        (None, _) => format!("{verb} none of its keywords"),
    }
}
