//! The status where nftables steers: what the kernel has in this network namespace.

use serde::Serialize;

use super::{AgentState, State};
use crate::steering::nftables::Survey;

/// Everything that is told, in the order of the JSON object.
#[derive(Debug, Serialize)]
pub(super) struct Status {
    pub(super) state: State,
    /// `None` where all is well.
    next_step: Option<&'static str>,
    backend: &'static str,
    agent: AgentState,
}

impl Status {
    /// `None` is a namespace without our table.
    pub(super) fn of(survey: Option<Survey>) -> Self {
        let (state, agent, next_step) = match survey {
            None => (
                State::NotSteering,
                AgentState::Gone,
                Some("start the agent: `interceptor run --config FILE`"),
            ),
            Some(Survey { agent: false, .. }) => (
                State::Refusing,
                AgentState::Gone,
                Some("start the agent again, or run `interceptor uninstall`"),
            ),
            Some(Survey { alive: false, .. }) => (
                State::Refusing,
                AgentState::Hung,
                Some("the agent gives no sign of life: its log says why; restart it"),
            ),
            Some(_) => (State::Steering, AgentState::Alive, None),
        };
        Self {
            state,
            next_step,
            backend: "nftables",
            agent,
        }
    }

    pub(super) fn text(&self) -> String {
        let headline = match self.state {
            State::Steering => "steering: this network namespace, by nftables",
            State::Refusing => {
                "REFUSING: nftables refuses connects in this network namespace, and no agent answers"
            }
            _ => "NOT STEERING: there are no rules in this network namespace",
        };
        let next_step = self.next_step.map(|step| format!("do: {step}\n"));
        format!("{headline}\n{}", next_step.unwrap_or_default())
    }
}
