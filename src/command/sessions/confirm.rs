//! Asks a person before sessions end.

use std::io::{self, IsTerminal, Write};

use anyhow::{Context, Result};
use crossterm::cursor::Show;
use crossterm::event::DisableBracketedPaste;
use inquire::{Confirm, InquireError, Text};

use crate::command::signals::Signals;
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

/// Asks. No answer, as by Ctrl-C or Escape, is no, and so is a signal.
pub async fn confirmed(question: Question, signals: &mut Signals) -> Result<bool> {
    let asked = tokio::task::spawn_blocking(move || match question {
        Question::Yes(question) => Confirm::new(&escaped(&question)).with_default(false).prompt(),
        Question::Name { question, name } => {
            let typed = Text::new(&escaped(&question)).prompt();
            typed.map(|typed| typed.trim() == name)
        }
    });
    let answer = tokio::select! {
        answer = asked => answer?,
        _ = signals.next() => {
            // The question still waits for a key, and ends with the program.
            give_back_terminal();
            return Ok(false);
        }
    };
    match answer {
        Ok(answer) => Ok(answer),
        Err(InquireError::OperationCanceled | InquireError::OperationInterrupted) => Ok(false),
        Err(error) => Err(error).context("nobody could be asked; --yes does not ask"),
    }
}

/// As it was before the question. Each step is tried, whatever became of the one before.
fn give_back_terminal() {
    let _ = crossterm::execute!(io::stderr(), DisableBracketedPaste, Show);
    let _ = crossterm::terminal::disable_raw_mode();
    let _ = writeln!(io::stderr());
}
