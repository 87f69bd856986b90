//! The simulated site, spoken to over real mutual TLS the way its clients do.

mod certificates;
mod clients;
mod control;
mod deliveries;
mod faults_of_answers;
mod faults_of_connections;
mod life;
mod load;
mod refusals;
mod repository;
mod sessions;
mod support;
mod topology;
