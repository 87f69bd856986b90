//! Files that the configuration names.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Returns the bytes of a file of at most `max` bytes.
pub fn read(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    // Windows reports "access denied" for a folder, which points to the wrong cause.
    if path.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if is_named_pipe(path) {
        return Err(io::Error::other("it is a named pipe, expected a file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(max + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > max {
        true => Err(io::ErrorKind::FileTooLarge.into()),
        false => Ok(bytes),
    }
}

/// Returns whether opening the file would wait until somebody writes into it, perhaps for ever. The pipe of a shell's
/// `<(…)` has its writer already, and no path that can be resolved.
#[cfg(unix)]
fn is_named_pipe(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    path.metadata().is_ok_and(|file| file.file_type().is_fifo()) && path.canonicalize().is_ok()
}

#[cfg(not(unix))]
fn is_named_pipe(_: &Path) -> bool {
    false
}

/// Describes why a file could not be read, in words that follow the key.
pub fn describe(path: &Path, error: &io::Error) -> String {
    let path = path.display();
    match error.kind() {
        io::ErrorKind::NotFound => format!("there is no file {path}"),
        io::ErrorKind::IsADirectory => format!("{path} is a folder, expected a file"),
        io::ErrorKind::FileTooLarge => format!("{path} is far too large to be the right file"),
        io::ErrorKind::PermissionDenied => {
            format!("{path} may not be read by the user that this program runs as")
        }
        _ => format!("{path} cannot be read: {error}"),
    }
}

/// Returns a secret without the one line end that editors put after it.
pub fn without_line_end(mut secret: Vec<u8>) -> Vec<u8> {
    if secret.last() == Some(&b'\n') {
        secret.pop();
        if secret.last() == Some(&b'\r') {
            secret.pop();
        }
    }
    secret
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_end_is_taken_off_a_secret_and_no_more() {
        for (given, left) in [
            ("a", "a"),
            ("a\n", "a"),
            ("a\r\n", "a"),
            ("a\n\n", "a\n"),
            ("a\r", "a\r"),
            (" a \n", " a "),
            ("", ""),
        ] {
            assert_eq!(without_line_end(given.into()), left.as_bytes(), "{given:?}");
        }
    }

    #[test]
    fn folder_is_reported_as_one() {
        let folder = tempfile::tempdir().unwrap();
        let error = read(folder.path(), 10).unwrap_err();
        assert!(describe(folder.path(), &error).ends_with("is a folder, expected a file"));
    }

    #[test]
    fn a_file_beyond_the_limit_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        std::fs::write(&path, [0; 11]).unwrap();
        assert_eq!(read(&path, 10).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(read(&path, 11).unwrap().len(), 11);
    }

    #[cfg(unix)]
    #[test]
    fn a_named_pipe_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let error = read(&path, 10).unwrap_err();
        assert!(describe(&path, &error).ends_with("it is a named pipe, expected a file"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_device_without_end_is_read_up_to_the_limit() {
        assert_eq!(read(Path::new("/dev/zero"), 10).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(read(Path::new("/dev/null"), 10).unwrap(), b"");
    }
}
