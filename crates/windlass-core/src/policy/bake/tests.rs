use proptest::prelude::*;

use super::*;
use crate::units::Span;

fn rules() -> Deploy {
    Deploy {
        keep: 5,
        bake: Span::from_secs(3),
        max_error_rate: 0.05,
        max_p95_ratio: 3.0,
        min_requests: 20,
        drain: Span::from_secs(30),
        smoke: vec![],
        min_free_disk: 0,
    }
}

/// Counters with so many answers of at most so many microseconds.
fn counted(answers: &[(u64, u64)]) -> Counters {
    let mut latency = vec![0; LATENCY_BOUNDS_MICROS.len() + 1];
    for (micros, count) in answers {
        latency[LATENCY_BOUNDS_MICROS.iter().position(|bound| bound == micros).unwrap()] += count;
    }
    Counters { served: latency.iter().sum(), latency, ..Counters::default() }
}

/// A release that took 5 ms, watched for a while with nothing else on the machine.
fn calm(quarters: [&[(u64, u64)]; 2]) -> Latencies {
    Latencies {
        before: counted(&[(3_000, 3_200), (5_000, 700), (7_500, 60)]),
        control: vec![1_200; 15],
        quarters: quarters.map(counted),
        ..Latencies::default()
    }
}

#[test]
fn a_release_that_is_slow_throughout_goes_back() {
    let slow = calm([&[(5_000, 110), (500_000, 40)], &[(5_000, 104), (500_000, 46)]]);
    assert_eq!(latency(&rules(), &slow), Some(Slow { limit: 105_000, over: 86, asked: 300, usual: 5_000 }));
}

#[test]
fn one_slow_moment_is_no_slow_release() {
    let burst = calm([&[(5_000, 90), (500_000, 60)], &[(5_000, 150)]]);
    assert_eq!(latency(&rules(), &burst), None);
    let other = calm([&[(5_000, 150)], &[(5_000, 90), (500_000, 60)]]);
    assert_eq!(latency(&rules(), &other), None);
}

#[test]
fn a_few_requests_prove_nothing() {
    // One of ten is more than one of twenty, and an accident all the same.
    let few = calm([&[(5_000, 9), (500_000, 1)], &[(5_000, 9), (500_000, 1)]]);
    assert_eq!(latency(&rules(), &few), None);
    let too_few = calm([&[(500_000, 9)], &[(500_000, 9)]]);
    assert_eq!(latency(&rules(), &too_few), None, "min_requests");
    let enough = calm([&[(500_000, 10)], &[(500_000, 10)]]);
    assert!(latency(&rules(), &enough).is_some());
}

#[test]
fn only_a_slowdown_that_somebody_would_notice_counts() {
    let noticed = calm([&[(50_000, 150)], &[(75_000, 150)]]);
    assert_eq!(latency(&rules(), &noticed), None, "ten times as slow, and nobody sees it");
}

/// Two processors, six builds and test suites beside it (load average 15), the same release as
/// before: it took 25 ms in quieter times. What it does now, the warm and idle old one does as well.
#[test]
fn on_a_saturated_machine_the_old_release_says_what_is_slow() {
    let mut seen = Latencies {
        before: counted(&[(5_000, 610), (10_000, 270), (25_000, 90), (50_000, 18)]),
        control: vec![],
        quarters: [
            counted(&[(25_000, 31), (100_000, 12), (250_000, 9), (500_000, 6)]),
            counted(&[(25_000, 24), (100_000, 10), (250_000, 14), (500_000, 7)]),
        ],
        ..Latencies::default()
    };
    assert!(latency(&rules(), &seen).is_some(), "without the old one to compare with it goes back");
    seen.control = vec![
        12_300, 48_100, 9_800, 210_400, 96_000, 15_700, 154_900, 33_200, 187_500, 61_000, 7_400, 143_800,
        226_100, 19_900, 88_300,
    ];
    assert_eq!(latency(&rules(), &seen), None);
    // One that is slow beyond what the machine explains still goes back.
    seen.quarters = [counted(&[(25_000, 31), (2_500_000, 27)]), counted(&[(25_000, 24), (2_500_000, 31)])];
    assert_eq!(latency(&rules(), &seen).map(|slow| slow.usual), Some(226_100));
}

#[test]
fn a_few_answers_of_the_old_release_excuse_nothing() {
    let mut slow = calm([&[(500_000, 150)], &[(500_000, 150)]]);
    slow.control = vec![9_000_000; FEWEST_ANSWERS - 1];
    assert!(latency(&rules(), &slow).is_some());
    slow.control = vec![9_000_000; FEWEST_ANSWERS];
    assert_eq!(latency(&rules(), &slow), None);
}

/// A release that was asked so much in all, and before the last quarter had so many waiting.
fn silent(served: u64, waiting: u64) -> Latencies {
    let then = Counters { waiting, ..Counters::default() };
    let all = Counters { served, waiting, ..Counters::default() };
    let last = since(&Counters { served: 0, ..all.clone() }, &then);
    let quarter = Duration::from_secs(1);
    Latencies { quarters: [Counters::default(), last], all, quarter, ..calm([&[], &[]]) }
}

#[test]
fn a_release_that_does_not_answer_goes_back() {
    let slow = Slow { limit: 105_000, over: 20, asked: 20, usual: 5_000 };
    assert_eq!(latency(&rules(), &silent(0, 20)), Some(slow));
    assert_eq!(latency(&rules(), &silent(0, 19)), None, "min_requests");
    assert_eq!(latency(&rules(), &silent(1_000, 20)), None, "a few that take long");
    let short = Latencies { quarter: Duration::from_millis(100), ..silent(0, 20) };
    assert_eq!(latency(&rules(), &short), None, "they may wait as long as that");
}

#[test]
fn only_those_that_surely_waited_all_the_time_count() {
    let at = |served, waiting| Counters { served, waiting, ..Counters::default() };
    assert_eq!(since(&at(10, 20), &at(10, 20)).waiting, 20);
    assert_eq!(since(&at(18, 20), &at(10, 20)).waiting, 12, "the others may be new");
    assert_eq!(since(&at(10, 5), &at(10, 20)).waiting, 5, "some went away");
    assert_eq!(since(&at(90, 20), &at(10, 20)).waiting, 0);
}

#[test]
fn a_first_release_has_nothing_to_be_compared_with() {
    let first = Latencies { before: Counters::default(), ..calm([&[(500_000, 150)], &[(500_000, 150)]]) };
    assert_eq!(latency(&rules(), &first), None);
}

#[test]
fn errors_count_from_the_least_number_of_requests_on() {
    let failing = |asked, bad| Counters { served: asked, server_errors: bad, ..Counters::default() };
    assert_eq!(errors(&rules(), &failing(19, 19)), None);
    assert_eq!(errors(&rules(), &failing(20, 1)), None, "as many as are allowed");
    assert_eq!(errors(&rules(), &failing(20, 2)), Some(Errors { bad: 2, asked: 20, rate: 0.1 }));
    let unanswered = Counters { served: 10, failed: 10, ..Counters::default() };
    assert_eq!(errors(&rules(), &unanswered).map(|errors| errors.bad), Some(10));
}

#[test]
fn the_95th_percentile_is_the_upper_bound_of_its_bucket() {
    assert_eq!(p95(&counted(&[])), None);
    assert_eq!(p95(&counted(&[(100, 1)])), Some(100));
    assert_eq!(p95(&counted(&[(1_000, 95), (50_000, 5)])), Some(1_000));
    assert_eq!(p95(&counted(&[(1_000, 94), (50_000, 6)])), Some(50_000));
}

#[test]
fn what_a_cold_release_took_does_not_count() {
    let cold = counted(&[(100_000, 20)]);
    let all = counted(&[(50_000, 40), (100_000, 20)]);
    let warm = since(&all, &cold);
    assert_eq!((warm.served, p95(&warm)), (40, Some(50_000)));
    assert_eq!(since(&all, &Counters::default()).served, 60);
}

proptest! {
    /// Whatever a release took before, doing the same again sends nothing back.
    #[test]
    fn the_same_again_is_never_slow(counts in proptest::collection::vec(0_u64..500, 21)) {
        let same = Counters { served: counts.iter().sum(), latency: counts, ..Counters::default() };
        let seen = Latencies {
            before: same.clone(),
            control: vec![],
            quarters: [same.clone(), same],
            ..Latencies::default()
        };
        prop_assert_eq!(latency(&rules(), &seen), None);
    }

    #[test]
    fn no_counters_are_too_odd(counts in proptest::collection::vec(any::<u32>(), 0..40), control in proptest::collection::vec(any::<u64>(), 0..40)) {
        let odd = Counters { latency: counts.into_iter().map(u64::from).collect(), ..Counters::default() };
        let quarters = [odd.clone(), odd.clone()];
        let seen = Latencies { before: odd.clone(), control, quarters, all: odd, quarter: Duration::MAX };
        let _ = latency(&rules(), &seen);
    }
}

/// The first release that gets requests, or one whose predecessor the proxy has forgotten.
#[test]
fn a_release_that_answers_nothing_goes_back_also_where_there_is_nothing_to_compare_it_with() {
    let quarter = Duration::from_secs(61);
    let unknown = |seen: Latencies| Latencies { before: Counters::default(), quarter, ..seen };
    let slow = Slow { limit: 61_000_000, over: 20, asked: 20, usual: 0 };
    assert_eq!(latency(&rules(), &unknown(silent(0, 20))), Some(slow));
    assert_eq!(latency(&rules(), &unknown(silent(0, 19))), None, "min_requests");
    let mut long_polls = unknown(silent(0, 20));
    long_polls.quarters[1].served = 1;
    assert_eq!(latency(&rules(), &long_polls), None, "what is usual is not known");
    let short = Latencies { before: Counters::default(), ..silent(0, 20) };
    assert_eq!(latency(&rules(), &short), None, "they may all be long polls");
}

#[test]
fn a_release_is_judged_by_whoever_answered_for_the_services_that_it_replaces() {
    let id = |text: &str| text.parse::<InstanceId>().unwrap();
    let of = |pairs: &[(&str, &[&str])]| -> IndexMap<Name, Vec<InstanceId>> {
        let ids = |ids: &[&str]| ids.iter().map(|text| id(text)).collect();
        pairs.iter().map(|(name, copies)| (Name::new(*name).unwrap(), ids(copies))).collect()
    };
    // r2 left web alone, and r3 scaled api.
    let active = of(&[("web", &["web.r1.1"]), ("api", &["api.r2.1", "api.r3.1"]), ("work", &["work.r3.1"])]);
    let instances = of(&[("web", &["web.r4.1"]), ("api", &["api.r4.1"]), ("work", &["work.r3.1"])]);
    assert_eq!(replaced(&active, &instances, ReleaseId(4)), [ReleaseId(1), ReleaseId(3)].into());
    let one = counted(&[(5_000, 3)]);
    let all =
        sum([&one, &Counters { failed: 2, ..Counters::default() }, &counted(&[(5_000, 4)])].into_iter());
    assert_eq!((all.served, all.failed, &all.latency), (7, 2, &counted(&[(5_000, 7)]).latency));
}

#[test]
fn a_jump_of_4xx_is_told_and_many_of_them_as_before_are_not() {
    let rules = rules();
    let answers = |served, client_errors| Counters { served, client_errors, ..Counters::default() };
    let told = |before, new| refused(&rules, &before, &new).map(|seen| (seen.refused, seen.answered));
    assert_eq!(told(answers(500, 0), answers(44, 44)), Some((44, 44)));
    assert_eq!(told(answers(500, 10), answers(100, 30)), Some((30, 100)));
    assert_eq!(
        told(Counters::default(), answers(44, 40)),
        Some((40, 44)),
        "of the release before nothing is known"
    );
    assert_eq!(told(answers(500, 200), answers(100, 60)), None, "who scans for what there is not");
    assert_eq!(told(answers(500, 0), answers(100, 10)), None);
    assert_eq!(told(answers(500, 0), answers(3, 3)), None, "too few to say anything");
}
