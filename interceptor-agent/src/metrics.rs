//! Counters and histograms with bounded labels: every label value is an enum's, a class's or a status class's.

use std::{sync::Arc, time::Duration};

use interceptor_common::Counter as KernelCounter;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

/// What became of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct VerdictLabel {
    verdict: &'static str,
}

/// Why something was refused.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReasonLabel {
    reason: &'static str,
}

/// Protocol and status class of an exchange.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ExchangeLabel {
    protocol: &'static str,
    status: &'static str,
}

/// How something ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ResultLabel {
    result: &'static str,
}

/// A policy, by the name that an operator gave it, and the status class of an exchange under it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct PolicyLabel {
    policy: String,
    status: &'static str,
}

/// A detector's class.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ClassLabel {
    class: &'static str,
}

/// What the eBPF programs count.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct KernelLabel {
    event: &'static str,
}

/// Every metric of the agent. Clones share the values.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Registry>,
    connections: Family<VerdictLabel, Counter>,
    refused: Family<ReasonLabel, Counter>,
    let_through: Family<ReasonLabel, Counter>,
    exchanges: Family<ExchangeLabel, Counter>,
    findings: Family<ClassLabel, Counter>,
    answer_findings: Family<ClassLabel, Counter>,
    fields: Counter,
    text: Family<ResultLabel, Counter>,
    masking: Histogram,
    kernel: Family<KernelLabel, Gauge>,
    open: Gauge,
    handoffs: Gauge,
    namespaces: Gauge,
    known: Gauge,
    ca_refused: Counter,
    reloads: Family<ResultLabel, Counter>,
    policies: Family<PolicyLabel, Counter>,
    audit: Family<ResultLabel, Counter>,
    vault: Family<ResultLabel, Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("interceptor");
        let metrics = Self {
            registry: Arc::default(),
            connections: Family::default(),
            refused: Family::default(),
            let_through: Family::default(),
            exchanges: Family::default(),
            findings: Family::default(),
            answer_findings: Family::default(),
            fields: Counter::default(),
            text: Family::default(),
            masking: Histogram::new([
                0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.0025, 0.01, 0.1, 1.0,
            ]),
            kernel: Family::default(),
            open: Gauge::default(),
            handoffs: Gauge::default(),
            namespaces: Gauge::default(),
            known: Gauge::default(),
            ca_refused: Counter::default(),
            reloads: Family::default(),
            policies: Family::default(),
            audit: Family::default(),
            vault: Family::default(),
        };
        registry.register(
            "connections",
            "Connections by what became of them",
            metrics.connections.clone(),
        );
        registry.register(
            "refused",
            "Connections and requests refused, by reason",
            metrics.refused.clone(),
        );
        registry.register(
            "let_through",
            "Requests that would be refused but for an operator's policy, by reason",
            metrics.let_through.clone(),
        );
        registry.register(
            "exchanges",
            "Requests answered, by protocol and status class",
            metrics.exchanges.clone(),
        );
        registry.register(
            "findings",
            "Values found in requests, by class",
            metrics.findings.clone(),
        );
        registry.register(
            "answer_findings",
            "Values found in answers that the request did not have, by class",
            metrics.answer_findings.clone(),
        );
        registry.register(
            "request_fields",
            "Text fields looked at in requests",
            metrics.fields.clone(),
        );
        registry.register(
            "request_text_bytes",
            "Bytes of request bodies that were looked at, and those that were known from an earlier request",
            metrics.text.clone(),
        );
        registry.register_with_unit(
            "masking",
            "Time to mask one request",
            Unit::Seconds,
            metrics.masking.clone(),
        );
        registry.register(
            "kernel_events",
            "What the eBPF programs counted since they were loaded",
            metrics.kernel.clone(),
        );
        registry.register(
            "open_connections",
            "Connections open now",
            metrics.open.clone(),
        );
        registry.register(
            "handoffs_pending",
            "Steered connects that the agent has not taken yet",
            metrics.handoffs.clone(),
        );
        registry.register(
            "network_namespaces",
            "Network namespaces that the agent listens in",
            metrics.namespaces.clone(),
        );
        registry.register(
            "known_addresses",
            "Addresses and ranges that are steered in the scope known-hosts",
            metrics.known.clone(),
        );
        registry.register(
            "client_refused_ca",
            "TLS handshakes that the client broke off because of our certificate",
            metrics.ca_refused.clone(),
        );
        registry.register(
            "config_reloads",
            "Reloads of the config, by whether they took effect",
            metrics.reloads.clone(),
        );
        registry.register(
            "policy_exchanges",
            "Requests answered under a policy of [[policies]], by its name and status class",
            metrics.policies.clone(),
        );
        registry.register(
            "audit_records",
            "Audit records, by whether they were written or lost",
            metrics.audit.clone(),
        );
        registry.register(
            "vault",
            "Entries of the vault that were written, found or missed, and times that it failed",
            metrics.vault.clone(),
        );
        Self {
            registry: Arc::new(registry),
            ..metrics
        }
    }
}

impl Metrics {
    /// A connection was decided.
    pub fn connection(&self, verdict: &'static str) {
        self.connections
            .get_or_create(&VerdictLabel { verdict })
            .inc();
    }

    /// A connection opened; it counts as open until the guard is dropped.
    pub fn open(&self) -> OpenConnection {
        self.open.inc();
        OpenConnection(self.open.clone())
    }

    /// A connection or a request was refused.
    pub fn refused(&self, reason: &'static str) {
        self.refused.get_or_create(&ReasonLabel { reason }).inc();
    }

    /// A request passed because an operator's policy says so.
    pub fn let_through(&self, reason: &'static str) {
        self.let_through
            .get_or_create(&ReasonLabel { reason })
            .inc();
    }

    /// A request was answered, or its client went away before (no status); `policy` is the one of `[[policies]]` that held.
    pub fn exchange(
        &self,
        protocol: &'static str,
        status: Option<http::StatusCode>,
        policy: Option<&str>,
    ) {
        let status = match status.map(|status| status.as_u16() / 100) {
            Some(2) => "2xx",
            Some(3) => "3xx",
            Some(4) => "4xx",
            Some(5) => "5xx",
            Some(_) => "other",
            None => "none",
        };
        self.exchanges
            .get_or_create(&ExchangeLabel { protocol, status })
            .inc();
        if let Some(policy) = policy.map(str::to_owned) {
            self.policies
                .get_or_create(&PolicyLabel { policy, status })
                .inc();
        }
    }

    /// Audit records were written.
    pub fn audit_written(&self, records: u64) {
        self.audited("written", records);
    }

    /// Audit records were lost.
    pub fn audit_lost(&self, records: u64) {
        self.audited("lost", records);
    }

    fn audited(&self, result: &'static str, records: u64) {
        if records > 0 {
            self.audit
                .get_or_create(&ResultLabel { result })
                .inc_by(records);
        }
    }

    /// A request was masked.
    pub fn masked(
        &self,
        took: Duration,
        fields: usize,
        findings: impl IntoIterator<Item = (&'static str, u32)>,
    ) {
        self.masking.observe(took.as_secs_f64());
        self.fields.inc_by(fields as u64);
        for (class, count) in findings {
            self.findings
                .get_or_create(&ClassLabel { class })
                .inc_by(count.into());
        }
    }

    /// An answer was looked at.
    pub fn watched(&self, findings: impl IntoIterator<Item = (&'static str, u32)>) {
        for (class, count) in findings {
            self.answer_findings
                .get_or_create(&ClassLabel { class })
                .inc_by(count.into());
        }
    }

    /// Bytes of a request's body that were looked at, and those that an earlier request had.
    pub fn looked_at(&self, new: usize, known: usize) {
        for (result, bytes) in [("new", new), ("known", known)] {
            let counter = self.text.get_or_create(&ResultLabel { result });
            counter.inc_by(bytes as u64);
        }
    }

    /// The vault was asked: `written`, `found`, `missed`, each an entry, or `failed`.
    pub fn vault(&self, result: &'static str, count: usize) {
        let counter = self.vault.get_or_create(&ResultLabel { result });
        counter.inc_by(count as u64);
    }

    /// Network namespaces that the agent listens in.
    pub fn namespaces(&self, count: usize) {
        self.namespaces
            .set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Addresses and ranges that are steered, where not all are.
    pub fn known(&self, count: usize) {
        self.known.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Hand-offs that wait to be taken.
    pub fn handoffs(&self, pending: usize) {
        self.handoffs
            .set(i64::try_from(pending).unwrap_or(i64::MAX));
    }

    /// A client broke the handshake off.
    pub fn client_refused_ca(&self) {
        self.ca_refused.inc();
    }

    /// The config was read again; one with an error took no effect.
    pub fn reloaded(&self, done: bool) {
        let result = if done { "done" } else { "failed" };
        self.reloads.get_or_create(&ResultLabel { result }).inc();
    }

    /// Takes over what the programs counted.
    pub fn kernel(&self, counter: KernelCounter, value: u64) {
        let label = KernelLabel {
            event: counter.as_str(),
        };
        self.kernel
            .get_or_create(&label)
            .set(i64::try_from(value).unwrap_or(i64::MAX));
    }

    /// OpenMetrics text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        match encode(&mut text, &self.registry) {
            Ok(()) => text,
            Err(_) => String::new(),
        }
    }
}

/// Counts a connection as open while it lives.
#[derive(Debug)]
pub struct OpenConnection(Gauge);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_names_what_was_counted() {
        let metrics = Metrics::default();
        metrics.connection("intercept");
        metrics.refused("ech");
        metrics.exchange("anthropic", Some(http::StatusCode::OK), Some("ci"));
        metrics.audit_written(3);
        metrics.masked(Duration::from_micros(30), 4, [("email", 2)]);
        metrics.kernel(KernelCounter::Steered, 7);
        let open = metrics.open();
        let text = metrics.text();
        for line in [
            "interceptor_connections_total{verdict=\"intercept\"} 1",
            "interceptor_refused_total{reason=\"ech\"} 1",
            "interceptor_exchanges_total{protocol=\"anthropic\",status=\"2xx\"} 1",
            "interceptor_policy_exchanges_total{policy=\"ci\",status=\"2xx\"} 1",
            "interceptor_audit_records_total{result=\"written\"} 3",
            "interceptor_findings_total{class=\"email\"} 2",
            "interceptor_kernel_events{event=\"steered\"} 7",
            "interceptor_open_connections 1",
            "interceptor_masking_seconds_count 1",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        drop(open);
        assert!(metrics.text().contains("interceptor_open_connections 0"));
    }
}
