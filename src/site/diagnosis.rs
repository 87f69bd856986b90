//! Explains failed queries: what a failure means, and what an administrator can do about it.

mod tls;

use url::Url;

use qlik_sense::client::Client;
use qlik_sense::credentials::{self, CertificateFacts, Credentials};
use qlik_sense::error::{NoConnection, QueryError, ShapeError};
use qlik_sense::session_list::DecodeError;
use qlik_sense::tls_failure::TlsFailure;
use qlik_sense::types::QlikUser;

/// A failure, explained. Both texts may quote the server: escape them for a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    /// What failed, and what came back.
    pub message: String,
    /// What to try.
    pub advice: String,
}

/// The service of a site that was queried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    Repository,
    Proxy,
}

impl Service {
    /// Returns the name of the service in prose.
    pub fn name(self) -> &'static str {
        match self {
            Self::Repository => "repository service",
            Self::Proxy => "proxy service",
        }
    }

    /// Returns the port after a standard installation.
    fn usual_port(self) -> u16 {
        match self {
            Self::Repository => 4242,
            Self::Proxy => 4243,
        }
    }
}

/// The facts of a query that the diagnosis of its failure uses.
pub struct Circumstances<'a> {
    pub service: Service,
    pub url: &'a Url,
    pub user: &'a QlikUser,
    pub credentials: &'a Credentials,
    /// Returns the flag for a configuration key, when the site is configured by flags.
    pub flag: Option<fn(&str) -> String>,
    /// The server's certificate, even if it was refused; `None` when no handshake got that far.
    pub server: Option<CertificateFacts>,
    /// Whether a handshake has requested the client certificate.
    pub requested_certificate: bool,
}

impl<'a> Circumstances<'a> {
    /// Collects the facts after a query.
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
            requested_certificate: endpoint.requested_certificate(),
        }
    }

    /// Explains a failed query.
    pub fn diagnose(&self, error: &QueryError) -> Diagnosis {
        match error {
            QueryError::Connect(error) => self.no_connection(error),
            QueryError::Tls(error) => self.tls(&TlsFailure::of(error)),
            QueryError::Timeout(_) => self.timeout(error),
            QueryError::HttpStatus(status) => self.status(*status, error),
            QueryError::Denied(status) => self.denied(*status),
            QueryError::Xsrf => diagnosis(
                "HTTP status 400: the XSRF check failed: the two keys of the request (parameter Xrfkey, header \
                 X-Qlik-Xrfkey) did not arrive as sent",
                format!(
                    "Check whether a reverse proxy, load balancer or firewall in between removes headers or parameters, \
                     and use the address of the {} itself. {}",
                    self.service.name(),
                    self.about_port()
                ),
            ),
            QueryError::Decode(DecodeError::CutOff)
            | QueryError::Shape { problem: ShapeError::CutOff, .. } => diagnosis(
                error.to_string(),
                format!(
                    "The answer ended early. Try again; if it happens often, check whether the {} restarts, or something \
                     in between closes connections.",
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
                    "The repository omits, without an error, what the user {} may not read: give that user \
                     (user_directory, user_id) a role such as RootAdmin, or query as INTERNAL\\sa_api.",
                    self.user.key()
                ),
            ),
            QueryError::TooLarge(_) => {
                diagnosis(error.to_string(), "Raise max_response_size if the site has that many sessions.")
            }
        }
    }

    fn no_connection(&self, error: &NoConnection) -> Diagnosis {
        let (address, service, port) = (self.address(), self.service.name(), self.port());
        match error {
            NoConnection::UnknownHost(_) => {
                let host = self.url.host_str().unwrap_or_default();
                diagnosis(
                    format!("the host name {host} cannot be resolved"),
                    format!(
                        "Check the spelling, and whether this host can resolve the name (nslookup {host}). An IP address \
                         works too, with {} unless the certificate contains it.",
                        self.verify("ca")
                    ),
                )
            }
            NoConnection::Refused => diagnosis(
                format!("{address} refuses connections"),
                format!(
                    "Check that the {service} runs there on port {port}, and that the firewall opens that port to \
                     this host. {}",
                    self.about_port()
                ),
            ),
            NoConnection::NoAnswer(text) => diagnosis(
                format!("{address} cannot be reached: {text}"),
                format!(
                    "Check that the host is up, that its network can be reached from here, and that the firewall opens \
                     port {port} to this host."
                ),
            ),
            // In the remaining cases the server closed the connection, or the cause is unknown.
            NoConnection::Closed | NoConnection::Other(_) if self.server.is_none() => diagnosis(
                format!("{address} closed the connection in the TLS handshake{}", detail(error)),
                format!(
                    "Check that the {service} answers there, not another program or a firewall. The service may also \
                     support only TLS 1.0 or 1.1; this program needs TLS 1.2 or 1.3. {}",
                    self.about_port()
                ),
            ),
            NoConnection::Closed | NoConnection::Other(_) if self.requested_certificate => diagnosis(
                format!(
                    "{address} requested the client certificate and then closed the connection{}",
                    detail(error)
                ),
                self.about_client_certificate(),
            ),
            NoConnection::Closed | NoConnection::Other(_) => {
                self.certificate_not_requested(format!("{address} closed the connection{}", detail(error)))
            }
        }
    }

    fn timeout(&self, error: &QueryError) -> Diagnosis {
        let (address, service, port) = (self.address(), self.service.name(), self.port());
        match &self.server {
            None => diagnosis(
                format!("{address} does not answer: {error}"),
                format!(
                    "Check that the host is up, and that the firewall opens port {port} to this host. Firewalls often \
                     drop blocked packets silently."
                ),
            ),
            Some(_) => diagnosis(
                format!("{address} accepts connections, but {error}"),
                format!(
                    "Check whether the {service} is overloaded or the network slow. If that is normal, raise \
                     request_timeout."
                ),
            ),
        }
    }

    fn status(&self, status: u16, error: &QueryError) -> Diagnosis {
        match status {
            300..400 => {
                self.another_answer(format!("HTTP status {status}: a redirect, probably to a login page"))
            }
            404 => diagnosis(
                error.to_string(),
                match self.service {
                    Service::Proxy => format!(
                        "Check that this proxy service links the virtual proxy, and that the prefix is right. {}",
                        self.about_port()
                    ),
                    Service::Repository => self.about_port(),
                },
            ),
            500.. => diagnosis(
                error.to_string(),
                format!(
                    "The {} has an internal error, or is still starting. See its log.",
                    self.service.name()
                ),
            ),
            _ => self.another_answer(error.to_string()),
        }
    }

    /// Explains HTTP status 401 and 403.
    fn denied(&self, status: u16) -> Diagnosis {
        let address = self.address();
        if !self.requested_certificate {
            return self.certificate_not_requested(format!("{address} answers with HTTP status {status}"));
        }
        let QlikUser { directory, id } = self.user;
        let rights = match self.service {
            Service::Repository => {
                "RootAdmin may read everything; a lesser role must be able to read the proxies and virtual proxies."
            }
            Service::Proxy => "RootAdmin is known to be sufficient.",
        };
        diagnosis(
            format!("{address} answers with HTTP status {status} to the user {directory}\\{id}"),
            format!(
                "Check that the user exists ({}, {}), and its roles. {rights} Qlik's own account INTERNAL\\sa_api has \
                 the rights. Some versions also give this answer to a client certificate that they do not accept. {}",
                self.key("user_directory"),
                self.key("user_id"),
                self.about_client_certificate()
            ),
        )
    }

    /// Explains an answer that the service does not give: another program may listen there.
    fn another_answer(&self, message: String) -> Diagnosis {
        diagnosis(
            message,
            format!("Check that {} is the {}. {}", self.address(), self.service.name(), self.about_port()),
        )
    }

    /// Returns what is unusual about the port, or nothing.
    fn about_port(&self) -> String {
        let (service, usual, port) = (self.service.name(), self.service.usual_port(), self.port());
        match port {
            80 | 443 => format!("Port {port} is the one for browsers: the {service} has {usual}."),
            4242 if self.service == Service::Proxy => {
                format!("Port 4242 is the repository service's: the {service} has {usual}.")
            }
            4243 if self.service == Service::Repository => {
                format!("Port 4243 is the proxy services': the {service} has {usual}.")
            }
            _ if port == usual => String::new(),
            _ => {
                format!("The {service}'s port is {usual} unless changed, never the one for browsers (443).")
            }
        }
    }

    /// Returns a key of the site, as a flag when the site is configured by flags.
    fn key(&self, key: &str) -> String {
        self.flag.map_or_else(|| key.to_owned(), |flag| flag(key))
    }

    /// Returns the setting of `verify` to this value, as a flag when the site is configured by flags.
    fn verify(&self, value: &str) -> String {
        let key = self.key("verify");
        if self.flag.is_some() {
            format!("{key} {value}")
        } else {
            format!("{key} = \"{value}\" for this site")
        }
    }

    fn address(&self) -> String {
        format!("{}:{}", self.url.host_str().unwrap_or_default(), self.port())
    }

    fn port(&self) -> u16 {
        self.url.port_or_known_default().unwrap_or_default()
    }
}

/// Returns the text of an error that has no message of its own here, in brackets.
fn detail(error: &NoConnection) -> String {
    match error {
        NoConnection::Other(text) => format!(" ({text})"),
        _ => String::new(),
    }
}

/// Joins the parts of the advice, of which some may be empty.
fn diagnosis(message: impl Into<String>, advice: impl Into<String>) -> Diagnosis {
    Diagnosis { message: message.into(), advice: advice.into().trim().replace("  ", " ") }
}
