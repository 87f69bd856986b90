//! The channel through which a handler requests a reload.

use tokio::sync::{mpsc, oneshot};

/// Why the previous configuration stays in use.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The new configuration cannot be used. Its text has a line for each error.
    #[error("{0}")]
    Rejected(String),
    /// The exporter shuts down.
    #[error("reload interrupted")]
    Interrupted,
}

/// Requests reloads.
#[derive(Clone)]
pub struct ReloadHandle(mpsc::Sender<ReloadRequest>);

/// Receives the requests.
pub type ReloadRequests = mpsc::Receiver<ReloadRequest>;

/// A request, answered by [`Self::respond`].
pub struct ReloadRequest(oneshot::Sender<Result<(), ReloadError>>);

/// Creates a channel, in which requests wait in order.
pub fn reload_channel() -> (ReloadHandle, ReloadRequests) {
    let (sender, requests) = mpsc::channel(1);
    (ReloadHandle(sender), requests)
}

impl ReloadHandle {
    /// Requests a reload and waits for its result. A request that was received is completed even when this future is
    /// dropped.
    pub async fn reload(&self) -> Result<(), ReloadError> {
        let (sender, outcome) = oneshot::channel();
        self.0.send(ReloadRequest(sender)).await.map_err(|_| ReloadError::Interrupted)?;
        outcome.await.unwrap_or(Err(ReloadError::Interrupted))
    }
}

impl ReloadRequest {
    /// Sends the result to the handler.
    pub fn respond(self, outcome: Result<(), ReloadError>) {
        // The client may have disconnected.
        let _ = self.0.send(outcome);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn request_without_receiver_is_interrupted() {
        let (handle, requests) = reload_channel();
        drop(requests);
        assert!(matches!(handle.reload().await, Err(ReloadError::Interrupted)));

        let (handle, mut requests) = reload_channel();
        let drop_request = async { drop(requests.recv().await) };
        let (outcome, ()) = tokio::join!(handle.reload(), drop_request);
        assert!(matches!(outcome, Err(ReloadError::Interrupted)));
    }
}
