//! Random runs of the simulator: safety under faults, then liveness after healing.
//!
//! `QUORATE_SEEDS=N` runs more seeds, `QUORATE_SEED=S` runs one, with its story on failure. `QUORATE_TRACES=FILE` adds a line to the file for
//! each seed with a hash over all that happened: a change that only moves code leaves them as they are (`sort` both files).

use quorate_proto::{QuorumLoss, Role};
use quorate_tests::addresses::two_addresses;
use quorate_tests::ailing::{Rare, Tally};
use quorate_tests::alone::used_alone;
use quorate_tests::applications::told_of_applications;
use quorate_tests::assignments::{assigned, item_renewed_by_a_leader_that_is_cut_off};
use quorate_tests::campaign::{number, run_many, tell};
use quorate_tests::checks::TURNS;
use quorate_tests::churn::churn;
use quorate_tests::commits::writes_in_a_row;
use quorate_tests::copies::{
    a_copy_and_its_original_met_by_one_each, a_copy_of_a_running_disk, an_older_copy_in_its_place,
    an_original_that_restarts_beside_its_copy,
};
use quorate_tests::cut_links::{Cut, run_cuts, run_cuts_in, setup_of};
use quorate_tests::disk_stories::{disk_setup, disk_story, disk_story_in, two_bad_disks};
use quorate_tests::figures::{
    deaf_leader, failover, formation, healthy_with, idle, leader_killed_and_back, leader_told,
    leader_wiped_and_back, majority_lost, median_and_worst, stands_still_and_goes_on, told,
    told_over_a_cut_link,
};
use quorate_tests::lasting::{Lasting, turns_in_a_crash_loop, turns_under};
use quorate_tests::names::{
    Kept, name_of_a_living_voter, name_of_a_stopped_voter, name_of_a_wiped_voter,
};
use quorate_tests::network::Weather;
use quorate_tests::paces::{
    Restless, around_a_burst, behind_quiet, in_weather, told_after, with_late_turns,
};
use quorate_tests::returns::epoch_of_a_host_that_is_ready;
use quorate_tests::runs::{Outcome, draw_setup, run_seed, run_seed_in};
use quorate_tests::shares::{renewed_by_a_leader_that_is_cut_off, shared};
use quorate_tests::slow_links::{Writes, replacement_over_a_slow_link, return_over_a_slow_link};
use quorate_tests::world::World;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Adds what a run did to the file of traces, if one is wanted.
fn note_trace(kind: &str, seed: u64, outcome: &Outcome) {
    use std::io::Write as _;
    let Ok(path) = std::env::var("QUORATE_TRACES") else { return };
    let file = std::fs::File::options().create(true).append(true).open(&path);
    let line = format!("{kind} {seed} {:016x}\n", outcome.trace);
    file.and_then(|mut file| file.write_all(line.as_bytes()))
        .expect("the file of traces is written");
}

/// Asks for writes that met their first answer, over all seeds.
static FIRST_ANSWERS: AtomicU64 = AtomicU64::new(0);

#[test]
fn every_seed_keeps_the_promises_and_heals() {
    if let Some(seed) = number("QUORATE_SEED") {
        let (setup, roughness) = draw_setup(seed);
        eprintln!("seed {seed}: {setup:?} {roughness:?}");
        let mut world = World::new(seed, setup);
        world.verbose = true;
        tell(world, |world| {
            let _ = run_seed_in(world, roughness);
        });
        return;
    }
    run_many(250, |seed| {
        let outcome = run_seed(seed);
        FIRST_ANSWERS.fetch_add(outcome.first_answers, Ordering::Relaxed);
        note_trace("seed", seed, &outcome);
    });
    let met = FIRST_ANSWERS.load(Ordering::Relaxed);
    eprintln!("{met} asks for writes met their first answer");
    assert!(
        met > 0,
        "no lost write was asked for again after it was done: nothing was tried of that"
    );
}

/// What came of faults of disks, over all seeds.
static OF_DISKS: Mutex<Tally> = Mutex::new(Tally::new());

#[test]
fn every_seed_bears_disks_that_are_full_slow_silent_or_decay() {
    if let Some(seed) = number("QUORATE_SEED") {
        let mut world = World::new(seed, disk_setup(seed));
        world.verbose = true;
        tell(world, |world| {
            let _ = disk_story_in(world);
            eprintln!("{:?}", world.tally());
        });
        return;
    }
    run_many(40, |seed| {
        let (outcome, tally) = disk_story(seed);
        note_trace("disks", seed, &outcome);
        OF_DISKS.lock().expect("no holder panics").take(&tally);
    });
    let tally = OF_DISKS.lock().expect("no holder panics");
    eprintln!("{tally:?}");
    let never: Vec<Rare> = tally.never().collect();
    assert!(never.is_empty(), "in no story it came to {never:?}: nothing was tried of that");
}

#[test]
fn with_two_of_three_disks_bad_at_once_nothing_false_is_said() {
    static LOST: AtomicU64 = AtomicU64::new(0);
    run_many(12, |seed| _ = LOST.fetch_add(u64::from(two_bad_disks(seed)), Ordering::Relaxed));
    assert!(LOST.load(Ordering::Relaxed) > 0, "in no story both disks were lost");
}

#[test]
fn whatever_happens_applications_never_believe_more_than_there_is_and_share_all_of_it_in_the_end() {
    static FREED: AtomicU64 = AtomicU64::new(0);
    if let Some(seed) = number("QUORATE_SEED") {
        eprintln!("{:?}", shared(seed, true));
        return;
    }
    run_many(100, |seed| {
        let shared = shared(seed, false);
        assert_eq!((shared.most, shared.in_the_end), (30, 30), "all of it is used");
        FREED.fetch_add(shared.fenced as u64, Ordering::Relaxed);
    });
    assert!(
        FREED.load(Ordering::Relaxed) > 0,
        "no fence freed anything: nothing was tried of that"
    );
}

#[test]
fn two_voters_that_use_the_whole_alone_behind_a_fence_never_use_more_than_there_is() {
    static WHOLE: AtomicU64 = AtomicU64::new(0);
    if let Some(seed) = number("QUORATE_SEED") {
        eprintln!("{:?}", used_alone(seed, QuorumLoss::Local, true));
        return;
    }
    run_many(100, |seed| {
        let used = used_alone(seed, QuorumLoss::Local, false);
        assert_eq!((used.most, used.in_the_end), (30, [15, 15]), "{used:?}");
        WHOLE.fetch_add(used.whole, Ordering::Relaxed);
    });
    assert!(WHOLE.load(Ordering::Relaxed) > 0, "nobody used the whole: nothing was tried of that");
}

#[test]
fn two_voters_that_hold_move_nothing_and_are_asked_for_no_fence() {
    run_many(30, |seed| {
        let used = used_alone(seed, QuorumLoss::Hold, false);
        assert_eq!((used.fenced, used.whole), (0, 0), "{used:?}");
        assert_eq!((used.most, used.in_the_end), (30, [15, 15]), "{used:?}");
    });
}

#[test]
fn whatever_happens_every_host_comes_to_tell_of_each_application_what_its_host_said_last() {
    if let Some(seed) = number("QUORATE_SEED") {
        eprintln!("{:?}", told_of_applications(seed, true));
        return;
    }
    run_many(100, |seed| _ = told_of_applications(seed, false));
}

#[test]
fn in_every_seed_no_item_of_an_assignment_has_two_believers() {
    static FREED: AtomicU64 = AtomicU64::new(0);
    static MOVES: AtomicU64 = AtomicU64::new(0);
    if let Some(seed) = number("QUORATE_SEED") {
        eprintln!("{:?}", assigned(seed, true));
        return;
    }
    run_many(100, |seed| {
        let assigned = assigned(seed, false);
        assert_eq!(assigned.in_the_end, 6, "{assigned:?}");
        MOVES.fetch_add(assigned.moves, Ordering::Relaxed);
        FREED.fetch_add(assigned.fenced as u64, Ordering::Relaxed);
    });
    // Not each story moves an item: where nobody was away for a TTL and the rule is to leave items where they are, none does.
    assert!(
        MOVES.load(Ordering::Relaxed) > 0,
        "no item came to another host: nothing was tried of that"
    );
    assert!(
        FREED.load(Ordering::Relaxed) > 0,
        "no fence freed anything: nothing was tried of that"
    );
}

#[test]
fn a_leader_that_is_cut_off_renews_no_item() {
    for seed in 1..=12 {
        assert!(!item_renewed_by_a_leader_that_is_cut_off(seed), "seed {seed}");
    }
}

#[test]
fn a_leader_that_is_cut_off_renews_no_share() {
    for seed in 1..=12 {
        assert!(!renewed_by_a_leader_that_is_cut_off(seed), "seed {seed}");
    }
}

#[test]
fn a_row_of_writes_needs_one_append_and_one_answer_of_each_follower_for_each() {
    for seed in 1..=10 {
        let row = writes_in_a_row(seed, 100);
        // The first two tell their commits at once, as a lone one does, and the last one is told behind the row.
        assert!((400..=420).contains(&row.frames), "seed {seed}: {row:?}");
        assert!(row.behind < Duration::from_millis(4), "seed {seed}: {row:?}");
    }
}

#[test]
fn the_commit_of_a_lone_write_is_told_at_once() {
    for seed in 1..=10 {
        let row = writes_in_a_row(seed, 1);
        assert_eq!(row.frames, 8, "seed {seed}: {row:?}");
        assert!(row.behind < Duration::from_millis(1), "seed {seed}: {row:?}");
    }
}

#[test]
fn a_host_that_was_started_again_is_ready_only_with_every_epoch_that_was_acknowledged_before() {
    for seed in 1..=20 {
        let (acknowledged, shown) = epoch_of_a_host_that_is_ready(seed);
        assert!(shown > acknowledged, "seed {seed}: {shown} of {acknowledged}");
    }
}

#[test]
fn every_seed_bears_cut_links() {
    if let Some(seed) = number("QUORATE_SEED") {
        let mut world = healthy_with(seed, setup_of(seed));
        world.verbose = true;
        tell(world, |world| {
            let _ = run_cuts_in(world);
        });
        return;
    }
    run_many(24, |seed| note_trace("cuts", seed, &run_cuts(seed)));
}

#[test]
fn a_seed_replays_to_the_letter() {
    for seed in [3, 77, 4_242] {
        assert_eq!(run_seed(seed), run_seed(seed), "seed {seed} took another way the second time");
    }
}

/// Spans of virtual time, which are exact, within bounds of their median and of the longest, in milliseconds.
fn within(what: &str, median_most: u64, worst_most: u64, spans: impl Iterator<Item = Duration>) {
    let spans: Vec<Duration> = spans.collect();
    let count = spans.len();
    let slowest = (1..=count).max_by_key(|run| spans[run - 1]).unwrap_or(0);
    let (median, worst) = median_and_worst(spans);
    let (median, worst) = (median.as_millis(), worst.as_millis());
    let measured = format!(
        "{what}: median {median} ms, worst {worst} ms (run {slowest} of {count}), in virtual time"
    );
    eprintln!("{measured}");
    assert!(
        median <= u128::from(median_most) && worst <= u128::from(worst_most),
        "{measured}; at most {median_most} and {worst_most} ms are allowed"
    );
}

#[test]
fn a_cluster_is_born_and_tells_soon() {
    within("three starts to a leader", 10, 15, (1..=40).map(formation));
    within(
        "follower lost, 3 nodes, to the last one told",
        750,
        850,
        (1..=40).map(|seed| told(seed, 3)),
    );
    within(
        "follower lost, 10 nodes, to the last one told",
        750,
        800,
        (1..=10).map(|seed| told(seed, 10)),
    );
    // As fast as anybody's, however many there are.
    for (hosts, seeds) in [(3, 40), (60, 3)] {
        let what = format!("leader lost, {hosts} nodes, to the last one told");
        within(&what, 520, 720, (1..=seeds).map(|seed| leader_told(seed, hosts)));
    }
}

#[test]
fn a_leader_that_is_gone_is_replaced_soon() {
    within("leader lost to another leader", 540, 580, (1..=40).map(failover));
    let restarted = |seed| leader_killed_and_back(seed, 3);
    within("leader killed and back, 3 nodes, to a leader", 5, 10, (1..=40).map(restarted));
    let restarted = |seed| leader_killed_and_back(seed, 1);
    within("leader killed and back, 1 node, to a leader", 30, 60, (1..=10).map(restarted));
    within(
        "leader wiped and back, to its being in",
        1_150,
        1_400,
        (1..=20).map(leader_wiped_and_back),
    );
}

#[test]
fn a_leader_that_hears_nobody_is_replaced_soon() {
    within("deaf leader, 3 nodes, to another", 590, 630, (1..=40).map(|seed| deaf_leader(seed, 3)));
    within("deaf leader, 5 nodes, to another", 590, 630, (1..=20).map(|seed| deaf_leader(seed, 5)));
}

#[test]
fn a_node_without_a_link_to_the_leader_is_told_soon() {
    type Between = fn(usize, usize) -> Cut;
    let ways: [(&str, Between); 3] = [
        ("both ways", Cut::Link),
        ("the way from the leader", Cut::Way),
        ("the way to the leader", |leader, other| Cut::Way(other, leader)),
    ];
    for (way, cut) in ways {
        let spans: Vec<_> = (1..=15).map(|seed| told_over_a_cut_link(seed, 5, cut)).collect();
        let told = format!("{way} cut, follower lost, to the last one told");
        within(&told, 1_170, 1_310, spans.iter().map(|[told, _]| *told));
        let acknowledged = format!("{way} cut, follower lost, to the last acknowledgement");
        within(&acknowledged, 1_340, 1_480, spans.iter().map(|[_, acknowledged]| *acknowledged));
    }
}

#[test]
fn nobody_vouches_for_a_leader_that_it_does_not_hear() {
    within("majority lost, to no quorum at all", 860, 1_000, (1..=10).map(majority_lost));
}

#[test]
fn a_cluster_that_stood_still_keeps_its_leader() {
    for seed in 1..=20 {
        let span = Duration::from_millis(700 * seed);
        assert!(stands_still_and_goes_on(seed, span), "seed {seed}: after {span:?}");
    }
}

#[test]
fn nothing_moves_in_half_an_idle_hour() {
    let [before, after] = idle(1, 3, Duration::from_secs(30 * 60));
    assert_eq!(before, after, "an idle cluster of three stays where it is");
    let [before, after] = idle(2, 6, Duration::from_secs(5 * 60));
    assert_eq!(before, after, "an idle cluster of six stays where it is");
}

#[test]
fn a_host_with_two_addresses_stays_at_the_one_that_answers_and_is_told_of_once() {
    for seed in 1..=10 {
        let (epochs, restless, told) = two_addresses(seed);
        assert_eq!(restless, 0, "seed {seed}: epochs in a minute in which nothing happened");
        assert!(
            epochs <= 12,
            "seed {seed}: {epochs} epochs for a birth and a restart of three hosts"
        );
        assert_eq!(told, [true; 3], "seed {seed}: every node says what is wrong");
    }
}

#[test]
fn the_name_of_a_living_voter_goes_to_nobody() {
    for seed in 1..=5 {
        assert_eq!(name_of_a_living_voter(seed), (true, true), "seed {seed}: kept, and told");
    }
}

#[test]
fn the_name_of_a_voter_that_stopped_is_kept_for_it_for_minutes() {
    let all = Kept { after_four_minutes: true, told: true, came_back: true, went_in_the_end: true };
    assert_eq!(name_of_a_stopped_voter(1), all);
}

#[test]
fn the_name_of_a_wiped_voter_goes_to_its_new_disk_at_its_place() {
    for seed in 1..=5 {
        assert!(name_of_a_wiped_voter(seed), "seed {seed}");
    }
}

#[test]
fn a_copy_of_a_running_disk_changes_nothing_and_every_host_says_so() {
    for seed in 1..=5 {
        for reaches in [&[0, 1, 2][..], &[0], &[2]] {
            let (same, told) = a_copy_of_a_running_disk(seed, reaches);
            assert!(same, "seed {seed}: the original stays a living voter of the same start");
            assert_eq!(told, [true; 3], "seed {seed}: each host says it, seen by {reaches:?}");
        }
    }
}

#[test]
fn a_voter_that_restarts_beside_a_copy_of_its_disk_keeps_its_place() {
    for seed in 1..=5 {
        let (back, told) = an_original_that_restarts_beside_its_copy(seed);
        assert!(back, "seed {seed}: it is back, and nobody took the copy for it");
        assert!(told, "seed {seed}: the host with the copy says that nobody listens to it");
    }
}

#[test]
fn of_a_disk_that_runs_twice_all_hosts_listen_to_the_same_one() {
    for seed in 1..=10 {
        let met = a_copy_and_its_original_met_by_one_each(seed);
        assert!(met[0].len() == 1 && met[0] == met[1], "seed {seed}: {met:?}");
    }
}

#[test]
fn an_older_copy_of_a_disk_is_not_listened_to_and_is_named() {
    for seed in 1..=5 {
        let (listened, told) = an_older_copy_in_its_place(seed);
        assert!(!listened, "seed {seed}");
        assert_eq!(told, [true; 2], "seed {seed}");
    }
}

#[test]
fn a_slow_snapshot_under_steady_writes_is_enough() {
    for seed in 1..=5 {
        let writes = Writes { pace: Duration::from_millis(50), size: 5 };
        let (takes, spacing) = (Duration::from_secs(30), Duration::ZERO);
        let (sent, behind) = return_over_a_slow_link(seed, takes, spacing, writes);
        assert_eq!(sent, 1, "seed {seed}: one snapshot, {behind} entries behind");
        assert!(behind <= 5, "seed {seed}: {behind} entries behind");
    }
}

#[test]
fn a_new_disk_has_no_vote_before_the_log_is_on_it() {
    for seed in 1..=5 {
        let (waiting, whole) = replacement_over_a_slow_link(seed, Duration::from_secs(10));
        assert_eq!(waiting, Some(Role::Standby), "seed {seed}: while its first snapshot comes");
        assert!(whole, "seed {seed}: it is a voter afterwards");
    }
}

#[test]
fn while_hosts_come_and_go_fewer_voters_may_be_lost_only_where_it_is_said() {
    let (mut replaced, mut acts) = (0, 0);
    for seed in 1..=number("QUORATE_SEEDS").unwrap_or(20) {
        let churned = churn(seed);
        replaced += usize::from(churned.replaced > 0);
        acts += churned.acts;
    }
    assert!(replaced > 0, "in no story a voter was replaced");
    // That votes are given up because there are too many is a scenario of its own.
    assert!(acts > 0, "in no story an act was done");
}

#[test]
fn a_snapshot_is_enough_also_when_the_log_behind_it_comes_slowly() {
    for seed in 1..=2 {
        let writes = Writes { pace: Duration::from_millis(200), size: 200_000 };
        let (takes, spacing) = (Duration::from_secs(30), Duration::from_millis(500));
        let (sent, behind) = return_over_a_slow_link(seed, takes, spacing, writes);
        assert_eq!(sent, 1, "seed {seed}: one snapshot, {behind} entries behind");
        assert!(behind <= 20, "seed {seed}: {behind} entries behind");
    }
}

#[test]
fn a_host_that_crashes_again_and_again_is_told_down_until_it_stays_up() {
    for (seed, hosts) in [(1, 3), (2, 3), (3, 5), (4, 7)] {
        let (turns, world) = turns_in_a_crash_loop(seed, hosts);
        // Down and back, down for good, and back at the end.
        assert!(turns <= 4, "seed {seed}, {hosts} hosts: {turns} turns:\n{}", world.log.join("\n"));
    }
}

#[test]
fn no_lasting_fault_makes_a_host_turn_again_and_again() {
    let seeds = number("QUORATE_SEED").map_or(11..=16, |seed| seed..=seed);
    let mut many = Vec::new();
    for (seed, hosts) in seeds.flat_map(|seed| [3, 5, 7].map(|hosts| (seed, hosts))) {
        for fault in Lasting::ALL {
            let done = std::panic::catch_unwind(|| turns_under(seed, hosts, fault));
            let turns = done.as_ref().map_or(99, |(turns, _)| *turns);
            if turns > TURNS {
                many.push(format!("seed {seed}, {hosts} hosts, {fault:?}: {turns}"));
                if let (Ok((_, world)), Some(_)) = (&done, number("QUORATE_SEED")) {
                    eprintln!("{}", world.log.join("\n"));
                }
            }
        }
    }
    assert!(many.is_empty(), "turns of one host under one fault:\n{}", many.join("\n"));
}

#[test]
fn a_host_that_stands_still_again_and_again_is_judged_slowly_for_some_minutes() {
    for seed in 1..=3 {
        let (pause, later) = (Duration::from_millis(300), Duration::from_secs(600));
        let [before, behind, after] = around_a_burst(seed, pause, later).map(|it| it.as_millis());
        assert!(behind > 1_000, "seed {seed}: {behind} ms");
        assert_eq!([before, after], [500, 220], "seed {seed}");
    }
}

#[test]
fn in_a_cluster_that_was_quiet_for_minutes_a_death_is_told_in_half_the_time() {
    let ms = Duration::from_millis;
    for seed in 1..=5 {
        let [soon, late] = [1, 240].map(|quiet| told_after(seed, Duration::from_secs(quiet)));
        assert!(ms(550) < soon && soon < ms(750), "seed {seed}: {soon:?}");
        assert!(ms(250) < late && late < ms(350), "seed {seed}: {late:?}");
    }
}

#[test]
fn loss_and_late_turns_that_come_over_a_quiet_cluster_make_no_verdict() {
    let (quiet, span) = (Duration::from_secs(240), Duration::from_secs(600));
    let none = Restless { epochs: 0, leaders: 0 };
    for seed in 1..=3 {
        let loss = Weather { loss: 5, ..Weather::CALM };
        assert_eq!(
            behind_quiet(seed, quiet, loss, Duration::ZERO, span),
            none,
            "seed {seed}: loss"
        );
        let most = Duration::from_millis(60);
        let late = behind_quiet(seed, quiet, Weather::CALM, most, span);
        assert_eq!(late, none, "seed {seed}: late turns");
    }
}

#[test]
fn hosts_on_a_slow_network_and_hosts_whose_turns_are_late_are_not_told_as_gone() {
    let ms = Duration::from_millis;
    let (before, span) = (Duration::from_secs(10), Duration::from_secs(60));
    for seed in 1..=2 {
        let late = with_late_turns(seed, ms(800), before, span);
        assert_eq!(late, Restless { epochs: 0, leaders: 0 }, "seed {seed}: late turns");
        let slow = Weather { delay: ms(150), jitter: ms(100), loss: 5, ..Weather::CALM };
        let slow = in_weather(seed, slow, before, span);
        assert_eq!(slow, Restless { epochs: 0, leaders: 0 }, "seed {seed}: a slow network");
    }
}
