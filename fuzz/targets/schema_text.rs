//! A schema file with any text: diagnostics, or a schema from which SQL can be made for both databases.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    match treaty_ddl::parse("fuzz.sql", text) {
        Ok(file) => {
            let _ = treaty_ddl::sql::sqlite::install(&file.schema);
            let _ = treaty_ddl::sql::postgres::install(&file.schema);
        }
        Err(diagnostics) => assert!(!diagnostics.is_empty()),
    }
});
