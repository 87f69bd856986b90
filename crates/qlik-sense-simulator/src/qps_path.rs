//! What a path of the proxy service's interface names.

use percent_encoding::percent_decode_str;

use crate::site::Node;

/// The prefix of the virtual proxy that a path is for.
pub(super) fn virtual_proxy_of(node: &Node, path: &str) -> Option<String> {
    readings(path).map(|(prefix, _)| prefix).find(|prefix| node.pair(prefix).is_some())
}

/// What a path names within a virtual proxy.
#[derive(Debug, PartialEq)]
pub(super) enum Target {
    Sessions,
    Session(String),
    User { directory: String, id: String },
}

/// What a path may mean, as prefix and target. There is more than one meaning where an id reads `session`;
/// the virtual proxies that exist decide.
pub(super) fn readings(path: &str) -> impl Iterator<Item = (String, Target)> {
    let decode = |text: &str| Some(percent_decode_str(text).decode_utf8().ok()?.into_owned());
    let segments: Option<Vec<String>> =
        path.strip_prefix("/qps/").and_then(|rest| rest.split('/').map(decode).collect());
    let segments = segments.unwrap_or_default();
    let read = move |length: usize| {
        let (prefix, named) = segments.split_at_checked(segments.len().checked_sub(length)?)?;
        let target = match named {
            [session] if session == "session" => Target::Sessions,
            [session, id] if session == "session" => Target::Session(id.clone()),
            [user, directory, id] if user == "user" => {
                Target::User { directory: directory.clone(), id: id.clone() }
            }
            _ => return None,
        };
        // The default virtual proxy is written as no segment (`/qps/session`) or an empty one.
        Some((prefix.join("/"), target))
    };
    (1..=3).filter_map(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &str) -> Vec<(String, Target)> {
        readings(path).collect()
    }

    #[test]
    fn the_default_virtual_proxy_is_no_segment_or_an_empty_one() {
        assert_eq!(read("/qps/session"), [(String::new(), Target::Sessions)]);
        assert_eq!(read("/qps//session"), [(String::new(), Target::Sessions)]);
        assert_eq!(read("/qps//session/1"), [(String::new(), Target::Session("1".into()))]);
    }

    #[test]
    fn a_prefix_may_hold_slashes() {
        assert_eq!(read("/qps/a/b/session"), [("a/b".into(), Target::Sessions)]);
    }

    #[test]
    fn ids_are_decoded_after_the_path_is_taken_apart() {
        let id = "a/b %\u{645}";
        assert_eq!(
            read("/qps/sales/session/a%2Fb%20%25%D9%85"),
            [("sales".into(), Target::Session(id.into()))]
        );
        let user = Target::User { directory: "LAB".into(), id: id.into() };
        assert_eq!(read("/qps/sales/user/LAB/a%2Fb%20%25%D9%85"), [("sales".into(), user)]);
    }

    #[test]
    fn an_id_that_reads_session_has_two_meanings() {
        let list = ("session".into(), Target::Sessions);
        assert_eq!(read("/qps/session/session"), [list, (String::new(), Target::Session("session".into()))]);
    }

    #[test]
    fn other_paths_mean_nothing() {
        for path in ["/", "/qps", "/qps/", "/qps/sales", "/qps/user/LAB", "/qrs/session", "/qps/session/%ff"]
        {
            assert_eq!(read(path), [], "{path}");
        }
    }
}
