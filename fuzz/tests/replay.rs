//! Runs every target over its corpus and over what once broke it, without libFuzzer.

use std::fs;
use std::path::Path;

use idjag_fuzz::TARGETS;

#[test]
fn every_target_takes_its_corpus_and_its_regressions() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (name, target) in TARGETS {
        let mut inputs = 0;
        for folder in ["corpus", "regressions"] {
            // A target that never broke has no regressions.
            let Ok(files) = fs::read_dir(here.join(folder).join(name)) else {
                assert_eq!(folder, "regressions", "{name} has no corpus");
                continue;
            };
            for file in files {
                let path = file.expect("an entry").path();
                // Shown only if the target panics.
                println!("{}", path.display());
                target(&fs::read(&path).expect("a file"));
                inputs += 1;
            }
        }
        assert!(inputs >= 2, "{name} has {inputs} inputs");
        // And what no corpus needs to hold.
        target(b"");
        target(&[0; 1000]);
    }
}
