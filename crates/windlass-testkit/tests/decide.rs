//! What is next, in every state a run can be in.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use Direction::{Back, Forward};
use windlass_core::journal::{Decision, Direction, Fault, Record, Turn, Verdict, decide};
use windlass_core::plan::{Action, Observed, Phase, Plan, Request, Wanted, plan};
use windlass_core::spec::{Command, Spec, Undo, When};
use windlass_testkit::sample::{command, job, name, scheduler, shop, source, web};
use windlass_testkit::simulator::{Deployer, Flaw, Random};
use windlass_testkit::world::World;

/// The plan that replaces web (beside the old copies) and beat (a singleton), with jobs and a bake.
fn second() -> Plan {
    let mut spec: Spec = shop();
    spec.services.insert(name("web"), web("serve"));
    spec.services.insert(name("beat"), scheduler("tick"));
    let wanted =
        |spec: &Spec, digest| Wanted { request: Request::Deploy, spec: spec.clone(), source: source(digest) };
    let mut world = World::new();
    let run = world.begin(plan(&wanted(&spec, "one"), &Observed::default()).unwrap()).unwrap();
    let mut deployer = Deployer::new(run, world.runs[run].session, Flaw::None);
    deployer.finish(&mut world, &mut Random::new(1));
    spec.jobs.insert(name("up"), job("up", When::BeforeStart, Undo::Command(command("down"))));
    spec.jobs.insert(name("burn"), job("burn", When::BeforeStart, Undo::Irreversible));
    plan(&wanted(&spec, "two"), &world.observe()).unwrap()
}

fn at(plan: &Plan, is: impl Fn(&Action) -> bool) -> u32 {
    plan.steps.iter().find(|step| is(&step.action)).unwrap().id
}

fn intent(step: u32, direction: Direction) -> Record {
    Record::Intent { step, direction }
}

fn done(step: u32, direction: Direction) -> Record {
    Record::Done { step, direction, note: String::new() }
}

fn failed(step: u32, direction: Direction) -> Record {
    Record::Failed { step, direction, fault: Fault::new("it broke", "mend it") }
}

/// Every step before this one is done.
fn until(step: u32) -> Vec<Record> {
    (0..step).flat_map(|step| [intent(step, Forward), done(step, Forward)]).collect()
}

/// Undoes all that is due, failing at these steps; the records, and how it ended.
fn go_back(plan: &Plan, mut records: Vec<Record>, failing: &[u32]) -> (Vec<u32>, Verdict) {
    let mut undone = Vec::new();
    loop {
        match decide(plan, &records) {
            Decision::Turn(turn) => records.push(Record::Turned(turn)),
            Decision::Compensate(steps) => {
                for step in steps {
                    undone.push(step);
                    let result = if failing.contains(&step) { failed(step, Back) } else { done(step, Back) };
                    records.extend([intent(step, Back), result]);
                }
            }
            Decision::End(verdict) => return (undone, verdict),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn steps_go_forward_stage_by_stage() {
    let plan = second();
    assert_eq!(decide(&plan, &[]), Decision::Perform(vec![0]));
    let start = at(&plan, |a| matches!(a, Action::StartInstance { .. }));
    assert_eq!(decide(&plan, &until(start)), Decision::Perform(vec![start, start + 1]));
    let mut one = until(start);
    one.extend([intent(start, Forward), done(start, Forward)]);
    assert_eq!(decide(&plan, &one), Decision::Perform(vec![start + 1]), "the rest of the stage first");
    let all = until(plan.steps.len() as u32);
    assert_eq!(decide(&plan, &all), Decision::End(Verdict::Done));
    let over = [all, vec![Record::Ended(Verdict::Done)]].concat();
    assert_eq!(decide(&plan, &over), Decision::Over);
}

#[test]
fn an_intent_without_a_result_is_looked_at_before_anything_else() {
    let plan = second();
    let mut records = until(4);
    records.push(intent(4, Forward));
    assert_eq!(decide(&plan, &records), Decision::Look(vec![(4, Forward)]));
    records.push(Record::Turned(Turn::Unclaimed));
    assert_eq!(decide(&plan, &records), Decision::Look(vec![(4, Forward)]), "also on the way back");
    let mut again = until(4);
    again.extend([intent(4, Forward), Record::NotDone { step: 4, direction: Forward }]);
    assert_eq!(decide(&plan, &again), Decision::Perform(vec![4]));
}

#[test]
fn an_undoing_without_a_result_is_looked_at_and_done_again() {
    let plan = second();
    let start = at(&plan, |a| matches!(a, Action::StartInstance { .. }));
    let mut records = until(start + 1);
    records.extend([Record::Turned(Turn::Unclaimed), intent(start, Back)]);
    assert_eq!(decide(&plan, &records), Decision::Look(vec![(start, Back)]));
    records.push(Record::NotDone { step: start, direction: Back });
    assert_eq!(decide(&plan, &records), Decision::Compensate(vec![start]));
}

#[test]
fn a_failure_turns_the_run_and_everything_is_undone_in_reverse() {
    let plan = second();
    let switch = at(&plan, |a| matches!(a, Action::SwitchTraffic { .. }));
    let mut records = until(switch);
    records.extend([intent(switch, Forward), failed(switch, Forward)]);
    assert_eq!(decide(&plan, &records), Decision::Turn(Turn::StepFailed { step: switch }));
    let (undone, verdict) = go_back(&plan, records, &[]);
    let stages: Vec<u32> = undone.iter().map(|id| plan.step(*id).unwrap().stage).collect();
    assert!(stages.windows(2).all(|two| two[0] >= two[1]), "{stages:?}");
    assert!(undone.contains(&at(&plan, |a| matches!(a, Action::FetchSource { .. }))));
    let burn = at(&plan, |a| matches!(a, Action::RunJob { job, .. } if job.as_str() == "burn"));
    assert!(!undone.contains(&burn), "what cannot be undone is not tried");
    let Verdict::RolledBack(cause) = verdict else { panic!("{verdict:?}") };
    assert_eq!(cause.message, "it broke");
}

#[test]
fn a_job_is_undone_only_when_it_was_done() {
    let plan = second();
    let up = at(&plan, |a| matches!(a, Action::RunJob { job, .. } if job.as_str() == "up"));
    let mut records = until(up);
    records.extend([intent(up, Forward), failed(up, Forward)]);
    let (undone, verdict) = go_back(&plan, records, &[]);
    assert!(!undone.contains(&up));
    let Verdict::RolledBack(cause) = verdict else { panic!("it may have changed something: {verdict:?}") };
    assert_eq!(
        cause.hint,
        "mend it; the job up ended half-way and was not undone, because its undo may count on all that the job \
         does; look whether it left something behind: `windlass run up --undo` runs its undo in r2: down"
    );
    assert_eq!(cause.hint, format!("mend it; {}", cause.stays.join("; ")));
    let fetch = at(&plan, |a| matches!(a, Action::FetchSource { .. }));
    assert!(!undone.contains(&fetch), "what undoes it runs from there");
}

#[test]
fn a_job_that_was_stopped_half_way_is_told_with_its_undo() {
    let mut plan = second();
    let up = at(&plan, |a| matches!(a, Action::RunJob { job, .. } if job.as_str() == "up"));
    let told = |plan: &Plan, half: Record| {
        let mut records = until(up);
        records.extend([intent(up, Forward), half, Record::Turned(Turn::Cancelled { by: "ada".into() })]);
        let Verdict::RolledBack(cause) = go_back(plan, records, &[]).1 else { panic!() };
        assert_eq!(cause.message, "cancelled by ada");
        cause.hint.split("in r2: ").last().unwrap().to_owned()
    };
    let unseen = || Record::NotDone { step: up, direction: Forward };
    for half in [failed(up, Forward), unseen()] {
        assert_eq!(told(&plan, half), "down");
    }
    plan.spec.jobs.get_mut("up").unwrap().undo = Undo::Command(command("down {settings.DSN} --to 3"));
    assert_eq!(told(&plan, unseen()), "down {settings.DSN} --to 3");
    plan.spec.jobs.get_mut("up").unwrap().undo = Undo::Command(Command::Shell("echo 'x' | down".into()));
    assert_eq!(told(&plan, unseen()), r"sh -c 'echo '\''x'\'' | down'");
    plan.spec.jobs.get_mut("up").unwrap().undo = Undo::Compatible;
    let said = told(&plan, unseen());
    assert!(said.starts_with("the job up ended half-way, so a part of what it does may be done"), "{said}");
}

#[test]
fn a_job_that_never_began_left_nothing() {
    let mut plan = second();
    let up = at(&plan, |a| matches!(a, Action::RunJob { job, .. } if job.as_str() == "up"));
    for undo in [Undo::Command(command("down")), Undo::Compatible, Undo::Irreversible] {
        plan.spec.jobs.get_mut("up").unwrap().undo = undo;
        let mut records = until(up);
        let fault = Fault::new("there is no program up", "").before_it_began();
        records.extend([intent(up, Forward), Record::Failed { step: up, direction: Forward, fault }]);
        let (undone, verdict) = go_back(&plan, records, &[]);
        assert!(undone.contains(&at(&plan, |a| matches!(a, Action::FetchSource { .. }))));
        let Verdict::RolledBack(cause) = verdict else { panic!("{verdict:?}") };
        assert_eq!((cause.hint.as_str(), cause.stays.len()), ("", 0));
    }
}

#[test]
fn a_job_whose_undoing_failed_keeps_its_files_and_says_how_to_try_again() {
    let plan = second();
    let up = at(&plan, |a| matches!(a, Action::RunJob { job, .. } if job.as_str() == "up"));
    let mut records = until(up + 1);
    records.push(Record::Turned(Turn::Unclaimed));
    let (undone, verdict) = go_back(&plan, records, &[up]);
    assert!(!undone.contains(&at(&plan, |a| matches!(a, Action::FetchSource { .. }))));
    let Verdict::Stuck { cause, .. } = verdict else { panic!("{verdict:?}") };
    assert!(cause.hint.ends_with("`windlass run up --undo`"), "{}", cause.hint);
}

#[test]
fn a_job_after_the_commit_that_ended_half_way_is_told_too() {
    let mut plan = second();
    let up = at(&plan, |a| matches!(a, Action::RunJob { job, .. } if job.as_str() == "up"));
    let commit = at(&plan, |a| *a == Action::Commit);
    let last = plan.steps.len() as u32;
    let mut step = plan.step(up).unwrap().clone();
    (step.id, step.stage, step.phase) = (last, plan.steps.last().unwrap().stage + 1, Phase::Retire);
    plan.steps.push(step);
    let mut records: Vec<Record> = until(last);
    assert!(commit < last);
    records.extend([intent(last, Forward), failed(last, Forward)]);
    let Decision::End(Verdict::DoneWithProblems(faults)) = decide(&plan, &records) else { panic!() };
    assert!(faults[0].hint.contains("`windlass run up --undo` runs its undo in r2"), "{}", faults[0].hint);
}

#[test]
fn before_the_lock_a_run_fails_or_is_refused_without_a_change() {
    let plan = second();
    let lock = at(&plan, |a| *a == Action::TakeLock);
    let build = at(&plan, |a| matches!(a, Action::Build { .. }));
    let mut records = until(build);
    records.extend([intent(build, Forward), failed(build, Forward)]);
    assert!(matches!(go_back(&plan, records, &[]).1, Verdict::Failed(_)));
    let mut records = until(lock);
    let fault = Fault { refused: true, ..Fault::new("held by ada", "") };
    records.extend([intent(lock, Forward), Record::Failed { step: lock, direction: Forward, fault }]);
    assert!(matches!(go_back(&plan, records, &[]).1, Verdict::Refused(_)));
}

#[test]
fn after_the_commit_nothing_turns() {
    let plan = second();
    let commit = at(&plan, |a| *a == Action::Commit);
    let mut records = until(commit + 1);
    records.push(Record::Turned(Turn::Cancelled { by: "ada".into() }));
    assert!(matches!(decide(&plan, &records), Decision::Perform(_)));
    for step in plan.steps.iter().filter(|step| step.id > commit) {
        records.extend([intent(step.id, Forward), failed(step.id, Forward)]);
    }
    let Decision::End(Verdict::DoneWithProblems(faults)) = decide(&plan, &records) else { panic!() };
    assert_eq!(faults.len(), plan.steps.len() - commit as usize - 1);
}

#[test]
fn a_commit_that_reports_an_error_is_looked_at_before_the_run_turns() {
    let plan = second();
    let commit = at(&plan, |a| *a == Action::Commit);
    let mut records = until(commit);
    records.extend([intent(commit, Forward), failed(commit, Forward)]);
    assert_eq!(decide(&plan, &records), Decision::Look(vec![(commit, Forward)]));
    let happened = [records.clone(), vec![done(commit, Forward)]].concat();
    assert!(matches!(decide(&plan, &happened), Decision::Perform(_)));
    let not = [records, vec![Record::NotDone { step: commit, direction: Forward }]].concat();
    assert_eq!(decide(&plan, &not), Decision::Turn(Turn::StepFailed { step: commit }));
}

#[test]
fn an_old_singleton_does_not_start_while_the_new_one_may_run() {
    let plan = second();
    let of_beat = |a: &Action| matches!(a, Action::StartInstance { instance, .. } if instance.service.as_str() == "beat");
    let stop = at(
        &plan,
        |a| matches!(a, Action::StopInstance { instance, .. } if instance.service.as_str() == "beat"),
    );
    let start = at(&plan, of_beat);
    let mut records = until(start + 1);
    records.push(Record::Turned(Turn::Unclaimed));
    let (undone, verdict) = go_back(&plan, records, &[start]);
    assert!(!undone.contains(&stop));
    // Nor does what may run lose the files that it runs from.
    assert!(!undone.contains(&at(&plan, |a| matches!(a, Action::FetchSource { .. }))));
    let Verdict::Stuck { left, .. } = verdict else { panic!("{verdict:?}") };
    assert_eq!(left.len(), 3);
    assert_eq!(left[1].message, "stop beat.r1.1: not undone");
    assert_eq!(left[1].hint, "when \"start beat.r2.1\" is put right, what is left to do is: start beat.r1.1");
}

#[test]
fn what_requests_still_go_to_is_not_stopped() {
    let plan = second();
    let switch = at(&plan, |a| matches!(a, Action::SwitchTraffic { .. }));
    let mut records = until(switch + 1);
    records.push(Record::Turned(Turn::Unclaimed));
    let (undone, verdict) = go_back(&plan, records, &[switch]);
    assert_eq!(undone, [switch]);
    assert!(matches!(verdict, Verdict::Stuck { .. }));
}

#[test]
fn the_first_reason_to_turn_is_the_one_that_is_told() {
    let plan = second();
    let mut records = until(2);
    records.extend([intent(2, Forward), failed(2, Forward)]);
    records.extend([Record::Turned(Turn::StepFailed { step: 2 }), Record::Turned(Turn::Unclaimed)]);
    let (_, verdict) = go_back(&plan, records, &[]);
    assert_eq!(verdict, Verdict::Failed(Fault::new("it broke", "mend it")));
}

#[test]
fn a_plan_whose_steps_are_not_numbered_is_found_out() {
    let mut plan = second();
    assert!(plan.is_in_order());
    plan.steps[3].id = 99;
    assert!(!plan.is_in_order());
    let mut plan = second();
    plan.steps[0].stage = 7;
    assert!(!plan.is_in_order());
}

#[test]
fn records_of_steps_that_do_not_exist_are_passed_over() {
    let plan = second();
    assert_eq!(decide(&plan, &[intent(999, Forward), done(999, Back)]), Decision::Perform(vec![0]));
}
