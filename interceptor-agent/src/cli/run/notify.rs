//! Telling a supervisor how it goes, as systemd has it (sd_notify(3)); without one, nothing.

use std::{
    ffi::OsStr,
    io,
    os::{
        linux::net::SocketAddrExt as _,
        unix::{
            ffi::OsStrExt as _,
            net::{SocketAddr, UnixDatagram},
        },
    },
};

/// Sends assignments like `READY=1` to the socket that `NOTIFY_SOCKET` names.
pub(super) fn notify(state: &str) {
    let Some(socket) = std::env::var_os("NOTIFY_SOCKET") else {
        return;
    };
    if let Err(error) = send(&socket, state) {
        tracing::warn!(%error, "the supervisor can't be told: {state}");
    }
}

/// A name that begins with `@` is none of a file.
fn send(socket: &OsStr, state: &str) -> io::Result<()> {
    let address = match socket.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(socket)?,
    };
    UnixDatagram::unbound()?
        .send_to_addr(state.as_bytes(), &address)
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_names_are_reached() {
        let name = format!("interceptor-notify-{}", std::process::id());
        let file = std::env::temp_dir().join(&name);
        let abstracted = SocketAddr::from_abstract_name(&name).unwrap();
        let sockets = [
            (
                UnixDatagram::bind(&file).unwrap(),
                file.clone().into_os_string(),
            ),
            (
                UnixDatagram::bind_addr(&abstracted).unwrap(),
                format!("@{name}").into(),
            ),
        ];
        for (socket, name) in sockets {
            send(&name, "READY=1").unwrap();
            let mut said = [0; 16];
            let length = socket.recv(&mut said).unwrap();
            assert_eq!(&said[..length], b"READY=1");
        }
        std::fs::remove_file(&file).unwrap();
        assert!(send(file.as_os_str(), "READY=1").is_err());
    }
}
