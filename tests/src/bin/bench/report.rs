//! The results, for people and as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::bed::{WAYS, Way};
use crate::connects::{self, Cost};
use crate::engine::{Speed, TURNS, Turns};
use crate::passing::Passing;
use crate::rounds::{Measured, Sample};

/// Everything that was measured.
pub struct Results {
    pub cases: Vec<Measured>,
    pub engine: Vec<Speed>,
    pub turns: Turns,
    pub connects: Vec<Cost>,
    pub passing: [Passing; 2],
    /// Idle connections that passed, and KiB of the agent for each.
    pub idle_connections: usize,
    pub each: f64,
    /// Seconds from SIGKILL to the first answer under a supervisor, at most.
    pub revival: f64,
    /// MiB after the start.
    pub idle: f64,
    /// MiB at most.
    pub peak: f64,
}

/// A number that has to be reached.
struct Goal {
    name: &'static str,
    measured: f64,
    bound: Bound,
    unit: &'static str,
}

enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

impl Goal {
    fn met(&self) -> bool {
        match self.bound {
            Bound::AtLeast(bound) => self.measured >= bound,
            Bound::AtMost(bound) => self.measured <= bound,
        }
    }

    fn bound(&self) -> String {
        match self.bound {
            Bound::AtLeast(bound) => format!("≥ {}", number(bound)),
            Bound::AtMost(bound) => format!("≤ {}", number(bound)),
        }
    }
}

/// A row of the comparison: what, its unit, how to read a sample, and whether it is a rate or a time.
struct Row<'r> {
    case: &'r Measured,
    what: &'static str,
    of: fn(&Sample) -> f64,
    compared: Compared,
}

enum Compared {
    Ratio,
    Added,
    Alone,
}

impl Results {
    fn rows(&self) -> Vec<Row<'_>> {
        let rate: fn(&Sample) -> f64 = |sample| sample.done.per_second();
        let took: fn(&Sample) -> f64 = |sample| sample.done.took;
        let [many, one, long, fresh, short, stream, streams] = &self.cases[..] else {
            return Vec::new();
        };
        let row = |case, what, of, compared| Row {
            case,
            what,
            of,
            compared,
        };
        let delta: fn(&Sample) -> f64 = |sample| sample.done.delta;
        let delta_p99: fn(&Sample) -> f64 = |sample| sample.done.delta_p99;
        vec![
            row(many, "requests/s", rate, Compared::Ratio),
            row(many, "own CPU, µs", own_cpu, Compared::Alone),
            row(one, "requests/s", rate, Compared::Ratio),
            row(one, "median, µs", took, Compared::Added),
            row(one, "own CPU, µs", own_cpu, Compared::Alone),
            row(long, "requests/s", rate, Compared::Ratio),
            row(long, "own CPU, µs", own_cpu, Compared::Alone),
            row(fresh, "requests/s", rate, Compared::Ratio),
            row(fresh, "own CPU, µs", own_cpu, Compared::Alone),
            row(short, "to first delta, µs", took, Compared::Added),
            row(stream, "a delta, µs", delta, Compared::Added),
            row(stream, "a delta, p99, µs", delta_p99, Compared::Added),
            row(streams, "a delta, µs", delta, Compared::Added),
            row(streams, "a delta, p99, µs", delta_p99, Compared::Added),
        ]
    }

    fn goals(&self) -> Vec<Goal> {
        let rate = |sample: &Sample| sample.done.per_second();
        let took = |sample: &Sample| sample.done.took;
        let (many, one) = (&self.cases[0], &self.cases[1]);
        let (short, stream) = (&self.cases[4], &self.cases[5]);
        let delta = |sample: &Sample| sample.done.delta;
        let goal = |name, measured, bound, unit| Goal {
            name,
            measured,
            bound,
            unit,
        };
        let slowest_scan = self
            .engine
            .iter()
            .filter(|speed| speed.name.starts_with("scan"))
            .map(|speed| speed.megabytes_a_second)
            .fold(f64::INFINITY, f64::min);
        let dearest_connect = self
            .connects
            .iter()
            .take(2)
            .map(|cost| cost.ratio)
            .fold(0.0, f64::max);
        let steered_connect = self
            .connects
            .iter()
            .find(|cost| cost.name == connects::STEERED)
            .map_or(f64::NAN, |cost| cost.ratio);
        let [download, exchange] = &self.passing;
        vec![
            goal(
                "4 KiB kept, enforce, requests/s against direct",
                many.ratio(Way::Enforce, Way::Direct, rate),
                Bound::AtLeast(0.45),
                "×",
            ),
            goal(
                "the same against HAProxy",
                many.ratio(Way::Enforce, Way::HaProxy, rate),
                Bound::AtLeast(1.0),
                "×",
            ),
            goal(
                "added median latency, 1 connection, against HAProxy's",
                one.added(Way::Enforce, took) / one.added(Way::HaProxy, took),
                Bound::AtMost(1.2),
                "×",
            ),
            goal(
                "added time to the first text of a stream, median",
                short.added(Way::Enforce, took) / 1000.0,
                Bound::AtMost(0.2),
                "ms",
            ),
            goal(
                "added time of each delta of a stream, median",
                stream.added(Way::Enforce, delta) / 1000.0,
                Bound::AtMost(0.2),
                "ms",
            ),
            goal(
                "mask engine, ordinary text, one core",
                slowest_scan,
                Bound::AtLeast(300.0),
                "MB/s",
            ),
            goal(
                "mask engine, turn 50 of a conversation against turn 1",
                self.turns.last / self.turns.first,
                Bound::AtMost(2.0),
                "×",
            ),
            goal(
                "connect() outside the scope, attached against detached",
                dearest_connect,
                Bound::AtMost(1.02),
                "×",
            ),
            goal("idle memory", self.idle, Bound::AtMost(30.0), "MiB"),
            goal(
                "a download that passes, against direct",
                download.ratio,
                Bound::AtLeast(0.90),
                "×",
            ),
            goal(
                "connect, TLS, 1 KiB and answer that pass, against direct",
                exchange.ratio,
                Bound::AtLeast(0.60),
                "×",
            ),
            goal(
                "steered connect(), against one straight to the agent",
                steered_connect,
                Bound::AtMost(1.10),
                "×",
            ),
            goal(
                "memory of each idle connection that passes",
                self.each,
                Bound::AtMost(24.0),
                "KiB",
            ),
            goal(
                "SIGKILL to an answer again, started anew after 200 ms",
                self.revival,
                Bound::AtMost(1.0),
                "s",
            ),
        ]
    }

    /// Aligned tables.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String can't fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        write!(text, "{:<39} {:<19}", "", "")?;
        for way in WAYS {
            write!(text, "{:>16}", way.name())?;
        }
        writeln!(text)?;
        let mut last = "";
        for row in self.rows() {
            let name = if row.case.name == last {
                ""
            } else {
                row.case.name
            };
            last = row.case.name;
            write!(text, "{name:<39} {:<19}", row.what)?;
            for way in WAYS {
                write!(text, "{:>16}", row.cell(way))?;
            }
            writeln!(text)?;
        }
        writeln!(text)?;
        text.push_str(&engine(&self.engine, &self.turns));
        writeln!(text)?;
        text.push_str(&connects(&self.connects));
        text.push_str(&passing(&self.passing));
        let name = format!("memory of each of {} that pass idle", self.idle_connections);
        writeln!(text, "{name:<59}{:>10.1} KiB", self.each)?;
        writeln!(
            text,
            "{:<59}{:>10.1} MiB, {:.1} MiB at start\n",
            "peak memory of the agent", self.peak, self.idle
        )?;
        for goal in self.goals() {
            let measured = format!("{} {}", number(goal.measured), goal.unit);
            let verdict = if goal.met() { "met" } else { "NOT MET" };
            writeln!(
                text,
                "{:<59}{measured:>14}   {:<8}{verdict}",
                goal.name,
                goal.bound()
            )?;
        }
        Ok(())
    }

    /// The same for programs.
    pub fn json(&self) -> Value {
        let cases = self.rows().iter().map(Row::json).collect::<Vec<_>>();
        let engine = self.engine.iter().map(
            |speed| json!({"name": speed.name, "megabytes_a_second": speed.megabytes_a_second}),
        );
        let connects = self.connects.iter().map(|cost| {
            json!({
                "name": cost.name,
                "detached_us": cost.detached,
                "attached_us": cost.attached,
                "ratio": cost.ratio,
            })
        });
        let passing = self.passing.iter().map(|passing| {
            json!({
                "name": passing.name,
                "unit": passing.unit,
                "direct": passing.direct,
                "passed": passing.passed,
                "ratio": passing.ratio,
                "haproxy_ratio": passing.haproxy,
            })
        });
        let goals = self.goals();
        let goals = goals.iter().map(|goal| {
            json!({
                "name": goal.name,
                "measured": goal.measured,
                "unit": goal.unit,
                "target": goal.bound(),
                "met": goal.met(),
            })
        });
        json!({
            "cases": cases,
            "engine": engine.collect::<Vec<_>>(),
            "turns": {
                "count": TURNS,
                "first_us": self.turns.first,
                "last_us": self.turns.last,
                "last_uncached_us": self.turns.last_uncached,
            },
            "connects": connects.collect::<Vec<_>>(),
            "passing": passing.collect::<Vec<_>>(),
            "idle": {"connections": self.idle_connections, "kib_each": self.each},
            "memory_mib": {"idle": self.idle, "peak": self.peak},
            "goals": goals.collect::<Vec<_>>(),
        })
    }
}

impl Row<'_> {
    fn cell(&self, way: Way) -> String {
        let value = self.case.median(way, self.of);
        match self.compared {
            Compared::Alone if way == Way::Direct => String::new(),
            Compared::Ratio if way != Way::Direct => format!(
                "{} {:.2}×",
                number(value),
                self.case.ratio(way, Way::Direct, self.of)
            ),
            Compared::Added if way != Way::Direct => {
                format!("{} {:+.0}", number(value), self.case.added(way, self.of))
            }
            _ => number(value),
        }
    }

    fn json(&self) -> Value {
        let ways = WAYS.map(|way| {
            let median = self.case.median(way, self.of);
            let compared = match self.compared {
                Compared::Ratio => json!({"ratio": self.case.ratio(way, Way::Direct, self.of)}),
                Compared::Added => json!({"added": self.case.added(way, self.of)}),
                Compared::Alone => json!({}),
            };
            (
                way.name().to_owned(),
                json!({"median": median, "against_direct": compared}),
            )
        });
        json!({
            "case": self.case.name,
            "what": self.what,
            "ways": Value::Object(ways.into_iter().collect()),
        })
    }
}

/// What the programs cost connects, a line each.
pub fn connects(costs: &[Cost]) -> String {
    let line = |cost: &Cost| {
        format!(
            "{:<59}{:>10.2} µs, {:.2} µs with programs, {:.3} ×\n",
            format!("connect(), {}", cost.name),
            cost.detached,
            cost.attached,
            cost.ratio
        )
    };
    costs.iter().map(line).collect()
}

/// What connections that pass cost, a line each.
pub fn passing(rates: &[Passing]) -> String {
    let line = |rate: &Passing| {
        format!(
            "{:<59}{:>10.0} {unit}, {:.0} {unit} that pass, {:.3} × (HAProxy {:.3} ×)\n",
            rate.name,
            rate.direct,
            rate.passed,
            rate.ratio,
            rate.haproxy,
            unit = rate.unit,
        )
    };
    rates.iter().map(line).collect()
}

/// The mask engine's rows.
pub fn engine(speeds: &[Speed], turns: &Turns) -> String {
    let mut text = String::new();
    for Speed {
        name,
        megabytes_a_second,
    } in speeds
    {
        let _ = writeln!(text, "{name:<59}{megabytes_a_second:>10.0} MB/s");
    }
    let Turns {
        first,
        last,
        last_uncached,
    } = turns;
    let name = format!("turn {TURNS} of a conversation, turn 1");
    let _ = writeln!(
        text,
        "{name:<59}{last:>10.0} µs, {first:.0} µs, {:.2} × ({last_uncached:.0} µs without a cache)",
        last / first
    );
    text
}

/// Processor time of the thing in the middle for each request.
fn own_cpu(sample: &Sample) -> f64 {
    sample.cpu * 1e6 / sample.done.count as f64
}

fn number(value: f64) -> String {
    match value.abs() {
        small if small < 10.0 => format!("{value:.3}"),
        medium if medium < 1000.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}
