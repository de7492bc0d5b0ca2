//! A ticket as a person may paste it: refused, or one whose text reads back as itself.
#![no_main]

use treaty_net::ticket::Ticket;

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(ticket) = text.parse::<Ticket>() {
        assert_eq!(ticket.to_string().parse::<Ticket>().as_ref(), Ok(&ticket));
    }
});
