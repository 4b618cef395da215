//! Rules about the source that a machine can hold: who may use whom, what a file looks like, which words stay out.
//!
//! Every rule holds for every file, without exceptions. A failure names file, line and remedy.

mod tidy {
    pub(crate) mod circles;
    pub(crate) mod edges;
    pub(crate) mod lexer;
    pub(crate) mod modules;
    pub(crate) mod mutations;
    pub(crate) mod rooms;
    pub(crate) mod shape;
    pub(crate) mod source;
}

use tidy::source::{Tree, fail_if_any};

#[test]
fn no_crate_uses_another_outside_the_table() {
    fail_if_any(&tidy::edges::outside_the_table());
}

#[test]
fn no_files_of_a_crate_import_each_other_in_a_circle() {
    fail_if_any(&tidy::circles::circles(&Tree::read()));
}

#[test]
fn no_file_or_module_has_a_name_that_says_nothing() {
    fail_if_any(&tidy::shape::empty_names(&Tree::read()));
}

#[test]
fn no_shipped_file_is_longer_than_500_lines() {
    fail_if_any(&tidy::shape::long_files(&Tree::read()));
}

#[test]
fn no_function_is_longer_than_70_lines() {
    fail_if_any(&tidy::shape::long_functions(&Tree::read()));
}

#[test]
fn every_source_file_begins_by_saying_what_it_is() {
    fail_if_any(&tidy::shape::headless(&Tree::read()));
}

#[test]
fn nothing_unfinished_is_shipped() {
    fail_if_any(&tidy::shape::unfinished(&Tree::read()));
}

#[test]
fn every_pure_crate_bans_clocks_threads_and_random_hashing() {
    fail_if_any(&tidy::edges::pure_crates_without_bans());
}

#[test]
fn no_line_for_operators_has_debug_text() {
    fail_if_any(&tidy::shape::debug_text_for_operators(&Tree::read()));
}

#[test]
fn texts_speak_of_the_product_only() {
    fail_if_any(&tidy::shape::foreign_words(&Tree::read()));
}

#[test]
fn every_mutation_still_fits_the_code() {
    fail_if_any(&tidy::mutations::stale(&Tree::read()));
}

#[test]
fn no_room_of_the_node_is_open_to_the_others() {
    fail_if_any(&tidy::rooms::open_rooms(&Tree::read()));
}

#[test]
fn no_room_of_the_node_knows_the_node() {
    fail_if_any(&tidy::rooms::rooms_that_know_the_node(&Tree::read()));
}
