//! The subcommands.

pub mod check;
#[cfg(feature = "simulator")]
pub mod demo;
pub mod serve;
pub mod sessions;
mod signals;
#[cfg(feature = "simulator")]
pub mod simulate;
pub mod site_args;

/// Returns a number with a noun, as in `1 site`, `2 sites`, `2 virtual proxies`.
fn counted(number: usize, noun: &str) -> String {
    match (number, noun.strip_suffix("proxy")) {
        (1, _) => format!("1 {noun}"),
        (_, Some(kind)) => format!("{number} {kind}proxies"),
        (_, None) => format!("{number} {noun}s"),
    }
}
