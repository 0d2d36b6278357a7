//! Short pieces of long texts, around what matches.

use crate::domain::Highlight;

/// The longest fragment, in characters.
pub(super) const CHARS_MAX: usize = 160;
/// How many characters stand before the first match, at most.
const BEFORE: usize = 40;
/// How many matches a fragment names.
const RANGES_MAX: usize = 16;
/// Stands for what is left out.
const CUT: char = '…';

/// A text with what matches in it; none where nothing does.
pub(super) fn fragment(
    field: &'static str,
    text: &str,
    mut ranges: Vec<(usize, usize)>,
) -> Option<Highlight> {
    ranges.sort_unstable();
    let first = ranges.first()?.0;
    let chars: Vec<char> = text.chars().collect();
    let (start, end) = window(&chars, first);
    let is_cut_before = start > 0;
    let mut piece = String::new();
    if is_cut_before {
        piece.push(CUT);
    }
    piece.extend(chars.get(start..end).unwrap_or_default());
    if end < chars.len() {
        piece.push(CUT);
    }
    let shift = |place: usize| place.clamp(start, end) - start + usize::from(is_cut_before);
    let mut merged: Vec<(usize, usize)> = Vec::new();
    for (from, to) in ranges {
        let (from, to) = (shift(from), shift(to));
        if from >= to {
            continue;
        }
        match merged.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => merged.push((from, to)),
        }
    }
    merged.truncate(RANGES_MAX);
    Some(Highlight {
        field,
        text: piece,
        ranges: merged,
    })
}

/// From where to where a text is shown, such that a place is in it: whole words, if they are not too long.
fn window(chars: &[char], first: usize) -> (usize, usize) {
    if chars.len() <= CHARS_MAX {
        return (0, chars.len());
    }
    // Two characters may say that something is left out.
    let room = CHARS_MAX - 2;
    let mut start = first.saturating_sub(BEFORE).min(chars.len() - room);
    let is_space = |place: usize| chars.get(place).is_some_and(|c| c.is_whitespace());
    if start > 0 {
        let word = (start..first.max(start)).find(|place| is_space(*place));
        start = word.map_or(start, |space| space + 1);
    }
    let mut end = (start + room).min(chars.len());
    if end < chars.len() {
        let least = (first + room / 2).min(end);
        end = (least..end).rev().find(|place| is_space(*place)).unwrap_or(end);
    }
    (start, end)
}
