//! Tickets as text.

use treaty_engine::hash::{EntryId, SpaceId};
use treaty_engine::identity::{Identity, Suite};
use treaty_net::ticket::{Ticket, TicketError};

use crate::node::{genesis, keypair};

fn ticket() -> Ticket {
    let addresses = vec!["192.0.2.7:4433".to_owned(), "node.example:4433".to_owned()];
    Ticket::new(SpaceId(*genesis().id()), keypair(1).identity(), addresses).unwrap()
}

#[test]
fn a_ticket_is_written_as_the_page_says() {
    let space = SpaceId(EntryId([0x11; 32]));
    let identity = Identity { suite: Suite::Ed25519, key: [0x22; 32] };
    let ticket = Ticket::new(space, identity, ticket().addresses().to_vec()).unwrap();
    let page = include_str!("../../../../docs/spec/ticket.md");
    let vector = page.lines().find_map(|line| line.strip_prefix("ticket = ")).unwrap();
    assert_eq!(ticket.to_string(), vector);
    assert_eq!(vector.parse(), Ok(ticket));
}

#[test]
fn a_ticket_reads_back_from_its_text() {
    let text = ticket().to_string();
    assert!(text.starts_with("treaty1"));
    assert_eq!(text.parse(), Ok(ticket()));
    assert_eq!(format!("  {} \n", text.to_uppercase()).parse(), Ok(ticket()));
}

#[test]
fn a_text_with_one_wrong_character_is_refused() {
    let text = ticket().to_string();
    for index in 7..text.len() {
        let other = if &text[index..=index] == "a" { "b" } else { "a" };
        let wrong = format!("{}{other}{}", &text[..index], &text[index + 1..]);
        assert!(wrong.parse::<Ticket>().is_err(), "{index}");
        assert!(text[..index].parse::<Ticket>().is_err(), "{index}");
    }
    assert_eq!("https://example.org".parse::<Ticket>(), Err(TicketError::Form));
}

#[test]
fn addresses_that_are_too_many_too_long_or_no_text_are_refused() {
    let make = |addresses| Ticket::new(SpaceId(*genesis().id()), keypair(1).identity(), addresses);
    assert_eq!(make(vec!["a:1".to_owned(); 9]), Err(TicketError::Addresses));
    assert_eq!(make(vec!["a".repeat(256)]), Err(TicketError::Addresses));
    assert_eq!(make(vec![String::new()]), Err(TicketError::Addresses));
    assert_eq!(make(vec!["a b:1".to_owned()]), Err(TicketError::Addresses));
}
