//! `check` against simulated sites, and against servers that are wrong in every way that can be made here.

mod answers;
mod certificates;
mod connections;
mod old_tls;
mod program;
mod sites;
mod support;

#[path = "../support/stand_in.rs"]
#[allow(dead_code, reason = "the tests of the running program use more of it")]
mod stand_in;
