//! What a failed query means, and what an administrator can do about it.

mod tls;

use url::Url;

use qlik_sense::client::Client;
use qlik_sense::credentials::{self, CertificateFacts, Credentials};
use qlik_sense::error::{NoConnection, QueryError, ShapeError};
use qlik_sense::session_list::DecodeError;
use qlik_sense::tls_failure::TlsFailure;
use qlik_sense::types::QlikUser;

/// A failure in words. Both texts may hold what a server said: escape them for a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    /// What was found.
    pub message: String,
    /// What to try.
    pub advice: String,
}

/// Which of a site's services was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    Repository,
    Proxy,
}

impl Service {
    pub fn name(self) -> &'static str {
        match self {
            Self::Repository => "repository service",
            Self::Proxy => "proxy service",
        }
    }

    /// Unless somebody changed it.
    fn usual_port(self) -> u16 {
        match self {
            Self::Repository => 4242,
            Self::Proxy => 4243,
        }
    }
}

/// What was asked of whom, and what was seen of the other side.
pub struct Circumstances<'a> {
    pub service: Service,
    pub url: &'a Url,
    pub user: &'a QlikUser,
    pub credentials: &'a Credentials,
    /// How the flag for a key of the site is written, when the site is given by flags.
    pub flag: Option<fn(&str) -> String>,
    /// The server's certificate, also one that was refused; None: no handshake came that far.
    pub server: Option<CertificateFacts>,
    /// Whether a handshake ever asked for our certificate.
    pub asked_for_certificate: bool,
}

impl<'a> Circumstances<'a> {
    /// As they are after a query.
    pub fn of(
        endpoint: &'a Client,
        service: Service,
        user: &'a QlikUser,
        credentials: &'a Credentials,
        flag: Option<fn(&str) -> String>,
    ) -> Self {
        Self {
            service,
            url: endpoint.url(),
            user,
            credentials,
            flag,
            server: endpoint.server_certificate().and_then(|der| credentials::facts(&der).ok()),
            asked_for_certificate: endpoint.requested_certificate(),
        }
    }

    /// What this failure means.
    pub fn diagnose(&self, error: &QueryError) -> Diagnosis {
        match error {
            QueryError::Connect(error) => self.no_connection(error),
            QueryError::Tls(error) => self.tls(&TlsFailure::of(error)),
            QueryError::Timeout(_) => self.timeout(error),
            QueryError::HttpStatus(status) => self.status(*status, error),
            QueryError::Denied(status) => self.denied(*status),
            QueryError::Xsrf => diagnosis(
                "HTTP status 400: the service says that its XSRF check failed, as if the two keys that every \
                 request carries (Xrfkey in the address, X-Qlik-Xrfkey as a header) had not arrived as sent",
                format!(
                    "Is there a reverse proxy, load balancer or firewall in between that takes headers or \
                     parameters away? Name the address of the {} itself. {}",
                    self.service.name(),
                    self.about_port()
                ),
            ),
            QueryError::Decode(DecodeError::CutOff)
            | QueryError::Shape { problem: ShapeError::CutOff, .. } => diagnosis(
                error.to_string(),
                format!(
                    "The connection or the answer ended early. Was the {} restarted just then, or does something \
                     in between end connections? Ask again.",
                    self.service.name()
                ),
            ),
            QueryError::NotHttp
            | QueryError::Decode(_)
            | QueryError::NoDeletion(_)
            | QueryError::Shape { .. } => self.another_answer(error.to_string()),
            QueryError::NoProxyServices => diagnosis(
                error.to_string(),
                format!(
                    "The repository leaves out, without an error, what the user {} may not read: give that user \
                     (user_directory, user_id) a role such as RootAdmin, or query as INTERNAL\\sa_api.",
                    self.user.key()
                ),
            ),
            QueryError::TooLarge(_) => diagnosis(
                error.to_string(),
                "Raise max_response_size, when so many sessions are what is to be expected.",
            ),
        }
    }

    fn no_connection(&self, error: &NoConnection) -> Diagnosis {
        let (address, service, port) = (self.address(), self.service.name(), self.port());
        match error {
            NoConnection::UnknownHost(_) => {
                let host = self.url.host_str().unwrap_or_default();
                diagnosis(
                    format!("the host name {host} is not known here"),
                    format!(
                        "Is it written correctly, and does this host's name server know it (nslookup {host})? \
                         An IP address works too, then with {} unless it is in the certificate.",
                        self.verify("ca")
                    ),
                )
            }
            NoConnection::Refused => diagnosis(
                format!("{address} refuses connections"),
                format!(
                    "Does the {service} run there, and is its port {port}? Is that port open for this host in \
                     the firewall? {}",
                    self.about_port()
                ),
            ),
            NoConnection::NoAnswer(text) => diagnosis(
                format!("{address} cannot be reached: {text}"),
                format!(
                    "Does the host run, is there a way to its network, and is port {port} open for this host \
                     in the firewall?"
                ),
            ),
            // From here on the other side closed the connection, or something stranger happened.
            NoConnection::Closed | NoConnection::Other(_) if self.server.is_none() => diagnosis(
                format!("{address} closed the connection in the TLS handshake{}", more(error)),
                format!(
                    "Is that the {service}, and not another program or a firewall? It may also speak only TLS \
                     1.0 or 1.1: this program needs TLS 1.2 or 1.3. {}",
                    self.about_port()
                ),
            ),
            NoConnection::Closed | NoConnection::Other(_) if self.asked_for_certificate => diagnosis(
                format!("{address} asked for our certificate and then closed the connection{}", more(error)),
                self.about_client_certificate(),
            ),
            NoConnection::Closed | NoConnection::Other(_) => {
                self.never_asked(format!("{address} closed the connection{}", more(error)))
            }
        }
    }

    fn timeout(&self, error: &QueryError) -> Diagnosis {
        let (address, service, port) = (self.address(), self.service.name(), self.port());
        match &self.server {
            None => diagnosis(
                format!("{address} does not answer: {error}"),
                format!(
                    "Does the host run, and is port {port} open for this host in the firewall? Firewalls often \
                     drop what they do not let through, without a word."
                ),
            ),
            Some(_) => diagnosis(
                format!("{address} was reached, but {error}"),
                format!(
                    "Is the {service} busy, or the answer a long one on a slow network? request_timeout can be \
                     longer."
                ),
            ),
        }
    }

    fn status(&self, status: u16, error: &QueryError) -> Diagnosis {
        match status {
            300..400 => self.another_answer(format!("HTTP status {status}: a redirect, as to a login page")),
            404 => diagnosis(
                error.to_string(),
                match self.service {
                    Service::Proxy => format!(
                        "Does this proxy service link that virtual proxy, and is the prefix right? {}",
                        self.about_port()
                    ),
                    Service::Repository => self.about_port(),
                },
            ),
            500.. => diagnosis(
                error.to_string(),
                format!(
                    "The {} has a problem of its own: it may be starting. Its log says more.",
                    self.service.name()
                ),
            ),
            _ => self.another_answer(error.to_string()),
        }
    }

    /// 401 or 403.
    fn denied(&self, status: u16) -> Diagnosis {
        let address = self.address();
        if !self.asked_for_certificate {
            return self.never_asked(format!("{address} answers with HTTP status {status}"));
        }
        let QlikUser { directory, id } = self.user;
        let rights = match self.service {
            Service::Repository => {
                "RootAdmin may read everything; a role with less must be able to read the proxies and \
                 virtual proxies."
            }
            Service::Proxy => "RootAdmin is known to be enough.",
        };
        diagnosis(
            format!("{address} answers with HTTP status {status} to the user {directory}\\{id}"),
            format!(
                "Does that user exist ({}, {}), and which roles has it? {rights} INTERNAL\\sa_api is one of Qlik's \
                 own that may. Some versions also answer so to a client certificate that they do not accept. {}",
                self.key("user_directory"),
                self.key("user_id"),
                self.about_client_certificate()
            ),
        )
    }

    /// Something answered that is not the service.
    fn another_answer(&self, message: String) -> Diagnosis {
        diagnosis(
            message,
            format!("Is {} really the {}? {}", self.address(), self.service.name(), self.about_port()),
        )
    }

    fn about_port(&self) -> String {
        let (service, usual, port) = (self.service.name(), self.service.usual_port(), self.port());
        match port {
            80 | 443 => format!("Port {port} is that of the users' browsers: the {service} has {usual}."),
            4242 if self.service == Service::Proxy => {
                format!("Port 4242 is that of the repository service: the {service} has {usual}.")
            }
            4243 if self.service == Service::Repository => {
                format!("Port 4243 is that of the proxy services: the {service} has {usual}.")
            }
            _ if port == usual => String::new(),
            _ => {
                format!("The {service}'s port is {usual} unless changed, and never the browsers' one (443).")
            }
        }
    }

    /// A key of the site as it is written where the site is given.
    fn key(&self, key: &str) -> String {
        self.flag.map_or_else(|| key.to_owned(), |flag| flag(key))
    }

    /// How servers are checked, as it is written there.
    fn verify(&self, how: &str) -> String {
        let key = self.key("verify");
        if self.flag.is_some() { format!("{key} {how}") } else { format!("{key} = \"{how}\" for this site") }
    }

    fn address(&self) -> String {
        format!("{}:{}", self.url.host_str().unwrap_or_default(), self.port())
    }

    fn port(&self) -> u16 {
        self.url.port_or_known_default().unwrap_or_default()
    }
}

/// What is known besides of a connection that ended.
fn more(error: &NoConnection) -> String {
    match error {
        NoConnection::Other(text) => format!(" ({text})"),
        _ => String::new(),
    }
}

fn diagnosis(message: impl Into<String>, advice: impl Into<String>) -> Diagnosis {
    Diagnosis { message: message.into(), advice: advice.into().trim().replace("  ", " ") }
}
