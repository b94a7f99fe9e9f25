//! Just enough HTTP/1.1 for a generator that must cost little: keep-alive, bodies with a length, nothing else.

use std::{io, net::SocketAddr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

/// The longest head or body that is read, in bytes.
const LENGTH_MAX: usize = 1024 * 1024;

/// Reads requests or answers from a connection, one after the other.
pub(crate) struct Reader {
    stream: OwnedReadHalf,
    bytes: Vec<u8>,
    /// How much of `bytes` belongs to what was returned last.
    taken: usize,
}

/// Head and body of a request or answer.
pub(crate) struct Part<'a> {
    pub(crate) head: &'a [u8],
    pub(crate) body: &'a [u8],
}

/// A connection as both of its halves.
pub(crate) fn split(stream: TcpStream) -> io::Result<(Reader, OwnedWriteHalf)> {
    stream.set_nodelay(true)?;
    let (read, write) = stream.into_split();
    Ok((Reader { stream: read, bytes: Vec::with_capacity(4096), taken: 0 }, write))
}

impl Reader {
    /// The next one; none when the other side has closed.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Part<'_>>> {
        self.bytes.drain(..self.taken);
        self.taken = 0;
        loop {
            if let Some(head) = self.bytes.windows(4).position(|w| w == b"\r\n\r\n").map(|at| at + 4) {
                let length = head + content_length(&self.bytes[..head]);
                if length > LENGTH_MAX {
                    return Err(io::Error::other("the body is too long"));
                }
                if self.bytes.len() >= length {
                    self.taken = length;
                    return Ok(Some(Part { head: &self.bytes[..head], body: &self.bytes[head..length] }));
                }
            } else if self.bytes.len() > LENGTH_MAX {
                return Err(io::Error::other("the head is too long"));
            }
            if self.stream.read_buf(&mut self.bytes).await? == 0 {
                return Ok(None);
            }
        }
    }
}

fn content_length(head: &[u8]) -> usize {
    const NAME: &[u8] = b"content-length:";
    for line in head.split(|b| *b == b'\n') {
        if line.len() > NAME.len() && line[..NAME.len()].eq_ignore_ascii_case(NAME) {
            return std::str::from_utf8(&line[NAME.len()..]).ok().and_then(|n| n.trim().parse().ok()).unwrap_or(0);
        }
    }
    0
}

/// Posts webhooks over one connection.
pub(crate) struct Poster {
    address: SocketAddr,
    halves: Option<(Reader, OwnedWriteHalf)>,
    request: Vec<u8>,
}

impl Poster {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, halves: None, request: Vec::new() }
    }

    /// Posts a body to the webhook and answers with the status code.
    pub(crate) async fn post(&mut self, body: &[u8], signature: &str) -> io::Result<u16> {
        if self.halves.is_none() {
            self.halves = Some(split(TcpStream::connect(self.address).await?)?);
        }
        let Some((reader, writer)) = &mut self.halves else { return Err(io::ErrorKind::NotConnected.into()) };
        self.request.clear();
        let head = format!(
            "POST /whatsapp/webhook HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\nx-hub-signature-256: sha256={signature}\r\ncontent-length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        self.request.extend_from_slice(head.as_bytes());
        self.request.extend_from_slice(body);
        let result = exchange(reader, writer, &self.request).await;
        if result.is_err() {
            self.halves = None;
        }
        result
    }
}

async fn exchange(reader: &mut Reader, writer: &mut OwnedWriteHalf, request: &[u8]) -> io::Result<u16> {
    writer.write_all(request).await?;
    let answer = reader.next().await?.ok_or(io::ErrorKind::UnexpectedEof)?;
    let code = answer.head.get(9..12).and_then(|code| std::str::from_utf8(code).ok()?.parse().ok());
    code.ok_or_else(|| io::Error::other("an answer without a status code"))
}
