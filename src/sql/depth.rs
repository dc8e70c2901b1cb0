//! Limits the depth of the plan of a query.
//!
//! `a OR b OR c …` is a tree that is as deep as the sequence is long, and so is a sequence of `UNION` or of `WITH`
//! tables. Plans are traversed recursively, and a stack overflow ends the whole process. So the length of such
//! sequences is limited before anything is planned. The stacks of the threads that plan and evaluate are large enough
//! for these limits. The parser limits the depth of parentheses.

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

/// The maximum length of a query, in bytes.
const BYTES_MAX: usize = 4 << 20;
/// The maximum number of tokens in an expression without a comma, including those around its parentheses.
const WORDS_MAX: usize = 2_000;
/// The maximum number of tables in joins, set operations, and `WITH`, including those around its parentheses.
const TABLES_MAX: usize = 256;

/// An open level of nesting: the query itself, a parenthesis, or `CASE`.
#[derive(Default)]
struct Nesting {
    is_case: bool,
    is_from: bool,
    tokens: usize,
    tables: usize,
}

/// Checks that a query or an expression is shallow enough to be planned.
///
/// # Errors
/// The message is the reason, with what to write instead.
pub(super) fn require_shallow(sql: &str) -> Result<(), String> {
    if sql.len() > BYTES_MAX {
        return Err("it is longer than 4 MiB; join a long list as a further table".into());
    }
    // a query without valid tokens is not planned; the parser reports the error
    let Ok(tokens) = Tokenizer::new(&GenericDialect {}, sql).tokenize() else { return Ok(()) };
    let mut open = vec![Nesting::default()];
    let mut before = Keyword::NoKeyword;
    for token in tokens.iter().filter(|token| !matches!(token, Token::Whitespace(_))) {
        take(&mut open, token, before);
        before = keyword(token);
        let sum = |each: fn(&Nesting) -> usize| open.iter().map(each).sum::<usize>();
        if sum(|open| open.tokens) > WORDS_MAX {
            return Err(format!(
                "it has an expression with more than {WORDS_MAX} tokens in a row; use `IN (…)` for many comparisons, \
                 or put parentheses around parts of it"
            ));
        }
        if sum(|open| open.tables) > TABLES_MAX {
            return Err(format!("it has more than {TABLES_MAX} tables in joins, set operations, and WITH; split it"));
        }
    }
    Ok(())
}

/// Counts a token. `before` is the keyword right before it.
fn take(open: &mut Vec<Nesting>, token: &Token, before: Keyword) {
    let is_nested = open.len() > 1;
    let Some(last) = open.last_mut() else { return };
    match (token, keyword(token)) {
        (Token::LParen | Token::LBracket | Token::LBrace, _) => {
            last.tokens += 1;
            // WITH name AS (…)
            last.tables += usize::from(before == Keyword::AS);
            open.push(Nesting::default());
        }
        (_, Keyword::CASE) => {
            last.tokens += 1;
            open.push(Nesting { is_case: true, ..Nesting::default() });
        }
        (Token::RParen | Token::RBracket | Token::RBrace, _) if is_nested => drop(open.pop()),
        (_, Keyword::END) if last.is_case => drop(open.pop()),
        (Token::Comma | Token::SemiColon, _) => {
            last.tokens = 0;
            last.tables += usize::from(last.is_from);
        }
        // IS DISTINCT FROM and WITHIN GROUP continue the expression
        (_, Keyword::FROM) if before != Keyword::DISTINCT => (last.tokens, last.is_from) = (0, true),
        (_, Keyword::GROUP) if before != Keyword::WITHIN => (last.tokens, last.is_from) = (0, false),
        (_, Keyword::SELECT | Keyword::WHERE | Keyword::HAVING | Keyword::ORDER) => {
            (last.tokens, last.is_from) = (0, false);
        }
        (_, Keyword::ON | Keyword::WHEN | Keyword::THEN | Keyword::ELSE) => last.tokens = 0,
        (_, Keyword::JOIN | Keyword::UNION | Keyword::INTERSECT | Keyword::EXCEPT) => {
            last.tokens = 0;
            last.tables += 1;
        }
        _ => last.tokens += 1,
    }
}

fn keyword(token: &Token) -> Keyword {
    match token {
        Token::Word(word) => word.keyword,
        _ => Keyword::NoKeyword,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(part: &str, by: &str, times: usize) -> String {
        vec![part; times].join(by)
    }

    #[test]
    fn long_rows_are_refused_and_long_lists_are_not() {
        for row in [
            chain("id = 1", " OR ", 600),
            chain("a", " || ", 1_100),
            chain("CASE WHEN a THEN b END", " + ", 1_100),
            chain("a", " IS DISTINCT FROM ", 600),
            format!("a{}", "::int".repeat(1_100)),
            format!("a{}", "[1]".repeat(2_100)),
            format!("SELECT a FROM t WHERE {}", chain("f(x, y)", " AND ", 1_000)),
        ] {
            assert!(require_shallow(&row).is_err_and(|reason| reason.contains("in a row")), "{row:.60}");
        }
        let named: Vec<String> = (0..300).map(|index| format!("t{index} AS (SELECT * FROM t)")).collect();
        for tables in [
            chain("SELECT * FROM t", " UNION ALL ", 300),
            format!("SELECT * FROM t {}", " JOIN t ON a = b".repeat(300)),
            format!("SELECT * FROM {}", chain("t", ", ", 300)),
            format!("WITH {} SELECT * FROM t1", named.join(", ")),
        ] {
            assert!(require_shallow(&tables).is_err_and(|reason| reason.contains("tables")), "{tables:.60}");
        }
        for fine in [
            format!("id IN ({})", chain("1", ", ", 50_000)),
            format!("SELECT {} FROM t", chain("a + b AS c", ", ", 5_000)),
            chain("id = 1", " OR ", 400),
            format!("({}) OR ({})", chain("id = 1", " OR ", 400), chain("id = 1", " OR ", 400)),
            format!("CASE {} END", "WHEN a = 1 THEN 2 ".repeat(2_000)),
            "SELECT 'no end".into(),
            "a) + (b".into(),
        ] {
            assert_eq!(require_shallow(&fine), Ok(()), "{fine:.60}");
        }
    }
}
