//! The gauges by the contract's words, without a thought for speed.

use std::collections::{BTreeMap, BTreeSet};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::input::{KEY, Label, World};
use crate::read::{Series, sorted};

/// Users with their sessions.
type Users = BTreeMap<(String, String), u32>;

/// Every gauge that there must be.
pub fn expected(world: &World<'_>) -> Series {
    let mut series = Series::new();
    let mut add = |metric: &str, labels: &[(&str, &str)], value: f64| {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        assert_eq!(series.insert((metric.to_owned(), sorted(labels)), value), None, "named twice");
    };
    let limit = world.limit().get();
    for (site, pairs) in &world.sites {
        add("qlik_user_session_limit", &[("site", site)], limit.into());
        let mut of_site = Users::new();
        let mut of_pairs = Vec::new();
        for ((proxy, virtual_proxy, answer), _) in pairs {
            let labels = [("site", &**site), ("proxy", proxy), ("virtual_proxy", virtual_proxy)];
            add("qlik_proxy_up", &labels, f64::from(u8::from(answer.is_some())));
            let Some(rows) = answer else { continue };
            let (mut sessions, mut anonymous, mut users) = (0, 0, Users::new());
            for (directory, id, count) in rows {
                sessions += count;
                if directory == "NONE" && id.starts_with("anonymous") {
                    anonymous += count;
                } else {
                    *users.entry((directory.clone(), id.clone())).or_default() += count;
                    *of_site.entry((directory.clone(), id.clone())).or_default() += count;
                }
            }
            add("qlik_proxy_sessions", &labels, sessions.into());
            add("qlik_proxy_anonymous_sessions", &labels, anonymous.into());
            add("qlik_proxy_users", &labels, users.len() as f64);
            of_pairs.push((labels, users));
        }
        if of_pairs.is_empty() {
            continue;
        }
        let counted: Vec<_> = of_site.iter().filter(|((d, u), _)| !world.is_excluded(d, u)).collect();
        add("qlik_site_users", &[("site", site)], of_site.len() as f64);
        let with = |least: u32| counted.iter().filter(|(_, sessions)| **sessions >= least).count() as f64;
        for least in 1..=limit {
            let labels = [("site", &**site), ("at_least", &least.to_string())];
            add("qlik_site_users_with_sessions", &labels, with(least));
        }
        add("qlik_site_users_at_session_limit", &[("site", site)], with(limit));

        let mut ranked: Vec<_> =
            counted.iter().filter(|(_, sessions)| **sessions >= world.min_sessions().get()).collect();
        ranked.sort_by_key(|(user, sessions)| (u32::MAX - **sessions, *user));
        if world.input.label == Label::Off {
            ranked.clear();
        }
        let mut room = usize::from(world.input.max_series);
        let mut listed = BTreeSet::new();
        for (user, _) in &ranked {
            let wanted = of_pairs.iter().filter(|(_, users)| users.contains_key(*user)).count();
            if wanted > room {
                break;
            }
            room -= wanted;
            listed.insert(*user);
        }
        add("qlik_site_users_unlisted", &[("site", site)], (ranked.len() - listed.len()) as f64);
        for (labels, users) in &of_pairs {
            for ((directory, id), sessions) in users.iter().filter(|(user, _)| listed.contains(user)) {
                let hashed = hashed(directory, id);
                let mut labels = labels.to_vec();
                match world.input.label {
                    Label::Hashed => labels.push(("user_id", &hashed)),
                    _ => labels.extend([("user_directory", &**directory), ("user_id", id)]),
                }
                add("qlik_user_sessions", &labels, (*sessions).into());
            }
        }
    }
    series
}

/// The contract names one zero byte between directory and id. In a directory no zero byte can stand, lest two
/// users be one: it counts as a byte that no text holds.
fn hashed(directory: &str, id: &str) -> String {
    let mut hmac = Hmac::<Sha256>::new_from_slice(KEY).unwrap();
    let directory: Vec<u8> = directory.bytes().map(|byte| if byte == 0 { 0xff } else { byte }).collect();
    hmac.update(&[&directory, &[0][..], id.as_bytes()].concat());
    hmac.finalize().into_bytes()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}
