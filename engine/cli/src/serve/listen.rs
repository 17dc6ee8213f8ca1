//! The sockets, and what one client may take of the server: a connection is for one question, which must be asked soon and be answered within a
//! while. Nobody who is slow or idle holds up the others, and what he holds he does not hold for long.

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use hyper::{Request, body::Incoming, header, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::TcpListener,
    sync::Semaphore,
    time::{sleep, timeout},
};

use super::{
    gate::{Gate, Refusal},
    pages::notice,
    route::Asked,
    site::Site,
};

/// Connections at one time; more wait to be accepted.
const CONNECTIONS: usize = 256;

/// How long a client has to say what it wants.
const ASKING: Duration = Duration::from_secs(10);

/// How long a connection lasts at most: the report of a large study takes a while, and so does a slow line.
const WHOLE: Duration = Duration::from_mins(3);

/// The most that a request's head may be long, in bytes.
const HEAD: usize = 16 << 10;

/// Answers whoever comes, for ever.
pub async fn serve(listener: TcpListener, gate: Gate, site: Site) -> Infallible {
    let (gate, site, room) = (Arc::new(gate), Arc::new(site), Arc::new(Semaphore::new(CONNECTIONS)));
    loop {
        let place = Arc::clone(&room).acquire_owned().await.expect("the semaphore is never closed");
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // A client that is gone already is nobody's trouble; where descriptors have run out, some come free soon.
                if error.kind() != io::ErrorKind::ConnectionAborted {
                    sleep(Duration::from_millis(50)).await;
                }
                continue;
            }
        };
        let (gate, site) = (Arc::clone(&gate), Arc::clone(&site));
        tokio::spawn(async move {
            let _place = place;
            let service = service_fn(|request| {
                let (gate, site) = (Arc::clone(&gate), Arc::clone(&site));
                async move { Ok::<_, Infallible>(answer(&request, &gate, &site).await) }
            });
            let connection = http1::Builder::new()
                .keep_alive(false)
                .timer(TokioTimer::new())
                .header_read_timeout(ASKING)
                .max_buf_size(HEAD)
                .serve_connection(TokioIo::new(stream), service);
            // What goes wrong with a client's connection is the client's to see.
            let _ = timeout(WHOLE, connection).await;
        });
    }
}

async fn answer(
    request: &Request<Incoming>,
    gate: &Gate,
    site: &Site,
) -> hyper::Response<http_body_util::Full<hyper::body::Bytes>> {
    let method = request.method().as_str();
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let path = request.uri().path();
    match gate.pass(method, host) {
        Err(Refusal::Method) => notice::only_reading(path),
        Err(Refusal::Host(host)) => notice::other_host(&host, path),
        Ok(()) => match Asked::read(path, request.uri().query().unwrap_or_default()) {
            Some(asked) => site.answer(path, &asked).await,
            None => notice::nothing_there(path),
        },
    }
    .response(method == "HEAD")
}
