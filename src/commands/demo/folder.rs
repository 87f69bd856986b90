//! Temporary folders of the demo.

use std::io;

use tempfile::TempDir;

/// Creates a folder that is removed when the demo ends. Its name says what left it behind when the demo was killed.
pub fn temporary_folder() -> io::Result<TempDir> {
    tempfile::Builder::new().prefix("qlik-session-exporter-demo-").tempdir()
}
