//! What the proxy makes of its files when they are damaged.

use super::control::state::State;
use super::unready;
use crate::damaged::{Damaged, Read, Sample};

/// Its files.
pub(crate) fn samples() -> Vec<Sample> {
    let table = Sample {
        page: "proxy/",
        path: "proxy/table.json".into(),
        make: |layout| {
            let (mut state, _) = State::open(&layout.proxy());
            for generation in [1, 2] {
                let table = windlass_core::edge::Table { generation, ..super::live::Live::empty().table };
                state.put(&table).unwrap();
                state.settle().unwrap();
            }
        },
        read: |layout| {
            let table = State::open(&layout.proxy()).1.table;
            Read::Found(format!("{:?}", table.map(|table| table.generation)))
        },
        then: Damaged::Otherwise("Some(1)"),
        ..Sample::of("")
    };
    let unready = Sample {
        make: |layout| unready::write(&layout.proxy(), &["web.r12.1".to_owned()].into()).unwrap(),
        read: |layout| Read::Found(format!("{:?}", unready::read(&layout.proxy()))),
        then: Damaged::Otherwise("{}"),
        ..Sample::of("proxy/unready.json")
    };
    vec![table, unready]
}
