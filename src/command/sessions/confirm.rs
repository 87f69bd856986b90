//! Asks a person before sessions end.

use std::io::{self, IsTerminal};

use anyhow::{Context, Result};
use inquire::{Confirm, InquireError, Text};

use crate::terminal::escaped;

/// Whether there is somebody to ask: questions go to standard error, answers come from standard input.
pub fn somebody_is_there() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// What is to be typed before sessions end.
pub enum Question {
    /// Yes or no.
    Yes(String),
    /// A name, so that nobody ends all sessions of a virtual proxy by habit.
    Name { question: String, name: String },
}

/// Asks. No answer, as by Ctrl-C or Escape, is no.
pub async fn confirmed(question: Question) -> Result<bool> {
    let asked = tokio::task::spawn_blocking(move || match question {
        Question::Yes(question) => Confirm::new(&escaped(&question)).with_default(false).prompt(),
        Question::Name { question, name } => {
            let typed = Text::new(&escaped(&question)).prompt();
            typed.map(|typed| typed.trim() == name)
        }
    });
    match asked.await? {
        Ok(answer) => Ok(answer),
        Err(InquireError::OperationCanceled | InquireError::OperationInterrupted) => Ok(false),
        Err(error) => Err(error).context("nobody could be asked; --yes does not ask"),
    }
}
