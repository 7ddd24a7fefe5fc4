//! What the programs cost connects: the same connects from a cgroup with programs and from one without, block by block.
//! Most are none of their business; those that are steered are compared with connects straight to the agent.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Command;
use std::thread;

use anyhow::{Result, ensure};
use interceptor_tests::netns::Netns;
use socket2::{Domain, Socket, Type};

use crate::bed::Bed;
use crate::load::{Done, Job, Load};
use crate::provider;
use crate::rounds::median;

/// The argument that asks for this alone.
pub const CONNECTS: &str = "connects";

/// Connects in a block.
const BLOCK: usize = 1000;

/// An address in the never-steer range of the bed's agents, given to the clients' loopback.
const NEVER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 241);

/// The name of the connects that are steered.
pub const STEERED: &str = "steered, and straight to the agent";

/// Where the agent listens unless told otherwise.
const AGENT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 15443);

/// Medians of one connect in µs, and the median of the blocks' ratios.
pub struct Cost {
    pub name: &'static str,
    pub detached: f64,
    pub attached: f64,
    pub ratio: f64,
}

/// Measures in `blocks` blocks.
pub fn measure(bed: &mut Bed<'_>, clients: &Netns, blocks: usize) -> Result<Vec<Cost>> {
    let added = Command::new("ip")
        .args(["-n", clients.name(), "address", "add"])
        .args([&format!("{NEVER}/32"), "dev", "lo"])
        .status()?;
    ensure!(added.success(), "can't add {NEVER} to the loopback");
    let out_of_scope = listen(clients, (Ipv4Addr::LOCALHOST, 7001).into())?;
    let never = listen(clients, (NEVER, provider::PORT).into())?;
    let steered = bed.other()?.address;
    let Bed {
        free: [free, noise],
        enforced,
        ..
    } = bed;
    Ok(vec![
        compare(
            "a port out of scope",
            [out_of_scope; 2],
            blocks,
            free,
            enforced,
        )?,
        compare("a never-steer address", [never; 2], blocks, free, enforced)?,
        compare(
            "no programs on either side",
            [never; 2],
            blocks,
            free,
            noise,
        )?,
        compare(STEERED, [AGENT, steered], blocks, free, enforced)?,
    ])
}

fn compare(
    name: &'static str,
    addresses: [SocketAddr; 2],
    blocks: usize,
    free: &mut Load,
    other: &mut Load,
) -> Result<Cost> {
    let jobs = addresses.map(|address| Job::Connects {
        address,
        count: BLOCK,
    });
    let (mut detached, mut attached) = (Vec::new(), Vec::new());
    for block in 0..blocks {
        let mut both: [Done; 2] = Default::default();
        // Neither is always the first.
        for turn in [block % 2, 1 - block % 2] {
            both[turn] = if turn == 0 { &mut *free } else { &mut *other }.run(&jobs[turn])?;
        }
        detached.push(both[0].took);
        attached.push(both[1].took);
    }
    let ratios = detached
        .iter()
        .zip(&attached)
        .map(|(free, other)| other / free);
    Ok(Cost {
        name,
        ratio: median(ratios.collect()),
        detached: median(detached),
        attached: median(attached),
    })
}

/// Accepts and closes until the process ends.
fn listen(netns: &Netns, address: SocketAddr) -> Result<SocketAddr> {
    let listener = netns.run(|| -> Result<_> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.bind(&address.into())?;
        // A full queue drops a SYN, and that connect takes a second.
        socket.listen(2 * BLOCK as i32)?;
        Ok(socket)
    })??;
    thread::spawn(move || while listener.accept().is_ok() {});
    Ok(address)
}
