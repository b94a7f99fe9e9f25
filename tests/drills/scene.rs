//! Where a drill takes place: hosts on a database, a balancer before them, Meta around them, and a bot.

use std::{path::PathBuf, sync::Arc, time::Duration};

use chrono::TimeDelta;
use domain::{BotId, SystemClock};
use emulator::{Emulator, Sent};
use rustix::process::Signal;
use serde_json::{Value, json};
use storage::{Db, testing};
use tempfile::TempDir;
use tests::Api;
use tokio::time::sleep;

use crate::{
    balancer::Balancer,
    clock::Hands,
    drill::Database,
    host::{Host, Settings},
    model::Expected,
    progress::{until, until_nothing_is_left},
    talk::{Talk, Talking},
};

/// Hosts that share a PostgreSQL.
const HOSTS: usize = 3;

/// Who writes to no flow.
const WRITER: &str = "16505559999";
/// How much in a message, in characters.
const MUCH: usize = 3_000;

/// How long Meta takes to answer a send.
const SEND_MS: u64 = 40;

/// What all drills of a run share.
#[derive(Debug)]
pub(crate) struct Ground {
    pub(crate) seed: u64,
    pub(crate) long: bool,
    pub(crate) keep: bool,
    /// A server to make databases on; empty when only SQLite is asked for.
    pub(crate) postgres_url: String,
}

/// What a drill wants to be different.
#[derive(Debug, Default)]
pub(crate) struct Wishes {
    /// Environment variables of the hosts besides the usual ones, which they override.
    pub(crate) variables: Vec<(&'static str, &'static str)>,
    /// Hosts whose clocks can be moved.
    pub(crate) clocks: bool,
    /// A PostgreSQL server other than the common one.
    pub(crate) server: Option<String>,
    /// Where the SQLite file is to be.
    pub(crate) folder: Option<PathBuf>,
    /// Hosts that bear a limit of the size of files.
    pub(crate) bears_file_limit: bool,
    /// What Meta does wrong from the start.
    pub(crate) faults: emulator::Faults,
}

/// See the module.
pub(crate) struct Scene {
    pub(crate) long: bool,
    pub(crate) dice: fastrand::Rng,
    pub(crate) emulator: Emulator,
    pub(crate) hosts: Vec<Host>,
    pub(crate) balancer: Balancer,
    pub(crate) api: Api,
    pub(crate) bot: BotId,
    /// What contacts must get.
    pub(crate) expected: Vec<Expected>,
    /// How many messages were written, to be stored once each.
    pub(crate) written: usize,
    /// How many times a host lost all that it had in hand.
    pub(crate) deaths: usize,
    /// The folder of everything. Kept when the drill fails.
    pub(crate) folder: TempDir,
    url: String,
    /// The server and database to be removed at the end.
    removed: Option<(String, String)>,
}

impl Scene {
    /// Starts hosts and sets up the bot: it counts messages, and starters have it wait for three seconds (`timer`), or for
    /// half an hour (`later`).
    pub(crate) async fn set(name: &str, database: Database, ground: &Ground, wishes: Wishes) -> Result<Self, String> {
        let folder =
            tempfile::Builder::new().prefix("chatboost-drill.").tempdir().map_err(|error| error.to_string())?;
        let mut dice = fastrand::Rng::with_seed(ground.seed);
        name.bytes().chain(database.name().bytes()).for_each(|byte| dice.seed(dice.clone().u64(..) ^ u64::from(byte)));
        let mut config = emulator::Config::new(Arc::new(SystemClock));
        config.seed = dice.u64(..);
        config.delivery.lanes = 16;
        config.delivery.first_pause = Duration::from_millis(50);
        config.delivery.longest_pause = Duration::from_millis(500);
        // Sends take a while, so that what befalls the hosts finds some of them on their way.
        config.faults = emulator::Faults { delay_ms: SEND_MS, ..wishes.faults };
        let emulator = Emulator::start(config).await.map_err(|error| error.to_string())?;
        let mut removed = None;
        let url = match database {
            Database::Sqlite => {
                let place = wishes.folder.clone().unwrap_or_else(|| folder.path().to_owned());
                format!("sqlite:{}", place.join("bot.db").display())
            }
            Database::Postgres => {
                let server = wishes.server.clone().unwrap_or_else(|| ground.postgres_url.clone());
                let database = format!("chatboost_drill_{:016x}", fastrand::u64(..));
                let url = testing::create_database(&server, &database).await.map_err(|error| error.to_string())?;
                removed = Some((server, database));
                url
            }
        };
        let mut variables = vec![
            ("DATABASE_URL", url.clone()),
            ("SECRET_KEY", "a secret key that is only for drills".to_owned()),
            ("WHATSAPP_API_BASE_URL", emulator.base_url()),
            ("WHATSAPP_APP_SECRET", emulator.app_secret().to_owned()),
            ("WHATSAPP_ACCESS_TOKEN", "token".to_owned()),
            ("WHATSAPP_MESSAGES_PER_SECOND", "0".to_owned()),
            ("WHATSAPP_PAIR_PACING", "false".to_owned()),
            ("WHATSAPP_UNKNOWN_SEND_SECONDS", "2".to_owned()),
            ("RUST_LOG", "info".to_owned()),
        ];
        variables.extend(wishes.variables.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let settings = Settings { variables, bears_file_limit: wishes.bears_file_limit };
        let mut hosts = Vec::new();
        for number in 1..=database.hosts(HOSTS) {
            let of_host = |what: &str| folder.path().join(format!("host-{number}.{what}"));
            let hands = if wishes.clocks { Some(Hands::new(of_host("clock"))?) } else { None };
            let mut host = Host::new(settings.clone(), &of_host("data"), of_host("log"), hands)?;
            host.start()?;
            hosts.push(host);
        }
        let balancer = Balancer::start(hosts.iter().map(Host::port).collect()).await?;
        emulator.set_callback(balancer.url());
        let mut apis = Vec::new();
        for host in &mut hosts {
            apis.push(host.ready().await?);
        }
        let api = apis[0].registered("owner").await;
        let number = &emulator.number().phone_number_id;
        let bot = json!({ "name": "b", "is_whatsapp_enabled": true, "whatsapp_phone_number_id": number });
        let bot = api.post("/bots/", bot).await["id"].as_i64().ok_or("the bot has no id")?;
        let scene = Self {
            long: ground.long,
            dice,
            emulator,
            hosts,
            balancer,
            api,
            bot: BotId(bot),
            expected: Vec::new(),
            written: 0,
            deaths: 0,
            folder,
            url,
            removed,
        };
        scene.add_flow("message", counting()).await;
        scene.add_flow("timer", waiting(3, "seconds")).await;
        scene.add_flow("later", waiting(30, "minutes")).await;
        Ok(scene)
    }

    /// A flow that the first word of a message starts. Answers with its id.
    pub(crate) async fn add_flow(&self, keyword: &str, nodes: Value) -> Value {
        let flow = json!({ "bot_id": self.bot, "name": keyword, "nodes": nodes });
        let flow = self.api.post("/bots/flows/", flow).await["id"].clone();
        let trigger = json!({
            "name": keyword, "bot_id": self.bot, "flow_id": flow, "trigger_type": "keyword",
            "keywords": [keyword], "match_type": "starts_with",
        });
        self.api.post("/triggers/", trigger).await;
        flow
    }

    /// The database, besides the hosts.
    pub(crate) async fn db(&self) -> Result<Db, String> {
        Db::connect(&self.url).await.map_err(|error| error.to_string())
    }

    /// Where the database is.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Lets people write, and takes note of what they must get.
    pub(crate) fn talk(&mut self, talk: &Talk) -> Talking {
        talk.expect(&mut self.expected);
        self.written += talk.total();
        talk.start(&self.emulator, &mut self.dice)
    }

    /// Has somebody write to no flow, and much, `at_once` messages at each look, until something is so. It fills what pages
    /// of a disk are still free.
    pub(crate) async fn write_until(
        &mut self,
        what: &str,
        at_once: usize,
        mut is_so: impl AsyncFnMut(&Self) -> bool,
    ) -> Result<(), String> {
        until(what, async || {
            for _ in 0..at_once {
                // Whatever is refused Meta delivers until it is taken.
                let _taken_some_time = self.emulator.say(WRITER, &"much ".repeat(MUCH / 5));
            }
            self.written += at_once;
            is_so(self).await
        })
        .await
    }

    /// The number of a host, by the dice.
    pub(crate) fn any_host(&mut self) -> usize {
        self.dice.usize(..self.hosts.len())
    }

    /// Waits between so many milliseconds, by the dice.
    pub(crate) async fn pause(&mut self, milliseconds: std::ops::RangeInclusive<u64>) {
        sleep(Duration::from_millis(self.dice.u64(milliseconds))).await;
    }

    /// Kills hosts at random, about one a second, and starts each again at once: some while they are still starting.
    pub(crate) async fn kill_again_and_again(&mut self, kills: usize) -> Result<(), String> {
        for _ in 0..kills {
            self.pause(500..=1_500).await;
            let victim = self.any_host();
            if self.dice.bool() {
                self.hosts[victim].ready().await?;
                self.pause(0..=300).await;
            }
            self.hosts[victim].kill()?;
            self.deaths += 1;
            self.hosts[victim].start()?;
        }
        self.all_ready().await
    }

    /// Waits until all hosts are ready.
    pub(crate) async fn all_ready(&mut self) -> Result<(), String> {
        for host in &mut self.hosts {
            host.ready().await?;
        }
        Ok(())
    }

    /// Moves the clocks of these hosts, as one would be moved if they were on one machine.
    pub(crate) fn set_clocks(&self, hosts: impl Iterator<Item = usize>, wrong_by: TimeDelta) -> Result<(), String> {
        hosts.filter_map(|host| self.hosts[host].hands()).try_for_each(|hands| hands.set(wrong_by))
    }

    /// Stops a host where it stands, or lets it go on.
    pub(crate) fn freeze(&self, host: usize, is_frozen: bool) -> Result<(), String> {
        self.hosts[host].signal(if is_frozen { Signal::STOP } else { Signal::CONT })
    }

    /// What was sent to everybody, by the place of the contact in `expected`.
    pub(crate) fn sends(&self) -> Vec<Vec<Sent>> {
        let place: std::collections::HashMap<&str, usize> =
            self.expected.iter().enumerate().map(|(index, one)| (one.phone.as_str(), index)).collect();
        let mut sends = vec![Vec::new(); self.expected.len()];
        for sent in self.emulator.sent() {
            if let Some(index) = place.get(sent.to.as_str()) {
                sends[*index].push(sent);
            }
        }
        sends
    }

    /// Waits until everybody has got as many messages as they must.
    pub(crate) async fn all_answered(&self) -> Result<(), String> {
        until_nothing_is_left("messages that are not answered", async || {
            let sends = self.sends();
            Ok(self.expected.iter().zip(&sends).flat_map(|(one, sends)| one.missing(sends)).collect())
        })
        .await
    }

    /// Takes everything down. Logs and databases stay if `keep` says so; then the answer tells where.
    pub(crate) async fn strike(mut self, keep: bool) -> Result<Option<PathBuf>, String> {
        self.hosts.clear();
        if let Some((server, name)) = &self.removed
            && !keep
        {
            testing::drop_database(server, name).await.map_err(|error| error.to_string())?;
        }
        self.folder.disable_cleanup(keep);
        Ok(keep.then(|| self.folder.path().to_owned()))
    }
}

/// Answers each message with its number.
fn counting() -> Value {
    json!([
        { "type": "set_variable", "config": { "assignments": { "state.n": "{{ (state.n or 0) + 1 }}" }, "next": 1 } },
        { "type": "ask", "config": {
            "message_type": "text", "content": { "text": "answer {{ state.n }} to {{ message.text }}" },
            "store_in": "state.last", "next": 0 } },
    ])
}

/// Waits, and then says so.
fn waiting(duration: u32, unit: &str) -> Value {
    json!([
        { "type": "wait", "config": { "duration": duration, "unit": unit, "next": 1 } },
        { "type": "send_message", "config": {
            "message_type": "text", "content": { "text": "{{ message.text }} went off" } } },
    ])
}
