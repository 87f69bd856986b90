//! Creates the temporary folders of the demo.

use std::io;

use tempfile::TempDir;

/// Creates a folder that is removed when the demo ends. Its name identifies it when a killed demo
/// has left it behind.
pub fn temporary_folder() -> io::Result<TempDir> {
    tempfile::Builder::new().prefix("qlik-session-exporter-demo-").tempdir()
}
