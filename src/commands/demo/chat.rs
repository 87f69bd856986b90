//! Where Alertmanager's messages go in the demo: what would be in a chat is shown on standard output, and mail
//! is not sent.

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

/// How many messages may wait to be shown.
const WAITING: usize = 32;

const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Takes chat messages; owns whoever brings one.
pub struct Chat {
    pub address: SocketAddr,
    /// Nobody listens there as long as this lives.
    mail: TcpSocket,
    stop: CancellationToken,
    serving: AbortOnDropHandle<()>,
}

impl Chat {
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

    /// The address of a mail server that refuses every connection.
    pub fn mail(&self) -> io::Result<SocketAddr> {
        self.mail.local_addr()
    }

    pub async fn end(self) {
        self.stop.cancel();
        let _ = self.serving.await;
    }
}

/// What Slack's web hooks take, as far as it is sent.
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
    // When nobody reads what is shown, the next messages are not shown.
    let _ = writer.try_send(message.attachments.iter().map(Attachment::shown).collect());
    StatusCode::OK
}

/// A thread that shows what it is given, for as long as anybody can give it something. Writing may take for ever, in
/// a paused terminal or a full pipe: nobody waits for this thread, not even the end of the program.
fn writer() -> io::Result<SyncSender<String>> {
    let (sender, receiver) = sync_channel::<String>(WAITING);
    thread::Builder::new()
        .name("chat".to_owned())
        .spawn(move || receiver.iter().for_each(|text| print(&text)))?;
    Ok(sender)
}

impl Attachment {
    /// Text and title hold names of users.
    fn shown(&self) -> String {
        let lines = self.text.trim().lines().map(|line| format!("  {}\n", escaped(line)));
        format!("\n{}\n{}", escaped(&self.title), lines.collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_shown_with_nothing_that_a_terminal_obeys() {
        let message = r##"{"channel": "#qlik", "attachments": [{"title": "[1] A\u001b[2J",
            "text": "\n• LAB\\anna\u202e\n• LAB\\bert\n", "color": "danger"}]}"##;
        let message: Message = serde_json::from_str(message).unwrap();
        let shown: String = message.attachments.iter().map(Attachment::shown).collect();
        assert_eq!(shown, "\n[1] A\\u{1b}[2J\n  • LAB\\anna\\u{202e}\n  • LAB\\bert\n");
    }
}
