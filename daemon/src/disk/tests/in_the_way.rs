//! What is in the way of a life that waits for the next start, and a reset that ends half-way: the start says what is there, and never runs
//! what was given up.

use super::super::life::next::{NEXT, NEXT_ASIDE};
use super::next_life::{identity, kept, member, prepare};
use super::way_back::follow;
use super::*;
use crate::regular::tests::put_a_pipe;
use quorate_proto::NodeName;

fn put(what: &str, path: &Path) {
    match what {
        "a named pipe" => put_a_pipe(path),
        "a regular file" => std::fs::write(path, "x").expect("written"),
        _ => std::os::unix::fs::symlink("/dev/zero", path).expect("linked"),
    }
}

const KINDS: [&str; 3] = ["a named pipe", "a regular file", "a link"];

fn looked_at(host: &Host) -> Result<String, DiskError> {
    let name = NodeName::new("n1").expect("valid");
    inspect(&host.root(), &host.birth(), &cluster("prod"), &name)
}

#[test]
fn what_is_no_directory_and_waits_is_named_and_the_printed_command_goes_on_with_the_disks_own_life()
{
    for what in KINDS {
        let host = member();
        let before = host.open().expect("opened").dir.identity().instance;
        put(what, &host.root().join(NEXT));
        let looked = looked_at(&host).expect_err(what).to_string();
        let refused = host.open().expect_err(what);
        assert!(refused.needs_operator(), "{refused}");
        let told = refused.to_string();
        assert_eq!(looked, told, "`check-config` says what the start says");
        assert!(told.contains(&format!("life.next: it is {what}, not a directory")), "{told}");
        follow(&host, &told);
        let opened = host.open().expect("it goes on");
        assert_eq!(opened.dir.identity().instance, before);
        assert_eq!(kept(&host).len(), 1, "nothing was removed");
    }
}

#[test]
fn what_is_no_directory_where_data_are_prepared_is_to_be_removed_and_is_not_by_a_start() {
    for what in KINDS {
        let (host, fresh) = (member(), Host::new());
        std::fs::create_dir_all(fresh.root()).expect("made");
        for (host, name) in [(&host, NEXT_ASIDE), (&fresh, "life.new")] {
            let path = host.root().join(name);
            put(what, &path);
            let refused = host.open().expect_err(what);
            assert!(refused.needs_operator(), "{refused}");
            let told = refused.to_string();
            let remedy = format!("remove it (`rm {}`)", path.display());
            assert!(told.contains(&format!("{name} is {what},")), "{told}");
            assert!(told.contains(&remedy) && !told.contains("data_dir"), "{told}");
            std::fs::remove_file(&path).expect("it was left");
            drop(host.open().expect("it goes on"));
        }
    }
}

#[test]
fn what_is_no_directory_in_place_of_the_life_is_damage_and_can_be_set_aside() {
    for what in KINDS {
        let host = member();
        std::fs::rename(host.life(), host.root().join("life.set-aside-by-hand")).expect("moved");
        put(what, &host.life());
        let refused = host.open().expect_err(what);
        assert!(refused.needs_operator(), "{refused}");
        let told = refused.to_string();
        assert!(told.contains("quorate reset --set-aside --cluster prod"), "{told}");
        assert_eq!(looked_at(&host).expect_err(what).to_string(), told);
        reset(&host.root(), &host.birth(), &cluster("prod"), "prod", true).expect("set aside");
        assert!(host.open().expect("anew").fresh);
    }
}

#[test]
fn a_look_at_the_data_finds_what_waits_damaged_and_changes_nothing() {
    let (host, identity) = (member(), identity());
    prepare(&host, &identity, b"state").expect("prepared");
    let said = looked_at(&host).expect("whole");
    assert!(said.starts_with("a new disk life is prepared"), "{said}");
    for name in ["identity", "generation", "founding"] {
        let file = host.root().join(NEXT).join(name);
        let whole = std::fs::read(&file).expect("read");
        std::fs::write(&file, "x").expect("damaged");
        let told = looked_at(&host).expect_err(name).to_string();
        assert!(told.contains(&*file.to_string_lossy()), "{told}");
        assert!(told.contains("`quorate reset --prepared --cluster prod`"), "{told}");
        std::fs::write(&file, whole).expect("put back");
    }
    assert!(host.life().exists() && host.root().join(NEXT).exists() && kept(&host).is_empty());
}

#[test]
fn a_reset_that_ends_half_way_leaves_nothing_that_waits_for_the_next_start() {
    let (host, identity) = (member(), identity());
    let opened = host.open().expect("opened");
    let before = opened.dir.identity().instance;
    let recovered = recover(&opened).expect("whole");
    drop(Writer::spawn(&opened.dir, recovered.log, Box::new(|_| ())).expect("it notes its log"));
    drop(opened);
    prepare(&host, &identity, b"state").expect("prepared");
    // In the way of the note that the life would take along.
    let in_the_way = host.life().join("reached.new");
    std::fs::create_dir(&in_the_way).expect("made");
    let set_aside = || reset(&host.root(), &host.birth(), &cluster("prod"), "prod", true);
    set_aside().expect_err("it ends half-way");
    let opened = host.open().expect("the life goes on that was here");
    assert_eq!(opened.dir.identity().instance, before);
    drop(opened);
    std::fs::remove_dir(&in_the_way).expect("removed");
    set_aside().expect("the second time");
    assert!(host.open().expect("anew").fresh);
    assert_eq!(kept(&host).len(), 1);
}
