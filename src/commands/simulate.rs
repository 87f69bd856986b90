//! `simulate`: only the simulated site, for tests and for trying other tools.

use std::io::{self, Write};

use qlik_sense_simulator::{Error, Options, Simulator};

/// Any valid key will do in an example.
const KEY: &str = "0123456789abcdef";

/// Runs a simulated site until `shutdown` is done.
///
/// Standard output gets a line per listener once all are ready, standard error what else is worth knowing.
///
/// # Errors
/// When the site cannot start.
pub async fn run(options: Options, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
    tokio::pin!(shutdown);
    let simulator = tokio::select! {
        started = qlik_sense_simulator::start(options) => started?,
        () = &mut shutdown => return Ok(()),
    };
    // Nobody may be reading either; the site is there all the same.
    let _ = announce(&simulator);
    shutdown.await;
    simulator.shutdown().await;
    Ok(())
}

fn announce(simulator: &Simulator) -> io::Result<()> {
    let listeners = simulator.listeners();
    let mut out = io::stdout().lock();
    for (name, url) in &listeners {
        writeln!(out, "listening {name} {}", url.as_str().trim_end_matches('/'))?;
    }
    out.flush()?;

    let (certificates, config) = (simulator.certificates().display(), simulator.config_file().display());
    let mut out = io::stderr().lock();
    writeln!(out, "certificates  {certificates}")?;
    writeln!(out, "configuration {config}")?;
    writeln!(out, "try:")?;
    writeln!(out, "  qlik-session-exporter --config.file \"{config}\"")?;
    for (listener, path, user) in [
        ("qps-1", "/qps/session", ""),
        ("qrs", "/qrs/proxyservice/full", " -H \"X-Qlik-User: UserDirectory=INTERNAL; UserId=sa_api\""),
    ] {
        let Some((_, url)) = listeners.iter().find(|(name, _)| name == listener) else { continue };
        let file = |name| simulator.certificates().join(name);
        writeln!(
            out,
            "  curl --cacert \"{}\" --cert \"{}\" --key \"{}\" -H \"X-Qlik-Xrfkey: {KEY}\"{user} \
             \"{}{path}?Xrfkey={KEY}\"",
            file("root.pem").display(),
            file("client.pem").display(),
            file("client_key.pem").display(),
            url.as_str().trim_end_matches('/')
        )?;
    }
    if let Some((_, url)) = listeners.iter().find(|(name, _)| name == "control") {
        writeln!(out, "  curl {url}")?;
    }
    Ok(())
}
