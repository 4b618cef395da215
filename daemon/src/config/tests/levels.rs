//! What `log.level` takes, and that a typing error does not silence the log.

use super::{Files, GOOD};

fn level(text: &str) -> Result<String, String> {
    let loaded = Files::new().load(&format!("{GOOD}[log]\nlevel = \"{text}\"\n"));
    loaded.map(|config| config.log.level).map_err(|error| error.to_string())
}

#[test]
fn a_level_is_a_known_word_and_nothing_else_silences_the_log() {
    for text in ["error", "warn", "INFO", "debug", "trace", "off", "warn,quorate=debug"] {
        assert_eq!(level(text).as_deref(), Ok(text));
    }
    let modules = "quorate::api=debug, quinn=trace";
    assert_eq!(level(modules).as_deref(), Ok("info,quorate::api=debug,quinn=trace"));
    let wrong = [
        "warning",
        "verbose",
        "a=b=c",
        "quorate",
        "info,warn",
        "info,quorate=loud",
        "info,,",
        "=info",
    ];
    for text in wrong {
        let refusal = level(text).expect_err(text);
        let said = ["log.level", "`warn`", "`off`", "info,quorate=debug"];
        assert!(said.iter().all(|word| refusal.contains(word)), "{refusal}");
    }
}
