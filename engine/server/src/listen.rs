//! Listening: TCP for the network, a 0600 socket for the operator of this machine. Each tells the gate who is at the other end.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::gate::Peer;

/// The network's side.
#[derive(Debug)]
pub struct Network(pub TcpListener);

/// The operator's side.
#[derive(Debug)]
pub struct Operator(pub UnixListener);

/// After an accept failed for want of file descriptors and the like: trying again at once would only spin.
const PAUSE: Duration = Duration::from_millis(200);

impl Listener for Network {
    type Io = TcpStream;
    type Addr = Peer;

    async fn accept(&mut self) -> (TcpStream, Peer) {
        loop {
            match self.0.accept().await {
                Ok((stream, address)) => {
                    // Small answers must not wait for more of them; without it they are only later.
                    let _ = stream.set_nodelay(true);
                    return (stream, Peer::Tcp(address));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection cannot be accepted");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Peer> {
        self.0.local_addr().map(Peer::Tcp)
    }
}

impl Listener for Operator {
    type Io = UnixStream;
    type Addr = Peer;

    async fn accept(&mut self) -> (UnixStream, Peer) {
        loop {
            match self.0.accept().await {
                Ok((stream, _)) => return (stream, Peer::Socket),
                Err(error) => {
                    tracing::warn!(%error, "a local connection cannot be accepted");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Peer> {
        Ok(Peer::Socket)
    }
}

impl Connected<IncomingStream<'_, Network>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Network>) -> Self {
        *stream.remote_addr()
    }
}

impl Connected<IncomingStream<'_, Operator>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Operator>) -> Self {
        *stream.remote_addr()
    }
}

/// Binds the operator's socket: its folder must be closed to others, for that is the authentication.
///
/// # Errors
/// If the folder is open to others or the socket cannot be made.
pub fn bind_operator(path: &Path) -> io::Result<Operator> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mode = std::fs::metadata(folder)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(io::Error::other(format!(
            "folder {} is open to others (mode {:o}): close it with `chmod 700`",
            folder.display(),
            mode & 0o777
        )));
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(Operator(listener))
}
