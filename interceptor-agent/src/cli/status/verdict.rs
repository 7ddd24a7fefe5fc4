//! One word for the whole, and the one thing to do about it.

use serde::Serialize;

use super::{AgentState, CgroupInfo};
use crate::steering::ebpf::survey::{LinkState, Survey};

/// What becomes of a connect in scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// It goes to a living agent.
    Steering,
    /// It is refused: the programs are there, and no agent that answers.
    Refusing,
    /// Some programs are not where they should be: some calls go past the agent.
    Partly,
    /// It goes past the agent.
    NotSteering,
}

pub(super) struct Verdict {
    pub(super) state: State,
    pub(super) next_step: Option<String>,
}

/// `past` is how many connections go past a living agent.
pub(super) fn verdict(
    survey: &Survey,
    agent: AgentState,
    cgroup: &CgroupInfo,
    past: usize,
) -> Verdict {
    let links = || survey.links.iter().map(|link| link.state);
    let attached = links()
        .filter(|state| *state == LinkState::Attached)
        .count();
    let state = match attached {
        0 => State::NotSteering,
        some if some < survey.links.len() => State::Partly,
        _ if agent != AgentState::Alive => State::Refusing,
        _ if no_namespace(survey) => State::Refusing,
        _ if past > 0 => State::Partly,
        _ => State::Steering,
    };
    let is = |wanted: fn(LinkState) -> bool| links().any(wanted);
    let path = cgroup.path.display();
    let next_step = match state {
        State::Steering => None,
        State::Refusing => Some(revive(agent).to_owned()),
        State::Partly if attached == survey.links.len() => Some(format!(
            "restart the programs that have these {past} connections open: they are from before the agent, or what it \
             steers has changed since (`ss --tcp --processes` in each network namespace lists connections)"
        )),
        _ if cgroup.id.is_none() => Some(format!(
            "there is no cgroup {path}: make it, or correct steering.cgroup; then restart the agent"
        )),
        _ if links().all(|state| state == LinkState::Missing) => Some(
            "start the agent: `interceptor run --config FILE`, or `systemctl start interceptor`"
                .to_owned(),
        ),
        _ if is(|state| matches!(state, LinkState::Elsewhere { .. })) => Some(format!(
            "the programs are attached to another cgroup than {path}: correct steering.cgroup, or run \
             `interceptor uninstall` and start the agent"
        )),
        _ if is(|state| state == LinkState::WrongHook) => Some(
            "pins were tampered with: run `interceptor uninstall` and start the agent".to_owned(),
        ),
        _ => Some(format!(
            "restart the agent, which attaches what is missing: cgroup {path} was removed and made anew, or pins were"
        )),
    };
    Verdict { state, next_step }
}

fn revive(agent: AgentState) -> &'static str {
    match agent {
        AgentState::Gone => {
            "start the agent (`systemctl start interceptor`), or `interceptor uninstall` to let everything pass unmasked"
        }
        AgentState::Stopped => "let the agent go on (`kill -CONT`), or restart it",
        AgentState::Hung => "restart the agent: it is there and gives no sign of life",
        AgentState::Starting => "wait for the agent to start, and see its log",
        AgentState::Alive => "restart the agent: it listens in no network namespace",
    }
}

fn no_namespace(survey: &Survey) -> bool {
    let maps = survey.maps.as_ref();
    maps.is_none_or(|maps| maps.namespaces.listening == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steering::ebpf::survey::{Fill, Holder, Link, Maps, Namespaces};

    fn survey(states: &[LinkState], namespaces: usize) -> Survey {
        let link = |state: &LinkState| Link {
            program: "steer4".to_owned(),
            hook: "connect4",
            state: *state,
        };
        Survey {
            pins: "/pins".into(),
            other_versions: Vec::new(),
            links: states.iter().map(link).collect(),
            agent: Holder::Agent(None),
            maps: Some(Maps {
                settings: Default::default(),
                heartbeat: None,
                namespaces: Namespaces {
                    listening: namespaces,
                    refused: 1,
                    fill: Fill {
                        entries: namespaces + 1,
                        most: 9,
                    },
                },
                handoffs: Fill {
                    entries: 0,
                    most: 9,
                },
                known: None,
                counters: Vec::new(),
            }),
        }
    }

    #[test]
    fn only_all_links_and_a_living_agent_that_listens_is_steering() {
        use AgentState::{Alive, Gone, Hung, Starting, Stopped};
        use LinkState::{Attached, Detached, Elsewhere, Missing, WrongHook};
        let other = Elsewhere { cgroup: 7 };
        for (links, namespaces, agent, state, said) in [
            ([Attached; 2], 1, Alive, State::Steering, ""),
            (
                [Attached; 2],
                0,
                Alive,
                State::Refusing,
                "no network namespace",
            ),
            ([Attached; 2], 1, Gone, State::Refusing, "start the agent"),
            ([Attached; 2], 1, Hung, State::Refusing, "restart the agent"),
            ([Attached; 2], 1, Stopped, State::Refusing, "CONT"),
            ([Attached; 2], 1, Starting, State::Refusing, "wait"),
            ([Attached, Missing], 1, Alive, State::Partly, "restart"),
            ([Attached, WrongHook], 1, Alive, State::Partly, "tampered"),
            ([Attached, other], 1, Alive, State::Partly, "another cgroup"),
            ([other; 2], 1, Alive, State::NotSteering, "another cgroup"),
            ([Detached; 2], 1, Alive, State::NotSteering, "made anew"),
            ([Missing; 2], 1, Gone, State::NotSteering, "interceptor run"),
        ] {
            let cgroup = CgroupInfo {
                path: "/a".into(),
                id: Some(3),
            };
            let verdict = verdict(&survey(&links, namespaces), agent, &cgroup, 0);
            let next = verdict.next_step.unwrap_or_default();
            assert_eq!(verdict.state, state, "{links:?} {agent:?}");
            assert!(
                next.contains(said) && next.is_empty() == said.is_empty(),
                "{next}"
            );
        }
    }

    #[test]
    fn connections_past_a_living_agent_are_not_steering() {
        let cgroup = CgroupInfo {
            path: "/a".into(),
            id: Some(3),
        };
        let survey = survey(&[LinkState::Attached; 2], 1);
        for (agent, state, said) in [
            (AgentState::Alive, State::Partly, "these 7 connections"),
            (AgentState::Hung, State::Refusing, "restart the agent"),
        ] {
            let verdict = verdict(&survey, agent, &cgroup, 7);
            assert_eq!(verdict.state, state);
            assert!(verdict.next_step.is_some_and(|step| step.contains(said)));
        }
    }

    #[test]
    fn a_cgroup_that_is_not_there_is_named() {
        let cgroup = CgroupInfo {
            path: "/gone".into(),
            id: None,
        };
        let survey = survey(&[LinkState::Detached], 1);
        let verdict = verdict(&survey, AgentState::Alive, &cgroup, 0);
        assert!(
            verdict
                .next_step
                .is_some_and(|next| next.contains("no cgroup /gone"))
        );
    }
}
