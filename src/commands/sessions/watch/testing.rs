//! Refreshes made up for tests.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::refresh::{PairRefresh, Refresh, SiteRefresh};
use super::state::{Settings, ViewState};
use crate::commands::sessions::order::SortBy;
use crate::sessions::{Cause, Failure, Sessions};
use qlik_sense::session_list::Facts;
use qlik_sense::{Reason, UserKey};

pub const SETTINGS: Settings =
    Settings { session_limit: 5, interval: Duration::from_secs(2), sort_by: SortBy::Prefix };

/// So many seconds after 10:15:00 on some day.
pub fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_764_065_700 + seconds)
}

/// Users of the directory LAB with so many sessions each.
pub fn sessions(users: &[(&str, usize)]) -> Sessions {
    let mut sessions = Sessions::default();
    for (id, count) in users {
        for number in 1..=*count {
            let anonymous = id.starts_with("anonymous");
            sessions.push(&Facts {
                user: UserKey { directory: if anonymous { "NONE" } else { "LAB" }, id },
                user_name: None,
                attributes: &[],
                session_id: &format!("{id}-{number}"),
            });
        }
    }
    sessions
}

pub fn pair(proxy: &str, virtual_proxy: &str, users: &[(&str, usize)]) -> PairRefresh {
    let (proxy, virtual_proxy) = (proxy.to_owned(), virtual_proxy.to_owned());
    let host = format!("{}.lab", proxy.to_lowercase());
    PairRefresh { proxy, host, virtual_proxy, sessions: Ok(Arc::new(sessions(users))) }
}

pub fn down(proxy: &str, virtual_proxy: &str, message: &str) -> PairRefresh {
    PairRefresh { sessions: Err(failure(message)), ..pair(proxy, virtual_proxy, &[]) }
}

pub fn late(proxy: &str, virtual_proxy: &str) -> PairRefresh {
    PairRefresh { sessions: Err(Failure::late()), ..pair(proxy, virtual_proxy, &[]) }
}

pub fn failure(message: &str) -> Failure {
    let advice = "Does the proxy service run there?".to_owned();
    let cause = Cause::Query(Reason::Connect);
    Failure { cause, message: message.to_owned(), advice, in_doubt: false }
}

pub fn site(name: &str, pairs: Vec<PairRefresh>) -> SiteRefresh {
    SiteRefresh { name: name.into(), discovery: None, notes: vec![], pairs }
}

pub fn refresh(at: SystemTime, sites: Vec<SiteRefresh>) -> Refresh {
    Refresh { at, sites, unmatched: Vec::new(), again: false }
}

/// A view of these sites after one refresh.
pub fn view(sites: Vec<SiteRefresh>) -> ViewState {
    let mut state = ViewState::new(SETTINGS);
    state.refresh(refresh(at(0), sites));
    state
}
