//! Who gets the messages: a chat that takes Slack's web hooks, and a mail server.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::extract::{Json, State};
use axum::{Router, routing::post};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::support::wait::eventually;

pub struct Receiver {
    pub chat: SocketAddr,
    pub mail: SocketAddr,
    received: Received,
    /// Both servers, gone with it.
    _serving: JoinSet<()>,
}

#[derive(Clone, Default)]
struct Received {
    chat: Arc<Mutex<Vec<Message>>>,
    mail: Arc<Mutex<Vec<Message>>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub title: String,
    pub text: String,
}

impl Receiver {
    pub async fn start() -> Self {
        let received = Received::default();
        let mut serving = JoinSet::new();
        let [chat_listener, mail_listener] = [listener().await, listener().await];
        let [chat, mail] = [&chat_listener, &mail_listener].map(|listener| listener.local_addr().unwrap());
        let router = Router::new().route("/hooks/change-me", post(take_chat)).with_state(received.clone());
        serving.spawn(async move { axum::serve(chat_listener, router).await.unwrap() });
        let mails = received.mail.clone();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = mail_listener.accept().await.unwrap();
                connections.spawn(take_mail(stream, mails.clone()));
            }
        });
        Self { chat, mail, received, _serving: serving }
    }

    /// All chat messages so far, in their order.
    pub fn chat(&self) -> Vec<Message> {
        self.received.chat.lock().unwrap().clone()
    }

    /// Waits for a chat message with this title, after so many earlier ones.
    pub async fn chat_after(&self, earlier: usize, title: &str) -> Message {
        let find = async || self.chat().into_iter().skip(earlier).find(|message| message.title == title);
        eventually(title, find).await
    }

    /// Waits for the first mail with this subject.
    pub async fn mail(&self, subject: &str) -> Message {
        let mails = &self.received.mail;
        let find = async || mails.lock().unwrap().iter().find(|message| message.title == subject).cloned();
        eventually(subject, find).await
    }
}

async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

async fn take_chat(State(received): State<Received>, Json(message): Json<Value>) {
    let attachment = &message["attachments"][0];
    let [title, text] = ["title", "text"].map(|member| attachment[member].as_str().unwrap().to_owned());
    received.chat.lock().unwrap().push(Message { title, text });
}

/// SMTP as far as Alertmanager speaks it.
async fn take_mail(stream: TcpStream, received: Arc<Mutex<Vec<Message>>>) {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 test\r\n").await.unwrap();
    let mut line = String::new();
    while stream.read_line(&mut line).await.is_ok_and(|length| length > 0) {
        let answer: &[u8] = match line.trim_end() {
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await.unwrap();
                let mut mail = String::new();
                while !mail.ends_with("\r\n.\r\n") && stream.read_line(&mut mail).await.unwrap() > 0 {}
                received.lock().unwrap().push(read_mail(&mail));
                b"250 ok\r\n"
            }
            "QUIT" => b"221 bye\r\n",
            _ => b"250 ok\r\n",
        };
        if stream.write_all(answer).await.is_err() {
            return;
        }
        line.clear();
    }
}

fn read_mail(mail: &str) -> Message {
    // Long lines are broken by an equals sign, and one that is meant is encoded; what else is, is not looked at.
    let text = mail.replace("=\r\n", "").replace("=3D", "=");
    let subject = text.lines().find_map(|line| line.strip_prefix("Subject: "));
    Message { title: subject.unwrap_or_default().to_owned(), text }
}
