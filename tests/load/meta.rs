//! Meta, as lean as it can be: takes sends, answers them, and makes signed webhooks.

use std::{
    cell::{Cell, RefCell},
    io,
    net::SocketAddr,
    rc::Rc,
};

use domain::{Clock, SystemClock};
use hmac::{Hmac, Mac};
use serde::Deserialize;
use sha2::Sha256;
use tokio::{io::AsyncWriteExt, net::TcpListener, task};

use crate::{
    score::{Score, phone},
    wire,
};

/// What webhooks are signed with.
pub(crate) const SECRET: &str = "load-app-secret";
/// The bot's number.
pub(crate) const NUMBER: &str = "106540352242922";

/// A request of the server to send a message.
#[derive(Deserialize)]
struct Send<'a> {
    #[serde(borrow, default)]
    to: Option<&'a str>,
    #[serde(borrow, default)]
    text: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Text<'a> {
    body: &'a str,
}

/// Hears of a send: recipient and text.
pub(crate) type Listener = Box<dyn Fn(&str, &str)>;

/// Meta's side of the server under load.
pub(crate) struct Meta {
    pub(crate) score: RefCell<Score>,
    /// Sends that were accepted.
    pub(crate) accepted: Cell<u64>,
    /// What is asked about each send besides scoring it: recipient, text.
    pub(crate) listener: RefCell<Option<Listener>>,
}

impl Meta {
    pub(crate) fn new(contacts: usize) -> Rc<Self> {
        Rc::new(Self {
            score: RefCell::new(Score::new(contacts)),
            accepted: Cell::new(0),
            listener: RefCell::new(None),
        })
    }

    /// Starts to take sends.
    pub(crate) async fn listen(self: &Rc<Self>) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let meta = Rc::clone(self);
        task::spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let meta = Rc::clone(&meta);
                task::spawn_local(async move {
                    // The server may close a connection whenever it likes.
                    let _closed = meta.serve(stream).await;
                });
            }
        });
        Ok(address)
    }

    async fn serve(&self, stream: tokio::net::TcpStream) -> io::Result<()> {
        let (mut reader, mut writer) = wire::split(stream)?;
        let mut answer = Vec::new();
        while let Some(request) = reader.next().await? {
            let is_send = request.head.starts_with(b"POST");
            if is_send {
                self.take(request.body);
            }
            let n = self.accepted.get();
            let body = if is_send {
                format!(r#"{{"messaging_product":"whatsapp","contacts":[],"messages":[{{"id":"wamid.load{n}"}}]}}"#)
            } else {
                r#"{"data":[],"id":"load"}"#.to_owned()
            };
            answer.clear();
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
            answer.extend_from_slice(head.as_bytes());
            answer.extend_from_slice(body.as_bytes());
            writer.write_all(&answer).await?;
        }
        Ok(())
    }

    fn take(&self, body: &[u8]) {
        self.accepted.set(self.accepted.get() + 1);
        let Ok(Send { to: Some(to), text: Some(text) }) = serde_json::from_slice(body) else { return };
        if let Some(listener) = &*self.listener.borrow() {
            listener(to, text.body);
            return;
        }
        let message = text.body.rsplit(' ').next().and_then(|word| word.parse().ok());
        let mut score = self.score.borrow_mut();
        match message {
            Some(message) => score.reply(to, message),
            None => score.unknown += 1,
        }
    }
}

/// A webhook with messages, each from a contact with a text.
pub(crate) fn webhook(run: &str, messages: &[(usize, usize, String)]) -> Vec<u8> {
    let now = now_seconds();
    let mut contacts = String::new();
    let mut list = String::new();
    for (at, (contact, number, text)) in messages.iter().enumerate() {
        let (comma, phone) = (if at > 0 { "," } else { "" }, phone(*contact));
        contacts.push_str(&format!(r#"{comma}{{"profile":{{"name":"Load {contact}"}},"wa_id":"{phone}"}}"#));
        list.push_str(&format!(
            r#"{comma}{{"from":"{phone}","id":"wamid.{run}.{contact}.{number}","timestamp":"{now}","text":{{"body":"{text}"}},"type":"text"}}"#
        ));
    }
    envelope(&format!(r#""contacts":[{contacts}],"messages":[{list}]"#))
}

/// A webhook with one status of a send.
pub(crate) fn status(send: u64, word: &str) -> Vec<u8> {
    let now = now_seconds();
    envelope(&format!(
        r#""statuses":[{{"id":"wamid.load{send}","status":"{word}","timestamp":"{now}","recipient_id":"16500000000"}}]"#
    ))
}

fn envelope(value: &str) -> Vec<u8> {
    format!(
        r#"{{"object":"whatsapp_business_account","entry":[{{"id":"102290129340398","changes":[{{"value":{{"messaging_product":"whatsapp","metadata":{{"display_phone_number":"15550783881","phone_number_id":"{NUMBER}"}},{value}}},"field":"messages"}}]}}]}}"#
    )
    .into_bytes()
}

fn now_seconds() -> i64 {
    SystemClock.now().timestamp()
}

/// The signature of a webhook, in hex.
pub(crate) fn sign(body: &[u8]) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()) else { return String::new() };
    mac.update(body);
    hex::encode(mac.finalize().into_bytes())
}
