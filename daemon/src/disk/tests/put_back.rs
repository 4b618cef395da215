//! Data that are put back with a life in them that waits for the next start: one that was begun since never begins again.

use super::super::life::next::NEXT;
use super::super::life::reached;
use super::next_life::{certificate, check_founder, identity, kept, member, prepare};
use super::*;

/// A start from the data as they are to an orderly stop, with what the daemon notes.
fn run(host: &Host, writes: Vec<Vec<LogRecord>>) -> Result<(), DiskError> {
    let opened = host.open()?;
    let recovered = recover(&opened)?;
    let writer = Writer::spawn(&opened.dir, recovered.log, Box::new(|_| ())).expect("spawned");
    for (number, records) in (1..).zip(writes) {
        writer.submit(number, log_write(records));
    }
    Ok(())
}

/// A copy of the data directory, and nothing of what is outside of it.
fn copied(host: &Host) -> Host {
    let copied = Host::new();
    copy(&host.root(), &copied.root());
    copied
}

fn put_back(host: &Host, from: &Host) {
    std::fs::remove_dir_all(host.root()).expect("removed");
    copy(&from.root(), &host.root());
}

fn refused(host: &Host, what: &str) -> String {
    let refusal = host.open().expect_err(what);
    assert!(refusal.needs_operator(), "{what}: {refusal}");
    refusal.to_string()
}

#[test]
fn a_copy_of_what_waited_does_not_begin_again_what_was_begun_since() {
    for in_place in [true, false] {
        let identity = identity();
        let host = if in_place { member() } else { Host::new() };
        std::fs::create_dir_all(host.root()).expect("there");
        prepare(&host, &identity, b"state").expect("prepared");
        let copy = copied(&host);
        run(&host, vec![vec![entries(41, 45, 1)]]).expect("begun");
        for _ in 0..2 {
            put_back(&host, &copy);
            let told = refused(&host, "it was begun");
            assert!(told.contains("life.next is an older copy: it was started 0 times"), "{told}");
            assert!(told.contains("1 times") && told.contains("prod.reached"), "{told}");
        }
        assert_eq!(host.life().exists(), in_place, "nothing was changed");
    }
}

#[test]
fn a_copy_of_what_waited_does_not_begin_again_behind_yet_another_life() {
    let host = member();
    let first = identity();
    prepare(&host, &first, b"state").expect("prepared");
    let copy = copied(&host);
    run(&host, vec![vec![entries(41, 45, 1)]]).expect("the first one");
    prepare(&host, &identity(), b"state").expect("prepared");
    run(&host, Vec::new()).expect("the second one");
    put_back(&host, &copy);
    let told = refused(&host, "it was begun, and another one behind it");
    assert!(told.contains("life.next is an older copy"), "{told}");
}

#[test]
fn a_life_that_was_never_begun_goes_through_as_often_as_the_start_was_killed() {
    let (host, identity) = (member(), identity());
    prepare(&host, &identity, b"state").expect("prepared");
    let copy = copied(&host);
    // Each of these is killed before it could say anything to anybody.
    for _ in 0..3 {
        drop(host.open().expect("put in place"));
        put_back(&host, &copy);
    }
    check_founder(&host, &identity, "it never ran");
}

#[test]
fn a_copy_of_what_joins_without_a_state_does_not_begin_again_either() {
    let (host, founder, joins) = (member(), identity(), identity());
    let founded = certificate(&founder);
    let next = NextLife { identity: &joins, founded: &founded, state: None };
    prepare_life(&host.root(), next).expect("prepared");
    let copy = copied(&host);
    run(&host, Vec::new()).expect("begun");
    put_back(&host, &copy);
    let told = refused(&host, "it was begun");
    assert!(told.contains("life.next is an older copy"), "{told}");
}

#[test]
fn an_old_copy_of_the_life_in_place_does_not_take_its_place() {
    let host = member();
    run(&host, vec![vec![entries(10, 12, 1)]]).expect("run");
    let old = copied(&host);
    let next = host.root().join(NEXT);
    copy(&old.life(), &next);
    let told = refused(&host, "a copy of the same start");
    assert!(told.contains("copies of one disk life"), "{told}");
    assert!(told.contains("`quorate reset --prepared --cluster prod`"), "{told}");
    std::fs::remove_dir_all(host.life()).expect("only the copy is there");
    run(&host, Vec::new()).expect("it is not older than what is known");
    std::fs::remove_dir_all(host.root()).expect("removed");
    copy(&old.life(), &next);
    assert!(refused(&host, "now it is").contains("is an older copy"), "it is");
}

#[test]
fn an_old_copy_of_a_life_that_was_brought_back_is_not_brought_back_again() {
    let (host, identity) = (member(), identity());
    run(&host, Vec::new()).expect("run");
    prepare(&host, &identity, b"state").expect("prepared");
    run(&host, Vec::new()).expect("the founder");
    let [aside] = &kept(&host)[..] else { panic!("kept once") };
    let name = aside.file_name().expect("named").to_string_lossy().into_owned();
    let (birth, prod) = (host.birth(), cluster("prod"));
    let bring = || bring_back(&host.root(), &birth, &prod, "prod", &name);
    let copy = copied(&host);
    bring().expect("done");
    run(&host, vec![vec![entries(10, 12, 1)]]).expect("brought back");
    put_back(&host, &copy);
    let told = bring().expect_err("an old copy").to_string();
    assert!(told.contains(&name) && told.contains("is an older copy"), "{told}");
    let founder = reached::read(&birth, &prod, identity.instance).expect("read");
    assert!(founder.is_some(), "its note is kept beside the other's");
    let refused = refused(&host, "the founder was left for the other since the copy");
    assert!(refused.contains("the marker"), "{refused}");
}

#[test]
fn what_a_life_has_reached_goes_with_it_through_a_reset_and_comes_back_with_it() {
    let host = member();
    run(&host, Vec::new()).expect("run");
    let reached = host.open().expect("opened").dir.reached().expect("noted");
    let (root, birth, prod) = (host.root(), host.birth(), cluster("prod"));
    reset(&root, &birth, &prod, "prod", true).expect("set aside");
    let [aside] = &kept(&host)[..] else { panic!("kept once") };
    let name = aside.file_name().expect("named").to_string_lossy().into_owned();
    bring_back(&root, &birth, &prod, "prod", &name).expect("brought back");
    let back = host.open().expect("opened").dir.reached().expect("it took its note along");
    assert_eq!((back.instance, back.end), (reached.instance, reached.end));
}
