//! `check` against simulated sites, and against servers that are wrong in every way that can be made here.

mod answers;
mod certificates;
mod checked;
mod connections;
mod old_tls;
mod program;
mod sites;
