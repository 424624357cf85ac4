//! Whether a release is good enough is judged beside the old one.

use windlass_testkit::sandbox::{Load, Manifest, Sandbox};

use super::{WINDLASS, deployed, line};

#[test]
fn a_release_that_is_much_slower_than_the_old_one_goes_back_and_costs_no_request() {
    goes_back_when_each_answer_takes(500, "6s");
}

/// Not one request is answered before the bake is over.
#[test]
fn a_release_that_never_answers_goes_back_and_costs_no_request() {
    goes_back_when_each_answer_takes(30_000, "2s");
}

/// Twenty clients at a time, so that there are enough answers even when each takes long.
fn goes_back_when_each_answer_takes(millis: u32, bake: &str) {
    let manifest = Manifest {
        deploy: format!("bake = \"{bake}\"\nmin_requests = 10\nmax_p95_ratio = 3.0"),
        ..Manifest::small()
    };
    let sandbox = deployed(&manifest);
    let clients: Vec<Load> = (0..10).map(|_| Load::begin(sandbox.port)).collect();
    sandbox.behave(&format!("web.lag:{millis}"));
    let output = sandbox.fail(&["deploy"], 3);
    assert!(output.stderr.contains("the old release answers 95 % within"), "{output:#?}");
    for client in clients {
        client.end().assert_none_failed();
    }
    assert_eq!(sandbox.answering(), "r1");
    sandbox.down();
}

/// The old release answers for it meanwhile, so that not one request fails.
#[test]
fn a_release_that_is_not_ready_any_more_goes_back_also_where_hardly_anybody_asks() {
    let manifest = Manifest {
        deploy: "bake = \"4s\"".into(),
        web:
            "readiness = { http = \"/alive\", interval = \"100ms\", timeout = \"1s\", start_period = \"3s\", \
              unhealthy_after = 2 }"
                .into(),
        ..Manifest::small()
    };
    let sandbox = deployed(&manifest);
    sandbox.behave("web.dead-after:2500");
    let output = sandbox.fail(&["deploy"], 3);
    let expected = "no copy of web is ready at the end of the bake: ";
    assert!(output.stderr.contains(expected) && output.stderr.contains("503"), "{output:#?}");
    assert_eq!(sandbox.answering(), "r1");
    sandbox.down();
}

/// No copy of the old release stands by while copies give way one by one.
#[test]
fn errors_that_clients_saw_are_in_the_account_of_a_deploy() {
    let manifest = Manifest {
        deploy: "bake = \"20s\"\nmin_requests = 10".into(),
        web: "strategy = { rolling = { max_surge = 1 } }".into(),
        ..Manifest::small()
    };
    let sandbox = deployed(&manifest);
    let load = Load::begin(sandbox.port);
    sandbox.behave("web.wrong");
    let output = sandbox.fail(&["deploy"], 3);
    assert!(output.stderr.contains("requests to r2 failed"), "{output:#?}");
    assert!(output.stderr.contains("see its log with `windlass logs web --release r2`"), "{output:#?}");
    assert!(output.stderr.contains("answered with an error of the application's (5xx)"), "{output:#?}");
    let seen = load.end();
    let runs = sandbox.succeed(&["runs", "--json"]).json();
    let counted = runs[0]["requests"]["server_errors"].as_u64().unwrap();
    // Readiness is asked by the host side, and is none of these.
    assert_eq!(counted, u64::try_from(seen.failed().len()).unwrap(), "{runs}");
    assert_eq!(runs[0]["requests"]["failed"], 0, "{runs}");
    assert_eq!(sandbox.answering(), "r1");
    sandbox.down();
}

#[test]
fn a_release_that_is_not_alive_goes_back() {
    let line = line("a_release_that_is_not_alive_goes_back");
    let manifest = Manifest {
        web:
            "liveness = { http = \"/alive\", interval = \"100ms\", timeout = \"1s\", start_period = \"0s\", \
              unhealthy_after = 3 }"
                .into(),
        deploy: "bake = \"20s\"".into(),
        ..Manifest::small()
    };
    let sandbox = Sandbox::with(WINDLASS, &manifest);
    sandbox.succeed(&["deploy"]);
    sandbox.behave("web.dead-after:300");
    let watch = line.watch(&sandbox);
    let output = sandbox.fail(&["deploy"], 3);
    watch.end_without_loss();
    line.is_sound(&sandbox, "it went back");
    assert!(output.stderr.contains("web.r2.1 is not alive: GET /alive on 127.0.0.1:"), "{output:#?}");
    assert_eq!(sandbox.answering(), "r1");
    sandbox.down();
    line.held("");
}
