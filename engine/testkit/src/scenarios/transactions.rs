//! What holds inside one co-transaction: its net effect counts.

use expect_test::expect;

use super::members;
use crate::scenario::Scenario;

/// Own inserts are witnesses for policies, those of earlier operations only.
pub fn grant_then_use_is_fine_forwards_and_refused_backwards() -> Scenario {
    members(
        "forwards  @mallory on genesis: insert guests g1 who=@mallory; insert bookings b1 room=red
         backwards @puppet on genesis:  insert bookings b2 room=blue; insert guests g2 who=@puppet",
        expect![[r#"
            forwards   live
            backwards  refused: permission
            members:   anna, ben, cleo, dora, eric
            guests:    g1(who=@mallory)
            bookings:  b1(room=red)
        "#]],
    )
}

/// Its own deletes never take its permission away; those of an earlier co-transaction do.
pub fn resign_then_use_is_fine_in_one_transaction_only() -> Scenario {
    members(
        "one @ben on genesis:  delete ben; insert notes n title=farewell
         two @cleo on genesis: delete cleo | insert notes m title=ghost",
        expect![[r#"
            one        live
            two        refused: permission
            members:   anna, cleo, dora, eric
            notes:     n(title=farewell)
        "#]],
    )
}

/// The resignation of somebody does not reach what he did in the same transaction, but what he did elsewhere.
pub fn a_resignation_reaches_what_was_done_concurrently() -> Scenario {
    members(
        "bye   @ben on genesis: delete ben; insert notes n title=farewell
         other @ben on genesis: insert notes m title=elsewhere",
        expect![[r#"
            bye        live
            other      void: permission of operation 0, lost to bye
            members:   anna, cleo, dora, eric
            notes:     n(title=farewell)
        "#]],
    )
}

/// Own inserts are witnesses for foreign keys in any order.
pub fn a_parent_and_its_child_are_inserted_in_any_order() -> Scenario {
    members(
        "first @dora on genesis: insert projects p name=p; insert issues i project=p title=i
         last  @dora on genesis: insert issues j project=q title=j; insert projects q name=q",
        expect![[r#"
            first      live
            last       live
            members:   anna, ben, cleo, dora, eric
            projects:  p(name=p), q(name=q)
            issues:    i(project=p title=i), j(project=q title=j)
        "#]],
    )
}

/// Nothing that it writes may refer to a row that it deletes.
pub fn nothing_refers_to_a_row_that_the_same_transaction_deletes() -> Scenario {
    members(
        "p    @dora on genesis: insert projects p name=p
         both @dora on p:       insert stars s project=p words=x; delete p
         swap @dora on p:       delete p; insert projects q name=q; insert stars s2 project=q words=y",
        expect![[r#"
            p          live
            both       refused: foreign_key
            swap       live
            members:   anna, ben, cleo, dora, eric
            projects:  q(name=q)
            stars:     s2(project=q words=y)
        "#]],
    )
}

/// Keys that it releases are free for it, in any order.
pub fn two_unique_values_swap_in_one_transaction() -> Scenario {
    members(
        "two   @dora on genesis: insert bookings b1 room=red; insert bookings b2 room=blue
         swap  @dora on two:     update b1 room=blue; update b2 room=red
         wrong @dora on two:     update b1 room=blue | update b2 room=red",
        expect![[r#"
            two        live
            swap       live
            wrong      refused: unique
            members:   anna, ben, cleo, dora, eric
            bookings:  b1(room=blue), b2(room=red)
        "#]],
    )
}

/// A row is replaced under its key, whether the delete comes first or last.
pub fn a_row_is_replaced_under_its_key() -> Scenario {
    members(
        "one    @dora on genesis: insert bookings b1 room=red
         before @dora on one:     delete b1; insert bookings b2 room=red
         after  @dora on before:  insert bookings b3 room=red; delete b2
         twice  @dora on after:   insert bookings b4 room=green; insert bookings b5 room=green",
        expect![[r#"
            one        live
            before     live
            after      live
            twice      refused: unique
            members:   anna, ben, cleo, dora, eric
            bookings:  b3(room=red)
        "#]],
    )
}

/// A delete carries its cascades; what refers under CASCADE to a row that it deletes, it may delete without being asked.
pub fn a_delete_carries_its_cascades() -> Scenario {
    members(
        "made  @anna on genesis: insert projects p name=p; insert issues i project=p title=i; insert remarks r issue=i words=r
         alone @dora on made:    delete p
         issue @dora on made:    delete i; delete r
         half  @dora on made:    delete p; delete i
         whole @dora on made:    delete r; delete i; delete p",
        expect![[r#"
            made       live
            alone      refused: foreign_key
            issue      refused: permission
            half       refused: foreign_key
            whole      live
            members:   anna, ben, cleo, dora, eric
        "#]],
    )
}

/// What has moved elsewhere does not refer any more: its delete is not carried by the cascade.
pub fn a_reference_that_was_released_carries_nothing() -> Scenario {
    members(
        "made  @anna on genesis: insert projects p name=p; insert projects q name=q; insert issues i project=p title=i
         moved @dora on made:    update i project=q
         whole @dora on moved:   delete p; delete i
         alone @dora on moved:   delete p",
        expect![[r#"
            made       live
            moved      live
            whole      refused: permission
            alone      live
            members:   anna, ben, cleo, dora, eric
            projects:  q(name=q)
            issues:    i(project=q title=i)
        "#]],
    )
}

/// A delete permitted by the cascade falls with the write that referred, and its whole transaction with it.
pub fn a_cascade_relies_on_the_reference_that_it_follows() -> Scenario {
    members(
        "made  @anna on genesis: insert projects p name=p; insert projects q name=q; insert issues i project=q title=i
         moved @eric on made:    update i project=p
         whole @dora on moved:   delete p; delete i
         out   @anna on made:    delete eric",
        expect![[r#"
            made       live
            moved      void: permission of operation 0, lost to out
            whole      void: permission of operation 1, lost to moved
            out        live
            members:   anna, ben, cleo, dora
            projects:  p(name=p), q(name=q)
            issues:    i(project=q title=i)
        "#]],
    )
}

/// An own row with an id that the past has used is another row: policies do not take one for the other.
pub fn a_deleted_id_is_inserted_again_in_one_transaction() -> Scenario {
    members(
        "one   @dora on genesis: insert notes n title=first
         again @dora on one:     delete n; insert notes n2 id=n title=second
         taken @dora on one:     insert notes n3 id=n title=third",
        expect![[r#"
            one        live
            again      live
            taken      refused: duplicate_id
            members:   anna, ben, cleo, dora, eric
            notes:     n2(title=second)
        "#]],
    )
}

/// A delete permitted by the cascade falls when a release of that reference, void when it was made, is live again.
pub fn a_cascade_ends_with_a_release_that_is_live_again() -> Scenario {
    members(
        "made  @anna on genesis:     insert projects p name=p; insert projects q name=q; insert issues i project=p title=i
         moved @eric on made:        update i project=q
         out   @ben on made:         delete eric
         whole @dora on moved out:   delete p; delete i
         coup  @anna on made:        delete ben",
        expect![[r#"
            made       live
            moved      live
            out        void: permission of operation 0, lost to coup
            whole      void: permission of operation 1, lost to moved
            coup       live
            members:   anna, cleo, dora, eric
            projects:  p(name=p), q(name=q)
            issues:    i(project=q title=i)
        "#]],
    )
}

/// A concurrent reference is released by the deleter's own write of its cell, if that is the later of the two.
pub fn an_own_write_of_greater_position_releases_a_concurrent_reference() -> Scenario {
    members(
        "made  @anna on genesis: insert projects p name=p; insert projects q name=q; insert invoices v project=q words=v
         refer @dora on made:    update v project=p
         far   @eric on made:    insert notes n title=x
         gone  @eric on far:     update v project=q; delete p",
        expect![[r#"
            made       live
            refer      live
            far        live
            gone       live
            members:   anna, ben, cleo, dora, eric
            notes:     n(title=x)
            projects:  q(name=q)
            invoices:  v(project=q words=v)
        "#]],
    )
}

/// If it is the earlier one, the cell holds the reference, and the delete is void.
pub fn an_own_write_of_smaller_position_releases_nothing() -> Scenario {
    members(
        "made  @anna on genesis: insert projects p name=p; insert projects q name=q; insert invoices v project=q words=v
         far   @dora on made:    insert notes n title=x
         refer @dora on far:     update v project=p
         gone  @eric on made:    update v project=q; delete p",
        expect![[r#"
            made       live
            far        live
            refer      live
            gone       void: foreign_key of operation 1, lost to refer
            members:   anna, ben, cleo, dora, eric
            notes:     n(title=x)
            projects:  p(name=p), q(name=q)
            invoices:  v(project=p words=v)
        "#]],
    )
}

/// The same, if the write that referred stands, but the row that it was written to never was.
pub fn a_cascade_relies_on_the_row_that_refers() -> Scenario {
    members(
        "p     @anna on genesis: insert projects p name=p; insert projects q name=q
         made  @dora on p:       insert issues i project=q title=i
         moved @eric on made:    update i project=p
         whole @eric on moved:   delete p; delete i
         out   @anna on p:       delete dora",
        expect![[r#"
            p          live
            made       void: permission of operation 0, lost to out
            moved      live
            whole      void: permission of operation 1, lost to made
            out        live
            members:   anna, ben, cleo, eric
            projects:  p(name=p), q(name=q)
        "#]],
    )
}

/// A later own insert permits nothing: the booking falls with the row that permitted it.
pub fn a_later_own_insert_permits_nothing() -> Scenario {
    members(
        "let   @anna on genesis: insert guests g who=@mallory
         book  @mallory on let:  insert bookings b room=red; insert guests g2 who=@mallory
         other @mallory on let:  insert guests g3 who=@mallory; insert bookings c room=blue
         out   @anna on let:     delete g",
        expect![[r#"
            let        live
            book       void: permission of operation 0, lost to out
            other      live
            out        live
            members:   anna, ben, cleo, dora, eric
            guests:    g3(who=@mallory)
            bookings:  c(room=blue)
        "#]],
    )
}
