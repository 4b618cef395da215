//! The shipped binary as real processes on loopback: births, crashes, wipes, joins, stops, etcd's client, and every
//! mistake that an operator can make.
//!
//! Build the binary first (`cargo build --release`); it is looked for beside the tests, or where `QUORATE_BIN` says.
//! Nothing here measures time: waits end with what they wait for, or fail after a minute.

#[cfg(test)]
mod processes {
    mod addresses;
    mod alone;
    mod applications;
    mod assignments;
    mod backups;
    mod births;
    mod budgets;
    mod checks;
    mod classes;
    mod cluster;
    mod commands;
    mod copies;
    mod crashes;
    mod crowded_doors;
    mod damaged_disks;
    mod definitions;
    mod etcdctl;
    mod families;
    mod fences;
    mod followers;
    mod full_disks;
    mod ground;
    mod hook_runner;
    mod hooks;
    mod host;
    mod hostile;
    mod joins;
    mod late_addresses;
    mod links;
    mod localhosts;
    mod lost_networks;
    mod monitoring;
    mod owners;
    mod place;
    mod queries;
    mod recoveries;
    mod renames;
    mod restores;
    mod revocations;
    mod rotation;
    mod rules;
    mod run_with;
    mod stops;
    mod surroundings;
    mod versions;
    mod watching;
    mod whys;
    mod wipes;
    mod witnesses;
    mod writer;
    mod wrong_cluster;
    mod wrong_config;
}
