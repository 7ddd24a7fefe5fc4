//! What a kind of value is called, and what is done with it.

/// A kind of value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Class {
    /// The name in the config and in reports: `ec2_instance`, `email`.
    pub name: &'static str,
    /// What tokens of this class start with: `EC2`. Classes may share one.
    pub label: &'static str,
    /// What is done where the config says nothing.
    pub action: Action,
}

impl Class {
    /// Whether its values open something: keys, tokens, passwords.
    pub fn is_secret(&self) -> bool {
        let words = ["SECRET", "KEY", "PASSWORD", "JWT"];
        self.label.split('_').any(|word| words.contains(&word))
    }
}

/// What is done with findings of a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Replaced by a token.
    Mask,
    /// The request is refused.
    Block,
    /// Counted, and left in place.
    Report,
    /// Not looked for.
    Allow,
}

impl Action {
    /// Greater, where less can leave.
    pub fn strictness(self) -> u8 {
        match self {
            Self::Allow => 0,
            Self::Report => 1,
            Self::Mask => 2,
            Self::Block => 3,
        }
    }
}

/// A region whose numbers for people and companies are looked for without a word beside them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Australia.
    Au,
    /// The European Union.
    Eu,
    /// India.
    In,
    /// Japan.
    Jp,
    /// Korea.
    Kr,
    /// Singapore.
    Sg,
    /// The United Kingdom.
    Uk,
    /// The United States.
    Us,
}
