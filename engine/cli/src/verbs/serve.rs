//! `serve`: the ledger in a browser, until it is told to end.

use std::io;

use anyhow::anyhow;
use isoflop_contract::Catalog;
use serde_json::json;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

use crate::{
    args::ServeArgs,
    output::{Output, Paint},
    serve::{Gate, Site, serve as answer},
    settings::Settings,
    soft,
    stop::{Stop, infrastructure},
};

/// Listens, says where, and answers until Ctrl-C or SIGTERM: that is how it ends well.
pub async fn serve(args: &ServeArgs, catalog: Catalog, settings: &Settings, out: &mut Output) -> Result<(), Stop> {
    let signals = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    let (Ok(mut int), Ok(mut term)) = signals else {
        return Err(Stop::Internal(anyhow!("signals cannot be listened for")));
    };
    let site = Site::new(settings.clone(), &args.studies, catalog)?;
    let listener = TcpListener::bind(args.listen).await.map_err(|error| cannot_listen(args, &error))?;
    let address = listener.local_addr().map_err(infrastructure)?;
    let gate = Gate::new(address, soft::host());
    // Whatever keeps the ledger from being read is told now, not in a browser.
    let ledger = tokio::select! {
        ledger = site.ledger() => ledger?,
        _ = int.recv() => return Ok(()),
        _ = term.recv() => return Ok(()),
    };
    let url = format!("http://{address}/");
    if out.json {
        out.data(&json!({"version": 1, "url": url, "home": settings.home}))?;
    } else {
        let url = out.paint(Paint::Bold, &url);
        out.line(&format!("serving {} at {url} (read-only; Ctrl-C ends it)", settings.home.display()))?;
    }
    let warning = || Paint::Notice.on("warning:", settings.color_err);
    if gate.is_open() {
        eprintln!(
            "{} anyone who can reach {address} can read everything that is recorded here, without a password",
            warning()
        );
    }
    if ledger.is_none() {
        eprintln!("nothing was run in {} yet; the pages fill when something is", settings.home.display());
    }
    tokio::select! {
        never = answer(listener, gate, site) => match never {},
        _ = int.recv() => Ok(()),
        _ = term.recv() => Ok(()),
    }
}

fn cannot_listen(args: &ServeArgs, error: &io::Error) -> Stop {
    let address = args.listen;
    infrastructure(match error.kind() {
        io::ErrorKind::AddrInUse => {
            anyhow!(
                "{address} is taken by another program, perhaps another `isoflop serve`; `--listen {}:0` picks a free port",
                bracketed(address.ip())
            )
        }
        io::ErrorKind::AddrNotAvailable => {
            anyhow!("{} is no address of this machine; leave --listen out for 127.0.0.1", address.ip())
        }
        io::ErrorKind::PermissionDenied => {
            anyhow!(
                "this user may not listen at port {}; take one from 1024 on, as in `--listen {}:7357`",
                address.port(),
                bracketed(address.ip())
            )
        }
        _ => anyhow!("cannot listen at {address}: {error}"),
    })
}

/// An address as it stands before a port.
fn bracketed(ip: std::net::IpAddr) -> String {
    if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() }
}
