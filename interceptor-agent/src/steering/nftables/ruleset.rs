//! What is in our table.
//!
//! ```text
//! set never4, never6   { steering.never, loopback, link-local }
//! set alive            { the agent's sign of life, an element that expires }
//! set own4, own6       { source ports of the agent's own connects, for as long as these are under way }
//! chain steer          { type nat hook output priority -101;  who is own returns; alive: TCP to a steered port is redirected }
//! chain guard          { type filter hook output;  UDP to a TLS port: rejected; TCP that is not redirected: reset }
//! chain listen         { type filter hook input;   who took the agent's port without its mark gets no connection }
//! ```

use std::{borrow::Cow, collections::HashSet};

use nftables::{
    batch::Batch,
    expr::{
        BinaryOperation, CT, Elem, Expression, Meta, MetaKey, NamedExpression, Payload,
        PayloadField, Prefix, SetItem, Socket, SocketAttr,
    },
    schema::{Chain, NfListObject, Nftables, Rule, Set, SetFlag, SetType, SetTypeValue, Table},
    stmt::{Match, NAT, Operator, Reject, RejectType, Statement},
    types::{NfChainPolicy, NfChainType, NfFamily, NfHook, RejectCode},
};

use crate::{config::Cidr, steering::Scope};

/// The name of our table.
pub(super) const TABLE: &str = "interceptor";

/// Both families in one table.
pub(super) const FAMILY: NfFamily = NfFamily::INet;

/// Source ports of the agent's own connects over IPv4, and over IPv6.
pub(super) const OWN: [&str; 2] = ["own4", "own6"];

/// The set that a rule needs an element of to redirect, and its only element.
pub(super) const ALIVE: &str = "alive";
pub(super) const TCP: [u8; 1] = [libc::IPPROTO_TCP as u8];

/// Before everybody else's destination NAT (-100): the first one to translate has it.
const BEFORE_DSTNAT: i32 = -101;
const FILTER: i32 = 0;

/// Everything, in place of what there is.
pub(super) fn install(scope: &Scope, mark: u32) -> Nftables<'static> {
    let mut batch = Batch::new();
    // Deleting what isn't there is an error, adding what is there is none.
    batch.add(table());
    batch.delete(table());
    batch.add(table());
    sets(&mut batch, scope);

    let all_ports: Vec<u16> = [&scope.tls_ports[..], &scope.plain_ports[..]].concat();
    let to_steered = || is(payload("tcp", "dport"), ports(&all_ports));
    let to_tls_by_udp = is(payload("udp", "dport"), ports(&scope.tls_ports));
    let to_agent = is(
        payload("tcp", "dport"),
        Expression::Number(scope.listen_port.into()),
    );
    let alive = is(meta(MetaKey::L4proto), text(format!("@{ALIVE}")));
    let mark = || Expression::Number(mark);
    let not_marked = compare(meta(MetaKey::Mark), Operator::NEQ, mark());
    let others_socket = compare(socket_mark(), Operator::NEQ, mark());
    let reset = || reject(RejectType::TCPReset, None);
    let unreachable = reject(RejectType::ICMPX, Some(RejectCode::PortUnreach));

    let never = |header, set| vec![is(payload(header, "daddr"), text(set)), leave()];
    // By the socket's mark: the packet's is anybody's to change on its way here, as `CONNMARK --restore-mark` does. Asked last,
    // since before Linux 5.18 a packet without a socket must not be asked for one on its way out.
    let own = |set, family| {
        vec![
            is(meta(MetaKey::Nfproto), text(family)),
            is(payload("tcp", "sport"), text(format!("@{set}"))),
            is(socket_mark(), mark()),
            leave(),
        ]
    };
    let excepted = vec![
        never("ip", "@never4"),
        never("ip6", "@never6"),
        own(OWN[0], "ipv4"),
        own(OWN[1], "ipv6"),
    ];
    let steer = vec![vec![to_steered(), alive, redirect(scope.listen_port)]];
    let guard = vec![
        vec![to_tls_by_udp, unreachable],
        vec![to_steered(), not_yet_seen(), reset()],
        // Also what was connected before there were rules. The kernel's own resets, of sockets that are gone, have no mark.
        // Ours have one, on the packet or, where somebody took it off, on the socket; not each has a socket.
        vec![
            to_steered(),
            has_no_reset(),
            not_marked.clone(),
            is(socket_mark(), mark()),
            leave(),
        ],
        vec![to_steered(), has_no_reset(), not_marked, reset()],
    ];
    let listen = vec![vec![to_agent, not_yet_seen(), others_socket, reset()]];

    use {NfChainType::*, NfHook::*};
    let steer = [excepted.clone(), steer].concat();
    let guard = [excepted, guard].concat();
    chain(&mut batch, "steer", (NAT, Output, BEFORE_DSTNAT), steer);
    chain(&mut batch, "guard", (Filter, Output, FILTER), guard);
    chain(&mut batch, "listen", (Filter, Input, FILTER), listen);
    batch.to_nftables()
}

/// Everything gone.
pub(super) fn uninstall() -> Nftables<'static> {
    let mut batch = Batch::new();
    batch.delete(table());
    batch.to_nftables()
}

fn table() -> NfListObject<'static> {
    NfListObject::Table(Table {
        family: FAMILY,
        name: TABLE.into(),
        handle: None,
    })
}

fn sets(batch: &mut Batch<'static>, scope: &Scope) {
    let never: Vec<Cidr> = scope.passes().collect();
    let (never4, never6): (Vec<_>, Vec<_>) = outermost(&never)
        .into_iter()
        .partition(|cidr| cidr.addr.is_ipv4());
    let ranges = |cidrs: Vec<Cidr>| Some(cidrs.into_iter().map(prefix).collect());
    set(
        batch,
        "never4",
        SetType::Ipv4Addr,
        SetFlag::Interval,
        ranges(never4),
    );
    set(
        batch,
        "never6",
        SetType::Ipv6Addr,
        SetFlag::Interval,
        ranges(never6),
    );
    // Alive from the first moment, to the second; from then on the agent beats.
    let seconds = scope.stale_after.as_secs().max(1);
    let tcp = Expression::Named(NamedExpression::Elem(Elem {
        val: Box::new(text("tcp")),
        timeout: Some(u32::try_from(seconds).unwrap_or(u32::MAX)),
        expires: None,
        comment: None,
        counter: None,
    }));
    set(
        batch,
        ALIVE,
        SetType::InetProto,
        SetFlag::Timeout,
        Some(vec![tcp].into()),
    );
    for own in OWN {
        set(batch, own, SetType::InetService, SetFlag::Timeout, None);
    }
}

/// Without those that lie in another one: nftables takes no overlapping ranges.
fn outermost(cidrs: &[Cidr]) -> Vec<Cidr> {
    let mut outermost: Vec<Cidr> = Vec::new();
    let mut widest_first = cidrs.to_vec();
    widest_first.sort_by_key(|cidr| cidr.prefix);
    for cidr in widest_first {
        if !outermost.iter().any(|outer| outer.contains(cidr.addr)) {
            outermost.push(cidr);
        }
    }
    outermost
}

fn set(
    batch: &mut Batch<'static>,
    name: &'static str,
    of: SetType,
    flag: SetFlag,
    elements: Option<Cow<'static, [Expression<'static>]>>,
) {
    batch.add(NfListObject::Set(Box::new(Set {
        family: FAMILY,
        table: TABLE.into(),
        name: name.into(),
        set_type: SetTypeValue::Single(of),
        flags: Some(HashSet::from([flag])),
        elem: elements,
        ..Set::default()
    })));
}

fn chain(
    batch: &mut Batch<'static>,
    name: &'static str,
    (of, hook, priority): (NfChainType, NfHook, i32),
    rules: Vec<Vec<Statement<'static>>>,
) {
    batch.add(NfListObject::Chain(Chain {
        family: FAMILY,
        table: TABLE.into(),
        name: name.into(),
        _type: Some(of),
        hook: Some(hook),
        prio: Some(priority),
        policy: Some(NfChainPolicy::Accept),
        ..Chain::default()
    }));
    for statements in rules {
        batch.add(NfListObject::Rule(Rule {
            family: FAMILY,
            table: TABLE.into(),
            chain: name.into(),
            expr: statements.into(),
            ..Rule::default()
        }));
    }
}

/// To the next base chain, which is somebody else's.
fn leave() -> Statement<'static> {
    Statement::Return(None)
}

fn reject(with: RejectType, code: Option<RejectCode>) -> Statement<'static> {
    Statement::Reject(Some(Reject::new(Some(with), code)))
}

fn redirect(port: u16) -> Statement<'static> {
    Statement::Redirect(Some(NAT {
        addr: None,
        family: None,
        port: Some(Expression::Number(port.into())),
        flags: None,
    }))
}

fn is(left: Expression<'static>, right: Expression<'static>) -> Statement<'static> {
    compare(left, Operator::EQ, right)
}

fn compare(
    left: Expression<'static>,
    op: Operator,
    right: Expression<'static>,
) -> Statement<'static> {
    Statement::Match(Match { left, right, op })
}

/// A connection's first packet, or one that somebody keeps conntrack from seeing.
fn not_yet_seen() -> Statement<'static> {
    let state = Expression::Named(NamedExpression::CT(CT {
        key: "state".into(),
        family: None,
        dir: None,
    }));
    let states = Expression::List(vec![text("new"), text("untracked")]);
    compare(state, Operator::IN, states)
}

fn has_no_reset() -> Statement<'static> {
    let flags = BinaryOperation::AND(payload("tcp", "flags"), text("rst"));
    is(
        Expression::BinaryOperation(Box::new(flags)),
        Expression::Number(0),
    )
}

fn payload(protocol: &'static str, field: &'static str) -> Expression<'static> {
    Expression::Named(NamedExpression::Payload(Payload::PayloadField(
        PayloadField {
            protocol: protocol.into(),
            field: field.into(),
        },
    )))
}

fn meta(key: MetaKey) -> Expression<'static> {
    Expression::Named(NamedExpression::Meta(Meta { key }))
}

fn socket_mark() -> Expression<'static> {
    Expression::Named(NamedExpression::Socket(Socket {
        key: Cow::Owned(SocketAttr::Mark),
    }))
}

fn ports(ports: &[u16]) -> Expression<'static> {
    let ports = ports.iter().map(|port| Expression::Number((*port).into()));
    Expression::Named(NamedExpression::Set(ports.map(SetItem::Element).collect()))
}

fn prefix(cidr: Cidr) -> Expression<'static> {
    Expression::Named(NamedExpression::Prefix(Prefix {
        addr: Box::new(text(cidr.addr.to_string())),
        len: cidr.prefix.into(),
    }))
}

fn text(text: impl Into<Cow<'static, str>>) -> Expression<'static> {
    Expression::String(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_in_ranges_are_left_out() {
        let cidr = |addr: &str, prefix| Cidr {
            addr: addr.parse().unwrap(),
            prefix,
        };
        let given = [
            cidr("10.1.0.0", 16),
            cidr("10.0.0.0", 8),
            cidr("10.0.0.0", 8),
            cidr("11.0.0.0", 32),
            cidr("::1", 128),
            cidr("fd00::", 8),
            cidr("fd12::", 16),
        ];
        let kept = [
            cidr("10.0.0.0", 8),
            cidr("fd00::", 8),
            cidr("11.0.0.0", 32),
            cidr("::1", 128),
        ];
        assert_eq!(outermost(&given), kept);
        let everything = [cidr("0.0.0.0", 0), cidr("::", 0), cidr("1.2.3.4", 32)];
        assert_eq!(outermost(&everything), everything[..2]);
    }
}
