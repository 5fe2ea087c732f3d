//! The wire: what processes store in the broker, and say to each other through it, byte for byte.
//!
//! During an upgrade processes of two versions work on the same streams, and what one stored may be read by another
//! months later. So every form of message that a version ever wrote is kept, a directory for each version in
//! `tests/golden`, and this version reads them all. What it writes itself is what the newest directory holds.
//!
//! | file | what |
//! |---|---|
//! | [`saying`] | what the messages say, as values |
//! | [`writing`] | how this version says it: by its own adapter, on a real server |
//! | [`reading`] | what this version makes of messages that lie on a server |

mod reading;
mod saying;
mod writing;

use tests::golden::{self, Forms, WRITE};

use self::saying::Saying;

/// What to do about it when what is written is no longer what the newest directory holds.
fn advice(newest: u32) -> String {
    format!(
        "Processes of both versions work on the same streams during an upgrade.\n\
         - If that was not meant: write what tests/golden/{newest} holds.\n\
         - If it was: old processes must still make sense of it. They pass over fields that they do not know; anything\n\
         \u{20} else needs a new version of that form, which they refuse.\n\
         \u{20} Keep tests/golden/{newest} as it is, say in tests/it/wire/saying.rs what it says, and add a directory:\n\
         \u{20} {WRITE}={} ./tests/run --test it wire::",
        newest + 1
    )
}

#[tokio::test]
async fn what_is_written_is_what_the_newest_golden_files_hold() {
    let written = Box::pin(writing::all(&Saying::newest())).await;
    if let Some(version) = std::env::var_os(WRITE) {
        golden::write(version.to_str().unwrap().parse().unwrap(), &written);
    }
    let newest = *golden::versions().last().unwrap();
    let kept = golden::read(newest);
    let names = |forms: &Forms| forms.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&written), names(&kept), "the forms there are. {}", advice(newest));
    for (name, message) in written {
        let kept = &kept[&name];
        let is_same = message == *kept;
        assert!(is_same, "{name} is written differently:\n{message:?}\nand not\n{kept:?}\n{}", advice(newest));
    }
}

#[tokio::test]
async fn what_every_version_wrote_is_read() {
    let versions = golden::versions();
    assert!(versions.contains(&1), "{versions:?}");
    for version in versions {
        Box::pin(reading::all(&golden::read(version), &Saying::of(version))).await;
    }
}

#[tokio::test]
async fn fields_that_a_later_version_adds_are_passed_over() {
    let mut forms = golden::read(*golden::versions().last().unwrap());
    let mut without_fields = Vec::new();
    for (name, message) in &mut forms {
        // A piece begins as the whole does.
        match message.from_tomorrow().filter(|_| !name.contains("-piece-")) {
            Some(changed) => *message = changed,
            None => without_fields.push(name.as_str()),
        }
    }
    let expected = ["call-long", "call-long-piece-0", "call-long-piece-1", "hint", "presence-left"];
    assert_eq!(without_fields, expected, "a claim, what it is on, a name, and what NATS itself says");
    Box::pin(reading::all(&forms, &Saying::newest())).await;
}
