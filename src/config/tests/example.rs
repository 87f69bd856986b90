//! The commented example, config.toml at the top level.

use super::*;

fn text() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config.toml")).unwrap()
}

/// The example with every shown default and example in force.
fn uncommented() -> String {
    let is_setting = |line: &str| {
        let rest = line.strip_prefix('#')?;
        rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '[').then(|| rest.to_owned())
    };
    let lines: Vec<String> =
        text().lines().map(|line| is_setting(line).unwrap_or_else(|| line.to_owned())).collect();
    lines.join("\n")
}

#[test]
fn reads_without_a_warning() {
    let plain = Folder::new(text()).load(&[]);
    assert_eq!(plain.warnings, [""; 0]);
    assert_eq!(plain, Folder::new(WITH_REPOSITORY).load(&[]));
}

#[test]
fn reads_with_every_line_in_force_too() {
    let folder = Folder::new(uncommented());
    folder.write("certs/password", "Qlik-2026");
    folder.copy("pkcs8-aes256.pem", "certs/client_key.pem");
    folder.write("hash.key", "s3cret");
    assert_eq!(folder.load(&[]).warnings, [""; 0]);
}

#[test]
fn shows_every_available_key_and_its_default() {
    let folder = Folder::new(uncommented());
    let merged = Merged::new(file::read(None, folder.path(), None).unwrap(), []);
    for key in keys::SECTIONS.iter().flat_map(|section| section.keys).filter(|key| key.is_available) {
        let path = key.full_path().join(".").replacen('*', "production", 1).replacen('*', "Central", 1);
        let shown = merged.get(&path.split('.').collect()).unwrap_or_else(|| panic!("{path} is missing"));
        if let Some(default) = key.default.filter(|default| *default != "[]") {
            assert_eq!(format!("{shown:?}"), format!("{:?}", key.value_of(default)), "{path}");
        }
    }
}
