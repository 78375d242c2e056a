//! What needs neither a model nor ONNX Runtime; the whole is compared with the Python engine by the Python tests.

#![allow(clippy::unwrap_used)] // A test fails by panicking.

use memento_embed::{Chunker, Engine, Options, batches, runtime_build};
use proptest::prelude::*;
use std::collections::HashSet;

proptest! {
    #[test]
    fn batches_hold_every_text_once_and_stay_small(lengths in prop::collection::vec(2_usize..=256, 0..60), texts in 1_usize..=8) {
        let found = batches(&lengths, texts);
        let mut seen: Vec<usize> = found.iter().flatten().copied().collect();
        seen.sort_unstable();
        prop_assert_eq!(seen, (0..lengths.len()).collect::<Vec<_>>());
        for batch in found {
            prop_assert!((1..=texts).contains(&batch.len()));
            prop_assert!(batch.len() * batch.iter().map(|index| lengths[*index]).max().unwrap() <= 512);
        }
    }
}

#[test]
fn a_file_that_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("tokenizer.json");
    std::fs::write(&broken, b"\xff\xff").unwrap();
    let (query_prompt, passage_prompt) = (String::new(), String::new());
    let stop_words = HashSet::new();
    let options =
        Options { threads: 1, batch: 1, dimensions: 384, window: 256, query_prompt, passage_prompt, stop_words };
    let errors = [
        Chunker::new(&broken, 256).err().unwrap().to_string(),
        Engine::new(&broken, &broken, &broken, options).err().unwrap().to_string(),
        runtime_build(&broken).err().unwrap().to_string(),
    ];
    for error in errors {
        assert!(error.contains("tokenizer.json"), "{error}");
    }
}
