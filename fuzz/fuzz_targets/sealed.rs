//! Any encrypted file is read; one without a fault is written again byte for byte. A sealed one opens as
//! sound only as it was written, whatever is changed in it by somebody without a key; what opens of a changed
//! one are values that were sealed under that name.
#![no_main]

use libfuzzer_sys::arbitrary::{Arbitrary, Unstructured};
use libfuzzer_sys::fuzz_target;

#[path = "../checks/sealed.rs"]
mod check;

// A text as it is, so that files can be seeds; what begins with a zero are changes to the sealed file.
fuzz_target!(|input: &[u8]| match input.split_first() {
    Some((0, changes)) => {
        let changes: Option<Vec<check::Change>> = Vec::arbitrary_take_rest(Unstructured::new(changes)).ok();
        if let Some(changes) = changes {
            check::check_text(&check::changed(&changes));
        }
    }
    _ => check::check(input),
});
