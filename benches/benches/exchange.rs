//! One exchange, and many: `cargo bench -p idjag-benches --bench exchange`.

use std::hint::black_box;
use std::num::NonZero;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use idjag::{Algorithm, Request};
use idjag_benches::{Failure, World, request};

fn exchange(criterion: &mut Criterion) -> Result<(), Failure> {
    for (idp, name) in [(Algorithm::RS256, "RS256"), (Algorithm::ES256, "ES256"), (Algorithm::EdDSA, "EdDSA")]
    {
        let world = World::new(idp, Algorithm::EdDSA)?;
        let assertions = world.assertions(4_096)?;
        let mut engine = world.engine()?;
        let mut next = 0;
        criterion.bench_function(&format!("exchange/{name} to EdDSA"), |bencher| {
            bencher.iter(|| {
                if next == assertions.len() {
                    // Everything is spent: a fresh engine, once in four thousand.
                    next = 0;
                    if let Ok(fresh) = world.engine() {
                        engine = fresh;
                    }
                }
                let answer = assertions.get(next).map(|assertion| engine.exchange(&request(assertion)));
                next += 1;
                black_box(answer)
            });
        });
    }
    let world = World::new(Algorithm::RS256, Algorithm::EdDSA)?;
    let assertions = world.assertions(1_024)?;
    let requests: Vec<Request<'_>> = assertions.iter().map(|assertion| request(assertion)).collect();
    let mut group = criterion.benchmark_group("exchange_many");
    group.sample_size(20).throughput(Throughput::Elements(1_024));
    for threads in [1, 2] {
        let threads = NonZero::new(threads).ok_or("no threads")?;
        group.bench_function(format!("1024 on {threads}"), |bencher| {
            bencher.iter_batched(
                || world.engine().ok(),
                |engine| engine.map(|engine| engine.exchange_many_on(&requests, threads)),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
    Ok(())
}

fn benches(criterion: &mut Criterion) {
    if let Err(failure) = exchange(criterion) {
        eprintln!("not measured: {failure}");
        std::process::exit(2);
    }
}

criterion_group!(group, benches);
criterion_main!(group);
