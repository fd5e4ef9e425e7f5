//! Every file of `tests/corpus` once more: bytes that found something, or that lead a decoder to a place of its own.

#![allow(clippy::disallowed_methods, reason = "tests read files, and wait for no longer than they want to")]

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::time::Duration;
use tamarack::ErrorKind;
use tamarack::simulate::{Disk, anatomy};
use tamarack_hostile::images;
use tamarack_hostile::seeds::seeds;
use tamarack_hostile::targets::TARGETS;
use tamarack_hostile::world::{self, World};

#[test]
fn i36_hostile_bytes_of_the_corpus_end_in_an_answer() {
    for target in TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/corpus").join(target.name);
        let mut files = 0;
        for file in std::fs::read_dir(&folder).unwrap() {
            let _ = (target.run)(&std::fs::read(file.unwrap().path()).unwrap());
            files += 1;
        }
        assert!(files >= 5, "{} has {files} files", target.name);
    }
}

/// A target that refuses everything at its door would find nothing.
#[test]
fn sound_bytes_mean_something_to_each_target() {
    for target in TARGETS {
        let seeds = seeds(&target);
        let mean = seeds.iter().filter(|seed| (target.run)(seed)).count();
        assert!(mean > 0, "{}: none of {} seeds", target.name, seeds.len());
    }
}

/// Sound bytes with a few changes, as an ordinary test: what a fuzzer begins with.
#[test]
fn i36_changed_bytes_end_in_an_answer() {
    let mut random = fastrand::Rng::with_seed(1);
    for target in TARGETS {
        let seeds = seeds(&target);
        let rounds = match target.name {
            "file" => 150,
            "backup" => 300,
            _ => 3000,
        };
        for _ in 0..rounds {
            let mut bytes = random.choice(&seeds).unwrap().clone();
            for _ in 0..random.usize(1..5) {
                let at = random.usize(0..bytes.len());
                match random.u8(0..4) {
                    0 => bytes[at] = random.u8(..),
                    1 => bytes[at] ^= 1 << random.u8(0..8),
                    2 => bytes.insert(at, random.u8(..)),
                    _ if bytes.len() > 1 => drop(bytes.remove(at)),
                    _ => {}
                }
            }
            let _ = (target.run)(&bytes);
        }
    }
}

/// The place of a value that a commit names is forged with all checks: the file would grow by many gigabytes, and a check look at each block.
#[test]
fn i36_a_log_that_names_blocks_behind_the_file_is_refused() {
    let world = World::new(false);
    let mut refused = 0;
    for spill in world.parts.iter().filter(|part| part.what == anatomy::What::Spill) {
        for at in spill.start..spill.start + spill.length - 4 {
            let mut image = world.bytes.clone();
            image[at..at + 4].copy_from_slice(&[0x3c, 0x6c, 0x19, 0x14]);
            anatomy::seal(&mut image, &world.parts);
            let opened = world::open(&Disk::holding(1, &image));
            if let Err(error) = opened.map(drop)
                && error.to_string().contains("behind the end of the file")
            {
                assert_eq!(error.kind(), ErrorKind::Corrupt);
                refused += 1;
            }
        }
    }
    assert!(refused > 0, "none of the places was the one of a value");
}

/// An image takes no longer to open, read, check and salvage, on a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes of a compressed image.
const LONGEST: usize = 100 << 10;

fn images() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/corpus/images")
}

/// Whole files gone bad, as they were when they were made: `outcomes.txt` says what they come to.
#[test]
fn i36_images_of_the_corpus_come_to_what_they_came_to() {
    let text = std::fs::read_to_string(images().join("outcomes.txt")).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#')).map(|line| line.split_once(": ").unwrap());
    let mut outcomes: BTreeMap<&str, &str> = lines.collect();
    let mut others = Vec::new();
    for file in std::fs::read_dir(images()).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let Some(name) = name.strip_suffix(".gz") else { continue };
        let (compressed, mut image) = (std::fs::read(&path).unwrap(), Vec::new());
        assert!(compressed.len() < LONGEST, "{name} has {} bytes", compressed.len());
        GzDecoder::new(&compressed[..]).read_to_end(&mut image).unwrap();
        let (tell, told) = channel();
        let thread = std::thread::spawn(move || tell.send(images::outcome(&image).unwrap()));
        let outcome = told.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("{name} hangs or panics: {error}"));
        thread.join().unwrap().unwrap();
        if outcomes.remove(name) != Some(outcome.as_str()) {
            others.push(format!("{name}: {outcome}"));
        }
    }
    others.sort();
    assert!(others.is_empty(), "other outcomes:\n{}", others.join("\n"));
    assert!(outcomes.is_empty(), "no images: {outcomes:?}");
}

/// Makes the images that are not there. Those that are stay what they are.
#[test]
#[ignore = "images are made once"]
fn make_images() {
    std::fs::create_dir_all(images()).unwrap();
    for (name, image) in images::make().unwrap() {
        let path = images().join(format!("{name}.gz"));
        if !path.exists() {
            let mut packed = GzEncoder::new(Vec::new(), Compression::best());
            packed.write_all(&image).unwrap();
            std::fs::write(path, packed.finish().unwrap()).unwrap();
        }
    }
}
