//! Tables without frames: aligned, one line for each row, clipped to the terminal where there is one.

use std::fmt::Write as _;

use comfy_table::{Cell, ContentArrangement, Row, Table, presets};

use super::output::{FAINT, one_line};

/// A table of texts; `width` is that of the terminal, and none means that nothing is clipped.
pub fn table<const N: usize>(
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
    width: Option<u16>,
) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    match width {
        Some(width) => table
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(width),
        None => table.set_content_arrangement(ContentArrangement::Disabled),
    };
    table.set_header(header.map(Cell::new));
    for row in rows {
        let mut row = Row::from(row.map(|text| one_line(&text)).map(Cell::new));
        row.max_height(1);
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let mut text = String::new();
    for (i, line) in table.lines().enumerate() {
        let line = line.trim_end();
        let _ = if i == 0 {
            writeln!(text, "{FAINT}{line}{FAINT:#}")
        } else {
            writeln!(text, "{line}")
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::table;

    fn plain(text: &str) -> String {
        let text = anstream::adapter::strip_str(text).to_string();
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        format!("{}|\n", lines.join("|\n"))
    }

    #[test]
    fn rows_are_aligned_and_clipped_only_for_a_terminal() {
        let rows = || {
            [
                ["db-1".to_owned(), "postgres".to_owned(), "a\nb".to_owned()],
                ["x".repeat(30), "vm".to_owned(), String::new()],
            ]
        };
        assert_eq!(
            plain(&table(["ID", "KIND", "NAME"], rows(), None)),
            "ID                              KIND      NAME|\n\
             db-1                            postgres  a b|\n\
             xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx  vm|\n"
        );
        let clipped = plain(&table(["ID", "KIND", "NAME"], rows(), Some(30)));
        assert!(
            clipped.lines().all(|line| line.chars().count() <= 31),
            "{clipped}"
        );
        assert!(clipped.contains("..."), "{clipped}");
        assert_eq!(clipped.lines().count(), 3);
    }
}
