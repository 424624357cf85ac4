//! What holds of every plan, whatever is wanted and whatever was seen.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use proptest::prelude::*;
use windlass_core::plan::{Action, Compensation, Phase, Plan, Request, Wanted, plan};
use windlass_testkit::simulator::{Deployer, Flaw, Random, Scenario};
use windlass_testkit::world::World;

/// Why a step that changes the world before the commit need not be undone, if there is a reason.
fn is_excused(plan: &Plan, action: &Action) -> bool {
    match action {
        // Declared compatible.
        Action::RunJob { .. } => true,
        // A copy that belongs to no release: an unfinished run left it.
        Action::StopInstance { instance, .. } => instance.release < plan.release,
        Action::Commit => true,
        _ => false,
    }
}

fn is_well_formed(plan: &Plan) {
    assert!(plan.is_in_order());
    for (at, step) in plan.steps.iter().enumerate() {
        assert_eq!(step.id as usize, at);
        if step.phase < Phase::Commit && step.action.changes_the_world() {
            let undone = step.compensation != Compensation::Unneeded;
            assert!(undone || is_excused(plan, &step.action), "{step:?}");
        }
    }
    assert!(plan.steps.windows(2).all(|two| two[0].stage <= two[1].stage && two[0].phase <= two[1].phase));
    assert!(plan.steps.windows(2).all(|two| two[1].stage - two[0].stage <= 1), "no stage is empty");
    let commits = plan.steps.iter().filter(|step| step.action == Action::Commit).count();
    assert_eq!(commits, usize::from(!plan.is_empty()));
    let text = serde_json::to_string(plan).unwrap();
    assert_eq!(&serde_json::from_str::<Plan>(&text).unwrap(), plan);
    assert!(!plan.to_string().is_empty() && plan.hash().len() == 16);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// A chain of wishes, each carried out: every plan is well formed, leads where it says, and
    /// leaves nothing to do.
    #[test]
    fn a_plan_leads_where_it_says_and_leaves_nothing_to_do(seed in any::<u64>(), length in 1_usize..6) {
        let mut scenario = Scenario::new(Random::new(seed));
        let mut world = World::new();
        for _ in 0..length {
            let wanted = scenario.wish(&world);
            let Ok(made) = plan(&wanted, &world.observe()) else { continue };
            is_well_formed(&made);
            if made.is_empty() {
                continue;
            }
            let run = world.begin(made.clone()).unwrap();
            let session = world.runs[run].session;
            Deployer::new(run, session, Flaw::None).finish(&mut world, &mut Random::new(seed));

            let seen = world.observe();
            for (service, ids) in &made.instances {
                let mut running: Vec<_> = seen.running(service).map(|i| i.id.clone()).collect();
                let mut ids = ids.clone();
                running.sort();
                ids.sort();
                prop_assert_eq!(running, ids);
            }
            if matches!(wanted.request, Request::Restart { .. } | Request::Rotate { .. }) {
                continue; // Asked for twice, it is done twice.
            }
            let again = match wanted.request {
                Request::Deploy | Request::Rollback { .. } => wanted,
                request => {
                    let active = seen.active.clone().unwrap();
                    Wanted { request, spec: active.spec, source: active.tree.source }
                }
            };
            let again = plan(&again, &seen).unwrap();
            prop_assert!(again.is_empty(), "{}\n{}", made, again);
        }
    }
}
