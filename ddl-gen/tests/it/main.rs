//! Tests of the schema language and of the SQL made from it, executed on real databases.

mod golden;
