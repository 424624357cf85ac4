//! Any bytes of a peer are refused or understood, within bounds.

use windlass::transport::receive;
use windlass_core::edge;
use windlass_core::launch::{KeeperAsk, Launch, Status};
use windlass_core::protocol::{Answer, Ask};

pub(crate) fn check(bytes: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let _ = runtime.block_on(receive::<Ask>(&mut &bytes[..]));
    let _ = runtime.block_on(receive::<Answer>(&mut &bytes[..]));
    let _ = serde_json::from_slice::<edge::Ask>(bytes);
    let _ = serde_json::from_slice::<KeeperAsk>(bytes);
    let _ = serde_json::from_slice::<Launch>(bytes);
    let _ = serde_json::from_slice::<Status>(bytes);
}
