//! The web port: bounded connections, a limit for slow request heads, an orderly end.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::places::{Guest, Place, Places};
use crate::slow_browser;
use crate::visitor::Visitor;

/// A browser sends its request's head at once; whoever takes longer gives their place to another. It also
/// ends idle connections.
const HEAD_TIME: Duration = Duration::from_secs(15);

/// How long open answers may finish after `stop`.
const DRAIN: Duration = Duration::from_secs(2);

/// After a failed accept (no file descriptors left): do not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Answers on `listener` until `stop`, then finishes what is open, for two seconds at most.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    serve_with(listener, router, stop, slow_browser::PATIENCE).await;
}

async fn serve_with(listener: TcpListener, router: Router, stop: CancellationToken, patience: Duration) {
    let places = Places::default();
    let connections = TaskTracker::new();
    let cut = CancellationToken::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = accept(&listener, &places, patience) => accepted,
        };
        match accepted {
            Ok((_, None)) => {} // closed: all places are taken by connections that were served
            Ok((stream, Some(place))) => {
                let connection = converse(
                    stream,
                    place.guest(),
                    place.visitor(),
                    router.clone(),
                    stop.clone(),
                );
                let cut = cut.clone();
                connections.spawn(async move {
                    tokio::select! {
                        _ = cut.run_until_cancelled(connection) => {}
                        () = place.taken_away() => {}
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the web port cannot accept a connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    connections.close();
    if timeout(DRAIN, connections.wait()).await.is_err() {
        cut.cancel();
        connections.wait().await;
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Places,
    patience: Duration,
) -> io::Result<(TcpStream, Option<Place>)> {
    let (stream, peer) = listener.accept().await?;
    stream.set_nodelay(true)?;
    slow_browser::drop_after(&stream, patience)?;
    Ok((stream, places.give(Visitor::of(peer.ip()))))
}

async fn converse(
    stream: TcpStream,
    guest: Arc<Guest>,
    visitor: Visitor,
    router: Router,
    stop: CancellationToken,
) {
    let router = TowerToHyperService::new(router);
    let from_visitor = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(visitor);
        request.extensions_mut().insert(Arc::clone(&guest));
        router.call(request)
    });
    let mut connection = std::pin::pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIME)
            .serve_connection(TokioIo::new(stream), from_visitor)
    );
    let end = tokio::select! {
        end = connection.as_mut() => end,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = end {
        tracing::debug!(%error, "a web connection ended early");
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::body::{Body, Bytes};
    use axum::routing::get;
    use futures_util::stream;
    use nix::sys::socket::sockopt::{SndBuf, TcpUserTimeout};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::sync::Semaphore;

    use super::*;

    /// Far longer than the kernel takes to notice; a test that waits so long has failed.
    const LONG: Duration = Duration::from_secs(60);

    /// A stream without an end, which holds the one place as long as somebody is served.
    async fn endless(streams: Arc<Semaphore>) -> Body {
        let place = streams.try_acquire_owned().expect("the place is free");
        let chunks = stream::unfold(place, |place| async {
            Some((Ok::<_, Infallible>(Bytes::from_static(&[0; 65_536])), place))
        });
        Body::from_stream(chunks)
    }

    /// A browser that was sent the first bytes of an endless stream.
    async fn browser(streams: &Arc<Semaphore>, patience: Duration) -> (TcpStream, tokio::task::JoinSet<()>) {
        let streams = Arc::clone(streams);
        let router = Router::new().route("/", get(move || endless(Arc::clone(&streams))));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut server = tokio::task::JoinSet::new();
        server.spawn(serve_with(listener, router, CancellationToken::new(), patience));
        let mut browser = TcpStream::connect(address).await.unwrap();
        browser
            .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .await
            .unwrap();
        browser.read_exact(&mut [0; 1024]).await.unwrap();
        (browser, server)
    }

    #[tokio::test]
    async fn browser_that_stops_reading_gives_its_place_back() {
        let streams = Arc::new(Semaphore::new(1));
        let (_browser, _server) = browser(&streams, Duration::from_millis(200)).await;
        assert_eq!(streams.available_permits(), 0);
        let freed = timeout(LONG, streams.acquire()).await;
        assert!(freed.is_ok(), "it still holds its place");
    }

    #[tokio::test]
    async fn every_connection_has_the_bound() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _browser = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _place) = accept(&listener, &Places::default(), slow_browser::PATIENCE)
            .await
            .unwrap();
        let bound = nix::sys::socket::getsockopt(&stream, TcpUserTimeout).unwrap();
        assert_eq!(bound, 15_000);
        let waiting = nix::sys::socket::getsockopt(&stream, SndBuf).unwrap();
        assert!(
            waiting <= 2 * (64 << 10),
            "the kernel doubles what it is told: {waiting}"
        );
    }
}
