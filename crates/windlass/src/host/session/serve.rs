//! The host side's main loop.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::rc::Rc;

use rustix::fs::{FlockOperation, flock};
use tokio::signal::unix::{SignalKind, signal};

use crate::host::Host;
use crate::idle;
use crate::layout::Layout;
use crate::own_log;
use crate::transport;

/// Serves the environment until it is told to end.
pub(in crate::host) fn run(args: &[OsString]) -> Result<(), String> {
    let [root] = args else { return Err("usage: windlass host DIRECTORY".to_owned()) };
    let layout = Layout::at(PathBuf::from(root));
    layout.make().map_err(|error| format!("{} cannot be used: {error}", layout.root().display()))?;
    let _lock = alone(&layout)?;
    for directory in [layout.state(), layout.state().join("settings"), layout.host(), layout.proxy()] {
        crate::layout::sweep(&directory);
    }
    // Without room for it a run can still go forward; preflight says what is missing.
    let _ = crate::host::run::reserve::keep(&layout);
    let host = Host::open(layout).map_err(|error| error.to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("no runtime: {error}"))?;
    let local = tokio::task::LocalSet::new();
    let ended = local.block_on(&runtime, async {
        let ended = serve(host.clone()).await;
        host.work_is_over().await;
        ended
    });
    drop(local);
    // Another thread may hang for long: at a name server, or a disk. Whoever comes next sees what it left.
    runtime.shutdown_background();
    ended
}

/// One host side for an environment: the lock is the kernel's, so that it never outlives its owner.
fn alone(layout: &Layout) -> Result<File, String> {
    let path = layout.state().join("host.lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(|error| format!("{}: {error}", path.display()))?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| "another host side serves this environment already".to_owned())?;
    Ok(file)
}

async fn serve(host: Rc<Host>) -> Result<(), String> {
    let listener = transport::bind(&host.layout.host(), "sock")
        .map_err(|error| format!("{}: {error}", host.layout.host().join("sock").display()))?;
    let failed = |error: std::io::Error| format!("signals cannot be awaited: {error}");
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    host.take_up();
    host.supervise();
    host.rest_unless_needed();
    tokio::task::spawn_local(idle::give_back());
    tokio::task::spawn_local(own_log::come_back());
    // One for all turns: whoever comes in its last moments must not make it forgotten.
    let mut ended = std::pin::pin!(host.ended());
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    let host = host.clone();
                    tokio::task::spawn_local(async move { crate::host::session::conversation::converse(&host, stream).await });
                }
            }
            // Its keeper, which may have asked for it, knows what follows; to anybody else this is no end that
            // was wanted, and it is started again.
            _ = terminate.recv() => return Err("ended by a signal".to_owned()),
            () = &mut ended => return Ok(()),
        }
    }
}
