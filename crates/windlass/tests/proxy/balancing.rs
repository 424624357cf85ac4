//! Which of several copies gets a request: the one with the fewest that are not answered yet.

use crate::support::{Backend, Client, Proxy, get, table, wait_for};

/// Requests that one of two copies is slow to answer.
const SLOW: usize = 4;

/// In turn, every other request would wait for the slow one.
#[test]
fn a_slow_copy_gets_no_more_while_another_has_fewer_to_answer() {
    let (slow, fast) = (Backend::start("slow"), Backend::start("fast"));
    let both = [("web.r1.1", slow.address), ("web.r1.2", fast.address)];
    let proxy = Proxy::with(&table(1, "r1", &both[..1]));
    let address = proxy.address();
    let waiting: Vec<Client> = (0..SLOW)
        .map(|_| {
            let mut client = Client::connect(address);
            client.send("GET /slow/600000 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
            client
        })
        .collect();
    wait_for("the slow requests", || proxy.left_on("web.r1.1") == SLOW as u64);
    proxy.apply(&table(2, "r1", &both));
    // On a connection of their own and on a kept one; each has its own turn, and neither counts.
    let mut kept = Client::connect(address);
    for _ in 0..100 {
        assert_eq!(get(address, "/").text(), "fast");
        assert_eq!(kept.get("/").unwrap().text(), "fast");
    }
    assert_eq!((slow.count(), fast.count()), (SLOW as u64, 200));
    // Whoever has nothing more to answer gets its share again.
    drop(waiting);
    wait_for("the slow requests to be over", || proxy.left_on("web.r1.1") == 0);
    wait_for("its share", || get(address, "/").text() == "slow");
}

/// Each keeps what it holds, and a new request goes to whoever holds least.
#[test]
fn requests_that_last_are_spread_evenly() {
    let copies = [Backend::start("one"), Backend::start("two"), Backend::start("three")];
    let names = ["web.r1.1", "web.r1.2", "web.r1.3"];
    let endpoints: Vec<_> = names.into_iter().zip(copies.iter().map(|copy| copy.address)).collect();
    let proxy = Proxy::with(&table(1, "r1", &endpoints));
    let address = proxy.address();
    let mut waiting = Vec::new();
    for count in 1..=4 * copies.len() as u64 {
        let mut client = Client::connect(address);
        client.send("GET /slow/600000 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        waiting.push(client);
        let held = || names.map(|name| proxy.left_on(name));
        wait_for("the request in flight", || held().iter().sum::<u64>() == count);
        let (least, most) = (held().into_iter().min(), held().into_iter().max());
        assert!(most <= least.map(|least| least + 1), "{:?}", held());
    }
}
