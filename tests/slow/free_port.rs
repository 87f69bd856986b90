//! Servers that do not print which port they got when they start on any.

use std::net::TcpListener;
use std::process::Command;

use crate::support::http::Server;
use crate::support::program::Program;

/// What became of a start.
enum Start {
    Ready,
    PortTaken,
}

/// Starts what `command` makes for an address on loopback, and waits until it prints `ready`.
///
/// The system names a free port first; should somebody else take that in between, another is tried.
pub async fn on_a_free_port(ready: &str, command: impl Fn(&str) -> Command) -> (Program, Server) {
    for _ in 0..10 {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let mut program = Program::start(&mut command(&address));
        let start = program.printed(ready, |line| match line {
            _ if line.contains(ready) => Some(Start::Ready),
            _ if line.contains("address already in use") => Some(Start::PortTaken),
            _ => None,
        });
        if let Start::Ready = start.await {
            return (program, Server::at(format!("http://{address}/").parse().unwrap()));
        }
    }
    panic!("no free port in ten tries: {:?}", command("127.0.0.1:0"));
}
