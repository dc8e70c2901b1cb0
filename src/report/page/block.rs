//! What a page is made of. A block says what something is; how it looks is up to each format.

use super::{Inline, Table};
use crate::lists::{Change, NamedValue};
use crate::sides::Sides;

/// What renders a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// For a terminal, where an engineer on call looks for what is wrong.
    Text,
    /// For a pull request or a ticket, where a reviewer looks for the numbers.
    Markdown,
}

/// Sections, top to bottom.
#[derive(Default)]
pub(crate) struct Page<'a> {
    sections: Vec<Section<'a>>,
}

/// Blocks that belong together.
#[derive(Default)]
pub(crate) struct Section<'a> {
    blocks: Vec<(Option<Format>, Block<'a>)>,
}

/// One block of a page.
pub(crate) enum Block<'a> {
    Title(Title),
    Heading(Heading),
    /// Sentences without their full stops.
    Paragraph(Vec<Inline>),
    List(ListKind, Vec<Inline>),
    Table(Table),
    Findings(Vec<Finding<'a>>),
}

/// The first line of a page.
pub(crate) struct Title {
    /// The result in one word.
    pub verdict: &'static str,
    pub tone: Tone,
    /// What the verdict is about.
    pub subject: String,
    /// The verdict and what it means, in one sentence that begins with the verdict.
    pub headline: Option<String>,
    /// What makes the verdict doubtful.
    pub warning: Option<String>,
}

/// Whether a verdict is good news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    Bad,
    /// Nothing is proved in either direction.
    Open,
}

/// The heading of the blocks that follow.
pub(crate) struct Heading {
    pub name: String,
    /// How much of what it names follows, and where the rest is.
    pub extent: Option<String>,
}

/// What the items of a list are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ListKind {
    /// Why the title says what it says.
    Reasons,
    /// Remarks on the section.
    Remarks,
    /// Instances or details of what the block before counts.
    Details,
}

/// A row or key at fault.
pub(crate) struct Finding<'a> {
    /// What identifies it, formatted for people.
    pub key: &'a [NamedValue],
    /// What is known about it.
    pub notes: Vec<String>,
    /// How many rows of each side it covers.
    pub rows: Sides<u64>,
    pub content: Content<'a>,
}

/// What a finding shows besides its key.
pub(crate) enum Content<'a> {
    /// How many rows have the key.
    Rows,
    /// The columns that differ.
    Changes(&'a [Change]),
    /// Some columns of a row that only one side has, and how many more there are.
    Values(&'a [Change], usize),
    /// Nothing, because the key is the whole row.
    Nothing,
}

impl Format {
    /// Whether this format shows something that only the given format shows, if any is given.
    pub(super) fn shows(self, only: Option<Format>) -> bool {
        only.is_none_or(|only| only == self)
    }
}

impl<'a> Page<'a> {
    /// Begins a section.
    pub(crate) fn section(&mut self) -> &mut Section<'a> {
        self.sections.push(Section::default());
        let last = self.sections.len() - 1;
        &mut self.sections[last]
    }

    /// The blocks that a format shows, by section.
    pub(crate) fn sections(&self, format: Format) -> impl Iterator<Item = impl Iterator<Item = &Block<'a>>> {
        self.sections.iter().map(move |section| {
            section.blocks.iter().filter(move |(only, _)| format.shows(*only)).map(|(_, block)| block)
        })
    }
}

impl<'a> Section<'a> {
    /// Adds a block.
    pub(crate) fn add(&mut self, block: impl Into<Block<'a>>) -> &mut Self {
        self.blocks.push((None, block.into()));
        self
    }

    /// Adds a block that only one format shows.
    pub(crate) fn add_for(&mut self, format: Format, block: impl Into<Block<'a>>) -> &mut Self {
        self.blocks.push((Some(format), block.into()));
        self
    }
}

impl Block<'_> {
    /// A paragraph of one sentence.
    pub(crate) fn sentence(sentence: impl Into<Inline>) -> Self {
        Block::Paragraph(vec![sentence.into()])
    }

    /// A heading of which everything follows.
    pub(crate) fn heading(name: &str) -> Self {
        Block::Heading(Heading { name: name.into(), extent: None })
    }
}

impl From<Title> for Block<'_> {
    fn from(title: Title) -> Self {
        Block::Title(title)
    }
}

impl From<Table> for Block<'_> {
    fn from(table: Table) -> Self {
        Block::Table(table)
    }
}
