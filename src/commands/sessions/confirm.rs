//! Asks for confirmation before sessions are deleted.

use std::io::{self, IsTerminal, Write};

use anyhow::{Context, Result};
use crossterm::cursor::Show;
use crossterm::event::DisableBracketedPaste;
use inquire::{Confirm, InquireError, Text};

use crate::commands::signals::Signals;
use crate::terminal::{escaped, report};
use qlik_sense::VirtualProxy;

/// Returns whether a question can be answered: it goes to standard error, the answer comes from standard input.
pub fn can_prompt() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// A question before sessions are deleted.
pub enum Question {
    /// Yes or no.
    Yes(String),
    /// To be answered with the virtual proxy's name, so that nobody deletes all its sessions by habit.
    Name { question: String, name: VirtualProxy },
}

/// Shows the question and returns whether the answer confirms it. Ctrl-C, Escape and a signal mean no. Reports a wrong
/// name.
pub async fn confirmed(question: Question, signals: &mut Signals) -> Result<bool> {
    let prompt = tokio::task::spawn_blocking(move || match question {
        Question::Yes(question) => Confirm::new(&escaped(&question)).with_default(false).prompt(),
        Question::Name { question, name } => {
            let typed = Text::new(&escaped(&question)).prompt();
            typed.map(|typed| is_name(&typed, &name))
        }
    });
    let answer = tokio::select! {
        answer = prompt => answer?,
        _ = signals.next() => {
            // The prompt still waits for a key, until the program ends.
            restore_terminal();
            return Ok(false);
        }
    };
    match answer {
        Ok(answer) => Ok(answer),
        Err(InquireError::OperationCanceled | InquireError::OperationInterrupted) => Ok(false),
        Err(error) => Err(error).context("cannot show the question; use --yes to delete without it"),
    }
}

/// Returns whether the text names the virtual proxy, in any usual spelling. Reports it otherwise.
fn is_name(typed: &str, name: &VirtualProxy) -> bool {
    let typed = typed.trim();
    // An empty text would parse as the default virtual proxy, and Enter is typed by habit.
    let matches = !typed.is_empty() && VirtualProxy::parse(typed).is_ok_and(|typed| typed == *name);
    if !matches {
        report(format_args!("expected {name}, found {typed:?}"));
    }
    matches
}

/// Restores the terminal. Each step is tried, also after a failed one.
fn restore_terminal() {
    let _ = crossterm::execute!(io::stderr(), DisableBracketedPaste, Show);
    let _ = crossterm::terminal::disable_raw_mode();
    let _ = writeln!(io::stderr());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(typed: &str, name: &str) -> bool {
        is_name(typed, &VirtualProxy::parse(name).unwrap())
    }

    #[test]
    fn a_name_is_accepted_in_every_spelling_but_not_empty() {
        for typed in ["/sales", "sales", " sales/ ", "/Sales"] {
            assert!(names(typed, "sales"), "{typed:?}");
        }
        for typed in ["", "/", "y", "yes", "sale", "/sales2", "sa les"] {
            assert!(!names(typed, "sales"), "{typed:?}");
        }
        assert!(names("/", ""));
        for typed in ["", " ", "y", "sales"] {
            assert!(!names(typed, ""), "{typed:?}");
        }
    }
}
