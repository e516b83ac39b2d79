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

/// The good requests are good: else what the target says of them would say nothing.
#[test]
fn the_good_requests_are_answered() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/endpoint");
    for (name, status) in [
        ("basic", 200),
        ("public", 200),
        ("post", 200),
        ("jwt", 200),
        ("tls", 200),
        ("introspect", 200),
        ("revoke", 200),
        ("idp", 200),
        ("odd", 400),
        ("bytes", 400),
    ] {
        let request = fs::read(here.join(name)).expect("a request of the corpus");
        assert_eq!(idjag_fuzz::answer(&request), status, "{name}");
    }
}

/// Good requests and odd ones, taken apart and put together anew at random: no request whatever gets a token without a
/// client that proved itself and a good assertion for it. What says so is in the target.
#[test]
fn drawn_requests_get_no_token_that_they_should_not() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/endpoint");
    let seeds: Vec<Vec<u8>> = fs::read_dir(here)
        .expect("a corpus")
        .map(|file| fs::read(file.expect("an entry").path()).expect("a file"))
        .collect();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut draw = |below: usize| {
        // Any generator will do; this is xorshift.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as usize % below.max(1)
    };
    for _ in 0..20_000 {
        let mut request = seeds[draw(seeds.len())].clone();
        for _ in 0..draw(4) {
            let at = draw(request.len() + 1);
            match draw(4) {
                // A piece of another request in place of the rest, or in between.
                way @ (0 | 1) => {
                    let other = &seeds[draw(seeds.len())];
                    let from = draw(other.len());
                    let piece = &other[from..from + draw(other.len() - from + 1)];
                    let behind = if way == 0 { Vec::new() } else { request[at..].to_vec() };
                    request.truncate(at);
                    request.extend_from_slice(piece);
                    request.extend(behind);
                }
                2 => {
                    let end = at + draw(request.len() - at + 1);
                    request.drain(at..end);
                }
                _ => {
                    if let Some(byte) = request.get_mut(at) {
                        *byte = b"&=?%+:\n {}\"Aa0"[draw(14)];
                    }
                }
            }
        }
        idjag_fuzz::endpoint(&request);
    }
}
