//! Starting the threads, and ending them.

use std::cell::RefCell;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::idle;
use crate::own_log;
use crate::proxy::args::Args;
use crate::proxy::connection::tls;
use crate::proxy::connection::worker::{Order, Worker};
use crate::proxy::control::admin;
use crate::proxy::control::health;
use crate::proxy::control::inherit;
use crate::proxy::control::keep::Keep;
use crate::proxy::control::listen::Listeners;
use crate::proxy::control::state::State;
use crate::proxy::control::tables::Control;
use crate::proxy::edge::Edge;
use crate::proxy::measure::access_log::{self, Log, Writer};

/// Descriptors that no request gets, at least and at most: listening sockets, the admin socket's and the
/// health checks' connections, logs.
const SPARE_FILES: [u64; 2] = [64, 512];

/// Runs the proxy for the directory that `args` name, until it is told to end by SIGTERM or SIGINT.
#[must_use]
pub fn main(args: &[OsString]) -> ExitCode {
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            say(&why);
            ExitCode::FAILURE
        }
    }
}

/// The keeper writes standard error to the log.
pub(super) fn say(text: &str) {
    let _ = writeln!(io::stderr(), "windlass proxy: {text}");
}

fn run(args: &[OsString]) -> Result<(), String> {
    // Before anything else can open a file with one of their numbers.
    let inherited = match std::env::var("LISTEN_FDS") {
        Ok(count) => inherit::take(&count, &std::env::var("LISTEN_FDNAMES").unwrap_or_default()),
        Err(_) => Vec::new(),
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let args = Args::parse(args, cores)?;
    std::fs::create_dir_all(&args.directory)
        .map_err(|error| format!("{} cannot be made: {error}", args.directory.display()))?;
    let keep = keeper()?;
    let (writer, log_thread) = match &args.access_log {
        Some(path) => {
            let (writer, thread) = access_log::start(path, args.access_log_size, args.access_log_keep)
                .map_err(|error| format!("the access log cannot be written: {error}"))?;
            (Some(writer), Some(thread))
        }
        None => (None, None),
    };
    let edge = Arc::new(Edge::new(&args.directory));
    let max_conns = (max_connections() / args.workers).max(4);
    let (workers, threads) = start_workers(&edge, args.workers, max_conns, writer.as_ref())?;
    drop(writer);
    let result = control(&args.directory, edge, Listeners::new(inherited, keep, workers.clone()), workers);
    for thread in threads.into_iter().chain(log_thread) {
        let _ = thread.join();
    }
    result
}

fn keeper() -> Result<Keep, String> {
    match std::env::var_os("WINDLASS_KEEPER_SOCK") {
        None => Ok(Keep::none()),
        Some(path) => Keep::connect(Path::new(&path)).map_err(|error| {
            format!("the keeper's socket {} does not answer: {error}", Path::new(&path).display())
        }),
    }
}

/// The most connections of clients; requests may open as many descriptors again.
fn max_connections() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    let files = getrlimit(Resource::Nofile).current.unwrap_or(1 << 20);
    let spare = (files / 4).clamp(SPARE_FILES[0], SPARE_FILES[1]);
    usize::try_from(files.saturating_sub(spare) / 2).unwrap_or(usize::MAX).max(16)
}

fn runtime() -> io::Result<LocalRuntime> {
    Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(8)
        .thread_stack_size(256 * 1024)
        .build_local(LocalOptions::default())
}

type Workers = (Vec<UnboundedSender<Order>>, Vec<JoinHandle<()>>);

fn start_workers(
    edge: &Arc<Edge>,
    count: usize,
    max_conns: usize,
    writer: Option<&Writer>,
) -> Result<Workers, String> {
    let mut workers = Vec::new();
    let mut threads = Vec::new();
    for number in 1..=count {
        let (orders, received) = unbounded_channel();
        let edge = Arc::clone(edge);
        let writer = writer.cloned();
        let thread = std::thread::Builder::new()
            .name(format!("worker-{number}"))
            .spawn(move || match runtime() {
                Ok(runtime) => {
                    let worker = Rc::new(Worker::new(edge, max_conns, Log::new(writer)));
                    runtime.block_on(worker.run(received));
                }
                Err(error) => say(&format!("a worker cannot start: {error}")),
            })
            .map_err(|error| format!("a worker cannot start: {error}"))?;
        workers.push(orders);
        threads.push(thread);
    }
    Ok((workers, threads))
}

fn control(
    directory: &Path,
    edge: Arc<Edge>,
    listeners: Listeners,
    workers: Vec<UnboundedSender<Order>>,
) -> Result<(), String> {
    let failed = |error: io::Error| format!("cannot start: {error}");
    let (state, loaded) = State::open(directory);
    let control = Rc::new(Control {
        edge: Arc::clone(&edge),
        listeners: Rc::new(RefCell::new(listeners)),
        state: RefCell::new(state),
        workers,
        problem: RefCell::new(loaded.problem),
        unheard: RefCell::default(),
    });
    let is_successor = admin::is_served(directory);
    if is_successor {
        control
            .could_take_over(loaded.table.as_ref())
            .map_err(|why| format!("the proxy that runs is not replaced: {why}"))?;
    }
    if let Some(table) = loaded.table
        && let Err(why) = control.restore(table)
    {
        let why = format!("the stored table cannot be put in force: {why}");
        say(&why);
        *control.problem.borrow_mut() = Some(why);
    }
    runtime().map_err(failed)?.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let socket = admin::open(directory).map_err(|error| {
            format!("the admin socket in {} cannot be opened: {error}", directory.display())
        });
        // Whoever could take another's place leaves it to that one. Otherwise nobody else answers the clients.
        let socket = if is_successor { Some(socket?) } else { socket.inspect_err(|why| say(why)).ok() };
        let answers = admin::serve(directory.to_owned(), socket, Rc::clone(&control));
        let asked = tokio::task::spawn_local(answers);
        tokio::task::spawn_local(health::watch(Arc::clone(&edge)));
        tokio::task::spawn_local(tls::watch(edge));
        tokio::task::spawn_local(idle::give_back());
        tokio::task::spawn_local(own_log::come_back());
        tokio::task::spawn_local(Rc::clone(&control).keep_listening());
        control.listeners.borrow().ready();
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        asked.abort();
        close(&control).await;
        Ok(())
    })
}

/// Lets the requests in flight finish.
async fn close(control: &Control) {
    let edge = &control.edge;
    edge.close();
    let within = edge.live().table.drain.as_duration();
    for worker in &control.workers {
        let _ = worker.send(Order::Close { within });
    }
    let last = tokio::time::Instant::now() + within + Duration::from_secs(3);
    while control.workers.iter().any(|worker| !worker.is_closed()) && tokio::time::Instant::now() < last {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
