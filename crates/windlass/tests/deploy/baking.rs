//! Whether a release is good enough is judged beside the old one.

use windlass_testkit::sandbox::{Load, Manifest};

use super::deployed;

/// Twenty clients at a time: even at a second and a half for each answer there are enough of them.
#[test]
fn a_release_that_is_much_slower_than_the_old_one_goes_back_and_costs_no_request() {
    let manifest = Manifest {
        deploy: "bake = \"6s\"\nmin_requests = 10\nmax_p95_ratio = 3.0".to_owned(),
        ..Manifest::small()
    };
    let sandbox = deployed(&manifest);
    let clients: Vec<Load> = (0..10).map(|_| Load::begin(sandbox.port)).collect();
    sandbox.behave("web.lag:1500");
    let output = sandbox.fail(&["deploy"], 3);
    assert!(output.stderr.contains("the old release answers 95 % within"), "{output:#?}");
    for client in clients {
        client.end().assert_none_failed();
    }
    assert_eq!(sandbox.answering(), "r1");
    sandbox.down();
}
