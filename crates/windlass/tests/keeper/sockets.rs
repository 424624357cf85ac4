//! The socket store and the replacement of a process by another.

use std::io::{Read, Write};
use std::net::TcpStream;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixListener;
use windlass::runtime::process::{self, RuntimeError};
use windlass_core::launch::{Launch, ProcessState};
use windlass_core::spec::RestartWhen;
use windlass_core::units::Span;

use super::kit::{Kept, kill, lives, processes_of, until, within};

/// A server that keeps its listening socket with its keeper, as the proxy does, and answers with its
/// process id and what it was given.
const SERVER: &str = r#"
import array, os, signal, socket, sys
names = os.environ.get("LISTEN_FDNAMES", "")
store = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
store.connect(os.environ["WINDLASS_KEEPER_SOCK"])
if names:
    listener = socket.socket(fileno=3)
else:
    listener = socket.create_server(("127.0.0.1", 0))
    store.sendmsg([b"STORE web:main\n"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [listener.fileno()]))])
if os.path.exists("broken"):
    sys.exit(7)
def finish(*_):
    listener.close()
    open(f"lingers.{os.getpid()}", "w").close()
    signal.pause()
if os.path.exists("lingers"):
    signal.signal(signal.SIGTERM, finish)
if not os.path.exists("slow"):
    store.send(b"READY\n")
with open("port.new", "w") as f:
    f.write(str(listener.getsockname()[1]))
os.rename("port.new", "port")
while True:
    connection, _ = listener.accept()
    connection.send(f"{os.getpid()} {os.environ.get('LISTEN_FDS')} {names}\n".encode())
    connection.close()
"#;

fn server(kept: &Kept) -> Launch {
    let mut launch = kept.launch(&["python3", "-c", SERVER]);
    launch.sockets = true;
    launch.restart.when = RestartWhen::Always;
    launch
}

/// Connects, which must never be refused, and gives the answer.
fn ask(port: u16) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the socket is kept");
    stream.flush().unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

async fn port(kept: &Kept) -> u16 {
    kept.file("port").await.parse().unwrap()
}

#[tokio::test]
async fn a_listening_socket_outlives_the_process() {
    let kept = Kept::new();
    kept.start(&server(&kept)).await.unwrap();
    let port = port(&kept).await;
    let first = kept.pid();
    assert_eq!(ask(port), format!("{first} None \n"));
    kill(first, "KILL");
    until(|| (!lives(first)).then_some(())).await;
    // Nobody accepts now; the kernel queues.
    let answer = ask(port);
    assert!(answer.ends_with(" 1 web%3Amain\n"), "{answer}");
    assert_ne!(answer, format!("{first} 1 web%3Amain\n"));
    kept.stop().await;
}

#[tokio::test]
async fn a_process_is_replaced_without_a_refused_connection() {
    let kept = Kept::new();
    kept.start(&server(&kept)).await.unwrap();
    let port = port(&kept).await;
    let first = kept.pid();
    let replaced = process::replace(&kept.dir).await.unwrap();
    assert_ne!(replaced.pid, first);
    until(|| (!lives(first)).then_some(())).await;
    assert_eq!(ask(port), format!("{} 1 web%3Amain\n", replaced.pid));
    assert_eq!((kept.pid(), kept.status().restarts), (replaced.pid, 0));
    assert_eq!(processes_of(&kept.dir), [replaced.pid]);
    kept.stop().await;
}

#[tokio::test]
async fn what_is_amiss_is_no_refusal_and_is_told_until_it_is_put_right() {
    let kept = Kept::new();
    kept.start(&server(&kept)).await.unwrap();
    port(&kept).await;
    // The status cannot be replaced, and is written over.
    let in_the_way = kept.dir.join("status.new");
    std::fs::create_dir(&in_the_way).unwrap();
    for _ in 0..2 {
        let first = kept.pid();
        let replaced = process::replace(&kept.dir).await.unwrap();
        assert_eq!(kept.pid(), replaced.pid);
        let told = kept.status().degraded.unwrap();
        assert!(told.starts_with("its keeper cannot write status.json: "), "{told}");
        until(|| (!lives(first)).then_some(())).await;
    }
    std::fs::remove_dir(&in_the_way).unwrap();
    until(|| kept.status().degraded.is_none().then_some(())).await;
    // Who asks in vain is told, and nobody else.
    std::fs::write(kept.path("broken"), "").unwrap();
    let mut others = process::watch(&kept.dir).await.unwrap();
    process::replace(&kept.dir).await.unwrap_err();
    kept.stop().await;
    while let Some(status) = others.recv().await {
        assert_eq!(status.note, None, "{status:?}");
    }
}

#[tokio::test]
async fn what_an_earlier_keeper_cannot_write_down_is_replaced_all_the_same() {
    let kept = Kept::new();
    std::fs::create_dir(&kept.dir).unwrap();
    let listener = UnixListener::bind(kept.dir.join("sock")).unwrap();
    // It told of all that was amiss in its note, and of its refusals.
    let first = r#"{"keeper":1,"state":{"running":{"pid":2,"start_ticks":3}},"restarts":0,"last_exit":null,"since":4,"note":null}"#;
    let amiss = r#""cannot write status.json: No space left on device (os error 28)""#;
    let second =
        first.replace(r#""pid":2"#, r#""pid":5"#).replace(r#""note":null"#, &format!(r#""note":{amiss}"#));
    let refused = first.replace(r#""note":null"#, r#""note":"it does not come up""#);
    for last in [second, refused] {
        let keeper = async {
            let (stream, _) = listener.accept().await.unwrap();
            let mut lines = BufReader::new(stream).lines();
            for answer in [first.to_owned(), format!("{first}\n{last}")] {
                lines.next_line().await.unwrap().unwrap();
                lines.get_mut().write_all(format!("{answer}\n").as_bytes()).await.unwrap();
            }
        };
        let (replaced, ()) = within(async { tokio::join!(process::replace(&kept.dir), keeper) }).await;
        match replaced {
            Ok(replaced) => assert_eq!((replaced.pid, last.contains("cannot write")), (5, true)),
            Err(error) => assert!(error.to_string().contains("does not come up"), "{error}"),
        }
    }
}

#[tokio::test]
async fn what_replaces_it_by_another_program_is_started_again_as_that() {
    let kept = Kept::new();
    kept.start(&server(&kept)).await.unwrap();
    let port = port(&kept).await;
    // It does not come up: what is to run stays what it was.
    std::fs::write(kept.path("broken"), "").unwrap();
    let other: Vec<String> = ["python3", "-u", "-c", SERVER].map(str::to_owned).into();
    process::replace_by(&kept.dir, &other).await.unwrap_err();
    let launched = || process::observe(&kept.dir).unwrap().launch.argv;
    assert_eq!(launched(), server(&kept).argv);
    std::fs::remove_file(kept.path("broken")).unwrap();
    // It cannot be written down, as on a full disk.
    std::fs::create_dir(kept.dir.join("launch.new")).unwrap();
    let first = kept.pid();
    let refused = process::replace_by(&kept.dir, &other).await.unwrap_err().to_string();
    assert!(refused.contains("it cannot be written down what is to run"), "{refused}");
    until(|| (processes_of(&kept.dir) == [first]).then_some(())).await;
    assert_eq!(launched(), server(&kept).argv);
    std::fs::remove_dir(kept.dir.join("launch.new")).unwrap();
    let replaced = process::replace_by(&kept.dir, &other).await.unwrap();
    assert_eq!(launched(), other);
    kill(replaced.pid, "KILL");
    until(|| (kept.status().restarts == 1).then_some(())).await;
    // Alone: a predecessor that is just dying takes a connection with it.
    until(|| {
        let ProcessState::Running { pid, .. } = kept.status().state else { return None };
        (processes_of(&kept.dir) == [pid]).then_some(())
    })
    .await;
    assert!(!ask(port).is_empty());
    let command = std::fs::read(format!("/proc/{}/cmdline", kept.pid())).unwrap();
    let command = String::from_utf8_lossy(&command);
    assert!(command.contains("\0-u\0"), "{command}");
    kept.stop().await;
}

#[tokio::test]
async fn the_first_goes_on_when_the_second_fails() {
    for (how, grace, expected) in [
        (
            "broken",
            60,
            "not replaced, the old process goes on: the new process ended before it was ready (exit code 7)",
        ),
        ("slow", 1, "not replaced, the old process goes on: the new process was not ready in time"),
    ] {
        let kept = Kept::new();
        let mut launch = server(&kept);
        launch.stop.grace = Span::from_secs(grace);
        kept.start(&launch).await.unwrap();
        let port = port(&kept).await;
        let first = kept.pid();
        std::fs::write(kept.path(how), "").unwrap();
        let error = process::replace(&kept.dir).await.unwrap_err();
        assert!(matches!(error, RuntimeError::Refused { .. }));
        assert_eq!(error.to_string(), expected);
        until(|| (processes_of(&kept.dir) == [first]).then_some(())).await;
        assert_eq!(ask(port), format!("{first} None \n"));
        assert!(matches!(kept.status().state, ProcessState::Running { pid, .. } if pid == first));
        kept.stop().await;
    }
}

#[tokio::test]
async fn a_predecessor_that_still_ends_is_in_nobodys_way() {
    let kept = Kept::new();
    let launch = server(&kept);
    std::fs::write(kept.path("lingers"), "").unwrap();
    kept.start(&launch).await.unwrap();
    let port = port(&kept).await;
    let mut all = vec![kept.pid()];
    // As many as have room in the store beside the one that runs and the one that is to replace it.
    for _ in 0..6 {
        all.push(within(process::replace(&kept.dir)).await.unwrap().pid);
    }
    let refused = within(process::replace(&kept.dir)).await.unwrap_err();
    assert!(refused.is_being_replaced(), "{refused}");
    let last = all.pop().unwrap();
    for former in &all {
        until(|| kept.path(&format!("lingers.{former}")).exists().then_some(())).await;
        assert!(lives(*former));
    }
    assert_eq!(kept.pid(), last);
    assert_eq!(ask(port), format!("{last} 1 web%3Amain\n"));
    // Where one has ended, another has room.
    kill(all[0], "KILL");
    until(|| (!lives(all[0])).then_some(())).await;
    within(async {
        while process::replace(&kept.dir).await.is_err_and(|error| error.is_being_replaced()) {}
    })
    .await;
    assert_ne!(kept.pid(), last);
    kept.stop_within(Span::ZERO).await;
    assert_eq!(processes_of(&kept.dir), [0; 0]);
}

#[tokio::test]
async fn one_that_is_being_replaced_is_not_replaced_beside_that() {
    let kept = Kept::new();
    kept.start(&server(&kept)).await.unwrap();
    port(&kept).await;
    std::fs::write(kept.path("slow"), "").unwrap();
    let replacing = process::replace(&kept.dir);
    let asking = async {
        until(|| (processes_of(&kept.dir).len() == 2).then_some(())).await;
        let refused = within(process::replace(&kept.dir)).await.unwrap_err();
        assert!(refused.is_being_replaced(), "{refused}");
        kept.stop().await;
        // What does not run is refused for that.
        assert!(!within(process::replace(&kept.dir)).await.unwrap_err().is_being_replaced());
    };
    let (replaced, ()) = tokio::join!(replacing, asking);
    replaced.unwrap_err();
}

#[tokio::test]
async fn a_keeper_that_hangs_is_not_waited_for_for_ever() {
    let kept = Kept::new();
    let mut launch = server(&kept);
    launch.stop.grace = Span::from_millis(100);
    kept.start(&launch).await.unwrap();
    port(&kept).await;
    let keeper = kept.status().keeper;
    kill(keeper, "STOP");
    let error = process::replace(&kept.dir).await.unwrap_err();
    kill(keeper, "CONT");
    assert!(error.is_retryable(), "{error}");
    kept.stop().await;
}

async fn another_keeper(kept: &Kept) {
    kill(kept.status().keeper, "KILL");
    until(|| (!process::observe(&kept.dir).unwrap().keeper_alive).then_some(())).await;
    process::readopt(&kept.dir).await.unwrap();
}

#[tokio::test]
async fn an_adopted_process_is_not_killed_with_its_successor_and_ends_when_it_is_replaced() {
    let kept = Kept::new();
    kept.start(&server(&kept)).await.unwrap();
    port(&kept).await;
    let first = kept.pid();
    let second = process::replace(&kept.dir).await.unwrap().pid;
    until(|| (processes_of(&kept.dir) == [second]).then_some(())).await;
    another_keeper(&kept).await;
    std::fs::write(kept.path("broken"), "").unwrap();
    process::replace(&kept.dir).await.unwrap_err();
    assert_eq!((kept.pid(), processes_of(&kept.dir)), (second, vec![second]), "began with {first}");
    std::fs::remove_file(kept.path("broken")).unwrap();
    let third = process::replace(&kept.dir).await.unwrap().pid;
    until(|| (processes_of(&kept.dir) == [third]).then_some(())).await;
    // Another replacement may follow at once, whether or not its keeper has taken notice of that end.
    process::replace(&kept.dir).await.unwrap();
    kept.stop().await;
}

#[tokio::test]
async fn a_successor_whose_keeper_was_killed_does_not_serve_beside_the_first() {
    let kept = Kept::new();
    kept.start(&server(&kept)).await.unwrap();
    port(&kept).await;
    let first = kept.pid();
    std::fs::write(kept.path("slow"), "").unwrap();
    let replacing = process::replace(&kept.dir);
    let killing = async {
        until(|| (processes_of(&kept.dir).len() == 2).then_some(())).await;
        another_keeper(&kept).await;
    };
    let (replaced, ()) = tokio::join!(replacing, killing);
    assert!(matches!(replaced, Err(RuntimeError::KeeperDied { .. })), "{replaced:?}");
    until(|| (processes_of(&kept.dir) == [first]).then_some(())).await;
    assert_eq!(kept.pid(), first);
    kept.stop().await;
}

#[tokio::test]
async fn the_store_is_reached_from_a_directory_with_a_long_name() {
    let outer = Kept::new();
    let long = outer.path(&"directory-".repeat(20));
    std::fs::create_dir(&long).unwrap();
    let kept = Kept::in_directory(&long);
    kept.start(&server(&kept)).await.unwrap();
    let port = port(&kept).await;
    let first = kept.pid();
    kill(first, "KILL");
    until(|| (!lives(first)).then_some(())).await;
    assert!(ask(port).ends_with(" web%3Amain\n"));
    kept.stop().await;
}
