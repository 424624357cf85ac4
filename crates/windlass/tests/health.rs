//! Probes against real listeners and real commands.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of a test fails the test")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use windlass::health::{Target, probe};
use windlass_core::spec::{Command, Probe, Statuses, Template};

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(300);

fn target(address: Option<SocketAddr>, directory: &Path) -> Target {
    Target {
        address,
        directory: directory.to_owned(),
        env: vec![("PATH".into(), "/usr/bin:/bin".into()), ("GREETING".into(), "a 'b' $c".into())].into(),
        user: None,
        values: Arc::new(|reference| Ok(format!("<{reference}>"))),
    }
}

fn ask(question: &Probe, address: Option<SocketAddr>, timeout: Duration) -> Result<(), String> {
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime
        .block_on(async { probe(question, &target(address, dir.path()), timeout).await })
        .map_err(|unhealthy| unhealthy.reason)
}

fn shell(line: &str) -> Probe {
    Probe::Command(Command::Shell(line.to_owned()))
}

/// Answers one request with `answer`; the request that came.
fn serve(answer: &'static str) -> (SocketAddr, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        let mut request = vec![0; 4096];
        let length = stream.read(&mut request).unwrap();
        let _ = stream.write_all(answer.as_bytes());
        String::from_utf8(request[..length].to_vec()).unwrap()
    });
    (address, server)
}

fn http(status: Option<Statuses>, host: Option<&str>) -> Probe {
    Probe::Http { path: "/health?x=1".into(), status, host: host.map(Into::into) }
}

// proves: HS-21, APE-12
#[test]
fn an_answer_below_400_is_healthy_and_the_host_can_be_chosen() {
    let (address, server) = serve("HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(ask(&http(None, Some("shop.example")), Some(address), LONG), Ok(()));
    let request = server.join().unwrap();
    assert!(request.starts_with("GET /health?x=1 HTTP/1.1\r\nhost: shop.example\r\n"), "{request}");
}

#[test]
fn an_unhealthy_answer_is_shown() {
    let (address, _server) = serve("HTTP/1.1 503 Busy\r\ncontent-length: 5\r\n\r\nno db");
    assert_eq!(
        ask(&http(None, None), Some(address), LONG),
        Err(format!("GET /health?x=1 on {address}: answered 503 Service Unavailable: no db"))
    );
    let (address, _server) = serve("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(
        ask(&http(Some(418.into()), None), Some(address), LONG),
        Err(format!("GET /health?x=1 on {address}: answered 200 OK instead of 418"))
    );
}

// proves: APE-12
#[test]
fn silence_and_refusal_are_told_apart() {
    // Accepts (in the kernel's queue) and never answers.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    assert_eq!(
        ask(&http(None, None), Some(address), SHORT),
        Err(format!("GET /health?x=1 on {address} was not answered within 300ms"))
    );
    assert_eq!(ask(&Probe::Tcp, Some(address), LONG), Ok(()));
    drop(listener);
    let refused = ask(&Probe::Tcp, Some(address), LONG).unwrap_err();
    assert!(refused.starts_with(&format!("cannot connect to {address}: Connection refused")), "{refused}");
    assert!(ask(&Probe::Tcp, None, LONG).unwrap_err().starts_with("it has no port to ask"));
}

// proves: DC-3
#[test]
fn a_command_is_judged_by_its_exit_code_and_its_output_is_shown() {
    assert_eq!(ask(&shell("test \"$GREETING\" = \"a 'b' \\$c\" && test -z \"$HOME\""), None, LONG), Ok(()));
    assert_eq!(
        ask(&shell("echo out; echo err >&2; exit 3"), None, LONG),
        Err("/bin/sh -c echo out; echo err >&2; exit 3: exit code 3; it said:\nout\nerr".into())
    );
    let words = ["test", "<port>", "=", "{port}"].map(|word| Template::parse(word).unwrap());
    assert_eq!(ask(&Probe::Command(Command::Argv(words.to_vec())), None, LONG), Ok(()));
    let missing = Probe::Command(Command::Argv(vec![Template::literal("/no/such/program")]));
    assert!(ask(&missing, None, LONG).unwrap_err().contains("cannot be started: No such file"));
}

#[test]
fn a_command_that_floods_is_bounded() {
    let said = ask(&shell("yes | head -c 5000000; exit 1"), None, LONG).unwrap_err();
    assert!(said.len() < 5000, "{} bytes", said.len());
}

/// A command that hangs: with a child in its group, and one that has left both group and session
/// and is nobody's child. It writes down both.
fn hanging(pids: &Path) -> Probe {
    let pids = pids.display();
    shell(&format!(
        "sleep 1000 & echo $! > {pids}; (setsid sleep 1001 & echo $! >> {pids}); wait; sleep 1000"
    ))
}

/// How many have been written down.
fn written(pids: &Path) -> usize {
    std::fs::read_to_string(pids).map_or(0, |pids| pids.lines().count())
}

fn assert_gone(pids: &Path) {
    let pids = std::fs::read_to_string(pids).unwrap();
    assert_eq!(pids.lines().count(), 2);
    for pid in pids.lines() {
        let deadline = Instant::now() + LONG;
        while lives(pid) {
            assert!(Instant::now() < deadline, "{pid} lives on");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn a_command_that_hangs_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let pids = dir.path().join("pids");
    // A busy machine may kill it before it has started both.
    for timeout in (0..8).map(|times| SHORT * 2_u32.pow(times)) {
        let reason = ask(&hanging(&pids), None, timeout).unwrap_err();
        assert!(reason.contains(&format!("did not end within {timeout:?} and was killed")), "{reason}");
        if written(&pids) == 2 {
            break;
        }
    }
    assert_gone(&pids);
}

#[test]
fn a_command_that_nobody_waits_for_any_more_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let pids = dir.path().join("pids");
    let (question, target) = (hanging(&pids), target(None, dir.path()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let both = async {
            while written(&pids) < 2 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            answer = probe(&question, &target, LONG) => panic!("{answer:?}"),
            () = both => {}
        }
    });
    assert_gone(&pids);
}

#[test]
fn a_command_runs_as_its_account() {
    // Only root can become another.
    if !windlass_testkit::machine::has_root("a_command_runs_as_its_account") {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let ask = |user: &str, line: &str| {
        let target = Target { user: Some(user.into()), ..target(None, Path::new("/")) };
        runtime.block_on(async { probe(&shell(line), &target, LONG).await }).map_err(|why| why.reason)
    };
    assert_eq!(ask("nobody", "test \"$(id -un) $(id -G)\" = \"nobody $(id -g)\""), Ok(()));
    // With all its groups, where anybody has several here.
    let group = std::fs::read_to_string("/etc/group").unwrap();
    let members = group.lines().filter_map(|line| line.rsplit_once(':')?.1.split(',').next());
    for member in members.filter(|member| !member.is_empty() && *member != "root") {
        let all = format!("test \"$(id -G | xargs -n1 | sort)\" = \"$(id -G {member} | xargs -n1 | sort)\"");
        assert_eq!(ask(member, &all), Ok(()), "{member}");
    }
    assert!(ask("no-such-account", "true").unwrap_err().ends_with("there is no account \"no-such-account\""));
}

#[test]
fn a_background_child_does_not_hold_up_the_answer() {
    assert_eq!(ask(&shell("sleep 1000 & exit 0"), None, LONG), Ok(()));
}

/// Whether a process runs: a zombie that nobody has reaped yet does not.
fn lives(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or("").trim_start().starts_with('Z'))
}
