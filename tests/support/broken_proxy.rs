//! Servers that are no proxy service.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;
use url::Url;

pub struct BrokenProxy {
    pub url: Url,
    connections: Arc<Mutex<Vec<Instant>>>,
    _task: AbortOnDropHandle<()>,
}

impl BrokenProxy {
    /// One that closes each connection at once.
    pub async fn closing() -> Self {
        Self::start(false).await
    }

    /// One that takes connections and never answers.
    pub async fn silent() -> Self {
        Self::start(true).await
    }

    async fn start(keep: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let connections = Arc::<Mutex<Vec<Instant>>>::default();
        let counted = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            let mut kept = Vec::new();
            while let Ok((connection, _)) = listener.accept().await {
                counted.lock().unwrap().push(Instant::now());
                if keep {
                    kept.push(connection);
                }
            }
        });
        Self { url, connections, _task: AbortOnDropHandle::new(task) }
    }

    /// How many connections were opened so far.
    pub fn connections(&self) -> usize {
        self.connection_times().len()
    }

    /// When each of them was opened.
    pub fn connection_times(&self) -> Vec<Instant> {
        self.connections.lock().unwrap().clone()
    }
}
