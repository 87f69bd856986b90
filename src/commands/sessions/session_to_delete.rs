//! A session chosen for deletion, known by where it is listed and by its id.

use std::sync::Arc;

use crate::sessions::{Failure, QueriedPair, Session, User};
use qlik_sense::SessionId;
use qlik_sense::qps::Deletion;

/// A session chosen for deletion. Has no `Debug`: its id is a secret.
#[derive(Clone)]
pub struct SessionToDelete {
    pub pair: Arc<QueriedPair>,
    pub user: User,
    id: String,
}

/// Identifies a session in every listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionKey<'a> {
    /// Site, proxy service and virtual proxy.
    pub pair: [&'a str; 3],
    pub id: &'a str,
}

impl SessionToDelete {
    pub fn new(pair: &Arc<QueriedPair>, session: Session<'_>) -> Self {
        Self { pair: pair.clone(), user: session.user.into(), id: session.session_id.to_owned() }
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn key(&self) -> SessionKey<'_> {
        SessionKey { pair: self.pair.names(), id: &self.id }
    }

    pub async fn delete(&self) -> Result<Deletion, Failure> {
        let id = SessionId::parse(&self.id).map_err(Failure::not_sent)?;
        self.pair.delete(id).await
    }
}
