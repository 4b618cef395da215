//! What differs between two readings of the configuration, by key.

use super::Config;
use crate::definitions::Directories;
use quorate_node::Settings;

impl Config {
    /// The keys whose meaning is another one in `new`, defaults and files that keys name included, in the order of the sample
    /// configuration; keys of `host.toml` count as one, `host.toml`.
    pub(crate) fn changed_keys(&self, new: &Self) -> Vec<&'static str> {
        // Taken apart whole, so that no key is forgotten.
        let Self {
            file: _,
            cluster,
            seeds,
            secret_file,
            secrets,
            data_dir,
            birth_dir,
            apps_dir,
            definitions: Directories { budgets, assignments },
            listen,
            founding,
            founding_grace,
            settings:
                Settings {
                    advertise: _,
                    labels: _,
                    voters,
                    replace_after,
                    forget_after,
                    promotion,
                    snapshot_every: _,
                },
            dev,
            client,
            log,
            host,
        } = self;
        let differ = [
            ("cluster", *cluster != new.cluster),
            ("seeds", *seeds != new.seeds),
            ("secret_file", *secret_file != new.secret_file || *secrets != new.secrets),
            ("data_dir", *data_dir != new.data_dir),
            ("birth_dir", *birth_dir != new.birth_dir),
            ("apps_dir", *apps_dir != new.apps_dir),
            ("budgets_dir", *budgets != new.definitions.budgets),
            ("assignments_dir", *assignments != new.definitions.assignments),
            ("listen", *listen != new.listen),
            ("founding", *founding != new.founding),
            ("founding_grace", *founding_grace != new.founding_grace),
            ("voters", *voters != new.settings.voters),
            ("replace_after", *replace_after != new.settings.replace_after),
            ("forget_after", *forget_after != new.settings.forget_after),
            ("promote", *promotion != new.settings.promotion),
            ("dev", *dev != new.dev),
            ("client.socket", client.socket != new.client.socket),
            ("client.tcp", client.tcp != new.client.tcp),
            ("client.keyspace_on_tcp", client.keyspace_on_tcp != new.client.keyspace_on_tcp),
            ("client.monitor_socket", client.monitor_socket != new.client.monitor_socket),
            ("log.level", log.level != new.log.level),
            ("log.format", log.format != new.log.format),
            ("host.toml", *host != new.host),
        ];
        differ.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect()
    }
}
