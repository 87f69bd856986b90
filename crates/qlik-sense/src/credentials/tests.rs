use super::*;

const PASSWORD: &[u8] = b"Qlik-2026";

fn file(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/keys/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn certificates(name: &str) -> Vec<CertificateDer<'static>> {
    parse_certificates(&file(name)).unwrap()
}

fn key_error(name: &str, password: Option<&[u8]>) -> KeyError {
    parse_key(&file(name), password).unwrap_err()
}

fn certificate_error(text: &[u8]) -> CertificateError {
    parse_certificates(text).unwrap_err()
}

fn fits(key: &str, certificate: &str) -> bool {
    let key = parse_key(&file(key), Some(PASSWORD)).unwrap().signing;
    Credentials::new(certificates(certificate), key, vec![], Verify::None).is_ok()
}

#[test]
fn a_key_is_read_in_every_encoding_and_belongs_to_its_certificate() {
    for name in [
        "pkcs1-rsa.pem",
        "pkcs8-rsa.pem",
        "pkcs8-aes256.pem",
        "pkcs8-aes128-sha1.pem",
        "pkcs8-3des.pem",
        "pkcs8-scrypt.pem",
    ] {
        assert!(fits(name, "certificate-rsa.pem"), "{name}");
    }
    assert!(fits("sec1-with-parameters.pem", "certificate-ec.pem"));
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    assert!(!fits("pkcs1-rsa.pem", "certificate-ec.pem"));
    assert!(!fits("sec1-with-parameters.pem", "certificate-rsa.pem"));
}

#[test]
fn a_missing_and_a_wrong_password_are_different_errors() {
    for name in ["pkcs8-aes256.pem", "pkcs8-3des.pem", "pkcs8-scrypt.pem"] {
        assert_eq!(key_error(name, None), KeyError::PasswordMissing, "{name}");
        assert_eq!(key_error(name, Some(b"qlik-2026")), KeyError::PasswordWrong, "{name}");
    }
}

#[test]
fn a_parsed_key_shows_whether_it_was_encrypted() {
    assert!(parse_key(&file("pkcs8-aes256.pem"), Some(PASSWORD)).unwrap().encrypted);
    assert!(!parse_key(&file("pkcs8-rsa.pem"), Some(PASSWORD)).unwrap().encrypted);
}

#[test]
fn older_encryption_is_named_with_the_command_that_converts_it() {
    assert_eq!(key_error("legacy-encrypted.pem", Some(PASSWORD)), KeyError::LegacyEncryption);
    for name in ["pkcs8-pbes1-pkcs12.pem", "pkcs8-pbes1-md5-des.pem"] {
        assert_eq!(key_error(name, Some(PASSWORD)), KeyError::Pbes1, "{name}");
    }
    assert_eq!(key_error("pkcs8-aria.pem", Some(PASSWORD)), KeyError::Cipher);
    for error in [KeyError::LegacyEncryption, KeyError::Pbes1, KeyError::Cipher] {
        let command = "openssl pkcs8 -topk8 -v2 aes-256-cbc -in OLD -out NEW";
        assert!(error.to_string().contains(command), "{error}");
    }
}

#[test]
fn a_file_that_is_not_pem_text_is_named_by_its_format() {
    assert_eq!(key_error("key.der", None), NotPem::Der("pkey").into());
    assert_eq!(certificate_error(&file("certificate.der")), NotPem::Der("x509").into());
    assert_eq!(key_error("certificate-and-key.pfx", None), NotPem::Pkcs12.into());
    assert_eq!(certificate_error(&file("certificate-and-key.pfx")), NotPem::Pkcs12.into());
    assert_eq!(certificate_error(b"\n "), NotPem::Empty.into());
    assert_eq!(certificate_error(b"0123456789"), NotPem::NoSection.into());
    assert_eq!(certificate_error(b"\xff\xfe-\0-\0"), NotPem::Utf16.into());
}

#[test]
fn exchanged_files_are_named() {
    assert_eq!(key_error("certificate-rsa.pem", None), KeyError::IsCertificate);
    assert_eq!(parse_certificates(&file("pkcs1-rsa.pem")), Err(CertificateError::IsKey));
}

#[test]
fn a_damaged_file_is_refused() {
    let certificate = file("certificate-rsa.pem");
    let cut = &certificate[..certificate.len() - 40];
    assert_eq!(parse_certificates(cut), Err(NotPem::Damaged.into()));
    let whole_and_cut = [&certificate, cut].concat();
    assert_eq!(parse_certificates(&whole_and_cut), Err(NotPem::Damaged.into()));
    let nonsense = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert_eq!(parse_certificates(nonsense), Err(CertificateError::Damaged(1)));
    let nonsense = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    assert_eq!(parse_key(nonsense, None).unwrap_err(), KeyError::Unusable);
}

#[test]
fn a_key_that_rustls_cannot_use_is_refused() {
    assert_eq!(key_error("sec1-unsupported-curve.pem", None), KeyError::Unusable);
}

#[test]
fn byte_order_mark_line_ends_and_text_around_do_not_matter() {
    let text = String::from_utf8(file("certificate-rsa.pem")).unwrap().replace('\n', "\r\n");
    let text = format!("\u{feff}Bag Attributes\r\n  friendlyName: QlikClient\r\n{text}\r\nmore");
    assert_eq!(parse_certificates(text.as_bytes()).unwrap(), certificates("certificate-rsa.pem"));
}

#[test]
fn the_certificate_of_the_key_is_sent_first() {
    let chain = [certificates("certificate-ec.pem"), certificates("certificate-rsa.pem")].concat();
    let key = parse_key(&file("pkcs1-rsa.pem"), None).unwrap().signing;
    let credentials = Credentials::new(chain, key, vec![], Verify::None).unwrap();
    assert_eq!(credentials.client().cert[0], certificates("certificate-rsa.pem")[0]);
    assert_eq!(credentials.client().cert.len(), 2);
}

#[test]
fn the_facts_of_a_certificate_are_its_names_and_dates() {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut wanted = rcgen::CertificateParams::new(["sense1.company.com".to_owned()]).unwrap();
    wanted.distinguished_name.push(rcgen::DnType::CommonName, "sense1");
    wanted.subject_alt_names.push(rcgen::SanType::IpAddress([10, 0, 0, 1].into()));
    wanted.not_before = rcgen::date_time_ymd(2020, 1, 1);
    wanted.not_after = rcgen::date_time_ymd(2021, 1, 1);
    let found = facts(wanted.self_signed(&key).unwrap().der()).unwrap();
    assert_eq!(found.subject, "CN=sense1");
    assert_eq!(found.issuer, "CN=sense1");
    assert_eq!((found.not_before, found.not_after), (1_577_836_800, 1_609_459_200));
    assert_eq!(found.names, ["sense1.company.com", "10.0.0.1"]);
    assert_eq!(facts(b"nonsense"), Err(certificate::NoCertificate));
}

#[test]
fn a_certificate_of_another_ca_is_foreign() {
    let own = new_ca("site-CA");
    let key = rcgen::KeyPair::generate().unwrap();
    let client = rcgen::CertificateParams::default().signed_by(&key, &own).unwrap();
    assert!(!is_foreign(&client, &key, &own));
    assert!(is_foreign(&client, &key, &new_ca("other-CA")));
    assert!(is_foreign(&client, &key, &new_ca("site-CA")), "a new CA with the name of the old one");
}

type Ca = rcgen::CertifiedIssuer<'static, rcgen::KeyPair>;

fn ca_params() -> rcgen::CertificateParams {
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params
}

fn new_ca(name: &str) -> Ca {
    let mut params = ca_params();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    rcgen::CertifiedIssuer::self_signed(params, rcgen::KeyPair::generate().unwrap()).unwrap()
}

fn is_foreign(client: &rcgen::Certificate, key: &rcgen::KeyPair, ca: &Ca) -> bool {
    let key = parse_key(key.serialize_pem().as_bytes(), None).unwrap().signing;
    let (chain, ca) = (vec![client.der().clone()], vec![ca.der().clone()]);
    Credentials::new(chain, key, ca, Verify::Full).unwrap().is_foreign()
}

#[test]
fn a_certificate_that_signed_itself_or_is_for_servers_is_foreign() {
    let key = rcgen::KeyPair::generate().unwrap();
    let own = new_ca("site-CA");

    let plain = rcgen::CertificateParams::default();
    assert!(is_foreign(&plain.self_signed(&key).unwrap(), &key, &own));
    // The kind that `openssl req -x509` creates.
    assert!(is_foreign(&ca_params().self_signed(&key).unwrap(), &key, &own));
    let mut of_server = plain.clone();
    of_server.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    assert!(is_foreign(&of_server.signed_by(&key, &own).unwrap(), &key, &own));
    // Dates do not count.
    let mut expired = plain.clone();
    expired.not_after = rcgen::date_time_ymd(2020, 1, 1);
    assert!(!is_foreign(&expired.signed_by(&key, &own).unwrap(), &key, &own));
    assert!(!is_foreign(&plain.signed_by(&key, &own).unwrap(), &key, &own));
}

#[test]
fn debug_output_shows_no_key() {
    let key = parse_key(&file("pkcs8-aes256.pem"), Some(PASSWORD)).unwrap();
    assert_eq!(format!("{key:?}"), "ParsedKey { encrypted: true, .. }");
    let credentials =
        Credentials::new(certificates("certificate-rsa.pem"), key.signing, vec![], Verify::Ca).unwrap();
    assert_eq!(format!("{credentials:?}"), "Credentials { client: \"CN=QlikClient\", verify: Ca, .. }");
}
