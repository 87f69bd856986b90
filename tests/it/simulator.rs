//! The simulated site, queried over real mutual TLS the way its clients do.

mod certificates;
mod client;
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
mod topology;
