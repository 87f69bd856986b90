//! `sessions`: who is connected, listed, watched, ended.

pub mod watch;
