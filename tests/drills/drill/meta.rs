//! Meta answers 500 and 429, not at all, breaks connections before and after it takes a message.

use emulator::{Disorder, Failure, Faults, Planned};

use crate::{
    scene::{Scene, Wishes},
    talk::Talk,
    verdict::{Bounds, Report, verdict},
};

/// Sends that go well between two that do not, at most.
const GAP: u32 = 8;

pub(super) fn wishes() -> Wishes {
    let statuses = Disorder { duplicate: 0.2, shuffle: 4, ..Disorder::default() };
    Wishes { faults: Faults { statuses, ..Faults::default() }, ..Wishes::default() }
}

pub(super) async fn run(scene: &mut Scene) -> Result<Report, String> {
    let (contacts, messages, times) = if scene.long { (100, 50, 60) } else { (16, 12, 4) };
    let too_fast = Failure::Code { code: 130_429, http_status: Some(429), details: None, transient: true };
    let doubtful = [
        Failure::Gateway { http_status: 500 },
        Failure::Gateway { http_status: 502 },
        Failure::AcceptThenDrop,
        Failure::AcceptThenSilence,
        Failure::DropBeforeAccept,
    ];
    let clear = [too_fast, Failure::code(131_056), Failure::code(131_000)];
    let mut failures: Vec<&Failure> =
        doubtful.iter().chain(&clear).cycle().take(times * (doubtful.len() + clear.len())).collect();
    scene.dice.shuffle(&mut failures);
    let mut faults = scene.emulator.faults();
    for failure in failures {
        let planned = |times, failure| Planned { times, to: None, message_type: None, failure };
        faults.next.push_back(planned(scene.dice.u32(1..=GAP), Failure::None));
        faults.next.push_back(planned(1, failure.clone()));
    }
    scene.emulator.set_faults(faults);
    let talk = Talk { contacts: 1..=contacts, messages: 1..=messages, pause_ms: 20..=300, ..Talk::default() };
    scene.talk(&talk).finished().await?;
    scene.all_answered().await?;
    let left = scene.emulator.faults().next.into_iter().filter(|planned| planned.failure != Failure::None).count();
    if left > 0 {
        return Err(format!("{left} of the planned failures did not happen: there were too few sends"));
    }
    verdict(scene, Bounds { doubts: times * doubtful.len(), late_copies: false }).await
}
