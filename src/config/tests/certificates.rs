//! Files that a site names: certificates, keys, secrets.

use super::*;

#[test]
fn certificates_and_keys_that_cannot_be_used_are_named_with_their_file() {
    let errors = |key: &str, name: &str| {
        let folder = Folder::new(SITE);
        folder.copy(key, name);
        folder.errors(&[]).join("\n")
    };
    let client_key = "certs/client_key.pem";
    assert_eq!(
        errors("sec1-with-parameters.pem", client_key),
        "config.toml:4: site.production.key: the key does not belong to the certificate of \"CN=QlikClient\": \
         take both from one export of the management console"
    );
    let folder = Folder::new(SITE.replace("certs/root.pem", "nowhere.pem"));
    folder.copy("sec1-with-parameters.pem", client_key);
    assert_eq!(folder.errors(&[]).len(), 2, "whatever else is wrong");
    let legacy = errors("legacy-encrypted.pem", client_key);
    assert!(
        legacy.starts_with("config.toml:4: site.production.key: certs/client_key.pem is in the older PEM")
    );
    assert!(legacy.contains("`openssl pkcs8 -topk8 -v2 aes-256-cbc -in OLD -out NEW`"), "{legacy}");
    assert_eq!(
        errors("pkcs8-aes256.pem", client_key),
        "config.toml:4: site.production.key: certs/client_key.pem is encrypted, \
         expected its password in the file that key_password_file names"
    );
    assert!(
        errors("certificate-and-key.pfx", "certs/client.pem").contains("certs/client.pem is a PKCS#12 store")
    );
    assert!(errors("pkcs1-rsa.pem", "certs/root.pem").starts_with("config.toml:5: site.production.ca: "));
}

#[test]
fn an_encrypted_key_is_opened_by_its_password_file() {
    let folder = Folder::new(SITE.replace("ca =", "key_password_file = \"certs/password\"\nca ="));
    folder.copy("pkcs8-aes256.pem", "certs/client_key.pem");
    for password in ["Qlik-2026", "Qlik-2026\n", "Qlik-2026\r\n"] {
        folder.write("certs/password", password);
        assert_eq!(folder.load(&[]).warnings, [""; 0]);
    }
    folder.write("certs/password", "\u{feff}Qlik-2026");
    let errors = folder.errors(&[]).join("\n");
    assert!(
        errors.starts_with("config.toml:5: site.production.key_password_file: certs/password does not open")
    );
    assert!(
        errors.ends_with("(the file begins with a byte order mark, which counts as part of the password)")
    );
    folder.copy("pkcs8-rsa.pem", "certs/client_key.pem");
    assert_eq!(
        folder.load(&[]).warnings,
        ["site.production.key_password_file: not needed, the key is not encrypted"]
    );
}

#[test]
fn an_expired_or_foreign_certificate_is_a_warning() {
    let folder = Folder::new(SITE);
    let issuer = |name: &str| {
        let mut ca = rcgen::CertificateParams::default();
        ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        ca.distinguished_name.push(rcgen::DnType::CommonName, name);
        (ca.not_before, ca.not_after) = (rcgen::date_time_ymd(2020, 1, 1), rcgen::date_time_ymd(2020, 6, 1));
        rcgen::CertifiedIssuer::self_signed(ca, rcgen::KeyPair::generate().unwrap()).unwrap()
    };
    let ca = issuer("site-CA");
    let key = rcgen::KeyPair::generate().unwrap();
    let mut client = rcgen::CertificateParams::default();
    client.distinguished_name.push(rcgen::DnType::CommonName, "QlikClient");
    client.not_before = rcgen::date_time_ymd(2099, 2, 1);
    folder.write("certs/client.pem", client.signed_by(&key, &ca).unwrap().pem());
    folder.write("certs/client_key.pem", key.serialize_pem());
    folder.write("certs/root.pem", ca.pem());
    let early = "site.production.certificate: the client certificate of \"CN=QlikClient\" is not valid before 2099-02-01";
    let expired = "site.production.ca: the CA's certificate of \"CN=site-CA\" expired on 2020-06-01";
    assert_eq!(folder.load(&[]).warnings, [early, expired]);
    client.not_before = rcgen::date_time_ymd(2020, 2, 1);
    folder.write("certs/client.pem", client.signed_by(&key, &issuer("other-CA")).unwrap().pem());
    assert_eq!(
        folder.load(&[]).warnings,
        [
            expired,
            "site.production.certificate: the client certificate \"CN=QlikClient\" by \"CN=other-CA\" \
             is no client certificate of this site's CA"
        ]
    );
}

#[test]
fn a_ca_file_with_a_certificate_that_is_no_ca_is_a_warning() {
    let folder = Folder::new(SITE);
    let mut server = rcgen::CertificateParams::default();
    server.distinguished_name.push(rcgen::DnType::CommonName, "sense1");
    let server = server.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem();
    folder.write("certs/root.pem", server);
    let warnings = folder.load(&[]).warnings;
    let expected = "site.production.ca: the certificate \"CN=sense1\" is no CA's, expected root.pem";
    assert!(warnings.contains(&expected.to_owned()), "{warnings:?}");
}

#[test]
fn without_any_check_of_servers_no_ca_is_needed() {
    let without_ca = SITE.replace("ca = \"certs/root.pem\"", "verify = \"ca\"");
    assert_eq!(
        errors_of(&without_ca),
        ["config.toml:2: site.production.ca: missing, expected the path of a file in quotes"]
    );
    Folder::new(without_ca.replace("\"ca\"", "\"none\"")).load(&[]);
}

#[test]
fn hashed_needs_a_key_that_is_not_empty_and_never_shown() {
    let folder = Folder::new(format!("[users]\nlabel = \"hashed\"\nhash_key_file = \"hash.key\"\n{SITE}"));
    folder.write("hash.key", "s3cret\r\n");
    let config = folder.load(&[]);
    let UserLabel::Hashed(key) = &config.users.label else { panic!() };
    assert_eq!(key.as_bytes(), b"s3cret");
    assert!(!format!("{config:?}").contains("s3cret") && format!("{config:?}").contains("HashKey(…)"));
    folder.write("hash.key", "\n");
    assert_eq!(
        folder.errors(&[]),
        ["config.toml:3: users.hash_key_file: hash.key is empty, expected a secret in it"]
    );
    let errors = errors_of(&format!("[users]\nlabel = \"hashed\"\n{SITE}"));
    assert!(errors[0].starts_with("config.toml:1: users.hash_key_file: missing"), "{errors:?}");
}
