//! How a graph is to be shown, as a person types it.

#![expect(
    clippy::doc_markdown,
    reason = "these comments are the text of --help, where backticks would show"
)]

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// How to show a graph.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag, and at most one of them is set"
)]
#[derive(Debug, Clone, Args)]
pub struct FormArgs {
    /// How to show it: tree, table, json, dot, mermaid or graphml
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "tree",
        hide_possible_values = true,
        group = "form"
    )]
    pub format: Form,
    /// Short for --format tree
    #[arg(long, group = "form")]
    pub tree: bool,
    /// Short for --format table
    #[arg(long, group = "form")]
    pub table: bool,
    /// Short for --format json
    #[arg(long, group = "form")]
    pub json: bool,
    /// Short for --format dot (Graphviz)
    #[arg(long, group = "form")]
    pub dot: bool,
    /// Short for --format mermaid
    #[arg(long, group = "form")]
    pub mermaid: bool,
    /// Short for --format graphml (Gephi, yEd, NetworkX)
    #[arg(long, group = "form")]
    pub graphml: bool,
    /// Draw it into this file, as an SVG picture of at most 500 boxes
    #[arg(long, value_name = "FILE", group = "form")]
    pub svg: Option<PathBuf>,
}

/// How to show a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// A tree of lines
    Tree,
    /// One line for each node
    Table,
    /// The answer as it came
    Json,
    /// For Graphviz
    Dot,
    /// For Mermaid
    Mermaid,
    /// For Gephi, yEd, NetworkX
    Graphml,
}

impl FormArgs {
    /// The form of what is printed.
    pub const fn form(&self) -> Form {
        if self.tree {
            Form::Tree
        } else if self.table {
            Form::Table
        } else if self.json {
            Form::Json
        } else if self.dot {
            Form::Dot
        } else if self.mermaid {
            Form::Mermaid
        } else if self.graphml {
            Form::Graphml
        } else {
            self.format
        }
    }
}
