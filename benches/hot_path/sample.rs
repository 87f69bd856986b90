//! Sessions as a proxy service lists them, five for each user.

use std::sync::Arc;
use std::time::Duration;

use qlik_sense::{UserKey, VirtualProxy};
use qlik_session_exporter::collector::answer::Answer;
use qlik_session_exporter::collector::tally::{Counting, Keep};
use qlik_session_exporter::collector::{PairSnapshot, SiteSnapshot, Used};
use qlik_session_exporter::config::{UserLabel, UserSettings};
use qlik_session_exporter::site::topology::{ProxyPlan, Topology};

/// Directory, user id, session id.
pub type Row = (String, String, String);

/// Pairs of the sites here.
const PAIRS: usize = 6;

/// Rows of a virtual proxy; each virtual proxy has other sessions of the same users.
pub fn rows(sessions: usize, virtual_proxy: usize) -> Vec<Row> {
    let users = sessions.div_ceil(5);
    let row = |session: usize| {
        let user = session % users;
        let directory = ["LAB", "CORP", "PARTNER"][user % 3].to_owned();
        let id = format!("anna.fontaine{user}");
        (directory, id, format!("{virtual_proxy:08x}-4b6e-4f0a-9d3c-{session:012x}"))
    };
    (0..sessions).map(row).collect()
}

/// A session list as JSON, some 170 bytes a session.
pub fn body(rows: &[Row]) -> Vec<u8> {
    let sessions = rows.iter().enumerate().map(|(number, (directory, user, session))| {
        let attributes = [r#"{"group":"Finance"}"#, r#"{"group":"EMEA"}"#, r#"{"email":""}"#];
        format!(
            r#"{{"UserDirectory":"{directory}","UserId":"{user}","UserName":null,"Attributes":[{}],"SessionId":"{session}"}}"#,
            attributes[..number % 4].join(",")
        )
    });
    format!("[{}]", sessions.collect::<Vec<_>>().join(",")).into_bytes()
}

/// A site of six pairs with so many sessions each.
pub fn site(sessions: usize, keep: &Keep) -> SiteSnapshot {
    let pair = |number: usize| {
        let mut counting = Counting::default().keeping(keep.clone());
        for (directory, id, session) in &rows(sessions, number) {
            counting.add(UserKey { directory, id }, session);
        }
        let answer =
            Answer::new(Ok(counting.finish().0), tokio::time::Instant::now(), Duration::from_millis(20));
        PairSnapshot {
            proxy: Arc::new(proxy()),
            virtual_proxy: VirtualProxy::parse(&format!("vp{number}")).unwrap(),
            used: Used::Awaited(Arc::new(answer)),
            history: Default::default(),
        }
    };
    SiteSnapshot {
        name: "production".into(),
        topology: Arc::new(Topology::default()),
        pairs: (0..PAIRS).map(pair).collect(),
        expiries: Vec::new(),
        discovery: None,
    }
}

/// The same site once more, with the same answers.
pub fn again(site: &SiteSnapshot) -> SiteSnapshot {
    let pair = |pair: &PairSnapshot| PairSnapshot {
        proxy: pair.proxy.clone(),
        virtual_proxy: pair.virtual_proxy.clone(),
        used: pair.used.clone(),
        history: Default::default(),
    };
    SiteSnapshot {
        name: site.name.clone(),
        topology: site.topology.clone(),
        pairs: site.pairs.iter().map(pair).collect(),
        expiries: Vec::new(),
        discovery: None,
    }
}

fn proxy() -> ProxyPlan {
    ProxyPlan {
        name: "Central".into(),
        host: "sense1.company.com".into(),
        port: 4243,
        url: "https://sense1.company.com:4243".parse().unwrap(),
        virtual_proxies: Vec::new(),
        left_out: Vec::new(),
        found: None,
    }
}

pub fn settings(label: UserLabel, max_series: usize) -> UserSettings {
    UserSettings {
        label,
        session_limit: 5.try_into().unwrap(),
        min_sessions: 1.try_into().unwrap(),
        max_series,
        exclude: Vec::new(),
    }
}
