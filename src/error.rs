//! Why a command ends with another exit code than 0. `main` turns it into the exit code and into lines on standard
//! error; nothing else does.

use crate::config::ConfigErrors;
use crate::terminal;

/// The command ran, and something failed.
pub const EXIT_FAILURE: u8 = 1;

/// Wrong usage or a wrong configuration: nothing was queried.
pub const EXIT_USAGE: u8 = 2;

/// What a command returns when it did not succeed.
///
/// Any other error becomes [`Self::Failed`] by `?`. For that reason this type is no [`std::error::Error`] itself.
#[derive(Debug)]
pub enum CommandError {
    /// Flags that do not fit together or name nothing, in one line.
    Usage(String),
    /// A configuration that cannot be used, with a line for each error in it.
    Config(ConfigErrors),
    /// Something that was tried and failed.
    Failed(anyhow::Error),
    /// The command has printed all that there is to report.
    AlreadyReported(ExitKind),
}

/// Which exit code an error has.
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
    /// Wraps an error that is about flags.
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

    /// Prints the error on standard error, unless that has been done.
    pub fn report(&self) {
        match self {
            Self::Usage(text) => terminal::report(format_args!("error: {text}")),
            Self::Config(errors) => {
                errors.iter().for_each(|error| terminal::report(format_args!("error: {error}")));
            }
            // It may quote several lines, such as those of another program's log.
            Self::Failed(error) => format!("error: {error:#}").lines().for_each(terminal::report),
            Self::AlreadyReported(_) => {}
        }
    }
}

/// Returns success when `is_success`, and otherwise that the failures have been printed.
pub fn success_if(is_success: bool) -> Result<(), CommandError> {
    match is_success {
        true => Ok(()),
        false => Err(CommandError::AlreadyReported(ExitKind::Failure)),
    }
}
