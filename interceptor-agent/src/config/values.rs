//! The kinds of value a key can have; each says what is allowed and, where it can, what was meant.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Component, PathBuf};
use std::time::Duration;

use toml::de::DeValue;

use super::Cidr;
use super::section::{Bad, nearest};
use crate::protocol::Endpoint;

type Parsed<T> = Result<T, Bad>;

/// The format's version; this build reads only 1.
pub(super) fn version(value: &DeValue<'_>) -> Parsed<()> {
    match integer(value) {
        Some(1) => Ok(()),
        _ => Err(Bad::new(
            "1",
            "write `version = 1`; a file with a higher number needs a newer interceptor",
        )),
    }
}

/// One of some words.
pub(super) fn choice<T: Copy>(choices: &[(&str, T)]) -> impl Fn(&DeValue<'_>) -> Parsed<T> {
    move |value| {
        let given = value.as_str().unwrap_or_default();
        if let Some((_, chosen)) = choices.iter().find(|(name, _)| *name == given) {
            return Ok(*chosen);
        }
        let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
        let remedy = match nearest(given, &names) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => "write one of these words in quotes".to_owned(),
        };
        Err(Bad::new(names.join(", "), remedy))
    }
}

/// The name of an endpoint.
pub(super) fn endpoint(value: &DeValue<'_>) -> Parsed<&'static Endpoint> {
    let given = value.as_str().unwrap_or_default();
    let all = Endpoint::all();
    if let Some(endpoint) = all.iter().find(|endpoint| endpoint.name == given) {
        return Ok(endpoint);
    }
    let names: Vec<_> = all.iter().map(|endpoint| endpoint.name).collect();
    let remedy = match nearest(given, &names) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => "write one of the names that docs/config.md lists in quotes".to_owned(),
    };
    Err(Bad::new("an endpoint, like \"openai_chat\"", remedy))
}

/// Any text but an empty one.
pub(super) fn text(value: &DeValue<'_>) -> Parsed<String> {
    let text = value.as_str().filter(|text| !text.is_empty());
    text.map(str::to_owned)
        .ok_or_else(|| Bad::new("a text", "write it in quotes"))
}

/// A user's number, as text.
pub(super) fn user_id(value: &DeValue<'_>) -> Parsed<String> {
    let id = integer(value).and_then(|id| u32::try_from(id).ok());
    // The highest is the kernel's word for nobody.
    id.filter(|id| *id != u32::MAX)
        .map(|id| id.to_string())
        .ok_or_else(|| {
            Bad::new(
                "user ids, from 0 to 4294967294",
                "write the number that `id -u USER` prints",
            )
        })
}

/// The name of a policy, which is also a metric's label.
pub(super) fn policy_name(value: &DeValue<'_>) -> Parsed<String> {
    const MOST: usize = 32;
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let given = value.as_str().unwrap_or_default();
    let good =
        (1..=MOST).contains(&given.len()) && given.bytes().all(allowed) && given != "default";
    good.then(|| given.to_owned()).ok_or_else(|| {
        Bad::new(
            format!("up to {MOST} lower-case letters, digits and dashes; not `default`"),
            "give it a short name, like \"ci-agents\"",
        )
    })
}

/// A TCP port.
pub(super) fn port(value: &DeValue<'_>) -> Parsed<u16> {
    let port = integer(value)
        .and_then(|port| u16::try_from(port).ok())
        .filter(|port| *port != 0);
    port.ok_or_else(|| {
        Bad::new(
            "a port from 1 to 65535",
            "write a number without quotes, like 443",
        )
    })
}

/// A number of things.
pub(super) fn count(least: usize, most: usize) -> impl Fn(&DeValue<'_>) -> Parsed<usize> {
    move |value| {
        let count = integer(value).and_then(|count| usize::try_from(count).ok());
        count
            .filter(|count| (least..=most).contains(count))
            .ok_or_else(|| {
                Bad::new(
                    format!("a number from {least} to {most}"),
                    "write a number without quotes, or leave the key out",
                )
            })
    }
}

/// Bytes: `"32MiB"`, or a number.
pub(super) fn size(least: usize, most: usize) -> impl Fn(&DeValue<'_>) -> Parsed<usize> {
    const UNITS: &[(&str, u64)] = &[
        ("GiB", 1 << 30),
        ("MiB", 1 << 20),
        ("KiB", 1 << 10),
        ("B", 1),
    ];
    let shown = |bytes: usize| {
        if bytes == 0 {
            return "0".to_owned();
        }
        let unit = UNITS
            .iter()
            .find(|(_, factor)| (bytes as u64).is_multiple_of(*factor));
        unit.map_or_else(String::new, |(unit, factor)| {
            format!("{}{unit}", bytes as u64 / factor)
        })
    };
    move |value| {
        let bytes = quantity(value, UNITS, 1).and_then(|bytes| usize::try_from(bytes).ok());
        bytes
            .filter(|bytes| (least..=most).contains(bytes))
            .ok_or_else(|| {
                let allowed = format!("a size from {} to {}", shown(least), shown(most));
                Bad::new(
                    allowed,
                    "write a number and B, KiB, MiB or GiB, like \"32MiB\"",
                )
            })
    }
}

/// Time: `"3s"`, or a number of seconds.
pub(super) fn duration(
    least: Duration,
    most: Duration,
) -> impl Fn(&DeValue<'_>) -> Parsed<Duration> {
    const UNITS: &[(&str, u64)] = &[("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)];
    let allowed: RangeInclusive<Duration> = least..=most;
    move |value| {
        let time = quantity(value, UNITS, 1000).map(Duration::from_millis);
        time.filter(|time| allowed.contains(time)).ok_or_else(|| {
            let range = format!("a time from {least:?} to {most:?}");
            Bad::new(range, "write a number and ms, s, m or h, like \"3s\"")
        })
    }
}

/// How long something is kept: `"30d"`, or a number of seconds.
pub(super) fn retention(
    least: Duration,
    most: Duration,
) -> impl Fn(&DeValue<'_>) -> Parsed<Duration> {
    const UNITS: &[(&str, u64)] = &[("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)];
    let allowed: RangeInclusive<Duration> = least..=most;
    move |value| {
        let time = quantity(value, UNITS, 1).map(Duration::from_secs);
        time.filter(|time| allowed.contains(time)).ok_or_else(|| {
            let days = most.as_secs() / 86_400;
            let range = format!("a time from {least:?} to {days} days");
            Bad::new(range, "write a number and s, m, h or d, like \"30d\"")
        })
    }
}

/// An absolute path: the agent runs in no particular folder.
pub(super) fn path(value: &DeValue<'_>) -> Parsed<PathBuf> {
    let path = value.as_str().map(PathBuf::from);
    path.filter(|path| {
        path.is_absolute() && !path.components().any(|part| part == Component::ParentDir)
    })
    .ok_or_else(|| {
        Bad::new(
            "an absolute path without `..`",
            "write the whole path, from / on",
        )
    })
}

/// Access rights of a file, as chmod(1) takes them: `"0660"`.
pub(super) fn mode(value: &DeValue<'_>) -> Parsed<u32> {
    let digits = value.as_str().filter(|text| (3..=4).contains(&text.len()));
    digits
        .and_then(|digits| u32::from_str_radix(digits, 8).ok())
        .filter(|mode| *mode <= 0o777)
        .ok_or_else(|| {
            Bad::new(
                "access rights from \"000\" to \"0777\"",
                "write them in quotes, like \"0660\"",
            )
        })
}

/// An address and a port to listen on.
pub(super) fn socket(value: &DeValue<'_>) -> Parsed<SocketAddr> {
    value
        .as_str()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| {
            Bad::new(
                "an IP address and a port",
                "write them like \"127.0.0.1:9901\" or \"[::1]:9901\"",
            )
        })
}

/// A range of addresses, or one.
pub(super) fn cidr(value: &DeValue<'_>) -> Parsed<Cidr> {
    let bad = |remedy: String| Bad::new("an address range, like 10.0.0.0/8 or fd00::/8", remedy);
    let given = value.as_str().unwrap_or_default();
    let (address, prefix) = given
        .split_once('/')
        .map_or((given, None), |(a, p)| (a, Some(p)));
    let addr: IpAddr = address
        .parse()
        .map_err(|_| bad("write it in quotes, with digits only".to_owned()))?;
    let bits = if addr.is_ipv4() { 32 } else { 128 };
    let prefix = match prefix.map(str::parse::<u8>) {
        None => bits,
        Some(Ok(prefix)) if prefix <= bits => prefix,
        Some(_) => {
            return Err(bad(format!(
                "the part behind / is a number from 1 to {bits}"
            )));
        }
    };
    if prefix == 0 {
        return Err(bad(
            "name narrower ranges: this one is every address".to_owned()
        ));
    }
    let first = first_of(addr, prefix);
    if first != addr {
        return Err(bad(format!("did you mean \"{first}/{prefix}\"?")));
    }
    match addr {
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => {
            Err(bad("write the IPv4 range itself".to_owned()))
        }
        _ => Ok(Cidr { addr, prefix }),
    }
}

/// The address with the bits behind the prefix, of which there are fewer than all, set to zero.
fn first_of(addr: IpAddr, prefix: u8) -> IpAddr {
    match addr {
        IpAddr::V4(v4) => IpAddr::V4((v4.to_bits() & u32::MAX << (32 - prefix)).into()),
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & u128::MAX << (128 - prefix)).into()),
    }
}

/// A number with a unit, or a bare number, which counts `bare` each.
fn quantity(value: &DeValue<'_>, units: &[(&str, u64)], bare: u64) -> Option<u64> {
    let Some(text) = value.as_str() else {
        return u64::try_from(integer(value)?).ok()?.checked_mul(bare);
    };
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

fn integer(value: &DeValue<'_>) -> Option<i64> {
    let integer = value.as_integer()?;
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}
