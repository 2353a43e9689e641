//! HTTP servers on this machine alone, each on a free port, for as long as the demo runs.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use axum::Router;
use axum::http::header;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::clock::Clock;

use super::page;
use super::world::{SharedWorld, Track};

/// The servers; they end when it is dropped.
#[derive(Debug, Default)]
pub(super) struct Loopback {
    servers: JoinSet<io::Result<()>>,
}

impl Loopback {
    /// Serves on a free port and says where.
    pub(super) async fn serve(&mut self, router: Router) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        self.servers.spawn(async move { axum::serve(listener, router).await });
        Ok(address)
    }
}

/// The target that is one version of `service`.
pub(super) fn target(world: SharedWorld, clock: Clock, service: &'static str, track: Track) -> Router {
    let metrics = async move || {
        let counts = world.lock().counts(service, track, clock.now());
        ([(header::CONTENT_TYPE, page::MEDIA_TYPE)], page::render(service, track, &counts))
    };
    Router::new().route("/metrics", get(metrics))
}
