//! The conversation in the terminal.

use std::{io::Write, time::Duration};

use domain::Address;
use emulator::Emulator;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    time::{Instant, sleep},
};

use super::bot;
use crate::running::Running;

/// The person who chats.
const PHONE: &str = "16505550123";
/// Longest time that a scripted conversation waits for the bot to come to rest.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it looks.
const LOOK: Duration = Duration::from_millis(20);

/// Says each text in turn, prints the conversation and ends.
pub(super) async fn scripted(server: &Running, emulator: &Emulator, says: &[String]) -> Result<(), String> {
    let mut printed = 0;
    for text in says {
        println!("you: {text}");
        emulator.say(PHONE, text).delivered().await.map_err(|undelivered| undelivered.last)?;
        at_rest(server, emulator).await?;
        let sent = emulator.sent_to(PHONE);
        for message in &sent[printed..] {
            println!("bot: {}", message.text);
        }
        printed = sent.len();
    }
    Ok(())
}

/// Waits until the bot has nothing more to say by itself: nothing in work, nothing to be sent, no timer running.
async fn at_rest(server: &Running, emulator: &Emulator) -> Result<(), String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if server.app().work.pending() == (0, 0) && !has_timer(server, emulator).await? {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err("the bot did not come to rest".into());
        }
        sleep(LOOK).await;
    }
}

async fn has_timer(server: &Running, emulator: &Emulator) -> Result<bool, String> {
    let look = async {
        let mut tx = server.app().db.read().await?;
        let bot = tx.bot_by_phone_number(&emulator.number().phone_number_id).await?;
        let Some(bot) = bot else { return Ok(false) };
        let Some(contact) = tx.contact_by_address(bot.id, &Address::Phone(PHONE.into())).await? else {
            return Ok(false);
        };
        let live = tx.live_executions(&[contact.id]).await?;
        let busy = |row: &storage::ExecutionRow| row.execution.status != domain::ExecutionStatus::WaitingInput;
        Ok(live.values().flatten().any(busy))
    };
    look.await.map_err(|error: storage::Error| error.to_string())
}

/// Chats until the input ends.
pub(super) async fn interactive(server: &Running, emulator: &Emulator, intro: &str) -> Result<(), String> {
    let base = server.base_url();
    println!("This is a whole ChatBoost: {base}/docs (log in as {}, {}).", bot::USERNAME, bot::PASSWORD);
    println!("{intro} Ctrl-D ends.");
    let mut answers = emulator.subscribe();
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    prompt();
    loop {
        tokio::select! {
            line = lines.next_line() => match line.map_err(|error| error.to_string())? {
                None => break,
                Some(text) if text.trim().is_empty() => prompt(),
                Some(text) => drop(emulator.say(PHONE, &text)),
            },
            answer = answers.recv() => if let Ok(answer) = answer {
                println!("\rbot: {}", answer.text);
                prompt();
            },
            _ = tokio::signal::ctrl_c() => break,
        }
    }
    println!();
    Ok(())
}

fn prompt() {
    print!("you: ");
    // A terminal that is gone shows nothing anyway.
    let _ = std::io::stdout().flush();
}
