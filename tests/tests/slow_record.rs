//! A large batch over a record whose disk stands still: it is held up, the record's queue is not filled, and no token leaves
//! before its line is safe.
#![allow(clippy::unwrap_used, reason = "the helpers of a test")]

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use idjag::{
    Event, Exchange, IdJag, IdJagMinter, Receipt, Record, RecordUnavailable, Refusal, Request, SigningKey,
};
use idjag_tests::{SetClock, World, vectors};

const NOW: i64 = 1_784_527_300;
const CLIENT: &str = "client-public";
/// More than two threads may have open: 64 chunks of 64 each.
const BATCH: usize = 10_000;

/// How the disk is.
#[derive(Clone, Copy, PartialEq)]
enum Disk {
    Stands,
    Writes,
    Fails,
}

struct Slow {
    queued: AtomicUsize,
    disk: Mutex<Disk>,
    changed: Condvar,
}

impl Record for Slow {
    fn queue(&self, _: &Event<'_>) -> Result<Receipt, RecordUnavailable> {
        Ok(Receipt(self.queued.fetch_add(1, Ordering::SeqCst) as u64 + 1))
    }

    fn wait(&self, _: Receipt) -> Result<(), RecordUnavailable> {
        let disk = self.disk.lock().unwrap();
        let disk = self.changed.wait_while(disk, |disk| *disk == Disk::Stands).unwrap();
        if *disk == Disk::Fails { Err(RecordUnavailable) } else { Ok(()) }
    }
}

fn assertions() -> Vec<String> {
    let key = std::fs::read(vectors().join("keys/acme-ed25519.jwk")).unwrap();
    let minter = IdJagMinter::new("https://acme.idp.example", Arc::new(SigningKey::from_jwk(&key).unwrap()));
    let id_jag = IdJag {
        audience: "https://auth.chat.example/",
        client_id: CLIENT,
        subject: "ada",
        resource: Some("https://mcp.chat.example/"),
        groups: &["eng"],
        issued_at: NOW,
        lifetime_s: 300,
        ..IdJag::default()
    };
    (0..BATCH).map(|_| minter.mint(&id_jag).unwrap()).collect()
}

/// What a batch comes to whose disk stands still for a while, and is then as `then` says: granted, and queued while it stood.
fn over(then: Disk, assertions: &[String], threads: usize) -> (Vec<Option<&'static str>>, usize) {
    let slow = Arc::new(Slow {
        queued: AtomicUsize::new(0),
        disk: Mutex::new(Disk::Stands),
        changed: Condvar::new(),
    });
    let config = World::read("requests").unwrap().config().unwrap();
    let record = Arc::clone(&slow) as Arc<dyn Record>;
    let engine = Exchange::builder(config).clock(SetClock::new(NOW)).record(record).build().unwrap();
    let requests: Vec<Request<'_>> = assertions
        .iter()
        .map(|assertion| Request { assertion: assertion.as_bytes(), client_id: CLIENT, ..Request::default() })
        .collect();
    thread::scope(|scope| {
        let batch = scope.spawn(|| engine.exchange_many_on(&requests, NonZero::new(threads).unwrap()));
        // Until nothing more comes.
        let mut before = 0;
        let stood = loop {
            thread::sleep(Duration::from_millis(300));
            let queued = slow.queued.load(Ordering::SeqCst);
            if queued == before && queued > 0 {
                break queued;
            }
            before = queued;
        };
        assert!(!batch.is_finished(), "it is held up");
        *slow.disk.lock().unwrap() = then;
        slow.changed.notify_all();
        let answers = batch.join().unwrap();
        (answers.into_iter().map(|answer| answer.err().map(Refusal::slug)).collect(), stood)
    })
}

#[test]
fn a_large_batch_waits_for_a_slow_disk_and_does_not_fill_its_queue() {
    let assertions = assertions();
    for threads in [1, 2] {
        let (answers, stood) = over(Disk::Writes, &assertions, threads);
        assert_eq!(answers.len(), BATCH);
        assert!(answers.iter().all(Option::is_none), "all are granted in the end");
        assert!((64..=threads * 64 * 64).contains(&stood), "{stood} lines while the disk stood still");
    }
}

#[test]
fn of_a_disk_that_stood_still_and_then_failed_no_token_leaves() {
    let (answers, _) = over(Disk::Fails, &assertions(), 2);
    assert_eq!(answers.len(), BATCH);
    assert!(answers.iter().all(|slug| *slug == Some("record_unavailable")));
}
