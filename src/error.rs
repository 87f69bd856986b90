//! The error of a command. Only `main` turns it into an exit code and prints it on standard error.

use crate::config::ConfigErrors;
use crate::terminal;

/// The exit code when the command ran and something failed.
pub const EXIT_FAILURE: u8 = 1;

/// The exit code for wrong usage or a wrong configuration: nothing was queried.
pub const EXIT_USAGE: u8 = 2;

/// The error that a command returns.
///
/// Any other error becomes [`Self::Failed`] by `?`. Because of that conversion, this type does not
/// implement [`std::error::Error`] itself.
#[derive(Debug)]
pub enum CommandError {
    /// Wrong arguments, in one line.
    Usage(String),
    /// A configuration that cannot be used, with a line for each error in it.
    Config(ConfigErrors),
    /// A failure while the command ran.
    Failed(anyhow::Error),
    /// The command has printed its errors already.
    AlreadyReported(ExitKind),
}

/// The kind of exit code of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitKind {
    Failure,
    Usage,
}

impl<E: Into<anyhow::Error>> From<E> for CommandError {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl CommandError {
    /// Wraps an error about arguments.
    pub fn usage(error: impl ToString) -> Self {
        Self::Usage(error.to_string())
    }

    /// Returns the program's exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Config(_) | Self::AlreadyReported(ExitKind::Usage) => EXIT_USAGE,
            Self::Failed(_) | Self::AlreadyReported(ExitKind::Failure) => EXIT_FAILURE,
        }
    }

    /// Prints the error on standard error, unless it has been printed already.
    pub fn report(&self) {
        match self {
            Self::Usage(text) => terminal::report(format_args!("error: {text}")),
            Self::Config(errors) => {
                errors.iter().for_each(|error| terminal::report(format_args!("error: {error}")));
            }
            // The text may have several lines, such as the end of another program's log.
            Self::Failed(error) => format!("error: {error:#}").lines().for_each(terminal::report),
            Self::AlreadyReported(_) => {}
        }
    }
}

/// Returns an error for failures that have been printed, unless `is_success`.
pub fn success_if(is_success: bool) -> Result<(), CommandError> {
    match is_success {
        true => Ok(()),
        false => Err(CommandError::AlreadyReported(ExitKind::Failure)),
    }
}
