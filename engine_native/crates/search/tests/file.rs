//! A file of codes is read as it was written, or refused; whatever its bytes are, reading and searching is sound.

#![allow(clippy::unwrap_used)] // A test fails by panicking.

use memento_search::{Epoch, Error, Index, Simd};
use proptest::prelude::*;
use std::sync::LazyLock;

const EPOCH: &Epoch = b"0123456789abcdef";
const DIMENSIONS: usize = 24;
/// More than a search scores exactly, all of them: the codes of a file are looked at.
const ROWS: usize = 1_100;
const HEADER: usize = 52 + 4 * DIMENSIONS;

static VECTORS: LazyLock<Vec<f32>> = LazyLock::new(|| {
    (0..ROWS * DIMENSIONS).map(|place| ((place * 2_654_435_761) % 1_000) as f32 / 1_000.0 - 0.5).collect()
});

static INDEX: LazyLock<Index> = LazyLock::new(|| {
    let mut index = Index::new(DIMENSIONS).unwrap();
    index.extend(&VECTORS).unwrap();
    index
});

static SAVED: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut bytes = Vec::new();
    INDEX.write(&mut bytes, EPOCH).unwrap();
    bytes
});

fn load(bytes: &[u8], epoch: &Epoch, rows: usize) -> Result<Index, Error> {
    Index::read(bytes, bytes.len() as u64, DIMENSIONS, epoch, rows)
}

#[test]
fn it_is_read_as_it_was_written() {
    let mut read = load(&SAVED, EPOCH, ROWS).unwrap();
    assert_eq!(read, *INDEX);
    let more = [VECTORS.as_slice(), &VECTORS].concat();
    read.extend(&more).unwrap();
    assert_eq!(read.nearest(&more, &more[..DIMENSIONS], 2 * ROWS, None, 1).unwrap().len(), 2 * ROWS);
}

#[test]
fn another_file_is_refused() {
    let bytes = &*SAVED;
    assert!(matches!(load(bytes, b"fedcba9876543210", ROWS), Err(Error::Unusable(_))));
    assert!(matches!(load(bytes, EPOCH, ROWS - 1), Err(Error::Unusable(_))));
    assert!(matches!(load(&[bytes.as_slice(), b"x"].concat(), EPOCH, ROWS), Err(Error::Unusable(_))));
    assert!(matches!(Index::load("nowhere/codes".as_ref(), DIMENSIONS, EPOCH, ROWS), Err(Error::Io(_))));
}

#[test]
fn it_is_replaced_as_a_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("codes");
    for content in [b"".as_slice(), &SAVED[..HEADER], b"something else"] {
        std::fs::write(&path, content).unwrap();
        let Err(Error::Unusable(reason)) = Index::load(&path, DIMENSIONS, EPOCH, ROWS) else { panic!("it is damaged") };
        assert!(reason.starts_with(path.to_str().unwrap()), "{reason}");
        INDEX.save(&path, EPOCH).unwrap();
        assert_eq!(Index::load(&path, DIMENSIONS, EPOCH, ROWS).unwrap(), *INDEX);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

#[cfg(unix)]
#[test]
fn it_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("codes");
    INDEX.save(&path, EPOCH).unwrap();
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 400 }))]

    #[test]
    fn damage_is_found(at: prop::sample::Index, bit in 0_u32..8, cut in any::<Option<prop::sample::Index>>()) {
        let mut bytes = SAVED.clone();
        match cut {
            Some(length) => bytes.truncate(length.index(bytes.len())),
            None => { let place = at.index(bytes.len()); bytes[place] ^= 1 << bit; }
        }
        prop_assert!(matches!(load(&bytes, EPOCH, ROWS), Err(Error::Unusable(_))));
    }

    /// Somebody may compute the checksums of what they made up: then the answer may be wrong, but it is an answer.
    #[test]
    fn a_made_up_file_is_refused_or_sound(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40),
        numbers in prop::collection::vec(prop::option::weighted(0.2, any::<u64>()), 2),
    ) {
        let mut bytes = SAVED.clone();
        for (at, value) in changes {
            let place = at.index(bytes.len());
            bytes[place] = value;
        }
        for (place, number) in numbers.iter().enumerate() {
            if let Some(number) = number {
                bytes[16 + 8 * place..24 + 8 * place].copy_from_slice(&number.to_le_bytes());
            }
        }
        bytes[32..48].copy_from_slice(EPOCH);
        let body = crc32fast::hash(&bytes[HEADER + 4..]);
        bytes[48..52].copy_from_slice(&body.to_le_bytes());
        let header = crc32fast::hash(&bytes[..HEADER]);
        bytes[HEADER..HEADER + 4].copy_from_slice(&header.to_le_bytes());
        if let Ok(mut read) = load(&bytes, EPOCH, ROWS) {
            read.extend(&VECTORS).unwrap();
            let query = &VECTORS[..DIMENSIONS];
            let hits = read.nearest(&VECTORS, query, 5, None, 1).unwrap();
            prop_assert_eq!(hits.len(), 5);
            for hit in &hits {
                let row = &VECTORS[hit.row * DIMENSIONS..][..DIMENSIONS];
                prop_assert_eq!(hit.score, Simd::PORTABLE.dot(row, query));
            }
            prop_assert!(hits.windows(2).all(|pair| pair[0].score >= pair[1].score && pair[0].row != pair[1].row));
        }
    }
}
