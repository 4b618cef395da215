//! kill -9 between each pair of durable steps of a founding, on each host, and again after the restart.

mod founding_world;

use founding_world::{SECOND, World};
use quorate_membership::Mode;

/// Founding takes a promise, an acceptance and the record; proposers of several ballots write a few more.
const STEPS: u64 = 8;

fn play(seed: u64, mode: Mode, n: usize, kills: &[(usize, u64, bool)]) {
    let mut world = World::new(seed, mode, n, 0);
    let mut kills = kills.iter().copied();
    world.kill = kills.next();
    (0..n).for_each(|host| world.start(host));
    for _ in 0..6 {
        world.run_for(SECOND);
        for host in 0..n {
            if world.hosts[host].run.is_none() {
                if world.kill.is_none() {
                    world.kill = kills.next();
                }
                world.start(host);
            }
        }
    }
    let everyone: Vec<usize> = (0..n).collect();
    for _ in 0..60 {
        world.run_for(SECOND);
        for host in 0..n {
            if world.hosts[host].run.is_none() {
                world.start(host);
            }
        }
    }
    assert!(world.all_founded(&everyone), "{mode} n={n} seed {seed} {kills:?}");
    assert_eq!(world.founded.len(), 1, "{mode} n={n} seed {seed}");
}

#[test]
fn a_kill_at_each_write_of_each_host_before_or_after_it_landed_founds_once() {
    for mode in [Mode::Majority, Mode::Durable] {
        for n in [1, 2, 3, 5] {
            for host in 0..n {
                for step in 1..=STEPS {
                    for landed in [false, true] {
                        play(step, mode, n, &[(host, step, landed)]);
                    }
                }
            }
        }
    }
}

#[test]
fn two_kills_at_any_two_writes_of_three_hosts_found_once() {
    for mode in [Mode::Majority, Mode::Durable] {
        for first in 0..3 {
            for second in 0..3 {
                for step in 1..=3 {
                    for later in 1..=5 {
                        for landed in [false, true] {
                            let kills = [(first, step, landed), (second, later, !landed)];
                            play(step * 7 + later, mode, 3, &kills);
                        }
                    }
                }
            }
        }
    }
}
