//! The steps about certificates: our own, and those of the servers that were accepted.

use std::io::{self, Write};

use super::report::{Facts, Status, Step};
use super::site::SiteCheck;
use crate::commands::counted;
use crate::config;
use crate::site::topology::ProxyPlan;
use qlik_sense::credentials::{CertificateFacts, day, now};

/// From how many days on a certificate's end is worth a word.
const SOON: i64 = 30;

impl<W: Write> SiteCheck<'_, '_, W> {
    /// Our own ones. That the key fits is known: the configuration would not have been read otherwise.
    pub(super) fn certificates(&mut self) -> io::Result<()> {
        let credentials = &self.settings.credentials;
        let client = credentials.client_facts();
        let ca_key = if self.settings.by_flags { config::flag("ca") } else { "ca".to_owned() };
        let mut step = certificate("client", client, ", its key fits");
        if step.status != Status::Failed && credentials.is_foreign() {
            step.status = Status::Failed;
            step.message += &format!(
                "; issued by {:?}, it is no client certificate of the CA in this site's {ca_key} file",
                client.issuer
            );
            step = step.advise(
                "Export client.pem, client_key.pem and root.pem together from the management console of this \
                 site.",
            );
        }
        self.add(step)?;
        for ca in credentials.ca_facts() {
            self.add(match certificate("ca", ca, "") {
                step if ca.is_ca || step.status == Status::Failed => step,
                step => Step { status: Status::Warning, message: step.message + ", and no CA's", ..step }
                    .advise(format!("Name root.pem, of the same export as client.pem, in {ca_key}.")),
            })?;
        }
        Ok(())
    }

    /// The certificate of a server that was accepted. Of one that was not, the failure says everything.
    pub(super) fn server_certificate(
        &mut self,
        selection: &'static str,
        facts: Option<CertificateFacts>,
        plan: Option<&ProxyPlan>,
    ) -> io::Result<()> {
        let Some(facts) = facts else { return Ok(()) };
        let mut step = certificate(selection, &facts, "");
        // It was accepted all the same: nothing fails yet.
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

fn certificate(selection: &str, facts: &CertificateFacts, more: &str) -> Step {
    let CertificateFacts { subject, not_before, not_after, .. } = facts;
    let now = now();
    let days = (not_after - now).div_euclid(86_400);
    let until = day(*not_after);
    let (status, message, advice) = if *not_before > now {
        let message = format!("{subject:?} is not valid before {}", day(*not_before));
        (Status::Failed, message, "Are the clocks right, here and there?".to_owned())
    } else if *not_after < now {
        (Status::Failed, format!("{subject:?} expired on {until}"), renew(selection, ""))
    } else {
        let status = if days < SOON { Status::Warning } else { Status::Ok };
        let left = counted(usize::try_from(days).unwrap_or_default(), "day");
        (
            status,
            format!("{subject:?}, valid until {until} ({left} left){more}"),
            renew(selection, " in time"),
        )
    };
    let facts = Facts { expires: Some(*not_after), ..Facts::default() };
    let step = Step::new("certificate", selection, status, message).with(facts);
    match status {
        Status::Ok => step,
        _ => step.advise(advice),
    }
}

/// What to do about a certificate that has expired, or soon will.
fn renew(selection: &str, when: &str) -> String {
    match selection {
        "client" | "ca" => {
            format!("Have the management console make new ones{when} (Certificates), and export them again.")
        }
        _ => format!(
            "Have the management console make this node's certificates anew{when}, and restart its services."
        ),
    }
}
