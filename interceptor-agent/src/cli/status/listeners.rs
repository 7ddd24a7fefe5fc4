//! `interceptor status` where nothing is steered: whether somebody answers at the listeners.

use std::{net::TcpStream, os::unix::net::UnixStream, process::ExitCode, time::Duration};

use serde::Serialize;

use crate::config::{Endpoint, Listener};

/// Everything that is told, in the order of the JSON object.
#[derive(Debug, Serialize)]
pub(super) struct Status {
    /// `listening`, or `refusing` where nobody answers at one of them.
    state: &'static str,
    next_step: Option<&'static str>,
    listeners: Vec<Place>,
}

#[derive(Debug, Serialize)]
struct Place {
    at: String,
    answers: bool,
}

impl Status {
    /// Knocks at each.
    pub(super) fn of(listeners: &[Listener]) -> Self {
        let place = |listener: &Listener| Place {
            at: listener.at.to_string(),
            answers: answers(&listener.at),
        };
        let listeners: Vec<_> = listeners.iter().map(place).collect();
        let all = listeners.iter().all(|place| place.answers);
        Self {
            state: if all { "listening" } else { "refusing" },
            next_step: (!all).then_some(
                "start the agent, as a user who may connect: `interceptor run --config FILE`",
            ),
            listeners,
        }
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let mut text = match self.next_step {
            None => "listening: nothing is steered, clients come by themselves\n".to_owned(),
            Some(step) => format!("REFUSING: nobody answers\ndo: {step}\n"),
        };
        for place in &self.listeners {
            let answers = if place.answers { "answers" } else { "silent" };
            text += &format!("  {answers:<9} {}\n", place.at);
        }
        text
    }

    pub(super) fn code(&self) -> ExitCode {
        match self.next_step {
            None => ExitCode::SUCCESS,
            Some(_) => ExitCode::FAILURE,
        }
    }
}

fn answers(at: &Endpoint) -> bool {
    match at {
        Endpoint::Address(address) => {
            TcpStream::connect_timeout(address, Duration::from_secs(1)).is_ok()
        }
        Endpoint::Path(path) => UnixStream::connect(path).is_ok(),
    }
}
