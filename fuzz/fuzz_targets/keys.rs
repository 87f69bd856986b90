//! Certificates and keys: any bytes give an answer, in bounded time and memory.
//!
//! Input: a letter, then PEM text (`p`), or the DER of a certificate (`c`), of a key in PKCS#8 (`k`),
//! encrypted PKCS#8 (`e`), PKCS#1 (`r`) or SEC1 (`s`).

#![no_main]

use libfuzzer_sys::fuzz_target;
use pem::Pem;
use qlik_sense::credentials::{Credentials, Verify, day, facts, parse_certificates, parse_key};

/// Opens the keys of the corpus.
const PASSWORD: &[u8] = b"Qlik-2026";

fuzz_target!(|data: &[u8]| {
    let Some((kind, data)) = data.split_first() else { return };
    let der = |tag| pem::encode(&Pem::new(tag, data)).into_bytes();
    let text = match kind {
        b'c' => der("CERTIFICATE"),
        b'k' => der("PRIVATE KEY"),
        b'e' => der("ENCRYPTED PRIVATE KEY"),
        b'r' => der("RSA PRIVATE KEY"),
        b's' => der("EC PRIVATE KEY"),
        _ => data.to_vec(),
    };
    let certificates = match parse_certificates(&text) {
        Ok(certificates) => certificates,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            Vec::new()
        }
    };
    for certificate in &certificates {
        let facts = facts(certificate).expect("they have been read once");
        day(facts.not_before);
        day(facts.not_after);
    }
    for password in [None, Some(PASSWORD)] {
        match parse_key(&text, password) {
            Ok(key) if !certificates.is_empty() => {
                if let Ok(credentials) =
                    Credentials::new(certificates.clone(), key.signing, certificates.clone(), Verify::Full)
                {
                    credentials.is_foreign();
                }
            }
            Ok(_) => {}
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
});
