//! What the config decides for each connection and exchange. A reload replaces it whole: nothing sees half of two.

use std::{collections::BTreeMap, sync::Arc};

use tokio_rustls::TlsAcceptor;

use crate::{
    analyzer::Analyzer,
    config::{
        Bedrock, Config, Decisions, Endpoint, Limits, Listener, MaskPolicy, Match, Unanalyzed,
    },
    hosts::Hosts,
    mask::{
        Mode,
        detector::{Action, Detectors, UnknownClass},
        request::Masker,
        watch::Watch,
    },
    proxy::Rules,
    sigv4::Credentials,
    steering::{
        Steering,
        cgroup::{self, Cgroup},
    },
    tls::{ca::Ca, leaf::Leaves, upstream},
    upstream::{Patience, Upstream},
    who::Who,
};

/// One reading of the config, ready to use.
pub struct Policy {
    /// The LLM hosts.
    pub hosts: Hosts,
    /// Bounds on what one client can make the agent hold.
    pub limits: Limits,
    /// The TLS server towards clients.
    pub tls: TlsAcceptor,
    /// What it shows them.
    pub leaves: Arc<Leaves>,
    /// The client towards providers.
    pub upstream: Upstream,
    /// Ports where TLS is expected.
    pub ports: Vec<u16>,
    /// What signed requests are signed with again.
    pub signer: Option<Credentials>,
    /// What each listener asks of its clients, and lets them do.
    pub listeners: BTreeMap<Endpoint, Rules>,
    /// What holds where none of `chosen` matches.
    default: Arc<Terms>,
    /// What holds for some, in the order in which they are looked at.
    chosen: Vec<(Match, Arc<Terms>)>,
}

/// What holds for an exchange.
pub struct Terms {
    /// The policy's name; None at the top level.
    pub name: Option<Arc<str>>,
    /// Mode, paths, hosts.
    pub decisions: Decisions,
    /// The masker.
    pub masker: Masker,
    /// What answers are looked at for, if for anything.
    pub watch: Option<Arc<Watch>>,
    /// Who is asked about requests, if any of what he finds is looked for; and whether nothing goes on without.
    pub analyzer: Option<(Arc<Analyzer>, Unanalyzed)>,
}

/// What policies have in common.
struct Common<'c> {
    mask: &'c MaskPolicy,
    watched: Option<Arc<Detectors>>,
    analyzer: Option<(Arc<Analyzer>, Unanalyzed)>,
}

impl Terms {
    /// Detectors are the largest part: those of `others` are shared where the classes' actions are the same.
    fn new<'t>(
        name: Option<&str>,
        decisions: &Decisions,
        common: &Common<'_>,
        mut others: impl Iterator<Item = &'t Arc<Self>>,
    ) -> Result<Arc<Self>, UnknownClass> {
        let same = others.find(|other| other.decisions.classes == decisions.classes);
        let masker = match same {
            Some(other) => other.masker.in_mode(decisions.mode),
            None => Masker::new(
                Detectors::new(&decisions.classes, &common.mask.rules)?,
                decisions.mode,
            )
            .with_cache(common.mask.cache),
        };
        Ok(Arc::new(Self {
            name: name.map(Arc::from),
            decisions: decisions.clone(),
            masker,
            analyzer: common.analyzer(decisions),
            watch: common
                .watched
                .as_ref()
                .map(|detectors| Arc::new(Watch::new(Arc::clone(detectors), decisions.mode))),
        }))
    }
}

impl Policy {
    /// Reads what the config names, and takes effect nowhere.
    ///
    /// # Errors
    /// The CA, the roots, the detectors or a listener's token are not as the config says.
    pub(super) fn new(config: &Config, steering: Arc<dyn Steering>) -> anyhow::Result<Self> {
        let ca = Ca::load(&config.tls.ca_dir)?;
        let roots = upstream::Roots::load(&config.tls.extra_roots)?.without(ca.root());
        let limits = config.limits.clone();
        let rules = |listener: &Listener| Ok((listener.at.clone(), Rules::load(listener)?));
        let listeners: anyhow::Result<_> = config.listeners.iter().map(rules).collect();
        let client = |alpn: &[&[u8]]| upstream::client_config(&roots, alpn);
        let (default, chosen) = terms(config)?;
        let leaves = Leaves::new(ca)?;
        Ok(Self {
            hosts: config.hosts.clone(),
            default,
            chosen,
            tls: TlsAcceptor::from(leaves.server_config()?),
            leaves,
            upstream: Upstream::new(
                steering,
                client(&[b"http/1.1"]),
                client(&[b"h2", b"http/1.1"]),
                Patience {
                    connect: limits.connect_timeout,
                    answer: limits.response_timeout,
                    idle: limits.idle_timeout,
                },
            ),
            limits,
            ports: config.steering.ports.clone(),
            signer: config.bedrock.as_ref().map(Bedrock::load).transpose()?,
            listeners: listeners?,
        })
    }

    /// What holds for the exchanges of one who connected: the first policy that matches, else the top level.
    pub fn terms(&self, who: &Who) -> &Arc<Terms> {
        let first = self.chosen.iter().find(|(whom, _)| whom.holds(who));
        first.map_or(&self.default, |(_, terms)| terms)
    }
}

impl Common<'_> {
    /// Nothing goes on without him only where something of his would be kept back.
    fn analyzer(&self, decisions: &Decisions) -> Option<(Arc<Analyzer>, Unanalyzed)> {
        let (analyzer, on_failure) = self.analyzer.as_ref()?;
        let classes = self.mask.rules.analyzed.iter();
        let actions = classes.map(|class| decisions.classes.get(class.name).copied());
        let strictest = actions
            .map(|action| action.unwrap_or(Action::Mask).strictness())
            .max()?;
        let on_failure =
            match strictest >= Action::Mask.strictness() && decisions.mode == Mode::Enforce {
                true => *on_failure,
                false => Unanalyzed::Skip,
            };
        let looked_for = strictest > Action::Allow.strictness();
        looked_for.then(|| (Arc::clone(analyzer), on_failure))
    }
}

type Chosen = Vec<(Match, Arc<Terms>)>;

fn terms(config: &Config) -> Result<(Arc<Terms>, Chosen), UnknownClass> {
    let watched = config.response.detectors(&config.mask.rules)?.map(Arc::new);
    let analyzer = config.analyzer.as_ref();
    let common = Common {
        mask: &config.mask,
        watched,
        analyzer: analyzer.map(|it| (Arc::new(Analyzer::new(it)), it.on_failure)),
    };
    let default = Terms::new(None, &config.decisions(), &common, std::iter::empty())?;
    let mut chosen = Chosen::new();
    for rule in &config.policies {
        let others = std::iter::once(&default).chain(chosen.iter().map(|(_, terms)| terms));
        let terms = Terms::new(Some(&rule.name), &rule.decisions, &common, others)?;
        chosen.push((rule.who.clone(), terms));
    }
    Ok((default, chosen))
}

/// Says which policies nobody can come under, where cgroups can't be told: without eBPF, or without CAP_DAC_READ_SEARCH.
pub(super) fn warn_of_blind(config: &Config, cgroup: Option<&Cgroup>) {
    let can_tell = |cgroup: &Cgroup| cgroup.id().is_ok_and(|id| cgroup::by_id(id).is_some());
    if cgroup.is_some_and(can_tell) {
        return;
    }
    for rule in config
        .policies
        .iter()
        .filter(|rule| rule.who.asks_for_cgroup())
    {
        tracing::warn!(
            policy = rule.name,
            next_step = "match by uid alone, or run on eBPF with CAP_DAC_READ_SEARCH",
            "this policy holds for nobody: the agent can't tell cgroups here"
        );
    }
}
