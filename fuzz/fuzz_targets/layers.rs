//! Whatever the text: every layer's range is a range of the text, and the work stays linear.
#![no_main]

use interceptor_agent::mask::decode::layers::{self, DEPTH, Kind};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut bytes = 0;
    behind(text, DEPTH, &mut bytes);
    // A short text is decoded with the lines around it.
    assert!(
        bytes <= 24 * text.len() + 1024,
        "{bytes} bytes behind {}",
        text.len()
    );
});

fn behind(text: &str, depth: usize, bytes: &mut usize) {
    layers::each(text, |layer| {
        *bytes += layer.text().len();
        let offsets = layer.text().char_indices().map(|(offset, _)| offset);
        let edges: Vec<_> = offsets.chain([layer.text().len()]).collect();
        for pair in edges.windows(2) {
            assert!(text.get(layer.encoded(pair[0]..pair[1])).is_some());
        }
        if depth > 1 && layer.kind() != Kind::Joined {
            behind(layer.text(), depth - 1, bytes);
        }
    });
}
