//! The certificate steps: the client certificate, the CA, and the server certificates that were accepted.

use std::io::{self, Write};

use super::report::{Status, Step};
use super::site::SiteCheck;
use crate::commands::counted;
use crate::config;
use crate::site::topology::ProxyPlan;
use qlik_sense::credentials::{CertificateFacts, day, now};

/// Days before its expiry from which a certificate is a warning; the alert has the same.
const EXPIRES_SOON: i64 = 30;

impl<W: Write> SiteCheck<'_, '_, W> {
    /// Adds the steps of the site's own certificates. The key has been checked with the configuration.
    pub(super) fn certificates(&mut self) -> io::Result<()> {
        let credentials = &self.settings.credentials;
        let client = credentials.client_facts();
        let ca_key = if self.settings.by_flags { config::flag("ca") } else { "ca".to_owned() };
        let mut step = certificate("client", client, ", its key fits");
        if step.status != Status::Failed && credentials.is_foreign() {
            step.status = Status::Failed;
            step.message +=
                &format!("; issued by {:?}, not by the CA in this site's {ca_key} file", client.issuer);
            step = step.advise(
                "Export client.pem, client_key.pem and root.pem together in the management console of this site.",
            );
        }
        self.add(step)?;
        for ca in credentials.ca_facts() {
            self.add(match certificate("ca", ca, "") {
                step if ca.is_ca || step.status == Status::Failed => step,
                step => {
                    Step { status: Status::Warning, message: step.message + ", not a CA certificate", ..step }
                        .advise(format!("Set {ca_key} to root.pem from the same export as client.pem."))
                }
            })?;
        }
        Ok(())
    }

    /// Adds the step of a server certificate that was accepted. A refused one is reported with its failed query.
    pub(super) fn server_certificate(
        &mut self,
        selection: &'static str,
        facts: Option<CertificateFacts>,
        plan: Option<&ProxyPlan>,
    ) -> io::Result<()> {
        let Some(facts) = facts else { return Ok(()) };
        let mut step = certificate(selection, &facts, "");
        // The exporter accepts it nevertheless, as with `verify = "none"`.
        if step.status == Status::Failed {
            step.status = Status::Warning;
        }
        if let Some(plan) = plan {
            step.target = format!("{selection} {}", plan.name);
            step.facts.proxy = Some(plan.name.clone());
        }
        self.add(step)
    }
}

/// Returns the step of a certificate; `detail` is appended to the message of a valid one.
fn certificate(selection: &str, facts: &CertificateFacts, detail: &str) -> Step {
    let CertificateFacts { subject, not_before, not_after, .. } = facts;
    let now = now();
    let until = day(*not_after);
    let mut step = Step::new("certificate", selection, Status::Ok, "");
    step.facts.expires = Some(*not_after);
    if *not_before > now {
        step.status = Status::Failed;
        step.message = format!("{subject:?} is not valid before {}", day(*not_before));
        return step.advise("Check the clocks of this host and of the Qlik Sense nodes.");
    }
    if *not_after < now {
        step.status = Status::Failed;
        step.message = format!("{subject:?} expired on {until}");
        return step.advise(renew(selection, ""));
    }
    let days = (not_after - now).div_euclid(86_400);
    let left = counted(usize::try_from(days).unwrap_or_default(), "day");
    step.message = format!("{subject:?}, valid until {until} ({left} left){detail}");
    if days >= EXPIRES_SOON {
        return step;
    }
    step.status = Status::Warning;
    step.advise(renew(selection, " in time"))
}

/// Returns how to renew a certificate.
fn renew(selection: &str, when: &str) -> String {
    match selection {
        "client" | "ca" => {
            format!("Export new certificates{when} in the management console (Certificates).")
        }
        _ => format!(
            "Recreate this node's certificates{when} in the management console, then restart its services."
        ),
    }
}
