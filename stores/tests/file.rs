//! The file that processes share: one token for one assertion, whoever presents it, and whoever dies meanwhile.
#![cfg(all(feature = "file", target_os = "linux"))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "the helpers of a test")]

mod shared;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::thread;
use std::time::Duration;

use idjag::{Claim, Claimed, Clock, ReplayStore, SystemClock};
use idjag_stores::{FILE_ENTRY_BYTES, FileReplay};
use shared::{Place, World, assert_single, claim, key, tally};

const MIB: u64 = 1 << 20;

/// What the tests here run in processes of their own.
#[test]
#[ignore = "run by the other tests, in processes of their own"]
fn presenter() {
    shared::present();
}

#[test]
fn eight_processes_of_four_threads_get_one_token_for_each_assertion() {
    const ASSERTIONS: usize = 10_000;
    let world = World::new("many", "store = \"file\"\nmax_bytes = \"4 MiB\"", ASSERTIONS, 0);
    let mut presenters: Vec<_> = (0..8).map(|name| world.presenter(&name.to_string(), 4)).collect();
    world.go(&mut presenters);
    presenters.iter_mut().for_each(shared::Presenter::wait);
    let (slugs, granted) = tally(&presenters);
    assert_single(&granted);
    assert_eq!(granted.len(), ASSERTIONS);
    assert_eq!((slugs["granted"], slugs["replayed"]), (ASSERTIONS, 31 * ASSERTIONS), "{slugs:?}");
}

#[test]
fn who_is_killed_takes_no_claim_back_and_holds_nobody_up() {
    const ASSERTIONS: usize = 3_000;
    const THREADS: usize = 4;
    let mut killed = 0;
    for round in 0..5_u64 {
        let world = World::new("killed", "store = \"file\"\nmax_bytes = \"2 MiB\"", ASSERTIONS, 0);
        let mut presenters: Vec<_> = (0..4).map(|name| world.presenter(&name.to_string(), THREADS)).collect();
        world.go(&mut presenters);
        for presenter in presenters.iter_mut().take(3) {
            thread::sleep(Duration::from_millis(20 + 13 * round));
            if presenter.child.try_wait().unwrap().is_none() {
                killed += 1;
            }
            presenter.kill();
        }
        // Those that are left come to their end, and one that comes later.
        presenters[3].wait();
        let mut last = world.presenter("last", 1);
        last.wait();
        presenters.push(last);
        let (slugs, granted) = tally(&presenters);
        assert_single(&granted);
        // What a thread had claimed when it was killed is spent.
        assert!(granted.len() >= ASSERTIONS - 3 * THREADS, "{} of {ASSERTIONS}", granted.len());
        assert_eq!(slugs.keys().map(String::as_str).collect::<Vec<_>>(), ["granted", "replayed"]);
    }
    assert!(killed >= 5, "only {killed} were killed at work");
}

#[test]
fn a_store_that_is_taken_away_refuses_and_grants_nothing_twice() {
    const ASSERTIONS: usize = 4_000;
    // Older than the leeway: a store that begins anew refuses them.
    let world = World::new("taken", "store = \"file\"\nmax_bytes = \"2 MiB\"", ASSERTIONS, 60);
    // The store was there before they were issued.
    FileReplay::open(&world.place.path().join("replay"), 2 * MIB, 0).unwrap();
    let mut presenters: Vec<_> = (0..4).map(|name| world.presenter(&name.to_string(), 2)).collect();
    world.go(&mut presenters);
    thread::sleep(Duration::from_millis(60));
    fs::remove_dir_all(world.place.path().join("replay")).unwrap();
    let mut late = world.presenter("late", 2);
    presenters.iter_mut().for_each(shared::Presenter::wait);
    late.wait();
    presenters.push(late);
    let (slugs, granted) = tally(&presenters);
    assert_single(&granted);
    assert!((1..ASSERTIONS).contains(&granted.len()), "{slugs:?}");
    assert!(slugs["replay_unavailable"] > 0 && slugs["issued_before_start"] == 2 * ASSERTIONS, "{slugs:?}");
}

#[test]
fn a_claim_holds_up_to_and_with_its_last_second_and_over_a_restart() {
    let place = Place::new("boundary");
    let open = || FileReplay::open(place.path(), MIB, 50).unwrap();
    let store = open();
    assert_eq!(store.remembers_since(), Some(50));
    assert_eq!(store.seen(&key(1), 60), Claimed::First);
    assert_eq!(claim(&store, key(1), 100, 60), Claimed::First);
    drop(store);
    let store = FileReplay::open(place.path(), MIB, 70).unwrap();
    assert_eq!(store.remembers_since(), Some(50), "it is the same memory");
    assert_eq!(claim(&store, key(1), 500, 100), Claimed::Seen);
    assert_eq!(store.seen(&key(1), 100), Claimed::Seen);
    assert_eq!(store.seen(&key(1), 101), Claimed::First);
    assert_eq!(claim(&store, key(1), 200, 101), Claimed::First);
    assert_eq!(claim(&store, key(1), 200, 200), Claimed::Seen);
    // A time that is past already still holds for the second of the claim.
    assert_eq!(claim(&store, key(2), 10, 300), Claimed::First);
    assert_eq!(claim(&store, key(2), 10, 300), Claimed::Seen);
    assert_eq!(store.stats().entries, 2);
}

#[test]
fn the_lowest_index_wins_within_a_call() {
    let place = Place::new("lowest");
    let store = FileReplay::open(place.path(), MIB, 0).unwrap();
    let claims = [1, 2, 1, 3, 2, 1].map(|number| Claim { key: key(number), expires_at: 10 });
    let mut out = [Claimed::Unavailable; 6];
    store.claim(&claims, 0, &mut out);
    let (first, seen) = (Claimed::First, Claimed::Seen);
    assert_eq!(out, [first, first, seen, first, seen, seen]);
    store.claim(&[], 0, &mut []);
}

#[test]
fn where_the_time_goes_back_nothing_that_was_taken_out_is_first_again() {
    let place = Place::new("backwards");
    let store = FileReplay::open(place.path(), MIB, 1_000).unwrap();
    for number in 0..1_000 {
        assert_eq!(claim(&store, key(number), 1_100, 1_000), Claimed::First);
    }
    // A clock that is far ahead lets all of them expire, and some of them are taken out.
    for number in 1_000..2_000 {
        assert_eq!(claim(&store, key(number), 2_100, 2_000), Claimed::First);
    }
    let held = store.stats().entries;
    assert!(held < 2_000, "{held}");
    // By a clock that is right they have not.
    for number in 0..1_000 {
        let claimed = claim(&store, key(number), 1_100, 1_001);
        assert_eq!(claimed, Claimed::Unavailable, "{number}");
    }
    assert_eq!(claim(&store, key(3_000), 2_000, 1_001), Claimed::First);
    assert_eq!(claim(&store, key(3_000), 2_000, 1_001), Claimed::Seen);
}

#[test]
fn a_full_store_refuses_what_is_new_and_remembers_what_it_holds() {
    for batch in [1, 64] {
        let place = Place::new("full");
        let store = FileReplay::open(place.path(), MIB, 0).unwrap();
        let room = (MIB / FILE_ENTRY_BYTES) as usize;
        let mut next = 0;
        // Several fillings, each after the one before has expired: the pages that are freed come back.
        for filling in 0..8 {
            let now = filling * 100;
            let mut firsts = Vec::new();
            let full = loop {
                let numbers: Vec<u64> = (next..next + batch).collect();
                next += batch;
                let claims: Vec<_> =
                    numbers.iter().map(|number| Claim { key: key(*number), expires_at: now + 99 }).collect();
                let mut out = vec![Claimed::Seen; claims.len()];
                store.claim(&claims, now, &mut out);
                let new = numbers.iter().zip(&out).filter(|(_, claimed)| **claimed == Claimed::First);
                firsts.extend(new.map(|(number, _)| *number));
                if out.contains(&Claimed::Unavailable) {
                    break out;
                }
            };
            assert!(!full.contains(&Claimed::Seen));
            assert!(firsts.len() + 300 >= room && firsts.len() <= room, "{} of {room}", firsts.len());
            for number in firsts {
                assert_eq!(claim(&store, key(number), now + 99, now), Claimed::Seen, "{number}");
            }
            let stats = store.stats();
            assert!(stats.bytes <= stats.max_bytes && stats.max_bytes == MIB, "{stats:?}");
        }
    }
}

#[test]
fn what_expires_is_taken_out_while_others_come() {
    let place = Place::new("sweep");
    let store = FileReplay::open(place.path(), 16 * MIB, 0).unwrap();
    // 200 a second that hold for 100 seconds: 20,000 hold, and a third as many may wait to be taken out.
    for now in 0..1_000_i64 {
        let claims: Vec<_> = (0..200)
            .map(|number| Claim { key: key(now.unsigned_abs() * 200 + number), expires_at: now + 99 })
            .collect();
        let mut out = vec![Claimed::Unavailable; claims.len()];
        store.claim(&claims, now, &mut out);
        assert!(out.iter().all(|claimed| *claimed == Claimed::First));
        assert!(store.stats().entries <= 20_000 * 3 / 2, "{:?} at {now}", store.stats());
    }
    assert!(store.stats().entries >= 20_000);
}

#[test]
fn what_one_engine_revokes_the_other_follows() {
    let world = World::new("revoked", "store = \"file\"\nmax_bytes = \"1 MiB\"", 8, 0);
    shared::revocations_travel(&world, SystemClock.now(), || {});
}

#[test]
fn engines_of_one_process_share_what_is_open() {
    let place = Place::new("twice");
    let one = FileReplay::open(place.path(), MIB, 0).unwrap();
    let other = FileReplay::open(&place.path().join("."), MIB, 0).unwrap();
    assert_eq!(claim(&one, key(1), 10, 0), Claimed::First);
    assert_eq!(claim(&other, key(1), 10, 0), Claimed::Seen);
    drop(one);
    assert_eq!(claim(&other, key(2), 10, 0), Claimed::First);
}

#[test]
fn another_boot_begins_anew_and_leaves_the_rest_of_the_folder_alone() {
    let place = Place::new("boot");
    fs::write(place.path().join("boot-notes.txt"), "mine").unwrap();
    let earlier = place.path().join("boot-00000000-0000-4000-8000-000000000000");
    fs::create_dir(&earlier).unwrap();
    fs::write(earlier.join("data.mdb"), "torn").unwrap();
    let store = FileReplay::open(place.path(), MIB, 77).unwrap();
    assert_eq!((store.remembers_since(), store.stats().entries), (Some(77), 0));
    assert!(!earlier.exists() && place.path().join("boot-notes.txt").exists());
}

#[test]
fn either_file_that_is_removed_or_replaced_makes_all_unavailable() {
    for file in ["data.mdb", "lock.mdb"] {
        for replace in [false, true] {
            let place = Place::new("removed");
            let store = FileReplay::open(place.path(), MIB, 0).unwrap();
            assert_eq!(claim(&store, key(1), 10, 0), Claimed::First);
            let folder = fs::read_dir(place.path()).unwrap().next().unwrap().unwrap().path();
            let path = folder.join(file);
            let copy = fs::read(&path).unwrap();
            fs::remove_file(&path).unwrap();
            if replace {
                // The inode that was freed is not taken again while the file is mapped.
                fs::write(&path, copy).unwrap();
            }
            assert_eq!(claim(&store, key(2), 10, 0), Claimed::Unavailable);
            assert_eq!(store.seen(&key(1), 0), Claimed::Unavailable);
            assert_eq!(store.stats().entries, 0);
        }
    }
}

#[test]
fn a_folder_that_cannot_be_trusted_is_refused_and_says_why() {
    let place = Place::new("open-to-all");
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let refused = FileReplay::open(place.path(), MIB, 0).unwrap_err().to_string();
    assert!(refused.ends_with("others can write to it; `chmod 700` it, or name another folder"), "{refused}");

    let place = Place::new("a-file");
    let file = place.path().join("file");
    fs::write(&file, "").unwrap();
    let refused = FileReplay::open(&file, MIB, 0).unwrap_err().to_string();
    assert!(refused.starts_with(&format!("`{}`: ", file.display())), "{refused}");

    let place = Place::new("no-room");
    let refused = FileReplay::open(place.path(), 1 << 42, 0).unwrap_err().to_string();
    assert!(
        refused.contains("cannot reserve 4194304 MiB") && refused.contains("lower `replay.max_bytes`"),
        "{refused}"
    );
}
