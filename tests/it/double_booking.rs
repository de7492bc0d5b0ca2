//! Two people book one room while they are apart: one booking stands, the same one everywhere; the other is rolled back and
//! reported, with the winner named.

use serde_json::Value;
use treaty_tests::{Node, Pair, field};

use crate::offline::meet;
use crate::quick_start::join;

/// The room-booking example: residents, rooms, bookings with one key per room, day and slot.
const ROOMS: &str = include_str!("../../schema-examples/room-booking/schema.sql");

/// Who holds what, as both nodes must show it.
const BOOKINGS: &str = "SELECT purpose, slot, treaty_status FROM bookings ORDER BY slot";

/// A house with its steward and one resident who has joined; neither sidecar runs.
fn steward_and_resident(pair: Pair) -> (Node, Node) {
    let (steward, resident) = pair.nodes();
    steward.init(ROOMS);
    admit(&steward, &resident, "Ben");
    join(&steward, &resident);
    (steward, resident)
}

fn admit(steward: &Node, newcomer: &Node, name: &str) {
    let identity = newcomer.identity();
    steward.sql(&format!("INSERT INTO residents (who, name) VALUES ('{identity}', '{name}')"));
}

/// Books the library on one day, as the node's own identity.
fn book(node: &Node, slot: u32, purpose: &str) {
    let identity = node.identity();
    node.sql(&format!(
        "INSERT INTO bookings (room_id, day, slot, holder, purpose)
         SELECT id, '2031-05-17', {slot}, '{identity}', '{purpose}' FROM rooms WHERE name = 'Library'"
    ));
}

/// The entry that holds the one insert of a booking with this purpose.
fn entry_of(node: &Node, purpose: &str) -> String {
    let logged = node.lines(&["log", "--table", "bookings"]);
    let found: Vec<&Value> = logged.iter().filter(|line| line["values"]["purpose"] == purpose).collect();
    assert_eq!(found.len(), 1, "{logged:?}");
    field(found[0], "entry").to_owned()
}

/// The one report on this node is of `loser`'s booking, and names `winner`'s entry.
fn check_report(node: &Node, author: &str, loser: &str, winner: &str) {
    let reports = node.lines(&["rollbacks"]);
    assert_eq!(reports.len(), 1, "{reports:?}");
    let report = &reports[0];
    assert_eq!(report["table"], "bookings", "{report}");
    assert_eq!(report["operation"], "insert", "{report}");
    assert_eq!(report["author"], author, "{report}");
    assert_eq!(report["reason"], "unique", "{report}");
    assert_eq!(report["lost"]["purpose"], loser, "{report}");
    assert_eq!(report["reinstated"], Value::Null, "{report}");
    assert_eq!(report["entry"], entry_of(node, loser), "{report}");
    assert_eq!(report["culprit"], entry_of(node, winner), "{report}");
    assert!(field(report, "message").contains("one_booking_per_slot"), "the sentence names the key: {report}");
    let sql = "SELECT reason, lost ->> 'purpose', culprit FROM treaty_rollbacks";
    assert_eq!(node.rows(sql), [format!("unique|{loser}|{}", entry_of(node, winner))]);
}

treaty_tests::on_every_pair!(
    the_senior_claim_stands_on_both_nodes_and_the_other_is_reported,
    the_past_is_read_as_it_is_known_now_or_as_it_was_known_then,
    a_later_place_in_the_history_does_not_lose_the_room_to_somebody_appointed_later,
    of_two_residents_the_one_admitted_first_has_the_room,
    different_slots_both_stand_and_a_cancelled_one_is_free_for_whoever_has_seen_it,
    what_was_done_in_the_same_transaction_falls_with_the_booking_and_the_rest_stays,
);

fn the_senior_claim_stands_on_both_nodes_and_the_other_is_reported(pair: Pair) {
    let (steward, resident) = steward_and_resident(pair);
    book(&steward, 20, "board meeting");
    book(&resident, 20, "chess club");
    meet(&steward, &resident);
    for node in [&steward, &resident] {
        assert_eq!(node.rows(BOOKINGS), ["board meeting|20|committed"]);
        check_report(node, &resident.identity(), "chess club", "board meeting");
    }
}

fn the_past_is_read_as_it_is_known_now_or_as_it_was_known_then(pair: Pair) {
    let (steward, resident) = steward_and_resident(pair);
    book(&steward, 20, "board meeting");
    book(&resident, 20, "chess club");
    meet(&steward, &resident);
    let purposes = |args: &[&str]| -> Vec<Value> {
        steward.lines(args).into_iter().map(|mut line| line["values"]["purpose"].take()).collect()
    };
    let booked = entry_of(&steward, "chess club");
    assert_eq!(purposes(&["at", &booked, "bookings", "--from", &booked]), ["chess club"], "as the resident saw it");
    assert_eq!(purposes(&["at", &booked, "bookings"]), Vec::<Value>::new(), "it never stood");
    assert_eq!(purposes(&["at", "now", "bookings"]), ["board meeting"]);
}

fn a_later_place_in_the_history_does_not_lose_the_room_to_somebody_appointed_later(pair: Pair) {
    let (steward, resident) = steward_and_resident(pair);
    // Three changes that the resident does not see put the steward's booking higher than the resident's.
    let sidecar = steward.up(&[]);
    for floor in 1..=3 {
        steward.sql(&format!("UPDATE rooms SET floor = {floor} WHERE name = 'Library'"));
        treaty_tests::wait_until("the change is in the log", || steward.status()["waiting"] == 0);
    }
    sidecar.stop();
    book(&resident, 20, "chess club");
    book(&steward, 20, "board meeting");
    meet(&steward, &resident);
    for node in [&steward, &resident] {
        assert_eq!(node.rows(BOOKINGS), ["board meeting|20|committed"]);
        check_report(node, &resident.identity(), "chess club", "board meeting");
    }
}

fn of_two_residents_the_one_admitted_first_has_the_room(pair: Pair) {
    let (steward, first) = steward_and_resident(pair);
    let second = Node::on(pair.first);
    admit(&steward, &second, "Carla");
    join(&steward, &second);
    meet(&steward, &first);
    book(&second, 20, "yoga");
    book(&first, 20, "chess club");
    meet(&steward, &second);
    assert_eq!(steward.rows(BOOKINGS), ["yoga|20|committed"], "nobody has heard of the other one");
    meet(&steward, &first);
    meet(&steward, &second);
    for node in [&steward, &first, &second] {
        assert_eq!(node.rows(BOOKINGS), ["chess club|20|committed"]);
        check_report(node, &second.identity(), "yoga", "chess club");
    }
}

fn different_slots_both_stand_and_a_cancelled_one_is_free_for_whoever_has_seen_it(pair: Pair) {
    let (steward, resident) = steward_and_resident(pair);
    book(&steward, 20, "board meeting");
    book(&resident, 21, "chess club");
    meet(&steward, &resident);
    steward.sql("DELETE FROM bookings WHERE slot = 20");
    meet(&steward, &resident);
    book(&resident, 20, "chess finals");
    meet(&steward, &resident);
    for node in [&steward, &resident] {
        assert_eq!(node.rows(BOOKINGS), ["chess finals|20|committed", "chess club|21|committed"]);
        assert_eq!(node.lines(&["rollbacks"]), Vec::<Value>::new());
    }
}

fn what_was_done_in_the_same_transaction_falls_with_the_booking_and_the_rest_stays(pair: Pair) {
    let (steward, resident) = steward_and_resident(pair);
    let identity = resident.identity();
    book(&steward, 20, "board meeting");
    resident.transaction("UPDATE residents SET name = 'Benjamin' WHERE name = 'Ben'");
    resident.transaction(&format!(
        "INSERT INTO bookings (room_id, day, slot, holder, purpose)
         SELECT id, '2031-05-17', slot, '{identity}', 'chess ' || slot
         FROM rooms, (SELECT 20 AS slot UNION ALL SELECT 21) slots WHERE name = 'Library'"
    ));
    meet(&steward, &resident);
    for node in [&steward, &resident] {
        assert_eq!(node.rows(BOOKINGS), ["board meeting|20|committed"]);
        assert_eq!(node.value("SELECT count(*) FROM residents WHERE name = 'Benjamin'"), "1");
        let lost = node.rows("SELECT lost ->> 'purpose' FROM treaty_rollbacks ORDER BY 1");
        assert_eq!(lost, ["chess 20", "chess 21"]);
        assert_eq!(node.rows("SELECT DISTINCT reason FROM treaty_rollbacks"), ["unique"]);
    }
}
