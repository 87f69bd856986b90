//! Clients of the exporter that no HTTP library would be.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::interval;

/// What the operating system keeps for a reader at least: a slow one is felt early.
const RECEIVE_BUFFER: u32 = 4096;

/// The head of a request for `/metrics`, with the seconds after which the scraper gives up.
pub fn scrape_head(seconds: &str) -> String {
    format!("GET /metrics HTTP/1.1\r\nHost: x\r\nX-Prometheus-Scrape-Timeout-Seconds: {seconds}\r\n\r\n")
}

pub async fn connect(authority: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(RECEIVE_BUFFER).unwrap();
    socket.connect(authority.parse().unwrap()).await.unwrap()
}

/// Connects and sends this.
pub async fn send(authority: &str, text: &str) -> TcpStream {
    let mut stream = connect(authority).await;
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

/// Reads a byte a second until the other side has had enough.
pub async fn read_slowly(mut stream: TcpStream) {
    let mut seconds = interval(Duration::from_secs(1));
    let mut byte = [0];
    loop {
        seconds.tick().await;
        if !matches!(stream.read(&mut byte).await, Ok(1)) {
            return;
        }
    }
}

/// The status of the answer on this connection; `None` when it ends without one.
pub async fn status(stream: &mut TcpStream) -> Option<u16> {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        line.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(line).ok()?.split(' ').nth(1)?.parse().ok()
}
