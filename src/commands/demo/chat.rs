//! Receives Alertmanager's messages in the demo: prints chat messages on standard output and refuses mail.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use axum::extract::{Json, State};
use axum::http::StatusCode;
use axum::{Router, routing::post};
use serde::Deserialize;
use tokio::net::{TcpListener, TcpSocket};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::terminal::{escaped, print};
use crate::web;

/// The number of messages that may wait to be printed.
const QUEUE: usize = 32;

/// Any free port on loopback.
const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A server for chat messages. It stops when this is dropped.
pub struct Chat {
    pub address: SocketAddr,
    /// Bound without listening, so that connections are refused as long as this exists.
    mail: TcpSocket,
    stop: CancellationToken,
    serving: AbortOnDropHandle<()>,
}

impl Chat {
    /// Starts the server.
    pub async fn start() -> io::Result<Self> {
        let mail = TcpSocket::new_v4()?;
        mail.bind(ANY)?;
        let listener = TcpListener::bind(ANY).await?;
        let address = listener.local_addr()?;
        let stop = CancellationToken::new();
        let router = Router::new().fallback(post(show)).with_state(writer()?);
        let serving = tokio::spawn(web::serve(vec![listener], router, stop.clone()));
        Ok(Self { address, mail, stop, serving: AbortOnDropHandle::new(serving) })
    }

    /// Returns an address that refuses every connection, for mail.
    pub fn mail(&self) -> io::Result<SocketAddr> {
        self.mail.local_addr()
    }

    /// Stops the server.
    pub async fn end(self) {
        self.stop.cancel();
        let _ = self.serving.await;
    }
}

/// The message of a Slack web hook, as far as Alertmanager sends it.
#[derive(Deserialize)]
struct Message {
    attachments: Vec<Attachment>,
}

#[derive(Deserialize)]
struct Attachment {
    title: String,
    text: String,
}

async fn show(State(writer): State<SyncSender<String>>, Json(message): Json<Message>) -> StatusCode {
    // When standard output blocks and the queue is full, messages are dropped.
    let _ = writer.try_send(message.attachments.iter().map(Attachment::shown).collect());
    StatusCode::OK
}

/// Starts a thread that prints messages until the sender is dropped. A write may block forever, in a paused terminal or a
/// full pipe: nothing waits for this thread, not even the end of the program.
fn writer() -> io::Result<SyncSender<String>> {
    let (sender, receiver) = sync_channel::<String>(QUEUE);
    thread::Builder::new()
        .name("chat".to_owned())
        .spawn(move || receiver.iter().for_each(|text| print(&text)))?;
    Ok(sender)
}

impl Attachment {
    /// Returns the message, escaped: title and text contain user names.
    fn shown(&self) -> String {
        let lines = self.text.trim().lines().map(|line| format!("  {}\n", escaped(line)));
        format!("\n{}\n{}", escaped(&self.title), lines.collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_in_a_message_are_escaped() {
        let message = r##"{"channel": "#qlik", "attachments": [{"title": "[1] A\u001b[2J",
            "text": "\n• LAB\\anna\u202e\n• LAB\\bert\n", "color": "danger"}]}"##;
        let message: Message = serde_json::from_str(message).unwrap();
        let shown: String = message.attachments.iter().map(Attachment::shown).collect();
        assert_eq!(shown, "\n[1] A\\u{1b}[2J\n  • LAB\\anna\\u{202e}\n  • LAB\\bert\n");
    }
}
