//! `quorate feature`: at which feature level the cluster runs, what each member can run, and who keeps it down. Drawing is pure.

use super::arguments::Format;
use super::client::Client;
use super::exit::Failure;
use super::format::{Pen, table};
use super::output;
use crate::api::pages::{FeaturePage, MemberPage, StatusPage};
use std::fmt::Write as _;
use std::process::ExitCode;

/// `quorate feature`.
pub(super) async fn show(client: &Client, format: Format) -> Result<ExitCode, Failure> {
    let page: StatusPage = client.get("/v1/status").await?;
    match format {
        Format::Json => output::json(&page.feature)?,
        Format::Table => {
            let pen = Pen { colour: output::colour() };
            output::text(&draw(&page.feature, &page.members, pen))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The level in one line, for `status` too.
pub(super) fn in_words(feature: &FeaturePage) -> String {
    let Some(level) = feature.level else { return "not known yet".to_owned() };
    let highest = feature.here.highest;
    match &feature.behind {
        _ if level >= highest => format!("level {level}"),
        Some(behind) => format!("level {level}; this program can run {highest}. {behind}"),
        None => {
            let by_itself = match &feature.rises_at {
                Some(at) => format!(" by itself at {at}, or now with"),
                None => " within a day, or now with".to_owned(),
            };
            format!("level {level}; it rises to {highest}{by_itself} `quorate feature raise`")
        }
    }
}

/// The table of `feature`.
pub(super) fn draw(feature: &FeaturePage, members: &[MemberPage], pen: Pen) -> String {
    let mut out = format!("{}\n", in_words(feature));
    for level in &feature.levels {
        let mark =
            if feature.level.is_some_and(|stands| level.level <= stands) { "*" } else { " " };
        let _ = writeln!(out, "{mark} {:<3} {}", level.level, level.brings);
    }
    let row = |member: &MemberPage| {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let levels = member.feature_levels.as_ref();
        let levels = levels.map(|it| match it.lowest == it.highest {
            true => it.highest.to_string(),
            false => format!("{} to {}", it.lowest, it.highest),
        });
        vec![
            member.name.clone(),
            member.state.clone(),
            or_dash(member.version.clone()),
            or_dash(levels),
        ]
    };
    let rows: Vec<Vec<String>> = members.iter().map(row).collect();
    if !rows.is_empty() {
        let _ = write!(out, "\n{}", table(pen, &["NAME", "STATE", "VERSION", "LEVELS"], &rows));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::pages::feature::{FeatureLevelsPage, LevelPage};

    fn page(level: Option<u32>, behind: Option<&str>) -> FeaturePage {
        FeaturePage {
            level,
            behind: behind.map(str::to_owned),
            here: FeatureLevelsPage { lowest: 1, highest: 2 },
            levels: vec![
                LevelPage { level: 1, brings: "keys".to_owned() },
                LevelPage { level: 2, brings: "more".to_owned() },
            ],
            ..FeaturePage::default()
        }
    }

    #[test]
    fn the_line_says_whether_the_level_rises_and_who_is_in_its_way() {
        assert_eq!(in_words(&page(None, None)), "not known yet");
        assert_eq!(in_words(&page(Some(2), None)), "level 2");
        assert_eq!(
            in_words(&page(Some(1), Some("host c runs 0.1.0; upgrade it"))),
            "level 1; this program can run 2. host c runs 0.1.0; upgrade it"
        );
        assert_eq!(
            in_words(&page(Some(1), None)),
            "level 1; it rises to 2 within a day, or now with `quorate feature raise`"
        );
        let at = Some("2026-01-02T00:00:00Z".to_owned());
        let planned = FeaturePage { rises_at: at, ..page(Some(1), None) };
        assert_eq!(
            in_words(&planned),
            "level 1; it rises to 2 by itself at 2026-01-02T00:00:00Z, or now with `quorate feature raise`"
        );
    }

    #[test]
    fn each_member_is_shown_with_what_it_can_run() {
        let member = |name: &str, version: Option<&str>, highest: u32| MemberPage {
            name: name.to_owned(),
            state: "alive".to_owned(),
            version: version.map(str::to_owned),
            feature_levels: version.map(|_| FeatureLevelsPage { lowest: 1, highest }),
            ..MemberPage::default()
        };
        let members =
            [member("a", Some("0.2.0"), 2), member("b", Some("0.1.0"), 1), member("c", None, 0)];
        let drawn = draw(&page(Some(1), None), &members, Pen { colour: false });
        let lines: Vec<&str> = drawn.lines().collect();
        assert_eq!(lines[1..4], ["* 1   keys", "  2   more", ""]);
        assert!(
            lines[5].starts_with("a") && lines[5].trim_end().ends_with("0.2.0    1 to 2"),
            "{drawn}"
        );
        assert!(lines[6].trim_end().ends_with("0.1.0    1"), "{drawn}");
        assert!(lines[7].trim_end().ends_with("-        -"), "{drawn}");
    }
}
