//! `cargo run --example seeds -- FOLDER`: valid files of codes to start fuzzing from, small ones and some that are scanned.

#![allow(clippy::unwrap_used)] // It is run by hand.

use memento_search::Index;
use std::path::PathBuf;

fn main() {
    let folder = PathBuf::from(std::env::args().nth(1).expect("a folder"));
    std::fs::create_dir_all(&folder).unwrap();
    for (dimensions, rows) in [(1, 0), (1, 1), (8, 33), (20, 64), (64, 40), (1, 2_500), (5, 2_200), (16, 2_100)] {
        let mut index = Index::new(dimensions).unwrap();
        let vectors: Vec<f32> = (0..rows * dimensions).map(|place| (place as f32 * 0.7).sin()).collect();
        index.extend(&vectors).unwrap();
        for control in 0..4 {
            let mut seed = vec![control];
            index.write(&mut seed, b"0123456789abcdef").unwrap();
            std::fs::write(folder.join(format!("{dimensions}-{rows}-{control}")), seed).unwrap();
        }
    }
}
