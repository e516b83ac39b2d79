//! An access token at the resource, for the first time and later: `cargo bench -p idjag-benches --bench access_token`.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use idjag::Algorithm;
use idjag_benches::{Failure, RESOURCE, World, request};

fn verify(criterion: &mut Criterion) -> Result<(), Failure> {
    for (own, name) in [(Algorithm::EdDSA, "EdDSA"), (Algorithm::ES256, "ES256"), (Algorithm::HS256, "HS256")]
    {
        let world = World::new(Algorithm::EdDSA, own)?;
        let engine = world.engine()?;
        let tokens: Vec<String> = world
            .assertions(64)?
            .iter()
            .map(|assertion| Ok(engine.exchange(&request(assertion))?.access_token().to_owned()))
            .collect::<Result<_, Failure>>()?;
        let mut seen = tokens.iter().cycle();
        criterion.bench_function(&format!("verify/{name}, seen before"), |bencher| {
            bencher.iter(|| seen.next().map(|token| black_box(engine.verify(token.as_bytes(), RESOURCE))));
        });
        // A token whose claims were touched is never remembered: it costs the signature each time.
        let mut forged = tokens.first().ok_or("no token")?.clone().into_bytes();
        if let Some(last) = forged.last_mut() {
            *last = if *last == b'A' { b'Q' } else { b'A' };
        }
        criterion.bench_function(&format!("verify/{name}, forged"), |bencher| {
            bencher.iter(|| black_box(engine.verify(&forged, RESOURCE)));
        });
    }
    Ok(())
}

fn benches(criterion: &mut Criterion) {
    if let Err(failure) = verify(criterion) {
        eprintln!("not measured: {failure}");
        std::process::exit(2);
    }
}

criterion_group!(group, benches);
criterion_main!(group);
