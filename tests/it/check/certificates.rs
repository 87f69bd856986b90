//! Certificates that are refused, here or there.

use qlik_sense_simulator::{Authority, Leaf};
use qlik_session_exporter::commands::check::CheckOutcome;

use super::checked::Files;
use crate::support::simulator::url_of;
use crate::support::stand_in::{StandIn, ok, tls};

fn loopback() -> Leaf {
    Leaf::server(vec!["127.0.0.1".into(), "sense1.company.com".into()])
}

/// A server certificate of one authority, and files that trust another.
async fn check_trusting(root: &Authority) -> super::checked::Checked {
    let files = Files::with_server(&Authority::new("site-CA").unwrap(), &loopback());
    let simulator = files.simulator(|_| ()).await;
    files.replace("root.pem", root.pem());
    let site = format!(
        "{}virtual_proxies = [\"/\"]\n",
        super::checked::proxy("Central", &url_of(&simulator, "qps-1"))
    );
    files.check("", &site).await
}

#[tokio::test]
async fn a_server_certificate_of_another_ca() {
    let checked = check_trusting(&Authority::new("other-CA").unwrap()).await;
    let failed: Vec<_> = checked.steps.iter().filter(|line| line.status == "failed").collect();
    // Our own certificate is not of that CA either, which is reported too.
    let [client, proxy] = failed[..] else { panic!("{}", checked.text) };
    assert!(
        client.message.contains("issued by \"CN=site-CA\", not by the CA in this site's ca"),
        "{client:?}"
    );
    assert_eq!(proxy.reason, "tls");
    assert!(
        proxy.message.contains(
            "\"CN=127.0.0.1\", was issued by \"CN=site-CA\", not by the CA in this site's ca file, \
             \"CN=other-CA\""
        ),
        "{proxy:?}"
    );
    assert!(
        proxy.advice.contains("Check that the server belongs to this site, and that ca is the root.pem"),
        "{proxy:?}"
    );
}

#[tokio::test]
async fn a_server_certificate_that_signed_itself_as_a_ca() {
    let files = Files::new();
    let mut own = rcgen::CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    own.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    files.replace("server.pem", &own.self_signed(&key).unwrap().pem());
    files.replace("server_key.pem", &key.serialize_pem());
    let server = StandIn::with_tls(tls(files.path(), true, rustls::ALL_VERSIONS), |_| Some(ok("[]"))).await;
    files.check_proxy(&server.url).await.assert_failed(
        "tls",
        &["not by the CA in this site's ca file, \"CN=site-CA\""],
        &["It is self-signed. Check that no other program listens on that port."],
    );
}

#[tokio::test]
async fn a_server_certificate_with_very_many_names_shows_the_first_ones() {
    let names = (0..100).map(|number| format!("sense{number}.company.com")).collect();
    let files = Files::with_server(&Authority::new("site-CA").unwrap(), &Leaf::server(names));
    let server = StandIn::start(files.path(), |_| Some(ok("[]"))).await;
    files.check_proxy(&server.url).await.assert_failed(
        "tls",
        &["it is for \"sense0.company.com\", ", "\"sense4.company.com\" and 95 more"],
        &["verify = \"ca\""],
    );
}

#[tokio::test]
async fn a_ca_of_the_same_name_with_another_key() {
    let checked = check_trusting(&Authority::new("site-CA").unwrap()).await;
    let proxy = checked.steps.iter().find(|line| line.reason == "tls").unwrap();
    assert!(proxy.advice.contains("a CA of the same name with another key"), "{proxy:?}");
}

#[tokio::test]
async fn a_server_certificate_for_other_names() {
    let leaf = Leaf::server(vec!["sense1.company.com".into(), "10.0.0.1".into()]);
    let files = Files::with_server(&Authority::new("site-CA").unwrap(), &leaf);
    let simulator = files.simulator(|options| options.virtual_proxies = vec!["".into()]).await;
    files.check_proxy(&url_of(&simulator, "qps-1")).await.assert_failed(
        "tls",
        &["is not for \"127.0.0.1\"; it is for \"sense1.company.com\", \"10.0.0.1\""],
        &["verify = \"ca\""],
    );
}

#[tokio::test]
async fn a_server_certificate_without_alternative_names_needs_verify_ca() {
    let leaf = loopback().without_alt_names();
    let files = Files::with_server(&Authority::new("site-CA").unwrap(), &leaf);
    let simulator = files.simulator(|options| options.virtual_proxies = vec!["".into()]).await;
    let url = url_of(&simulator, "qps-1");
    files.check_proxy(&url).await.assert_failed(
        "tls",
        &["\"CN=127.0.0.1\", has no subject alternative name"],
        &["verify = \"ca\""],
    );
    let site = format!("verify = \"ca\"\n{}", super::checked::proxy("Central", &url));
    assert_eq!(files.check("", &site).await.outcome, CheckOutcome::Good);
}

#[tokio::test]
async fn an_expired_server_certificate() {
    let files = Files::with_server(&Authority::new("site-CA").unwrap(), &loopback().expired());
    let simulator = files.simulator(|options| options.virtual_proxies = vec!["".into()]).await;
    let url = url_of(&simulator, "qps-1");
    let yesterday = std::time::SystemTime::now() - std::time::Duration::from_secs(86_400);
    let day = humantime::format_rfc3339_seconds(yesterday).to_string();
    let day = day.split('T').next().unwrap();
    files.check_proxy(&url).await.assert_failed(
        "tls",
        &[&format!("\"CN=127.0.0.1\", expired on {day}")],
        &["Recreate this node's certificates"],
    );
    // With `verify = "none"` it works, and the expiry is still reported.
    let site = format!("verify = \"none\"\n{}", super::checked::proxy("Central", &url));
    let checked = files.check("", &site).await;
    assert_eq!(checked.outcome, CheckOutcome::Good);
    let expired = format!("warning proxy Central: \"CN=127.0.0.1\" expired on {day}");
    assert!(checked.lines("certificate").contains(&expired), "{}", checked.text);
}

#[tokio::test]
async fn our_certificate_is_refused_in_every_version_of_tls() {
    for versions in [&[&rustls::version::TLS12][..], &[&rustls::version::TLS13]] {
        let files = Files::new();
        let server = StandIn::with_tls(tls(files.path(), true, versions), |_| Some(ok("[]"))).await;
        let other = Authority::new("other-CA").unwrap().issue(&Leaf::client("Stranger")).unwrap();
        files.replace("client.pem", &other.certificate);
        files.replace("client_key.pem", &other.key);
        let checked = files.check_proxy(&server.url).await;
        let failed: Vec<_> = checked.steps.iter().filter(|line| line.status == "failed").collect();
        let [client, proxy] = failed[..] else { panic!("{}", checked.text) };
        assert_eq!((&*client.step, &*client.target), ("certificate", "client"));
        assert_eq!(proxy.reason, "tls");
        assert!(proxy.message.contains("refuses the client certificate (TLS alert"), "{proxy:?}");
        let ours = "The client certificate is \"CN=Stranger\", issued by \"CN=other-CA\", not by the CA in this site's ca file";
        assert!(proxy.advice.contains(ours), "{proxy:?}");
    }
}

#[tokio::test]
async fn our_certificate_signed_itself() {
    let files = Files::new();
    let simulator = files.simulator(|options| options.virtual_proxies = vec!["".into()]).await;
    let mut own = rcgen::CertificateParams::default();
    own.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    files.replace("client.pem", &own.self_signed(&key).unwrap().pem());
    files.replace("client_key.pem", &key.serialize_pem());
    let checked = files.check_proxy(&url_of(&simulator, "qps-1")).await;
    assert_eq!(checked.outcome, CheckOutcome::Failed);
    let client = &checked.lines("certificate")[0];
    assert!(
        client.starts_with("failed client: ") && client.contains("not by the CA in this site"),
        "{client}"
    );
}

#[tokio::test]
async fn a_ca_file_with_a_certificate_that_is_no_ca() {
    let files = Files::new();
    let simulator = files.simulator(|options| options.virtual_proxies = vec!["".into()]).await;
    let both =
        ["root.pem", "server.pem"].map(|name| std::fs::read_to_string(files.path().join(name)).unwrap());
    files.replace("root.pem", &both.concat());
    let checked = files.check_proxy(&url_of(&simulator, "qps-1")).await;
    assert_eq!(checked.outcome, CheckOutcome::Good, "{}", checked.text);
    let of_ca: Vec<_> = checked.steps.iter().filter(|line| line.target == "ca").collect();
    let [ca, server] = of_ca[..] else { panic!("{of_ca:#?}") };
    assert_eq!((&*ca.status, &*server.status), ("ok", "warning"));
    assert!(
        server.message.ends_with(" left), not a CA certificate") && server.advice.contains("root.pem"),
        "{server:?}"
    );
}

#[tokio::test]
async fn our_certificate_that_expires_soon_is_a_warning() {
    let authority = Authority::new("site-CA").unwrap();
    let files = Files::with_server(&authority, &loopback());
    let in_five_days = std::time::SystemTime::now() + std::time::Duration::from_secs(5 * 86_400 + 3600);
    let soon = Leaf { not_after: in_five_days, ..Leaf::client("QlikClient") };
    let soon = authority.issue(&soon).unwrap();
    files.replace("client.pem", &soon.certificate);
    files.replace("client_key.pem", &soon.key);
    let server = StandIn::start(files.path(), |_| Some(ok("[]"))).await;
    let checked = files.check_proxy(&server.url).await;
    assert_eq!(checked.outcome, CheckOutcome::Good, "{}", checked.text);
    let client = checked.steps.iter().find(|line| line.target == "client").unwrap();
    assert!(
        client.status == "warning" && client.message.ends_with("(5 days left), its key fits"),
        "{client:?}"
    );
    assert!(client.advice.contains("new certificates in time"), "{client:?}");
}

#[tokio::test]
async fn our_certificate_has_expired() {
    let authority = Authority::new("site-CA").unwrap();
    let files = Files::with_server(&authority, &loopback());
    let expired = authority.issue(&Leaf::client("QlikClient").expired()).unwrap();
    files.replace("client.pem", &expired.certificate);
    files.replace("client_key.pem", &expired.key);
    let server = StandIn::start(files.path(), |_| Some(ok("[]"))).await;
    let checked = files.check_proxy(&server.url).await;
    assert!(checked.lines("certificate")[0].starts_with("failed client: \"CN=QlikClient\" expired on "));
    let advice = "Export new certificates in the management console (Certificates).";
    assert_eq!(checked.steps.iter().find(|line| line.target == "client").unwrap().advice, advice);
    let proxy = checked.steps.iter().find(|line| line.step == "proxy").unwrap();
    assert!(
        proxy.message.contains("refuses the client certificate (TLS alert CertificateExpired)"),
        "{proxy:?}"
    );
    assert!(proxy.advice.contains("It expired on "), "{proxy:?}");
    assert_eq!(checked.outcome, CheckOutcome::Failed);
}
