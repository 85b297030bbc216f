//! "Did you mean": the nearest of the words that would have been right.

/// Longer words are not compared: the cost grows with the square.
const MAX_COMPARED_BYTES: usize = 64;
/// Further candidates are not looked at: a configuration may define any number of names.
pub(crate) const MAX_CANDIDATES: usize = 1_000;

/// The candidate nearest to `word`, when it is near enough to be what was meant: about one slip in three
/// characters. Of equally near ones the first.
pub fn did_you_mean<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    if word.is_empty() || word.len() > MAX_COMPARED_BYTES {
        return None;
    }
    let word: Vec<char> = word.chars().flat_map(char::to_lowercase).collect();
    let allowed = (word.len() / 3).clamp(1, 3);
    let near = candidates.into_iter().take(MAX_CANDIDATES).filter_map(|candidate| {
        if candidate.len() > MAX_COMPARED_BYTES || candidate.chars().count().abs_diff(word.len()) > allowed {
            return None;
        }
        let letters: Vec<char> = candidate.chars().flat_map(char::to_lowercase).collect();
        let distance = distance(&word, &letters);
        // A word of which nothing remains is no slip.
        (distance <= allowed && distance < letters.len()).then_some((distance, candidate))
    });
    near.min_by_key(|(distance, _)| *distance).map(|(_, candidate)| candidate)
}

/// Edit distance where swapping two neighbours counts as one slip.
fn distance(left: &[char], right: &[char]) -> usize {
    let width = right.len() + 1;
    let (mut before, mut last, mut current) =
        (vec![0; width], (0..width).collect::<Vec<usize>>(), vec![0; width]);
    for (row, &a) in left.iter().enumerate() {
        let at = |cells: &[usize], place: usize| cells.get(place).copied().unwrap_or(usize::MAX / 2);
        let mut cost = row + 1;
        for (column, slot) in current.iter_mut().enumerate() {
            let Some(&b) = column.checked_sub(1).and_then(|column| right.get(column)) else {
                *slot = cost;
                continue;
            };
            cost = (at(&last, column) + 1).min(cost + 1).min(at(&last, column - 1) + usize::from(a != b));
            let swapped =
                row > 0 && column > 1 && left.get(row - 1) == Some(&b) && right.get(column - 2) == Some(&a);
            if swapped {
                cost = cost.min(at(&before, column - 2) + 1);
            }
            *slot = cost;
        }
        std::mem::swap(&mut before, &mut last);
        std::mem::swap(&mut last, &mut current);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::did_you_mean;

    #[test]
    fn slips_are_recognised() {
        let words = ["virtual_router_id", "virtual_routes", "priority", "interface", "state"];
        assert_eq!(did_you_mean("virtual_routter_id", words), Some("virtual_router_id"));
        assert_eq!(did_you_mean("pirority", words), Some("priority"));
        assert_eq!(did_you_mean("Interface", words), Some("interface"));
        assert_eq!(did_you_mean("stat", words), Some("state"));
    }

    #[test]
    fn strangers_are_not() {
        assert_eq!(did_you_mean("eth0", ["bond0", "lo"]), None);
        assert_eq!(did_you_mean("x", ["a", "b"]), None);
        assert_eq!(did_you_mean("", ["a"]), None);
    }
}
