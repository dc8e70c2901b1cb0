//! Reports in a terminal: lines fit its width, and colours can be declined. A pseudo-terminal comes from `script`.

use std::fs;
use std::process::Command;

use crate::support::Workshop;

/// Two tables with long values, wide rows, and a long name of a column.
fn shop() -> Workshop {
    let shop = Workshop::new();
    let sentence = "The quick brown fox jumps over the lazy dog and runs on through the forest. ".repeat(4);
    let header = "id,status,a_long_name_of_a_column_of_text,address,x1,x2,x3,x4,x5,x6\n";
    let row = |id: usize, end: &str| {
        format!("{id},paid,{sentence}{end},\"{id} Köln 表表表, {}\",1,2,3,4,5,6\n", "street ".repeat(12))
    };
    let old: String = (0..30).map(|id| row(id, "")).collect();
    let new: String = (1..31).map(|id| row(id, if id == 3 { "X" } else { "" })).collect();
    fs::write(shop.path("old.csv"), format!("{header}{old}")).unwrap();
    fs::write(shop.path("new.csv"), format!("{header}{}", new.replacen("4,paid", "4,open", 1))).unwrap();
    for name in ["first", "second"] {
        let job = "[old]\npath = \"old.csv\"\n[new]\npath = \"new.csv\"\n[compare]\nkey = \"id\"\n[lists]\n\
                   columns = [\"status\", \"a_long_name_of_a_column_of_text\", \"address\", \"x1\", \"x2\", \"x3\"]\n";
        fs::write(shop.path(&format!("{name}.toml")), job).unwrap();
    }
    shop
}

/// What a terminal of this width shows.
fn shown(shop: &Workshop, width: usize, command: &str, no_color: &str) -> String {
    let program = assert_cmd::cargo::cargo_bin("countersign");
    let line = format!("stty cols {width} rows 50; {} {command}", program.display());
    let output = Command::new("script")
        .args(["--quiet", "--return", "--command", &line, "/dev/null"])
        .current_dir(shop.path(""))
        .env("NO_COLOR", no_color)
        .env("TERM", "xterm")
        .output()
        .expect("`script` of bsdutils gives a pseudo-terminal");
    String::from_utf8(output.stdout).unwrap().replace("\r\n", "\n")
}

/// The cells of a line: a Chinese character takes two.
fn cells(line: &str) -> usize {
    line.chars().map(|c| if ('\u{4e00}'..='\u{9fff}').contains(&c) { 2 } else { 1 }).sum()
}

#[test]
fn lines_fit_the_terminal() {
    let shop = shop();
    for width in [80, 100, 120, 200] {
        for command in ["run first.toml --quiet", "run first.toml second.toml --quiet --verbose"] {
            let text = shown(&shop, width, command, "1");
            assert!(text.contains("a_long_name_of_a_column_of_text") && text.contains("DISCREPANT"), "{text}");
            let long: Vec<&str> = text.lines().filter(|line| cells(line) > width).collect();
            assert!(long.is_empty(), "{width}: {long:#?}");
            assert!(!text.contains('\u{1b}'), "no colours: {text:?}");
        }
    }
    // where they begin to differ, with their true lengths
    let text = shown(&shop, 80, "run first.toml --quiet", "1");
    assert!(text.contains("forest. \" (306 characters)") && text.contains("forest. X\" (307 characters)"), "{text}");
    assert!(text.contains("… and ") && text.contains("more column"), "{text}");
}

#[test]
fn verdicts_are_coloured_unless_colours_are_declined() {
    let shop = shop();
    let text = shown(&shop, 100, "run first.toml second.toml --quiet", "");
    assert!(text.contains("\u{1b}[1m\u{1b}[31mDISCREPANT\u{1b}[0m: 2 jobs"), "{text:?}");
    assert!(text.contains("  \u{1b}[1m\u{1b}[31mDISCREPANT\u{1b}[0m  first"), "{text:?}");
}
