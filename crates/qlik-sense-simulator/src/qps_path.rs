//! Parser of the paths of the proxy service's interface.

use percent_encoding::percent_decode_str;

use crate::site::Node;

/// Returns the prefix of the virtual proxy in a path, if this node links it.
pub(super) fn virtual_proxy_of(node: &Node, path: &str) -> Option<String> {
    readings(path).map(|(prefix, _)| prefix).find(|prefix| node.pair(prefix).is_some())
}

/// The object of a virtual proxy that a path names.
#[derive(Debug, PartialEq)]
pub(super) enum Target {
    Sessions,
    Session(String),
    User { directory: String, id: String },
}

/// Returns the possible meanings of a path, as prefix and target. A path has more than one meaning if an id is the
/// word `session`: then the existing virtual proxies decide.
pub(super) fn readings(path: &str) -> impl Iterator<Item = (String, Target)> {
    let segments = segments(path).unwrap_or_default();
    (1..=3).filter_map(move |length| reading(&segments, length))
}

/// Returns the decoded segments after `/qps/`.
fn segments(path: &str) -> Option<Vec<String>> {
    let mut segments = Vec::new();
    for segment in path.strip_prefix("/qps/")?.split('/') {
        segments.push(percent_decode_str(segment).decode_utf8().ok()?.into_owned());
    }
    Some(segments)
}

/// Reads the last `length` segments as a target, and the segments before them as the prefix.
fn reading(segments: &[String], length: usize) -> Option<(String, Target)> {
    let (prefix, target) = segments.split_at_checked(segments.len().checked_sub(length)?)?;
    let target = match target {
        [session] if session == "session" => Target::Sessions,
        [session, id] if session == "session" => Target::Session(id.clone()),
        [user, directory, id] if user == "user" => {
            Target::User { directory: directory.clone(), id: id.clone() }
        }
        _ => return None,
    };
    // The default virtual proxy has no segment (`/qps/session`) or an empty one.
    Some((prefix.join("/"), target))
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
    fn a_prefix_may_contain_slashes() {
        assert_eq!(read("/qps/a/b/session"), [("a/b".into(), Target::Sessions)]);
    }

    #[test]
    fn ids_are_decoded_after_the_path_is_split() {
        let id = "a/b %\u{645}";
        assert_eq!(
            read("/qps/sales/session/a%2Fb%20%25%D9%85"),
            [("sales".into(), Target::Session(id.into()))]
        );
        let user = Target::User { directory: "LAB".into(), id: id.into() };
        assert_eq!(read("/qps/sales/user/LAB/a%2Fb%20%25%D9%85"), [("sales".into(), user)]);
    }

    #[test]
    fn a_path_with_the_id_session_has_two_meanings() {
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
