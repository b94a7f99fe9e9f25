//! What may happen, happening: storage calls and Meta's answers with their faults, webhooks, deaths.

use std::time::Duration;

use axum::http::StatusCode;
use chrono::TimeDelta;
use domain::Clock;
use serde_json::{Value, json};
use storage::{
    Db,
    testing::gates::{Call, Fate},
};
use whatsapp::client::SendError;

use super::{Choice, Run};
use crate::simulation::{
    host::Host,
    meta, stage,
    wire::{Answer, Asked},
};

/// How soon a webhook that was not acknowledged is told again.
const REDELIVERY: TimeDelta = TimeDelta::seconds(3);
/// How long a host is stopped at most, in seconds: longer than its lease.
const FREEZE_SECONDS_MAX: u64 = 40;

impl Run<'_> {
    /// Lets something happen.
    pub(super) fn happen(&mut self, choice: Choice) {
        match choice {
            Choice::Storage(host, id, call) => self.storage(host, id, call),
            Choice::Meta(host, id, asked) => self.answer(host, id, &asked),
            Choice::Webhook(job, host) => {
                let what = self.meta.jobs[job].what.clone();
                self.note(|| format!("host {host} is told: {what}"));
                let step = self.outcome.steps;
                let job_ref = &mut self.meta.jobs[job];
                job_ref.is_under_way = true;
                job_ref.posted.get_or_insert(step);
                let request = job_ref.request();
                if let Some(host) = &mut self.hosts[host] {
                    host.post(job, request);
                }
                self.go_on(host);
            }
            Choice::Start(host) => {
                self.note(|| format!("host {host} starts"));
                self.config.data_dir = self.folder.clone();
                self.hosts[host] = Some(Host::start(&self.url, self.config.clone(), &self.clock));
                self.go_on(host);
            }
            Choice::Kill(host) => {
                self.fault();
                self.kill(host, "");
            }
            Choice::Freeze(host) => {
                self.fault();
                let now = self.clock.now();
                let seconds = self.rng.u64(1..FREEZE_SECONDS_MAX);
                self.note(|| format!("host {host} is stopped for {seconds} s"));
                // What it has handed over, another host may take for lost.
                let rows = self.meta.taken_of(host, &self.sending());
                self.meta.excuse(rows.into_iter());
                self.frozen[host] = Some((now + Duration::from_secs(seconds), now));
            }
            Choice::Tick => {
                let millis = [1, 20, 300, 1_000, 3_000, 8_000, 25_000][self.rng.usize(..7)];
                self.tick(Duration::from_millis(millis));
            }
        }
    }

    /// A storage call goes on, or does not.
    fn storage(&mut self, host: usize, id: u64, call: Call) {
        let commits = matches!(call, Call::Commit { writes: true });
        let one_in = if commits { self.weather.one_in / 10 } else { self.weather.one_in };
        let strikes = !self.is_calm && self.weather.faults > 0 && self.rng.u32(..one_in.max(2)) == 0;
        if !strikes {
            self.note(|| format!("host {host} {}", named(call)));
            self.decide(host, id, Fate::Made);
            return;
        }
        self.fault();
        match self.rng.u8(..10) {
            0..3 => {
                self.note(|| format!("host {host} {}: REFUSED", named(call)));
                self.decide(host, id, Fate::Refused);
            }
            3 => {
                self.note(|| format!("host {host} {}: TO BE TRIED AGAIN", named(call)));
                self.decide(host, id, Fate::Retry);
            }
            4..6 if commits => {
                self.note(|| format!("host {host} {}: DONE, BUT NOT TOLD", named(call)));
                self.decide(host, id, Fate::Lost);
            }
            6..8 if commits => {
                self.note(|| format!("host {host} {}", named(call)));
                self.decide(host, id, Fate::Silent);
                self.kill(host, " after it");
            }
            _ => self.kill(host, &format!(" before {}", named(call))),
        }
    }

    fn decide(&mut self, host: usize, id: u64, fate: Fate) {
        if let Some(host) = &self.hosts[host] {
            host.gates.decide(id, fate);
        }
        self.go_on(host);
    }

    /// Lets a host run until everything in it waits.
    pub(super) fn go_on(&mut self, index: usize) {
        let Some(host) = &mut self.hosts[index] else { return };
        match host.go_on() {
            Ok(answers) => {
                for (job, status) in answers {
                    self.acknowledge(index, job, status);
                }
            }
            Err(error) => {
                self.note(|| format!("host {index} does not start: {error}"));
                self.hosts[index] = None;
            }
        }
    }

    fn acknowledge(&mut self, host: usize, job: usize, status: StatusCode) {
        let what = self.meta.jobs[job].what.clone();
        self.note(|| format!("host {host} says {} to: {what}", status.as_u16()));
        let (step, now, is_calm) = (self.outcome.steps, self.clock.now(), self.is_calm);
        let job = &mut self.meta.jobs[job];
        job.is_under_way = false;
        if status != StatusCode::OK {
            job.not_before = now + REDELIVERY;
            if status != StatusCode::SERVICE_UNAVAILABLE {
                self.outcome.wrong.push(format!("a webhook was answered {status}: {what}"));
            }
            return;
        }
        if job.acknowledged.is_some() {
            job.repetitions = job.repetitions.saturating_sub(1);
        }
        job.acknowledged.get_or_insert((step, now));
        if job.repetitions > 0 && !is_calm {
            job.not_before = now + TimeDelta::seconds(self.rng.i64(0..30));
        }
    }

    /// A host dies: nothing of it runs any more. What it has asked of Meta may or may not have arrived. On SQLite perhaps the
    /// whole machine does, and what was not synced is gone, too.
    fn kill(&mut self, index: usize, when: &str) {
        let power_goes = !self.is_shared && self.rng.bool();
        self.note(|| format!("host {index} DIES{when}{}", if power_goes { ", WITH ITS MACHINE" } else { "" }));
        let Some(host) = self.hosts[index].take() else { return };
        let left = power_goes.then(|| host.db.on_disk().expect("files that can be read")).flatten();
        let (now, requests) = (self.clock.now(), host.requests.clone());
        for (_, asked) in requests.waiting() {
            if let Some(row) = row(&asked)
                && self.rng.bool()
            {
                self.meta.take(index, row, &asked, now, &mut self.rng);
                self.note(|| format!("Meta takes {row} all the same"));
            }
        }
        drop(host);
        if let Some(left) = left {
            let (runtime, db) = &mut self.looker;
            runtime.block_on(db.close());
            left.restore().expect("files that can be written");
            *db = runtime.block_on(Db::connect(&self.url)).expect("the database can be opened");
        }
        self.frozen[index] = None;
        let rows = self.meta.taken_of(index, &self.sending());
        self.meta.excuse(rows.into_iter());
        for job in &mut self.meta.jobs {
            if job.is_under_way {
                job.is_under_way = false;
                job.not_before = now + REDELIVERY;
            }
        }
    }

    /// Rows that are on their way, as the database says.
    fn sending(&self) -> Vec<i64> {
        let (runtime, db) = &self.looker;
        let messages = runtime.block_on(async { db.read().await?.audit_messages().await });
        let messages = messages.expect("the database can be read");
        messages.into_iter().filter(|message| message.status == "sending").map(|message| message.id).collect()
    }

    /// Meta answers, or something else happens.
    fn answer(&mut self, host: usize, id: u64, asked: &Asked) {
        let answer = match row(asked) {
            Some(row) => self.answer_send(host, row, asked),
            None => {
                self.note(|| format!("host {host} asks Meta {}", asked.path));
                let answer = if asked.body == Value::Null {
                    json!({ "id": stage::NUMBER, "throughput": { "level": "STANDARD" } })
                } else {
                    json!({ "success": true })
                };
                Ok((200, answer.to_string().into_bytes()))
            }
        };
        if let Some(host) = &self.hosts[host] {
            host.requests.answer(id, answer);
        }
        self.go_on(host);
    }

    fn answer_send(&mut self, host: usize, row: i64, asked: &Asked) -> Answer {
        let now = self.clock.now();
        let is_unwell = !self.is_calm && self.weather.faults > 0 && self.rng.u32(..self.weather.meta_one_in) == 0;
        if !is_unwell {
            let wamid = self.meta.take(host, row, asked, now, &mut self.rng);
            self.note(|| format!("Meta takes {row} of host {host} as {wamid}: {}", asked.body["text"]["body"]));
            let to = asked.body["to"].as_str().unwrap_or_default();
            return Ok((200, meta::accepted(to, &wamid)));
        }
        self.fault();
        match self.rng.u8(..7) {
            0 | 1 => {
                let wamid = self.meta.take(host, row, asked, now, &mut self.rng);
                self.meta.excuse(std::iter::once(row));
                self.note(|| format!("Meta takes {row} of host {host} as {wamid}, BUT IS NOT HEARD"));
                Err(SendError::Unknown("the connection broke".into()))
            }
            2 => {
                self.note(|| format!("{row} of host {host} IS LOST on its way to Meta"));
                Ok((502, b"bad gateway".to_vec()))
            }
            3 => {
                self.note(|| format!("{row} of host {host}: NO CONNECTION to Meta"));
                Err(SendError::NotSent("refused".into()))
            }
            4 => {
                self.note(|| format!("Meta finds the number of {row} of host {host} TOO FAST"));
                Ok((400, meta::refusal(130_429)))
            }
            5 => {
                self.note(|| format!("Meta finds too much sent to the contact of {row} of host {host}"));
                Ok((400, meta::refusal(131_056)))
            }
            _ => {
                self.meta.refuse(row);
                self.note(|| format!("Meta REFUSES {row} of host {host}"));
                Ok((400, meta::refusal(meta::undeliverable())))
            }
        }
    }
}

/// The row that a request is to send, if it is to send one.
pub(super) fn row(asked: &Asked) -> Option<i64> {
    asked.body.get("biz_opaque_callback_data")?.as_str()?.parse().ok()
}

fn named(call: Call) -> String {
    match call {
        Call::Begin => "begins".into(),
        Call::Read => "begins to read".into(),
        Call::Statement { place: (module, line), .. } => {
            format!("asks {}:{line}", module.strip_prefix("storage::").unwrap_or(module))
        }
        Call::Commit { writes: true } => "commits".into(),
        Call::Commit { writes: false } => "ends to read".into(),
        Call::Sync => "syncs".into(),
    }
}
