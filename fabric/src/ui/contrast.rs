//! Whether every colour of a text can be read on everything it stands on (WCAG 2.2, 1.4.3 and 1.4.11), in light and dark.

use std::collections::BTreeMap;

const TOKENS: &str = include_str!("../../ui/style/tokens.css");

/// Light and dark of each token that is a colour.
fn colours() -> BTreeMap<&'static str, [[f64; 3]; 2]> {
    let lines = TOKENS.lines().filter_map(|line| line.trim().strip_prefix("--")?.split_once(": light-dark(#"));
    lines
        .map(|(name, values)| {
            let (light, dark) = values.trim_end_matches(");").split_once(", #").unwrap();
            (name, [light, dark].map(channels))
        })
        .collect()
}

fn channels(hex: &str) -> [f64; 3] {
    [0, 2, 4].map(|at| f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap()) / 255.0)
}

fn luminance(colour: [f64; 3]) -> f64 {
    let [red, green, blue] = colour.map(|it| if it <= 0.04045 { it / 12.92 } else { ((it + 0.055) / 1.055).powf(2.4) });
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}

fn contrast(a: [f64; 3], b: [f64; 3]) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[test]
fn the_formula_is_the_one_of_the_standard() {
    assert!((contrast(channels("000000"), channels("ffffff")) - 21.0).abs() < 1e-9);
    assert!((contrast(channels("777777"), channels("ffffff")) - 4.48).abs() < 0.01);
}

#[test]
fn every_text_can_be_read_in_light_and_dark() {
    let colours = colours();
    let grounds = ["page", "surface", "raised"];
    let mut pairs: Vec<(&str, &str, f64)> = Vec::new();
    for ground in grounds {
        pairs.extend(["text", "muted", "accent", "good", "warn", "bad"].map(|text| (text, ground, 4.5)));
        // The edges of what can be pressed.
        pairs.push(("line-strong", ground, 3.0));
    }
    for tone in ["accent", "good", "warn", "bad"] {
        let wash: &str = colours.keys().find(|name| **name == format!("{tone}-wash")).unwrap();
        pairs.extend([(tone, wash, 4.5), ("text", wash, 4.5), ("muted", wash, 4.5)]);
    }
    pairs.extend([("on-accent", "accent", 4.5), ("on-bad", "bad", 4.5)]);
    let mut poor = Vec::new();
    for (text, ground, least) in pairs {
        for (theme, name) in ["light", "dark"].iter().enumerate() {
            let ratio = contrast(colours[text][theme], colours[ground][theme]);
            if ratio < least {
                poor.push(format!("{name}: --{text} on --{ground} is {ratio:.2}, should be {least}"));
            }
        }
    }
    assert!(poor.is_empty(), "{poor:#?}");
}
