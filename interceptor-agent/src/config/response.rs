//! `[response]`: what is done with values in answers that the request did not have.

use std::collections::BTreeMap;

use super::{read::ACTIONS, section::Section, values::choice};
use crate::mask::detector::{Action, Detectors, UnknownClass, rules::Rules};

/// `[response]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponsePolicy {
    /// Classes of keys, passwords and the like.
    pub secrets: Action,
    /// All others that requests are masked for by default.
    pub others: Action,
    /// Classes by name, instead.
    pub classes: BTreeMap<String, Action>,
}

impl Default for ResponsePolicy {
    /// Nothing is looked for.
    fn default() -> Self {
        Self {
            secrets: Action::Allow,
            others: Action::Allow,
            classes: BTreeMap::new(),
        }
    }
}

impl ResponsePolicy {
    /// Detectors of what is looked for, with what is done; None for nothing.
    ///
    /// # Errors
    /// When a name is no class.
    pub fn detectors(&self, rules: &Rules) -> Result<Option<Detectors>, UnknownClass> {
        let action = |default: Action, is_secret: bool| match (is_secret, default) {
            (true, _) => self.secrets,
            (false, Action::Allow) => Action::Allow,
            (false, _) => self.others,
        };
        let all = Detectors::known(rules);
        let mut actions: BTreeMap<_, _> = all
            .map(|class| {
                (
                    class.name.to_owned(),
                    action(class.action, class.is_secret()),
                )
            })
            .collect();
        actions.extend(self.classes.clone());
        if actions.values().all(|action| *action == Action::Allow) {
            return Ok(None);
        }
        // What blocks a request is not thereby to block an answer.
        let rules = Rules {
            hard: Default::default(),
            analyzed: Vec::new(),
            ..rules.clone()
        };
        Detectors::new(&actions, &rules).map(Some)
    }
}

pub(super) fn response(section: &mut Section<'_>, classes: &[&str]) -> ResponsePolicy {
    let default = ResponsePolicy::default();
    let action = choice(ACTIONS);
    ResponsePolicy {
        secrets: section.get("secrets", &action).unwrap_or(default.secrets),
        others: section.get("others", &action).unwrap_or(default.others),
        classes: section.section("classes", |section| section.entries(classes, &action)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn answers_are_looked_at_for_what_is_named() {
        let detectors = |text: &str| {
            let config = Config::parse(&format!("version = 1\n{text}")).unwrap();
            config.response.detectors(&config.mask.rules).unwrap()
        };
        assert!(detectors("[mask]\nhard_block = [\"jwt\"]").is_none());
        let actions = |text: &str, names: &[&str]| -> Vec<Action> {
            let detectors = detectors(text).unwrap();
            let find = |name: &&str| detectors.classes().find(|(_, class)| class.name == *name);
            names
                .iter()
                .map(|name| detectors.action(find(name).unwrap().0))
                .collect()
        };
        let names = [
            "jwt",
            "assigned_password",
            "openai_key",
            "email",
            "ec2_instance",
        ];
        assert_eq!(
            actions(
                "[mask]\nhard_block = [\"jwt\"]\n[response]\nsecrets = \"mask\"",
                &names
            ),
            [
                Action::Mask,
                Action::Mask,
                Action::Mask,
                Action::Allow,
                Action::Allow
            ]
        );
        assert_eq!(
            actions(
                "[response]\nothers = \"report\"\nclasses.jwt = \"block\"",
                &names
            ),
            [
                Action::Block,
                Action::Allow,
                Action::Allow,
                Action::Report,
                Action::Report
            ]
        );
    }
}
