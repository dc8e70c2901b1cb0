//! Which line of a text file each row begins on.

/// The most marks that are kept. Beyond them, lines are not known.
const MARKS_MAX: usize = 1 << 20;

/// The lines of rows. Most rows follow on the line after the one before, so only the others are recorded.
#[derive(Debug, Clone, Default)]
pub(crate) struct LineIndex {
    /// Rows that do not begin on the line after the row before, with their lines.
    marks: Vec<(u64, u64)>,
    /// The next row and the line that it is expected on.
    next: (u64, u64),
}

impl LineIndex {
    /// Adds the next row.
    pub(crate) fn push(&mut self, line: u64) {
        let (row, expected) = self.next;
        if line != expected && self.marks.len() < MARKS_MAX {
            self.marks.push((row, line));
        }
        self.next = (row + 1, line + 1);
    }

    /// Adds the rows of a later part of the file.
    pub(crate) fn append(&mut self, part: &LineIndex) {
        let (rows, _) = self.next;
        let room = MARKS_MAX - self.marks.len();
        self.marks.extend(part.marks.iter().take(room).map(|(row, line)| (rows + row, *line)));
        self.next = (rows + part.next.0, part.next.1);
    }

    /// Returns the line of a row, counted from 1; `None` if it is not known.
    pub(crate) fn line(&self, row: u64) -> Option<u64> {
        let after = self.marks.partition_point(|(marked, _)| *marked <= row);
        let (marked, line) = *self.marks.get(after.checked_sub(1)?)?;
        (after < MARKS_MAX).then_some(line + (row - marked))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_several_lines_and_parts_are_found() {
        let mut first = LineIndex::default();
        [2, 3, 6, 7].into_iter().for_each(|line| first.push(line));
        let mut second = LineIndex::default();
        [8, 12].into_iter().for_each(|line| second.push(line));
        first.append(&second);
        assert_eq!((0..6).map(|row| first.line(row).unwrap()).collect::<Vec<_>>(), [2, 3, 6, 7, 8, 12]);
        assert_eq!(first.marks.len(), 4);
        assert_eq!(LineIndex::default().line(0), None);
    }
}
