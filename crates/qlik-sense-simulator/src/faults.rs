//! Faults of services, on purpose.
//!
//! - `switches`: which faults are set, and where
//! - `response`: the faults of a response; `bodies`: the bodies sent instead of a session list
//!
//! The faults of ports and handshakes act in `services`; those that violate HTTP act through `connection`.

mod bodies;
pub(super) mod response;
pub(super) mod switches;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use axum::http::StatusCode;

/// The longest delay that is accepted.
const MAX_DELAY: Duration = Duration::from_secs(3600);

/// A fault of a service. Its text form is in [`TABLE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Hang,
    HangMidway,
    Trickle,
    Status(StatusCode),
    Redirect,
    Refuse,
    RefuseHandshake,
    WrongCertificate,
    Reset,
    ResetMidway,
    Truncated,
    JsonObject,
    JsonNumbers,
    JsonNulls,
    JsonNested,
    Html,
    Empty,
    Endless,
    LongIds,
    DuplicateIds,
    CamelCase,
    Gzip,
    LengthTooLong,
    LengthTooShort,
    Latency(Duration),
    /// A random delay, from the first duration to the second.
    Jitter(Duration, Duration),
    EverySecond,
}

/// A kind of fault: one row of [`TABLE`].
#[derive(Debug, Clone, Copy)]
pub struct FaultKind {
    pub name: &'static str,
    /// The argument, which may follow the name and a colon.
    pub argument: Option<&'static str>,
    /// The effect, in a few words.
    pub does: &'static str,
    /// The fault of this kind, with the default argument if it has one.
    pub fault: Fault,
}

/// Every kind of fault. Help, parser and `Display` use this table.
pub const TABLE: &[FaultKind] = &[
    kind("hang", Fault::Hang, "takes the request and never answers"),
    kind("hang-midway", Fault::HangMidway, "sends half of the answer, then nothing more"),
    kind("trickle", Fault::Trickle, "sends the body at one byte a second"),
    kind("500", Fault::Status(StatusCode::INTERNAL_SERVER_ERROR), "answers with this status"),
    kind("503", Fault::Status(StatusCode::SERVICE_UNAVAILABLE), "answers with this status"),
    kind("403", Fault::Status(StatusCode::FORBIDDEN), "answers with this status"),
    kind("401", Fault::Status(StatusCode::UNAUTHORIZED), "answers with this status"),
    kind("404", Fault::Status(StatusCode::NOT_FOUND), "answers with this status"),
    kind("redirect", Fault::Redirect, "redirects to a login page (302)"),
    kind("refuse", Fault::Refuse, "refuses connections: the port is closed (whole node only)"),
    kind(
        "refuse-handshake",
        Fault::RefuseHandshake,
        "ends every TLS handshake with an alert (whole node only)",
    ),
    kind(
        "wrong-certificate",
        Fault::WrongCertificate,
        "shows a certificate of another authority (whole node only)",
    ),
    kind("reset", Fault::Reset, "resets the connection instead of an answer"),
    kind("reset-midway", Fault::ResetMidway, "resets the connection in the middle of the answer"),
    kind("truncated", Fault::Truncated, "a complete answer with half of the JSON"),
    kind("json-object", Fault::JsonObject, "an object that holds the list, instead of the list"),
    kind("json-numbers", Fault::JsonNumbers, "numbers where strings should be"),
    kind("json-nulls", Fault::JsonNulls, "rows that are null"),
    kind("json-nested", Fault::JsonNested, "a list within a list"),
    kind("html", Fault::Html, "a login page in HTML with status 200"),
    kind("empty", Fault::Empty, "status 200 with an empty body"),
    kind("endless", Fault::Endless, "a list of sessions without an end"),
    kind("long-ids", Fault::LongIds, "session and user ids of 64 KiB, in the first rows of the list"),
    kind("duplicate-ids", Fault::DuplicateIds, "every session twice in the list"),
    kind("camel-case", Fault::CamelCase, "members that begin with a small letter"),
    kind("gzip", Fault::Gzip, "a compressed body that was not requested"),
    kind("length-too-long", Fault::LengthTooLong, "a Content-Length above the body's; the connection ends"),
    kind("length-too-short", Fault::LengthTooShort, "a Content-Length of half the body; all of it is sent"),
    kind_with_argument(
        "latency",
        "DURATION",
        Fault::Latency(Duration::from_secs(1)),
        "answers after a delay, e.g. latency:2s",
    ),
    kind_with_argument(
        "jitter",
        "FROM..TO",
        Fault::Jitter(Duration::from_millis(250), Duration::from_secs(10)),
        "answers after a random delay, e.g. jitter:250ms..10s",
    ),
    kind("every-second", Fault::EverySecond, "answers only every second request; the others hang"),
];

const fn kind(name: &'static str, fault: Fault, does: &'static str) -> FaultKind {
    FaultKind { name, argument: None, does, fault }
}

const fn kind_with_argument(
    name: &'static str,
    argument: &'static str,
    fault: Fault,
    does: &'static str,
) -> FaultKind {
    FaultKind { name, argument: Some(argument), does, fault }
}

/// Returns the table as text, a line per kind.
pub fn help() -> String {
    let width = TABLE.iter().map(|kind| kind.syntax().len()).max().unwrap_or_default();
    TABLE.iter().map(|kind| format!("  {:width$}  {}\n", kind.syntax(), kind.does)).collect()
}

impl FaultKind {
    fn syntax(&self) -> String {
        match self.argument {
            Some(argument) => format!("{}[:{argument}]", self.name),
            None => self.name.to_owned(),
        }
    }
}

impl Fault {
    /// Returns whether the fault acts on a port or on handshakes, before a request names a virtual proxy.
    pub fn is_of_whole_node(self) -> bool {
        matches!(self, Self::Refuse | Self::RefuseHandshake | Self::WrongCertificate)
    }
}

/// The error for a text that is no fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    #[error("there is no fault {name:?} (there are {})", names())]
    Unknown { name: String },
    #[error("{found:?} is no argument for {name}, expected {expected}")]
    Argument { name: &'static str, found: String, expected: &'static str },
}

fn names() -> String {
    TABLE.iter().map(|kind| kind.name).collect::<Vec<_>>().join(", ")
}

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let (name, argument) = text.split_once(':').map_or((text, None), |(name, rest)| (name, Some(rest)));
        let kind = TABLE.iter().find(|kind| kind.name == name);
        let kind = kind.ok_or_else(|| FaultError::Unknown { name: name.to_owned() })?;
        let Some(argument) = argument else { return Ok(kind.fault) };
        let read = match kind.fault {
            Self::Latency(_) => delay(argument).map(Self::Latency),
            Self::Jitter(..) => argument.split_once("..").and_then(|(from, to)| {
                let (from, to) = (delay(from)?, delay(to)?);
                (from <= to).then_some(Self::Jitter(from, to))
            }),
            _ => None,
        };
        read.ok_or_else(|| FaultError::Argument {
            name: kind.name,
            found: argument.to_owned(),
            expected: match kind.fault {
                Self::Latency(_) => "a duration up to 1h such as 500ms",
                Self::Jitter(..) => "two durations up to 1h, the shorter first, such as 250ms..10s",
                _ => "none",
            },
        })
    }
}

fn delay(text: &str) -> Option<Duration> {
    humantime::parse_duration(text).ok().filter(|delay| *delay <= MAX_DELAY)
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "{}", status.as_u16()),
            Self::Latency(delay) => write!(f, "latency:{}", duration_text(*delay)),
            Self::Jitter(from, to) => write!(f, "jitter:{}..{}", duration_text(*from), duration_text(*to)),
            _ => f.write_str(TABLE.iter().find(|kind| kind.fault == *self).map_or("", |kind| kind.name)),
        }
    }
}

/// Writes a duration without the spaces of `1s 500ms`, so that it needs no escape in a URL.
fn duration_text(duration: Duration) -> String {
    humantime::format_duration(duration).to_string().replace(' ', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_every_fault_is_parsed_as_the_same_fault() {
        for kind in TABLE {
            assert_eq!(kind.name.parse(), Ok(kind.fault));
            assert_eq!(kind.fault.to_string().parse(), Ok(kind.fault));
            assert!(kind.fault.to_string().starts_with(kind.name), "{}", kind.name);
        }
        for fault in [
            Fault::Latency(Duration::from_millis(1500)),
            Fault::Jitter(Duration::ZERO, Duration::from_secs(10)),
        ] {
            assert_eq!(fault.to_string().parse(), Ok(fault));
        }
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = TABLE.iter().map(|kind| kind.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), TABLE.len());
    }

    #[test]
    fn the_error_for_an_unknown_fault_lists_the_names() {
        let message = "hangs".parse::<Fault>().unwrap_err().to_string();
        assert!(
            message.starts_with(r#"there is no fault "hangs" (there are hang, hang-midway, "#),
            "{message}"
        );
    }

    #[test]
    fn an_invalid_argument_is_refused() {
        for text in ["latency:soon", "latency:2h", "jitter:1s", "jitter:2s..1s", "hang:1s", "500:x"] {
            assert!(matches!(text.parse::<Fault>(), Err(FaultError::Argument { .. })), "{text}");
        }
        let message = "latency:soon".parse::<Fault>().unwrap_err().to_string();
        assert_eq!(
            message,
            r#""soon" is no argument for latency, expected a duration up to 1h such as 500ms"#
        );
    }

    #[test]
    fn the_help_has_a_line_for_each_fault() {
        let help = help();
        assert_eq!(help.lines().count(), TABLE.len());
        assert!(help.contains("  latency[:DURATION]  answers after a delay, e.g. latency:2s\n"), "{help}");
    }
}
