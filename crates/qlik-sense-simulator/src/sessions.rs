//! The sessions of one proxy service and virtual proxy, and their list as JSON.
//!
//! A list of 100,000 sessions is fetched far more often than most of it changes, so its JSON is cached in pages: a
//! change makes one or two pages stale, and the next request writes only these again.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use bytes::Bytes;
use foldhash::fast::RandomState;
use indexmap::IndexMap;

use crate::delivery::Counts;
use crate::session::{Row, Session, User, is_anonymous, session};

/// The number of sessions per page: about 100 KiB of JSON, written in well under a millisecond.
const PAGE: usize = 512;

/// A user as a key, compared by directory and id.
struct UserName(Arc<User>);

impl Hash for UserName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.0.directory, &self.0.id).hash(state);
    }
}

impl PartialEq for UserName {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || (self.0.directory == other.0.directory && self.0.id == other.0.id)
    }
}

impl Eq for UserName {}

/// A complete session list as JSON: pieces whose concatenation is the body.
#[derive(Clone)]
pub(super) struct SessionList {
    pub pieces: Arc<[Bytes]>,
    /// In bytes.
    pub length: u64,
    pub counts: Counts,
}

/// A session that was deleted.
pub(super) struct ClosedSession {
    pub session: Session,
    /// Whether the user has no other session in the same table.
    pub was_last_of_user: bool,
}

/// The sessions of one pair.
#[derive(Default)]
pub(super) struct SessionTable {
    sessions: IndexMap<Box<str>, Arc<User>, RandomState>,
    /// The number of sessions of each user.
    users: HashMap<UserName, usize, RandomState>,
    /// The number of anonymous users among `users`.
    visitors: usize,
    /// The number of sessions of anonymous users.
    visitor_sessions: usize,
    /// The JSON of each page of `sessions`, without the commas between pages; `None` for a stale page.
    pages: Vec<Option<Bytes>>,
    /// The complete list, while no page is stale.
    list: Option<SessionList>,
    rendered: u64,
}

impl SessionTable {
    /// Returns the number of sessions.
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Returns how many sessions were written as JSON for lists so far.
    pub fn rendered(&self) -> u64 {
        self.rendered
    }

    pub fn reserve(&mut self, additional: usize) {
        self.sessions.reserve(additional);
    }

    /// Adds a session, or replaces the one with the same id.
    pub fn open(&mut self, session: Session) {
        let user = User {
            directory: session.user_directory.into(),
            id: session.user_id.into(),
            name: session.user_name.map(Into::into),
            attributes: session.attributes,
        };
        self.open_for(Arc::new(user), session.session_id.into());
    }

    /// Adds a session of a shared user, or replaces the one with the same id.
    pub fn open_for(&mut self, user: Arc<User>, id: Box<str>) {
        let count = self.users.entry(UserName(user.clone())).or_default();
        *count += 1;
        if is_anonymous(&user.directory, &user.id) {
            self.visitors += usize::from(*count == 1);
            self.visitor_sessions += 1;
        }
        let (index, replaced) = self.sessions.insert_full(id, user);
        if let Some(user) = replaced {
            self.forget(user);
        }
        self.mark_changed(index);
    }

    /// Deletes a session; returns `None` if no session has this id.
    pub fn close(&mut self, id: &str) -> Option<ClosedSession> {
        // The last session moves to the deleted one's position, so that two pages change at most.
        let (index, id, user) = self.sessions.swap_remove_full(id)?;
        self.mark_changed(index);
        self.mark_changed(self.sessions.len());
        let was_last_of_user = self.forget(user.clone());
        Some(ClosedSession { session: session(&id, &user), was_last_of_user })
    }

    /// Deletes the session at this position in the list.
    pub fn close_at(&mut self, index: usize) {
        if let Some(id) = self.sessions.get_index(index).map(|(id, _)| id.clone()) {
            self.close(&id);
        }
    }

    /// Returns the session with this id.
    pub fn get(&self, id: &str) -> Option<Session> {
        self.sessions.get(id).map(|user| session(id, user))
    }

    /// Returns the user of the session at this position in the list.
    pub fn user_at(&self, index: usize) -> Option<Arc<User>> {
        self.sessions.get_index(index).map(|(_, user)| user.clone())
    }

    /// Returns all sessions in the order of the list.
    pub fn all(&self) -> Vec<Session> {
        self.sessions.iter().map(|(id, user)| session(id, user)).collect()
    }

    /// Returns the number of sessions of a user.
    pub fn count_of(&self, user: &Arc<User>) -> usize {
        self.users.get(&UserName(user.clone())).copied().unwrap_or_default()
    }

    /// Returns the sessions of a user.
    pub fn of_user(&self, directory: &str, id: &str) -> Vec<Session> {
        let named = User { directory: directory.into(), id: id.into(), name: None, attributes: Vec::new() };
        let user = UserName(Arc::new(named));
        let count = self.users.get(&user).copied().unwrap_or_default();
        let theirs = self.sessions.iter().filter(|(_, u)| *u.directory == *directory && *u.id == *id);
        theirs.take(count).map(|(id, user)| session(id, user)).collect()
    }

    /// Returns the list as JSON. If more than `max_pages` are stale, writes that many and returns `None`: call it
    /// again then.
    pub fn list(&mut self, max_pages: usize) -> Option<SessionList> {
        if self.list.is_none() {
            let stale = self.pages.iter().enumerate().filter(|(_, page)| page.is_none());
            let mut stale: Vec<_> = stale.map(|(index, _)| index).take(max_pages.saturating_add(1)).collect();
            let complete = stale.len() <= max_pages;
            stale.truncate(max_pages);
            for index in stale {
                let text = self.render(index);
                if let Some(page) = self.pages.get_mut(index) {
                    *page = Some(text);
                }
            }
            if !complete {
                return None;
            }
            self.list = Some(join(&self.pages, self.counts()));
        }
        self.list.clone()
    }

    fn counts(&self) -> Counts {
        Counts {
            sessions: self.sessions.len(),
            users: self.users.len() - self.visitors,
            anonymous_sessions: self.visitor_sessions,
        }
    }

    /// Writes the sessions of a page as JSON.
    fn render(&mut self, page: usize) -> Bytes {
        let start = page * PAGE;
        let end = (start + PAGE).min(self.sessions.len());
        let Some(sessions) = self.sessions.get_range(start..end) else { return Bytes::new() };
        let mut text = Vec::with_capacity(sessions.len() * 256);
        for (id, user) in sessions {
            if !text.is_empty() {
                text.push(b',');
            }
            // Neither writing to memory nor serializing string keys can fail.
            let _ = serde_json::to_writer(&mut text, &Row { user, id });
        }
        self.rendered += sessions.len() as u64;
        text.into()
    }

    /// Decrements the user's number of sessions and returns whether it is 0 now.
    fn forget(&mut self, user: Arc<User>) -> bool {
        let is_visitor = is_anonymous(&user.directory, &user.id);
        let key = UserName(user);
        let left = self.users.get_mut(&key).map_or(0, |count| {
            *count = count.saturating_sub(1);
            *count
        });
        if left == 0 {
            self.users.remove(&key);
        }
        if is_visitor {
            self.visitors -= usize::from(left == 0);
            self.visitor_sessions -= 1;
        }
        left == 0
    }

    /// Marks the page of this position as stale.
    fn mark_changed(&mut self, index: usize) {
        self.list = None;
        self.pages.resize(self.sessions.len().div_ceil(PAGE), None);
        if let Some(page) = self.pages.get_mut(index / PAGE) {
            *page = None;
        }
    }
}

fn join(pages: &[Option<Bytes>], counts: Counts) -> SessionList {
    let mut pieces = vec![Bytes::from_static(b"[")];
    for page in pages.iter().flatten() {
        if pieces.len() > 1 {
            pieces.push(Bytes::from_static(b","));
        }
        pieces.push(page.clone());
    }
    pieces.push(Bytes::from_static(b"]"));
    let length = pieces.iter().map(|piece| piece.len() as u64).sum();
    SessionList { pieces: pieces.into(), length, counts }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anna(id: &str) -> Session {
        Session {
            user_directory: "LAB".into(),
            user_id: "anna".into(),
            user_name: None,
            attributes: vec![("group".into(), "Finance".into()), ("group".into(), "".into())],
            session_id: id.into(),
        }
    }

    fn table(sessions: usize) -> SessionTable {
        let mut table = SessionTable::default();
        (0..sessions).for_each(|n| table.open(anna(&n.to_string())));
        table
    }

    fn text(table: &mut SessionTable) -> String {
        let list = table.list(usize::MAX).unwrap();
        let text = String::from_utf8(list.pieces.concat()).unwrap();
        assert_eq!(list.length, text.len() as u64);
        text
    }

    fn ids(table: &mut SessionTable) -> Vec<String> {
        let rows: Vec<Session> = serde_json::from_str(&text(table)).unwrap();
        rows.into_iter().map(|row| row.session_id).collect()
    }

    #[test]
    fn the_list_of_no_sessions_is_an_empty_array() {
        assert_eq!(text(&mut table(0)), "[]");
    }

    #[test]
    fn a_session_is_written_as_qlik_writes_it() {
        let expected = r#"[{"UserDirectory":"LAB","UserId":"anna","UserName":null,"Attributes":[{"group":"Finance"},{"group":""}],"SessionId":"0"}]"#;
        assert_eq!(text(&mut table(1)), expected);
    }

    #[test]
    fn the_list_has_all_sessions_of_all_pages_after_any_change() {
        let mut table = table(3 * PAGE + 1);
        let mut expected: Vec<String> = (0..=3 * PAGE).map(|n| n.to_string()).collect();
        assert_eq!(ids(&mut table), expected);
        for gone in [0, PAGE, 3 * PAGE - 2] {
            let id = expected.swap_remove(gone);
            assert!(table.close(&id).is_some());
            assert_eq!(ids(&mut table), expected);
        }
        table.open(anna("new"));
        expected.push("new".into());
        assert_eq!(ids(&mut table), expected);
    }

    #[test]
    fn an_unchanged_list_is_the_same_memory() {
        let mut table = table(2 * PAGE);
        let first = table.list(usize::MAX).unwrap();
        let second = table.list(0).unwrap();
        assert!(Arc::ptr_eq(&first.pieces, &second.pieces));
    }

    #[test]
    fn a_change_writes_two_pages_at_most() {
        let mut table = table(10 * PAGE);
        text(&mut table);
        let before = table.rendered();
        table.close("0");
        text(&mut table);
        assert!(table.rendered() - before <= 2 * PAGE as u64);
    }

    #[test]
    fn a_long_list_is_written_a_few_pages_at_a_time() {
        let mut table = table(5 * PAGE);
        assert!(table.list(2).is_none());
        assert!(table.list(2).is_none());
        assert!(table.list(2).is_some());
        assert_eq!(table.rendered(), 5 * PAGE as u64);
    }

    #[test]
    fn the_last_session_of_a_user_is_recognized() {
        let mut table = table(2);
        assert!(!table.close("1").unwrap().was_last_of_user);
        assert!(table.close("0").unwrap().was_last_of_user);
        assert!(table.close("0").is_none());
    }

    #[test]
    fn a_list_comes_with_its_counts() {
        let mut table = table(3);
        for id in ["a", "b"] {
            let user_id = format!("anonymous{id}");
            table.open(Session { user_directory: "NONE".into(), user_id, ..anna(id) });
        }
        // Replaces one of anna's.
        table.open(Session { user_id: "berta".into(), ..anna("0") });
        table.close("b");
        let expected = Counts { sessions: 4, users: 2, anonymous_sessions: 1 };
        assert_eq!(table.list(usize::MAX).unwrap().counts, expected);
        for id in ["0", "1", "2", "a"] {
            table.close(id);
        }
        assert_eq!(table.list(usize::MAX).unwrap().counts, Counts::default());
    }

    #[test]
    fn a_session_with_the_same_id_replaces_the_other() {
        let mut table = table(1);
        table.open(Session { user_id: "berta".into(), ..anna("0") });
        assert_eq!(table.len(), 1);
        assert!(table.of_user("LAB", "anna").is_empty());
        assert_eq!(table.of_user("LAB", "berta").len(), 1);
    }
}
