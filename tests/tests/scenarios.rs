//! Plays every script in `tests/scenarios`, each as a test of its own, and compares the transcripts. `REWRITE=1` writes them anew.
//!
//! A test is named like its script, with `_` for `-`. A script without a test, or a test without a script, is a failure too.

use quorate_tests::script::play;
use std::path::{Path, PathBuf};

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios")
}

/// Plays the script of a test.
///
/// # Panics
/// When it goes another way, or a promise is broken.
fn goes_as_its_script_says(test: &str) {
    let name = format!("{}.txt", test.replace('_', "-"));
    let path = directory().join(&name);
    let script = std::fs::read_to_string(&path).expect("the script is there, and is text");
    let played = play(&script);
    if played == script {
        return;
    }
    if std::env::var_os("REWRITE").is_some() {
        std::fs::write(&path, played).expect("a script can be written");
        return;
    }
    let other = script.lines().zip(played.lines()).position(|(old, new)| old != new);
    let line = other.unwrap_or_else(|| script.lines().count().min(played.lines().count()));
    panic!(
        "{name}:{}: the script says\n  {}\nbut this time it was\n  {}\n\
         If the new way is right: REWRITE=1 cargo test --release -p quorate-tests --test scenarios {test}",
        line + 1,
        script.lines().nth(line).unwrap_or("(nothing more)"),
        played.lines().nth(line).unwrap_or("(nothing more)"),
    );
}

macro_rules! scripts {
    ($($test:ident,)*) => {
        $(#[test]
        fn $test() {
            goes_as_its_script_says(stringify!($test));
        })*

        const TESTS: &[&str] = &[$(stringify!($test)),*];
    };
}

scripts! {
    a1_five_founders_two_lowest,
    a2_wiped_founder_sees_only_the_third,
    a_clean_stop,
    a_clone_is_refused,
    a_cluster_begins_at_the_highest_level_of_its_founders,
    a_disk_that_hangs_before_the_birth,
    a_fence_frees_the_share_of_a_dead_host_at_once,
    a_drained_host_leads_nothing_and_keeps_its_vote,
    a_host_that_never_comes,
    a_late_vote_is_skipped,
    a_leader_cut_off_answers_no_reads,
    a_leader_loses_power,
    a_leader_whose_disk_hangs,
    a_lost_connection_loses_nothing,
    a_lost_data_directory,
    a_paused_leader,
    a_removed_host_knows_no_disk_of_the_cluster_any_more,
    a_replaced_disk_still_counts,
    a_silent_application_is_waited_for,
    a_second_stop_waits_for_the_first_host,
    a_voter_lost_after_the_last_change,
    a_voter_that_is_lost_is_replaced_by_a_host_of_another_name,
    a_wiped_host_comes_back,
    a_write_before_any_leader,
    all_data_lost_but_the_markers,
    an_answer_too_large_to_cross,
    an_election_over_a_slow_network,
    an_operator_says_who_votes,
    another_start_gets_no_old_frames,
    away_longer_than_the_age_limit,
    b1_a_wiped_voter_votes_again,
    c1_bindings_do_not_help,
    d1_a_vote_without_an_entry,
    d2_l1_an_ordinary_start_is_no_deadlock,
    d3_evidence_gathered_before_the_birth,
    first_append_lost,
    health_is_told_to_every_live_node,
    hosts_are_removed_from_five_to_one,
    hosts_hold_items_of_an_assignment,
    leadership_is_handed_to_a_named_voter,
    levels_rise_when_every_member_can_and_never_fall,
    one_link_cut_of_five,
    one_link_cut_of_three,
    one_three_five_voters,
    p1_p9_one_wipe_after_a_birth_of_two,
    p6_three_forgetful_disks_of_three,
    q1_the_same_with_three_of_five,
    q4_two_forgetful_disks_of_four,
    r1_another_life_accepts_than_promised,
    r3_the_slot_is_not_the_voter,
    r5_stale_promises_of_healed_lives,
    rejection_lost,
    restarts_keep_voters_and_positions,
    seeds_found_without_one_that_never_comes,
    the_deposed_leader_renews,
    two_clusters_of_one_name_meet,
    two_hosts_share_a_budget,
    an_application_is_told_to_every_host,
    two_of_five_voters_die,
    two_removals_at_once_leave_a_majority,
    two_servers_and_a_witness,
    two_sides_of_a_cut_waive_each_other,
    voters_that_are_lost_shrink_to_three_and_removed_ones_to_one,
    why_a_disk_that_hangs_is_known_to_all,
    why_a_host_without_its_network_names_that_first,
    why_a_majority_that_was_wiped_is_not_to_be_started,
    why_a_way_that_is_cut_in_one_direction,
    why_two_clusters_of_one_name,
    why_two_voters_of_three_are_away,
}

#[test]
fn every_script_has_a_test() {
    let entries = std::fs::read_dir(directory()).expect("tests/scenarios is there");
    let paths = entries.map(|entry| entry.expect("readable").path());
    let scripts = paths.filter(|path| path.extension().is_some_and(|extension| extension == "txt"));
    let stem =
        |path: &PathBuf| path.file_stem().unwrap_or_default().to_string_lossy().replace('-', "_");
    let mut untested: Vec<String> = scripts.map(|path| stem(&path)).collect();
    untested.retain(|script| !TESTS.contains(&script.as_str()));
    assert!(untested.is_empty(), "not in the list above: {untested:?}");
}
