//! The sockets of `[[listeners]]`: bound before anything is served, and handed on to a successor.

use std::{
    fs, io,
    net::SocketAddr,
    os::unix::{
        fs::{FileTypeExt as _, PermissionsExt as _, chown},
        net::UnixListener,
    },
    path::Path,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::{TcpListener, TcpStream};

use super::{App, Handover, tasks};
use crate::{
    config::{Endpoint, Listener},
    listener,
    proxy::{self, Door, Peer},
    steering::netns::Netns,
};

/// Bound, and not served yet.
pub(super) struct Listeners(Vec<(Endpoint, Bound)>);

enum Bound {
    Tcp(std::net::TcpListener),
    Unix(UnixListener),
}

impl Listeners {
    /// Binds them, where a predecessor in the namespace `netns` has not.
    pub(super) fn bind(
        listeners: &[Listener],
        handover: &mut Handover,
        netns: u64,
    ) -> anyhow::Result<Self> {
        let bind = |listener: &Listener| {
            let bound = match &listener.at {
                Endpoint::Address(address) => match handover.at(netns, *address) {
                    Some(inherited) => Ok(Bound::Tcp(inherited)),
                    None => listener::at(*address).map(Bound::Tcp).map_err(Into::into),
                },
                Endpoint::Path(path) => match handover.at_path(path) {
                    Some(inherited) => Ok(Bound::Unix(inherited)),
                    None => unix(path, listener).map(Bound::Unix),
                },
            };
            let bound = bound.with_context(|| format!("listener {}", listener.at))?;
            Ok((listener.at.clone(), bound))
        };
        let bound: anyhow::Result<_> = listeners.iter().map(bind).collect();
        Ok(Self(bound?))
    }

    /// Where they are, with the port that port 0 has become.
    pub(super) fn addresses(&self) -> io::Result<Vec<Endpoint>> {
        let address = |(at, bound): &(Endpoint, Bound)| match bound {
            Bound::Tcp(listener) => Ok(Endpoint::Address(listener.local_addr()?)),
            Bound::Unix(_) => Ok(at.clone()),
        };
        self.0.iter().map(address).collect()
    }

    /// Accepts until the drain begins; what is asked for is dialled from `netns`.
    pub(super) fn serve(self, app: &Arc<App>, netns: Netns) -> io::Result<()> {
        let netns = Arc::new(netns);
        for (at, bound) in self.0 {
            tracing::info!(listener = %at, "listening");
            let door = Arc::new(Door::new(at, Arc::clone(&netns)));
            let listener = match bound {
                Bound::Tcp(listener) => Accepting::Tcp(TcpListener::from_std(listener)?),
                Bound::Unix(listener) => {
                    Accepting::Unix(tokio::net::UnixListener::from_std(listener)?)
                }
            };
            app.drain.spawn(accept(Arc::clone(app), door, listener));
        }
        Ok(())
    }
}

enum Accepting {
    Tcp(TcpListener),
    Unix(tokio::net::UnixListener),
}

impl Accepting {
    async fn accept(&self) -> io::Result<(std::net::TcpStream, Peer)> {
        match self {
            Self::Tcp(listener) => {
                let (client, from) = listener.accept().await?;
                let peer = Peer::Tcp(canonical(from), canonical(client.local_addr()?));
                Ok((client.into_std()?, peer))
            }
            Self::Unix(listener) => {
                let (client, _) = listener.accept().await?;
                let peer = Peer::of_unix(&client)?;
                // Any stream socket is read, written and shut down alike; only its addresses would not be.
                let client: std::os::fd::OwnedFd = client.into_std()?.into();
                Ok((client.into(), peer))
            }
        }
    }
}

/// A listener of both families shows IPv4 clients as mapped ones, and the kernel knows them as IPv4.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

async fn accept(app: Arc<App>, door: Arc<Door>, listener: Accepting) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = app.drain.begun() => return,
        };
        match accepted {
            Ok((client, peer)) => {
                let (own, door) = (Arc::clone(&app), Arc::clone(&door));
                tasks::on_worker(&app, client, move |client: TcpStream| {
                    proxy::serve(own, door, client, peer)
                });
            }
            Err(error) => {
                tracing::warn!(%error, "accept");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

/// Nobody can connect before the file has its rights: only `listen` opens it.
fn unix(path: &Path, listener: &Listener) -> anyhow::Result<UnixListener> {
    remove_left_behind(path)?;
    if let Some(folder) = path.parent() {
        match fs::create_dir(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(error).with_context(|| folder.display().to_string());
            }
            _ => {}
        }
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    fs::set_permissions(path, fs::Permissions::from_mode(listener.mode))?;
    if let Some(group) = &listener.group {
        chown(path, None, Some(group_id(group)?))
            .with_context(|| format!("can't give it to the group {group}"))?;
    }
    socket.listen(listener::BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// A socket outlives its listener as a file that nobody answers at.
fn remove_left_behind(path: &Path) -> anyhow::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        there => ensure!(
            there?.file_type().is_socket(),
            "something is there that is no socket: remove it, or choose another path"
        ),
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            Ok(fs::remove_file(path)?)
        }
        Err(error) => Err(error.into()),
        Ok(_) => bail!("somebody listens there already: is another agent running?"),
    }
}

/// By number, or by name as group(5) has it.
fn group_id(group: &str) -> anyhow::Result<u32> {
    if let Ok(id) = group.parse() {
        return Ok(id);
    }
    let table = fs::read_to_string("/etc/group").context("/etc/group")?;
    let id = table.lines().find_map(|line| {
        let mut fields = line.split(':');
        let is_it = fields.next() == Some(group);
        is_it.then(|| fields.nth(1)?.parse().ok())?
    });
    id.with_context(|| format!("/etc/group has no group {group}: name one, or its number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> std::path::PathBuf {
        let name = format!("interceptor-listeners-{}", std::process::id());
        std::env::temp_dir().join(name)
    }

    #[test]
    fn a_socket_s_file_has_its_rights_and_is_not_taken_from_the_living() {
        let path = folder().join("proxy.sock");
        let mut listener = Listener::at(Endpoint::Path(path.clone()));
        listener.mode = 0o600;
        let bound = unix(&path, &listener).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let error = unix(&path, &listener).unwrap_err().to_string();
        assert!(error.contains("another agent"), "{error}");
        drop(bound);
        drop(unix(&path, &listener).unwrap());
        fs::remove_file(&path).unwrap();
        fs::write(&path, "").unwrap();
        assert!(unix(&path, &listener).is_err(), "somebody's file");
        fs::remove_dir_all(folder()).unwrap();
    }

    #[test]
    fn groups_by_name_and_number() {
        assert_eq!(group_id("root").unwrap(), 0);
        assert_eq!(group_id("4711").unwrap(), 4711);
        let error = group_id("no-such-group").unwrap_err().to_string();
        assert!(error.contains("no-such-group"), "{error}");
    }
}
