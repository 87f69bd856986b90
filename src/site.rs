//! How a Qlik site is found and queried.

pub mod diagnosis;
