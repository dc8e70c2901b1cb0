//! Values for the parameters of a query. They replace `$name` in the parsed query as literals of their type. A value
//! never becomes part of SQL text.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{Expr, Value, visit_expressions_mut};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;

use crate::job::Literal;

/// Replaces the parameters by values. The error names a parameter that has no value.
pub(super) fn bind(statement: &mut Statement, values: &BTreeMap<String, Literal>) -> Result<(), String> {
    let Statement::Statement(statement) = statement else { return Ok(()) };
    let put = |expression: &mut Expr| {
        let Expr::Value(value) = expression else { return ControlFlow::Continue(()) };
        let Value::Placeholder(name) = &value.value else { return ControlFlow::Continue(()) };
        let known = name.strip_prefix('$').and_then(|name| values.get(name));
        match known.map(literal) {
            Some(Ok(literal)) => {
                *expression = literal;
                ControlFlow::Continue(())
            }
            Some(Err(reason)) => ControlFlow::Break(reason),
            None => ControlFlow::Break(format!(
                "`{name}` has no value; declare it at the top of the query with a comment such as `-- {name} integer`, \
                 and specify its value under `params`"
            )),
        }
    };
    match visit_expressions_mut(statement, put) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(reason) => Err(reason),
    }
}

/// Converts a value to a literal of a parsed query.
fn literal(value: &Literal) -> Result<Expr, String> {
    let plain = |value: Value| Ok(Expr::Value(value.into()));
    match value {
        Literal::Text(text) => plain(Value::SingleQuotedString(text.clone())),
        Literal::Boolean(truth) => plain(Value::Boolean(*truth)),
        // the texts below are formatted here: digits, points, and the letters of times
        Literal::Integer(number) => parsed(&format!("({number})")),
        Literal::Decimal(number) => {
            // a decimal even if it is a whole number
            let text = number.to_plain_string();
            parsed(&if text.contains('.') { format!("({text})") } else { format!("({text}.0)") })
        }
        Literal::Date(day) => parsed(&format!("DATE '{day}'")),
        Literal::Timestamp(time) => parsed(&format!("arrow_cast('{time}', 'Timestamp(Microsecond, Some(\"UTC\"))')")),
        Literal::Duration(time) => {
            let nanos = i64::try_from(time.as_nanos()).map_err(|_| format!("the duration {time:#} is too long"))?;
            parsed(&format!("INTERVAL '{nanos} nanoseconds'"))
        }
    }
}

fn parsed(text: &str) -> Result<Expr, String> {
    let parser = Parser::new(&GenericDialect {}).try_with_sql(text);
    parser.and_then(|mut parser| parser.parse_expr()).map_err(|error| error.to_string())
}
